//! From what was asked for to what runs: command line, directory, environment, within the ceiling.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use quarterdeck_protocol::{
    agent::Vendor,
    error::{ErrorCode, RpcError},
    ids::SessionId,
    method::{CreateParams, WorktreeParams},
    record::Note,
    remote_control::RemoteParams,
    session::SessionInfo,
};

use crate::{
    agent::{self, Agent, ChosenBy, History},
    caller::Caller,
    ceiling::{self, CheckedCeiling, EnvFilter, Launch, Surroundings},
    context::Context,
    environment::{
        self, Account, BaseEnvironment, CAPTURE_LIMIT, Layers, SessionFacts, Variables,
        own_environment,
    },
    git::{self, worktree::WorktreeName},
    remote,
    session::meta::AgentMeta,
    ssh_agent,
};

/// Characters of the name of a working tree that nobody has named.
const NAME_CHARS: usize = 8;

/// The user that programs run as, and what its login shell has; found out once per relay.
#[derive(Debug)]
pub(crate) struct Home {
    account: Account,
    base: BaseEnvironment,
}

impl Home {
    /// The user.
    pub(crate) const fn account(&self) -> &Account {
        &self.account
    }
    /// What its login shell has.
    pub(crate) const fn base(&self) -> &Variables {
        &self.base.vars
    }
}

/// What runs in a session.
#[derive(Debug)]
pub(crate) struct Program {
    /// The command and its size.
    pub launch: Launch,
    /// The whole environment.
    pub env: Variables,
    /// The SSH agent's socket that the session's link is to point to first.
    pub agent: Option<PathBuf>,
    /// What labels are made of.
    pub name: String,
    /// The coding agent, if it is one.
    pub agent_meta: Option<AgentMeta>,
    /// Recorded behind the start.
    pub notes: Vec<Note>,
    /// What Remote Control is started with, its paths whole.
    pub remote_control: Option<RemoteParams>,
    /// A file that no other program may have at the time.
    pub exclusive: Option<String>,
}

/// Decides what a session runs.
///
/// # Errors
/// What the ceiling forbids or cannot be.
pub(crate) async fn prepare(
    context: &Arc<Context>,
    caller: &Caller,
    params: &CreateParams,
    session: SessionId,
    history: History,
) -> Result<Program, RpcError> {
    let home = home(context).await;
    if let Some(wish) = &params.worktree {
        let moved = Box::pin(in_worktree(context, caller, params, wish)).await?;
        return Box::pin(prepare(context, caller, &moved, session, history)).await;
    }
    if params.remote_control.is_some() {
        return Box::pin(remote::prepare(context, caller, params, session)).await;
    }
    if params.agent.is_some() {
        return prepare_agent(context, caller, params, session, history).await;
    }
    let launch = check(context, caller, params, &home, None).await?;
    let client = caller.is_local().then_some(&params.client_env);
    let layers = Layers { base: &home.base.vars, client, request: &params.env };
    let agent_link = ssh_agent::link(&context.directory.session(session));
    let (instance, pwd) = (&context.directory, launch.pwd.as_str());
    let facts = SessionFacts { session, instance, pwd, agent_link: &agent_link };
    let filter = filter(context, caller);
    let env = environment::compose(layers, facts, &filter);
    let agent = environment::known_agent(layers).map(PathBuf::from);
    let name = launch.argv[0].clone();
    Ok(Program {
        launch,
        env,
        agent,
        name,
        agent_meta: None,
        notes: Vec::new(),
        remote_control: None,
        exclusive: None,
    })
}

/// The same request in a git working tree of its own. The ceiling looks at both directories.
async fn in_worktree(
    context: &Arc<Context>,
    caller: &Caller,
    params: &CreateParams,
    wish: &WorktreeParams,
) -> Result<CreateParams, RpcError> {
    let home = home(context).await;
    let agent = params.agent.as_ref().map(|it| agent::find(&it.name, &context.config.agents));
    let agent = agent.transpose().map_err(|refusal| refusal.to_rpc())?;
    let launch = check(context, caller, params, &home, agent.as_ref()).await?;
    let label = params.label.as_ref().map(|label| label.as_str().replace(':', "-"));
    let name = match wish.name.clone().or(label) {
        Some(name) => name,
        None => agent::random_uuid()?.chars().take(NAME_CHARS).collect(),
    };
    let enter = async {
        let name = WorktreeName::parse(&name)?;
        let search = search_path(context).await;
        let place = context.directory.git();
        git::worktree::enter(&search, Path::new(&launch.cwd), &place, &name).await
    };
    let entered = enter.await.map_err(|error| error.to_rpc())?;
    let cwd = entered.to_str().map(str::to_owned);
    Ok(CreateParams { cwd, worktree: None, ..params.clone() })
}

/// Where programs of this relay's user are found.
pub(crate) async fn search_path(context: &Context) -> String {
    home(context).await.base.vars.get("PATH").cloned().unwrap_or_default()
}

/// Decides what an agent's session runs. Of the client's environment it gets what is listed for it.
async fn prepare_agent(
    context: &Arc<Context>,
    caller: &Caller,
    params: &CreateParams,
    session: SessionId,
    history: History,
) -> Result<Program, RpcError> {
    let asked = params.agent.clone().unwrap_or_default();
    let home = home(context).await;
    let found = agent::find(&asked.name, &context.config.agents);
    let found = found.map_err(|refusal| refusal.to_rpc())?;
    let mut launch = check(context, caller, params, &home, Some(&found)).await?;
    let tools = &context.mail_tools;
    let mut prepared = agent::prepare(&found, &asked, &launch.argv, &launch.cwd, tools)?;
    require_unopened(context, found.vendor, prepared.vendor_session(), session)?;
    let name = if found.chosen_by == ChosenBy::Relay { &found.name } else { &launch.argv[0] };
    let name = name.clone();
    let client = caller.is_local().then(|| prepared.of_client(&params.client_env));
    let layers = Layers { base: &home.base.vars, client: client.as_ref(), request: &params.env };
    let agent_link = ssh_agent::link(&context.directory.session(session));
    let (instance, pwd) = (&context.directory, launch.pwd.as_str());
    let facts = SessionFacts { session, instance, pwd, agent_link: &agent_link };
    let filter = filter(context, caller);
    let mut env = environment::compose(layers, facts, &filter);
    for (name, value) in &prepared.defaults {
        if !params.env.contains_key(name) && filter.allows(name) {
            env.insert(name.clone(), value.clone());
        }
    }
    if history == History::Doubtful {
        prepared = prepared.begin_unwritten(&env, &launch.argv).await?;
    }
    launch.argv.clone_from(&prepared.argv);
    let base = context.directory.path().parent().and_then(Path::parent);
    let exclusive = match base {
        Some(base) => prepared.lock(base, &env)?,
        None => None,
    };
    let agent_meta = AgentMeta {
        name: asked.name.clone(),
        vendor: found.vendor,
        model: asked.model.clone(),
        mode: asked.mode.clone(),
    };
    Ok(Program {
        launch,
        env,
        agent: environment::known_agent(layers).map(PathBuf::from),
        name,
        agent_meta: Some(agent_meta),
        notes: vec![prepared.note],
        remote_control: None,
        exclusive,
    })
}

/// The user that programs run as.
pub(crate) async fn account(context: &Context) -> Account {
    home(context).await.account.clone()
}

/// The login shell of the user that programs run as.
pub(crate) async fn login_shell(context: &Context) -> String {
    home(context).await.account.shell.to_string_lossy().into_owned()
}

/// Asks the login shell before anyone waits for it.
pub(crate) async fn warm_up(context: Arc<Context>) {
    home(&context).await;
}

/// The user that programs run as.
pub(crate) async fn home(context: &Context) -> Arc<Home> {
    let found = context.home.get_or_init(|| async {
        let inherited = own_environment();
        let account = Account::of_this_user(&inherited).await;
        let base = BaseEnvironment::capture(&account, &inherited, CAPTURE_LIMIT).await;
        if let Some(note) = &base.note {
            tracing::warn!(%note, "sessions start with a small environment");
        }
        Arc::new(Home { account, base })
    });
    Arc::clone(found.await)
}

/// Some vendors name a conversation only after it was opened: the lock of its id is not held then, but
/// its session knows it.
fn require_unopened(
    context: &Context,
    vendor: Vendor,
    conversation: Option<&str>,
    session: SessionId,
) -> Result<(), RpcError> {
    let has_it = |info: &SessionInfo| {
        let agent = info.agent.as_ref().filter(|agent| agent.vendor == vendor);
        let known = agent.and_then(|agent| agent.vendor_session.as_deref());
        info.state.is_live() && info.session != session && known == conversation
    };
    let sessions = context.registry.all();
    let mut open = sessions.iter().map(|it| it.published()).filter(|info| has_it(info));
    match (conversation, open.next()) {
        (Some(_), Some(info)) => {
            let message = format!("session {} has this conversation open", info.label);
            Err(RpcError::new(ErrorCode::StillRunning, message)
                .hint(format!("go on there: qd attach {}", info.label)))
        }
        _ => Ok(()),
    }
}

/// Which variables reach a program of this caller's.
pub(crate) fn filter(context: &Context, caller: &Caller) -> EnvFilter {
    let filter = context.ceiling.filter();
    own_ceiling(context, caller).map_or_else(|| filter.clone(), |own| filter.and(own.filter()))
}

/// What a caller's dialect allows besides.
fn own_ceiling<'a>(context: &'a Context, caller: &Caller) -> Option<&'a CheckedCeiling> {
    caller.grant.dialect.and_then(|dialect| context.dialect_ceilings.get(&dialect))
}

/// Looks at the file system, so it runs where a dead mount may make it wait.
///
/// # Errors
/// What the ceiling forbids.
pub(crate) async fn check(
    context: &Arc<Context>,
    caller: &Caller,
    params: &CreateParams,
    home: &Arc<Home>,
    agent: Option<&Agent>,
) -> Result<Launch, RpcError> {
    let sessions = context.registry.all();
    let live_sessions = sessions.iter().filter(|s| s.published().state.is_live()).count();
    let dialect = caller.grant.dialect;
    let caller = if caller.is_local() { ceiling::Caller::Local } else { ceiling::Caller::Remote };
    let (context, params, home) = (Arc::clone(context), params.clone(), Arc::clone(home));
    let agent = agent.cloned();
    let checked = tokio::task::spawn_blocking(move || {
        let (account, base) = (&home.account, &home.base.vars);
        let around = Surroundings { account, base, live_sessions, caller };
        let check = |ceiling: &CheckedCeiling| match &agent {
            Some(agent) if params.remote_control.is_some() => {
                ceiling.check_remote(agent, &params, around)
            }
            Some(agent) => ceiling.check_agent(agent, &params, around),
            None => ceiling.check_terminal(&params, around),
        };
        let launch = check(&context.ceiling)?;
        let own = dialect.and_then(|dialect| context.dialect_ceilings.get(&dialect));
        own.map_or(Ok(launch), check)
    });
    match checked.await {
        Ok(outcome) => outcome.map_err(|refusal| refusal.to_rpc()),
        Err(_) => Err(RpcError::new(ErrorCode::Internal, "checking the request failed")),
    }
}
