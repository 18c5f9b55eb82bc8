//! When a Remote Control program that failed is started again.

use std::{sync::Arc, time::Duration};

use quarterdeck_protocol::{
    method::ResumeParams,
    remote_control::{RemoteRestart, RemoteState},
};

use super::Remote;
use crate::{
    caller::{Caller, Via},
    context::Context,
    peer::Origin,
    session::{SessionHandle, launch},
    tokens::Grant,
};
use quarterdeck_protocol::ids::Principal;

/// Starts in a row that did not last; beyond it a human looks.
const MAX_IN_A_ROW: u32 = 8;
/// The first wait; it doubles with each failure in a row.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// A program that ran this long has lasted: what fails after it is the first failure again.
const LASTED: Duration = Duration::from_secs(600);

/// Restarts of one session in this relay's life.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Restarts {
    count: u32,
    in_a_row: u32,
}

impl Restarts {
    /// How many there were.
    #[must_use]
    pub(crate) const fn count(self) -> u32 {
        self.count
    }

    /// The wait before the next one; none = no more. `ran` is how long the program ran.
    pub(crate) fn next(&mut self, ran: Duration) -> Option<Duration> {
        if ran >= LASTED {
            self.in_a_row = 0;
        }
        if self.in_a_row >= MAX_IN_A_ROW {
            return None;
        }
        let wait = FIRST_WAIT.saturating_mul(1 << self.in_a_row.min(16)).min(LONGEST_WAIT);
        self.in_a_row += 1;
        self.count += 1;
        Some(wait)
    }
}

impl Remote {
    /// Whether its policy says that a program that ended so is started again.
    #[must_use]
    pub(crate) fn wants_restart(&self) -> bool {
        let failed = matches!(self.state(), RemoteState::Failed { refused: false, .. });
        match self.asked().restart {
            RemoteRestart::OnFailure => failed,
            RemoteRestart::Never | RemoteRestart::Unknown => false,
        }
    }
}

/// Starts an ended session again after a wait, in the name of who created it.
pub(crate) fn later(
    context: &Arc<Context>,
    session: &Arc<SessionHandle>,
    by: Principal,
    wait: Duration,
) {
    let (context, session) = (Arc::clone(context), Arc::clone(session));
    context.clone().tasks.spawn(async move {
        tokio::select! {
            () = context.shutdown.cancelled() => {}
            () = tokio::time::sleep(wait) => again(&context, &session, by).await,
        }
    });
}

/// Starts it again now. Somebody may have been faster.
pub(crate) async fn again(context: &Arc<Context>, session: &Arc<SessionHandle>, by: Principal) {
    let caller = Caller {
        grant: Grant::unlimited("relay", by),
        via: Via::Local { origin: Origin::Outside },
    };
    let p = ResumeParams { session: session.id.to_string(), ..ResumeParams::default() };
    match launch::resume(context, &caller, session, p).await {
        Ok(_) => tracing::info!(session = %session.id, "started again"),
        Err(error) => {
            tracing::warn!(session = %session.id, code = ?error.code(), "not started again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_end_and_begin_anew_after_a_long_run() {
        let mut restarts = Restarts::default();
        let short = Duration::from_secs(3);
        let waits: Vec<u64> =
            std::iter::from_fn(|| restarts.next(short)).map(|wait| wait.as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(restarts.next(short), None);
        assert_eq!(restarts.next(LASTED), Some(FIRST_WAIT));
        assert_eq!(restarts.count(), 9);
    }
}
