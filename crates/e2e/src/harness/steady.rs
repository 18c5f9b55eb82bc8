//! A session that emits a known stream, and a client that types another one and comes back whenever it
//! is thrown out. Both streams are compared byte by byte at the end: that is the promise of the product.

use std::{collections::VecDeque, path::PathBuf, time::Duration};

use quarterdeck_protocol::{
    frame::InputState,
    ids::{InputNumber, LogId, Out},
    limits::DEFAULT_SESSION_LOG_BYTES,
    method::{HelloParams, SessionAttach},
};
use quarterdeck_transport::{CallError, ClosedWhy};

use super::{
    client::{Attachment, ConnectError, Peer, Way, recording},
    files::{WholeLog, until_file},
    instance::{Instance, program_binary},
    within, within_time,
};
use crate::streams::{KnownStream, StreamKind};

/// Inputs that may wait for their acknowledgement.
const MOST_UNSETTLED: usize = 16;

/// Between two tries to come back.
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

/// The session.
#[derive(Debug)]
pub struct Steady {
    /// Its id.
    pub session: String,
    /// What it puts out.
    pub emits: KnownStream,
    /// What is typed into it.
    pub typed: KnownStream,
    /// Where it records what was typed.
    record: PathBuf,
    /// Where its log is.
    directory: PathBuf,
}

impl Steady {
    /// Starts the session; it emits so many bytes a second, without end.
    pub async fn start(instance: &Instance, peer: &Peer, seed: u64, rate: u64) -> Self {
        let record = instance.path(&format!("typed-{seed}"));
        let program = program_binary().display().to_string();
        let steps = [
            "raw".to_owned(),
            format!("record:{}", record.display()),
            format!("emit:lines:{seed}:inf:{rate}"),
        ];
        let words = std::iter::once(program).chain(steps);
        let session = peer.create(words).await.session;
        Self {
            session: session.to_string(),
            emits: KnownStream::new(StreamKind::Lines, seed),
            typed: KnownStream::new(StreamKind::Typed, seed),
            record,
            directory: instance.session_directory(session),
        }
    }
    /// Checks that the program got each of the first inputs exactly once and in order.
    ///
    /// # Panics
    /// When it did not.
    pub async fn check_typed(&self, inputs: u64) {
        let expected = inputs * self.typed.kind.record_bytes() as u64;
        let seen = until_file(&self.record, |bytes| bytes.len() as u64 >= expected).await;
        self.typed.verify(0, &seen).expect("what was typed arrived once and in order");
        assert_eq!(seen.len() as u64, expected, "nothing arrived twice");
    }
    /// Checks that the log has every byte of output up to an offset, but for the oldest of more than is
    /// kept, and no hole; gives where it ends.
    ///
    /// # Panics
    /// When it has not.
    pub fn check_log(&self, at_least: Out) -> u64 {
        let log = WholeLog::read(&self.directory);
        assert_eq!(log.missing, [], "the log has no hole");
        let (first, output) = log.output();
        let end = first + output.len() as u64;
        let plenty = output.len() as u64 > DEFAULT_SESSION_LOG_BYTES / 2;
        assert!(first == 0 || plenty, "no more is dropped than must be");
        assert!(end >= at_least.0, "what a client saw is in the log");
        self.emits.verify(first, &output).expect("the log has the output as it was");
        end
    }
}

/// A client that types the session's known stream and checks what it sees; it keeps, as a client program
/// would, what it needs to come back.
#[derive(Debug)]
pub struct Typist {
    /// Where it connects; may be changed between connections.
    pub way: Way,
    name: String,
    session: String,
    emits: KnownStream,
    typed: KnownStream,
    attachment: Option<Attachment>,
    ticket: Option<String>,
    place: Option<(Out, LogId)>,
    /// Sent and not known to have been applied, oldest first.
    unsettled: VecDeque<(InputNumber, Vec<u8>)>,
    /// Inputs made so far.
    made: u64,
    next: InputNumber,
}

impl Typist {
    /// A client that is not connected yet.
    #[must_use]
    pub fn new(way: Way, steady: &Steady) -> Self {
        Self {
            way,
            name: "typist".to_owned(),
            session: steady.session.clone(),
            emits: steady.emits,
            typed: steady.typed,
            attachment: None,
            ticket: None,
            place: None,
            unsettled: VecDeque::new(),
            made: 0,
            next: InputNumber(1),
        }
    }
    /// Next output byte that it expects.
    #[must_use]
    pub fn out(&self) -> Out {
        let here = self.attachment.as_ref().map(|attachment| attachment.out);
        here.or(self.place.map(|(out, _)| out)).unwrap_or_default()
    }
    /// Inputs that it knows to have been applied.
    #[must_use]
    pub fn settled(&self) -> u64 {
        self.made - self.unsettled.len() as u64
    }
    /// Connects, comes back as the client it was, and sends again what may have been lost.
    ///
    /// # Errors
    /// When the relay cannot be reached, or the link breaks meanwhile.
    ///
    /// # Panics
    /// When it is not the owner again, or the relay does not take up where it left off.
    pub async fn try_connect(&mut self) -> Result<(), ConnectError> {
        let (name, ticket) = (self.name.clone(), self.ticket.clone());
        let hello = HelloParams { name, ticket, ..HelloParams::default() };
        let peer = self.way.try_connect(&hello).await?;
        self.ticket = Some(peer.hello.ticket.clone());
        let answer =
            peer.client.call::<SessionAttach>(&recording(&self.session, self.place)).await?;
        let mut attachment = Attachment::new(peer, answer);
        assert!(attachment.owns(), "the client is the owner: {:?}", attachment.answer);
        assert_eq!(attachment.out, self.out(), "the relay goes on where the client was");
        attachment.known = Some(self.emits);
        let applied = attachment.answer.input_applied;
        self.settle(applied);
        for (n, bytes) in &self.unsettled {
            attachment.send_input(*n, bytes).await.map_err(CallError::from)?;
        }
        self.attachment = Some(attachment);
        Ok(())
    }
    /// The same where it must work.
    ///
    /// # Panics
    /// When it does not.
    pub async fn connect(&mut self) {
        within("the client connects", self.try_connect()).await.expect("connects");
    }
    /// Drops the connection without a word, as a killed process does.
    pub fn break_off(&mut self) {
        if let Some(attachment) = self.attachment.take() {
            self.place = Some(attachment.place());
            assert_eq!(attachment.gaps, [], "a recorder misses nothing");
        }
    }
    /// Types and reads until something holds, or the link breaks.
    ///
    /// # Errors
    /// Why the connection is over; the client has broken off then.
    ///
    /// # Panics
    /// When nothing comes any more, or a byte is wrong.
    pub async fn work(&mut self, mut until: impl FnMut(&Self) -> bool) -> Result<(), ClosedWhy> {
        let working = async {
            while !until(self) {
                self.step(MOST_UNSETTLED).await?;
            }
            Ok(())
        };
        let worked = tokio::time::timeout(super::PATIENCE, working).await;
        let worked = worked.unwrap_or_else(|_| {
            let (out, settled) = (self.out(), self.settled());
            panic!("no progress: output up to {out}, {settled} of {} inputs settled", self.made)
        });
        if worked.is_err() {
            self.break_off();
        }
        worked
    }
    /// Types and reads until the link breaks, or the other side is taken for dead.
    ///
    /// # Panics
    /// When it is not in this time.
    pub async fn until_thrown_out(&mut self, limit: Duration) -> ClosedWhy {
        let working = async {
            loop {
                if let Err(why) = self.step(MOST_UNSETTLED).await {
                    return why;
                }
            }
        };
        let why = within_time(limit, "the client is thrown out", working).await;
        self.break_off();
        why
    }
    /// Comes back as soon as there is somewhere to come back to.
    ///
    /// # Panics
    /// When there is not in this time.
    pub async fn come_back(&mut self, limit: Duration) {
        let coming = async {
            while self.try_connect().await.is_err() {
                // a socket that nobody serves refuses at once
                tokio::time::sleep(BETWEEN_TRIES).await;
            }
        };
        within_time(limit, "the client comes back", coming).await;
    }
    /// Types nothing more, and waits until all that was typed has been applied; gives how much it was.
    ///
    /// # Panics
    /// When it is not.
    pub async fn finish(&mut self) -> u64 {
        let finishing = async {
            while !self.unsettled.is_empty() {
                self.step(0).await.expect("the link is whole");
            }
        };
        within("all input is applied", finishing).await;
        self.break_off();
        self.made
    }

    async fn step(&mut self, most_unsettled: usize) -> Result<(), ClosedWhy> {
        let attachment = self.attachment.as_mut().expect("is connected");
        while self.unsettled.len() < most_unsettled {
            let size = self.typed.kind.record_bytes() as u64;
            let bytes = self.typed.bytes(self.made * size..(self.made + 1) * size);
            let n = self.next;
            self.next = n.next();
            self.made += 1;
            // it counts as sent even if sending fails: that is what a client can know
            self.unsettled.push_back((n, bytes.clone()));
            attachment.send_input(n, &bytes).await?;
        }
        attachment.step().await?;
        assert_eq!(attachment.rejected, [], "the owner's input is taken");
        let applied = |(_, state): &(&InputNumber, &InputState)| **state == InputState::Applied;
        if let Some((&n, _)) = attachment.inputs.iter().rfind(applied) {
            attachment.inputs.clear();
            self.settle(n);
        }
        Ok(())
    }

    fn settle(&mut self, applied: InputNumber) {
        while self.unsettled.front().is_some_and(|(n, _)| *n <= applied) {
            self.unsettled.pop_front();
        }
    }
}
