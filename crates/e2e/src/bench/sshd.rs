//! ssh over loopback, with a server of our own: keys, port and settings are nobody else's.

use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

use pty_process::blocking;
use tempfile::TempDir;

use super::{
    line::{Line, Patient},
    others::{free_port, quoted, until_listening},
    systems::{Server, System},
};
use crate::{
    harness::tools::find_program,
    pty::{BlockingPty, USUAL_SIZE},
};

/// A running ssh server.
#[derive(Debug)]
pub struct Sshd {
    address: SocketAddr,
    directory: TempDir,
    _server: Server,
}

impl Sshd {
    /// Starts one, if it is installed and this is root, as which alone it can run on its own.
    ///
    /// # Errors
    /// When it is and cannot be started.
    pub fn start() -> io::Result<Option<Self>> {
        let server = Path::new("/usr/sbin/sshd");
        let installed = server.is_file() && find_program("ssh").is_some();
        if !installed || !rustix::process::getuid().is_root() {
            return Ok(None);
        }
        // where it puts its child that may do nothing; made by the service otherwise
        fs::create_dir_all("/run/sshd")?;
        let directory = tempfile::tempdir()?;
        let port = free_port()?;
        configure(directory.path(), port)?;
        let mut command = Command::new(server);
        command.args(["-D", "-f"]).arg(directory.path().join("server"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let server = Server::of(command.spawn()?);
        until_listening(port)?;
        let address = (Ipv4Addr::LOCALHOST, port).into();
        Ok(Some(Self { address, directory, _server: server }))
    }
    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
    /// Runs a program by way of an address.
    ///
    /// # Errors
    /// When the client cannot be started.
    pub fn open_at(&self, address: SocketAddr, program: &[String]) -> io::Result<Patient> {
        let words = program.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
        let command = blocking::Command::new("ssh")
            .env("TERM", "xterm-256color")
            .arg("-F")
            .arg(self.directory.path().join("client"))
            .args(["-tt", "-p", &address.port().to_string(), &address.ip().to_string(), &words]);
        Ok(Patient(BlockingPty::spawn(command, USUAL_SIZE)?))
    }
}

fn configure(directory: &Path, port: u16) -> io::Result<()> {
    for key in ["host", "user"] {
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(directory.join(key));
        if !keygen.status()?.success() {
            return Err(io::Error::other("ssh-keygen makes no key"));
        }
    }
    let at = |name: &str| directory.join(name).display().to_string();
    let write = |name: &str, text: String| {
        fs::write(directory.join(name), text)?;
        fs::set_permissions(directory.join(name), fs::Permissions::from_mode(0o600))
    };
    let known = fs::read_to_string(directory.join("host.pub"))?;
    write("known", format!("bench {known}"))?;
    write(
        "server",
        format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\n\
             UsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\nPrintMotd no\n\
             PrintLastLog no\nPidFile none\n",
            at("host"),
            at("user.pub")
        ),
    )?;
    write(
        "client",
        format!(
            "Host *\n IdentityFile {}\n IdentitiesOnly yes\n UserKnownHostsFile {}\n \
             GlobalKnownHostsFile /dev/null\n HostKeyAlias bench\n User root\n LogLevel ERROR\n",
            at("user"),
            at("known")
        ),
    )
}

impl System for Sshd {
    fn name(&self) -> &'static str {
        "ssh (loopback)"
    }
    fn open(&mut self, program: &[String]) -> io::Result<Box<dyn Line + Send>> {
        Ok(Box::new(self.open_at(self.address, program)?))
    }
    fn is_optional(&self) -> bool {
        true
    }
}
