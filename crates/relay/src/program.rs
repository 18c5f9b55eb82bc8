//! From what was asked for to what runs: command line, directory, environment, within the ceiling.

use std::{path::PathBuf, sync::Arc};

use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    ids::SessionId,
    method::CreateParams,
};

use crate::{
    caller::Caller,
    ceiling::{self, CheckedCeiling, Launch, Surroundings},
    context::Context,
    environment::{
        self, Account, BaseEnvironment, CAPTURE_LIMIT, Layers, SessionFacts, Variables,
        own_environment,
    },
    ssh_agent,
};

/// The user that programs run as, and what its login shell has; found out once per relay.
#[derive(Debug)]
pub(crate) struct Home {
    account: Account,
    base: BaseEnvironment,
}

/// What runs in a session.
#[derive(Debug)]
pub(crate) struct Program {
    /// The command and its size.
    pub launch: Launch,
    /// The whole environment.
    pub env: Variables,
    /// The agent socket that the session's link is to point to first.
    pub agent: Option<PathBuf>,
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
) -> Result<Program, RpcError> {
    let home = home(context).await;
    let launch = check(context, caller, params, &home).await?;
    let client = caller.is_local().then_some(&params.client_env);
    let layers = Layers { base: &home.base.vars, client, request: &params.env };
    let agent_link = ssh_agent::link(&context.directory.session(session));
    let (instance, pwd) = (&context.directory, launch.pwd.as_str());
    let facts = SessionFacts { session, instance, pwd, agent_link: &agent_link };
    let filter = context.ceiling.filter();
    let filter =
        own_ceiling(context, caller).map_or_else(|| filter.clone(), |own| filter.and(own.filter()));
    let env = environment::compose(layers, facts, &filter);
    let agent = environment::known_agent(layers).map(PathBuf::from);
    Ok(Program { launch, env, agent })
}

/// The login shell of the user that programs run as.
pub(crate) async fn login_shell(context: &Context) -> String {
    home(context).await.account.shell.to_string_lossy().into_owned()
}

/// Asks the login shell before anyone waits for it.
pub(crate) async fn warm_up(context: Arc<Context>) {
    home(&context).await;
}

async fn home(context: &Context) -> Arc<Home> {
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

/// What a caller's dialect allows besides.
fn own_ceiling<'a>(context: &'a Context, caller: &Caller) -> Option<&'a CheckedCeiling> {
    caller.grant.dialect.and_then(|dialect| context.dialect_ceilings.get(&dialect))
}

/// Looks at the file system, so it runs where a dead mount may make it wait.
async fn check(
    context: &Arc<Context>,
    caller: &Caller,
    params: &CreateParams,
    home: &Arc<Home>,
) -> Result<Launch, RpcError> {
    let sessions = context.registry.all();
    let live_sessions = sessions.iter().filter(|s| s.published().state.is_live()).count();
    let dialect = caller.grant.dialect;
    let caller = if caller.is_local() { ceiling::Caller::Local } else { ceiling::Caller::Remote };
    let (context, params, home) = (Arc::clone(context), params.clone(), Arc::clone(home));
    let checked = tokio::task::spawn_blocking(move || {
        let (account, base) = (&home.account, &home.base.vars);
        let around = Surroundings { account, base, live_sessions, caller };
        let launch = context.ceiling.check_terminal(&params, around)?;
        let own = dialect.and_then(|dialect| context.dialect_ceilings.get(&dialect));
        match own {
            Some(own) => own.check_terminal(&params, around),
            None => Ok(launch),
        }
    });
    match checked.await {
        Ok(outcome) => outcome.map_err(|refusal| refusal.to_rpc()),
        Err(_) => Err(RpcError::new(ErrorCode::Internal, "checking the request failed")),
    }
}
