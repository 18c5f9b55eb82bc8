//! Frames of one attachment, in order: what is drawn, what was missed, where to go on from.

use bytes::Bytes;
use quarterdeck_protocol::{
    frame::{Body, Flags, Frame},
    ids::{Channel, LogId, Out},
    method::{AttachFrom, AttachResult, Role},
};

use super::{quiet::Quiet, terminal::Screen};

/// The output side of an attachment.
#[derive(Debug)]
pub(crate) struct Stream {
    channel: Channel,
    log_id: LogId,
    /// First byte that has not come yet.
    next: Out,
    /// Parts of a snapshot are still to come.
    snapshot: Snapshot,
    quiet: Quiet,
    /// Whether the last bytes went through the filter: it must see a stream without holes.
    filtering: Filtering,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Snapshot {
    Whole,
    Parts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filtering {
    On,
    Off,
}

/// What a frame means.
#[derive(Debug)]
pub(crate) enum Seen {
    /// Not of this attachment, or nothing to see.
    Nothing,
    /// Bytes for the screen; after a whole snapshot everything on it is as it should be.
    Draw {
        /// In order.
        screens: Vec<Screen>,
        /// Whether a snapshot is complete now.
        drawn: Drawn,
    },
    /// Output that does not come as bytes: this many.
    Gap(u64),
    /// How far an input has come.
    Ack(quarterdeck_protocol::ids::InputNumber, quarterdeck_protocol::frame::InputState),
}

/// What was drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drawn {
    /// Output.
    Output,
    /// The last part of a snapshot.
    Snapshot,
    /// The same, and the relay says that it may be wrong.
    InexactSnapshot,
}

impl Stream {
    /// The stream that an attach answer begins.
    pub(crate) fn new(attached: &AttachResult) -> Self {
        Self {
            channel: attached.channel,
            log_id: attached.log_id,
            next: attached.out,
            snapshot: Snapshot::Whole,
            quiet: Quiet::default(),
            filtering: Filtering::Off,
        }
    }
    /// Its channel.
    pub(crate) const fn channel(&self) -> Channel {
        self.channel
    }
    /// First byte that has not come yet.
    pub(crate) const fn next(&self) -> Out {
        self.next
    }
    /// Where another attachment goes on.
    pub(crate) const fn resume(&self) -> AttachFrom {
        AttachFrom::Out { out: self.next, log_id: self.log_id }
    }

    /// Takes a frame; `role` says whether live bytes may have side effects.
    pub(crate) fn handle(&mut self, bytes: &Bytes, role: Role) -> Seen {
        // a frame of a newer kind is skipped
        let Ok(frame) = Frame::parse(bytes) else { return Seen::Nothing };
        if frame.channel != self.channel {
            return Seen::Nothing;
        }
        match frame.body {
            Body::Out { out, flags, bytes: payload } => {
                self.next = Out(out.0 + payload.len() as u64);
                let quiet = role == Role::Follower || flags.has(Flags::REPLAY);
                let drawn = self.output(bytes.slice_ref(payload), quiet);
                let screens = vec![Screen::Draw { bytes: drawn, rendered: Some(self.next) }];
                Seen::Draw { screens, drawn: Drawn::Output }
            }
            Body::Snap { out, flags, bytes: payload } => {
                self.handle_snapshot(out, flags, bytes.slice_ref(payload))
            }
            Body::Gap { from, to } => Seen::Gap(to.0.saturating_sub(from.0)),
            Body::InAck { n, state } => Seen::Ack(n, state),
            Body::In { .. } | Body::Credit { .. } => Seen::Nothing,
        }
    }

    fn handle_snapshot(&mut self, out: Out, flags: Flags, payload: Bytes) -> Seen {
        let mut screens = Vec::new();
        if self.snapshot == Snapshot::Whole {
            screens.push(Screen::Reset);
        }
        let more = flags.has(Flags::MORE);
        self.snapshot = if more { Snapshot::Parts } else { Snapshot::Whole };
        self.next = out;
        // a new screen: what the filter remembered of the old stream is moot
        (self.quiet, self.filtering) = (Quiet::default(), Filtering::Off);
        let rendered = (!more).then_some(out);
        screens.push(Screen::Draw { bytes: payload, rendered });
        let drawn = match (more, flags.has(Flags::INEXACT)) {
            (true, _) => Drawn::Output,
            (false, true) => Drawn::InexactSnapshot,
            (false, false) => Drawn::Snapshot,
        };
        Seen::Draw { screens, drawn }
    }

    fn output(&mut self, payload: Bytes, quiet: bool) -> Bytes {
        if quiet {
            self.filtering = Filtering::On;
            return self.quiet.filter(&payload).into();
        }
        if self.filtering == Filtering::On {
            // what the filter holds back of an unfinished sequence belongs before these bytes
            self.filtering = Filtering::Off;
            let mut bytes = std::mem::take(&mut self.quiet).finish();
            bytes.extend_from_slice(&payload);
            return bytes.into();
        }
        payload
    }
}
