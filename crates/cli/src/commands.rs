//! One file per command. A command takes the settings and its own flags, and gives an exit code.

pub(crate) mod attach;
pub(crate) mod completions;
pub(crate) mod daemon;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod down;
pub(crate) mod gc;
pub(crate) mod hooks;
pub(crate) mod hub;
pub(crate) mod instances;
pub(crate) mod join;
pub(crate) mod lease;
pub(crate) mod line;
pub(crate) mod logs;
pub(crate) mod ls;
pub(crate) mod machine;
pub(crate) mod mcp;
pub(crate) mod msg;
pub(crate) mod prompts;
pub(crate) mod rc;
pub(crate) mod relay;
pub(crate) mod rename;
pub(crate) mod resume;
pub(crate) mod rm;
pub(crate) mod run;
pub(crate) mod send;
pub(crate) mod service;
pub(crate) mod signal;
pub(crate) mod status;
pub(crate) mod stop;
pub(crate) mod token;
pub(crate) mod up;
pub(crate) mod upload;
pub(crate) mod usage;
pub(crate) mod wait;

pub(crate) use relay::holder_zygote;

use crate::{Exit, args::Command, config::Settings, error::CliError, picker};

/// Runs a command.
pub(crate) async fn dispatch(
    settings: Settings,
    command: Option<Command>,
) -> Result<Exit, CliError> {
    let Some(command) = command else { return picker::run(&settings).await };
    match command {
        Command::Run(args) => run::run(&settings, args).await,
        Command::Ls(args) => ls::run(&settings, &args).await,
        Command::Attach(args) => attach::run(&settings, args).await,
        Command::Send(args) => send::run(&settings, args).await,
        Command::Logs(args) => logs::run(&settings, &args).await,
        Command::Diff(args) => diff::run(&settings, args).await,
        Command::Upload(args) => upload::run(&settings, args).await,
        Command::Wait(args) => wait::run(&settings, &args).await,
        Command::Stop(args) => stop::run(&settings, &args).await,
        Command::Rm(args) => rm::run(&settings, &args).await,
        Command::Rename(args) => rename::run(&settings, args).await,
        Command::Resume(args) => resume::run(&settings, args).await,
        Command::Rc(args) => rc::run(&settings, args).await,
        Command::Prompts(args) => prompts::run(&settings, args).await,
        Command::Lease(command) => lease::run(&settings, command).await,
        Command::Msg(args) => msg::run(&settings, args).await,
        Command::Mcp(args) => mcp::run(settings, args).await,
        Command::Signal(args) => signal::run(&settings, &args).await,
        Command::Relay(args) => relay::run(&settings, args).await,
        Command::Up(args) => up::run(&settings, args).await,
        Command::Hub(args) => hub::run(&settings, args).await,
        Command::Join(args) => join::run(&settings, args).await,
        Command::Machine(command) => machine::run(&settings, command).await,
        Command::Service(command) => service::run(&settings, command).await,
        Command::Status(StatusArgs {}) => status::run(&settings).await,
        Command::Down(DownArgs {}) => down::run(&settings).await,
        Command::Instances(InstancesArgs {}) => instances::run(&settings),
        Command::Token(command) => token::run(&settings, command).await,
        Command::Hooks(args) => hooks::run(&settings, args).await,
        Command::Gc(args) => gc::run(&settings, &args).await,
        Command::Doctor(DoctorArgs {}) => doctor::run(&settings).await,
        Command::Completions(args) => completions::run(settings.output, &args),
        Command::HolderZygote => Err(CliError::usage("holder-zygote must be the first word")),
    }
}

use doctor::DoctorArgs;
use down::DownArgs;
use instances::InstancesArgs;
use status::StatusArgs;
