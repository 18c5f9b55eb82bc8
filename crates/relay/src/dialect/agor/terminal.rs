//! From a terminal's stream to a controller's events.
//!
//! A controller's terminal takes everything for live output of a program that it has for itself. So
//! what would make it answer, beep or touch the clipboard is left out where the output is old or the
//! terminal is another client's; and a new screen begins with a reset.

use std::sync::Arc;

use quarterdeck_protocol::{
    dialect::{
        TextStream,
        agor::{Event, PtyEnd},
    },
    frame::{Body, Flags, Frame},
    ids::{Channel, ClientId, Out, SessionId},
    limits::MAX_SHARED_FRAME_BYTES,
    record::{Exit, ExitStatus, LeaseCause, LeaseRecord, LeaseState, Lost},
    rpc::Message,
    session::SessionEvent,
};
use quarterdeck_screen::ReplayFilter;

use crate::{
    connection::channel::{ChannelStream, Pulled},
    screens::SnapshotAt,
    session::SessionHandle,
};

/// Output that may wait for a controller before it gets the screen instead. It gives no credit, so this
/// is what its link holds back: seconds of the most that a person would look at.
const MAX_LAG_BYTES: u64 = 1024 * 1024;
/// What a terminal is told before it gets a screen: to be as if it were new.
const RESET: &str = "\u{1b}c";

/// A terminal that a controller is shown.
pub(super) struct Terminal {
    stream: ChannelStream,
    text: TextStream,
    /// Set while what would have an effect is left out.
    filter: Option<ReplayFilter>,
    me: ClientId,
    owns: bool,
    /// Parts of a screen were sent and more follow.
    drawing: bool,
    /// Output that is missing and was not followed by a screen yet.
    gap: Option<(Out, Out)>,
}

/// What a terminal has for its controller.
#[derive(Debug)]
pub(super) enum Told {
    /// These; there may be more.
    Events(Vec<Event>),
    /// The last ones.
    Ended(Vec<Event>),
    /// It fell behind and needs a screen.
    NeedsSnapshot,
    /// Nothing until it is woken.
    Nothing,
}

impl Terminal {
    pub(super) fn new(stream: ChannelStream, me: ClientId, owns: bool) -> Self {
        let (text, filter) = (TextStream::default(), None);
        Self { stream, text, filter, me, owns, drawing: false, gap: None }
    }

    pub(super) const fn channel(&self) -> Channel {
        self.stream.channel
    }
    pub(super) fn session(&self) -> Arc<SessionHandle> {
        Arc::clone(&self.stream.session)
    }
    pub(super) fn handle_snapshot(&mut self, snapshot: SnapshotAt) {
        self.stream.handle_snapshot(snapshot);
    }
    pub(super) fn handle_no_snapshot(&mut self) {
        self.stream.handle_no_snapshot();
    }

    /// What comes next.
    pub(super) fn pull(&mut self) -> Told {
        // what was pulled before is on its way: a controller gives no other credit
        self.stream.handle_credit(Out(u64::MAX));
        if self.stream.skip_if_behind(MAX_LAG_BYTES) {
            return Told::NeedsSnapshot;
        }
        match self.stream.pull(MAX_SHARED_FRAME_BYTES) {
            Pulled::Frame(frame) => Told::Events(self.translate(&frame)),
            Pulled::Text(text) => self.hear(&text),
            Pulled::NeedsSnapshot => Told::NeedsSnapshot,
            // an agent's events: not in this dialect
            Pulled::Later | Pulled::Nothing => Told::Nothing,
            Pulled::Failed(error) => {
                tracing::warn!(%error, "terminal not shown: its log cannot be read");
                Told::Ended(self.end(lost("its log cannot be read")))
            }
        }
    }

    /// The session let go of this terminal; whatever it was, nothing more comes.
    pub(super) fn end_without_exit(mut self, why: &str) -> Vec<Event> {
        self.end(lost(why))
    }

    fn translate(&mut self, frame: &[u8]) -> Vec<Event> {
        let Ok(Frame { body, .. }) = Frame::parse(frame) else { return Vec::new() };
        match body {
            Body::Out { flags, bytes, .. } => {
                let mut events = self.notice();
                let kept = self.silence(flags.has(Flags::REPLAY) || !self.owns, bytes);
                let text = self.text.push(&kept);
                events.extend(self.data(text));
                events
            }
            Body::Snap { flags, bytes, .. } => {
                let mut text = String::new();
                if !self.drawing {
                    (self.filter, self.text, self.gap) = (None, TextStream::default(), None);
                    text.push_str(RESET);
                }
                self.drawing = flags.has(Flags::MORE);
                text.push_str(&self.text.push(bytes));
                self.data(text).into_iter().collect()
            }
            Body::Gap { from, to } if from < to => {
                self.gap = Some((from, to));
                let rest = self.text.finish().to_owned();
                let gap = Event::PtyGap { session: self.id(), from, to };
                self.data(rest).into_iter().chain([gap]).collect()
            }
            Body::Gap { .. } | Body::In { .. } | Body::InAck { .. } | Body::Credit { .. } => {
                Vec::new()
            }
        }
    }

    /// Without a screen after it a gap is told in the terminal too: nobody else would say it.
    fn notice(&mut self) -> Vec<Event> {
        let Some((from, to)) = self.gap.take() else { return Vec::new() };
        let missing = to.0 - from.0;
        let text = format!("\r\n[{missing} bytes of output are missing here]\r\n");
        self.data(text).into_iter().collect()
    }

    /// The bytes without what would make a terminal do something, where that is wanted.
    fn silence(&mut self, silent: bool, bytes: &[u8]) -> Vec<u8> {
        let mut kept = Vec::with_capacity(bytes.len());
        if silent {
            self.filter.get_or_insert_default().filter(bytes, &mut kept);
            return kept;
        }
        if let Some(filter) = self.filter.take() {
            filter.finish(&mut kept);
        }
        kept.extend_from_slice(bytes);
        kept
    }

    /// What a native client would be told about a record that is no output.
    fn hear(&mut self, text: &str) -> Told {
        let Ok(Message::Notification { params: Some(params), .. }) = Message::parse(text) else {
            return Told::Events(Vec::new());
        };
        let Ok(SessionEvent { event, body, .. }) = serde_json::from_str(params.get()) else {
            return Told::Events(Vec::new());
        };
        match event.as_str() {
            "lease" => {
                match serde_json::from_str(body.get()) {
                    // who types once is not who answers the program's questions
                    Ok(LeaseRecord { why: LeaseCause::Borrow, .. }) | Err(_) => {}
                    Ok(LeaseRecord { state, .. }) => self.owns = self.is_mine(&state),
                }
                Told::Events(Vec::new())
            }
            "exit" => {
                let exit: Option<Exit> = serde_json::from_str(body.get()).ok();
                Told::Ended(self.end(exit.map_or_else(|| lost("unknown"), |e| end_of(&e.status))))
            }
            "lost" => {
                let why = serde_json::from_str(body.get()).map(|Lost { why }| why);
                Told::Ended(self.end(lost(why.as_deref().unwrap_or("unknown"))))
            }
            // sizes and modes are nothing that a controller could be told
            _ => Told::Events(Vec::new()),
        }
    }

    fn is_mine(&self, state: &LeaseState) -> bool {
        match state {
            LeaseState::Held { owner } => owner.client == self.me,
            LeaseState::Free | LeaseState::Grace { .. } | LeaseState::Unknown => false,
        }
    }

    fn end(&mut self, end: PtyEnd) -> Vec<Event> {
        let mut events = self.notice();
        let rest = self.text.finish().to_owned();
        events.extend(self.data(rest));
        events.push(Event::PtyExit { session: self.id(), end });
        events
    }

    fn data(&self, text: String) -> Option<Event> {
        (!text.is_empty()).then(|| Event::PtyData { session: self.id(), text })
    }

    fn id(&self) -> SessionId {
        self.stream.session.id
    }
}

fn lost(why: &str) -> PtyEnd {
    PtyEnd { why: Some(why.to_owned()), ..PtyEnd::default() }
}

pub(super) fn end_of(status: &ExitStatus) -> PtyEnd {
    match status {
        ExitStatus::Code { code } => PtyEnd { exit_code: Some(*code), ..PtyEnd::default() },
        ExitStatus::Signal { signal, .. } => {
            PtyEnd { signal: Some(signal_name(*signal)), ..PtyEnd::default() }
        }
        ExitStatus::Oom => PtyEnd {
            signal: Some("SIGKILL".to_owned()),
            why: Some("out of memory".to_owned()),
            ..PtyEnd::default()
        },
        ExitStatus::Unknown => lost("unknown"),
    }
}

/// The name as runners of agents write it; the number where there is none.
fn signal_name(signal: i32) -> String {
    use rustix::process::Signal as S;
    let known = [
        (S::HUP, "SIGHUP"),
        (S::INT, "SIGINT"),
        (S::QUIT, "SIGQUIT"),
        (S::ILL, "SIGILL"),
        (S::TRAP, "SIGTRAP"),
        (S::ABORT, "SIGABRT"),
        (S::BUS, "SIGBUS"),
        (S::FPE, "SIGFPE"),
        (S::KILL, "SIGKILL"),
        (S::USR1, "SIGUSR1"),
        (S::SEGV, "SIGSEGV"),
        (S::USR2, "SIGUSR2"),
        (S::PIPE, "SIGPIPE"),
        (S::ALARM, "SIGALRM"),
        (S::TERM, "SIGTERM"),
    ];
    let name = known.iter().find(|(known, _)| known.as_raw() == signal);
    name.map_or_else(|| format!("signal {signal}"), |(_, name)| (*name).to_owned())
}

#[cfg(test)]
mod tests;
