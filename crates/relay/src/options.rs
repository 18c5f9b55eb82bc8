//! What the command line decides before a relay runs.

use std::{ffi::OsString, path::PathBuf};

use quarterdeck_protocol::dialect::Dialect;
use quarterdeck_transport::dial::Proxy;
use quarterdeck_transport::server::Listen;

use crate::{config::RelayConfig, instance::InstanceDir};

/// Everything a relay needs to know from outside.
#[derive(Debug, Clone)]
pub struct RelayOptions {
    /// The instance it serves.
    pub directory: InstanceDir,
    /// Network address; none = only the Unix socket.
    pub listen: Option<Listen>,
    /// Listeners for other programs' protocols.
    pub dialects: Vec<(Dialect, Listen)>,
    /// Ceiling and limits.
    pub config: RelayConfig,
    /// The way out of this network, for hooks.
    pub proxy: Option<Proxy>,
    /// Where a service manager keeps its credentials for this process (`$CREDENTIALS_DIRECTORY`).
    pub credentials: Option<PathBuf>,
    /// The flags that it was started with, for the relay that replaces it; no secrets.
    pub flags: Vec<String>,
    /// Where it was started.
    pub started_in: Option<PathBuf>,
    /// Where relays of all base directories announce their instances; none = nowhere.
    pub announcements: Option<PathBuf>,
    /// The command that becomes the holders' zygote: this binary with its hidden subcommand.
    pub zygote: ZygoteCommand,
    /// The command by which an agent gets the tools to write to others; empty = none does.
    pub mail_tools: Vec<String>,
}

/// A program, its arguments and its environment.
#[derive(Debug, Clone)]
pub struct ZygoteCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments; no secrets.
    pub args: Vec<OsString>,
    /// Its whole environment.
    pub env: Vec<(OsString, OsString)>,
}
