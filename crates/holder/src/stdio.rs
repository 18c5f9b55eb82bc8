//! What the program's standard streams are: a terminal, or an agent's pipes.

use std::sync::Arc;

use rustix::process::Pid;

use crate::{shared::Shared, terminal::Terminal};

/// The program's standard streams as the control thread sees them.
pub(crate) enum Stdio {
    /// A terminal; typed into by the control thread.
    Terminal(Arc<Terminal>),
    /// Pipes. The thread that owns the log owns them too: a line is recorded before it is written.
    Pipes {
        /// The program: leader of its own group.
        leader: Pid,
        /// The way to that thread.
        shared: Arc<Shared>,
    },
}

impl Stdio {
    /// The program: leader of its own group.
    pub(crate) fn leader(&self) -> Pid {
        match self {
            Self::Terminal(terminal) => terminal.leader(),
            Self::Pipes { leader, .. } => *leader,
        }
    }

    /// The terminal, if it is one.
    pub(crate) fn terminal(&self) -> Option<&Arc<Terminal>> {
        match self {
            Self::Terminal(terminal) => Some(terminal),
            Self::Pipes { .. } => None,
        }
    }

    /// The process group that reads the terminal.
    pub(crate) fn foreground(&self) -> Option<Pid> {
        self.terminal()?.foreground()
    }
}
