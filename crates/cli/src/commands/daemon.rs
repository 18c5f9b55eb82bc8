//! What the commands share that become a daemon: signals, readiness, diagnostics.

pub(crate) mod log;

use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    background::Report,
    error::{CliError, Kind},
    output::Output,
};

/// Ends when somebody asks the process to end.
pub(crate) fn wait_for_signal() -> Result<impl Future<Output = ()>, CliError> {
    let listen = |kind| {
        signal(kind).map_err(|error| {
            CliError::new(Kind::Failed, "cannot listen for signals").caused_by(&error)
        })
    };
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hangup = listen(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}

/// Tells the starter that the daemon serves.
pub(crate) fn report_ready<S: Serialize + Clone>(
    output: Output,
    status: &S,
) -> Result<(), CliError> {
    output.json(&Report::Ready(Box::new(status.clone())))?;
    // the pipe ends here; whatever is still printed belongs into the log
    rustix::stdio::dup2_stdout(rustix::stdio::stderr()).map_err(|error| {
        CliError::new(Kind::Failed, "cannot let go of the starter").caused_by(&error)
    })
}

/// Tells the starter why it does not.
pub(crate) fn report_failure(output: Output, error: &CliError) -> Result<(), CliError> {
    if error.kind == Kind::AlreadyRunning {
        return output.json(&Report::<()>::AlreadyRunning);
    }
    output.json(&Report::<()>::Failed {
        message: error.message.clone(),
        causes: error.causes.clone(),
        hints: error.hints.clone(),
    })
}
