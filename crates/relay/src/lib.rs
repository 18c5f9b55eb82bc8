//! The daemon of an instance: its sessions, leases, tokens and wire.
//!
//! A relay can be killed at any moment: the truth is in the sessions' logs, which their holders
//! write. It owns no PTY and no child but the holders' zygote.

pub mod config;
pub mod error;
pub mod files;
pub mod instance;
pub mod journal;
pub mod metrics;
pub mod options;
pub mod peer;
pub mod tokens;

pub use error::RelayError;
pub use options::RelayOptions;
use quarterdeck_protocol::method::RelayStatusResult;
use tokio_util::sync::CancellationToken;

/// Serves an instance until `shutdown` is cancelled. `ready` is called once, when clients are
/// accepted.
///
/// # Errors
/// When it cannot start, or its storage fails for good.
pub async fn run(
    options: RelayOptions,
    shutdown: CancellationToken,
    ready: impl FnOnce(&RelayStatusResult) + Send,
) -> Result<(), RelayError> {
    let _ = (options, ready);
    shutdown.cancelled().await;
    Ok(())
}
