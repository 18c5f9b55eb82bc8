//! The `qd` command: one binary for a relay, its sessions' holders, and whoever steers them.
//!
//! - [`args`]: what can be typed; [`addressing`]: which machine is meant; [`config`]: what follows from flags, environment and files;
//! - [`commands`]: one file per command; [`attach`]: a session in the local terminal; [`picker`]:
//!   `qd` alone;
//! - [`agent`]: an agent's conversation in the local terminal;
//! - [`connection`]: the way to a relay; [`background`]: starting one; [`watch`]: waiting on its view;
//! - [`output`]: the only place that prints; [`error`]: kinds of failure and their exit codes.
//!
//! Deliberately not here: what a relay does (`quarterdeck-relay`) and how bytes get to one
//! (`quarterdeck-transport`).

mod addressing;
mod agent;
mod args;
mod asciicast;
mod attach;
mod background;
mod commands;
mod config;
mod connection;
mod error;
mod output;
mod picker;
mod sys;
mod watch;

use std::{process::ExitCode, time::Duration};

use clap::Parser;

use args::{Args, Command};
use config::{Environment, FileConfig, Settings};
use error::{CliError, Kind};
use output::Output;

/// How long background work may delay the end of the process; a blocked read of standard input would
/// delay it for ever.
const LAST_WORK_LIMIT: Duration = Duration::from_millis(200);

/// The exit code of a command that did what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exit(u8);

impl Exit {
    /// All is well.
    pub(crate) const OK: Self = Self(0);
    /// The code of a program that ran.
    pub(crate) const fn code(code: u8) -> Self {
        Self(code)
    }
}

fn main() -> ExitCode {
    // a zygote is forked from: nothing may have started a thread before
    if std::env::args_os().nth(1).is_some_and(|word| word == "holder-zygote") {
        return commands::holder_zygote();
    }
    let environment = Environment::capture();
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return usage_error(&error, &environment),
    };
    let early = config::early_output(&args.global, &environment);
    let (output, ended) = match prepare(&args, environment, early) {
        Ok(Prepared::Answered(exit)) => (early, Ok(exit)),
        Ok(Prepared::ToRun(settings)) => {
            let (output, mut command) = (settings.output, args.command);
            let settled = addressing::settle(*settings, &mut command);
            (output, settled.and_then(|settings| run(settings, command)))
        }
        Err(error) => (early, Err(error)),
    };
    match ended {
        Ok(Exit(code)) => ExitCode::from(code),
        Err(error) => {
            output.error(&error);
            ExitCode::from(error.kind.exit_code())
        }
    }
}

/// What is left to do once the settings are known.
enum Prepared {
    /// Nothing: the command needs no settings.
    Answered(Exit),
    /// The command.
    ToRun(Box<Settings>),
}

fn prepare(args: &Args, environment: Environment, early: Output) -> Result<Prepared, CliError> {
    if let Some(Command::Completions(args)) = &args.command {
        return commands::completions::run(early, args).map(Prepared::Answered);
    }
    let file = FileConfig::load(&environment)?;
    let settings = Settings::resolve(&args.global, environment, &file)?;
    Ok(Prepared::ToRun(Box::new(settings)))
}

fn run(settings: Settings, command: Option<Command>) -> Result<Exit, CliError> {
    attach::terminal::restore_on_panic();
    let runtime = runtime(command.as_ref())?;
    let ended = runtime.block_on(commands::dispatch(settings, command));
    runtime.shutdown_timeout(LAST_WORK_LIMIT);
    ended
}

/// A relay uses all processors. Everything else is one connection, or a hub: a switch, which passes on what
/// came without waking another thread.
fn runtime(command: Option<&Command>) -> Result<tokio::runtime::Runtime, CliError> {
    let mut builder = match command {
        Some(Command::Relay(args)) if args.serves() => tokio::runtime::Builder::new_multi_thread(),
        Some(_) | None => tokio::runtime::Builder::new_current_thread(),
    };
    builder
        .enable_all()
        .build()
        .map_err(|error| CliError::new(Kind::Failed, "cannot start the runtime").caused_by(&error))
}

/// Help and version are answers; anything else that does not parse is an error of our own form.
fn usage_error(error: &clap::Error, environment: &Environment) -> ExitCode {
    let json = std::env::args_os().any(|word| word == "--json");
    let global = config::GlobalArgs { json, ..config::GlobalArgs::default() };
    let output = config::early_output(&global, environment);
    if !error.use_stderr() {
        let rendered = error.render();
        let styled = output.styles() != output::style::Styles::PLAIN;
        let text = if styled { rendered.ansi().to_string() } else { rendered.to_string() };
        return match output.bytes(text.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => ExitCode::from(error.kind.exit_code()),
        };
    }
    let failure = commands::usage::explain(error);
    output.error(&failure);
    ExitCode::from(failure.kind.exit_code())
}
