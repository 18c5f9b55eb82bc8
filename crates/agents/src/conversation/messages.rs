//! Messages on their way to the agent.

use alloc::{borrow::ToOwned as _, collections::VecDeque, string::String, vec::Vec};

use quarterdeck_protocol::agent::{ContentBlock, Delivery, Origin, QueuedMessage};
use serde::{Deserialize, Serialize};

use crate::{
    adapter::Message,
    limits::{MAX_MESSAGE_BYTES, MAX_QUEUE, MAX_TABLE},
    plain,
};

/// Messages that wait, and those that were written but did not begin their turn yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Messages {
    /// Next one first.
    queue: VecDeque<Waiting>,
    /// Recorded to be steered; written in the same operation.
    steering: Vec<Waiting>,
    /// Written, the latest last.
    written: VecDeque<Written>,
    /// Keys of commands, the latest last: a command is taken once.
    keys: VecDeque<String>,
}

/// A message that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Waiting {
    pub(super) key: String,
    pub(super) wire_id: String,
    pub(super) origin: Origin,
    pub(super) content: Vec<ContentBlock>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Written {
    key: String,
    wire_id: String,
    origin: Origin,
    /// Kept until the agent has taken it.
    content: Option<Vec<ContentBlock>>,
}

/// A message that was just written.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) key: String,
    pub(super) origin: Origin,
    /// Its pieces for people; images without their bytes.
    pub(super) shown: Vec<ContentBlock>,
}

impl Messages {
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether a message of this size may wait too.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        let waiting: usize = self.queue.iter().map(|message| size(&message.content)).sum();
        self.queue.len() < MAX_QUEUE && waiting + bytes <= MAX_MESSAGE_BYTES
    }

    pub(super) fn knows_key(&self, key: &str) -> bool {
        self.keys.iter().any(|known| known == key)
    }

    pub(super) fn waits(&self, key: &str) -> bool {
        self.queue.iter().any(|message| message.key == key)
    }

    /// Remembers a command's key; `false` when it was taken before.
    pub(super) fn take_key(&mut self, key: &str) -> bool {
        if self.knows_key(key) {
            return false;
        }
        if self.keys.len() >= MAX_TABLE {
            self.keys.pop_front();
        }
        self.keys.push_back(key.to_owned());
        true
    }

    /// Adds a message; whether it waits.
    pub(super) fn add(&mut self, message: Waiting, delivery: Delivery) -> bool {
        match delivery {
            Delivery::Queue => self.queue.push_back(message),
            Delivery::Interrupt => self.queue.push_front(message),
            Delivery::Steer => {
                self.steering.push(message);
                if self.steering.len() > MAX_TABLE {
                    self.steering.remove(0);
                }
                return false;
            }
        }
        true
    }

    pub(super) fn withdraw(&mut self, key: &str) -> bool {
        let before = self.queue.len();
        self.queue.retain(|message| message.key != key);
        self.queue.len() < before
    }

    /// The message that is written next.
    pub(super) fn front(&self) -> Option<(&str, Message<'_>)> {
        let Waiting { key, wire_id, origin, content } = self.queue.front()?;
        Some((key, Message { wire_id, content, origin }))
    }

    /// A line with this wire id was written.
    pub(super) fn sent(&mut self, wire_id: &str) -> Option<Sent> {
        let queued = self.queue.iter().position(|message| message.wire_id == wire_id);
        let steered = || self.steering.iter().position(|message| message.wire_id == wire_id);
        let Waiting { key, wire_id, origin, content } = match queued {
            Some(at) => self.queue.remove(at)?,
            None => steered().map(|at| self.steering.remove(at))?,
        };
        let sent = Sent { key: key.clone(), origin: origin.clone(), shown: shown(&content) };
        if self.written.len() >= MAX_TABLE {
            self.written.pop_front();
        }
        self.written.push_back(Written { key, wire_id, origin, content: Some(content) });
        Some(sent)
    }

    /// The agent has the message for good.
    pub(super) fn taken(&mut self, wire_id: &str) {
        if let Some(written) = self.written.iter_mut().find(|it| it.wire_id == wire_id) {
            written.content = None;
        }
    }

    /// The agent did not take a steered message: it is the next one again. Its key.
    pub(super) fn put_back(&mut self, wire_id: &str) -> Option<String> {
        let at = self.written.iter().position(|it| it.wire_id == wire_id)?;
        let Written { key, wire_id, origin, content } = self.written.remove(at)?;
        self.queue.push_front(Waiting { key: key.clone(), wire_id, origin, content: content? });
        Some(key)
    }

    /// The message began a turn: its key and who wrote it.
    pub(super) fn began_turn(&mut self, wire_id: &str) -> Option<(String, Origin)> {
        let written = self.written.iter().find(|it| it.wire_id == wire_id)?;
        Some((written.key.clone(), written.origin.clone()))
    }

    /// The program ended: keys of written messages that it may or may not have taken. What waits
    /// stays.
    pub(super) fn handle_process_end(&mut self) -> Vec<String> {
        let written = self.written.drain(..).filter(|it| it.content.is_some()).map(|it| it.key);
        let steering = self.steering.drain(..).map(|it| it.key);
        written.chain(steering).collect()
    }

    pub(super) fn view(&self) -> Vec<QueuedMessage> {
        let message = |it: &Waiting| QueuedMessage {
            message_id: it.key.clone(),
            origin: it.origin.clone(),
            text: first_text(&it.content),
        };
        self.queue.iter().map(message).collect()
    }
}

/// Bytes of a message.
pub(super) fn size(content: &[ContentBlock]) -> usize {
    let size = |block: &ContentBlock| match block {
        ContentBlock::Text { text } => text.len(),
        ContentBlock::Image { mime_type, data } => mime_type.len() + data.len(),
        ContentBlock::ResourceLink { uri, name } => uri.len() + name.len(),
        ContentBlock::Unknown => 0,
    };
    content.iter().map(size).sum()
}

fn first_text(content: &[ContentBlock]) -> String {
    let text = |block: &ContentBlock| match block {
        ContentBlock::Text { text } => Some(plain::title(text)),
        ContentBlock::Image { .. } | ContentBlock::ResourceLink { .. } | ContentBlock::Unknown => {
            None
        }
    };
    content.iter().find_map(text).unwrap_or_default()
}

fn shown(content: &[ContentBlock]) -> Vec<ContentBlock> {
    let show = |block: &ContentBlock| match block {
        ContentBlock::Text { text } => ContentBlock::Text { text: plain::text(text) },
        ContentBlock::Image { mime_type, data: _ } => {
            ContentBlock::Image { mime_type: plain::title(mime_type), data: String::new() }
        }
        ContentBlock::ResourceLink { uri, name } => {
            ContentBlock::ResourceLink { uri: plain::text(uri), name: plain::title(name) }
        }
        ContentBlock::Unknown => ContentBlock::Unknown,
    };
    content.iter().map(show).collect()
}
