//! How each system starts a program and shows its terminal to a client.

use std::{
    io::{self, BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
};

use pty_process::blocking;

use super::line::{Line, RawWebSocket, SILENCE};
use crate::pty::{BlockingPty, USUAL_SIZE};

/// Something that can show a program's terminal to a client.
pub trait System {
    /// Its name in the table.
    fn name(&self) -> &'static str;
    /// Starts a program and gives its terminal; the program ends with the line, or with the system.
    ///
    /// # Errors
    /// When the system does not do what it should.
    fn open(&mut self, program: &[String]) -> io::Result<Box<dyn Line + Send>>;
    /// Whether there is a program at all: pure echo servers have none.
    fn runs_programs(&self) -> bool {
        true
    }
    /// Whether the rest is measured if it fails: what is another's may break in ways that are not ours.
    fn is_optional(&self) -> bool {
        false
    }
}

/// A process of a benchmark; killed when it is dropped.
#[derive(Debug)]
pub struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Server {
    /// Has a process killed with the benchmark.
    #[must_use]
    pub const fn of(child: Child) -> Self {
        Self(child)
    }
    /// Starts this binary with other words; it says first where it listens.
    fn start(words: &[String]) -> io::Result<(Self, SocketAddr)> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.args(words).stdout(Stdio::piped()).spawn().map(Self)?;
        let stdout = child.0.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        Ok((child, line.trim().parse().map_err(io::Error::other)?))
    }
}

/// A terminal read and written directly: no system at all.
#[derive(Debug)]
pub struct RawPty;

impl System for RawPty {
    fn name(&self) -> &'static str {
        "raw PTY"
    }
    fn open(&mut self, program: &[String]) -> io::Result<Box<dyn Line + Send>> {
        Ok(Box::new(on_terminal(program)?))
    }
}

fn on_terminal(program: &[String]) -> io::Result<BlockingPty> {
    let (name, arguments) = program.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    BlockingPty::spawn(blocking::Command::new(name).args(arguments), USUAL_SIZE)
}

/// An echo over TCP.
#[derive(Debug)]
pub struct RawTcp;

impl System for RawTcp {
    fn name(&self) -> &'static str {
        "raw TCP echo"
    }
    fn open(&mut self, _program: &[String]) -> io::Result<Box<dyn Line + Send>> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let stream = TcpStream::connect(listener.local_addr()?)?;
        let (mut served, _) = listener.accept()?;
        for end in [&stream, &served] {
            end.set_nodelay(true)?;
        }
        stream.set_read_timeout(Some(SILENCE))?;
        // ends with the connection
        let echo = move || io::copy(&mut served.try_clone()?, &mut served);
        std::thread::Builder::new().spawn(echo)?;
        Ok(Box::new(stream))
    }
    fn runs_programs(&self) -> bool {
        false
    }
}

/// An echo over WebSocket, in a process of its own.
#[derive(Debug, Default)]
pub struct RawWs(Option<(Server, SocketAddr)>);

impl System for RawWs {
    fn name(&self) -> &'static str {
        "raw WebSocket echo"
    }
    fn open(&mut self, _program: &[String]) -> io::Result<Box<dyn Line + Send>> {
        self.0 = None;
        let (_, address) = self.0.insert(Server::start(&["serve-echo".to_owned()])?);
        Ok(Box::new(RawWebSocket::connect(*address)?))
    }
    fn runs_programs(&self) -> bool {
        false
    }
}

/// The least relay between a terminal and a WebSocket.
#[derive(Debug, Default)]
pub struct RefWs(Option<(Server, SocketAddr)>);

impl System for RefWs {
    fn name(&self) -> &'static str {
        "ref-ws"
    }
    fn open(&mut self, program: &[String]) -> io::Result<Box<dyn Line + Send>> {
        self.0 = None;
        let address = self.serve(program)?;
        Ok(Box::new(RawWebSocket::connect(address)?))
    }
}

impl RefWs {
    /// Starts it, and gives where it listens.
    ///
    /// # Errors
    /// When it does not start.
    pub fn serve(&mut self, program: &[String]) -> io::Result<SocketAddr> {
        self.0 = None;
        let words = [&["serve-terminal".to_owned()], program].concat();
        Ok(self.0.insert(Server::start(&words)?).1)
    }
}

/// The same behind TLS.
#[derive(Debug, Default)]
pub struct RefWss(Option<(Server, SocketAddr)>);

impl System for RefWss {
    fn name(&self) -> &'static str {
        "ref-wss"
    }
    fn open(&mut self, program: &[String]) -> io::Result<Box<dyn Line + Send>> {
        let address = self.serve(program)?;
        Ok(Box::new(RawWebSocket::connect_tls(address)?))
    }
}

impl RefWss {
    /// Starts it, and gives where it listens.
    ///
    /// # Errors
    /// When it does not start.
    pub fn serve(&mut self, program: &[String]) -> io::Result<SocketAddr> {
        self.0 = None;
        let words = [&["serve-terminal-tls".to_owned()], program].concat();
        Ok(self.0.insert(Server::start(&words)?).1)
    }
}
