//! What the model does, as a test writes it.

use serde_json::Value;

use super::{Gate, ModelRequest};

/// One answer of the model.
#[derive(Debug, Clone)]
pub struct Reply {
    pub(super) outcome: Outcome,
    /// Only a request whose newest text of a user holds this gets it.
    only_for: Option<String>,
    is_endless: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// The model works.
    Answer { acts: Vec<Act>, tokens: Tokens },
    /// The service refuses.
    Refusal { status: u16, retry_after_secs: Option<u32> },
}

/// One thing that the model does.
#[derive(Debug, Clone)]
pub(super) enum Act {
    /// A piece of a thought; pieces that follow each other are one thought.
    Think(String),
    /// A piece of text; pieces that follow each other are one text.
    Say(String),
    /// A tool is called; a text as input is for tools that take no JSON.
    Call { name: String, input: Value },
    /// Nothing until the gate is open.
    Wait(Gate),
    /// The connection breaks.
    Cut,
}

/// What the model says it has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tokens {
    /// Read, those of the cache not counted.
    pub input: u64,
    /// Written.
    pub output: u64,
    /// Read from the cache.
    pub cached_read: u64,
}

impl Default for Tokens {
    fn default() -> Self {
        Self { input: 100, output: 20, cached_read: 1000 }
    }
}

impl Reply {
    fn answer(act: Act) -> Self {
        let outcome = Outcome::Answer { acts: vec![act], tokens: Tokens::default() };
        Self { outcome, only_for: None, is_endless: false }
    }

    /// An answer that begins with text.
    #[must_use]
    pub fn say(text: &str) -> Self {
        Self::answer(Act::Say(text.to_owned()))
    }

    /// An answer that begins with a thought.
    #[must_use]
    pub fn think(text: &str) -> Self {
        Self::answer(Act::Think(text.to_owned()))
    }

    /// An answer that begins with a tool's call.
    #[must_use]
    pub fn call(name: &str, input: Value) -> Self {
        Self::answer(Act::Call { name: name.to_owned(), input })
    }

    /// An answer that waits before anything else.
    #[must_use]
    pub fn wait(gate: &Gate) -> Self {
        Self::answer(Act::Wait(gate.clone()))
    }

    /// A refusal by the service, with an HTTP status.
    #[must_use]
    pub const fn error(status: u16) -> Self {
        let outcome = Outcome::Refusal { status, retry_after_secs: None };
        Self { outcome, only_for: None, is_endless: false }
    }

    /// More text.
    #[must_use]
    pub fn then_say(self, text: &str) -> Self {
        self.and(Act::Say(text.to_owned()))
    }

    /// Another tool's call.
    #[must_use]
    pub fn then_call(self, name: &str, input: Value) -> Self {
        self.and(Act::Call { name: name.to_owned(), input })
    }

    /// Nothing more until the gate is open.
    #[must_use]
    pub fn then_wait(self, gate: &Gate) -> Self {
        self.and(Act::Wait(gate.clone()))
    }

    /// What another answer does, in the same one.
    #[must_use]
    pub fn followed_by(mut self, next: Self) -> Self {
        if let (Outcome::Answer { acts, .. }, Outcome::Answer { acts: more, .. }) =
            (&mut self.outcome, next.outcome)
        {
            acts.extend(more);
        }
        self
    }

    /// The connection breaks here.
    #[must_use]
    pub fn then_cut(self) -> Self {
        self.and(Act::Cut)
    }

    /// What it has used.
    #[must_use]
    pub fn using(mut self, used: Tokens) -> Self {
        if let Outcome::Answer { tokens, .. } = &mut self.outcome {
            *tokens = used;
        }
        self
    }

    /// The service names a time after which to come again.
    #[must_use]
    pub fn retry_after(mut self, secs: u32) -> Self {
        if let Outcome::Refusal { retry_after_secs, .. } = &mut self.outcome {
            *retry_after_secs = Some(secs);
        }
        self
    }

    /// Only for a request whose newest text of a user holds this; others get the next in the script.
    #[must_use]
    pub fn only_for(mut self, text: &str) -> Self {
        self.only_for = Some(text.to_owned());
        self
    }

    /// It is never used up.
    #[must_use]
    pub const fn endless(mut self) -> Self {
        self.is_endless = true;
        self
    }

    fn and(mut self, act: Act) -> Self {
        if let Outcome::Answer { acts, .. } = &mut self.outcome {
            acts.push(act);
        }
        self
    }

    pub(super) const fn is_endless(&self) -> bool {
        self.is_endless
    }

    pub(super) fn is_for(&self, request: &ModelRequest) -> bool {
        self.only_for.as_ref().is_none_or(|text| request.last_user_text().contains(text.as_str()))
    }
}
