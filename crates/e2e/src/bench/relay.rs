//! A relay of the benchmark: started, killed and started again, and looked at from outside.

use std::{
    io::{self, BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use quarterdeck_protocol::method::{HubStatusResult, RelayStatusResult, TokenSecret};

use crate::harness::instance::{Instance, qd_binary};

/// Whether a relay speaks TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// Plain text on loopback.
    Plain,
    /// TLS, as everywhere else.
    Tls,
}

/// A running relay with an instance of its own.
#[derive(Debug)]
pub struct BenchRelay {
    child: Child,
    instance: Instance,
    security: Security,
    address: SocketAddr,
    token: String,
    hub: Option<BenchHub>,
}

/// A hub beside the relay.
#[derive(Debug)]
struct BenchHub {
    child: Child,
    address: SocketAddr,
    token: String,
}

impl Drop for BenchRelay {
    fn drop(&mut self) {
        if let Some(hub) = &mut self.hub {
            let _ = hub.child.kill();
            let _ = hub.child.wait();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl BenchRelay {
    /// Starts a relay and makes a token for it.
    ///
    /// # Errors
    /// When `qd` does not do what it should.
    pub fn start(security: Security) -> io::Result<Self> {
        let instance = Instance::new();
        let (child, address) = spawn(&instance, security)?;
        let made = qd(&instance)
            .args(["token", "create", "bench", "--scope", "read,create,drive", "--json"])
            .output()?;
        let secret: TokenSecret = serde_json::from_slice(&made.stdout)?;
        Ok(Self { child, instance, security, address, token: secret.token, hub: None })
    }
    /// Starts a hub beside it, and waits until the two have a link.
    ///
    /// # Errors
    /// When `qd` does not do what it should.
    pub fn start_hub(&mut self) -> io::Result<()> {
        let mut command = qd(&self.instance);
        command.args(["hub", "--json", "--listen", "127.0.0.1:0"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut ready = String::new();
        let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        BufReader::new(stdout).read_line(&mut ready)?;
        let status: HubStatusResult = serde_json::from_str(&ready)?;
        let address = status.listening.iter().find_map(|at| at.split_once("://")?.1.parse().ok());
        let address = address.ok_or(io::ErrorKind::AddrNotAvailable)?;
        // connecting waits for the link
        qd(&self.instance).args(["machine", "connect", &status.machine]).output()?;
        let made = qd(&self.instance)
            .args(["--hub", "token", "create", "bench", "--scope", "read,create,drive", "--json"])
            .output()?;
        let secret: TokenSecret = serde_json::from_slice(&made.stdout)?;
        self.hub = Some(BenchHub { child, address, token: secret.token });
        Ok(())
    }
    /// Where its hub listens.
    #[must_use]
    pub fn hub_address(&self) -> Option<SocketAddr> {
        self.hub.as_ref().map(|hub| hub.address)
    }
    /// Its hub's process id.
    #[must_use]
    pub fn hub_pid(&self) -> Option<u32> {
        self.hub.as_ref().map(|hub| hub.child.id())
    }
    /// What opens the hub's doors.
    #[must_use]
    pub fn hub_token(&self) -> Option<&str> {
        self.hub.as_ref().map(|hub| hub.token.as_str())
    }
    /// Kills it and starts another one over its sessions; gives how long the new one took to be ready.
    ///
    /// # Errors
    /// When `qd` does not do what it should.
    pub fn restart(&mut self) -> io::Result<Duration> {
        self.child.kill()?;
        self.child.wait()?;
        let start = Instant::now();
        (self.child, self.address) = spawn(&self.instance, self.security)?;
        Ok(start.elapsed())
    }
    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
    /// What opens its doors.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }
    /// Its Unix socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.instance.directory().join("relay.sock")
    }
    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
    /// The directory of everything that belongs to it.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.instance.home()
    }
}

fn spawn(instance: &Instance, security: Security) -> io::Result<(Child, SocketAddr)> {
    let flags: &[&str] = if security == Security::Tls { &[] } else { &["--insecure"] };
    let mut command = qd(instance);
    command.args(["relay", "--json", "--listen", "127.0.0.1:0"]).args(flags);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut ready = String::new();
    let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    BufReader::new(stdout).read_line(&mut ready)?;
    let status: RelayStatusResult = serde_json::from_str(&ready)?;
    let address = status.listening.iter().find_map(|at| at.split_once("://")?.1.parse().ok());
    Ok((child, address.ok_or(io::ErrorKind::AddrNotAvailable)?))
}

fn qd(instance: &Instance) -> Command {
    let mut command = Command::new(qd_binary());
    command.env_clear().envs(instance.environment()).current_dir(instance.home());
    command.stdin(Stdio::null());
    command
}
