//! `session.*`.

use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;
use quarterdeck_holder::log::{LogReader, ReadError, Sought};
use quarterdeck_protocol::{
    agent::ConversationView,
    error::{ErrorCode, RpcError},
    ids::{Channel, Out},
    limits::{MAX_INPUT_BYTES, MAX_SCROLLBACK_PAGE_LINES},
    method::{
        AttachFrom, AttachParams, AttachResult, AttachStart, ChannelParams, CreateParams, Empty,
        GitParams, GitResult, InputParams, InputResult, RenameParams, ResizeParams, ResumeParams,
        ScrollbackParams, ScrollbackResult, SessionAttach, SessionListResult, SessionParams,
        SessionResult, SignalParams, StopParams,
    },
    record::{Position, SessionKind},
    rpc::{self, RequestId},
    session::SessionInfo,
};
use serde_json::value::RawValue;

use super::{find, identity, lease_caller};
use crate::{
    ceiling,
    connection::{
        Connection,
        channel::{ChannelStream, Start, agent::AgentFold},
        requests::{Answer, response},
    },
    git::{self, status::Wanted},
    program,
    registry::LabelWish,
    screens::history,
    session::{
        AttachCommand, Attached, Command, SessionHandle, StopBegins, agent::no_agent, launch,
    },
    tokens::SessionLimit,
};

mod agent;
mod log_page;
pub(super) use log_page::log;

/// Milliseconds between the rungs of the stop ladder when the caller names none.
const DEFAULT_STOP_RUNG_MS: u32 = 3000;
/// Longest time between two rungs that a caller may ask for.
const MAX_STOP_RUNG_MS: u32 = 10 * 60 * 1000;

pub(crate) fn list(c: &Connection) -> SessionListResult {
    let sessions = c.context.registry.all().into_iter().filter(|s| c.caller.sees(s.id));
    let mut sessions: Vec<SessionInfo> = sessions.map(|session| session.view()).collect();
    sessions.sort_by_key(|session| std::cmp::Reverse(session.created_at));
    SessionListResult { sessions }
}

pub(super) async fn create(c: &Connection, p: CreateParams) -> Result<SessionResult, RpcError> {
    if let SessionLimit::Only(_) = c.caller.grant.sessions {
        let message = "this credential is limited to certain sessions and cannot start others";
        return Err(RpcError::new(ErrorCode::Forbidden, message));
    }
    let session = launch::create(&c.context, &c.caller, p).await?;
    Ok(SessionResult { session })
}

pub(super) async fn resume(c: &Connection, p: ResumeParams) -> Result<SessionResult, RpcError> {
    let handle = find(c, &p.session)?;
    let session = launch::resume(&c.context, &c.caller, &handle, p).await?;
    Ok(SessionResult { session })
}

pub(super) async fn remove(c: &Connection, p: &SessionParams) -> Result<Empty, RpcError> {
    let handle = find(c, &p.session)?;
    launch::remove(&c.context, &handle, Some(c.caller.principal())).await?;
    Ok(Empty {})
}

pub(super) async fn attach(
    c: &Arc<Connection>,
    id: &RequestId,
    params: Option<&RawValue>,
) -> Result<Answer, RpcError> {
    let p: AttachParams = rpc::parse_params(params)?;
    let session = find(c, &p.session)?;
    c.caller.require_outside(session.id)?;
    if !c.has_room() {
        return Err(RpcError::new(ErrorCode::Overloaded, "too many attachments on one connection"));
    }
    let channel = c.allocate_channel();
    let outcome = match own_or_follow(c, &session, &p, channel).await {
        Ok(attached) => begin(c, &session, &p.from).await.map(|begun| (attached, begun)),
        Err(error) => Err(error),
    };
    let (attached, begun) = match outcome {
        Ok(both) => both,
        Err(error) => {
            let (client, outbox) = (identity(c)?.client, Arc::clone(&c.outbox));
            session.tell(Command::Detach { client, channel, outbox }).await?;
            return Err(error);
        }
    };
    let view = session.view();
    let result = AttachResult {
        channel,
        start: begun.answer,
        log_id: view.log_id,
        incarnation: view.incarnation,
        out: begun.start.out,
        head: begun.start.head,
        role: attached.role,
        input_applied: attached.input_applied,
        session: view,
        agent: begun.agent,
    };
    let client = identity(c)?.client;
    session.tell(Command::Live { client, from: begun.start.head }).await?;
    let text = response::<SessionAttach>(id, &result)?;
    let stream = ChannelStream::new(channel, session, begun.start, p.window, p.behind);
    let stream = stream.with_fold(begun.fold);
    Ok(Answer::Attached(text, Box::new(stream)))
}

async fn own_or_follow(
    c: &Connection,
    session: &SessionHandle,
    p: &AttachParams,
    channel: Channel,
) -> Result<Attached, RpcError> {
    let (caller, outbox) = (lease_caller(c)?, Arc::clone(&c.outbox));
    let ssh_auth_sock = p.ssh_auth_sock.as_ref().filter(|_| c.caller.is_local()).map(PathBuf::from);
    let role = p.role;
    let attached = session.ask(|reply| {
        Command::Attach(Box::new(AttachCommand {
            caller,
            role,
            channel,
            outbox,
            ssh_auth_sock,
            reply,
        }))
    });
    attached.await
}

pub(super) struct Begun {
    pub(super) answer: AttachStart,
    pub(super) start: Start,
    /// An agent's conversation at the start, and its fold from there on.
    pub(super) agent: Option<Box<ConversationView>>,
    pub(super) fold: Option<AgentFold>,
}

impl Begun {
    fn terminal(answer: AttachStart, start: Start) -> Self {
        Self { answer, start, agent: None, fold: None }
    }
}

/// Finds the place in the log at which an attachment begins.
async fn begin(
    c: &Connection,
    session: &Arc<SessionHandle>,
    from: &AttachFrom,
) -> Result<Begun, RpcError> {
    if session.published().kind == SessionKind::Agent {
        return agent::begin(session, from).await;
    }
    match *from {
        AttachFrom::Events { .. } => Err(no_agent()),
        AttachFrom::Snapshot => snapshot(c, session, AttachStart::Ok).await,
        AttachFrom::Head => {
            let Position { seq, out } = session.tail.head();
            let start = Start { seq, out, head: out, gap: None, snapshot: None };
            Ok(Begun::terminal(AttachStart::Ok, start))
        }
        AttachFrom::Out { out, log_id } => {
            let known = session.published().log_id == log_id && out <= session.tail.head().out;
            if !known {
                return snapshot(c, session, AttachStart::Reset).await;
            }
            seek(session, move |reader| reader.seek_out(out), Some(out)).await
        }
        AttachFrom::Tail { bytes } => {
            seek(session, move |reader| reader.seek_tail(bytes), None).await
        }
    }
}

async fn snapshot(
    c: &Connection,
    session: &Arc<SessionHandle>,
    answer: AttachStart,
) -> Result<Begun, RpcError> {
    let snapshot = c.context.screens.snapshot(session).await?;
    c.context.metrics.snapshots.increment();
    let Position { seq, out } = snapshot.at;
    let start = Start { seq, out, head: out, gap: None, snapshot: Some(snapshot) };
    Ok(Begun::terminal(answer, start))
}

async fn seek(
    session: &Arc<SessionHandle>,
    seek: impl FnOnce(&mut LogReader) -> Result<Sought, ReadError> + Send + 'static,
    wanted: Option<Out>,
) -> Result<Begun, RpcError> {
    let head = session.tail.head().out;
    let directory = session.directory.clone();
    let sought = blocking(move || seek(&mut LogReader::open(&directory)?)).await?;
    let (at, dropped) = match sought {
        Sought::Here(at) | Sought::Beyond { head: at } => (at, false),
        Sought::Dropped { base } => (base, true),
    };
    let (answer, out, gap) = match wanted {
        Some(from) if dropped => {
            (AttachStart::Gap { from, to: at.out }, from, Some((from, at.out)))
        }
        Some(from) => (AttachStart::Ok, from, None),
        None => (AttachStart::Ok, at.out, None),
    };
    Ok(Begun::terminal(answer, Start { seq: at.seq, out, head, gap, snapshot: None }))
}

/// Runs file work where blocking is allowed.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ReadError> + Send + 'static,
) -> Result<T, RpcError> {
    let outcome = tokio::task::spawn_blocking(work).await;
    match outcome {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            tracing::warn!(%error, "log cannot be read");
            Err(RpcError::new(ErrorCode::Storage, "the session's log cannot be read"))
        }
        Err(_) => Err(RpcError::new(ErrorCode::Internal, "reading the log failed")),
    }
}

pub(super) async fn detach(c: &Connection, p: ChannelParams) -> Result<Empty, RpcError> {
    if c.close_tunnel(p.channel) {
        return Ok(Empty {});
    }
    let Some(session) = c.close_channel(p.channel) else {
        return Err(RpcError::new(ErrorCode::NotFound, "no such channel on this connection"));
    };
    let (client, outbox) = (identity(c)?.client, Arc::clone(&c.outbox));
    session.tell(Command::Detach { client, channel: p.channel, outbox }).await?;
    Ok(Empty {})
}

pub(super) async fn input(c: &Connection, p: InputParams) -> Result<InputResult, RpcError> {
    let session = find(c, &p.session)?;
    if p.text.len() > MAX_INPUT_BYTES {
        let message = format!("one input has at most {MAX_INPUT_BYTES} bytes");
        return Err(RpcError::new(ErrorCode::InvalidParams, message));
    }
    if session.published().kind == SessionKind::Agent {
        let message = "an agent is told something by agent.prompt";
        return Err(RpcError::new(ErrorCode::WrongKind, message));
    }
    let (caller, n) = (lease_caller(c)?, p.n);
    let text = Bytes::from(p.text);
    session.ask(|reply| Command::InputOnce { caller, text, n, reply }).await
}

pub(super) async fn resize(c: &Connection, p: ResizeParams) -> Result<Empty, RpcError> {
    let size = p.size;
    ceiling::check_size(size).map_err(|refusal| refusal.to_rpc())?;
    let by = identity(c)?.client;
    find(c, &p.session)?.ask(|reply| Command::Resize { by, size, reply }).await?;
    Ok(Empty {})
}

pub(super) async fn signal(c: &Connection, p: SignalParams) -> Result<Empty, RpcError> {
    let signal = signal_number(&p.signal)?;
    let (by, to) = (identity(c)?.client, p.to);
    find(c, &p.session)?.ask(|reply| Command::Signal { by, signal, to, reply }).await?;
    Ok(Empty {})
}

fn signal_number(name: &str) -> Result<i32, RpcError> {
    use rustix::process::Signal;
    let signal = match name {
        "INT" => Signal::INT,
        "TERM" => Signal::TERM,
        "HUP" => Signal::HUP,
        "KILL" => Signal::KILL,
        "QUIT" => Signal::QUIT,
        "USR1" => Signal::USR1,
        "USR2" => Signal::USR2,
        "STOP" => Signal::STOP,
        "CONT" => Signal::CONT,
        "WINCH" => Signal::WINCH,
        _ => {
            let message = format!("{name:?} is not a signal that can be sent");
            let hint = "INT, TERM, HUP, KILL, QUIT, USR1, USR2, STOP, CONT, WINCH";
            return Err(RpcError::new(ErrorCode::InvalidParams, message).hint(hint));
        }
    };
    Ok(signal.as_raw())
}

pub(super) async fn stop(c: &Connection, p: StopParams) -> Result<Empty, RpcError> {
    let caller = lease_caller(c)?;
    let rung_ms = p.rung_ms.unwrap_or(DEFAULT_STOP_RUNG_MS).min(MAX_STOP_RUNG_MS);
    let now = if p.now { StopBegins::AtOnce } else { StopBegins::Gently };
    let reason = p.reason;
    let session = find(c, &p.session)?;
    session.ask(|reply| Command::Stop { caller, rung_ms, now, reason, reply }).await?;
    Ok(Empty {})
}

pub(super) async fn rename(c: &Connection, p: RenameParams) -> Result<SessionResult, RpcError> {
    let handle = find(c, &p.session)?;
    let reserved = c.context.registry.reserve_label(LabelWish::Exactly(&p.label))?;
    let label = reserved.label.clone();
    let session = handle.ask(|reply| Command::Rename { label, reply }).await?;
    Ok(SessionResult { session })
}

/// What changed where a session works.
pub(super) async fn git(c: &Connection, p: &GitParams) -> Result<GitResult, RpcError> {
    let session = find(c, &p.session)?;
    let directory = PathBuf::from(session.published().cwd.clone());
    let wanted = if p.diff { Wanted::Diff } else { Wanted::Files };
    let search = program::search_path(&c.context).await;
    let place = c.context.directory.git();
    let looked = git::status::status(&search, &directory, &place, wanted).await;
    looked.map_err(|error| {
        tracing::debug!(session = %session.id, %error, "git");
        error.to_rpc()
    })
}

pub(super) async fn scrollback(
    c: &Connection,
    p: ScrollbackParams,
) -> Result<ScrollbackResult, RpcError> {
    let session = find(c, &p.session)?;
    let lines = p.lines.clamp(1, MAX_SCROLLBACK_PAGE_LINES);
    let before = p.before.min(session.tail.head().out);
    let (directory, log_id) = (session.directory.clone(), session.published().log_id);
    blocking(move || history::page(&directory, log_id, before, lines)).await
}
