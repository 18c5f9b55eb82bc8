//! Starts kept sessions again after the machine, or everything of the instance on it, was ended.
//!
//! Started again is what was to be kept and lost its holder, or ended by a signal on an earlier boot: a
//! machine that shuts down ends programs so. What ended by itself, or was stopped by somebody, stays
//! ended.

use std::{path::Path, sync::Arc};

use quarterdeck_holder::log::{LogReader, Next};
use quarterdeck_protocol::{
    record::{ExitStatus, RecordKind, Start},
    session::SessionState,
};

use crate::{
    context::Context,
    remote::restart,
    session::{
        SessionHandle,
        meta::{Keep, SessionMeta},
    },
};

/// Exit codes from here on are a shell's way to say that a signal ended its last command.
const SIGNAL_CODES: i32 = 129;

/// Starts them, one after the other.
pub(crate) async fn run(context: Arc<Context>) {
    let boot = boot_id();
    for session in context.registry.all() {
        if context.shutdown.is_cancelled() {
            return;
        }
        let ended = session.published().state.clone();
        if ended.is_live() {
            continue;
        }
        let (directory, boot) = (session.directory.clone(), boot.clone());
        let looked = tokio::task::spawn_blocking(move || wanted(&directory, &ended, &boot)).await;
        if let Ok(Some(meta)) = looked {
            revive(&context, &session, meta).await;
        }
    }
}

async fn revive(context: &Arc<Context>, session: &Arc<SessionHandle>, meta: SessionMeta) {
    let Some(by) = meta.created_by else { return };
    restart::again(context, session, by).await;
}

fn wanted(directory: &Path, ended: &SessionState, boot: &str) -> Option<SessionMeta> {
    let meta = SessionMeta::read(directory).ok().filter(|meta| meta.keep == Keep::Yes)?;
    let by_signal = match ended {
        SessionState::Lost { .. } => return Some(meta),
        SessionState::Exited { status, .. } => match status {
            ExitStatus::Signal { .. } => true,
            ExitStatus::Code { code } => *code >= SIGNAL_CODES,
            ExitStatus::Oom | ExitStatus::Unknown => false,
        },
        SessionState::Starting
        | SessionState::Running
        | SessionState::Waiting
        | SessionState::Idle
        | SessionState::Stalled { .. }
        | SessionState::Unreachable { .. } => false,
    };
    let earlier = by_signal && started_on(directory).is_some_and(|started| started != boot);
    earlier.then_some(meta)
}

/// The boot on which a session's program was last started.
fn started_on(directory: &Path) -> Option<String> {
    let mut reader = LogReader::open(directory).ok()?;
    let mut boot = None;
    loop {
        match reader.next().ok()? {
            Next::Record(record) if record.header.kind == RecordKind::Start => {
                let start: Option<Start> = serde_json::from_slice(&record.payload).ok();
                boot = start.map(|start| start.boot_id).filter(|boot| !boot.is_empty());
            }
            Next::Record(_) | Next::Gap(_) => {}
            Next::AwaitMore => return boot,
        }
    }
}

/// The kernel's id of this boot; empty where it has none.
fn boot_id() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}
