//! `qd logs`: what a session has put out, from its log.
//!
//! Pages are read until the end of the log. Following, a quiet attachment tells that there is more, and
//! pages are read again: the records' own times and numbers are kept, and nothing is printed twice.

mod agent;
mod printer;
mod wake;

use quarterdeck_protocol::{
    ids::Seq,
    method::{Empty, LogParams, LogResult, SessionList, SessionLog},
    session::SessionInfo,
};
use quarterdeck_transport::CallError;

use crate::{
    Exit,
    config::Settings,
    connection::{Connection, Link, Missing, Telling, call_failed},
    error::{CliError, Kind},
    output::Format,
    watch::find,
};
use printer::{Form, Printer};
use wake::{Wake, Woken};

/// Flags of `qd logs`.
#[derive(Debug, clap::Args)]
pub(crate) struct LogsArgs {
    /// Which session [default: the one with the newest activity]
    pub(crate) session: Option<String>,
    /// Begin with this record
    #[arg(long, value_name = "N")]
    after: Option<u64>,
    /// Every byte as it was, with the questions and bells that were in it
    #[arg(long, conflicts_with = "asciicast")]
    raw: bool,
    /// A recording for asciinema, with times and sizes
    #[arg(long)]
    asciicast: bool,
    /// Go on with what comes, until the program ends
    #[arg(short, long)]
    follow: bool,
}

/// Prints a session's log.
pub(crate) async fn run(settings: &Settings, args: &LogsArgs) -> Result<Exit, CliError> {
    let form = match (settings.output.format(), args.raw, args.asciicast) {
        (Format::Json, false, false) => Form::Json,
        (Format::Json, ..) => {
            return Err(CliError::usage(
                "--json is a form of its own, as --raw and --asciicast are",
            ));
        }
        (Format::Text, true, _) => Form::Raw,
        (Format::Text, false, true) => Form::Asciicast,
        (Format::Text, false, false) => Form::Text,
    };
    let session = session_of(settings, args.session.as_deref()).await?;
    let after = Seq(args.after.unwrap_or(0));
    if let Some(info) = &session.agent {
        if args.raw || args.asciicast {
            return Err(CliError::usage("an agent has no terminal output")
                .hint("without these: qd logs SESSION"));
        }
        let then = if args.follow { agent::Then::Follow } else { agent::Then::Stop };
        agent::print(settings, &session, info, after, then).await?;
        return Ok(Exit::OK);
    }
    let mut printer = Printer::new(settings.output, form, &session);
    let read = if args.follow {
        follow(settings, &session, after, &mut printer).await
    } else {
        read_all(settings, &session, after, &mut printer).await
    };
    // what the log left set in this terminal is undone, also when reading failed
    printer.finish()?;
    read.map(|()| Exit::OK)
}

async fn session_of(settings: &Settings, name: Option<&str>) -> Result<SessionInfo, CliError> {
    let connection = Connection::open(settings, Missing::StartForSessions).await?;
    let sessions = connection.call::<SessionList>(&Empty {}, None).await?.sessions;
    let Some(name) = name else {
        let newest = sessions.into_iter().max_by_key(|info| info.last_activity_at);
        return newest.ok_or_else(|| {
            CliError::new(Kind::NotFound, "there is no session").hint("start one: qd run")
        });
    };
    let session = find(name, &sessions)?;
    let found = sessions.into_iter().find(|info| info.session == session);
    found.ok_or_else(|| CliError::new(Kind::NotFound, "the session was deleted"))
}

async fn read_all(
    settings: &Settings,
    session: &SessionInfo,
    mut next: Seq,
    printer: &mut Printer,
) -> Result<(), CliError> {
    let connection = Connection::open(settings, Missing::StartForSessions).await?;
    let name = session.session.to_string();
    loop {
        let page = connection.call::<SessionLog>(&params(session, next), Some(&name)).await?;
        next = take_page(page, next, printer)?;
        if printer.at_end() {
            return Ok(());
        }
    }
}

fn params(session: &SessionInfo, next: Seq) -> LogParams {
    LogParams { session: session.session.to_string(), after: Some(next), max: None }
}

/// Prints a page. Where the next one begins.
fn take_page(page: LogResult, wanted: Seq, printer: &mut Printer) -> Result<Seq, CliError> {
    let LogResult { entries, next, end } = page;
    if let Some(first) = entries.first().filter(|first| first.seq > wanted) {
        printer.note_missing(wanted, first.seq);
    }
    for entry in &entries {
        printer.print(entry)?;
    }
    // a page that goes nowhere is the end, whatever it says
    printer.set_end(end || next <= wanted);
    Ok(next)
}

async fn follow(
    settings: &Settings,
    session: &SessionInfo,
    mut next: Seq,
    printer: &mut Printer,
) -> Result<(), CliError> {
    let (link, (client, events, _)) =
        Link::open(settings, Missing::StartForSessions, Telling::Nothing).await?;
    let mut wake = Wake::start(link, client, events, session.session).await?;
    loop {
        let page = match wake.call::<SessionLog>(&params(session, next)).await {
            Ok(page) => page,
            Err(CallError::Closed(_)) => {
                wake.reconnect().await?;
                continue;
            }
            Err(error) => return Err(call_failed(error, Some(&session.session.to_string()))),
        };
        next = take_page(page, next, printer)?;
        if !printer.at_end() {
            continue;
        }
        if printer.has_ended() {
            return Ok(());
        }
        match wake.wait(printer.out()).await? {
            Woken::More => {}
            Woken::Removed => {
                return Err(CliError::new(Kind::NotFound, "the session was deleted"));
            }
        }
    }
}
