//! Why a session is not started, and what the caller can do about it.

use std::{io, path::PathBuf};

use quarterdeck_agents::remote::command::CommandError;
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    limits::MAX_TERMINAL_CELLS_PER_SIDE,
};

/// A ceiling that cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCeiling {
    /// A root that is not absolute.
    #[error("ceiling: cwd_roots has {0:?}, which is not an absolute path")]
    Root(PathBuf),
    /// A command that is neither a name nor an absolute path.
    #[error("ceiling: commands has {0:?}, which is neither a name nor an absolute path")]
    Command(String),
    /// A pattern that no name of a variable fits.
    #[error("ceiling: env_deny has {0:?}, which is neither a name nor a prefix ending in *")]
    Variable(String),
}

/// Why a session is not started. What the caller sent is quoted with its control characters escaped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The ceiling has no terminals.
    #[error("this relay starts no terminals")]
    TerminalsOff,
    /// The ceiling's or the product's bound on live sessions.
    #[error("this relay runs at most {limit} sessions at a time")]
    TooManySessions {
        /// The bound.
        limit: usize,
    },
    /// The ceiling's list of commands has another idea.
    #[error("this relay does not start {command:?}")]
    Command {
        /// As it was asked for.
        command: String,
    },
    /// Nobody knows such an agent.
    #[error("there is no agent {name:?}")]
    UnknownAgent {
        /// As it was asked for.
        name: String,
    },
    /// The ceiling's list of agents has another idea.
    #[error("this relay does not start the agent {name:?}")]
    Agent {
        /// As it was asked for.
        name: String,
    },
    /// The ceiling's list of models has another idea.
    #[error("this relay starts no agent with the model {model:?}")]
    Model {
        /// As it was asked for.
        model: String,
    },
    /// The agent would ask nobody.
    #[error("in the mode {mode:?} an agent asks nobody, which this relay does not allow")]
    Unsupervised {
        /// As it was asked for.
        mode: String,
    },
    /// The vendor has no Remote Control that is known here.
    #[error("the agent {name:?} has no Remote Control")]
    NoRemoteControl {
        /// As it was asked for.
        name: String,
    },
    /// A command line of Remote Control that cannot be.
    #[error("{error}")]
    RemoteCommand {
        /// Why.
        error: CommandError,
    },
    /// Words or an account of the caller's, where only listed commands may run.
    #[error("this relay starts Remote Control only as its configuration has it")]
    RemoteWords,
    /// Both an agent and a command line.
    #[error("an agent has no command line of the caller's")]
    AgentWithCommand,
    /// The directory is not under one of the ceiling's roots.
    #[error("this relay starts no session in {asked:?}")]
    OutsideRoots {
        /// As it was asked for.
        asked: String,
    },
    /// The directory is relative: to what, only the client knows.
    #[error("the directory {asked:?} is not absolute")]
    RelativeDirectory {
        /// As it was asked for.
        asked: String,
    },
    /// A shell's `~` was not expanded by a shell.
    #[error("\"~\" is a shell's word for a home directory and means nothing here")]
    HomeShorthand,
    /// The directory cannot be used.
    #[error("cannot start in {asked:?}: {kind}")]
    Directory {
        /// As it was asked for.
        asked: String,
        /// What the system says.
        kind: io::ErrorKind,
    },
    /// Something is longer than anything that makes sense.
    #[error("{what}: at most {limit}")]
    TooLong {
        /// What.
        what: &'static str,
        /// How much there may be.
        limit: usize,
    },
    /// A NUL byte would end a string early.
    #[error("a command line, a directory and variables cannot hold NUL")]
    Nul,
    /// The first word is empty.
    #[error("the command is empty")]
    EmptyCommand,
    /// A variable has no name, or one with `=`.
    #[error("a variable needs a name without \"=\"")]
    VariableName,
    /// The variable is the relay's to set.
    #[error("the variable {name:?} is set by the relay")]
    OwnVariable {
        /// Which.
        name: String,
    },
    /// No terminal has this size.
    #[error("a terminal of {cols}x{rows} cells is not possible")]
    Size {
        /// Columns.
        cols: u16,
        /// Rows.
        rows: u16,
    },
}

impl Refusal {
    /// The error for the caller, with what can be done.
    #[must_use]
    pub fn to_rpc(&self) -> RpcError {
        RpcError::new(self.code(), self.to_string()).hint(self.hint())
    }

    const fn code(&self) -> ErrorCode {
        match self {
            Self::TerminalsOff
            | Self::TooManySessions { .. }
            | Self::Command { .. }
            | Self::Agent { .. }
            | Self::Model { .. }
            | Self::Unsupervised { .. }
            | Self::RemoteWords
            | Self::OutsideRoots { .. } => ErrorCode::Ceiling,
            Self::RelativeDirectory { .. }
            | Self::HomeShorthand
            | Self::UnknownAgent { .. }
            | Self::AgentWithCommand
            | Self::NoRemoteControl { .. }
            | Self::RemoteCommand { .. }
            | Self::Directory { .. }
            | Self::TooLong { .. }
            | Self::Nul
            | Self::EmptyCommand
            | Self::VariableName
            | Self::OwnVariable { .. }
            | Self::Size { .. } => ErrorCode::InvalidParams,
        }
    }

    fn hint(&self) -> String {
        match self {
            Self::TerminalsOff => "its owner can set ceiling.terminals in config.toml".into(),
            Self::TooManySessions { .. } => {
                "stop a session, or raise ceiling.sessions in the relay's config.toml".into()
            }
            Self::Command { .. } => {
                "ceiling.commands in the relay's config.toml lists what is".into()
            }
            Self::UnknownAgent { .. } => {
                "claude, codex, opencode, gemini, acp:COMMAND, sidecar:COMMAND, or a name in the \
                 relay's config.toml under agents"
                    .into()
            }
            Self::Agent { .. } => "ceiling.agents in the relay's config.toml lists what is".into(),
            Self::Model { .. } => "ceiling.models in the relay's config.toml lists what is".into(),
            Self::Unsupervised { .. } => {
                "its owner can set ceiling.unsupervised in the relay's config.toml".into()
            }
            Self::NoRemoteControl { .. } => "claude, codex, or a profile of one of them".into(),
            Self::RemoteCommand { .. } => "qd rc --help".into(),
            Self::RemoteWords => {
                "name a profile: its owner can put an account and words into config.toml".into()
            }
            Self::AgentWithCommand => "leave out the words after --".into(),
            Self::OutsideRoots { .. } => {
                "ceiling.cwd_roots in the relay's config.toml lists where it does".into()
            }
            Self::RelativeDirectory { .. } | Self::HomeShorthand => {
                "give an absolute path of the relay's machine".into()
            }
            Self::Directory { .. } => "the path is one of the relay's machine".into(),
            Self::TooLong { .. } => "put long texts into a file".into(),
            Self::Nul | Self::VariableName => "check how the request was put together".into(),
            Self::EmptyCommand => "no words at all start a login shell".into(),
            Self::OwnVariable { .. } => "names that begin with QD_ are reserved".into(),
            Self::Size { .. } => format!("each side has 1 to {MAX_TERMINAL_CELLS_PER_SIDE} cells"),
        }
    }
}
