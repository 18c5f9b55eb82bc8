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

use std::{
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::FutureExt as _;
use quarterdeck_core::lease::OwnerLease;
use quarterdeck_holder::log::LogReader;
use quarterdeck_protocol::record::Position;
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    holder::{
        HelloAnswer, HolderError, HolderErrorCode, InputAck, InputEntry, ResizeRequest,
        SignalRequest, Stalled, StopRequest, op,
    },
    ids::{Channel, ClientId, Out},
    method::{LeaseResult, Role},
    record::{Lease, LeftProcess, LogState},
    session::SessionInfo,
};
use tokio::{sync::mpsc, time::Instant};

use super::{
    Attached, Command, INBOX_COMMANDS, Opened, Reply, SessionHandle, StopBegins,
    agent::{Agent, no_agent},
    holder::{HolderLink, LinkError, Received},
    input::{BorrowedInput, InputProgress},
    meta::{META_SCHEMA, SessionMeta},
    ownership::IntoRpc as _,
    tail::Tail,
};
use crate::{
    clock,
    connection::outbox::{Control, Outbox},
    context::Context,
};

/// How long a holder may take to answer a request.
const HOLDER_REPLY_TIMEOUT: Duration = Duration::from_secs(5);
/// Why a session is stalled whose holder does not answer.
const HOLDER_SILENT: &str = "holder_silent";
/// Requests that may wait for a holder.
const MAX_PENDING_REQUESTS: usize = 1024;
/// Pause before another try to reach a holder that lives but closed the link.
const RECONNECT_PAUSE: Duration = Duration::from_millis(50);
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
    /// The agent, in an agent's session.
    pub(super) agent: Option<Box<Agent>>,
}

/// A client's attachment to this session.
pub(super) struct Attachment {
    pub(super) client: ClientId,
    pub(super) channel: Channel,
    pub(super) outbox: Arc<Outbox>,
}

/// The link to the holder.
pub(super) enum HolderState {
    /// It holds the session, and we drive it.
    Linked(Box<HolderLink>),
    /// There is none yet, or it broke; try again then.
    Retry(Instant),
    /// The holder is being asked.
    Connecting(Connecting),
    /// There is none: the program has ended.
    Ended,
}

type Connecting =
    Pin<Box<dyn Future<Output = Result<(HolderLink, HelloAnswer), LinkError>> + Send>>;

/// What a link has for its session.
enum LinkEvent {
    /// It can be read or written.
    Ready(Result<tokio::io::Ready, LinkError>),
    /// The holder answered, or did not.
    Connected(Box<Result<(HolderLink, HelloAnswer), LinkError>>),
}

/// A request that the holder has not answered.
pub(super) struct PendingRequest {
    pub(super) deadline: Instant,
    pub(super) then: Then,
}

/// What follows a holder's answer.
pub(super) enum Then {
    /// Nothing.
    Ignore,
    /// Clients are heard again: the lease that a restart changed is recorded.
    Listen,
    /// Tell the caller that it is done.
    Done(Reply<()>),
    /// Tell the caller its lease.
    Lease(Reply<LeaseResult>, LeaseResult),
    /// Tell the client that it is attached.
    Attached(Reply<Attached>, Attached),
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
        ..super::records::first_view(&opened.meta, &opened.log, opened.base, lives)
    };
    let handle = Arc::new(SessionHandle::new(&opened, view, inbox));
    let Opened { meta, log, base, .. } = opened;
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
        agent,
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
        self.tell_prompts();
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
        [retry, grace, oldest, agent].into_iter().flatten().min()
    }

    fn handle_deadline(&mut self) {
        self.lease.handle_timeout(clock::boot());
        self.record_lease_changes(Then::Ignore);
        self.handle_agent_deadline();
        if self.pending.values().any(|request| request.deadline <= Instant::now()) {
            self.set_stalled(HOLDER_SILENT);
            for (_, request) in std::mem::take(&mut self.pending) {
                request.then.fail(&holder_silent());
            }
        }
        if let HolderState::Retry(at) = self.holder
            && at <= Instant::now()
        {
            let directory = self.handle.directory.clone();
            let generation = self.context.generation;
            self.holder = HolderState::Connecting(Box::pin(async move {
                HolderLink::connect(&directory, generation).await
            }));
        }
    }

    fn handle_link_event(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Ready(ready) => self.handle_holder(ready),
            LinkEvent::Connected(outcome) => match *outcome {
                Ok((link, hello)) => self.handle_linked(link, hello),
                Err(error) => {
                    tracing::debug!(session = %self.handle.id, %error, "no link to the holder");
                    if matches!(error, LinkError::Timeout) {
                        self.set_stalled(HOLDER_SILENT);
                    }
                    self.handle_holder_gone();
                }
            },
        }
    }

    fn handle_linked(&mut self, link: HolderLink, hello: HelloAnswer) {
        self.holder = HolderState::Linked(Box::new(link));
        self.handle.holder_pid.store(hello.holder_pid, Ordering::Relaxed);
        for InputEntry { client, n } in hello.inputs {
            self.note_input(client, n);
        }
        self.set_stalled(&hello.stalled.map(|stalled| stalled.why).unwrap_or_default());
        self.note_told(hello.seq);
        self.read_log(None);
        self.record_lease_changes(Then::Listen);
        self.drive_agent();
    }

    fn is_silent(&self) -> bool {
        self.stalled == HOLDER_SILENT
    }

    /// The link is gone: the lock says whether the holder is.
    pub(super) fn handle_holder_gone(&mut self) {
        self.read_log(None);
        let error = self.why_gone();
        for (_, request) in std::mem::take(&mut self.pending) {
            request.then.fail(&error);
        }
        self.fail_borrowed(&error);
        self.handle_agent_unlinked();
        let holds = quarterdeck_holder::log::is_held(&self.handle.directory);
        if holds.unwrap_or(true) {
            self.context.metrics.holder_reconnects.increment();
            self.holder = HolderState::Retry(Instant::now() + RECONNECT_PAUSE);
            return;
        }
        if self.log.facts().ended.is_none() {
            super::launch::append_lost(&self.handle.directory, "the holder died");
            self.read_log(None);
        }
        self.holder = HolderState::Ended;
        self.handle.holder_pid.store(0, Ordering::Relaxed);
        self.handle_agent_ended();
        self.publish();
    }

    fn handle_holder(&mut self, ready: Result<tokio::io::Ready, LinkError>) {
        let HolderState::Linked(link) = &mut self.holder else { return };
        match ready.and_then(|ready| link.handle_ready(ready)) {
            Ok(messages) => {
                for message in messages {
                    self.handle_message(&message);
                }
            }
            Err(error) => {
                tracing::debug!(session = %self.handle.id, %error, "link to the holder ended");
                self.handle_holder_gone();
            }
        }
    }

    fn handle_message(&mut self, message: &Received) {
        match message.op {
            op::HEAD => {
                if let Some(head) = Position::parse(&message.body) {
                    self.note_told(head.seq);
                    self.read_log(Some(head));
                    self.drive_agent();
                }
            }
            op::INPUT_ACK => {
                if let Some(ack) = InputAck::parse(&message.body) {
                    self.handle_input_ack(ack);
                }
            }
            op::OK => self.handle_answer(message.request, Ok(())),
            op::ERROR => {
                let error: Option<HolderError> = serde_json::from_slice(&message.body).ok();
                self.handle_answer(message.request, Err(holder_error(error)));
            }
            op::UNRECORDED => self.handle_unrecorded(&message.body),
            op::STALLED => {
                if let Ok(Stalled { why }) = serde_json::from_slice(&message.body) {
                    self.set_stalled(&why);
                }
            }
            // a newer holder's message
            _ => {}
        }
    }

    fn handle_answer(&mut self, request: u32, outcome: Result<(), RpcError>) {
        if self.handle_operation_answer(request, &outcome) {
            return;
        }
        let Some(PendingRequest { then, .. }) = self.pending.remove(&request) else { return };
        // what the request changed is in the log: show it before the caller hears of it
        self.read_log(None);
        match outcome {
            Ok(()) => then.succeed(),
            Err(error) => then.fail(&error),
        }
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
                let allowed = self.lease.require_owner(by);
                let request = ResizeRequest { size, by: Some(by) };
                match allowed {
                    Ok(_) => self.ask_holder(op::RESIZE, &request, Then::Done(reply)),
                    Err(refusal) => answer(reply, Err(refusal.into_rpc())),
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
            Command::Agent(ask) => self.handle_agent_ask(*ask),
            Command::Conversation { reply } => {
                let agent = self.agent.as_ref().map(|agent| agent.conversation.clone());
                answer(reply, agent.ok_or_else(no_agent));
            }
            Command::ModelReply(bytes) => self.handle_model_reply(&bytes),
            Command::Title(title) => {
                self.title = title;
                self.publish();
            }
        }
    }

    fn handle_rename(
        &mut self,
        label: quarterdeck_protocol::ids::Label,
        reply: Reply<SessionInfo>,
    ) {
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

    fn handle_resumed(&mut self, reply: Reply<SessionInfo>) {
        self.left.clear();
        self.holder = HolderState::Retry(Instant::now());
        self.read_log(None);
        answer(reply, Ok(self.handle.view()));
    }

    /// The owner's client answers queries itself; the model does only when nobody owns.
    fn handle_model_reply(&mut self, bytes: &[u8]) {
        if self.lease.is_held() {
            return;
        }
        if let HolderState::Linked(link) = &mut self.holder
            && !link.is_congested()
            && let Err(error) = link.send(op::REPLY, bytes)
        {
            tracing::debug!(session = %self.handle.id, %error, "query not answered");
        }
    }

    /// Sends a request to the holder, or fails what should follow it.
    pub(super) fn ask_holder(&mut self, op: u8, body: &impl serde::Serialize, then: Then) {
        let HolderState::Linked(link) = &mut self.holder else {
            then.fail(&self.not_linked());
            return;
        };
        if self.pending.len() >= MAX_PENDING_REQUESTS {
            then.fail(&holder_silent());
            return;
        }
        match link.request(op, body) {
            Ok(request) => {
                let deadline = Instant::now() + HOLDER_REPLY_TIMEOUT;
                self.pending.insert(request, PendingRequest { deadline, then });
            }
            Err(error) => {
                tracing::debug!(session = %self.handle.id, %error, "link to the holder ended");
                self.handle_holder_gone();
                then.fail(&self.why_gone());
            }
        }
    }

    pub(super) fn not_linked(&self) -> RpcError {
        match self.holder {
            HolderState::Ended => ended(),
            HolderState::Linked(_) | HolderState::Retry(_) | HolderState::Connecting(_) => {
                self.why_gone()
            }
        }
    }

    /// Why a holder without a link does not answer: it ends as soon as its program's end is recorded.
    fn why_gone(&self) -> RpcError {
        match self.log.facts().ended {
            Some(_) => ended(),
            None => holder_silent(),
        }
    }
}

impl HolderState {
    /// Waits for the link to have something; for ever without a link.
    async fn next_event(&mut self) -> LinkEvent {
        match self {
            Self::Linked(link) => LinkEvent::Ready(link.ready().await),
            Self::Connecting(connecting) => LinkEvent::Connected(Box::new(connecting.await)),
            Self::Retry(_) | Self::Ended => std::future::pending().await,
        }
    }

    const fn is_connecting(&self) -> bool {
        matches!(self, Self::Connecting(_) | Self::Retry(_))
    }
}

impl Then {
    pub(super) fn succeed(self) {
        match self {
            Self::Ignore | Self::Listen => {}
            Self::Done(reply) => answer(reply, Ok(())),
            Self::Lease(reply, result) => answer(reply, Ok(result)),
            Self::Attached(reply, attached) => answer(reply, Ok(attached)),
        }
    }
    pub(super) fn fail(self, error: &RpcError) {
        match self {
            Self::Ignore | Self::Listen => {}
            Self::Done(reply) => answer(reply, Err(error.clone())),
            Self::Lease(reply, _) => answer(reply, Err(error.clone())),
            // an ended session is there to be looked at, also when it ended in this moment
            Self::Attached(reply, attached) if error.code() == ErrorCode::Ended => {
                answer(reply, Ok(Attached { role: Role::Follower, ..attached }));
            }
            Self::Attached(reply, _) => answer(reply, Err(error.clone())),
        }
    }
}

/// Answers a caller; one that has gone away needs no answer.
pub(super) fn answer<T>(reply: Reply<T>, outcome: Result<T, RpcError>) {
    let _ = reply.send(outcome);
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

pub(super) fn ended() -> RpcError {
    RpcError::new(ErrorCode::Ended, "the session has ended").hint("start it again with `qd resume`")
}

pub(super) fn holder_silent() -> RpcError {
    RpcError::new(ErrorCode::HolderSilent, "the session's holder does not answer")
}

fn holder_error(error: Option<HolderError>) -> RpcError {
    let Some(HolderError { code, message }) = error else { return holder_silent() };
    let code = match code {
        HolderErrorCode::Unsupported => ErrorCode::MethodNotFound,
        HolderErrorCode::BadRequest => ErrorCode::InvalidParams,
        HolderErrorCode::Storage => ErrorCode::Storage,
        HolderErrorCode::Ended => ErrorCode::Ended,
        HolderErrorCode::Full => ErrorCode::InputFull,
        HolderErrorCode::Superseded | HolderErrorCode::Unknown => ErrorCode::HolderSilent,
    };
    RpcError::new(code, message)
}
