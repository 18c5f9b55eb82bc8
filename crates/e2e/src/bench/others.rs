//! Other systems, as far as they are installed: their own client on a terminal of the benchmark, as a
//! person would have it.

use std::{
    fs, io,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use pty_process::blocking;
use tempfile::TempDir;

use super::{
    line::{self, Line, Patient},
    sshd::Sshd,
    sshx::Sshx,
    systems::{Server, System},
    ttyd::Ttyd,
};
use crate::{
    harness::tools::find_program,
    processes,
    pty::{BlockingPty, USUAL_SIZE},
};

/// How long a server may take to be there.
const STARTING: Duration = Duration::from_secs(10);

/// A system that may be there.
pub enum Found {
    /// It is.
    Here(Box<dyn System>),
    /// It is not: its name, and why.
    Missing(&'static str, &'static str),
}

/// All of them, in the order of the table.
///
/// # Errors
/// When there is no temporary directory.
pub fn find_all() -> io::Result<Vec<Found>> {
    let mut all = Vec::new();
    for (kind, program) in [
        (Kind::Tmux, "tmux"),
        (Kind::Dtach, "dtach"),
        (Kind::Abduco, "abduco"),
        (Kind::Shpool, "shpool"),
        (Kind::Mosh, "mosh-server"),
    ] {
        all.push(match find_program(program) {
            Some(binary) => Found::Here(Box::new(Local::new(kind, binary)?)),
            None => Found::Missing(kind.name(), "not installed"),
        });
    }
    all.push(match Sshd::start()? {
        Some(server) => Found::Here(Box::new(server)),
        None => Found::Missing("ssh (loopback)", "not installed, or not root"),
    });
    all.push(match find_program("ttyd") {
        Some(binary) => Found::Here(Box::new(Ttyd::new(binary))),
        None => Found::Missing("ttyd", "not installed"),
    });
    all.push(match Sshx::find()? {
        Some(sshx) => Found::Here(Box::new(sshx)),
        None => Found::Missing("sshx", "not installed"),
    });
    Ok(all)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tmux,
    Dtach,
    Abduco,
    Shpool,
    Mosh,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Tmux => "tmux (local attach)",
            Self::Dtach => "dtach (local attach)",
            Self::Abduco => "abduco (local attach)",
            Self::Shpool => "shpool (local attach)",
            Self::Mosh => "mosh (loopback, no prediction)",
        }
    }
}

/// A system whose client runs on a terminal.
#[derive(Debug)]
struct Local {
    kind: Kind,
    binary: PathBuf,
    directory: TempDir,
    /// Number of the run: a client must not meet a server that is about to end.
    run: u32,
    server: Option<Server>,
}

impl Local {
    fn new(kind: Kind, binary: PathBuf) -> io::Result<Self> {
        let directory = tempfile::tempdir()?;
        Ok(Self { kind, binary, directory, run: 0, server: None })
    }
    /// A client's command with the run's directory in its environment, by which all of it is found.
    fn command(&self, binary: &Path, room: &Path) -> blocking::Command {
        blocking::Command::new(binary)
            .env("TERM", "xterm-256color")
            .env("LC_ALL", "C.UTF-8")
            .env("HOME", room)
            .env("XDG_RUNTIME_DIR", room)
            .env("ABDUCO_SOCKET_DIR", room)
    }
    fn client(&mut self, room: &Path, program: &[String]) -> io::Result<blocking::Command> {
        let socket = room.join("socket");
        let command = self.command(&self.binary, room);
        Ok(match self.kind {
            Kind::Tmux => command
                .args(["-f", "/dev/null", "-S"])
                .arg(socket)
                .arg("new-session")
                .args(program)
                .args([";", "set", "status", "off"]),
            Kind::Dtach => {
                command.arg("-A").arg(socket).args(["-E", "-r", "none", "-z"]).args(program)
            }
            Kind::Abduco => command.args(["-c", "bench"]).args(program),
            Kind::Shpool => {
                self.server = Some(self.daemon(room, &socket)?);
                let words = program.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
                command.arg("--socket").arg(socket).args(["attach", "--cmd", &words, "bench"])
            }
            Kind::Mosh => self.mosh(room, program)?,
        })
    }
    fn daemon(&self, room: &Path, socket: &Path) -> io::Result<Server> {
        let mut command = Command::new(&self.binary);
        command.arg("--socket").arg(socket).arg("daemon").env("HOME", room);
        command.env("XDG_RUNTIME_DIR", room).stdin(Stdio::null());
        let server = Server::of(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
        let start = Instant::now();
        while !socket.exists() && start.elapsed() < STARTING {
            thread::sleep(Duration::from_millis(5));
        }
        Ok(server)
    }
    /// Starts a server, which says for whom it is and leaves; gives the client's command.
    fn mosh(&self, room: &Path, program: &[String]) -> io::Result<blocking::Command> {
        let mut server = Command::new(&self.binary);
        server.args(["new", "-i", "127.0.0.1", "--"]).args(program);
        server.env("LC_ALL", "C.UTF-8").env("TERM", "xterm-256color").env("HOME", room);
        let said = server.stdin(Stdio::null()).output()?;
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let words = said.lines().find_map(|line| line.trim().strip_prefix("MOSH CONNECT "));
        let words = words.and_then(|words| words.split_once(' '));
        let (port, key) = words.ok_or_else(|| io::Error::other("no word from mosh-server"))?;
        let client = find_program("mosh-client").ok_or(io::ErrorKind::NotFound)?;
        let command = self.command(&client, room).env("MOSH_KEY", key);
        Ok(command.env("MOSH_PREDICTION_DISPLAY", "never").args(["127.0.0.1", port]))
    }
    fn stop(&mut self) {
        self.server = None;
        processes::kill_naming(self.directory.path());
    }
}

impl System for Local {
    fn name(&self) -> &'static str {
        self.kind.name()
    }
    fn open(&mut self, program: &[String]) -> io::Result<Box<dyn Line + Send>> {
        self.stop();
        self.run += 1;
        let room = self.directory.path().join(self.run.to_string());
        fs::create_dir(&room)?;
        let command = self.client(&room, program)?;
        Ok(Box::new(Patient(BlockingPty::spawn(command, USUAL_SIZE)?)))
    }
    fn is_optional(&self) -> bool {
        true
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A word as a shell reads it.
pub(super) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A port that is free now, for a server that must be told one.
///
/// # Errors
/// When there is none.
pub(super) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Waits until somebody listens.
///
/// # Errors
/// When nobody comes to.
pub(super) fn until_listening(port: u16) -> io::Result<()> {
    let start = Instant::now();
    loop {
        match line::connect((Ipv4Addr::LOCALHOST, port).into()) {
            Ok(_) => return Ok(()),
            Err(error) if start.elapsed() > STARTING => return Err(error),
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    }
}
