//! One attachment's place in its session's log, and what it sends next.
//!
//! The cursor walks the records: output becomes `OUT` frames, everything else keeps its place among
//! them, so output and events of a channel never overtake each other.

pub(crate) mod agent;

use std::sync::Arc;

use bytes::Bytes;
use quarterdeck_core::viewer::{Pace, Viewer};
use quarterdeck_holder::log::{LogReader, Next, ReadError, Sought};
use quarterdeck_protocol::{
    frame::{Body, Flags, Frame, MAX_HEADER_BYTES},
    ids::{Channel, ClientId, Out, Seq},
    record::{Gap, Record, RecordKind},
    rpc,
    session::{SessionEvent, notify},
};
use serde_json::value::RawValue;

use crate::{
    screens::{Exactness, SnapshotAt},
    session::{SessionHandle, tail::TailRead},
};

/// One attachment.
pub(crate) struct ChannelStream {
    pub(crate) channel: Channel,
    pub(crate) session: Arc<SessionHandle>,
    /// Whose attachment it is; on a hub's link there are many clients.
    pub(crate) client: Option<ClientId>,
    viewer: Viewer,
    /// The next record to look at.
    next: Seq,
    /// What stands there, when it was looked at and not wholly sent.
    current: Option<Peeked>,
    /// Output before this is replay.
    replay_until: Out,
    /// Open while the viewer is behind what is kept in memory.
    catching_up: Option<LogReader>,
    /// A screen on its way.
    drawing: Option<Drawing>,
    /// A gap to tell first.
    gap: Option<(Out, Out)>,
    /// An agent's conversation up to the cursor.
    fold: Option<agent::AgentFold>,
    /// A snapshot was asked for; nothing is sent before it comes.
    awaits_snapshot: bool,
}

struct Drawing {
    out: Out,
    bytes: Bytes,
    exact: Exactness,
}

/// What a channel sends next.
#[derive(Debug)]
pub(crate) enum Pulled {
    /// A binary frame.
    Frame(Vec<u8>),
    /// A JSON text.
    Text(String),
    /// Nothing until it is woken or gets credit.
    Nothing,
    /// More, once others have had their turn.
    Later,
    /// It fell behind and needs a screen.
    NeedsSnapshot,
    /// Its log cannot be read any more.
    Failed(ReadError),
}

/// Where a channel begins.
pub(crate) struct Start {
    /// The first record.
    pub(crate) seq: Seq,
    /// The first output byte.
    pub(crate) out: Out,
    /// Output before this is replay.
    pub(crate) head: Out,
    /// Output that was asked for and is gone.
    pub(crate) gap: Option<(Out, Out)>,
    /// The screen to begin with.
    pub(crate) snapshot: Option<SnapshotAt>,
}

impl ChannelStream {
    pub(crate) fn new(
        channel: Channel,
        session: Arc<SessionHandle>,
        start: Start,
        window: Option<u64>,
        behind: quarterdeck_protocol::method::Behind,
    ) -> Self {
        let Start { seq, out, head, gap, snapshot } = start;
        let mut stream = Self {
            channel,
            session,
            client: None,
            viewer: Viewer::new(out, window, behind),
            next: seq,
            current: None,
            replay_until: head,
            catching_up: None,
            drawing: None,
            gap,
            fold: None,
            awaits_snapshot: false,
        };
        if let Some((_, to)) = gap {
            stream.viewer.handle_missing(to);
        }
        if let Some(snapshot) = snapshot {
            stream.draw(snapshot);
        }
        stream
    }

    /// The same for an agent: its records become events.
    pub(crate) fn with_fold(self, fold: Option<agent::AgentFold>) -> Self {
        Self { fold, ..self }
    }

    /// The client has rendered everything before `out`.
    pub(crate) fn handle_credit(&mut self, out: Out) {
        self.viewer.handle_credit(out);
    }

    /// Skips to the screen if more than this waits: for viewers that give no credit. Whether it does:
    /// then a snapshot is to be handed in.
    pub(crate) fn skip_if_behind(&mut self, limit_bytes: u64) -> bool {
        let waiting = self.session.tail.head().out.0.saturating_sub(self.viewer.sent().0);
        let skips = waiting > limit_bytes && !self.awaits_snapshot && self.drawing.is_none();
        self.awaits_snapshot |= skips;
        skips
    }

    /// The screen that was asked for: a gap up to it, then the screen.
    pub(crate) fn handle_snapshot(&mut self, snapshot: SnapshotAt) {
        self.awaits_snapshot = false;
        let (from, to) = (self.viewer.sent(), snapshot.at.out);
        if to > from {
            self.gap = Some((from, to));
        }
        self.draw(snapshot);
    }

    /// No screen could be had: the viewer goes on from where it is.
    pub(crate) fn handle_no_snapshot(&mut self) {
        self.awaits_snapshot = false;
        self.viewer.handle_skipped(self.viewer.sent());
    }

    fn draw(&mut self, snapshot: SnapshotAt) {
        let SnapshotAt { at, bytes, exact } = snapshot;
        self.viewer.handle_skipped(at.out);
        self.next = at.seq;
        self.current = None;
        self.catching_up = None;
        self.drawing = Some(Drawing { out: at.out, bytes, exact });
    }

    /// What to send next, with at most `max` bytes of payload.
    pub(crate) fn pull(&mut self, max: usize) -> Pulled {
        if self.awaits_snapshot {
            return Pulled::Nothing;
        }
        if let Some((from, to)) = self.gap.take() {
            return self.frame(Body::Gap { from, to });
        }
        if let Some(drawing) = self.drawing.take() {
            return self.pull_drawing(drawing, max);
        }
        if self.fold.is_some() {
            return self.pull_agent(max);
        }
        self.pull_records(max)
    }

    fn pull_drawing(&mut self, mut drawing: Drawing, max: usize) -> Pulled {
        let part = drawing.bytes.split_to(drawing.bytes.len().min(max));
        let mut flags = match drawing.exact {
            Exactness::Exact => Flags::default(),
            Exactness::Inexact => Flags::INEXACT,
        };
        let out = drawing.out;
        if !drawing.bytes.is_empty() {
            flags = flags.with(Flags::MORE);
            self.drawing = Some(drawing);
        }
        self.frame(Body::Snap { out, flags, bytes: &part })
    }

    /// Skips what a viewer does not see, then sends one event or as much output as fits.
    fn pull_records(&mut self, max: usize) -> Pulled {
        let mut output = OutFrame::default();
        loop {
            let record = match self.peek() {
                Ok(Peeked::Record(record)) => record,
                Ok(Peeked::Gap(gap, next)) => {
                    if let Some(frame) = output.take() {
                        self.current = Some(Peeked::Gap(gap, next));
                        return Pulled::Frame(frame);
                    }
                    self.next = next;
                    return self.tell_gap(gap);
                }
                Ok(Peeked::AtHead) => {
                    return output.take().map_or_else(|| self.pull_unrecorded(max), Pulled::Frame);
                }
                Err(error) => return Pulled::Failed(error),
            };
            if record.header.kind == RecordKind::Output {
                let added = self.add_output(&record, &mut output, max);
                if added == Added::All {
                    self.next = record.header.at.seq.next();
                    continue;
                }
                self.current = Some(Peeked::Record(record));
                return match (output.take(), added) {
                    (Some(frame), _) => Pulled::Frame(frame),
                    (None, Added::TooFarBehind) => {
                        self.awaits_snapshot = true;
                        Pulled::NeedsSnapshot
                    }
                    (None, Added::All | Added::Stopped) => Pulled::Nothing,
                };
            }
            let told = self.tell(&record);
            if matches!(told, Told::Nothing) {
                self.next = record.header.at.seq.next();
                continue;
            }
            if let Some(frame) = output.take() {
                self.current = Some(Peeked::Record(record));
                return Pulled::Frame(frame);
            }
            self.next = record.header.at.seq.next();
            return match told {
                Told::Event(text) => Pulled::Text(text),
                Told::Gap(gap) => self.tell_gap(gap),
                Told::Nothing => Pulled::Nothing,
            };
        }
    }

    fn tell_gap(&mut self, (from, to): (Out, Out)) -> Pulled {
        let from = from.max(self.viewer.sent());
        let to = to.max(from);
        self.viewer.handle_missing(to);
        self.frame(Body::Gap { from, to })
    }

    /// Adds an output record's bytes to a frame, as far as the frame and the credit go.
    fn add_output(&mut self, record: &Record, output: &mut OutFrame, max: usize) -> Added {
        let end = record.next().out;
        let sent = self.viewer.sent();
        if end <= sent {
            return Added::All;
        }
        let head = self.session.tail.head().out.max(end);
        let credit = match self.viewer.poll_pace(head) {
            Pace::Wait => return Added::Stopped,
            Pace::Skip => return Added::TooFarBehind,
            Pace::Send(credit) => usize::try_from(credit).unwrap_or(usize::MAX),
        };
        let replay = sent < self.replay_until;
        let room = output.room(max, replay);
        let skip = usize::try_from(sent.0 - record.header.at.out.0).unwrap_or(usize::MAX);
        let rest = &record.payload[skip.min(record.payload.len())..];
        let bytes = &rest[..rest.len().min(credit).min(room)];
        if !bytes.is_empty() {
            output.add(self.channel, sent, replay, bytes);
            self.viewer.handle_sent(Out(sent.0 + bytes.len() as u64));
        }
        if bytes.len() == rest.len() { Added::All } else { Added::Stopped }
    }

    /// Output that a full disk keeps out of the log.
    fn pull_unrecorded(&mut self, max: usize) -> Pulled {
        let sent = self.viewer.sent();
        let Some((out, bytes)) = self.session.tail.read_unrecorded(sent) else {
            return Pulled::Nothing;
        };
        if out > sent {
            return self.tell_gap((sent, out));
        }
        let Pace::Send(credit) = self.viewer.poll_pace(Out(out.0 + bytes.len() as u64)) else {
            return Pulled::Nothing;
        };
        let len = bytes.len().min(max).min(usize::try_from(credit).unwrap_or(usize::MAX));
        self.viewer.handle_sent(Out(out.0 + len as u64));
        self.frame(Body::Out { out, flags: Flags::default(), bytes: &bytes[..len] })
    }

    fn frame(&self, body: Body<'_>) -> Pulled {
        Pulled::Frame(Frame { channel: self.channel, body }.to_vec())
    }

    /// What stands at the cursor, from memory or from the log.
    fn peek(&mut self) -> Result<Peeked, ReadError> {
        if let Some(current) = self.current.take() {
            return Ok(current);
        }
        match self.session.tail.read(self.next) {
            TailRead::Record(record) => {
                self.catching_up = None;
                return Ok(Peeked::Record(record));
            }
            TailRead::AtHead => {
                self.catching_up = None;
                return Ok(Peeked::AtHead);
            }
            TailRead::Older => {}
        }
        let reader = match &mut self.catching_up {
            Some(reader) => reader,
            none => {
                let mut reader = LogReader::open(&self.session.directory)?;
                let sought = reader.seek_seq(self.next)?;
                let (reader, sent) = (none.insert(reader), self.viewer.sent());
                // retention was faster than this viewer
                if let Sought::Dropped { base } = sought
                    && base.out > sent
                {
                    return Ok(Peeked::Gap((sent, base.out), base.seq));
                }
                reader
            }
        };
        Ok(match reader.next()? {
            Next::Record(record) => Peeked::Record(record),
            Next::Gap(missing) => Peeked::Gap((missing.from.out, missing.to.out), missing.to.seq),
            Next::AwaitMore => Peeked::AtHead,
        })
    }

    fn tell(&self, record: &Record) -> Told {
        match record.header.kind {
            RecordKind::Gap => {
                let gap: Option<Gap> = serde_json::from_slice(&record.payload).ok();
                let sent = self.viewer.sent();
                let gap = gap.filter(|gap| gap.to > sent);
                gap.map_or(Told::Nothing, |gap| Told::Gap((gap.from, gap.to)))
            }
            RecordKind::Start
            | RecordKind::Resize
            | RecordKind::Termios
            | RecordKind::Lease
            | RecordKind::Note
            | RecordKind::Exit
            | RecordKind::Lost => self.event(record).map_or(Told::Nothing, Told::Event),
            RecordKind::Output
            | RecordKind::Input
            | RecordKind::VendorIn
            | RecordKind::VendorOut
            | RecordKind::VendorErr
            | RecordKind::Answer
            | RecordKind::Checkpoint
            | RecordKind::Unknown(_) => Told::Nothing,
        }
    }

    fn event(&self, record: &Record) -> Option<String> {
        let body: Box<RawValue> = serde_json::from_slice(&record.payload).ok()?;
        let event = SessionEvent {
            channel: self.channel,
            seq: record.header.at.seq,
            out: record.header.at.out,
            time: record.header.time_micros,
            event: record.header.kind.to_string(),
            body,
        };
        rpc::notification(notify::SESSION_EVENT, &event).ok()
    }
}

/// Bytes before an `OUT` frame's payload.
const OUT_HEADER_BYTES: usize = 4 + 1 + 8 + 1;

/// An `OUT` frame that grows by adjacent records.
#[derive(Default)]
struct OutFrame {
    bytes: Vec<u8>,
    replay: bool,
}

impl OutFrame {
    /// Bytes that still fit; none when replay and live output would mix.
    fn room(&self, max: usize, replay: bool) -> usize {
        match self.bytes.len() {
            0 => max,
            _ if self.replay != replay => 0,
            len => max.saturating_sub(len - OUT_HEADER_BYTES),
        }
    }

    fn add(&mut self, channel: Channel, out: Out, replay: bool, bytes: &[u8]) {
        if self.bytes.is_empty() {
            self.replay = replay;
            let flags = if replay { Flags::REPLAY } else { Flags::default() };
            self.bytes.reserve(MAX_HEADER_BYTES + bytes.len());
            Frame { channel, body: Body::Out { out, flags, bytes } }.encode(&mut self.bytes);
        } else {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// The frame, if it has any output.
    fn take(&mut self) -> Option<Vec<u8>> {
        (!self.bytes.is_empty()).then(|| std::mem::take(&mut self.bytes))
    }
}

/// What stands at a cursor.
enum Peeked {
    Record(Record),
    /// Output that is gone, and the record after it.
    Gap((Out, Out), Seq),
    AtHead,
}

/// What a record other than output becomes.
enum Told {
    Nothing,
    Gap((Out, Out)),
    Event(String),
}

/// How much of a record went into a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Added {
    All,
    /// The frame is full or there is no credit.
    Stopped,
    TooFarBehind,
}

#[cfg(test)]
mod tests;
