//! The driver's requests, one function each.

use std::{io, time::Instant};

use quarterdeck_protocol::{
    holder::{
        BadLength, ExtraRequest, HolderError, HolderErrorCode, Input, InputRefusal, Message,
        Operation, ResizeRequest, SignalRequest, StopRequest, TrimRequest, is_key, op,
    },
    limits::{MAX_INPUT_BYTES, MAX_TERMINAL_CELLS_PER_SIDE},
    record::{self, Lease, LeaseRecord, Note, RecordKind, Resize},
};
use serde::de::DeserializeOwned;

use super::{Control, InputRecording};
use crate::{
    driver::{Attention, ReplyTo},
    inbox::{Job, MAX_NOTE_BYTES, Verbatim},
    input::{Applied, Verdict},
    stdio::Stdio,
};

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("operation {0} does not exist in this holder")]
    Unsupported(u8),
    #[error("{0}")]
    BadRequest(String),
    #[error("too much waits for the disk")]
    Storage,
    #[error("the program has ended")]
    Ended,
}

impl Refused {
    fn code(&self) -> HolderErrorCode {
        match self {
            Self::Unsupported(_) => HolderErrorCode::Unsupported,
            Self::BadRequest(_) => HolderErrorCode::BadRequest,
            Self::Storage => HolderErrorCode::Storage,
            Self::Ended => HolderErrorCode::Ended,
        }
    }
}

/// How an operation is answered.
enum Answer {
    /// With an empty `OK`, now.
    Now,
    /// By somebody else, later, or not at all.
    Elsewhere,
}

/// Why the connection cannot go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum ServeError {
    #[error(transparent)]
    Length(#[from] BadLength),
    #[error("the terminal is broken")]
    Terminal(#[from] io::Error),
}

impl Control {
    /// Serves every whole request that the driver has sent, until its answers pile up.
    pub(super) fn serve(&mut self) -> Result<(), ServeError> {
        let Some(driver) = &mut self.driver else { return Ok(()) };
        let id = driver.id;
        let received = driver.connection.take_received();
        let mut used = 0;
        let outcome = loop {
            if self.parts.shared.link.flush(Instant::now()) == Attention::Backlog {
                break Ok(());
            }
            let (message, size) = match Message::parse(&received[used..]) {
                Ok(Some(found)) => found,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error.into()),
            };
            used += size;
            let to = ReplyTo { connection: id, request: message.request };
            if let Err(error) = self.serve_one(&message, to) {
                break Err(error);
            }
        };
        if let Some(driver) = &mut self.driver {
            driver.connection.put_back(received, used);
        }
        outcome
    }

    fn serve_one(&mut self, message: &Message<'_>, to: ReplyTo) -> Result<(), ServeError> {
        let done = match message.op {
            op::INPUT => return Ok(self.handle_input(message.body, to)?),
            op::REPLY => return Ok(self.handle_reply(message.body)?),
            op::RESIZE => self.handle_resize(message.body),
            op::SIGNAL => self.handle_signal(message.body),
            op::STOP => self.handle_stop(message.body),
            op::LEASE => self.handle_lease(message.body, to),
            op::NOTE => self.handle_note(message.body, to),
            op::TRIM => self.handle_trim(message.body, to),
            op::OPERATION => self.handle_operation(message.body, to),
            op::EXTRA => self.handle_extra(message.body, to),
            op::HELLO => Err(Refused::BadRequest("a connection says hello once".to_owned())),
            // a newer relay's notice that wants no answer
            _ if message.request == 0 => Ok(Answer::Elsewhere),
            unknown => Err(Refused::Unsupported(unknown)),
        };
        match done {
            Ok(Answer::Now) => self.parts.shared.link.answer(to, op::OK, b""),
            Ok(Answer::Elsewhere) => {}
            Err(refused) => self.refuse(to, &refused),
        }
        Ok(())
    }

    fn refuse(&self, to: ReplyTo, refused: &Refused) {
        let error = HolderError { code: refused.code(), message: refused.to_string() };
        let body = serde_json::to_vec(&error).unwrap_or_default();
        self.parts.shared.link.answer(to, op::ERROR, &body);
    }

    fn handle_input(&mut self, body: &[u8], to: ReplyTo) -> io::Result<()> {
        let Some(input) = Input::parse(body).filter(|i| i.bytes.len() <= MAX_INPUT_BYTES) else {
            let sentence = format!("an input has at most {MAX_INPUT_BYTES} bytes");
            self.refuse(to, &Refused::BadRequest(sentence));
            return Ok(());
        };
        if self.parts.stdio.terminal().is_none() {
            let sentence = "an agent is not typed to".to_owned();
            self.refuse(to, &Refused::BadRequest(sentence));
            return Ok(());
        }
        match self.parts.inputs.handle_input(input, to.request, self.terms()) {
            Verdict::Queued => {
                self.record_input(input);
                self.write_input()?;
                self.look_at_termios();
            }
            Verdict::InProgress => {}
            Verdict::Answered(ack) => {
                debug_assert!(ack.refusal == InputRefusal::None || ack.n == input.n);
                self.acknowledge(Applied { request: to.request, ack });
            }
        }
        Ok(())
    }

    fn record_input(&self, input: Input<'_>) {
        if self.parts.identity.input_recording == InputRecording::On {
            let Input { client, epoch, n, bytes } = input;
            let input = record::Input { client, n, epoch, bytes: bytes.to_vec().into() };
            // one that finds no room is counted there, and the count is recorded
            let _ = self.parts.shared.inbox.push(Job::Input(input));
        }
    }

    /// A password prompt may switch the echo off without a word: the key press is the moment at
    /// which a client must know.
    fn look_at_termios(&self) {
        let termios = self.parts.stdio.terminal().and_then(|terminal| terminal.termios());
        if termios.is_some() && termios != self.parts.shared.known().termios {
            self.parts.shared.inbox.poke();
        }
    }

    /// What the relay's model answers to a terminal query that no owner's terminal was shown.
    fn handle_reply(&mut self, body: &[u8]) -> io::Result<()> {
        let typed_to = self.parts.stdio.terminal().is_some() && self.parts.program.is_running();
        if !typed_to || body.len() > MAX_INPUT_BYTES {
            return Ok(());
        }
        self.parts.inputs.handle_reply(body);
        self.write_input()
    }

    fn handle_resize(&mut self, body: &[u8]) -> Result<Answer, Refused> {
        let ResizeRequest { size, by } = read(body)?;
        let sides = 1..=MAX_TERMINAL_CELLS_PER_SIDE;
        if !sides.contains(&size.cols) || !sides.contains(&size.rows) {
            let sentence =
                format!("a terminal has 1 to {MAX_TERMINAL_CELLS_PER_SIDE} columns and rows");
            return Err(Refused::BadRequest(sentence));
        }
        self.check_running()?;
        let Some(terminal) = self.parts.stdio.terminal() else {
            return Err(Refused::BadRequest("an agent has no terminal".to_owned()));
        };
        if size != self.parts.size {
            // handed over before it is set: see `Output::turn`
            self.parts.shared.inbox.resize(Resize { size, by });
            terminal.resize(size).map_err(|_| Refused::Ended)?;
            self.parts.size = size;
        }
        Ok(Answer::Now)
    }

    fn handle_signal(&mut self, body: &[u8]) -> Result<Answer, Refused> {
        let request: SignalRequest = read(body)?;
        self.check_running()?;
        let sent = self.parts.program.signal(request, &self.parts.stdio);
        sent.map_err(|error| Refused::BadRequest(error.to_string()))?;
        Ok(Answer::Now)
    }

    fn handle_stop(&mut self, body: &[u8]) -> Result<Answer, Refused> {
        let request: StopRequest = read(body)?;
        self.parts.program.stop(request, Instant::now());
        Ok(Answer::Now)
    }

    fn handle_lease(&mut self, body: &[u8], to: ReplyTo) -> Result<Answer, Refused> {
        let LeaseRecord { epoch, state, why: _, by: _ } = read(body)?;
        if epoch < self.terms().epoch {
            return Err(Refused::BadRequest("the epoch of a lease never falls".to_owned()));
        }
        let lease = Lease { epoch, state };
        let answer = self.hand_over(Job::Lease(lease, Verbatim(body.to_vec()), to))?;
        self.handed_over = epoch;
        Ok(answer)
    }

    fn handle_note(&mut self, body: &[u8], to: ReplyTo) -> Result<Answer, Refused> {
        let Note { topic: _, body: _ } = read(body)?;
        if body.len() > MAX_NOTE_BYTES {
            let sentence = format!("a note has at most {MAX_NOTE_BYTES} bytes");
            return Err(Refused::BadRequest(sentence));
        }
        self.hand_over(Job::Note(Verbatim(body.to_vec()), to))
    }

    fn handle_trim(&mut self, body: &[u8], to: ReplyTo) -> Result<Answer, Refused> {
        let request: TrimRequest = read(body)?;
        self.hand_over(Job::Trim(request, to))
    }

    fn handle_operation(&mut self, body: &[u8], to: ReplyTo) -> Result<Answer, Refused> {
        let known = Operation::parse(body).filter(|operation| is_key(operation.key));
        let Some(operation) = known else {
            return Err(Refused::BadRequest("the operation cannot be read".to_owned()));
        };
        if !matches!(operation.kind, RecordKind::Answer | RecordKind::Note) {
            return Err(Refused::BadRequest("only answers and notes are recorded".to_owned()));
        }
        self.check_agent()?;
        self.hand_over(Job::Operation(Verbatim(body.to_vec()), to))
    }

    fn handle_extra(&mut self, body: &[u8], to: ReplyTo) -> Result<Answer, Refused> {
        let request: ExtraRequest = read(body)?;
        self.check_agent()?;
        self.hand_over(Job::Extra(request, to))
    }

    fn check_agent(&self) -> Result<(), Refused> {
        match self.parts.stdio {
            Stdio::Pipes { .. } => Ok(()),
            Stdio::Terminal(_) => Err(Refused::BadRequest("this is no agent".to_owned())),
        }
    }

    fn hand_over(&self, job: Job) -> Result<Answer, Refused> {
        if self.parts.program.is_told() {
            // the last record is the exit
            return Err(Refused::Ended);
        }
        self.parts.shared.inbox.push(job).map_err(|_| Refused::Storage)?;
        Ok(Answer::Elsewhere)
    }

    fn check_running(&self) -> Result<(), Refused> {
        if self.parts.program.is_running() { Ok(()) } else { Err(Refused::Ended) }
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(body).map_err(|error| Refused::BadRequest(error.to_string()))
}
