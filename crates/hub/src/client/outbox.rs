//! What waits for a client: answers first, then the view, then its channels in turn.
//!
//! A channel's queue is bounded by its credit: the relay sends no more than the client's window beyond
//! what was rendered. What has no credit (events, a screen) has a bound of its own. Adding never waits, so
//! a link is read on however slow a viewer is; one that exceeds its bound is told so, and its channel
//! ends.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use axum::extract::ws::Message;
use quarterdeck_protocol::ids::Channel;
use tokio::sync::Notify;

use crate::limits::{CHANNEL_SLACK_BYTES, MAX_CONTROL_BYTES};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    inner: Mutex<Inner>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    control: VecDeque<Message>,
    control_bytes: usize,
    channels: BTreeMap<Channel, Queue>,
    /// Channels with something to send, each once, in the order of their turns.
    ready: VecDeque<Channel>,
    view_changed: bool,
    state: State,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    /// Answers are not read: the client is to be disconnected.
    Overflowed,
    /// The client has gone.
    Closed,
}

#[derive(Debug, Default)]
struct Queue {
    messages: VecDeque<Message>,
    bytes: usize,
    limit_bytes: usize,
    /// Nothing more comes: it goes with its last message.
    finished: bool,
}

/// Whether a message was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// It was.
    Taken,
    /// The viewer is too slow; its channel is gone.
    TooSlow,
    /// The channel or the client is gone.
    Gone,
}

/// What to send next.
#[derive(Debug)]
pub(crate) enum Turn {
    /// This message.
    Message(Message),
    /// Look whether the view changed.
    View,
    /// The client does not read its answers.
    Overflowed,
}

impl Outbox {
    /// Queues an answer or a notice.
    pub(crate) fn push(&self, message: Message) {
        let mut inner = self.lock();
        if inner.state != State::Open {
            return;
        }
        inner.control_bytes += size(&message);
        inner.control.push_back(message);
        if inner.control_bytes > MAX_CONTROL_BYTES {
            inner.state = State::Overflowed;
            inner.control.clear();
        }
        drop(inner);
        self.wake.notify_one();
    }

    /// Opens a channel with a window of this many bytes. `Gone` when the client has gone.
    pub(crate) fn open(&self, channel: Channel, window_bytes: u64) -> Pushed {
        let mut inner = self.lock();
        if inner.state == State::Closed {
            return Pushed::Gone;
        }
        let window = usize::try_from(window_bytes).unwrap_or(usize::MAX);
        let limit_bytes = window.saturating_add(CHANNEL_SLACK_BYTES);
        inner.channels.insert(channel, Queue { limit_bytes, ..Queue::default() });
        Pushed::Taken
    }

    /// Queues what belongs to a channel.
    pub(crate) fn push_to(&self, channel: Channel, message: Message) -> Pushed {
        let mut inner = self.lock();
        let Some(queue) = inner.channels.get_mut(&channel) else { return Pushed::Gone };
        queue.bytes += size(&message);
        if queue.bytes > queue.limit_bytes {
            inner.channels.remove(&channel);
            return Pushed::TooSlow;
        }
        queue.messages.push_back(message);
        // one that has its turn has at least one message
        if queue.messages.len() == 1 {
            inner.ready.push_back(channel);
        }
        drop(inner);
        self.wake.notify_one();
        Pushed::Taken
    }

    /// Nothing more comes on a channel; what waits for it is still sent.
    pub(crate) fn finish(&self, channel: Channel) {
        let mut inner = self.lock();
        let Some(queue) = inner.channels.get_mut(&channel) else { return };
        queue.finished = true;
        if queue.messages.is_empty() {
            inner.channels.remove(&channel);
        }
    }

    /// Forgets a channel and what waits for it.
    pub(crate) fn close_channel(&self, channel: Channel) {
        self.lock().channels.remove(&channel);
    }

    /// Marks the view as changed.
    pub(crate) fn wake_view(&self) {
        self.lock().view_changed = true;
        self.wake.notify_one();
    }

    /// The client has gone: nothing is taken any more.
    pub(crate) fn close(&self) {
        let mut inner = self.lock();
        *inner = Inner { state: State::Closed, ..Inner::default() };
    }

    /// What to send next; `None` when there is nothing.
    pub(crate) fn next_turn(&self) -> Option<Turn> {
        let mut inner = self.lock();
        if inner.state == State::Overflowed {
            return Some(Turn::Overflowed);
        }
        if let Some(message) = inner.control.pop_front() {
            inner.control_bytes -= size(&message);
            return Some(Turn::Message(message));
        }
        if std::mem::take(&mut inner.view_changed) {
            return Some(Turn::View);
        }
        while let Some(channel) = inner.ready.pop_front() {
            // it may be closed meanwhile
            let Some(queue) = inner.channels.get_mut(&channel) else { continue };
            let Some(message) = queue.messages.pop_front() else { continue };
            queue.bytes -= size(&message);
            if !queue.messages.is_empty() {
                inner.ready.push_back(channel);
            } else if queue.finished {
                inner.channels.remove(&channel);
            }
            return Some(Turn::Message(message));
        }
        None
    }

    /// Returns when something was added since the last call.
    pub(crate) async fn changed(&self) {
        self.wake.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a message takes, with something for its place in the queue: many empty ones are not nothing.
fn size(message: &Message) -> usize {
    let body = match message {
        Message::Text(text) => text.len(),
        Message::Binary(bytes) | Message::Ping(bytes) | Message::Pong(bytes) => bytes.len(),
        Message::Close(_) => 0,
    };
    body + size_of::<Message>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Message {
        Message::Text(text.into())
    }
    fn next(outbox: &Outbox) -> String {
        match outbox.next_turn() {
            Some(Turn::Message(Message::Text(text))) => text.to_string(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn answers_go_first_and_channels_take_turns() {
        let outbox = Outbox::default();
        for channel in [1, 2] {
            outbox.open(Channel(channel), 1024);
        }
        for (channel, word) in [(1, "a1"), (1, "a2"), (2, "b1")] {
            assert_eq!(outbox.push_to(Channel(channel), text(word)), Pushed::Taken);
        }
        outbox.push(text("answer"));
        let order: Vec<_> = (0..4).map(|_| next(&outbox)).collect();
        assert_eq!(order, ["answer", "a1", "b1", "a2"]);
        assert!(outbox.next_turn().is_none());
    }

    #[test]
    fn a_slow_viewer_loses_its_channel_and_no_other_does() {
        let outbox = Outbox::default();
        outbox.open(Channel(1), 0);
        outbox.open(Channel(2), 0);
        let big = Message::Binary(vec![0; CHANNEL_SLACK_BYTES / 2].into());
        assert_eq!(outbox.push_to(Channel(1), big.clone()), Pushed::Taken);
        assert_eq!(outbox.push_to(Channel(1), big), Pushed::TooSlow);
        assert_eq!(outbox.push_to(Channel(1), text("late")), Pushed::Gone);
        assert_eq!(outbox.push_to(Channel(2), text("other")), Pushed::Taken);
        assert_eq!(next(&outbox), "other");
    }

    #[test]
    fn a_client_that_reads_no_answers_is_given_up() {
        let outbox = Outbox::default();
        for _ in 0..3 {
            outbox.push(Message::Binary(vec![0; MAX_CONTROL_BYTES / 2].into()));
        }
        assert!(matches!(outbox.next_turn(), Some(Turn::Overflowed)));
    }

    #[test]
    fn a_finished_channel_is_sent_to_its_end_and_then_forgotten() {
        let outbox = Outbox::default();
        outbox.open(Channel(1), 0);
        outbox.push_to(Channel(1), text("last"));
        outbox.finish(Channel(1));
        assert_eq!(next(&outbox), "last");
        assert_eq!(outbox.push_to(Channel(1), text("late")), Pushed::Gone);
        outbox.open(Channel(2), 0);
        outbox.finish(Channel(2));
        assert!(outbox.lock().channels.is_empty());
    }

    #[test]
    fn nothing_is_kept_for_a_client_that_has_gone() {
        let outbox = Outbox::default();
        outbox.open(Channel(1), 0);
        outbox.close();
        assert_eq!(outbox.push_to(Channel(1), text("x")), Pushed::Gone);
        assert_eq!(outbox.open(Channel(2), 0), Pushed::Gone);
        outbox.push(text("x"));
        assert!(outbox.next_turn().is_none());
    }
}
