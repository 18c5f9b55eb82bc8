//! `qd run`: start a session, and attach to it.

use std::{collections::BTreeMap, path::PathBuf, str::FromStr};

use quarterdeck_protocol::{
    agent::{Delivery, Resume},
    ids::Label,
    method::{
        AgentParams, AgentPrompt, AttachRole, CreateParams, SessionCreate, SessionResult,
        WorktreeParams,
    },
    record::TerminalSize,
};

use crate::{
    Exit,
    agent::{follow, talk},
    attach::{self, Program, Wish, terminal},
    config::{Environment, Settings},
    connection::{Connection, Missing},
    error::{CliError, Kind},
    output::Format,
};

/// Flags of `qd run`.
#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// Its label [default: the command's name and a number]
    #[arg(short, long)]
    label: Option<Label>,
    /// Where it starts [default: here; elsewhere, the home directory]
    #[arg(long, value_name = "DIR")]
    cwd: Option<PathBuf>,
    /// A variable for it: NAME=VALUE, or NAME with its value here
    #[arg(short, long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// Do not attach; print the label and the id
    #[arg(short, long)]
    detach: bool,
    /// Record what is typed as well
    #[arg(long)]
    record_input: bool,
    /// Start it again when the machine has been restarted
    #[arg(long)]
    keep: bool,
    /// The mail identity for which it speaks [default: its project's]; qd msg identity ls
    #[arg(long, value_name = "NAME")]
    identity: Option<String>,
    /// Columns and rows, as in 120x40 [default: this terminal's]
    #[arg(long, value_name = "COLSxROWS")]
    size: Option<Size>,
    /// An agent instead of a program: claude, codex, opencode, gemini, or acp:COMMAND
    #[arg(short, long, value_name = "AGENT", conflicts_with_all = ["argv", "record_input", "size"])]
    agent: Option<String>,
    /// The agent's model [default: its own]
    #[arg(long, requires = "agent")]
    model: Option<String>,
    /// The agent's mode [default: the one that asks about everything]
    #[arg(long, requires = "agent")]
    mode: Option<String>,
    /// Go on with this conversation of the agent's own
    #[arg(long = "continue", value_name = "ID", requires = "agent")]
    conversation: Option<String>,
    /// Begin with a copy of this conversation of the agent's own
    #[arg(long, value_name = "ID", requires = "agent", conflicts_with = "conversation")]
    fork: Option<String>,
    /// In a git worktree of its own, on the branch qd/NAME [default: its label, or a new name]
    #[arg(long, value_name = "NAME", requires = "agent", num_args = 0..=1)]
    worktree: Option<Option<String>>,
    /// Only follow the agent's first turn; its result is the exit code
    #[arg(short, long, requires = "agent", requires = "task", conflicts_with = "detach")]
    wait: bool,
    /// What the agent is to do
    #[arg(value_name = "TASK", requires = "agent")]
    task: Option<String>,
    /// The program and its arguments [default: a login shell]
    #[arg(last = true, value_name = "ARGV")]
    argv: Vec<String>,
}

impl RunArgs {
    /// A login shell, as `qd run` alone starts it.
    pub(crate) const fn login_shell() -> Self {
        Self {
            label: None,
            cwd: None,
            env: Vec::new(),
            detach: false,
            record_input: false,
            keep: false,
            identity: None,
            size: None,
            agent: None,
            model: None,
            mode: None,
            conversation: None,
            fork: None,
            worktree: None,
            wait: false,
            task: None,
            argv: Vec::new(),
        }
    }
}

/// A size on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Size(TerminalSize);

impl FromStr for Size {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (cols, rows) = text.split_once('x').ok_or("a size is COLSxROWS, as in 120x40")?;
        let side = |text: &str| text.parse().ok().filter(|side| *side > 0);
        let (cols, rows) =
            side(cols).zip(side(rows)).ok_or("a size is two numbers from 1 on, as in 120x40")?;
        Ok(Self(TerminalSize { cols, rows, xpixel: 0, ypixel: 0 }))
    }
}

/// Starts a session.
pub(crate) async fn run(settings: &Settings, args: RunArgs) -> Result<Exit, CliError> {
    if args.agent.is_some() {
        return run_agent(settings, args).await;
    }
    let detach = args.detach;
    if !detach {
        if settings.output.format() == Format::Json {
            return Err(CliError::usage("an attached run has no JSON form")
                .hint("qd run --detach --json …"));
        }
        let instead = "without one: qd run --detach …";
        terminal::require("an attached run", instead, &settings.environment)?;
    }
    let params = params(settings, args)?;
    let connection = Connection::open(settings, Missing::Start).await?;
    let created = connection.call::<SessionCreate>(&params, None).await?;
    if !detach {
        let wish = Wish {
            session: created.session.session.to_string(),
            role: AttachRole::Auto,
            reason: None,
            history: 0,
            program: Program::JustStarted,
        };
        return attach::run(settings, wish).await;
    }
    print(settings, &created)
}

/// Starts an agent: talks with it on a terminal, follows its first turn elsewhere.
async fn run_agent(settings: &Settings, args: RunArgs) -> Result<Exit, CliError> {
    let (detach, task) = (args.detach, args.task.clone());
    let in_worktree = args.worktree.is_some();
    let talks = !args.wait && settings.output.format() == Format::Text && terminal::is_there();
    if !detach && !talks && task.is_none() {
        return Err(CliError::usage("without a terminal an agent needs something to do")
            .hint("qd run --agent AGENT TASK, or qd run --detach --agent AGENT"));
    }
    let params = params(settings, args)?;
    let connection = Connection::open(settings, Missing::Start).await?;
    let created = connection.call::<SessionCreate>(&params, None).await?;
    let (session, label) = (created.session.session, &created.session.label);
    if detach {
        if let Some(task) = &task {
            let message = follow::message(session, task, Delivery::Queue)?;
            connection.call::<AgentPrompt>(&message, Some(label.as_str())).await?;
        }
        return print(settings, &created);
    }
    settings.output.note(&format!("{label} {session}"));
    if in_worktree {
        settings.output.note(&format!("works in {}", created.session.cwd));
    }
    match task {
        Some(task) if !talks => {
            let message = follow::message(session, &task, Delivery::Queue)?;
            follow::turn(settings, session, None, message, None).await
        }
        task => talk::run(settings, session, None, task.as_deref()).await,
    }
}

fn print(settings: &Settings, created: &SessionResult) -> Result<Exit, CliError> {
    let info = &created.session;
    settings.output.result(created, |_| format!("{} {}\n", info.label, info.session))?;
    Ok(Exit::OK)
}

fn params(settings: &Settings, args: RunArgs) -> Result<CreateParams, CliError> {
    let local = settings.is_local();
    let environment = &settings.environment;
    Ok(CreateParams {
        request_id: Some(request_id()?),
        argv: args.argv,
        cwd: cwd(args.cwd, environment, local)?,
        client_env: if local { environment.for_session() } else { BTreeMap::new() },
        env: args.env.iter().map(|pair| variable(pair, environment)).collect::<Result<_, _>>()?,
        label: args.label,
        size: args.size.map(|size| size.0).or_else(terminal::size),
        record_input: args.record_input,
        worktree: args.worktree.map(|name| WorktreeParams { name }),
        remote_control: None,
        keep: args.keep,
        identity: args.identity,
        agent: args.agent.map(|name| AgentParams {
            name,
            model: args.model,
            mode: args.mode,
            resume: match (args.conversation, args.fork) {
                (Some(vendor_session), _) => Resume::Resume { vendor_session },
                (None, Some(vendor_session)) => Resume::Fork { vendor_session },
                (None, None) => Resume::New,
            },
        }),
    })
}

/// A retry of the same command must not start a second session.
pub(crate) fn request_id() -> Result<String, CliError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        CliError::new(Kind::Failed, "the system gives no random numbers").caused_by(&error)
    })?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A directory of this machine is made absolute; one of another machine is its own matter.
pub(crate) fn cwd(
    given: Option<PathBuf>,
    environment: &Environment,
    local: bool,
) -> Result<Option<String>, CliError> {
    let directory = match (given, environment.current_dir()) {
        (Some(given), Some(here)) if local => Some(here.join(given)),
        (Some(given), _) => Some(given),
        (None, Some(here)) if local => Some(here.to_owned()),
        (None, _) => None,
    };
    let Some(directory) = directory else { return Ok(None) };
    let text = directory.to_str().map(str::to_owned);
    text.map(Some).ok_or_else(|| {
        CliError::usage(format!("the directory {} is not UTF-8", directory.display()))
            .hint("start elsewhere: --cwd DIR")
    })
}

fn variable(pair: &str, environment: &Environment) -> Result<(String, String), CliError> {
    let (name, value) = match pair.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (pair, environment.text(pair)),
    };
    if name.is_empty() {
        return Err(CliError::usage("--env needs a name: --env NAME=VALUE"));
    }
    let value = value.ok_or_else(|| {
        CliError::usage(format!("--env {name}: the variable is not set here"))
            .hint(format!("give its value: --env {name}=VALUE"))
    })?;
    Ok((name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_two_sides() {
        let size = |text: &str| text.parse::<Size>().map(|size| (size.0.cols, size.0.rows));
        assert_eq!(size("120x40"), Ok((120, 40)));
        for bad in ["", "120", "x", "0x40", "120x", "99999x1", "-1x2", "120x40x2"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_session_of_this_machine_starts_here_and_one_elsewhere_at_home() {
        let environment = Environment::of(&[]);
        let cwd = |given: Option<&str>, local| {
            cwd(given.map(PathBuf::from), &environment, local).expect("text")
        };
        assert_eq!(cwd(None, true).as_deref(), Some("/work"));
        assert_eq!(cwd(Some("sub"), true).as_deref(), Some("/work/sub"));
        assert_eq!(cwd(Some("/x"), true).as_deref(), Some("/x"));
        assert_eq!(cwd(None, false), None);
        assert_eq!(cwd(Some("sub"), false).as_deref(), Some("sub"));
    }

    #[test]
    fn a_variable_without_a_value_has_the_one_from_here() {
        let environment = Environment::of(&[("EDITOR", "vi")]);
        let pair = |text| variable(text, &environment);
        assert_eq!(pair("A=b=c"), Ok(("A".into(), "b=c".into())));
        assert_eq!(pair("EDITOR"), Ok(("EDITOR".into(), "vi".into())));
        assert_eq!(pair("A="), Ok(("A".into(), String::new())));
        assert!(pair("MISSING").is_err());
        assert!(pair("=x").is_err());
    }
}
