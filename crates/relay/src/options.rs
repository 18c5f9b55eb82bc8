//! What the command line decides before a relay runs.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf};

use quarterdeck_protocol::dialect::Dialect;
use quarterdeck_transport::dial::Proxy;

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

/// A network address and how it is protected.
#[derive(Debug, Clone)]
pub struct Listen {
    /// Where to bind; port 0 = a free one.
    pub address: SocketAddr,
    /// How.
    pub security: ListenSecurity,
}

/// How a network address is protected.
#[derive(Debug, Clone)]
pub enum ListenSecurity {
    /// TLS with the relay's own certificate, made at first start.
    OwnCertificate {
        /// Only clients with a certificate of these authorities (PEM file).
        client_ca: Option<PathBuf>,
    },
    /// TLS with a certificate from files (PEM).
    Certificate {
        /// The chain, leaf first.
        cert: PathBuf,
        /// The private key.
        key: PathBuf,
        /// Only clients with a certificate of these authorities (PEM file).
        client_ca: Option<PathBuf>,
    },
    /// No TLS, and only for this machine: a dialect's clients may know no pins.
    PlainLoopback,
    /// No TLS: said in so many words by `--insecure`.
    Insecure,
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
