//! What is told: one event with its words.

use quarterdeck_agents::plain;
use quarterdeck_core::news::TurnEnd;
use quarterdeck_protocol::{
    agent::{Prompt, PromptId, StopReason},
    ids::{Label, MachineId, SessionId},
    method::HookEvent,
};
use serde::Serialize;

/// Keys by which events are told once.
pub mod key {
    use super::{MachineId, PromptId, SessionId};

    /// Of a prompt.
    #[must_use]
    pub fn prompt(prompt: PromptId) -> String {
        format!("prompt:{prompt}")
    }
    /// Of the end of a turn.
    #[must_use]
    pub fn turn(session: SessionId, turn: u64) -> String {
        format!("turn:{session}.{turn}")
    }
    /// Of a machine's absence.
    #[must_use]
    pub fn machine(machine: MachineId) -> String {
        format!("machine:{machine}")
    }
    /// The session of a key, if it has one.
    #[must_use]
    pub fn session(key: &str) -> Option<SessionId> {
        let (kind, rest) = key.split_once(':')?;
        let of_session = matches!(kind, "prompt" | "turn");
        rest.split('.').next().filter(|_| of_session)?.parse().ok()
    }
}

/// The machine, as its hub or its relay calls it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AtMachine {
    /// Its id at the hub.
    #[serde(rename = "id", skip_serializing_if = "Option::is_none")]
    pub machine: Option<MachineId>,
    /// Its name.
    pub label: String,
}

/// The session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InSession {
    /// Its id.
    #[serde(rename = "id")]
    pub session: SessionId,
    /// Its label.
    pub label: Label,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum What {
    /// A human is asked.
    Prompt {
        /// The prompt.
        prompt: PromptWords,
    },
    /// A turn has ended.
    Turn {
        /// The turn.
        turn: TurnWords,
    },
    /// The machine is away.
    Machine {
        /// Since when, in microseconds since 1970, if it was ever there.
        unreachable_since: Option<u64>,
    },
    /// Somebody tries the hook.
    Test {},
}

/// A prompt, as far as it is told outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PromptWords {
    /// Its id.
    pub id: PromptId,
    /// One line for people.
    pub title: String,
}

/// A turn, as far as it is told outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TurnWords {
    /// Its number.
    pub number: u64,
    /// Why it ended.
    pub stop_reason: StopReason,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// Its key.
    pub id: String,
    /// When it happened, in microseconds since 1970.
    pub at: u64,
    /// Where.
    pub machine: AtMachine,
    /// In which session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<InSession>,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

impl Notice {
    /// A human is asked.
    #[must_use]
    pub fn prompt(machine: AtMachine, label: Label, prompt: &Prompt) -> Self {
        Self {
            id: key::prompt(prompt.id),
            at: prompt.asked_at_micros,
            machine: machine.plain(),
            session: Some(InSession { session: prompt.id.session, label }),
            what: What::Prompt {
                prompt: PromptWords { id: prompt.id, title: plain::title(&prompt.title) },
            },
        }
    }
    /// A turn has ended.
    #[must_use]
    pub fn turn(machine: AtMachine, label: Label, end: &TurnEnd) -> Self {
        Self {
            id: key::turn(end.session, end.turn),
            at: end.at,
            machine: machine.plain(),
            session: Some(InSession { session: end.session, label }),
            what: What::Turn { turn: TurnWords { number: end.turn, stop_reason: end.stop_reason } },
        }
    }
    /// A machine is away.
    #[must_use]
    pub fn machine(machine: MachineId, label: &str, since: Option<u64>, at: u64) -> Self {
        let machine = AtMachine { machine: Some(machine), label: label.to_owned() }.plain();
        let id = machine.machine.map(key::machine).unwrap_or_default();
        Self { id, at, machine, session: None, what: What::Machine { unreachable_since: since } }
    }
    /// Somebody tries the hook.
    #[must_use]
    pub fn test(machine: AtMachine, at: u64) -> Self {
        let machine = machine.plain();
        Self { id: format!("test:{at}"), at, machine, session: None, what: What::Test {} }
    }

    /// What it is, unless it is a test.
    #[must_use]
    pub const fn event(&self) -> Option<HookEvent> {
        match self.what {
            What::Prompt { .. } => Some(HookEvent::PromptOpened),
            What::Turn { .. } => Some(HookEvent::TurnEnded),
            What::Machine { .. } => Some(HookEvent::MachineUnreachable),
            What::Test {} => None,
        }
    }
    /// The word of the event.
    #[must_use]
    pub fn word(&self) -> &'static str {
        self.event().map_or("test", HookEvent::word)
    }

    /// A heading and a line for people.
    #[must_use]
    pub fn words(&self) -> (String, String) {
        let machine = &self.machine.label;
        let who = self.session.as_ref().map_or("", |session| session.label.as_str());
        match &self.what {
            What::Prompt { prompt } => (format!("{who} on {machine} asks"), prompt.title.clone()),
            What::Turn { turn } => {
                let said = match turn.stop_reason {
                    StopReason::EndTurn => "its turn has ended",
                    StopReason::MaxTokens | StopReason::MaxTurnRequests => {
                        "its turn has ended at a limit"
                    }
                    StopReason::Refusal => "the model refused",
                    StopReason::Cancelled => "its turn was stopped",
                    StopReason::Error => "its turn has failed",
                    StopReason::AgentExit => "the agent has ended",
                    StopReason::Unknown => "its turn is over",
                };
                (format!("{who} on {machine}"), said.to_owned())
            }
            What::Machine { .. } => (
                format!("{machine} cannot be reached"),
                "its sessions go on; the hub tries again by itself".to_owned(),
            ),
            What::Test {} => ("Quarterdeck".to_owned(), format!("a test from {machine}")),
        }
    }

    /// Where a notification leads.
    #[must_use]
    pub fn click(&self, public_url: Option<&str>) -> Option<String> {
        let page = public_url?;
        Some(match &self.session {
            Some(session) => format!("{page}/#session={}", session.session),
            None => format!("{page}/"),
        })
    }
}

impl AtMachine {
    fn plain(self) -> Self {
        Self { label: plain::title(&self.label), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_leads_back_to_its_session() {
        let session = SessionId::from_bytes([7; 10]);
        assert_eq!(key::session(&key::turn(session, 3)), Some(session));
        let prompt: PromptId = format!("{session}.12").parse().expect("an id");
        assert_eq!(key::session(&key::prompt(prompt)), Some(session));
        assert_eq!(key::session(&key::machine(MachineId::from_bytes([1; 8]))), None);
    }

    #[test]
    fn names_that_others_gave_lose_what_cannot_be_seen() {
        let machine = AtMachine { machine: None, label: "de\u{1b}[31mv\u{202e}\n".into() };
        let notice = Notice::test(machine, 1);
        assert_eq!(notice.machine.label, "dev");
        assert_eq!(notice.words().1, "a test from dev");
    }
}
