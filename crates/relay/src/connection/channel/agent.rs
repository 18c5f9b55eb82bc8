//! An attachment to an agent: the log's records become events on their way to the client.
//!
//! Each attachment folds for itself, so a slow one keeps a cursor and a fold and no queue, and one
//! that begins anywhere sees the same events with the same ids.

use quarterdeck_agents::Conversation;
use quarterdeck_holder::log::ReadError;
use quarterdeck_protocol::{
    agent::{AgentEvent, EventId},
    ids::Seq,
    record::{Record, RecordKind},
    rpc,
    session::{AgentEvents, notify},
};

use super::{ChannelStream, Peeked, Pulled, Told};

/// Bytes of records that one turn folds before others have theirs.
const FOLD_BYTES: usize = 128 * 1024;
/// What an event costs in a batch beside its texts.
const EVENT_COST_BYTES: usize = 64;

/// Where an attachment to an agent is.
#[derive(Debug)]
pub(crate) struct AgentFold {
    conversation: Box<Conversation>,
    /// Events up to this one are known to the client.
    after: Option<EventId>,
    /// An event that did not fit the last batch.
    waits: Option<AgentEvent>,
}

impl AgentFold {
    /// Goes on from a conversation; the client knows events up to `after`.
    pub(crate) fn new(conversation: Box<Conversation>, after: Option<EventId>) -> Self {
        Self { conversation, after, waits: None }
    }

    fn next_event(&mut self) -> Option<AgentEvent> {
        if self.waits.is_some() {
            return self.waits.take();
        }
        loop {
            let event = self.conversation.poll_event()?;
            if self.after.is_none_or(|after| event.id > after) {
                return Some(event);
            }
        }
    }
}

/// What stands next in an agent's log.
#[derive(Debug)]
pub(crate) enum Stepped {
    /// A record, and the events that it made.
    Record(Record, Vec<AgentEvent>),
    /// Records that are not there any more.
    Gap {
        /// The first one that is missing.
        from: Seq,
        /// The first one that is there.
        to: Seq,
    },
    /// Nothing yet.
    AtHead,
}

impl ChannelStream {
    /// Goes on by one record: for those who tell of an agent in a form of their own.
    pub(crate) fn step_agent(&mut self) -> Result<Stepped, ReadError> {
        let from = self.next;
        match self.peek()? {
            Peeked::Record(record) if record.header.at.seq > from => {
                let to = record.header.at.seq;
                self.next = to;
                self.current = Some(Peeked::Record(record));
                Ok(Stepped::Gap { from, to })
            }
            Peeked::Record(record) => {
                self.fold_record(&record);
                let fold = self.fold.as_mut();
                let events = fold.map(|fold| std::iter::from_fn(|| fold.next_event()).collect());
                Ok(Stepped::Record(record, events.unwrap_or_default()))
            }
            Peeked::Gap(_, to) => {
                self.next = to.max(from);
                Ok(Stepped::Gap { from, to })
            }
            Peeked::AtHead => Ok(Stepped::AtHead),
        }
    }

    /// The agent's conversation up to the cursor.
    pub(crate) fn conversation(&self) -> Option<&Conversation> {
        self.fold.as_ref().map(|fold| &*fold.conversation)
    }

    /// The record that comes next.
    pub(crate) const fn next(&self) -> Seq {
        self.next
    }

    /// The next events, in one notification of about `max` bytes.
    pub(super) fn pull_agent(&mut self, max: usize) -> Pulled {
        let mut events = Vec::new();
        let (mut bytes, mut folded) = (0, 0);
        loop {
            let Some(fold) = &mut self.fold else { return Pulled::Nothing };
            while let Some(event) = fold.next_event() {
                let size = size_of(&event);
                if !events.is_empty() && bytes + size > max {
                    fold.waits = Some(event);
                    return self.batch(events);
                }
                bytes += size;
                events.push(event);
            }
            if folded > FOLD_BYTES {
                return if events.is_empty() { Pulled::Later } else { self.batch(events) };
            }
            match self.peek() {
                Ok(Peeked::Record(record)) => {
                    // notes of an agent's session are its fold's business
                    let is_note = record.header.kind == RecordKind::Note;
                    let told = if is_note { Told::Nothing } else { self.tell(&record) };
                    if let Told::Event(text) = told {
                        if !events.is_empty() {
                            self.current = Some(Peeked::Record(record));
                            return self.batch(events);
                        }
                        self.fold_record(&record);
                        return Pulled::Text(text);
                    }
                    folded += record.payload.len() + EVENT_COST_BYTES;
                    self.fold_record(&record);
                }
                // what is missing shows in the events' ids; the fold goes on from a checkpoint
                Ok(Peeked::Gap(_, next)) => self.next = next,
                Ok(Peeked::AtHead) if events.is_empty() => return Pulled::Nothing,
                Ok(Peeked::AtHead) => return self.batch(events),
                Err(error) => return Pulled::Failed(error),
            }
        }
    }

    fn fold_record(&mut self, record: &Record) {
        self.next = record.header.at.seq.next();
        if let Some(fold) = &mut self.fold {
            fold.conversation.apply_record(record);
        }
    }

    fn batch(&self, events: Vec<AgentEvent>) -> Pulled {
        let events = AgentEvents { channel: self.channel, events };
        match rpc::notification(notify::AGENT_EVENTS, &events) {
            Ok(text) => Pulled::Text(text),
            Err(error) => {
                tracing::error!(%error, "events do not serialise");
                Pulled::Nothing
            }
        }
    }
}

/// About how many bytes an event is as JSON.
fn size_of(event: &AgentEvent) -> usize {
    let text = serde_json::to_string(event).map_or(0, |text| text.len());
    text + EVENT_COST_BYTES
}
