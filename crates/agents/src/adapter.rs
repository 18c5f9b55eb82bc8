//! The seam between the fold and the vendors: [`Protocol`], one implementation per file.
//!
//! An adapter is told every line of the log, in both directions, and remembers only what the lines
//! say. What it writes is a function of that memory: asking twice gives the same lines, and a
//! restarted relay asks for the same ones.

use alloc::{string::String, vec::Vec};

use quarterdeck_protocol::agent::{
    AgentCommand, AgentStart, ContentBlock, Features, Origin, PromptAnswer, Vendor,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{acp::Acp, claude::Claude, codex::Codex, sidecar::Sidecar, step::Steps};

/// A message on its way to an agent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    /// Its id in the vendor's lines: a UUID.
    pub(crate) wire_id: &'a str,
    /// Its pieces.
    pub(crate) content: &'a [ContentBlock],
    /// Whose it is: vendors that know of peers are told when it is another agent's.
    pub(crate) origin: &'a Origin,
}

/// Lines that the protocol itself demands now.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Due {
    /// What they are for, unique while the program lives.
    pub(crate) key: String,
    /// The lines.
    pub(crate) lines: Vec<Value>,
}

/// A prompt's question and its answer, as an adapter needs them to write a line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reply<'a> {
    /// The vendor's id of the request.
    pub(crate) vendor_id: &'a str,
    /// What the adapter kept with the question.
    pub(crate) kept: &'a Value,
    /// The answer; one that was offered.
    pub(crate) answer: &'a PromptAnswer,
}

/// One vendor's protocol.
pub(crate) trait Protocol {
    /// The program was started anew: what belonged to the old one is gone.
    fn handle_process_start(&mut self);
    /// A line from the agent; `line` is its text.
    fn handle_out(&mut self, message: &Value, line: &str, steps: &mut Steps);
    /// A line to the agent.
    fn handle_in(&mut self, message: &Value, steps: &mut Steps);
    /// A command was taken; for vendors that have no line for it.
    fn handle_command(&mut self, _command: &AgentCommand, _steps: &mut Steps) {}
    /// What must be written before anything else can go on.
    fn poll_due(&self, start: &AgentStart) -> Option<Due>;
    /// Whether a message can begin a turn now, if none runs.
    fn is_ready(&self) -> bool;
    /// Whether the conversation could not be opened; an error has told why.
    fn is_stalled(&self) -> bool {
        false
    }
    /// What the agent can do.
    fn features(&self) -> Features;
    /// Lines that begin a turn.
    fn message(&self, message: &Message<'_>, start: &AgentStart) -> Vec<Value>;
    /// Lines that put a message into the running turn; `None` when there is no such thing.
    fn steer(&self, _message: &Message<'_>) -> Option<Vec<Value>> {
        None
    }
    /// Lines that stop the running turn; `None` when there is no such thing.
    fn interrupt(&self, wire_id: &str) -> Option<Vec<Value>>;
    /// Lines that change the mode; `None` when it is none of the agent's.
    fn set_mode(&self, wire_id: &str, mode: &str) -> Option<Vec<Value>>;
    /// Lines that change the model; `None` when it is none of the agent's.
    fn set_model(&self, wire_id: &str, model: &str) -> Option<Vec<Value>>;
    /// The line that answers a question; `None` when the answer has no form here.
    fn reply(&self, reply: &Reply<'_>) -> Option<Value>;
}

/// All vendors.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "vendor", rename_all = "snake_case")]
pub(crate) enum Adapter {
    Claude(Claude),
    Codex(Codex),
    Acp(Acp),
    Sidecar(Sidecar),
    /// A vendor of a newer version: its lines are shown, nothing is written.
    Unknown(Unknown),
}

impl Adapter {
    pub(crate) fn new(vendor: Vendor) -> Self {
        match vendor {
            Vendor::Claude => Self::Claude(Claude::default()),
            Vendor::Codex => Self::Codex(Codex::default()),
            Vendor::Acp => Self::Acp(Acp::default()),
            Vendor::Sidecar => Self::Sidecar(Sidecar::default()),
            Vendor::Unknown => Self::Unknown(Unknown {}),
        }
    }
    pub(crate) const fn vendor(&self) -> Vendor {
        match self {
            Self::Claude(_) => Vendor::Claude,
            Self::Codex(_) => Vendor::Codex,
            Self::Acp(_) => Vendor::Acp,
            Self::Sidecar(_) => Vendor::Sidecar,
            Self::Unknown(_) => Vendor::Unknown,
        }
    }
    pub(crate) fn protocol(&self) -> &dyn Protocol {
        match self {
            Self::Claude(it) => it,
            Self::Codex(it) => it,
            Self::Acp(it) => it,
            Self::Sidecar(it) => it,
            Self::Unknown(it) => it,
        }
    }
    pub(crate) fn protocol_mut(&mut self) -> &mut dyn Protocol {
        match self {
            Self::Claude(it) => it,
            Self::Codex(it) => it,
            Self::Acp(it) => it,
            Self::Sidecar(it) => it,
            Self::Unknown(it) => it,
        }
    }
}

/// A vendor of a newer version.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Unknown {}

impl Protocol for Unknown {
    fn handle_process_start(&mut self) {}
    fn handle_out(&mut self, _message: &Value, line: &str, steps: &mut Steps) {
        steps.raw("unknown vendor", line);
    }
    fn handle_in(&mut self, _message: &Value, _steps: &mut Steps) {}
    fn poll_due(&self, _start: &AgentStart) -> Option<Due> {
        None
    }
    fn is_ready(&self) -> bool {
        false
    }
    fn features(&self) -> Features {
        Features::default()
    }
    fn message(&self, _message: &Message<'_>, _start: &AgentStart) -> Vec<Value> {
        Vec::new()
    }
    fn interrupt(&self, _wire_id: &str) -> Option<Vec<Value>> {
        None
    }
    fn set_mode(&self, _wire_id: &str, _mode: &str) -> Option<Vec<Value>> {
        None
    }
    fn set_model(&self, _wire_id: &str, _model: &str) -> Option<Vec<Value>> {
        None
    }
    fn reply(&self, _reply: &Reply<'_>) -> Option<Value> {
        None
    }
}
