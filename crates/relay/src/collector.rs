//! Keeps logs within their limits: on request and once a day.

use std::{sync::Arc, time::Duration};

use quarterdeck_core::quota::{self, Limits, Liveness, LogUse, OpenPrompt, Plan};
use quarterdeck_holder::log::log_usage;
use quarterdeck_protocol::{
    holder::TrimRequest,
    ids::Principal,
    method::{GcParams, GcResult},
    session::SessionState,
};

use crate::{
    clock,
    context::Context,
    session::{Command, SessionHandle, launch},
};

/// Pause between two looks at what is to be done.
const LOOK_INTERVAL: Duration = Duration::from_secs(60);
/// Looks between two passes over the logs.
const LOOKS_PER_PASS: u64 = DAY_S / 60;
/// Seconds of a day.
const DAY_S: u64 = 24 * 60 * 60;

/// Keeps house until the relay stops: stores when tokens were used and forgets uploads that do not go on
/// once a minute, and applies the configured limits once a day.
pub(crate) async fn run(context: Arc<Context>) {
    for look in 1u64.. {
        tokio::select! {
            () = context.shutdown.cancelled() => return,
            () = tokio::time::sleep(LOOK_INTERVAL) => {}
        }
        if let Err(error) = context.door.tokens.save_last_used(clock::wall_seconds()) {
            tracing::debug!(%error, "last uses of tokens not saved");
        }
        context.uploads.expire(clock::boot());
        if !look.is_multiple_of(LOOKS_PER_PASS) {
            continue;
        }
        let result = collect(&context, &GcParams::default(), None).await;
        tracing::info!(removed = result.removed.len(), freed = result.freed_bytes, "daily pass");
    }
}

/// Removes what is too old and trims what is too much.
pub(crate) async fn collect(context: &Context, p: &GcParams, by: Option<&Principal>) -> GcResult {
    let logs = &context.config.logs;
    let age_s = p.ended_before_s.unwrap_or_else(|| logs.ended_days.saturating_mul(DAY_S));
    let limits = Limits {
        session_bytes: logs.session_bytes,
        instance_bytes: p.quota_bytes.unwrap_or(logs.instance_bytes),
        ended_for: Duration::from_secs(age_s),
    };
    let uses: Vec<_> = context.registry.all().iter().map(|session| log_use(session)).collect();
    let plan = quota::plan(&uses, limits, Duration::from_micros(clock::wall_micros()));
    if p.dry_run {
        let trimmed = plan.trim.iter().map(|trim| trim.session).collect();
        let (freed_bytes, log_bytes) = (plan.freed_bytes, plan.left_bytes);
        return GcResult { removed: plan.remove, trimmed, freed_bytes, log_bytes };
    }
    carry_out(context, plan, by).await
}

async fn carry_out(context: &Context, plan: Plan, by: Option<&Principal>) -> GcResult {
    let before = log_bytes(context);
    let (mut removed, mut trimmed) = (Vec::new(), Vec::new());
    for id in plan.remove {
        let Some(session) = context.registry.session(id) else { continue };
        match launch::remove(context, &session, by).await {
            Ok(()) => removed.push(id),
            Err(error) => tracing::warn!(session = %id, %error, "session not removed"),
        }
    }
    for trim in plan.trim {
        let Some(session) = context.registry.session(trim.session) else { continue };
        let request = TrimRequest { keep_bytes: trim.keep_bytes, pinned_from: None };
        if session.ask(|reply| Command::Trim { request, reply }).await.is_ok() {
            trimmed.push(trim.session);
        }
    }
    let log_bytes = log_bytes(context);
    GcResult { removed, trimmed, freed_bytes: before.saturating_sub(log_bytes), log_bytes }
}

fn log_use(session: &SessionHandle) -> LogUse {
    let liveness = match session.published().state {
        SessionState::Exited { at, .. } | SessionState::Lost { at, .. } => {
            Liveness::Ended { at: Duration::from_micros(at) }
        }
        SessionState::Starting
        | SessionState::Running
        | SessionState::Waiting
        | SessionState::Idle
        | SessionState::Stalled { .. }
        | SessionState::Unreachable { .. } => Liveness::Live,
    };
    let bytes = log_bytes_of(session);
    LogUse { session: session.id, bytes, liveness, open_prompt: OpenPrompt::None }
}

/// Bytes of all logs.
pub(crate) fn log_bytes(context: &Context) -> u64 {
    context.registry.all().iter().map(|session| log_bytes_of(session)).sum()
}

/// Bytes of a session's log; none while it cannot be read.
fn log_bytes_of(session: &SessionHandle) -> u64 {
    log_usage(&session.directory, None).map_or(0, |usage| usage.bytes)
}
