//! `qd rc`: a vendor's own Remote Control as a session.

mod show;

use std::{path::PathBuf, time::Duration};

use quarterdeck_protocol::{
    error::ErrorCode,
    ids::Label,
    method::{AttachRole, CreateParams, RemotePreflight, SessionCreate},
    remote_control::{
        RemoteMode, RemoteParams, RemotePreflightParams, RemoteRestart, RemoteSpawn, RemoteVendor,
    },
};

use super::run;
use crate::{
    Exit,
    attach::{self, Program, Wish, terminal},
    config::Settings,
    connection::{Connection, Missing},
    error::{CliError, Kind},
    output::{Format, time::parse_duration},
};

/// How long the program may take to say how far it is, unless a flag says.
const PATIENCE: Duration = Duration::from_secs(20);

/// Flags of `qd rc`.
#[derive(Debug, clap::Args)]
pub(crate) struct RcArgs {
    /// Wait for the app, which starts sessions here (the default)
    #[arg(long, conflicts_with = "interactive")]
    server: bool,
    /// One conversation on the terminal, which the app joins
    #[arg(long, conflicts_with_all = ["spawn", "capacity"])]
    interactive: bool,
    /// Whose Remote Control
    #[arg(long, value_enum, default_value_t, value_name = "AGENT")]
    agent: Vendor,
    /// What the app calls it
    #[arg(long, allow_hyphen_values = false)]
    name: Option<String>,
    /// The session's label [default: the agent's name with -rc]
    #[arg(short, long)]
    label: Option<Label>,
    /// Where it starts [default: here; elsewhere, the home directory]
    #[arg(long, value_name = "DIR")]
    cwd: Option<PathBuf>,
    /// Another account: a profile of the relay's config.toml, or the vendor's configuration directory
    #[arg(long, value_name = "PROFILE|DIR", conflicts_with = "claude_home")]
    account: Option<String>,
    /// Claude's configuration directory
    #[arg(long, value_name = "DIR")]
    claude_home: Option<PathBuf>,
    /// Where the app's sessions start
    #[arg(long, value_enum, value_name = "WHERE")]
    spawn: Option<Spawn>,
    /// Sessions at a time
    #[arg(long, value_name = "N")]
    capacity: Option<u32>,
    /// A variable that the program is not to see; may be given again
    #[arg(long, value_name = "VARIABLE")]
    strip: Vec<String>,
    /// Start it again when it fails
    #[arg(long)]
    restart: bool,
    /// Start it again when the machine has been restarted
    #[arg(long)]
    keep: bool,
    /// Start it whatever the preflight says
    #[arg(long)]
    anyway: bool,
    /// Only say whether it can work, and what to type if not
    #[arg(long, conflicts_with_all = ["anyway", "attach"])]
    check: bool,
    /// Show the address and the QR code of a session that runs
    #[arg(long, value_name = "SESSION", conflicts_with_all = ["check", "attach", "argv"])]
    pub(crate) show: Option<String>,
    /// Attach to its terminal
    #[arg(long)]
    attach: bool,
    /// How long to wait for its address
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    timeout: Option<Duration>,
    /// Further words for the vendor's program
    #[arg(last = true, value_name = "ARGS")]
    argv: Vec<String>,
}

/// Whose Remote Control, as typed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Vendor {
    /// Claude Code
    #[default]
    Claude,
    /// Codex
    Codex,
}

/// Where sessions start, as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Spawn {
    /// In the same directory
    SameDir,
    /// Each in a git worktree of its own
    Worktree,
    /// One session, with which it ends
    Session,
}

/// Starts it and says where it can be reached.
pub(crate) async fn run(settings: &Settings, args: RcArgs) -> Result<Exit, CliError> {
    let patience = args.timeout.unwrap_or(PATIENCE);
    if let Some(session) = &args.show {
        return show::when_known(settings, session, patience).await;
    }
    if args.attach {
        if settings.output.format() == Format::Json {
            return Err(CliError::usage("attaching has no JSON form"));
        }
        terminal::require("attaching", "without one: qd rc …", &settings.environment)?;
    }
    let connection = Connection::open(settings, Missing::Start).await?;
    let (check, attach) = (args.check, args.attach);
    let params = params(settings, args)?;
    if check {
        let asked = RemotePreflightParams {
            remote: params.remote_control,
            cwd: params.cwd,
            client_env: params.client_env,
        };
        let result = connection.call::<RemotePreflight>(&asked, None).await?;
        return show::reports(settings, &result);
    }
    let created = connection.call::<SessionCreate>(&params, None).await;
    let created = created.map_err(|error| there(settings, error))?;
    let session = created.session.session.to_string();
    if attach {
        let (role, program) = (AttachRole::Auto, Program::JustStarted);
        let wish = Wish { session, role, reason: None, history: 0, program };
        return attach::run(settings, wish).await;
    }
    show::when_known(settings, &session, patience).await
}

/// What the preflight of another machine says is to be done there.
fn there(settings: &Settings, error: CliError) -> CliError {
    let of_preflight = error.wire.as_ref().is_some_and(|it| it.code() == ErrorCode::StartFailed);
    if !of_preflight {
        return error;
    }
    let hints = error.hints.iter().map(|hint| show::to_type(settings, hint)).collect();
    CliError { hints, ..error }
}

fn params(settings: &Settings, args: RcArgs) -> Result<CreateParams, CliError> {
    let local = settings.is_local();
    let environment = &settings.environment;
    let vendor = match args.agent {
        Vendor::Claude => RemoteVendor::Claude,
        Vendor::Codex => RemoteVendor::Codex,
    };
    if args.claude_home.is_some() && vendor != RemoteVendor::Claude {
        return Err(CliError::usage("--claude-home is Claude's").hint("--account DIR"));
    }
    let (profile, account) = match (args.account, args.claude_home) {
        (Some(account), _) if !is_path(&account) => (Some(account), None),
        (Some(account), _) => (None, Some(PathBuf::from(account))),
        (None, home) => (None, home),
    };
    // what the shell here says would be forgotten at a restart, so it is asked for by name
    let variable = if vendor == RemoteVendor::Codex { "CODEX_HOME" } else { "CLAUDE_CONFIG_DIR" };
    let of_shell = || environment.text(variable).filter(|_| local).map(PathBuf::from);
    let account = match (&profile, account) {
        (None, None) => of_shell(),
        (Some(_), account) | (None, account) => account,
    };
    let account = account.map(|path| place(settings, path)).transpose()?.flatten();
    let remote = RemoteParams {
        vendor,
        mode: if args.interactive { RemoteMode::Interactive } else { RemoteMode::Server },
        profile,
        account,
        name: args.name,
        spawn: args.spawn.map(|spawn| match spawn {
            Spawn::SameDir => RemoteSpawn::SameDir,
            Spawn::Worktree => RemoteSpawn::Worktree,
            Spawn::Session => RemoteSpawn::Session,
        }),
        capacity: args.capacity,
        args: args.argv,
        strip: args.strip,
        restart: if args.restart { RemoteRestart::OnFailure } else { RemoteRestart::Never },
        anyway: args.anyway,
    };
    // the same decision as the relay's, without a round trip
    let program = [vendor.word().to_owned()];
    quarterdeck_agents::remote::command::argv(&remote, &program)
        .map_err(|error| CliError::new(Kind::Usage, error.to_string()).hint("qd rc --help"))?;
    Ok(CreateParams {
        request_id: Some(run::request_id()?),
        cwd: match args.cwd {
            Some(given) => place(settings, given)?,
            None => run::cwd(None, environment, local)?,
        },
        client_env: if local { environment.for_session() } else { Default::default() },
        label: args.label,
        size: if args.attach { terminal::size() } else { None },
        keep: args.keep,
        remote_control: Some(remote),
        ..CreateParams::default()
    })
}

/// What names a directory, and not a profile.
fn is_path(text: &str) -> bool {
    text.contains('/') || text.starts_with(['~', '.'])
}

/// A directory as the relay gets it; its own user's `~` is the relay's to expand.
fn place(settings: &Settings, given: PathBuf) -> Result<Option<String>, CliError> {
    let local = settings.is_local() && !given.starts_with("~");
    run::cwd(Some(given), &settings.environment, local)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rc_account_takes_a_profile_or_a_path() {
        for path in ["/x", "~/x", "./x", "~", ".claude-work", "a/b"] {
            assert!(is_path(path), "{path}");
        }
        for profile in ["work", "claude", "my_work-2"] {
            assert!(!is_path(profile), "{profile}");
        }
    }
}
