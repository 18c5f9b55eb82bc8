//! Starting, resuming and removing sessions: the steps before and after a session's task.

use std::{fs, io, path::Path, sync::Arc, time::Duration};

use quarterdeck_holder::{
    log::{Class, LogLock, LogOptions, LogWriter, Recovered, scan_state},
    zygote::LaunchError,
};
use quarterdeck_protocol::{
    agent::Resume,
    error::{ErrorCode, RpcError},
    holder::{LaunchAnswer, LaunchErrorCode, LaunchRequest},
    ids::{Incarnation, Label, Principal, SessionId},
    method::{AgentParams, CreateParams, ResumeParams},
    record::{Fact, Lost, SessionKind},
    session::SessionInfo,
};

use super::{
    Command, Freshness, Opened, SessionHandle,
    actor::{Lives, spawn},
    fold,
    meta::{AgentMeta, Keep, META_SCHEMA, MetaError, SessionMeta},
};
use crate::{
    agent::History,
    api,
    caller::Caller,
    ceiling::Launch,
    clock,
    context::Context,
    environment::Variables,
    files,
    journal::Event,
    mail::{Ask, Assignee},
    program::{self, Program},
    registry::{LabelWish, Request},
    remote::Remote,
    ssh_agent,
};

/// How long a session may take to start; a directory on a dead server takes for ever.
const LAUNCH_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the holder of an ended program may take to go.
const HOLDER_END_LIMIT: Duration = Duration::from_secs(3);
/// How often it is looked at meanwhile.
const HOLDER_END_POLL: Duration = Duration::from_millis(5);

/// Starts a session. A retry with the same request id gets the first one.
///
/// # Errors
/// When the ceiling forbids it, its label is taken, or its program cannot be started; then nothing is
/// left of it.
pub(crate) async fn create(
    context: &Arc<Context>,
    caller: &Caller,
    p: CreateParams,
) -> Result<SessionInfo, RpcError> {
    let _slot = match p.request_id.as_deref().map(|id| context.registry.begin_request(id)) {
        None => None,
        Some(Request::Done(session)) => return Ok(session.view()),
        Some(Request::UnderWay) => {
            let message = "the same request is still being carried out";
            return Err(RpcError::new(ErrorCode::Overloaded, message));
        }
        Some(Request::New(slot)) => Some(slot),
    };
    let session = api::random_session_id()?;
    let history = History::Written;
    let program = program::prepare(context, caller, &p, session, history).await?;
    let prior = prior_label(context, &p, &program);
    let wish = match (&p.label, &prior) {
        (Some(label), _) => LabelWish::Exactly(label),
        (None, Some(prior)) => LabelWish::Again(prior),
        (None, None) => LabelWish::Lowest { name: &program.name },
    };
    let reserved = context.registry.reserve_label(wish)?;
    let meta = SessionMeta {
        schema: META_SCHEMA,
        session,
        label: reserved.label.clone(),
        kind: kind(&p),
        argv: p.argv,
        command: program.launch.argv.clone(),
        cwd: program.launch.cwd.clone(),
        last_cwd: None,
        project: program.launch.project.clone(),
        created_at: clock::wall_micros(),
        created_by: Some(caller.principal().clone()),
        request_id: p.request_id,
        record_input: p.record_input,
        agent: program.agent_meta.clone(),
        remote_control: program.remote_control.clone(),
        keep: if p.keep { Keep::Yes } else { Keep::No },
    };
    let directory = context.directory.session(session);
    if let Err(error) = begin(context, &directory, &meta, program, p.identity).await {
        // what cannot be deleted has no log and is skipped at the next start
        let _ = fs::remove_dir_all(&directory);
        let _ = context.mail.tell(Ask::Forget(session));
        return Err(error);
    }
    let handle =
        open(context, meta, Lives::Yes, Freshness::New).map_err(|error| storage(&error))?;
    context.registry.insert(Arc::clone(&handle));
    context.record(&Event::SessionCreated {
        session,
        label: handle.published().label.clone(),
        by: caller.principal().clone(),
        program: (&handle.published().argv[0]).into(),
    });
    Ok(handle.view())
}

/// All that has to be there before the program is.
async fn begin(
    context: &Arc<Context>,
    directory: &Path,
    meta: &SessionMeta,
    program: Program,
    identity: Option<String>,
) -> Result<(), RpcError> {
    make_directory(directory, meta).map_err(|error| storage(&error))?;
    if let Some(name) = identity {
        let assignee = Assignee::Session(meta.session);
        context.mail.ask(|reply| Ask::IdentityUse(Some(name), assignee, reply)).await?;
    }
    start(context, meta, program, Incarnation(1)).await
}

const fn kind(p: &CreateParams) -> SessionKind {
    match (&p.remote_control, &p.agent) {
        (Some(_), _) => SessionKind::RemoteControl,
        (None, Some(_)) => SessionKind::Agent,
        (None, None) => SessionKind::Terminal,
    }
}

/// The label under which others know the conversation that is opened again.
fn prior_label(context: &Context, p: &CreateParams, program: &Program) -> Option<Label> {
    let vendor = program.agent_meta.as_ref()?.vendor;
    match &p.agent.as_ref()?.resume {
        Resume::Resume { vendor_session } => {
            context.registry.label_of_conversation(vendor, vendor_session)
        }
        Resume::New | Resume::Fork { .. } => None,
    }
}

/// Starts the program of an ended session again, in the same log.
///
/// # Errors
/// When it still runs, or cannot be started.
pub(crate) async fn resume(
    context: &Arc<Context>,
    caller: &Caller,
    handle: &Arc<SessionHandle>,
    p: ResumeParams,
) -> Result<SessionInfo, RpcError> {
    resume_with(context, caller, handle, p, Variables::new()).await
}

/// The same with variables of the request: what a session was first started with is not kept.
///
/// # Errors
/// As [`resume`].
pub(crate) async fn resume_with(
    context: &Arc<Context>,
    caller: &Caller,
    handle: &Arc<SessionHandle>,
    p: ResumeParams,
    env: Variables,
) -> Result<SessionInfo, RpcError> {
    let view = handle.view();
    if view.state.is_live() {
        return Err(RpcError::new(ErrorCode::StillRunning, "the session is still running"));
    }
    let meta = SessionMeta::read(&handle.directory).map_err(|error| storage(&error))?;
    let reserved = context.registry.reserve_label(LabelWish::Again(&meta.label))?;
    let (agent, history) = resumed_agent(handle, &meta).await?;
    let create = CreateParams {
        agent,
        remote_control: meta.remote_control.clone(),
        argv: meta.argv.clone(),
        cwd: Some(meta.last_directory().to_owned()),
        env,
        client_env: p.client_env,
        size: Some(p.size.unwrap_or(view.size)),
        ..CreateParams::default()
    };
    let program = match program::prepare(context, caller, &create, meta.session, history).await {
        // the directory that it was in last may be gone, or out of bounds
        Err(_) if meta.last_cwd.is_some() => {
            let create = CreateParams { cwd: Some(meta.cwd.clone()), ..create };
            program::prepare(context, caller, &create, meta.session, history).await?
        }
        prepared => prepared?,
    };
    until_free(&handle.directory).await;
    start(context, &meta, program, view.incarnation.next()).await?;
    if reserved.label != meta.label {
        let label = reserved.label.clone();
        handle.ask(|reply| Command::Rename { label, reply }).await?;
    }
    handle.ask(|reply| Command::Resumed { reply }).await
}

/// Starts an agent's program again for a client that knows nothing of labels: where another session has
/// the label by now, it gets another one.
///
/// # Errors
/// As [`resume`].
pub(crate) async fn start_again(
    context: &Arc<Context>,
    caller: &Caller,
    session: &Arc<SessionHandle>,
    env: Variables,
) -> Result<(), RpcError> {
    let p =
        ResumeParams { session: session.id.to_string(), client_env: Variables::new(), size: None };
    resume_with(context, caller, session, p, env).await.map(|_| ())
}

/// The end is told a moment before the holder is gone; a launch in between would find the log locked.
async fn until_free(directory: &Path) {
    let free = async {
        while quarterdeck_holder::log::is_held(directory).unwrap_or(false) {
            tokio::time::sleep(HOLDER_END_POLL).await;
        }
    };
    // one that stays for other reasons is found by the launch itself
    let _ = tokio::time::timeout(HOLDER_END_LIMIT, free).await;
}

/// The agent of a session that is started again: it goes on with the vendor's own conversation.
async fn resumed_agent(
    handle: &SessionHandle,
    meta: &SessionMeta,
) -> Result<(Option<AgentParams>, History), RpcError> {
    let Some(AgentMeta { name, vendor: _, model, mode }) = meta.agent.clone() else {
        return Ok((None, History::Written));
    };
    let conversation = handle.ask(|reply| Command::Conversation { reply }).await?;
    let finished = conversation.has_finished_turn();
    let history = if finished { History::Written } else { History::Doubtful };
    let known = conversation.vendor_session_to_resume().map(str::to_owned);
    let resume = known.map_or(Resume::New, |vendor_session| Resume::Resume { vendor_session });
    Ok((Some(AgentParams { name, model, mode, resume }), history))
}

/// Deletes an ended session with its log.
///
/// # Errors
/// When it still runs, or its files cannot be deleted.
pub(crate) async fn remove(
    context: &Context,
    handle: &Arc<SessionHandle>,
    by: Option<&Principal>,
) -> Result<(), RpcError> {
    if handle.published().state.is_live() {
        let error = RpcError::new(ErrorCode::StillRunning, "the session is still running");
        return Err(error.hint("end it first with `qd stop`"));
    }
    let directory = handle.directory.clone();
    let removed = tokio::task::spawn_blocking(move || remove_files(&directory)).await;
    match removed {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Err(storage(&error)),
        Err(_) => return Err(RpcError::new(ErrorCode::Internal, "removing the session failed")),
    }
    context.registry.remove(handle.id);
    // an identity that stays assigned to nobody does no harm
    let _ = context.mail.tell(Ask::Forget(handle.id));
    handle.tell(Command::End).await?;
    context.record(&Event::SessionRemoved { session: handle.id, by: by.cloned() });
    Ok(())
}

/// Renames first: a half-deleted session must not come back as a damaged one.
fn remove_files(directory: &Path) -> io::Result<()> {
    let doomed = directory.with_extension("removed");
    fs::rename(directory, &doomed)?;
    fs::remove_dir_all(&doomed)
}

fn make_directory(directory: &Path, meta: &SessionMeta) -> Result<(), MetaError> {
    files::private_directory(directory)?;
    meta.write(directory)
}

async fn start(
    context: &Arc<Context>,
    meta: &SessionMeta,
    program: Program,
    incarnation: Incarnation,
) -> Result<(), RpcError> {
    let Program {
        launch: Launch { argv, argv0, cwd, size, pwd: _, project: _ },
        env,
        agent,
        notes,
        exclusive,
        ..
    } = program;
    let directory = context.directory.session(meta.session);
    if let Some(socket) = agent
        && let Err(error) = ssh_agent::point(&directory, &socket)
    {
        tracing::debug!(session = %meta.session, %error, "agent socket not linked");
    }
    let request = LaunchRequest {
        directory: directory.display().to_string(),
        session: meta.session,
        kind: meta.kind,
        incarnation,
        argv,
        argv0,
        env,
        cwd,
        size,
        started_by: meta.created_by.clone(),
        record_input: meta.record_input,
        keep_bytes: context.config.logs.session_bytes,
        notes,
        exclusive,
    };
    let launcher = Arc::clone(context);
    let launched = tokio::task::spawn_blocking(move || {
        let zygote = launcher.launcher.zygote().map_err(LaunchError::Io)?;
        zygote.launch(&request, LAUNCH_TIMEOUT)
    });
    let answer = match launched.await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => {
            if matches!(error, LaunchError::ZygoteGone | LaunchError::Io(_)) {
                context.launcher.forget();
            }
            tracing::warn!(session = %meta.session, %error, "session not started");
            return Err(RpcError::new(ErrorCode::StartFailed, error.to_string()));
        }
        Err(_) => return Err(RpcError::new(ErrorCode::Internal, "starting the session failed")),
    };
    match answer {
        LaunchAnswer::Started { .. } => Ok(()),
        LaunchAnswer::Failed { code, message } => Err(start_failed(code, message)),
    }
}

fn start_failed(code: LaunchErrorCode, message: String) -> RpcError {
    let error = RpcError::new(ErrorCode::StartFailed, message);
    match code {
        LaunchErrorCode::Command => error.hint("check the command's name and the PATH"),
        LaunchErrorCode::Cwd => error.hint("name another directory with --cwd"),
        LaunchErrorCode::Storage => error.hint("`qd doctor` looks at the state directory"),
        LaunchErrorCode::InUse => error.hint("`qd ls` shows which"),
        LaunchErrorCode::Locked | LaunchErrorCode::System => error,
    }
}

fn storage(error: &(impl std::error::Error + ?Sized)) -> RpcError {
    tracing::warn!(%error, "session storage");
    RpcError::new(ErrorCode::Storage, "the session's files could not be written or read")
        .hint("`qd doctor` looks at the state directory")
}

/// Why a session's directory could not be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenSessionError {
    /// Its `meta.json`.
    #[error(transparent)]
    Meta(#[from] MetaError),
    /// Its log.
    #[error(transparent)]
    Log(#[from] quarterdeck_holder::log::ReadError),
    /// Its lock.
    #[error("the session's lock cannot be looked at")]
    Lock(#[from] io::Error),
}

/// Starts the task of a session whose log exists.
fn open(
    context: &Arc<Context>,
    meta: SessionMeta,
    lives: Lives,
    freshness: Freshness,
) -> Result<Arc<SessionHandle>, OpenSessionError> {
    let directory = context.directory.session(meta.session);
    let Recovered { state: log, base, .. } = scan_state(&directory)?;
    let conversation = match &meta.agent {
        Some(agent) => {
            let folded = fold::conversation(&directory, meta.session, agent.vendor, &log)?;
            Some(Box::new(folded))
        }
        None => None,
    };
    let remote = match &meta.remote_control {
        Some(asked) => Some(Box::new(Remote::fold(asked.clone(), &directory)?)),
        None => None,
    };
    let opened = Opened { directory, meta, log, base: base.out, freshness, conversation, remote };
    Ok(spawn(context, opened, lives))
}

/// Takes over a session that an earlier relay left: a live one is driven on, one whose holder died is
/// marked as lost, an ended one is shown.
///
/// # Errors
/// When its files cannot be understood; they stay as they are.
pub(crate) fn adopt(context: &Arc<Context>, session: SessionId) -> Result<(), OpenSessionError> {
    let directory = context.directory.session(session);
    let meta = SessionMeta::read(&directory)?;
    let lives = if quarterdeck_holder::log::is_held(&directory)? { Lives::Yes } else { Lives::No };
    if lives == Lives::No && scan_state(&directory)?.state.facts().ended.is_none() {
        append_lost(&directory, "the holder died while no relay ran");
    }
    context.registry.insert(open(context, meta, lives, Freshness::Found)?);
    Ok(())
}

/// Records that a session's holder died, where no exit is recorded and the log's lock is free.
pub(super) fn append_lost(directory: &Path, why: &str) {
    if let Err(error) = try_append_lost(directory, why) {
        tracing::warn!(directory = %directory.display(), %error, "lost session not recorded");
    }
}

fn try_append_lost(directory: &Path, why: &str) -> Result<(), Box<dyn std::error::Error>> {
    let Some(lock) = LogLock::try_acquire(directory)? else { return Ok(()) };
    let mut log = LogWriter::open(lock, LogOptions::default())?.writer;
    if log.state().facts().ended.is_some() {
        return Ok(());
    }
    let lost = Fact::Lost(Lost { why: why.to_owned() });
    let appended = log.append_fact(&lost, Class::Vital, clock::wall_micros())?;
    if appended == quarterdeck_holder::log::Append::DiskFull {
        return Err("the disk is full".into());
    }
    log.sync()?;
    Ok(())
}
