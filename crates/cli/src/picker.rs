//! `qd` alone, on a terminal: choose a session, or start one.

mod list;

use std::collections::BTreeMap;

use clap::CommandFactory;
use quarterdeck_protocol::{
    ids::SessionId,
    method::AttachRole,
    session::{SessionChanged, SessionInfo, SessionRemoved, Sync, notify},
};
use quarterdeck_transport::{Client, Events, Incoming, reconnect::LinkEvent};
use serde_json::value::RawValue;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{Duration, Instant, sleep_until},
};

use crate::{
    Exit,
    args::Args,
    attach::{
        self, LoneEscape, Program, Splitter, Wish,
        terminal::{self, Keyboard, LastLine, Screen, Terminal},
    },
    commands::{self, run::RunArgs},
    config::Settings,
    connection::{Link, Missing, Telling},
    error::{CliError, Kind},
    output::{Format, time::now_micros},
    watch::read,
};
use list::{Choice, List};

/// How often ages are drawn anew.
const TICK: Duration = Duration::from_secs(5);
/// How long the rest of an escape sequence may take.
const ESCAPE_LIMIT: Duration = Duration::from_millis(50);

/// Lets the user choose; without a terminal or a session, shows the help.
pub(crate) async fn run(settings: &Settings) -> Result<Exit, CliError> {
    if settings.output.format() == Format::Json {
        return Err(CliError::usage("a command is missing").hint("see: qd --help"));
    }
    if terminal::require("choosing", "", &settings.environment).is_err() {
        settings.output.bytes(help().as_bytes())?;
        return Ok(Exit::code(Kind::Usage.exit_code()));
    }
    let opened = Link::open(settings, Missing::StartForSessions, Telling::Changes).await;
    let (link, (client, events, _)) = match opened {
        Err(error) if error.kind == Kind::Unreachable && settings.is_local() => {
            return nothing_to_choose(settings);
        }
        other => other?,
    };
    let mut picker = Picker {
        link,
        connection: Some((client, events)),
        sessions: BTreeMap::new(),
        parts: BTreeMap::new(),
        list: List::default(),
        splitter: Splitter::default(),
    };
    picker.first_view().await?;
    if picker.sessions.is_empty() {
        return nothing_to_choose(settings);
    }
    let choice = picker.choose(settings).await;
    terminal::restore();
    match choice? {
        Choice::Quit => Ok(Exit::OK),
        Choice::New => commands::run::run(settings, RunArgs::login_shell()).await,
        Choice::Attach(session) => attach_to(settings, session, AttachRole::Auto).await,
        Choice::Follow(session) => attach_to(settings, session, AttachRole::Follow).await,
    }
}

fn help() -> String {
    Args::command().render_help().to_string()
}

fn nothing_to_choose(settings: &Settings) -> Result<Exit, CliError> {
    settings.output.bytes(help().as_bytes())?;
    settings.output.note("\nno session is running; start one: qd run");
    Ok(Exit::OK)
}

async fn attach_to(
    settings: &Settings,
    session: SessionId,
    role: AttachRole,
) -> Result<Exit, CliError> {
    let wish = Wish {
        session: session.to_string(),
        role,
        reason: None,
        history: settings.history,
        program: Program::RanBefore,
    };
    attach::run(settings, wish).await
}

struct Picker<'s> {
    link: Link<'s>,
    connection: Option<(Client, Events)>,
    sessions: BTreeMap<SessionId, SessionInfo>,
    /// A view whose last part has not come.
    parts: BTreeMap<SessionId, SessionInfo>,
    list: List,
    splitter: Splitter,
}

/// Whether there is something new to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    None,
    Some,
    Complete,
}

impl Picker<'_> {
    /// Waits for the whole view.
    async fn first_view(&mut self) -> Result<(), CliError> {
        while self.next_news().await? != News::Complete {}
        Ok(())
    }

    async fn choose(&mut self, settings: &Settings) -> Result<Choice, CliError> {
        let mut terminal = Terminal::enter(LastLine::Unused)?;
        let failed = |error: std::io::Error| {
            CliError::new(Kind::Failed, "cannot listen for signals").caused_by(&error)
        };
        let mut resized = signal(SignalKind::window_change()).map_err(failed)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let mut hangup = signal(SignalKind::hangup()).map_err(failed)?;
        let mut escape_due: Option<Instant> = None;
        loop {
            self.draw(settings, &terminal).await;
            let due = escape_due.unwrap_or_else(|| Instant::now() + TICK);
            let pieces = tokio::select! {
                biased;
                _ = terminate.recv() => return Ok(Choice::Quit),
                _ = hangup.recv() => return Ok(Choice::Quit),
                _ = resized.recv() => Vec::new(),
                key = terminal.keyboard.recv() => match key {
                    Some(Keyboard::Chunk(chunk)) => {
                        let mut pieces = Vec::new();
                        self.splitter.feed(&chunk, LoneEscape::Hold, &mut pieces);
                        pieces
                    }
                    Some(Keyboard::Closed) | None => return Ok(Choice::Quit),
                },
                () = sleep_until(due) => {
                    let mut pieces = Vec::new();
                    self.splitter.flush(&mut pieces);
                    pieces
                }
                news = self.next_news() => {
                    news?;
                    Vec::new()
                }
            };
            escape_due = self.splitter.is_waiting().then(|| Instant::now() + ESCAPE_LIMIT);
            if let Some(choice) = pieces.iter().find_map(|piece| self.list.handle_key(piece)) {
                return Ok(choice);
            }
        }
    }

    async fn draw(&mut self, settings: &Settings, terminal: &Terminal) {
        self.list.set_sessions(self.sessions.values());
        let bytes =
            self.list.draw(terminal::size_or_usual(), now_micros(), settings.output.styles());
        let _ = terminal.screen.send(Screen::Draw { bytes: bytes.into(), rendered: None }).await;
    }

    /// Waits for a change. May be dropped and called again.
    async fn next_news(&mut self) -> Result<News, CliError> {
        let Some((_, events)) = &mut self.connection else {
            return match self.link.next().await? {
                LinkEvent::Connected { client, events, .. } => {
                    self.parts.clear();
                    self.connection = Some((client, events));
                    Ok(News::None)
                }
                LinkEvent::Reconnecting { .. } => Ok(News::None),
                LinkEvent::Refused { why, cause } => Err(self.link.refused(why, cause.as_deref())),
            };
        };
        Ok(match events.next().await {
            Some(Incoming::Notification { method, params }) => {
                self.handle(&method, params.as_deref())
            }
            Some(Incoming::Frame(_) | Incoming::Answer { .. }) => News::None,
            Some(Incoming::Closed { .. }) | None => {
                self.connection = None;
                News::None
            }
        })
    }

    fn handle(&mut self, method: &str, params: Option<&RawValue>) -> News {
        match method {
            notify::SYNC => {
                let Some(sync) = read::<Sync>(params) else { return News::None };
                if sync.part == 0 {
                    self.parts.clear();
                }
                self.parts.extend(sync.sessions.into_iter().map(|info| (info.session, info)));
                if !sync.last {
                    return News::None;
                }
                self.sessions = std::mem::take(&mut self.parts);
                News::Complete
            }
            notify::SESSION_CHANGED => {
                let Some(changed) = read::<SessionChanged>(params) else { return News::None };
                self.sessions.insert(changed.session.session, changed.session);
                News::Some
            }
            notify::SESSION_REMOVED => {
                let Some(removed) = read::<SessionRemoved>(params) else { return News::None };
                self.sessions.remove(&removed.session);
                News::Some
            }
            // of no interest here, or a newer relay's
            _ => News::None,
        }
    }
}
