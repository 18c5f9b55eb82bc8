//! `qd ls`: the sessions of a relay.

use quarterdeck_protocol::{
    method::{Empty, SessionList, SessionListResult},
    record::{ExitStatus, LeaseState},
    session::{SessionInfo, SessionState},
};

use crate::{
    Exit,
    config::{Settings, Target},
    connection::{Connection, Missing, whole_view},
    error::{CliError, Kind},
    output::{
        escape::plain,
        style::Styles,
        table::{Cell, Table},
        time::{ago, now_micros},
    },
};

/// Flags of `qd ls`.
#[derive(Debug, clap::Args)]
pub(crate) struct LsArgs {
    /// Show sizes, directories and titles too
    #[arg(short, long)]
    long: bool,
}

/// Lists the sessions.
pub(crate) async fn run(settings: &Settings, args: &LsArgs) -> Result<Exit, CliError> {
    let output = settings.output;
    let listed = match list(settings).await {
        // no relay is no error here: there is nothing to list
        Err(error) if error.kind == Kind::Unreachable && settings.is_local() => {
            output.note(&format!("{}; {}", error.message, error.hints.join("; ")));
            SessionListResult { sessions: Vec::new() }
        }
        other => {
            let listed = other?;
            if listed.sessions.is_empty() {
                output.note("no sessions; start one: qd run");
            }
            listed
        }
    };
    let (now, width) = (now_micros(), crate::attach::terminal::size().map(|s| s.cols.into()));
    output.result(&listed, |styles| match (listed.sessions.is_empty(), args.long) {
        (true, _) => String::new(),
        (false, false) => short_table(&listed.sessions, now, styles).render(width, styles),
        (false, true) => long_table(&listed.sessions, now, styles).render(width, styles),
    })?;
    Ok(Exit::OK)
}

/// The sessions of the relay that is meant; of all machines where the instance has a hub.
async fn list(settings: &Settings) -> Result<SessionListResult, CliError> {
    if let Some(listed) = list_by_hub(settings).await? {
        return Ok(listed);
    }
    let connection = Connection::open(settings, Missing::StartForSessions).await?;
    connection.call::<SessionList>(&Empty {}, None).await
}

/// A hub knows the sessions of machines that cannot be reached just now, too.
async fn list_by_hub(settings: &Settings) -> Result<Option<SessionListResult>, CliError> {
    let wanted = match settings.target {
        Target::Hub => true,
        // its socket is there only while it runs
        Target::Local => settings.directory.hub_socket().exists(),
        Target::Remote(_) => settings.machine.is_some(),
    };
    if !wanted {
        return Ok(None);
    }
    let settings_of_hub = match settings.target {
        Target::Remote(_) => Settings { machine: None, ..settings.clone() },
        Target::Local | Target::Hub => settings.at_hub(),
    };
    let told = match whole_view(&settings_of_hub).await {
        // a hub that was killed leaves its socket; the relay answers for its own machine
        Err(_) if settings.is_local() => return Ok(None),
        told => told?,
    };
    let mut listed = SessionListResult { sessions: told };
    if let Some(machine) = &settings.machine {
        let is_on = |info: &SessionInfo| {
            info.on.as_ref().is_some_and(|on| {
                on.label.as_str() == machine || on.machine.to_string() == *machine
            })
        };
        listed.sessions.retain(is_on);
    }
    Ok(Some(listed))
}

/// The name by which a session is found: with its machine, where there is more than one.
fn full_name(session: &SessionInfo, sessions: &[SessionInfo]) -> String {
    let on = |info: &SessionInfo| info.on.as_ref().map(|on| on.machine);
    match &session.on {
        Some(here) if sessions.iter().any(|other| on(other) != Some(here.machine)) => {
            format!("{}/{}", here.label, session.label)
        }
        Some(_) | None => session.label.to_string(),
    }
}

/// What is not known any more is said so.
fn seen_cell(session: &SessionInfo, now: u64, styles: Styles) -> Cell {
    match session.on.as_ref().and_then(|on| on.unreachable_since) {
        Some(since) if session.state.is_live() => {
            Cell::styled(format!("unreachable for {}", ago(since, now)), styles.error)
        }
        Some(_) | None => state_cell(&session.state, styles),
    }
}

fn short_table(sessions: &[SessionInfo], now: u64, styles: Styles) -> Table<7> {
    let mut table = Table::new(["LABEL", "STATE", "OWNER", "VIEWERS", "ACTIVE", "ID", "COMMAND"]);
    for session in sessions {
        table.push([
            full_name(session, sessions).into(),
            seen_cell(session, now, styles),
            owner_word(session).into(),
            session.attached.to_string().into(),
            ago(session.last_activity_at, now).into(),
            short_id(session).into(),
            program(session).into(),
        ]);
    }
    table
}

fn long_table(sessions: &[SessionInfo], now: u64, styles: Styles) -> Table<9> {
    let head = ["LABEL", "STATE", "OWNER", "VIEWERS", "ACTIVE", "CREATED", "SIZE", "ID", "COMMAND"];
    let mut table = Table::new(head);
    for session in sessions {
        let title = session
            .title
            .as_deref()
            .map_or_else(String::new, |title| format!(" [{}]", plain(title)));
        table.push([
            full_name(session, sessions).into(),
            seen_cell(session, now, styles),
            owner_word(session).into(),
            session.attached.to_string().into(),
            ago(session.last_activity_at, now).into(),
            ago(session.created_at, now).into(),
            format!("{}x{}", session.size.cols, session.size.rows).into(),
            session.session.to_string().into(),
            format!("{}{title} in {}", program(session), plain(&session.cwd)).into(),
        ]);
    }
    table
}

fn state_cell(state: &SessionState, styles: Styles) -> Cell {
    let style = match state {
        SessionState::Starting | SessionState::Running => styles.good,
        SessionState::Waiting | SessionState::Stalled { .. } => styles.warn,
        SessionState::Idle => anstyle::Style::new(),
        SessionState::Exited { .. } => styles.dim,
        SessionState::Lost { .. } | SessionState::Unreachable { .. } => styles.error,
    };
    Cell::styled(state_words(state), style)
}

/// A state in a word or two.
pub(crate) fn state_words(state: &SessionState) -> String {
    match state {
        SessionState::Stalled { why } => format!("stalled: {}", plain(why)),
        SessionState::Exited { status: ExitStatus::Code { code }, .. } => format!("exited {code}"),
        SessionState::Exited { status: ExitStatus::Signal { signal, .. }, .. } => {
            format!("killed {signal}")
        }
        SessionState::Exited { status: ExitStatus::Oom, .. } => "out of memory".to_owned(),
        SessionState::Exited { status: ExitStatus::Unknown, .. }
        | SessionState::Starting
        | SessionState::Running
        | SessionState::Waiting
        | SessionState::Idle
        | SessionState::Lost { .. }
        | SessionState::Unreachable { .. } => state.word().to_owned(),
    }
}

fn owner_word(session: &SessionInfo) -> String {
    if !session.state.is_live() {
        return "-".to_owned();
    }
    match &session.lease.state {
        LeaseState::Held { owner } => plain(&owner.name),
        LeaseState::Grace { owner } => format!("({})", plain(&owner.name)),
        LeaseState::Free | LeaseState::Unknown => "-".to_owned(),
    }
}

/// Enough of the id to name the session by.
fn short_id(session: &SessionInfo) -> String {
    session.session.to_string().chars().take(10).collect()
}

/// What runs: an agent with where its conversation is, else the command line.
fn program(session: &SessionInfo) -> String {
    let Some(agent) = &session.agent else { return command(&session.argv) };
    let mut text = plain(&agent.name);
    for chosen in [&agent.model, &agent.mode].into_iter().flatten() {
        text += &format!(" {}", plain(chosen));
    }
    text += &format!(", {} turn{}", agent.turns, if agent.turns == 1 { "" } else { "s" });
    if agent.prompts > 0 {
        text += &format!(", asks {}", agent.prompts);
    }
    if agent.queued > 0 {
        text += &format!(", {} waiting", agent.queued);
    }
    text
}

/// A command line that could be typed again; a login shell is named so.
pub(crate) fn command(argv: &[String]) -> String {
    if argv.is_empty() {
        return "(login shell)".to_owned();
    }
    let words = argv.iter().map(|word| {
        let safe = |c: char| c.is_ascii_alphanumeric() || "_-./=:@,+%".contains(c);
        if !word.is_empty() && word.chars().all(safe) {
            return word.clone();
        }
        format!("'{}'", plain(&word.replace('\'', r"'\''")))
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use quarterdeck_protocol::{
        agent::Vendor,
        ids::{ClientId, Epoch, Incarnation, LogId, Out, Principal, Seq, SessionId},
        record::{Owner, SessionKind, TerminalSize},
        session::{AgentInfo, LeaseView},
    };

    const NOW: u64 = 1_700_000_000_000_000;

    pub(crate) fn session(n: u8, label: &str, state: SessionState, argv: &[&str]) -> SessionInfo {
        SessionInfo {
            session: SessionId::from_bytes([n; 10]),
            label: label.parse().expect("valid"),
            kind: SessionKind::Terminal,
            state,
            argv: argv.iter().map(|word| (*word).to_owned()).collect(),
            cwd: "/work".into(),
            project: None,
            title: Some("a\u{1b}]0;title".into()),
            size: TerminalSize { cols: 80, rows: 24, xpixel: 0, ypixel: 0 },
            lease: LeaseView { epoch: Epoch(0), state: LeaseState::Free, requested_by: Vec::new() },
            attached: 0,
            created_at: NOW - 7_300_000_000,
            last_activity_at: NOW - 45_000_000,
            incarnation: Incarnation(1),
            log_id: LogId::from_bytes([0; 8]),
            seq: Seq(0),
            out: Out(0),
            base: Out(0),
            agent: None,
            remote_control: None,
            keep: false,
            on: None,
        }
    }

    fn samples() -> Vec<SessionInfo> {
        let mut owned = session(0xab, "build", SessionState::Running, &["make", "-j 2", "it's"]);
        let owner = Owner {
            client: ClientId::from_bytes([1; 16]),
            principal: Principal::new("r_00", "ada").expect("valid"),
            name: "qd on desk".into(),
        };
        owned.lease.state = LeaseState::Held { owner: owner.clone() };
        owned.attached = 2;
        let mut away = session(0x12, "sh:1", SessionState::Idle, &[]);
        away.lease.state = LeaseState::Grace { owner };
        let status = ExitStatus::Signal { signal: 9, core: false };
        let killed = SessionState::Exited { status, left: Vec::new(), at: NOW };
        let stalled = SessionState::Stalled { why: "disk_full".into() };
        vec![
            owned,
            away,
            session(3, "old", killed, &["sleep", "9"]),
            session(4, "agent", stalled, &["x"]),
        ]
    }

    #[test]
    fn the_table_says_what_matters_first() {
        let table = short_table(&samples(), NOW, Styles::PLAIN);
        insta::assert_snapshot!(table.render(None, Styles::PLAIN), @r"
        LABEL  STATE               OWNER         VIEWERS  ACTIVE  ID          COMMAND
        build  running             qd on desk    2        45s     s_abababab  make '-j 2' 'it'\''s'
        sh:1   idle                (qd on desk)  0        45s     s_12121212  (login shell)
        old    killed 9            -             0        45s     s_03030303  sleep 9
        agent  stalled: disk_full  -             0        45s     s_04040404  x
        ");
    }

    #[test]
    fn an_agent_is_shown_by_its_name_and_where_its_conversation_is() {
        let mut agent = session(5, "claude:1", SessionState::Waiting, &["claude", "-p"]);
        agent.agent = Some(AgentInfo {
            name: "claude".into(),
            vendor: Vendor::Claude,
            model: Some("big\u{1b}[31m".into()),
            mode: Some("plan".into()),
            vendor_session: None,
            turns: 1,
            prompts: 2,
            queued: 0,
        });
        assert_eq!(program(&agent), "claude big\\u{1b}[31m plan, 1 turn, asks 2");
    }

    #[test]
    fn the_long_table_shows_titles_and_nothing_they_could_do() {
        let table = long_table(&samples()[..1], NOW, Styles::PLAIN);
        insta::assert_snapshot!(table.render(None, Styles::PLAIN), @r"
        LABEL  STATE    OWNER       VIEWERS  ACTIVE  CREATED  SIZE   ID                      COMMAND
        build  running  qd on desk  2        45s     2h       80x24  s_abababababababababab  make '-j 2' 'it'\''s' [a\u{1b}]0;title] in /work
        ");
    }
}
