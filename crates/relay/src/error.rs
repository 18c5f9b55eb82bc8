//! Why a relay does not start or does not go on.

use std::{io, net::SocketAddr, path::PathBuf};

use crate::{files::FileError, instance::InstanceName, tokens::TokenError};

/// Why a relay ended other than by request.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The instance's lock is held by another relay.
    #[error("{}", running(instance, *pid, listening))]
    AlreadyRunning {
        /// Which instance.
        instance: InstanceName,
        /// Pid from its record.
        pid: Option<u32>,
        /// Where it listens, from its record.
        listening: Vec<String>,
    },
    /// The network address could not be bound.
    #[error("cannot listen on {address}")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// Cause.
        source: io::Error,
    },
    /// A file or directory of the instance could not be read or written.
    #[error("cannot use {path}", path = path.display())]
    Storage {
        /// Which.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// A file or directory of the instance is not as it must be.
    #[error(transparent)]
    Files(Box<FileError>),
    /// The tokens cannot be read.
    #[error(transparent)]
    Tokens(Box<TokenError>),
    /// The configuration cannot mean what it says.
    #[error("the configuration cannot be used: {0}")]
    Config(String),
    /// The certificate or key could not be used.
    #[error("cannot set up TLS: {0}")]
    Tls(String),
    /// Plain text off loopback without `--insecure`.
    #[error("refusing to serve {0} without TLS")]
    PlainOffLoopback(SocketAddr),
    /// The process that starts holders could not be started.
    #[error("cannot start the holders' zygote")]
    Zygote(#[source] io::Error),
}

fn running(instance: &InstanceName, pid: Option<u32>, listening: &[String]) -> String {
    let pid = pid.map_or_else(String::new, |pid| format!(" with pid {pid}"));
    let at =
        if listening.is_empty() { String::new() } else { format!(" at {}", listening.join(", ")) };
    format!("a relay{pid} serves instance {instance}{at}")
}
