//! What can be typed: `qd [GLOBAL] COMMAND …`. The flags of a command stand in its own file.

use clap::{Parser, Subcommand};

use crate::{commands, config::GlobalArgs};

/// Terminals and coding agents that outlive every connection.
#[derive(Debug, Parser)]
#[command(
    name = "qd",
    version,
    disable_help_subcommand = true,
    after_help = "Without a command, on a terminal: pick a session. \
                  A session is named by its label, its id or a unique prefix of its id; one of another \
                  machine is MACHINE/SESSION.\n\
                  Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 ambiguous, 5 not owner, \
                  6 forbidden, 7 unreachable, 8 already running, 9 timeout, 10 ended."
)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Every command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a session, a terminal or a coding agent, and attach to it
    #[command(after_help = "Examples:\n  \
        qd run                                     a login shell\n  \
        qd run -l build -- make -j8                a program, with a label\n  \
        qd run --agent claude \"fix the tests\"     a coding agent; y or n answers what it asks\n  \
        qd run --agent codex --wait \"fix them\"    the same for a script, to the end of its turn\n\
        What agents ask is answered from anywhere: qd prompts, qd prompts allow SESSION.")]
    Run(commands::run::RunArgs),
    /// List the sessions
    Ls(commands::ls::LsArgs),
    /// Attach to a session; without a name, to the last one
    Attach(commands::attach::AttachArgs),
    /// Type text into a session, or send an agent a message, without attaching
    Send(commands::send::SendArgs),
    /// Print what a session has put out
    Logs(commands::logs::LogsArgs),
    /// Show what changed where a session works, as git sees it
    Diff(commands::diff::DiffArgs),
    /// Put files where a session's program can read them
    Upload(commands::upload::UploadArgs),
    /// Wait for a session's end, or until it is idle
    Wait(commands::wait::WaitArgs),
    /// End the programs of sessions
    Stop(commands::stop::StopArgs),
    /// Delete ended sessions with their logs
    Rm(commands::rm::RmArgs),
    /// Change a session's label
    Rename(commands::rename::RenameArgs),
    /// Start the program of an ended or lost session again
    Resume(commands::resume::ResumeArgs),
    /// Start a vendor's own Remote Control, so that its app steers an agent here
    #[command(
        visible_alias = "remote-control",
        after_help = "Examples:\n  \
            qd rc                            Claude's, in this directory; prints its address and QR code\n  \
            qd rc --check                    only what stands in the way, and what to type\n  \
            qd rc --account ~/.claude-work   with another account\n  \
            qd rc --agent codex              Codex's"
    )]
    Rc(commands::rc::RcArgs),
    /// Show what agents ask, and answer it
    #[command(
        after_help = "A prompt is named by its id, or by a session that asks only one thing:\n  \
        qd prompts                       what is asked, with the options and their rules\n  \
        qd prompts allow claude:1        yes, this time\n  \
        qd prompts deny claude:1 why     no, with a reason for the agent\n  \
        qd prompts answer claude:1 2     the second option; for a question VALUE or FIELD=VALUE"
    )]
    Prompts(commands::prompts::PromptsArgs),
    /// Ask for, hand over, release or take a session
    #[command(subcommand)]
    Lease(commands::lease::LeaseCommand),
    /// Write to agents and people, and read what they write
    Msg(commands::msg::MsgArgs),
    /// Serve the tools by which an agent writes to others (started by agents)
    Mcp(commands::mcp::McpArgs),
    /// Send a signal to a session's program
    Signal(commands::signal::SignalArgs),
    /// Serve this machine's sessions
    Relay(commands::relay::RelayArgs),
    /// Start this machine's hub and relay, and say where they are
    Up(commands::up::UpArgs),
    /// Only the hub
    Hub(commands::hub::HubArgs),
    /// Have this machine's relay dial a hub that cannot reach it
    Join(commands::join::JoinArgs),
    /// Add, list, rename and remove the hub's machines
    #[command(subcommand)]
    Machine(commands::machine::MachineCommand),
    /// Have the relay run from boot on, as a service of the user's own
    #[command(subcommand)]
    Service(commands::service::ServiceCommand),
    /// Show what runs
    Status(commands::status::StatusArgs),
    /// List the instances on this machine
    Instances(commands::instances::InstancesArgs),
    /// Stop the relay; its sessions live on
    Down(commands::down::DownArgs),
    /// Make, list, rotate and revoke bearer tokens
    #[command(subcommand)]
    Token(commands::token::TokenCommand),
    /// Show what is told to programs outside, or try it
    Hooks(commands::hooks::HooksArgs),
    /// Remove old logs
    Gc(commands::gc::GcArgs),
    /// Find out what is wrong, and what would not survive
    Doctor(commands::doctor::DoctorArgs),
    /// Print a completion script for a shell
    Completions(commands::completions::CompletionsArgs),
    /// Fork the holders of sessions (started by a relay)
    #[command(hide = true)]
    HolderZygote,
}

#[cfg(test)]
mod reference;
