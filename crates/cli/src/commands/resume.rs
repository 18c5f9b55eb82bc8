//! `qd resume`: start the program of an ended or lost session again, in the same log.

use std::collections::BTreeMap;

use quarterdeck_protocol::{
    method::{AttachRole, ResumeParams, SessionResume},
    record::SessionKind,
};

use crate::{
    Exit,
    agent::{follow, talk},
    attach::{self, Program, Wish, terminal},
    config::Settings,
    connection::{Connection, Missing},
    error::CliError,
    output::Format,
};

/// Flags of `qd resume`.
#[derive(Debug, clap::Args)]
pub(crate) struct ResumeArgs {
    /// Which session
    pub(crate) session: String,
    /// Attach to it
    #[arg(short, long)]
    attach: bool,
}

/// Starts a program again.
pub(crate) async fn run(settings: &Settings, args: ResumeArgs) -> Result<Exit, CliError> {
    let ResumeArgs { session, attach } = args;
    if attach {
        if settings.output.format() == Format::Json {
            return Err(CliError::usage("attaching has no JSON form"));
        }
        let instead = format!("without one: qd resume {session}");
        terminal::require("attaching", &instead, &settings.environment)?;
    }
    let connection = Connection::open(settings, Missing::Start).await?;
    let client_env =
        if settings.is_local() { settings.environment.for_session() } else { BTreeMap::new() };
    let params = ResumeParams {
        session: session.clone(),
        client_env,
        size: attach.then(terminal::size).flatten(),
    };
    let resumed = connection.call::<SessionResume>(&params, Some(&session)).await?;
    if attach && resumed.session.kind == SessionKind::Agent {
        let after = follow::before(resumed.session.seq);
        return talk::run(settings, resumed.session.session, after, None).await;
    }
    if attach {
        let wish = Wish {
            session: resumed.session.session.to_string(),
            role: AttachRole::Auto,
            reason: None,
            history: settings.history,
            program: Program::JustStarted,
        };
        return attach::run(settings, wish).await;
    }
    let info = &resumed.session;
    settings.output.result(&resumed, |_| format!("{} {}\n", info.label, info.session))?;
    settings.output.note(&format!("attach to it: qd attach {}", info.label));
    Ok(Exit::OK)
}
