//! The prompt ledger: `open → answered → applied`, or answered elsewhere, withdrawn, expired, lost.

use alloc::{borrow::ToOwned as _, boxed::Box, collections::VecDeque, string::String, vec::Vec};

use quarterdeck_protocol::{
    agent::{Answered, OptionKind, Prompt, PromptAnswer, PromptId, PromptState},
    ids::Incarnation,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    limits::{MAX_OPEN_PROMPTS, MAX_SETTLED_PROMPTS},
    step::Resolution,
};

/// All prompts that matter: those that are not settled, and the latest that are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ledger {
    /// Oldest first.
    entries: Vec<Entry>,
    /// The latest last.
    settled: VecDeque<(PromptId, PromptState)>,
}

/// A prompt that is not settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) prompt: Prompt,
    pub(super) asker: Asker,
    /// The line that answers it was written.
    written: bool,
}

/// Who asked, and what it takes to answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asker {
    /// Which start of the program asked; with the vendor's id it is the vendor's key of the prompt.
    pub(super) incarnation: Incarnation,
    pub(super) vendor_id: String,
    pub(super) tool_call_id: Option<String>,
    /// What the adapter kept.
    pub(super) reply: Value,
}

/// A state change, to be told.
pub(super) type Change = (PromptId, PromptState);

/// What an answer that was taken means for the rest.
pub(super) struct Taken {
    pub(super) state: PromptState,
    pub(super) tool_call_id: Option<String>,
    pub(super) is_rejection: bool,
}

impl Ledger {
    /// Whether a human is asked.
    pub(super) fn waits(&self) -> bool {
        self.entries.iter().any(|entry| entry.prompt.state == PromptState::Open)
    }

    pub(super) fn prompts(&self) -> impl Iterator<Item = &Prompt> {
        self.entries.iter().map(|entry| &entry.prompt)
    }

    pub(super) fn entry(&self, id: PromptId) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.prompt.id == id)
    }

    /// The state of a settled prompt, while it is remembered.
    pub(super) fn settled(&self, id: PromptId) -> Option<&PromptState> {
        self.settled.iter().rev().find(|(known, _)| *known == id).map(|(_, state)| state)
    }

    /// Whether the vendor's request is a prompt that is not settled.
    pub(super) fn knows(&self, incarnation: Incarnation, vendor_id: &str) -> bool {
        self.find(incarnation, vendor_id).is_some()
    }

    /// Adds a prompt; the oldest is withdrawn when there are too many.
    pub(super) fn open(&mut self, prompt: Prompt, asker: Asker) -> Option<Change> {
        let full = self.entries.len() >= MAX_OPEN_PROMPTS;
        let withdrawn = full.then(|| self.settle(0, PromptState::Withdrawn));
        self.entries.push(Entry { prompt, asker, written: false });
        withdrawn
    }

    /// An answer is recorded. The first one stands.
    pub(super) fn answer(&mut self, id: PromptId, answered: Answered) -> Option<Taken> {
        let entry = self.entries.iter_mut().find(|entry| entry.prompt.id == id)?;
        if entry.prompt.state != PromptState::Open {
            return None;
        }
        let is_rejection = match &answered.answer {
            PromptAnswer::Option { option_id } => {
                let kind = entry.prompt.ask.option(option_id).map(|option| option.kind);
                matches!(kind, Some(OptionKind::RejectOnce | OptionKind::RejectAlways))
            }
            PromptAnswer::Deny { .. } | PromptAnswer::Decline => true,
            PromptAnswer::EditedInput { .. } | PromptAnswer::Form { .. } => false,
        };
        entry.prompt.state = PromptState::Answered { answered: Box::new(answered) };
        Some(Taken {
            state: entry.prompt.state.clone(),
            tool_call_id: entry.asker.tool_call_id.clone(),
            is_rejection,
        })
    }

    /// The vendor, or a line to it, settles a request.
    pub(super) fn resolve(
        &mut self,
        incarnation: Incarnation,
        vendor_id: &str,
        how: Resolution,
    ) -> Option<Change> {
        let at = self.find(incarnation, vendor_id)?;
        let entry = &mut self.entries[at];
        let applied = applied(&entry.prompt.state);
        let state = match how {
            Resolution::Written => {
                entry.written = true;
                return None;
            }
            Resolution::WrittenForGood => applied.unwrap_or(PromptState::Withdrawn),
            Resolution::Confirmed => applied.unwrap_or(PromptState::AnsweredElsewhere),
            Resolution::Withdrawn => PromptState::Withdrawn,
        };
        Some(self.settle(at, state))
    }

    /// Nobody answered in time; `false` when somebody did.
    pub(super) fn expire(&mut self, id: PromptId) -> bool {
        let open = |entry: &Entry| entry.prompt.id == id && entry.prompt.state == PromptState::Open;
        let Some(at) = self.entries.iter().position(open) else { return false };
        self.settle(at, PromptState::Expired);
        true
    }

    /// The turn has ended: its agent waits for nothing more, but for tool calls that go on.
    pub(super) fn end_turn(&mut self, outlives: &dyn Fn(&str) -> bool) -> Vec<Change> {
        self.settle_all(|entry| {
            let goes_on = entry.asker.tool_call_id.as_deref().is_some_and(outlives);
            let applied = applied(&entry.prompt.state).filter(|_| entry.written);
            (!goes_on).then(|| applied.unwrap_or(PromptState::Withdrawn))
        })
    }

    /// The program has ended.
    pub(super) fn lose(&mut self) -> Vec<Change> {
        self.settle_all(|entry| {
            let answered = entry.prompt.state.answered().cloned().map(Box::new);
            Some(PromptState::Lost { answered })
        })
    }

    fn settle_all(&mut self, state: impl Fn(&Entry) -> Option<PromptState>) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut at = 0;
        while at < self.entries.len() {
            match state(&self.entries[at]) {
                Some(state) => changes.push(self.settle(at, state)),
                None => at += 1,
            }
        }
        changes
    }

    fn settle(&mut self, at: usize, state: PromptState) -> Change {
        let entry = self.entries.remove(at);
        if self.settled.len() >= MAX_SETTLED_PROMPTS {
            self.settled.pop_front();
        }
        self.settled.push_back((entry.prompt.id, state.clone()));
        (entry.prompt.id, state)
    }

    fn find(&self, incarnation: Incarnation, vendor_id: &str) -> Option<usize> {
        self.entries.iter().position(|entry| {
            entry.asker.incarnation == incarnation && entry.asker.vendor_id == vendor_id
        })
    }
}

fn applied(state: &PromptState) -> Option<PromptState> {
    let answered = Box::new(state.answered()?.to_owned());
    Some(PromptState::Applied { answered })
}
