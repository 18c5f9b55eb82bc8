//! The task of one session.
//!
//! ```text
//! commands ──▶ ┌────────┐ ──▶ holder: input, size, lease records
//!  (inbox)     │ actor  │
//! holder   ──▶ └────────┘ ──▶ tail, view, terminal model
//!  (head moved: read the log)
//! ```
//!
//! It never waits for anything but its own select, so nobody holds up anybody: what does not fit is
//! refused.

use std::{collections::BTreeMap, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use quarterdeck_core::{answerer::Answerer, lease::OwnerLease};
use quarterdeck_holder::log::LogReader;
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    holder::{ResizeRequest, SignalRequest, StopRequest, op},
    ids::{Channel, ClientId, Label, Out},
    record::{Lease, LeftProcess, LogState},
    session::SessionInfo,
};
use tokio::{sync::mpsc, time::Instant};

use super::{
    Command, INBOX_COMMANDS, Opened, Reply, SessionHandle, StopBegins,
    agent::{Agent, no_agent},
    driving::{HolderState, PendingRequest, Then, answer},
    input::{BorrowedInput, InputProgress},
    meta::{Keep, META_SCHEMA, SessionMeta},
    place::Place,
    tail::Tail,
};
use crate::{
    clock,
    connection::outbox::{Control, Outbox},
    context::Context,
    remote::{Remote, restart},
};

/// Longest wait for a boot-clock deadline: the runtime's clock stands still while a laptop sleeps.
const MAX_BOOT_WAIT: Duration = Duration::from_secs(10);

/// Everything about one session; only its task touches it.
pub(super) struct Session {
    pub(super) context: Arc<Context>,
    pub(super) handle: Arc<SessionHandle>,
    pub(super) tail: Arc<Tail>,
    pub(super) meta: SessionMeta,
    pub(super) is_shell: bool,
    pub(super) lease: OwnerLease,
    /// The recorded lease as others see it.
    pub(super) shown_lease: Lease,
    /// Fold of the records read so far.
    pub(super) log: LogState,
    pub(super) base: Out,
    pub(super) reader: Option<LogReader>,
    /// When the terminal's model reads what is new.
    pub(super) model_due: Option<Instant>,
    pub(super) title: Option<String>,
    pub(super) left: Vec<LeftProcess>,
    pub(super) last_activity_at: u64,
    pub(super) attachments: Vec<Attachment>,
    pub(super) holder: HolderState,
    pub(super) pending: BTreeMap<u32, PendingRequest>,
    /// What the holder says of the disk; empty when all is well.
    pub(super) stalled: String,
    /// Inputs of each client, newer than the log's own table.
    pub(super) inputs: BTreeMap<ClientId, InputProgress>,
    /// Inputs without an attachment that wait for their acknowledgement.
    pub(super) borrowed: Vec<BorrowedInput>,
    /// Who answers the program's queries.
    pub(super) answerer: Answerer,
    /// The agent, in an agent's session.
    pub(super) agent: Option<Box<Agent>>,
    /// What the screen of Remote Control has said.
    pub(super) remote: Option<Box<Remote>>,
    /// When the program that runs was started, in microseconds since 1970.
    pub(super) started_at: u64,
    /// Somebody has asked for the end of the program that runs.
    pub(super) stop_asked: bool,
    /// Where a kept shell is.
    pub(super) place: Place,
}

/// A client's attachment to this session.
pub(super) struct Attachment {
    pub(super) client: ClientId,
    pub(super) channel: Channel,
    pub(super) outbox: Arc<Outbox>,
}

/// Starts the task of a session; it ends with the relay or when the session is removed.
pub(super) fn spawn(context: &Arc<Context>, opened: Opened, lives: Lives) -> Arc<SessionHandle> {
    let (inbox, commands) = mpsc::channel(INBOX_COMMANDS);
    let is_shell = opened.is_shell();
    let shown_lease = opened.log.facts().lease.clone();
    let lease = OwnerLease::recover(opened.log.facts().lease.clone(), context.grace, clock::boot());
    let agent = opened.agent();
    let view = SessionInfo {
        agent: agent.as_ref().map(|agent| agent.info()),
        remote_control: opened.remote.as_ref().map(|remote| remote.info()),
        ..super::records::first_view(&opened.meta, &opened.log, opened.base, lives)
    };
    let handle = Arc::new(SessionHandle::new(&opened, view, inbox));
    let replayed_until = opened.replayed_until();
    let Opened { meta, log, base, remote, .. } = opened;
    let mut session = Session {
        context: Arc::clone(context),
        handle: Arc::clone(&handle),
        tail: Arc::clone(&handle.tail),
        meta,
        is_shell,
        lease,
        shown_lease,
        log,
        base,
        reader: None,
        model_due: None,
        title: None,
        left: Vec::new(),
        last_activity_at: clock::wall_micros(),
        attachments: Vec::new(),
        holder: match lives {
            Lives::Yes => HolderState::Retry(Instant::now()),
            Lives::No => HolderState::Ended,
        },
        pending: BTreeMap::new(),
        stalled: String::new(),
        inputs: BTreeMap::new(),
        borrowed: Vec::new(),
        answerer: Answerer::new(replayed_until),
        agent,
        remote,
        started_at: clock::wall_micros(),
        stop_asked: false,
        place: Place::default(),
    };
    let context = Arc::clone(context);
    let id = handle.id;
    context.clone().tasks.spawn(async move {
        let run = AssertUnwindSafe(session.run(commands)).catch_unwind();
        if run.await.is_err() {
            tracing::error!(session = %id, "session task panicked");
            context.registry.mark_broken(id);
        }
    });
    handle
}

/// Whether a holder lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lives {
    /// Its lock is held.
    Yes,
    /// The log has ended.
    No,
}

impl Session {
    async fn run(&mut self, mut commands: mpsc::Receiver<Command>) {
        let stop = self.context.shutdown.clone();
        // those that were open when the relay started
        self.tell_news();
        loop {
            let deadline = self.next_deadline();
            // a holder answers its first message at once; one that does not holds nobody up again
            let listens = !self.holder.is_connecting() || self.is_silent();
            // nobody is told the lease of before a restart
            let listens =
                listens && !self.pending.values().any(|it| matches!(it.then, Then::Listen));
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                event = self.holder.next_event() => self.handle_link_event(event),
                command = commands.recv(), if listens => match command {
                    Some(Command::End) | None => break,
                    Some(command) => self.handle_command(command),
                },
                () = sleep_until(deadline) => self.handle_deadline(),
            }
        }
        for Attachment { channel, outbox, .. } in std::mem::take(&mut self.attachments) {
            self.tail.unsubscribe(channel, &outbox);
            outbox.push(Control::Detached { channel, why: "removed" });
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let retry = match self.holder {
            HolderState::Retry(at) => Some(at),
            HolderState::Linked(_) | HolderState::Connecting(_) | HolderState::Ended => None,
        };
        let grace = self.lease.poll_timeout().map(|end| {
            let wait = end.saturating_sub(clock::boot()).min(MAX_BOOT_WAIT);
            Instant::now() + wait
        });
        let oldest = self.pending.values().map(|request| request.deadline).min();
        let agent = self.agent.as_ref().and_then(|agent| agent.poll_timeout());
        let place = self.place.poll_timeout();
        [retry, grace, oldest, agent, place, self.model_due].into_iter().flatten().min()
    }

    fn handle_deadline(&mut self) {
        self.lease.handle_timeout(clock::boot());
        self.record_lease_changes(Then::Ignore);
        self.handle_agent_deadline();
        self.look_at_place();
        self.advance_model();
        self.fail_overdue();
        self.dial_if_due();
    }

    fn handle_command(&mut self, command: Command) {
        match command {
            Command::Attach(attach) => self.handle_attach(*attach),
            Command::Detach { client, channel, outbox } => {
                self.handle_detach(client, channel, &outbox);
            }
            // an agent has no terminal: its holder would refuse it
            Command::Input(_) if self.agent.is_some() => {}
            Command::Input(input) => self.handle_input(input),
            Command::InputOnce { caller, text, n, reply } => {
                self.handle_input_once(&caller, &text, n, reply);
            }
            Command::Resize { by, size, reply } => {
                let allowed = self.require_owner_if_owned(by);
                let request = ResizeRequest { size, by: Some(by) };
                match allowed {
                    Ok(()) => self.ask_holder(op::RESIZE, &request, Then::Done(reply)),
                    Err(error) => answer(reply, Err(error)),
                }
            }
            Command::Signal { by, signal, to, reply } => {
                let allowed = self.require_owner_if_owned(by);
                match allowed {
                    Ok(()) => {
                        let request = SignalRequest { signal, to };
                        self.ask_holder(op::SIGNAL, &request, Then::Done(reply));
                    }
                    Err(error) => answer(reply, Err(error)),
                }
            }
            Command::Stop { caller, rung_ms, now, reason, reply } => {
                match self.may_stop(&caller, reason.as_deref()) {
                    Ok(()) => {
                        self.note_stop_asked();
                        let now = now == StopBegins::AtOnce;
                        self.ask_holder(op::STOP, &StopRequest { rung_ms, now }, Then::Done(reply));
                    }
                    Err(error) => answer(reply, Err(error)),
                }
            }
            Command::Lease { caller, change, reply } => {
                self.handle_lease(&caller, change, reply);
            }
            Command::Rename { label, reply } => self.handle_rename(label, reply),
            Command::Resumed { reply } => self.handle_resumed(reply),
            // ends the task before it comes here
            Command::End => {}
            Command::Trim { request, reply } => {
                self.ask_holder(op::TRIM, &request, Then::Done(reply));
            }
            Command::Note { note, reply } => self.ask_holder(op::NOTE, &note, Then::Done(reply)),
            Command::Agent(ask) => self.handle_agent_ask(*ask),
            Command::Conversation { reply } => {
                let agent = self.agent.as_ref().map(|agent| agent.conversation.clone());
                answer(reply, agent.ok_or_else(no_agent));
            }
            Command::ModelReply(reply) => self.handle_model_reply(reply),
            Command::Live { client, from } => self.handle_live(client, from),
            Command::Title(title) => {
                self.title = title;
                self.publish();
            }
        }
    }

    fn handle_rename(&mut self, label: Label, reply: Reply<SessionInfo>) {
        if self.meta.schema > META_SCHEMA {
            let message =
                "the session was made by a newer version, which alone may change its label";
            let error = RpcError::new(ErrorCode::Storage, message);
            answer(reply, Err(error.hint("rename it with the newer program")));
            return;
        }
        let meta = SessionMeta { label, ..self.meta.clone() };
        match meta.write(&self.handle.directory) {
            Ok(()) => {
                self.meta = meta;
                self.publish();
                answer(reply, Ok(self.handle.view()));
            }
            Err(error) => {
                tracing::warn!(session = %self.handle.id, %error, "cannot write meta.json");
                let error = RpcError::new(ErrorCode::Storage, "the new label could not be stored");
                answer(reply, Err(error));
            }
        }
    }

    /// Who ends a session wants it ended: nothing starts it again but a human.
    fn note_stop_asked(&mut self) {
        self.stop_asked = true;
        self.set_keep(Keep::Yes, Keep::Stopped);
    }

    fn set_keep(&mut self, from: Keep, to: Keep) {
        if self.meta.keep != from || self.meta.schema > META_SCHEMA {
            return;
        }
        let meta = SessionMeta { keep: to, ..self.meta.clone() };
        match meta.write(&self.handle.directory) {
            Ok(()) => self.meta = meta,
            Err(error) => {
                tracing::warn!(session = %self.handle.id, %error, "cannot write meta.json");
            }
        }
    }

    /// A Remote Control program that failed by itself is started again, if that was asked for.
    pub(super) fn restart_if_wanted(&mut self) {
        let asked = self.stop_asked;
        let Some(remote) = &mut self.remote else { return };
        if asked || !remote.wants_restart() {
            return;
        }
        let ran = clock::wall_micros().saturating_sub(self.started_at);
        let Some(wait) = remote.restarts.next(Duration::from_micros(ran)) else { return };
        let Some(by) = self.meta.created_by.clone() else { return };
        restart::later(&self.context, &self.handle, by, wait);
    }

    fn handle_resumed(&mut self, reply: Reply<SessionInfo>) {
        self.stop_asked = false;
        self.set_keep(Keep::Stopped, Keep::Yes);
        self.left.clear();
        self.holder = HolderState::Retry(Instant::now());
        self.read_log(None);
        answer(reply, Ok(self.handle.view()));
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
