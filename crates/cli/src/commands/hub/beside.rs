//! What a hub can do with the other instances of its machine: the same as the commands do, in the name of
//! the same user.

use futures_util::future::BoxFuture;
use quarterdeck_access::instance::InstanceDir;
use quarterdeck_hub::instances::{InstanceFailure, Instances};
use quarterdeck_protocol::method::{DeviceInviteParams, DeviceInviteResult, InstanceInfo};
use quarterdeck_relay::catalogue;

use crate::{
    background,
    commands::{
        hub::{self, NetworkArgs},
        open,
    },
    config::Settings,
    error::CliError,
};

/// The instances beside the one whose settings these are.
pub(super) struct Beside(pub(super) Settings);

impl Instances for Beside {
    fn list(&self) -> Vec<InstanceInfo> {
        catalogue::list(&self.0.base, self.0.announcements.as_deref())
    }

    fn look(&self, directory: &InstanceDir) -> InstanceInfo {
        catalogue::look(directory)
    }

    /// As `qd up --instance NAME --no-open --listen 127.0.0.1:0` does.
    fn start(&self, directory: InstanceDir) -> BoxFuture<'_, Result<(), InstanceFailure>> {
        let settings = self.0.at_instance(directory);
        Box::pin(async move {
            background::start(&settings, &[]).await.map_err(failure)?;
            hub::start(&settings, &NetworkArgs::free_port()).await.map_err(failure)?;
            Ok(())
        })
    }

    /// As `qd --instance NAME open --no-open` does.
    fn invite(
        &self,
        directory: InstanceDir,
        params: DeviceInviteParams,
    ) -> BoxFuture<'_, Result<DeviceInviteResult, InstanceFailure>> {
        let settings = self.0.at_instance(directory);
        Box::pin(async move { open::invite(&settings, &params).await.map_err(failure) })
    }
}

/// What a command would say, in two sentences.
fn failure(error: CliError) -> InstanceFailure {
    let causes = error.causes.into_iter().map(|cause| format!(": {cause}"));
    let message = error.message + &causes.collect::<String>();
    InstanceFailure { message, hint: error.hints.into_iter().next() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn a_failure_says_what_and_why_and_what_to_do() {
        let mut error = CliError::new(Kind::Failed, "the hub cannot start").hint("free some space");
        error.causes = vec!["the disk is full".to_owned()];
        let InstanceFailure { message, hint } = failure(error);
        assert_eq!(message, "the hub cannot start: the disk is full");
        assert_eq!(hint.as_deref(), Some("free some space"));
    }
}
