//! What a client sees of a conversation.

use quarterdeck_agents::Conversation;
use quarterdeck_protocol::agent::{
    AgentError, AgentEvent, ContentBlock, ConversationView, MessageState, PromptId, PromptState,
    StopReason, ToolCall, ToolStatus, Update,
};

use quarterdeck_protocol::record::{Record, RecordKind};

use super::{Talk, session_id};
use crate::processes::contains;

impl Talk {
    /// What the conversation adds up to.
    #[must_use]
    pub fn view(&self) -> ConversationView {
        self.fold.view()
    }

    /// How many lines of the agent hold this text; for what has no event, such as a receipt.
    #[must_use]
    pub fn lines_with(&self, text: &str) -> usize {
        self.lines().filter(|line| contains(line, text.as_bytes())).count()
    }

    /// How many lines of the agent have more bytes than this.
    #[must_use]
    pub fn lines_above(&self, bytes: usize) -> usize {
        self.lines().filter(|line| line.len() > bytes).count()
    }

    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let from_agent = |record: &&Record| record.header.kind == RecordKind::VendorOut;
        self.log.iter().filter(from_agent).map(|record| &*record.payload)
    }

    /// All events so far.
    #[must_use]
    pub fn events(&self) -> &[AgentEvent] {
        &self.events
    }

    /// All that can be read off the events in some way, oldest first.
    pub fn all<T>(&self, read: impl Fn(&Update) -> Option<T>) -> Vec<T> {
        self.events.iter().filter_map(|event| read(&event.update)).collect()
    }

    /// The newest that can be read off the events in some way.
    pub fn newest<T>(&self, read: impl Fn(&Update) -> Option<T>) -> Option<T> {
        self.events.iter().rev().find_map(|event| read(&event.update))
    }

    /// How the turns ended, in order.
    #[must_use]
    pub fn endings(&self) -> Vec<StopReason> {
        self.all(|update| {
            let Update::TurnEnded { stop_reason, .. } = update else { return None };
            Some(*stop_reason)
        })
    }

    /// All that the agent said.
    #[must_use]
    pub fn said(&self) -> String {
        self.all(|update| {
            let Update::AgentMessageChunk { content, .. } = update else { return None };
            text(content)
        })
        .concat()
    }

    /// All that it thought.
    #[must_use]
    pub fn thought(&self) -> String {
        self.all(|update| {
            let Update::AgentThoughtChunk { content, .. } = update else { return None };
            text(content)
        })
        .concat()
    }

    /// Everything that was told of tool calls, oldest first.
    #[must_use]
    pub fn tool_calls(&self) -> Vec<ToolCall> {
        self.all(|update| {
            let (Update::ToolCall(call) | Update::ToolCallUpdate(call)) = update else {
                return None;
            };
            Some((**call).clone())
        })
    }

    /// Every status that was told of a tool call.
    #[must_use]
    pub fn statuses(&self, id: &str) -> Vec<ToolStatus> {
        let calls = self.tool_calls();
        let own = calls.iter().filter(|call| call.tool_call_id == id);
        own.filter_map(|call| call.status).collect()
    }

    /// The latest state of a prompt that was told.
    ///
    /// # Panics
    /// When nothing was told.
    #[must_use]
    pub fn prompt_state(&self, id: PromptId) -> PromptState {
        let state = self.newest(|update| {
            if let Update::PromptOpened { prompt } = update {
                return (prompt.id == id).then(|| prompt.state.clone());
            }
            let Update::PromptUpdate { prompt, state } = update else { return None };
            (*prompt == id).then(|| state.clone())
        });
        state.expect("the prompt was told of")
    }

    /// What was told of a message last.
    #[must_use]
    pub fn message_state(&self, key: &str) -> Option<MessageState> {
        self.newest(|update| {
            let Update::MessageUpdate { message_id, state } = update else { return None };
            (message_id == key).then_some(*state)
        })
    }

    /// The newest error, of a turn or outside any.
    #[must_use]
    pub fn last_error(&self) -> Option<AgentError> {
        self.newest(|update| {
            let (Update::TurnEnded { error: Some(error), .. } | Update::Error { error }) = update
            else {
                return None;
            };
            Some(error.clone())
        })
    }

    /// What must hold of every log: a second fold of it tells the same, and every turn begins and ends
    /// once.
    ///
    /// # Panics
    /// When it does not.
    pub fn check(&self) {
        let mut again = Conversation::new(session_id(), self.vendor);
        let mut events = Vec::new();
        for record in &self.log {
            again.apply_record(record);
            events.extend(std::iter::from_fn(|| again.poll_event()));
        }
        assert_eq!(events, self.events);
        assert_eq!(again.view(), self.fold.view());
        let mut running = false;
        for event in &self.events {
            if let Update::TurnStarted { .. } = event.update {
                assert!(!std::mem::replace(&mut running, true), "a turn begins in a turn");
            }
            if let Update::TurnEnded { .. } = event.update {
                assert!(std::mem::replace(&mut running, false), "no turn ends twice");
            }
        }
    }
}

fn text(content: &ContentBlock) -> Option<String> {
    let ContentBlock::Text { text } = content else { return None };
    Some(text.clone())
}
