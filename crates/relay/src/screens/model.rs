//! One session's terminal model and how it follows the log.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use bytes::Bytes;
use quarterdeck_core::answerer::{MAX_WAITING_REPLIES, ModelReply};
use quarterdeck_holder::log::{LogReader, Next, ReadError};
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    ids::{LogId, Out},
    limits::SCREEN_CACHE_INTERVAL_BYTES,
    record::{Checkpoint, Position, Record, RecordKind, Resize, Start, TerminalSize},
};
use quarterdeck_screen::{Screen, Size, Snapshot};

use super::{
    Exactness, SnapshotAt,
    cache::{self, CachedHead},
};
use crate::session::{Command, SessionHandle};

/// A snapshot waits for a model that is at most this far behind; of one further behind, the end of
/// the log is drawn by itself and said to be inexact.
const MAX_CATCH_UP_BYTES: u64 = 8 * 1024 * 1024;
/// How much of the end of the log is drawn then.
const JUMP_BYTES: u64 = 512 * 1024;

/// A model, its place in the log, and what is known of it.
pub(super) struct Model {
    screen: Screen,
    reader: LogReader,
    directory: PathBuf,
    log_id: LogId,
    exact: Exactness,
    /// Replies to the program's queries that its session has not been told.
    replies: Vec<ModelReply>,
    cached_at: Option<Out>,
    title: Option<String>,
    pub(super) used: Instant,
}

/// How far a model came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// At the head that was known when it began.
    AtHead,
    /// There is more.
    Behind,
}

impl Model {
    /// Makes a session's model from its newest cached screen, or from the beginning of its log.
    pub(super) fn open(session: &SessionHandle) -> Result<Self, RpcError> {
        let view = session.published();
        let (screen, reader, exact) =
            open_before(&session.directory, view.log_id, Out(u64::MAX)).map_err(unreadable)?;
        let title = screen.title().map(str::to_owned);
        Ok(Self {
            replies: Vec::new(),
            cached_at: (exact == Exactness::Exact).then(|| reader.position().out),
            directory: session.directory.clone(),
            log_id: view.log_id,
            used: Instant::now(),
            screen,
            reader,
            exact,
            title,
        })
    }

    /// Takes at most `budget` output bytes of what is new.
    pub(super) fn advance(
        &mut self,
        session: &SessionHandle,
        budget: u64,
    ) -> Result<Progress, RpcError> {
        self.used = Instant::now();
        let head = session.tail.head();
        let from = self.reader.position().out;
        let progress = self.follow(head, Out(from.0.saturating_add(budget))).map_err(unreadable)?;
        self.tell_replies(session);
        self.tell_title(session);
        Ok(progress)
    }

    /// Whether the log has more than this model has taken.
    pub(super) fn is_behind(&self, session: &SessionHandle) -> bool {
        self.at().seq < session.tail.head().seq
    }

    /// The screen at the head of the log.
    pub(super) fn snapshot(
        &mut self,
        session: &Arc<SessionHandle>,
    ) -> Result<SnapshotAt, RpcError> {
        let head = session.tail.head();
        if head.out.0.saturating_sub(self.at().out.0) > MAX_CATCH_UP_BYTES {
            return jump(&session.directory, head).map_err(unreadable);
        }
        self.used = Instant::now();
        self.follow(head, Out(u64::MAX)).map_err(unreadable)?;
        self.tell_replies(session);
        Ok(draw(&mut self.screen, self.reader.position(), self.exact))
    }

    /// Stores the screen where it was not stored yet.
    pub(super) fn cache(&mut self) {
        if self.cached_at != Some(self.at().out) {
            self.store();
        }
    }

    /// Stores it where the last one stored is an interval back: whatever made the model catch up, the
    /// next one has no more than that to take.
    fn cache_if_due(&mut self) {
        if self.cached_at.is_none_or(|at| self.at().out.0 - at.0 >= SCREEN_CACHE_INTERVAL_BYTES) {
            self.store();
        }
    }

    fn store(&mut self) {
        let Position { seq, out } = self.at();
        let snapshot = self.screen.snapshot();
        if self.exact != Exactness::Exact || !snapshot.exact {
            return;
        }
        let size = terminal_size(snapshot.size);
        let bytes = snapshot.bytes.len() as u64;
        let head = CachedHead { log_id: self.log_id, seq, out, size, bytes };
        match cache::store(&self.directory, &head, &snapshot.bytes) {
            Ok(()) => self.cached_at = Some(out),
            Err(error) => tracing::debug!(%error, "screen not cached"),
        }
    }

    fn at(&self) -> Position {
        self.reader.position()
    }

    fn follow(&mut self, head: Position, until: Out) -> Result<Progress, ReadError> {
        loop {
            if self.at().seq >= head.seq {
                return Ok(Progress::AtHead);
            }
            if self.at().out >= until {
                return Ok(Progress::Behind);
            }
            self.cache_if_due();
            match self.reader.next()? {
                Next::Record(record) => {
                    apply(&mut self.screen, &record);
                    self.take_replies(record.header.at.out);
                }
                Next::Gap(_) => self.exact = Exactness::Inexact,
                Next::AwaitMore => return Ok(Progress::AtHead),
            }
        }
    }

    /// Keeps what the terminal library replied to a record.
    fn take_replies(&mut self, asked_at: Out) {
        let bytes = self.screen.take_replies();
        if !bytes.is_empty() && self.replies.len() < MAX_WAITING_REPLIES {
            self.replies.push(ModelReply { asked_at, bytes });
        }
    }

    /// The session's task decides whether they are given.
    fn tell_replies(&mut self, session: &SessionHandle) {
        for reply in self.replies.drain(..) {
            if session.is_first_heard(reply.asked_at) {
                session.try_tell(Command::ModelReply(reply));
            }
        }
        session.note_heard(self.at().out);
    }

    fn tell_title(&mut self, session: &SessionHandle) {
        if self.screen.title() != self.title.as_deref() {
            self.title = self.screen.title().map(str::to_owned);
            session.try_tell(Command::Title(self.title.clone()));
        }
    }
}

/// A screen and a reader behind it, at the newest known screen that is not after `before`.
pub(super) fn open_before(
    directory: &Path,
    log_id: LogId,
    before: Out,
) -> Result<(Screen, LogReader, Exactness), ReadError> {
    let mut reader = LogReader::open(directory)?;
    let base = reader.position();
    cache::drop_before(directory, base.out);
    if let Some(cached) = cache::newest(directory, log_id, base.out, before) {
        reader.seek_seq(cached.at().seq)?;
        let size = screen_size(cached.head.size);
        let screen = Screen::restore(&Snapshot { size, bytes: cached.drawing, exact: true });
        return Ok((screen, reader, Exactness::Exact));
    }
    let exact = if base.out == Out(0) { Exactness::Exact } else { Exactness::Inexact };
    Ok((Screen::new(Size { cols: 80, rows: 24 }), reader, exact))
}

/// Draws the end of a log on an empty screen.
fn jump(directory: &Path, head: Position) -> Result<SnapshotAt, ReadError> {
    let mut reader = LogReader::open(directory)?;
    let size = quarterdeck_holder::log::scan_state(directory)?.state.facts().size;
    // not back from the log's own end: in a flood that is far beyond the head that was asked for
    reader.seek_out(Out(head.out.0.saturating_sub(JUMP_BYTES)))?;
    let mut screen = Screen::new(screen_size(size));
    while reader.position().seq < head.seq {
        match reader.next()? {
            Next::Record(record) => apply(&mut screen, &record),
            Next::Gap(_) => {}
            Next::AwaitMore => break,
        }
    }
    Ok(draw(&mut screen, reader.position(), Exactness::Inexact))
}

fn draw(screen: &mut Screen, at: Position, exact: Exactness) -> SnapshotAt {
    let Snapshot { bytes, exact: drawn_exactly, .. } = screen.snapshot();
    let exact = if drawn_exactly { exact } else { Exactness::Inexact };
    SnapshotAt { at, bytes: Bytes::from(bytes), exact }
}

/// Applies what a record says to a screen.
pub(super) fn apply(screen: &mut Screen, record: &Record) {
    let size = match record.header.kind {
        RecordKind::Output => return screen.feed(&record.payload),
        RecordKind::Resize => read(record).map(|resize: Resize| resize.size),
        RecordKind::Start => read(record).map(|start: Start| start.size),
        RecordKind::Checkpoint => read(record).map(|checkpoint: Checkpoint| checkpoint.size),
        RecordKind::Input
        | RecordKind::Termios
        | RecordKind::VendorIn
        | RecordKind::VendorOut
        | RecordKind::VendorErr
        | RecordKind::Lease
        | RecordKind::Answer
        | RecordKind::Note
        | RecordKind::Gap
        | RecordKind::Exit
        | RecordKind::Lost
        | RecordKind::Unknown(_) => None,
    };
    if let Some(size) = size.map(screen_size).filter(|size| *size != screen.size()) {
        screen.resize(size);
    }
}

fn read<T: serde::de::DeserializeOwned>(record: &Record) -> Option<T> {
    serde_json::from_slice(&record.payload).ok()
}

/// The model's size; a log of a size that no terminal has gives the smallest.
fn screen_size(size: TerminalSize) -> Size {
    Size { cols: size.cols.max(1), rows: size.rows.max(1) }
}

fn terminal_size(Size { cols, rows }: Size) -> TerminalSize {
    TerminalSize { cols, rows, xpixel: 0, ypixel: 0 }
}

#[expect(clippy::needless_pass_by_value, reason = "the form that map_err wants")]
fn unreadable(error: ReadError) -> RpcError {
    tracing::warn!(%error, "log cannot be read");
    RpcError::new(ErrorCode::Storage, "the session's log cannot be read")
}
