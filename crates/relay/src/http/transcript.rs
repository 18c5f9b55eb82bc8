//! Events become the messages of a conversation: what its user and its agent said, without tools, thoughts
//! and sub-agents.

use std::collections::{BTreeMap, VecDeque};

use quarterdeck_protocol::{
    agent::{AgentEvent, ContentBlock, EventId, Update},
    http::{Message, Messages, Role},
    limits::{MAX_MESSAGE_TEXT_BYTES, MAX_MESSAGES_BYTES},
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Messages of one record that can be told apart by their ids.
const MESSAGES_PER_RECORD: u64 = 256;
/// Messages that are being written at once; more are taken for ended.
const MAX_OPEN: usize = 16;

/// The messages so far, as far as they are kept.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    messages: BTreeMap<u64, Message>,
    /// Messages that may grow, by the agent's id of them; the oldest first in `order`.
    open: BTreeMap<String, u64>,
    order: VecDeque<String>,
    bytes: usize,
    /// Some are not there any more.
    earlier: bool,
    /// The record that began the newest message, and how many it has begun.
    newest: (u64, u64),
}

impl Transcript {
    /// Adds an event; the message that is new or has grown.
    pub(super) fn handle(&mut self, event: &AgentEvent) -> Option<u64> {
        if let Update::MessageEnded { message_id } = &event.update {
            self.close(&format!("agent {message_id}"));
        }
        let (id, role, content) = spoken(&event.update)?;
        let text = match content {
            ContentBlock::Text { text } => text.clone(),
            ContentBlock::Image { mime_type, .. } => format!("[{mime_type}]"),
            ContentBlock::ResourceLink { uri, .. } => format!("[{uri}]"),
            ContentBlock::Unknown => return None,
        };
        let number = match self.open.get(&id) {
            Some(number) => *number,
            None => self.begin(id, role, event),
        };
        let message = self.messages.get_mut(&number)?;
        // the parts of what a person sends are lines
        let joint = if role == Role::User && !message.content.is_empty() { "\n" } else { "" };
        let room = MAX_MESSAGE_TEXT_BYTES.saturating_sub(message.content.len());
        let added = joint.len() + text.len();
        if room == 0 {
            return None;
        }
        message.content.push_str(joint);
        message.content.push_str(&text[..text.floor_char_boundary(room)]);
        if added > room {
            message.content.push_str("\n[the rest is in the log]");
        }
        self.bytes += added.min(room);
        Some(number)
    }

    fn begin(&mut self, id: String, role: Role, event: &AgentEvent) -> u64 {
        let EventId { seq, .. } = event.id;
        let count = if self.newest.0 == seq.0 { self.newest.1 } else { 0 };
        self.newest = (seq.0, count + 1);
        let number = seq.0.saturating_mul(MESSAGES_PER_RECORD) + count.min(MESSAGES_PER_RECORD - 1);
        let time = rfc3339(event.at_micros);
        self.messages.insert(number, Message { id: number, content: String::new(), role, time });
        self.order.push_back(id.clone());
        self.open.insert(id, number);
        if self.open.len() > MAX_OPEN
            && let Some(oldest) = self.order.pop_front()
        {
            self.open.remove(&oldest);
        }
        number
    }

    fn close(&mut self, id: &str) {
        if self.open.remove(id).is_some() {
            self.order.retain(|open| open != id);
        }
    }

    /// A message that is there.
    pub(super) fn message(&self, id: u64) -> Option<&Message> {
        self.messages.get(&id)
    }

    /// Bytes of all that are there.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Drops the oldest beyond what one answer has room for.
    pub(super) fn shrink(&mut self) {
        while self.bytes > MAX_MESSAGES_BYTES {
            let Some((_, message)) = self.messages.pop_first() else { return };
            self.bytes -= message.content.len().min(self.bytes);
            self.earlier = true;
        }
    }

    /// Forgets messages that will not grow any more.
    pub(super) fn forget_ended(&mut self) {
        let open: Vec<u64> = self.open.values().copied().collect();
        self.messages.retain(|id, _| open.contains(id));
        self.bytes = self.messages.values().map(|message| message.content.len()).sum();
    }

    /// Events before the first one are not in the log any more.
    pub(super) fn note_missing(&mut self) {
        self.earlier = true;
    }

    /// All that are there.
    pub(super) fn into_messages(self) -> Messages {
        Messages { messages: self.messages.into_values().collect(), earlier: self.earlier }
    }
}

/// Who says what in which message, where anybody does.
fn spoken(update: &Update) -> Option<(String, Role, &ContentBlock)> {
    if let Update::UserMessageChunk { message_id, content, .. } = update {
        return Some((format!("user {message_id}"), Role::User, content));
    }
    if let Update::AgentMessageChunk { message_id, parent_tool_call_id: None, content } = update {
        return Some((format!("agent {message_id}"), Role::Agent, content));
    }
    None
}

/// A wall clock's time as people and programs write it.
pub(crate) fn rfc3339(micros: u64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1000);
    time.ok().and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarterdeck_protocol::{agent::Origin, ids::Seq};

    fn event(seq: u64, index: u32, update: Update) -> AgentEvent {
        let id = EventId { seq: Seq(seq), index };
        AgentEvent { id, at_micros: 1_763_683_200_000_000, turn: None, update }
    }

    fn said(message_id: &str, text: &str) -> Update {
        Update::AgentMessageChunk {
            message_id: message_id.into(),
            parent_tool_call_id: None,
            content: ContentBlock::Text { text: text.into() },
        }
    }

    fn asked(content: ContentBlock) -> Update {
        Update::UserMessageChunk { message_id: "u".into(), origin: Origin::SelfStarted, content }
    }

    #[test]
    fn chunks_become_messages_in_the_order_in_which_they_began() {
        let mut transcript = Transcript::default();
        let text = |text: &str| ContentBlock::Text { text: text.into() };
        transcript.handle(&event(3, 0, asked(text("look"))));
        let image = ContentBlock::Image { mime_type: "image/png".into(), data: String::new() };
        transcript.handle(&event(3, 1, asked(image)));
        assert_eq!(transcript.handle(&event(5, 0, said("a", "one "))), Some(5 * 256));
        assert_eq!(transcript.handle(&event(5, 1, said("b", "two"))), Some(5 * 256 + 1));
        assert_eq!(transcript.handle(&event(6, 0, said("a", "more"))), Some(5 * 256));
        let messages = transcript.into_messages().messages;
        let shown: Vec<(u64, &str)> =
            messages.iter().map(|it| (it.id, it.content.as_str())).collect();
        assert_eq!(shown, [(768, "look\n[image/png]"), (1280, "one more"), (1281, "two")]);
        assert_eq!(messages[0].time, "2025-11-21T00:00:00Z");
    }

    #[test]
    fn sub_agents_and_thoughts_are_no_messages() {
        let mut transcript = Transcript::default();
        let content = ContentBlock::Text { text: "x".into() };
        let sub = Update::AgentMessageChunk {
            message_id: "m".into(),
            parent_tool_call_id: Some("t".into()),
            content: content.clone(),
        };
        let thought = Update::AgentThoughtChunk {
            message_id: "m".into(),
            parent_tool_call_id: None,
            content,
        };
        assert_eq!(transcript.handle(&event(1, 0, sub)), None);
        assert_eq!(transcript.handle(&event(2, 0, thought)), None);
    }

    #[test]
    fn of_too_much_the_newest_is_kept_and_a_long_message_says_that_there_is_more() {
        let mut transcript = Transcript::default();
        let long = "x".repeat(MAX_MESSAGE_TEXT_BYTES + 1);
        for n in 0..10 {
            transcript.handle(&event(n, 0, said(&n.to_string(), &long)));
            assert_eq!(transcript.handle(&event(n, 1, said(&n.to_string(), "more"))), None);
            transcript.shrink();
        }
        let Messages { messages, earlier } = transcript.into_messages();
        assert!(earlier);
        assert_eq!(messages.last().map(|it| it.id), Some(9 * 256));
        assert!(messages[0].content.ends_with("[the rest is in the log]"));
        assert!(messages.len() <= 8, "{}", messages.len());
    }
}
