//! Frames of one attachment, in order: what is drawn, what was missed, where to go on from.

use bytes::Bytes;
use quarterdeck_protocol::{
    frame::{Body, Flags, Frame},
    ids::{Channel, LogId, Out},
    method::{AttachFrom, AttachResult, Role},
};

use quarterdeck_screen::ReplayFilter;

use super::terminal::Screen;

/// The output side of an attachment.
#[derive(Debug)]
pub(crate) struct Stream {
    channel: Channel,
    log_id: LogId,
    /// First byte that has not come yet.
    next: Out,
    /// Parts of a snapshot are still to come.
    snapshot: Snapshot,
    filter: ReplayFilter,
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
            filter: ReplayFilter::new(),
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
        match frame.body {
            // of input that was sent while another attachment took this one's place, too
            Body::InAck { n, state } => Seen::Ack(n, state),
            Body::Out { .. } | Body::Snap { .. } | Body::Gap { .. }
                if frame.channel != self.channel =>
            {
                Seen::Nothing
            }
            Body::Out { out, flags, bytes: payload } => {
                self.next = Out(out.0 + payload.len() as u64);
                let wanted = role == Role::Owner && !flags.has(Flags::REPLAY);
                let effects = if wanted { Effects::Wanted } else { Effects::Unwanted };
                let drawn = self.output(bytes.slice_ref(payload), effects);
                let screens = vec![Screen::Draw { bytes: drawn, rendered: Some(self.next) }];
                Seen::Draw { screens, drawn: Drawn::Output }
            }
            Body::Snap { out, flags, bytes: payload } => {
                self.handle_snapshot(out, flags, bytes.slice_ref(payload))
            }
            Body::Gap { from, to } => {
                self.next = self.next.max(to);
                Seen::Gap(to.0.saturating_sub(from.0))
            }
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
        (self.filter, self.filtering) = (ReplayFilter::new(), Filtering::Off);
        let rendered = (!more).then_some(out);
        screens.push(Screen::Draw { bytes: payload, rendered });
        let drawn = match (more, flags.has(Flags::INEXACT)) {
            (true, _) => Drawn::Output,
            (false, true) => Drawn::InexactSnapshot,
            (false, false) => Drawn::Snapshot,
        };
        Seen::Draw { screens, drawn }
    }

    fn output(&mut self, payload: Bytes, effects: Effects) -> Bytes {
        match (effects, self.filtering) {
            (Effects::Unwanted, _) => {
                self.filtering = Filtering::On;
                let mut bytes = Vec::with_capacity(payload.len());
                self.filter.filter(&payload, &mut bytes);
                bytes.into()
            }
            (Effects::Wanted, Filtering::On) => {
                // what the filter holds back of an unfinished sequence belongs before these bytes
                self.filtering = Filtering::Off;
                let mut bytes = Vec::with_capacity(payload.len());
                std::mem::take(&mut self.filter).finish(&mut bytes);
                bytes.extend_from_slice(&payload);
                bytes.into()
            }
            (Effects::Wanted, Filtering::Off) => payload,
        }
    }
}

/// Whether output may cause replies, bells and clipboard writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effects {
    Wanted,
    Unwanted,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::ls::tests::session;
    use quarterdeck_protocol::{ids::InputNumber, method::AttachStart, session::SessionState};

    const CHANNEL: Channel = Channel(7);

    fn stream() -> Stream {
        let info = session(1, "a", SessionState::Running, &[]);
        Stream::new(&AttachResult {
            channel: CHANNEL,
            start: AttachStart::Ok,
            log_id: info.log_id,
            incarnation: info.incarnation,
            out: Out(10),
            head: Out(10),
            role: Role::Owner,
            input_applied: InputNumber(0),
            session: info,
            agent: None,
        })
    }
    fn take(stream: &mut Stream, body: Body<'_>, role: Role) -> Seen {
        stream.handle(&Frame { channel: CHANNEL, body }.to_vec().into(), role)
    }
    /// What is drawn, with `R` for a reset.
    fn drawn(seen: Seen) -> Vec<u8> {
        let Seen::Draw { screens, .. } = seen else { panic!("nothing drawn") };
        let parts = screens.into_iter().map(|screen| match screen {
            Screen::Reset => b"R".to_vec(),
            Screen::Draw { bytes, .. } => bytes.to_vec(),
        });
        parts.collect::<Vec<_>>().concat()
    }
    fn out(at: u64, flags: Flags, bytes: &[u8]) -> Body<'_> {
        Body::Out { out: Out(at), flags, bytes }
    }

    #[test]
    fn live_bytes_of_an_owner_pass_untouched_and_all_others_have_no_effects() {
        let query = b"a\x1b[c\x07b";
        let live = Flags::default();
        let mut owner = stream();
        assert_eq!(drawn(take(&mut owner, out(10, live, query), Role::Owner)), query);
        assert_eq!(drawn(take(&mut owner, out(16, Flags::REPLAY, query), Role::Owner)), b"ab");
        assert_eq!(drawn(take(&mut stream(), out(10, live, query), Role::Follower)), b"ab");
    }

    #[test]
    fn a_sequence_that_begins_in_the_replay_ends_in_the_live_bytes() {
        let mut owner = stream();
        assert_eq!(drawn(take(&mut owner, out(10, Flags::REPLAY, b"a\x1b[3"), Role::Owner)), b"a");
        let live = take(&mut owner, out(14, Flags::default(), b"1mb"), Role::Owner);
        assert_eq!(drawn(live), b"\x1b[31mb");
    }

    #[test]
    fn only_the_first_part_of_a_snapshot_resets_the_terminal() {
        let mut owner = stream();
        let snap = |flags, bytes| Body::Snap { out: Out(99), flags, bytes };
        assert_eq!(drawn(take(&mut owner, snap(Flags::MORE, b"one"), Role::Owner)), b"Rone");
        let last = take(&mut owner, snap(Flags::INEXACT, b"two"), Role::Owner);
        assert!(matches!(last, Seen::Draw { drawn: Drawn::InexactSnapshot, .. }));
        assert_eq!(drawn(last), b"two");
        assert_eq!(owner.next(), Out(99));
    }

    #[test]
    fn frames_of_other_channels_and_kinds_are_skipped() {
        let mut owner = stream();
        let other = Frame { channel: Channel(8), body: out(10, Flags::default(), b"x") };
        assert!(matches!(owner.handle(&other.to_vec().into(), Role::Owner), Seen::Nothing));
        let unknown = Bytes::from_static(&[7, 0, 0, 0, 99]);
        assert!(matches!(owner.handle(&unknown, Role::Owner), Seen::Nothing));
    }

    #[test]
    fn another_attachment_goes_on_after_the_last_byte_that_came() {
        let mut owner = stream();
        take(&mut owner, out(10, Flags::default(), b"abc"), Role::Owner);
        assert!(matches!(owner.resume(), AttachFrom::Out { out: Out(13), .. }));
        let gap = take(&mut owner, Body::Gap { from: Out(13), to: Out(113) }, Role::Owner);
        assert!(matches!(gap, Seen::Gap(100)));
    }
}
