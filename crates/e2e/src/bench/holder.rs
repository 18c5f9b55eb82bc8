//! The holder by itself: a key goes over its socket to the program, the echo is read from the log. What a
//! relay adds is in the difference to Quarterdeck's own rows.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    process::Command,
};

use quarterdeck_holder::{
    log::{LogReader, Next},
    socket,
    zygote::Zygote,
};
use quarterdeck_protocol::{
    holder::{HelloRequest, Input, LaunchAnswer, LaunchRequest, Message, op},
    ids::{ClientId, Epoch, Generation, Incarnation, InputNumber, SessionId},
    record::{RecordKind, SessionKind, TerminalSize},
};
use tempfile::TempDir;

use super::{
    line::{Line, SILENCE},
    systems::System,
};
use crate::{harness::instance::qd_binary, processes, pty::USUAL_SIZE};

/// Bytes of one read from a holder.
const READ_BYTES: usize = 16 * 1024;
/// What a log may keep, as a relay would ask for.
const KEEP_BYTES: u64 = 64 * 1024 * 1024;

/// A holder with nothing before it.
#[derive(Debug, Default)]
pub struct HolderAlone(Option<Room>);

#[derive(Debug)]
struct Room {
    zygote: Zygote,
    directory: TempDir,
}

impl Drop for Room {
    fn drop(&mut self) {
        // a holder outlives whoever started it
        processes::kill_naming(self.directory.path());
    }
}

impl System for HolderAlone {
    fn name(&self) -> &'static str {
        "holder alone"
    }
    fn open(&mut self, program: &[String]) -> io::Result<Box<dyn Line + Send>> {
        self.0 = None;
        let mut command = Command::new(qd_binary());
        command.arg("holder-zygote");
        let room = Room { zygote: Zygote::start(command)?, directory: tempfile::tempdir()? };
        let Room { zygote, directory } = self.0.insert(room);
        let session = directory.path().join("session");
        std::fs::create_dir(&session)?;
        let answer = zygote.launch(&request(&session, program), SILENCE);
        match answer.map_err(io::Error::other)? {
            LaunchAnswer::Started { .. } => Ok(Box::new(Driver::connect(&session)?)),
            LaunchAnswer::Failed { message, .. } => Err(io::Error::other(message)),
        }
    }
}

fn request(directory: &Path, program: &[String]) -> LaunchRequest {
    let (cols, rows) = USUAL_SIZE;
    LaunchRequest {
        directory: directory.to_string_lossy().into_owned(),
        session: SessionId::from_bytes([7; 10]),
        kind: SessionKind::Terminal,
        incarnation: Incarnation(1),
        argv: program.to_vec(),
        argv0: None,
        env: std::env::vars().collect(),
        cwd: "/".to_owned(),
        size: TerminalSize { cols, rows, xpixel: 0, ypixel: 0 },
        started_by: None,
        record_input: false,
        keep_bytes: KEEP_BYTES,
        exclusive: None,
        notes: Vec::new(),
    }
}

/// What a relay is to a holder: its one driver, which reads the log.
struct Driver {
    stream: UnixStream,
    log: LogReader,
    received: Vec<u8>,
    typed: u64,
}

impl Driver {
    fn connect(session: &Path) -> io::Result<Self> {
        let stream = socket::connect(session).map_err(io::Error::other)?;
        stream.set_read_timeout(Some(SILENCE))?;
        let log = LogReader::open(session).map_err(io::Error::other)?;
        let mut driver = Self { stream, log, received: Vec::new(), typed: 0 };
        let hello = HelloRequest { generation: Generation(1), protocol: 1 };
        driver.tell(op::HELLO, &serde_json::to_vec(&hello)?)?;
        Ok(driver)
    }
    fn tell(&mut self, op: u8, body: &[u8]) -> io::Result<()> {
        let mut bytes = Vec::new();
        Message { op, request: 1, body }.encode(&mut bytes);
        self.stream.write_all(&bytes)
    }
    /// Takes whole messages away; true if one of them told a head.
    fn take_heads(&mut self) -> io::Result<bool> {
        let mut told = false;
        while let Some((message, size)) =
            Message::parse(&self.received).map_err(io::Error::other)?
        {
            // the answer to the hello has the first head
            told |= message.op == op::HEAD || message.op == op::OK;
            self.received.drain(..size);
        }
        Ok(told)
    }
}

impl Line for Driver {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.typed += 1;
        let client = ClientId::from_bytes([1; 16]);
        let mut body = Vec::new();
        Input { client, epoch: Epoch(0), n: InputNumber(self.typed), bytes }.encode(&mut body);
        self.tell(op::INPUT, &body)
    }
    fn receive(&mut self, into: &mut Vec<u8>) -> io::Result<()> {
        let mut chunk = [0; READ_BYTES];
        let count = self.stream.read(&mut chunk)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.received.extend_from_slice(&chunk[..count]);
        if !self.take_heads()? {
            return Ok(());
        }
        while let Next::Record(record) = self.log.next().map_err(io::Error::other)? {
            if record.header.kind == RecordKind::Output {
                into.extend_from_slice(&record.payload);
            }
        }
        Ok(())
    }
}
