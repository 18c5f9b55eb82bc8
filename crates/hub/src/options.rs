//! What the command line decides before a hub runs.

use std::{fmt, net::SocketAddr, path::PathBuf, sync::Arc};

use quarterdeck_access::instance::InstanceDir;
use quarterdeck_hooks::CheckedHooks;
use quarterdeck_transport::dial::Proxy;

use crate::assets::Assets;

/// Everything a hub needs to know from outside.
#[derive(Clone)]
pub struct HubOptions {
    /// The instance it serves; its relay is the hub's own machine.
    pub directory: InstanceDir,
    /// Network address; none = only the Unix socket.
    pub listen: Option<Listen>,
    /// `HOST:PORT` by which machines reach it, if that is not where it listens.
    pub public_address: Option<String>,
    /// The way out of this network.
    pub proxy: Option<Proxy>,
    /// Authorities for machines that are added by token without a pin; none = the system's.
    pub authorities: Option<PathBuf>,
    /// What is told to programs outside.
    pub hooks: CheckedHooks,
    /// The pages of the web interface; none = this build has none.
    pub assets: Option<Arc<dyn Assets>>,
}

impl fmt::Debug for HubOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubOptions")
            .field("directory", &self.directory)
            .field("listen", &self.listen)
            .finish_non_exhaustive()
    }
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
    /// No TLS, and only for this machine: a browser here needs none.
    PlainLoopback,
    /// TLS with the hub's own certificate, made at first start.
    OwnCertificate,
    /// TLS with a certificate from files (PEM).
    Certificate {
        /// The chain, leaf first.
        cert: PathBuf,
        /// The private key.
        key: PathBuf,
    },
    /// No TLS: said in so many words by `--insecure`.
    Insecure,
}
