//! From the log to what everybody sees: the tail, the view, the terminal model.

use std::time::Duration;

use bytes::Bytes;
use quarterdeck_holder::log::{LogReader, Missing, Next};
use quarterdeck_hooks::{Notice, key, notice::AtMachine};
use quarterdeck_protocol::record::Position;
use quarterdeck_protocol::{
    ids::Out,
    record::{Ended, Exit, Foreground, LeaseCause, LeaseRecord, LogState, Record, RecordKind},
    remote_control::RemoteState,
    session::{LeaseView, SessionInfo, SessionState},
};
use tokio::time::Instant;

use super::{
    actor::{Lives, Session},
    driving::HolderState,
    meta::{Keep, SessionMeta},
};
use crate::clock;
use crate::registry::AgentNews;

/// How far the terminal's model may be behind what viewers were sent.
const MODEL_LAG: Duration = Duration::from_millis(10);
/// Records read before the session looks at its other work.
const RECORDS_PER_READ: usize = 256;

/// Consecutive records of the log.
struct Batch {
    records: Vec<Record>,
    then: Onward,
}

/// What follows a batch.
enum Onward {
    /// There may be more.
    More,
    /// Some are gone.
    Gap(Missing),
    /// Nothing yet, or nothing that can be read.
    Done,
}

impl Session {
    /// Reads what is new in the log, as far as `head` or as far as it goes, publishes it, and changes
    /// the view where it changed.
    pub(super) fn read_log(&mut self, head: Option<Position>) {
        loop {
            let Batch { records, then } = self.read_records(head);
            if !records.is_empty() {
                self.handle_records(records);
            }
            match then {
                Onward::More => {}
                Onward::Gap(missing) => {
                    tracing::warn!(session = %self.handle.id, ?missing, "gap in the log");
                    self.tail.set_head(missing.to);
                }
                Onward::Done => return,
            }
        }
    }

    fn handle_records(&mut self, records: Vec<Record>) {
        self.last_activity_at = clock::wall_micros();
        let mut changed = false;
        for record in &records {
            changed |= self.apply(record);
        }
        // before the tail: whoever reads a head finds a view that has all before it
        if changed {
            self.publish();
        }
        self.tell_news();
        self.tail.publish(records.into_iter());
        self.note_grown();
        self.note_place_may_change();
    }

    /// The model follows when the viewers have been served: its thread would take the processor that a
    /// key's echo needs on its way.
    fn note_grown(&mut self) {
        if self.agent.is_none() {
            self.model_due = self.model_due.or_else(|| Some(Instant::now() + MODEL_LAG));
            // a flood leaves no time for deadlines
            self.advance_model();
        }
    }

    /// Has the terminal's model read what is new.
    pub(super) fn advance_model(&mut self) {
        if self.model_due.take_if(|due| *due <= Instant::now()).is_some() {
            self.context.screens.advance(&self.handle);
        }
    }

    /// Tells watchers of all sessions what the agent did.
    pub(super) fn tell_news(&mut self) {
        let news = self.agent.as_mut().map(|agent| std::mem::take(&mut agent.news));
        let news = news.filter(|news| !news.is_empty());
        if let Some(news) = news {
            // before the view: a hub is told whether hooks were
            news.iter().for_each(|news| self.tell_hooks(news));
            self.context.registry.handle_news(news);
        }
    }

    fn tell_hooks(&self, news: &AgentNews) {
        let hooks = &self.context.hooks;
        let machine = || AtMachine { machine: None, label: self.context.machine.clone() };
        let label = || self.handle.published().label.clone();
        match news {
            AgentNews::Opened(prompt) => hooks.tell(Notice::prompt(machine(), label(), prompt)),
            AgentNews::Settled(prompt, _) => hooks.withdraw(&key::prompt(*prompt)),
            AgentNews::TurnEnded(end) => hooks.tell(Notice::turn(machine(), label(), end)),
        }
    }

    /// The next records of the log.
    fn read_records(&mut self, head: Option<Position>) -> Batch {
        let mut records = Vec::new();
        if self.reader.is_none() {
            self.reader = self.open_reader();
        }
        let Some(reader) = &mut self.reader else { return Batch { records, then: Onward::Done } };
        while records.len() < RECORDS_PER_READ {
            // asking past a known head would cost a look at the directory
            if head.is_some_and(|head| reader.position().seq >= head.seq) {
                return Batch { records, then: Onward::Done };
            }
            match reader.next() {
                Ok(Next::Record(record)) => records.push(record),
                Ok(Next::AwaitMore) => return Batch { records, then: Onward::Done },
                Ok(Next::Gap(missing)) => return Batch { records, then: Onward::Gap(missing) },
                Err(error) => {
                    tracing::warn!(session = %self.handle.id, %error, "log cannot be read");
                    self.reader = None;
                    return Batch { records, then: Onward::Done };
                }
            }
        }
        Batch { records, then: Onward::More }
    }

    fn open_reader(&self) -> Option<LogReader> {
        let mut reader = LogReader::open(&self.handle.directory).ok()?;
        reader.seek_seq(self.log.next().seq).ok()?;
        Some(reader)
    }

    /// Folds a record; whether the view changed by it.
    fn apply(&mut self, record: &Record) -> bool {
        self.log.apply_record(record);
        let listed = self.agent.as_mut().is_some_and(|agent| agent.apply(record));
        let shown = self.remote.as_mut().is_some_and(|remote| remote.apply(record));
        if record.header.kind == RecordKind::Start {
            self.started_at = record.header.time_micros;
        }
        if matches!(record.header.kind, RecordKind::Exit | RecordKind::Lost) {
            self.restart_if_wanted();
        }
        listed
            | shown
            | match record.header.kind {
                RecordKind::Exit => {
                    let exit: Option<Exit> = serde_json::from_slice(&record.payload).ok();
                    self.left = exit.map(|exit| exit.left).unwrap_or_default();
                    true
                }
                // a segment begins: the oldest ones may be gone
                RecordKind::Checkpoint => {
                    let oldest = LogReader::open(&self.handle.directory);
                    self.base = oldest.map_or(self.base, |reader| reader.position().out);
                    true
                }
                RecordKind::Lease => self.show_lease(record),
                RecordKind::Start
                | RecordKind::Resize
                | RecordKind::Termios
                | RecordKind::Gap
                | RecordKind::Lost => true,
                RecordKind::Output
                | RecordKind::Input
                | RecordKind::VendorIn
                | RecordKind::VendorOut
                | RecordKind::VendorErr
                | RecordKind::Answer
                | RecordKind::Note
                | RecordKind::Unknown(_) => false,
            }
    }

    /// Shows the recorded lease. One that is borrowed goes back at once and is not shown: who looked in
    /// between would take it for a change of owner.
    fn show_lease(&mut self, record: &Record) -> bool {
        let lease: Option<LeaseRecord> = serde_json::from_slice(&record.payload).ok();
        let is_borrowed = lease.is_some_and(|lease| lease.why == LeaseCause::Borrow);
        if !is_borrowed {
            self.shown_lease = self.log.facts().lease.clone();
        }
        !is_borrowed
    }

    /// The holder has output that a full disk keeps out of the log: shown, and said to be so by the
    /// session's state.
    pub(super) fn handle_unrecorded(&mut self, body: &[u8]) {
        let Some((out, bytes)) = body.split_first_chunk() else { return };
        let out = Out(u64::from_le_bytes(*out));
        self.tail.show_unrecorded(out, Bytes::copy_from_slice(bytes));
    }

    pub(super) fn set_stalled(&mut self, why: &str) {
        if self.stalled != why {
            why.clone_into(&mut self.stalled);
            self.publish();
        }
    }

    /// Publishes the session as it is now.
    pub(super) fn publish(&mut self) {
        let view = SessionInfo {
            state: self.state(),
            title: self.title.clone(),
            attached: u32::try_from(self.attachments.len()).unwrap_or(u32::MAX),
            lease: LeaseView {
                epoch: self.shown_lease.epoch,
                state: self.shown_lease.state.clone(),
                requested_by: self.lease.view().requested_by,
            },
            last_activity_at: self.last_activity_at,
            agent: self.agent.as_ref().map(|agent| agent.info()),
            remote_control: self.remote.as_ref().map(|remote| remote.info()),
            ..first_view(&self.meta, &self.log, self.base, self.lives())
        };
        let before = self.handle.published();
        let unchanged = {
            let SessionInfo { last_activity_at, seq, out, .. } = *before;
            // that a program writes is no news
            SessionInfo { last_activity_at, seq, out, ..view.clone() } == *before
        };
        let lease_changed = before.lease != view.lease;
        self.handle.publish(view);
        if !unchanged {
            self.context.registry.changed(self.handle.id, lease_changed);
        }
    }

    const fn lives(&self) -> Lives {
        match self.holder {
            HolderState::Linked(_) | HolderState::Retry(_) | HolderState::Connecting(_) => {
                Lives::Yes
            }
            HolderState::Ended => Lives::No,
        }
    }

    fn state(&self) -> SessionState {
        match live_or_ended(&self.log, self.lives()) {
            SessionState::Exited { status, at, .. } => {
                SessionState::Exited { status, at, left: self.left.clone() }
            }
            SessionState::Running | SessionState::Starting if !self.stalled.is_empty() => {
                SessionState::Stalled { why: self.stalled.clone() }
            }
            SessionState::Running if self.at_prompt() => SessionState::Idle,
            SessionState::Running if self.asks_on_its_terminal() => SessionState::Waiting,
            SessionState::Running => {
                let agent = self.agent.as_ref();
                agent.map_or(SessionState::Running, |agent| agent.session_state())
            }
            other @ (SessionState::Starting
            | SessionState::Waiting
            | SessionState::Idle
            | SessionState::Stalled { .. }
            | SessionState::Lost { .. }
            | SessionState::Unreachable { .. }) => other,
        }
    }

    /// Remote Control waits for an answer that only its terminal takes.
    fn asks_on_its_terminal(&self) -> bool {
        let state = self.remote.as_ref().map(|remote| remote.state());
        matches!(state, Some(RemoteState::Asking { .. }))
    }

    /// A shell without a foreground job is idle. Other programs are never said to be.
    fn at_prompt(&self) -> bool {
        let foreground = self.log.facts().termios.map(|termios| termios.foreground);
        self.is_shell && foreground == Some(Foreground::Leader)
    }
}

/// The state that the log alone tells.
fn live_or_ended(log: &LogState, lives: Lives) -> SessionState {
    match (&log.facts().ended, lives) {
        (Some(Ended::Exited { status, at_micros }), _) => {
            SessionState::Exited { status: status.clone(), left: Vec::new(), at: *at_micros }
        }
        (Some(Ended::Lost { why, at_micros }), _) => {
            SessionState::Lost { why: why.clone(), at: *at_micros }
        }
        (Some(Ended::Unknown), _) => {
            SessionState::Lost { why: "ended in a way this version does not know".into(), at: 0 }
        }
        (None, Lives::No) => {
            let why = "the holder died, and the log cannot be written to say so";
            SessionState::Lost { why: why.into(), at: 0 }
        }
        (None, Lives::Yes) if log.facts().incarnation.0 == 0 => SessionState::Starting,
        (None, Lives::Yes) => SessionState::Running,
    }
}

/// A session's view from its files alone.
pub(super) fn first_view(
    meta: &SessionMeta,
    log: &LogState,
    base: Out,
    lives: Lives,
) -> SessionInfo {
    let facts = log.facts();
    SessionInfo {
        session: meta.session,
        label: meta.label.clone(),
        kind: meta.kind,
        state: live_or_ended(log, lives),
        argv: meta.command.clone(),
        cwd: meta.cwd.clone(),
        project: meta.project.clone(),
        title: None,
        size: facts.size,
        lease: LeaseView {
            epoch: facts.lease.epoch,
            state: facts.lease.state.clone(),
            requested_by: Vec::new(),
        },
        attached: 0,
        created_at: meta.created_at,
        last_activity_at: meta.created_at,
        incarnation: facts.incarnation,
        log_id: facts.log_id,
        seq: log.next().seq,
        out: log.next().out,
        base,
        agent: None,
        remote_control: None,
        keep: meta.keep != Keep::No,
        on: None,
    }
}
