//! The thread that owns the log: it reads what the program writes, and records it together with what
//! the control thread hands over.
//!
//! There are no timers on this path. The first byte after idle is recorded and announced at once;
//! while more is there, records grow up to their limit by themselves.

use std::{
    io,
    os::fd::AsFd as _,
    sync::Arc,
    time::{Duration, Instant},
};

use quarterdeck_protocol::{
    holder::{HolderError, HolderErrorCode, op},
    limits::MAX_OUTPUT_RECORD_BYTES,
    record::{Exit, Fact, Note, RawJson, RecordKind, Resize},
};
use rustix::event::{PollFd, PollFlags, Timespec};

use crate::{
    driver::ReplyTo,
    inbox::{Job, Mail, Verbatim},
    journal::Journal,
    log::Class,
    recorder::{NotRecorded, Recorder, Retention},
    shared::Shared,
    terminal::{Found, Terminal},
};

/// How long the last output is read when processes that stay behind go on writing: everything that
/// the program itself wrote is there at once.
const LAST_DRAIN: Duration = Duration::from_millis(500);

/// The output thread.
pub(crate) struct Output<J> {
    terminal: Arc<Terminal>,
    shared: Arc<Shared>,
    recorder: Recorder<J>,
    buffer: Box<[u8]>,
    /// Nobody has the terminal open, so polling it would spin.
    closed: bool,
    /// A size that found no room in the log yet.
    owed_resize: Option<Resize>,
    /// Inputs that should have been recorded and were not.
    unrecorded_inputs: u64,
}

impl<J: Journal> Output<J> {
    pub(crate) fn new(terminal: Arc<Terminal>, shared: Arc<Shared>, recorder: Recorder<J>) -> Self {
        Self {
            terminal,
            shared,
            recorder,
            buffer: vec![0; MAX_OUTPUT_RECORD_BYTES].into_boxed_slice(),
            closed: false,
            owed_resize: None,
            unrecorded_inputs: 0,
        }
    }

    /// Works until the end is recorded, or cannot be. Returns what keeps the log, and with it the
    /// lock: the caller says when others may have it.
    pub(crate) fn run(mut self) -> io::Result<Recorder<J>> {
        let worked = self.run_inner();
        // without its log the holder has nothing to hold
        self.shared.known().finished = true;
        self.shared.link.bell().ring();
        worked.map(|()| self.recorder)
    }

    fn run_inner(&mut self) -> io::Result<()> {
        loop {
            if let Some(exit) = self.turn()? {
                return self.finish(&exit);
            }
        }
    }

    /// Reads what is there, records it, and waits for more when that was all.
    ///
    /// A size is set before it is handed over is taken, and taken after the read: so no output that
    /// was drawn for a new size stands before its record.
    fn turn(&mut self) -> io::Result<Option<Exit>> {
        let count = self.read()?;
        let mail = self.shared.inbox.take();
        let exit = self.handle_mail(mail);
        if count > 0 {
            self.recorder.record_output(&self.buffer[..count]);
        }
        self.record_termios();
        if exit.is_none() && count < self.buffer.len() {
            self.wait()?;
        }
        Ok(exit)
    }

    fn read(&mut self) -> io::Result<usize> {
        let mut count = 0;
        while !self.closed && count < self.buffer.len() {
            match self.terminal.try_read(&mut self.buffer[count..])? {
                Found::Bytes(more) => count += more,
                Found::Nothing => break,
                Found::Closed => self.closed = true,
            }
        }
        Ok(count)
    }

    fn handle_mail(&mut self, mail: Mail) -> Option<Exit> {
        self.owed_resize = mail.resize.or(self.owed_resize);
        if let Some(resize) = self.owed_resize
            && self.recorder.record(&Fact::Resize(resize)).is_ok()
        {
            self.owed_resize = None;
        }
        for job in mail.jobs {
            self.handle_job(job);
        }
        self.unrecorded_inputs += mail.unrecorded_inputs;
        self.record_unrecorded_inputs();
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
                let (keep_bytes, pinned_from) = (request.keep_bytes, request.pinned_from);
                let trimmed = self.recorder.retain(Retention { keep_bytes, pinned_from });
                self.answer(to, trimmed);
            }
            Job::Unrecorded => self.recorder.tell_unrecorded(),
            // agents only; refused before they come here
            Job::Operation(..) | Job::Extra(..) => {}
            Job::Input(input) => {
                if self.recorder.record(&Fact::Input(input)).is_err() {
                    self.unrecorded_inputs += 1;
                }
            }
        }
    }

    fn answer(&self, to: ReplyTo, done: Result<(), NotRecorded>) {
        match done {
            Ok(()) => self.shared.link.answer(to, op::OK, b""),
            Err(why) => {
                let error =
                    HolderError { code: HolderErrorCode::Storage, message: why.to_string() };
                let body = serde_json::to_vec(&error).unwrap_or_default();
                self.shared.link.answer(to, op::ERROR, &body);
            }
        }
    }

    /// A gap in recorded input is said as soon as it can be.
    fn record_unrecorded_inputs(&mut self) {
        if self.unrecorded_inputs == 0 {
            return;
        }
        let Ok(body) = RawJson::from_value(&self.unrecorded_inputs) else { return };
        let note = Note { topic: "unrecorded_inputs".to_owned(), body };
        if self.recorder.record(&Fact::Note(note)).is_ok() {
            self.unrecorded_inputs = 0;
        }
    }

    /// Records the line discipline's state when it has changed. Failing is no matter: the next look
    /// tries again.
    fn record_termios(&mut self) {
        let Some(termios) = self.terminal.termios() else { return };
        if self.shared.known().termios == Some(termios) {
            return;
        }
        if self.recorder.record(&Fact::Termios(termios)).is_ok() {
            self.shared.known().termios = Some(termios);
        }
    }

    fn wait(&mut self) -> io::Result<()> {
        let mut polled = Vec::with_capacity(2);
        polled.push(PollFd::new(&self.shared.inbox, PollFlags::IN));
        if !self.closed {
            let master = self.terminal.as_fd();
            polled.push(PollFd::from_borrowed_fd(master, PollFlags::IN));
        }
        let timeout = self.recorder.poll_timeout();
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        match rustix::event::poll(&mut polled, timeout.as_ref()) {
            Ok(0) => self.recorder.retry(),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn finish(&mut self, exit: &Exit) -> io::Result<()> {
        let deadline = Instant::now() + LAST_DRAIN;
        loop {
            let count = self.read()?;
            if count == 0 {
                break;
            }
            self.recorder.record_output(&self.buffer[..count]);
            if Instant::now() >= deadline {
                break;
            }
        }
        let mut attempt = 0;
        while let Some(pause) = self.recorder.record_exit(exit, attempt) {
            attempt += 1;
            std::thread::sleep(pause);
        }
        Ok(())
    }
}
