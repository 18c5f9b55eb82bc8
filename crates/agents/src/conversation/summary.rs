//! What listings show of a conversation, without a copy of the whole view.

use quarterdeck_protocol::agent::{Prompt, PromptState, Vendor};

use super::Conversation;

impl Conversation {
    /// Which protocol the agent speaks.
    #[must_use]
    pub const fn vendor(&self) -> Vendor {
        self.adapter.vendor()
    }
    /// The vendor's own id of the conversation, once known.
    #[must_use]
    pub fn vendor_session(&self) -> Option<&str> {
        self.known.vendor_session.as_deref()
    }
    /// The vendor's own id of the conversation: the one that it told, else the one that its start chose.
    #[must_use]
    pub fn vendor_session_to_resume(&self) -> Option<&str> {
        self.vendor_session().or(self.known.chosen_session.as_deref())
    }
    /// The model, once known.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.known.model.as_deref()
    }
    /// The mode, once known.
    #[must_use]
    pub fn mode(&self) -> Option<&str> {
        self.known.mode.as_deref()
    }
    /// Whether a turn has ended by itself: before that the vendor may have written nothing down.
    #[must_use]
    pub const fn has_finished_turn(&self) -> bool {
        self.has_finished_turn
    }
    /// Turns so far.
    #[must_use]
    pub const fn turns(&self) -> u64 {
        self.turns
    }
    /// Prompts that are not settled, oldest first.
    pub fn prompts(&self) -> impl Iterator<Item = &Prompt> {
        self.ledger.prompts()
    }
    /// Prompts that are open.
    #[must_use]
    pub fn open_prompts(&self) -> usize {
        self.prompts().filter(|prompt| prompt.state == PromptState::Open).count()
    }
    /// Messages that wait.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.messages.len()
    }
}
