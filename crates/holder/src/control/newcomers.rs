//! Connections that have not said hello yet, and the hello that makes one of them the driver.

use std::{
    io::Write as _,
    os::unix::net::UnixListener,
    time::{Duration, Instant},
};

use quarterdeck_protocol::holder::{
    HOLDER_PROTOCOL, HelloAnswer, HelloRequest, HolderError, HolderErrorCode, Message, op,
};
use quarterdeck_protocol::record::Position;

use super::{Control, Driver};
use crate::{
    connection::{Connection, Received},
    driver::ConnectionId,
    inbox::Job,
    socket,
};

/// Connections that may wait for their hello; a further one takes the place of the oldest.
pub(super) const MAX_NEWCOMERS: usize = 8;
/// How long a connection may take to say hello.
const HELLO_PATIENCE: Duration = Duration::from_secs(5);
/// Bytes before and with a hello; more is no hello.
const MAX_HELLO_BYTES: usize = 64 * 1024;

#[derive(Debug)]
struct Newcomer {
    connection: Connection,
    deadline: Instant,
}

/// Connections that have not said hello yet, oldest first.
#[derive(Debug, Default)]
pub(super) struct Newcomers(Vec<Newcomer>);

/// What became of a newcomer's bytes.
enum Greeting {
    /// No whole message yet.
    Waits(Connection),
    /// Its hello, the number to answer to, and the connection with what came behind.
    Hello(HelloRequest, u32, Connection),
    /// Closed, refused or not understood.
    Gone,
}

impl Newcomers {
    pub(super) fn accept(&mut self, listener: &UnixListener, now: Instant) {
        // a connection that failed while it waited is nobody's loss
        let Ok((stream, _)) = listener.accept() else { return };
        if !socket::may_drive(&stream) {
            return;
        }
        let Ok(connection) = Connection::new(stream) else { return };
        if self.0.len() == MAX_NEWCOMERS {
            self.0.remove(0);
        }
        self.0.push(Newcomer { connection, deadline: now + HELLO_PATIENCE });
    }

    pub(super) fn connections(&self) -> impl Iterator<Item = &Connection> {
        self.0.iter().map(|newcomer| &newcomer.connection)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.0.first().map(|newcomer| newcomer.deadline)
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.0.retain(|newcomer| newcomer.deadline > now);
    }
}

impl Control {
    /// Reads from the newcomers whose bit is set and makes drivers of those that may be.
    pub(super) fn greet(&mut self, ready: u32) {
        if ready == 0 {
            return;
        }
        for (index, newcomer) in std::mem::take(&mut self.newcomers.0).into_iter().enumerate() {
            let Newcomer { connection, deadline } = newcomer;
            if ready & (1 << index) == 0 {
                self.newcomers.0.push(Newcomer { connection, deadline });
                continue;
            }
            match read_hello(connection) {
                Greeting::Waits(connection) => {
                    self.newcomers.0.push(Newcomer { connection, deadline });
                }
                Greeting::Hello(hello, request, connection) => {
                    self.handle_hello(&hello, request, connection);
                }
                Greeting::Gone => {}
            }
        }
    }

    fn handle_hello(&mut self, hello: &HelloRequest, request: u32, connection: Connection) {
        if hello.generation < self.generation {
            let message = format!(
                "the relay of generation {} has this session; this is generation {}",
                self.generation, hello.generation
            );
            return refuse(&connection, request, HolderErrorCode::Superseded, message);
        }
        // the socket of the old driver is closed, and with it its unread requests are gone, before
        // the new one is answered
        self.drop_driver();
        self.generation = hello.generation;
        self.parts.inputs.handle_new_driver();
        let Ok(stream) = connection.stream().try_clone() else { return };
        let id = ConnectionId(self.next_connection);
        self.next_connection += 1;

        let answer = self.hello_answer();
        let body = serde_json::to_vec(&answer).unwrap_or_default();
        let mut bytes = Vec::new();
        Message { op: op::OK, request, body: &body }.encode(&mut bytes);
        let told = Position { seq: answer.seq, out: answer.out };
        self.parts.shared.link.attach(id, stream, bytes, told);
        self.driver = Some(Driver { id, connection });
        // what was recorded between the answer and the attachment
        let head = self.parts.shared.known().head;
        self.parts.shared.link.tell_head(head);
        if answer.stalled.is_some() {
            // without room for it the driver only misses what it would see when the disk is back
            let _ = self.parts.shared.inbox.push(Job::Unrecorded);
        }
        if self.serve().is_err() {
            self.drop_driver();
        }
    }

    fn hello_answer(&self) -> HelloAnswer {
        let identity = self.parts.identity;
        let known = self.parts.shared.known().clone();
        HelloAnswer {
            protocol: HOLDER_PROTOCOL,
            session: identity.session,
            log_id: identity.log_id,
            incarnation: identity.incarnation,
            seq: known.head.seq,
            out: known.head.out,
            holder_pid: std::process::id(),
            program_pid: self.parts.stdio.leader().as_raw_nonzero().get().unsigned_abs(),
            inputs: self.parts.inputs.table(),
            stalled: known.stalled,
        }
    }
}

fn read_hello(mut connection: Connection) -> Greeting {
    let received = connection.receive();
    let bytes = connection.take_received();
    let (hello, request, used) = match Message::parse(&bytes) {
        Ok(Some((message, used))) if message.op == op::HELLO => {
            let Ok(hello) = serde_json::from_slice::<HelloRequest>(message.body) else {
                let sentence = "the hello cannot be read".to_owned();
                refuse(&connection, message.request, HolderErrorCode::BadRequest, sentence);
                return Greeting::Gone;
            };
            (hello, message.request, used)
        }
        Ok(Some((message, _))) => {
            let sentence = "the first request of a connection is a hello".to_owned();
            refuse(&connection, message.request, HolderErrorCode::BadRequest, sentence);
            return Greeting::Gone;
        }
        Ok(None) if received == Received::Open && bytes.len() <= MAX_HELLO_BYTES => {
            connection.put_back(bytes, 0);
            return Greeting::Waits(connection);
        }
        Ok(None) | Err(_) => return Greeting::Gone,
    };
    connection.put_back(bytes, used);
    Greeting::Hello(hello, request, connection)
}

/// A last word to a connection that is closed next; it fits the empty socket or is not missed.
fn refuse(connection: &Connection, request: u32, code: HolderErrorCode, message: String) {
    let body = serde_json::to_vec(&HolderError { code, message }).unwrap_or_default();
    let mut bytes = Vec::new();
    Message { op: op::ERROR, request, body: &body }.encode(&mut bytes);
    let _ = connection.stream().write(&bytes);
}
