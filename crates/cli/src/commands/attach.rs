//! `qd attach`: a session in this terminal.

use quarterdeck_protocol::{
    ids::SessionId,
    method::{AttachRole, Empty, SessionList},
    record::SessionKind,
};

use crate::{
    Exit,
    agent::talk,
    attach::{self, Program, Wish, terminal},
    config::Settings,
    connection::{Connection, Missing},
    error::CliError,
    output::Format,
    watch,
};

/// Flags of `qd attach`.
#[derive(Debug, clap::Args)]
pub(crate) struct AttachArgs {
    /// Which session [default: the running one with the newest activity]
    pub(crate) session: Option<String>,
    /// Only watch
    #[arg(short, long, conflicts_with = "take")]
    follow: bool,
    /// Take it from whoever owns it
    #[arg(short, long)]
    take: bool,
    /// Why; needed to take it from somebody else
    #[arg(long, requires = "take")]
    reason: Option<String>,
    /// Lines of history to fetch, 0 for none [default: 10000]
    #[arg(long, value_name = "LINES")]
    history: Option<u32>,
}

/// Attaches.
pub(crate) async fn run(settings: &Settings, args: AttachArgs) -> Result<Exit, CliError> {
    let AttachArgs { session, follow, take, reason, history } = args;
    if settings.output.format() == Format::Json {
        return Err(CliError::usage("attach has no JSON form")
            .hint("read a session's records: qd logs SESSION --json --follow"));
    }
    let instead = "without one: qd logs SESSION --follow, qd send SESSION TEXT";
    terminal::require("attach", instead, &settings.environment)?;
    let session = choose(settings, session).await?;
    if let Some(agent) = agent_of(settings, &session).await? {
        return talk::run(settings, agent, None, None).await;
    }
    let role = match (follow, take) {
        (true, _) => AttachRole::Follow,
        (false, true) => AttachRole::Take,
        (false, false) => AttachRole::Auto,
    };
    let history = history.unwrap_or(settings.history);
    let wish = Wish { session, role, reason, history, program: Program::RanBefore };
    attach::run(settings, wish).await
}

/// The session of this name, if it is an agent's.
async fn agent_of(settings: &Settings, name: &str) -> Result<Option<SessionId>, CliError> {
    let connection = Connection::open(settings, Missing::StartForSessions).await?;
    let sessions = connection.call::<SessionList>(&Empty {}, None).await?.sessions;
    let session = watch::find(name, &sessions)?;
    let agents = sessions.iter().filter(|info| info.kind == SessionKind::Agent);
    Ok(agents.map(|info| info.session).find(|agent| *agent == session))
}

/// The named session, or the last one. A terminal cannot show the session that it is inside of.
async fn choose(settings: &Settings, named: Option<String>) -> Result<String, CliError> {
    let marked = settings.environment.inside();
    if let (Some(name), None) = (&named, &marked) {
        return Ok(name.clone());
    }
    let connection = Connection::open(settings, Missing::StartForSessions).await?;
    // the relay knows it from the process tree, the marker says it where the relay cannot look
    let inside = connection.hello.inside.map(|session| session.to_string()).or(marked);
    let sessions = connection.call::<SessionList>(&Empty {}, None).await?.sessions;
    let Some(name) = named else {
        return watch::last(&sessions, inside.as_deref()).map(|info| info.session.to_string());
    };
    let session = watch::find(&name, &sessions)?.to_string();
    if inside.as_ref() == Some(&session) {
        return Err(attach::own_session(&name));
    }
    Ok(session)
}
