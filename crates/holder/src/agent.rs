//! The thread that owns the log of an agent: it records what the agent writes, line by line, and what
//! is written to it, before it is written.
//!
//! When the disk has no room, the agent is not read any more: it waits, as for a slow reader, and the
//! session is stalled. Answers may use the log's reserve.

use std::{
    collections::VecDeque,
    io,
    os::fd::AsFd as _,
    sync::Arc,
    time::{Duration, Instant},
};

use quarterdeck_protocol::{
    agent::{OversizedRecord, topic},
    holder::{ExtraRequest, HolderError, HolderErrorCode, Operation, OperationAnswer, op},
    ids::Seq,
    limits::MAX_STDERR_RECORD_BYTES,
    record::{Exit, Fact, Note, RawJson, RecordKind},
};
use rustix::event::{PollFd, PollFlags, Timespec};

use crate::{
    driver::ReplyTo,
    inbox::{Job, Mail, Verbatim},
    journal::Journal,
    lines::{Line, Lines},
    log::{Class, Entry},
    operations::{Keys, Pending},
    pipes::{self, Pipes},
    recorder::{NotRecorded, Recorder, Retention},
    shared::Shared,
    terminal::{Found, Written},
};

/// Bytes of one read of a stream.
const READ_BYTES: usize = 64 * 1024;
/// How long the last lines are read when processes that stay behind keep the pipes open.
const LAST_DRAIN: Duration = Duration::from_millis(500);

/// A record that waits for room.
type Held = (RecordKind, Vec<u8>);

/// The output thread of an agent.
pub(crate) struct AgentOutput<J> {
    pipes: Pipes,
    shared: Arc<Shared>,
    recorder: Recorder<J>,
    buffer: Box<[u8]>,
    lines: Lines,
    /// What the agent wrote and the disk has no room for; while there is any, nothing is read.
    held: VecDeque<Held>,
    /// Lines of an operation whose fact is recorded and they are not; they come before anything else.
    owed: VecDeque<Vec<u8>>,
    keys: Keys,
    pending: Pending,
    retention: Retention,
}

impl<J: Journal> AgentOutput<J> {
    pub(crate) fn new(
        pipes: Pipes,
        shared: Arc<Shared>,
        recorder: Recorder<J>,
        retention: Retention,
    ) -> Self {
        Self {
            pipes,
            shared,
            recorder,
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
            lines: Lines::default(),
            held: VecDeque::new(),
            owed: VecDeque::new(),
            keys: Keys::default(),
            pending: Pending::default(),
            retention,
        }
    }

    /// Works until the end is recorded, or cannot be. Returns what keeps the log.
    pub(crate) fn run(mut self) -> io::Result<Recorder<J>> {
        let worked = self.run_inner();
        // without its log the holder has nothing to hold
        self.shared.known().finished = true;
        self.shared.link.bell().ring();
        worked.map(|()| self.recorder)
    }

    fn run_inner(&mut self) -> io::Result<()> {
        loop {
            let read = self.read();
            let mail = self.shared.inbox.take();
            if mail.close_input {
                self.close_input();
            }
            let exit = self.handle_mail(mail);
            self.write();
            if let Some(exit) = exit {
                self.finish(&exit);
                return Ok(());
            }
            if !read {
                self.wait()?;
            }
        }
    }

    /// Reads both streams once and records what came; whether there may be more.
    fn read(&mut self) -> bool {
        self.retry();
        if !self.held.is_empty() {
            return false;
        }
        let output = self.read_output();
        let errors = self.read_errors();
        self.retry();
        output || errors
    }

    fn read_output(&mut self) -> bool {
        let Some(end) = &self.pipes.output else { return false };
        match pipes::try_read(end.as_fd(), &mut self.buffer) {
            Found::Bytes(count) => {
                let lines = self.lines.take(&self.buffer[..count]);
                self.held.extend(lines.into_iter().filter_map(record_of));
                true
            }
            Found::Nothing => false,
            Found::Closed => {
                self.pipes.output = None;
                self.held.extend(self.lines.finish().and_then(record_of));
                false
            }
        }
    }

    fn read_errors(&mut self) -> bool {
        let Some(end) = &self.pipes.errors else { return false };
        let buffer = &mut self.buffer[..MAX_STDERR_RECORD_BYTES];
        match pipes::try_read(end.as_fd(), buffer) {
            Found::Bytes(count) => {
                self.held.push_back((RecordKind::VendorErr, buffer[..count].to_vec()));
                true
            }
            Found::Nothing => false,
            Found::Closed => {
                self.pipes.errors = None;
                false
            }
        }
    }

    /// Records what waits for room, as far as there is some.
    fn retry(&mut self) {
        if !self.owed.is_empty() {
            self.record_owed();
        }
        if self.held.is_empty() || !self.owed.is_empty() {
            return;
        }
        let entries: Vec<Entry<'_>> = self
            .held
            .iter()
            .map(|(kind, payload)| Entry { kind: *kind, payload, class: Class::Bulk })
            .collect();
        let recorded = self.recorder.record_group(&entries).recorded;
        self.held.drain(..recorded);
        if self.held.is_empty() && self.held.capacity() > 64 {
            self.held = VecDeque::new();
        }
    }

    fn record_owed(&mut self) {
        let entries: Vec<Entry<'_>> = self.owed.iter().map(|line| line_entry(line)).collect();
        let recorded = self.recorder.record_group(&entries).recorded;
        for line in self.owed.drain(..recorded) {
            self.pending.push(&line);
        }
    }

    fn handle_mail(&mut self, mail: Mail) -> Option<Exit> {
        for job in mail.jobs {
            self.handle_job(job);
        }
        mail.exit
    }

    fn handle_job(&mut self, job: Job) {
        match job {
            Job::Lease(lease, Verbatim(payload), to) => {
                let recorded =
                    self.recorder.record_payload(RecordKind::Lease, &payload, Class::Vital);
                if recorded.is_ok() {
                    self.shared.known().lease = lease;
                }
                let durable = recorded.and_then(|()| self.recorder.sync());
                self.answer(to, durable);
            }
            Job::Note(Verbatim(payload), to) => {
                let recorded =
                    self.recorder.record_payload(RecordKind::Note, &payload, Class::Bulk);
                self.answer(to, recorded);
            }
            Job::Trim(request, to) => {
                self.retention.keep_bytes = request.keep_bytes;
                let trimmed = self.recorder.retain(self.retention);
                self.answer(to, trimmed);
            }
            Job::Operation(Verbatim(body), to) => self.handle_operation(&body, to),
            Job::Extra(request, to) => self.handle_extra(request, to),
            // terminals only
            Job::Unrecorded | Job::Input(_) => {}
        }
    }

    fn handle_operation(&mut self, body: &[u8], to: ReplyTo) {
        let Some(operation) = Operation::parse(body) else {
            return self.refuse(to, HolderErrorCode::BadRequest, "the operation cannot be read");
        };
        if let Some(seq) = self.keys.fact(operation.key) {
            if !self.owed.is_empty() {
                return self.answer(to, Err(NotRecorded::DiskFull));
            }
            return self.answer_operation(to, OperationAnswer { seq, repeated: true });
        }
        let bytes = operation.lines.iter().map(|line| line.len()).sum();
        if self.pipes.input.is_none() && !operation.lines.is_empty() {
            return self.refuse(to, HolderErrorCode::Ended, "the agent takes no more input");
        }
        if !self.pending.has_room(operation.lines.len(), bytes) {
            return self.refuse(to, HolderErrorCode::Full, "the agent does not read its input");
        }
        match self.perform(&operation) {
            Ok(seq) => self.answer_operation(to, OperationAnswer { seq, repeated: false }),
            Err(why) => self.answer(to, Err(why)),
        }
    }

    /// Records the fact and its lines as one group, then queues the lines.
    fn perform(&mut self, operation: &Operation<'_>) -> Result<Seq, NotRecorded> {
        if !self.owed.is_empty() {
            return Err(NotRecorded::DiskFull);
        }
        let class = if operation.kind == RecordKind::Answer { Class::Vital } else { Class::Bulk };
        let fact = Entry { kind: operation.kind, payload: operation.fact, class };
        let lines = operation.lines.iter().map(|line| line_entry(line));
        let entries: Vec<Entry<'_>> = std::iter::once(fact).chain(lines).collect();
        let group = self.recorder.record_group(&entries);
        let Some(seq) = group.first else {
            return Err(group.why.unwrap_or(NotRecorded::IoError));
        };
        self.keys.note(operation.key, seq);
        for (index, line) in operation.lines.iter().enumerate() {
            if index + 1 < group.recorded {
                self.pending.push(line);
            } else {
                self.owed.push_back(line.to_vec());
            }
        }
        match group.why {
            Some(why) if !self.owed.is_empty() => Err(why),
            Some(_) | None => Ok(seq),
        }
    }

    fn handle_extra(&mut self, request: ExtraRequest, to: ReplyTo) {
        let ExtraRequest { extra, next } = request;
        self.recorder.set_extra(extra);
        self.retention.pinned_from = Some(next);
        let kept = self.recorder.retain(self.retention);
        self.answer(to, kept);
    }

    fn answer_operation(&self, to: ReplyTo, answer: OperationAnswer) {
        let body = serde_json::to_vec(&answer).unwrap_or_default();
        self.shared.link.answer(to, op::OK, &body);
    }

    fn answer(&self, to: ReplyTo, done: Result<(), NotRecorded>) {
        match done {
            Ok(()) => self.shared.link.answer(to, op::OK, b""),
            Err(why) => self.refuse(to, HolderErrorCode::Storage, &why.to_string()),
        }
    }

    fn refuse(&self, to: ReplyTo, code: HolderErrorCode, message: &str) {
        let error = HolderError { code, message: message.to_owned() };
        let body = serde_json::to_vec(&error).unwrap_or_default();
        self.shared.link.answer(to, op::ERROR, &body);
    }

    /// Writes what waits, as far as the agent reads.
    fn write(&mut self) {
        while let (Some(end), Some(bytes)) = (&self.pipes.input, self.pending.poll_write()) {
            match pipes::try_write(end, bytes) {
                Written::Bytes(count) => self.pending.handle_written(count),
                Written::Full => return,
                Written::Closed => self.close_input(),
            }
        }
    }

    fn close_input(&mut self) {
        self.pipes.input = None;
        self.pending.clear();
    }

    fn wait(&mut self) -> io::Result<()> {
        let reads = self.held.is_empty() && self.owed.is_empty();
        let mut polled = Vec::with_capacity(4);
        polled.push(PollFd::new(&self.shared.inbox, PollFlags::IN));
        if reads {
            let ends = [&self.pipes.output, &self.pipes.errors].into_iter().flatten();
            polled.extend(ends.map(|end| PollFd::new(end, PollFlags::IN)));
        }
        if let Some(end) = self.pipes.input.as_ref().filter(|_| self.pending.poll_write().is_some())
        {
            polled.push(PollFd::new(end, PollFlags::OUT));
        }
        let timeout = self.recorder.poll_timeout();
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        match rustix::event::poll(&mut polled, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads the rest, and records the end.
    fn finish(&mut self, exit: &Exit) {
        let deadline = Instant::now() + LAST_DRAIN;
        while self.read() && Instant::now() < deadline {}
        self.held.extend(self.lines.finish().and_then(record_of));
        let mut attempt = 0;
        loop {
            self.retry();
            // what finds no room by then is lost, and the session's state says that the disk is full
            let Some(pause) = self.recorder.record_exit(exit, attempt) else { return };
            attempt += 1;
            std::thread::sleep(pause);
        }
    }
}

fn line_entry(line: &[u8]) -> Entry<'_> {
    // its fact is recorded or is to be: the line must follow
    Entry { kind: RecordKind::VendorIn, payload: line, class: Class::Vital }
}

/// The record of a line; none for one without bytes.
fn record_of(line: Line) -> Option<Held> {
    match line {
        Line::Whole(bytes) if bytes.is_empty() => None,
        Line::Whole(bytes) => Some((RecordKind::VendorOut, bytes)),
        Line::Oversized(bytes) => {
            let body = RawJson::from_value(&OversizedRecord { bytes }).ok()?;
            let note = Fact::Note(Note { topic: topic::OVERSIZED.to_owned(), body });
            let (kind, payload) = note.encode();
            Some((kind, payload.to_vec()))
        }
    }
}
