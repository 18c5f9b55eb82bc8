//! One session on its relay: a task that owns everything about it, and the handle to that task.
//!
//! What others see comes from the log: the task reads each new record, folds it, and publishes the
//! view. It sends changes to the holder and does not show them before the holder recorded them.

mod actor;
pub(crate) mod agent;
mod driving;
mod fold;
mod holder;
mod input;
pub(crate) mod launch;
pub(crate) mod meta;
mod ownership;
mod place;
mod queries;
mod records;
pub(crate) mod tail;

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use quarterdeck_agents::Conversation;
use quarterdeck_core::{answerer::ModelReply, lease::Standing};
use quarterdeck_protocol::{
    agent::{AgentCommand, Origin},
    error::{ErrorCode, RpcError},
    holder::{SignalTarget, TrimRequest},
    ids::{Channel, ClientId, Epoch, InputNumber, Label, Out, SessionId},
    method::{AgentCommandResult, AttachRole, InputResult, LeaseResult, Role},
    record::{LogState, Note, Owner, SessionKind, TerminalSize},
    session::SessionInfo,
};
use tokio::sync::{mpsc, oneshot};

use crate::{connection::outbox::Outbox, remote::Remote};
use agent::AgentAsk;
use meta::SessionMeta;
use tail::Tail;

/// Commands that may wait for a session's task; a sender waits for room.
pub(crate) const INBOX_COMMANDS: usize = 256;

/// The outside of a session's task.
#[derive(Debug)]
pub(crate) struct SessionHandle {
    /// Which session.
    pub id: SessionId,
    /// Its directory.
    pub directory: PathBuf,
    /// Its creator's request id.
    pub request_id: Option<String>,
    /// The model has heard what the program asked in output before this.
    heard_until: AtomicU64,
    /// Its newest records.
    pub tail: Arc<Tail>,
    /// Pid of its holder; 0 = none is known.
    holder_pid: AtomicU32,
    view: Mutex<Arc<SessionInfo>>,
    inbox: mpsc::Sender<Command>,
}

/// An answer to whoever sent a command.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, RpcError>>;

/// What can be asked of a session's task.
#[derive(Debug)]
pub(crate) enum Command {
    /// A client attaches.
    Attach(Box<AttachCommand>),
    /// An attachment ends.
    Detach {
        /// Whose.
        client: ClientId,
        /// Its channel.
        channel: Channel,
        /// Its connection.
        outbox: Arc<Outbox>,
    },
    /// An attachment shows live what is printed from here on.
    Live {
        /// Whose.
        client: ClientId,
        /// The first live byte.
        from: Out,
    },
    /// A client types; acknowledged on its channel.
    Input(InputCommand),
    /// A client types once without attaching.
    InputOnce {
        /// Who.
        caller: LeaseCaller,
        /// What.
        text: Bytes,
        /// Its number; none = one more than the last.
        n: Option<InputNumber>,
        /// Answered when it was written.
        reply: Reply<InputResult>,
    },
    /// The owner sets the size.
    Resize {
        /// Who.
        by: ClientId,
        /// The size.
        size: TerminalSize,
        /// Answered when it is recorded.
        reply: Reply<()>,
    },
    /// Send a signal to the program.
    Signal {
        /// Who.
        by: ClientId,
        /// The signal's number.
        signal: i32,
        /// Who gets it.
        to: SignalTarget,
        /// Answered when it was sent.
        reply: Reply<()>,
    },
    /// End the program.
    Stop {
        /// Who.
        caller: LeaseCaller,
        /// Milliseconds between rungs.
        rung_ms: u32,
        /// Begin with SIGKILL.
        now: StopBegins,
        /// Why; for sessions of other principals.
        reason: Option<String>,
        /// Answered when the ladder has begun.
        reply: Reply<()>,
    },
    /// Change who owns the session.
    Lease {
        /// Who.
        caller: LeaseCaller,
        /// How.
        change: LeaseChange,
        /// Answered when it is recorded.
        reply: Reply<LeaseResult>,
    },
    /// A new label, already free of conflicts.
    Rename {
        /// The label.
        label: Label,
        /// Answered with the new view.
        reply: Reply<SessionInfo>,
    },
    /// The program was started again.
    Resumed {
        /// Answered with the new view.
        reply: Reply<SessionInfo>,
    },
    /// Drop old segments.
    Trim {
        /// How much stays.
        request: TrimRequest,
        /// Answered when they are gone.
        reply: Reply<()>,
    },
    /// Record something that a topic's reader understands.
    Note {
        /// What.
        note: Note,
        /// Answered when it is recorded.
        reply: Reply<()>,
    },
    /// The session was removed: tell its viewers and end.
    End,
    /// Ask something of the agent.
    Agent(Box<AgentAsk>),
    /// The agent's conversation as it is now.
    Conversation {
        /// Answered at once.
        reply: Reply<Box<Conversation>>,
    },
    /// The terminal model answers a query of the program.
    ModelReply(ModelReply),
    /// The terminal model saw a new title.
    Title(Option<String>),
}

/// Where a stop ladder begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopBegins {
    /// With a hang-up.
    Gently,
    /// With SIGKILL.
    AtOnce,
}

/// Who acts on a lease.
#[derive(Debug, Clone)]
pub(crate) struct LeaseCaller {
    /// The client.
    pub client: Owner,
    /// What it may do.
    pub standing: Standing,
}

/// How a lease is to change.
#[derive(Debug, Clone)]
pub(crate) enum LeaseChange {
    /// Ask the owner.
    Request,
    /// Hand it to a client that asked.
    Offer {
        /// To whom; none = who asked first.
        to: Option<ClientId>,
    },
    /// Let go.
    Release,
    /// Take it.
    Take {
        /// Why; for another principal's.
        reason: Option<String>,
    },
}

/// A client attaches.
#[derive(Debug)]
pub(crate) struct AttachCommand {
    /// Who.
    pub caller: LeaseCaller,
    /// Which role.
    pub role: AttachRole,
    /// The attachment's channel.
    pub channel: Channel,
    /// The connection.
    pub outbox: Arc<Outbox>,
    /// The local client's agent socket.
    pub ssh_auth_sock: Option<PathBuf>,
    /// Answered when the lease is recorded.
    pub reply: Reply<Attached>,
}

/// What an attaching client is told.
#[derive(Debug)]
pub(crate) struct Attached {
    /// Whether it owns the session.
    pub role: Role,
    /// Its last applied input.
    pub input_applied: InputNumber,
}

/// A client types.
#[derive(Debug)]
pub(crate) struct InputCommand {
    /// Who.
    pub client: ClientId,
    /// On which channel.
    pub channel: Channel,
    /// On which connection.
    pub outbox: Arc<Outbox>,
    /// Under which epoch.
    pub epoch: Epoch,
    /// Its number.
    pub n: InputNumber,
    /// What.
    pub bytes: Bytes,
}

impl SessionHandle {
    /// The model has taken the output before `until`; whether what it was asked in a record that begins
    /// at `at` is new. A model that is made again from an older screen hears the same questions again.
    pub(crate) fn is_first_heard(&self, at: Out) -> bool {
        at.0 >= self.heard_until.load(Ordering::Relaxed)
    }

    /// See [`Self::is_first_heard`].
    pub(crate) fn note_heard(&self, until: Out) {
        self.heard_until.fetch_max(until.0, Ordering::Relaxed);
    }

    fn new(opened: &Opened, view: SessionInfo, inbox: mpsc::Sender<Command>) -> Self {
        let tail = Arc::new(Tail::default());
        tail.set_head(opened.log.next());
        Self {
            id: view.session,
            directory: opened.directory.clone(),
            request_id: opened.meta.request_id.clone(),
            heard_until: AtomicU64::new(opened.replayed_until().0),
            tail,
            holder_pid: AtomicU32::new(0),
            view: Mutex::new(Arc::new(view)),
            inbox,
        }
    }

    /// A handle without a task, for tests of its viewers.
    #[cfg(test)]
    pub(crate) fn for_test(directory: &std::path::Path, log: &LogState) -> Arc<Self> {
        let facts = log.facts();
        let meta = SessionMeta {
            schema: meta::META_SCHEMA,
            session: facts.session,
            label: "test".parse().expect("a label"),
            kind: facts.kind,
            argv: Vec::new(),
            command: vec!["sh".into()],
            cwd: "/".into(),
            last_cwd: None,
            project: None,
            created_at: 0,
            created_by: None,
            request_id: None,
            record_input: false,
            agent: None,
            remote_control: None,
            keep: meta::Keep::No,
        };
        let view = records::first_view(&meta, log, Out(0), actor::Lives::Yes);
        let directory = directory.to_owned();
        let freshness = Freshness::New;
        let opened = Opened {
            directory,
            meta,
            log: log.clone(),
            base: Out(0),
            freshness,
            conversation: None,
            remote: None,
        };
        Arc::new(Self::new(&opened, view, mpsc::channel(1).0))
    }

    /// Pid of its holder, while one is linked.
    pub(crate) fn holder_pid(&self) -> Option<u32> {
        Some(self.holder_pid.load(Ordering::Relaxed)).filter(|pid| *pid != 0)
    }

    /// The session as it was last published, with the newest offsets. It may know of records after
    /// these offsets, but has all of those before: a client that skips these misses nothing.
    pub(crate) fn view(&self) -> SessionInfo {
        let head = self.tail.head();
        let mut view = SessionInfo::clone(&self.published());
        (view.seq, view.out) = (head.seq, head.out);
        view
    }

    /// The session as it was last published.
    pub(crate) fn published(&self) -> Arc<SessionInfo> {
        Arc::clone(&self.view.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn publish(&self, view: SessionInfo) {
        *self.view.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(view);
    }

    /// Sends a command and waits for its answer.
    ///
    /// # Errors
    /// The command's, or that the session's task has ended.
    pub(crate) async fn ask<T>(
        &self,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> Result<T, RpcError> {
        let (reply, answer) = oneshot::channel();
        self.tell(command(reply)).await?;
        answer.await.map_err(|_| gone())?
    }

    /// Has the session's agent do something, once per `key`.
    ///
    /// # Errors
    /// The agent's refusal, that it is not the caller's turn, or that the session's task has ended.
    pub(crate) async fn ask_agent(
        &self,
        key: String,
        command: AgentCommand,
        origin: Origin,
        caller: Option<LeaseCaller>,
    ) -> Result<AgentCommandResult, RpcError> {
        let ask = |reply| {
            Command::Agent(Box::new(AgentAsk::Command { key, command, origin, caller, reply }))
        };
        self.ask(ask).await
    }

    /// Sends a command that has no answer.
    ///
    /// # Errors
    /// When the session's task has ended.
    pub(crate) async fn tell(&self, command: Command) -> Result<(), RpcError> {
        self.inbox.send(command).await.map_err(|_| gone())
    }

    /// Sends a command unless the inbox is full: for what may be dropped.
    pub(crate) fn try_tell(&self, command: Command) {
        // a full inbox means that the session is busy with its clients, who come first
        let _ = self.inbox.try_send(command);
    }
}

fn gone() -> RpcError {
    RpcError::new(ErrorCode::NotFound, "the session was removed")
}

/// What the relay knows of a session before its task runs.
#[derive(Debug)]
pub(crate) struct Opened {
    /// Its directory.
    pub directory: PathBuf,
    /// Its `meta.json`.
    pub meta: SessionMeta,
    /// The fold of its log.
    pub log: LogState,
    /// First output byte that the log still has.
    pub base: Out,
    /// Whether this relay started it.
    pub freshness: Freshness,
    /// The agent's conversation, up to the end of its log or beyond what `log` has.
    pub conversation: Option<Box<Conversation>>,
    /// What the screen of Remote Control has said.
    pub remote: Option<Box<Remote>>,
}

/// Whether a session was started by this relay or found by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// Just started.
    New,
    /// Found on disk.
    Found,
}

impl Opened {
    /// Output before this was there when this relay opened the log: nobody answers its queries any more.
    /// What a session wrote in its first moment, before its task runs, is live.
    fn replayed_until(&self) -> Out {
        let fresh = self.log.facts().incarnation.0 <= 1 && self.freshness == Freshness::New;
        if fresh { Out(0) } else { self.log.next().out }
    }

    /// The agent, in an agent's session.
    fn agent(&self) -> Option<Box<agent::Agent>> {
        let meta = self.meta.agent.as_ref()?;
        let conversation = self.conversation.clone()?;
        Some(Box::new(agent::Agent::new(self.meta.session, meta.name.clone(), conversation)))
    }

    fn is_shell(&self) -> bool {
        self.meta.kind == SessionKind::Terminal && self.meta.argv.is_empty()
    }
}
