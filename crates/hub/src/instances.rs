//! The seam to the other instances of this machine. How they are found and started is the binary's to
//! know; the hub says who may ask, and for what.

use futures_util::future::BoxFuture;
use quarterdeck_access::instance::InstanceDir;
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    method::{DeviceInviteParams, DeviceInviteResult, InstanceInfo},
};

/// What a hub can do with the instances of its machine.
pub trait Instances: Send + Sync {
    /// All that are known, by directory. Reads files: not for the event loop.
    fn list(&self) -> Vec<InstanceInfo>;
    /// What is known of one, which may not be there. Reads files too.
    fn look(&self, directory: &InstanceDir) -> InstanceInfo;
    /// Starts the relay and the hub of an instance where they do not run, and waits until they serve.
    fn start(&self, directory: InstanceDir) -> BoxFuture<'_, Result<(), InstanceFailure>>;
    /// Asks the hub of an instance for a login link, as its local user.
    fn invite(
        &self,
        directory: InstanceDir,
        params: DeviceInviteParams,
    ) -> BoxFuture<'_, Result<DeviceInviteResult, InstanceFailure>>;
}

/// Why another instance does not do what it should, in words that people may see.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InstanceFailure {
    /// What failed, and why.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl From<InstanceFailure> for RpcError {
    fn from(InstanceFailure { message, hint }: InstanceFailure) -> Self {
        let error = Self::new(ErrorCode::StartFailed, message);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}
