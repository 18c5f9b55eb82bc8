//! What a connection has to send: answers first, then channels in turn.
//!
//! Channels queue nothing here. A mark says "look at this channel"; the writer then pulls from the
//! channel's cursor. So a slow peer costs one mark per channel.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use quarterdeck_protocol::{
    frame::InputState,
    ids::{Channel, InputNumber},
};
use tokio::sync::Notify;

/// Marks and messages for a connection's writer; any task may add some.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    inner: Mutex<Inner>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    /// Answers and notices. Bounded by the requests in flight and the inputs of open windows, which
    /// the reader limits.
    control: VecDeque<Control>,
    /// Channels that may have something, each at most once, in the order of their turns.
    ready: VecDeque<Channel>,
    /// The view of sessions changed.
    view_changed: bool,
}

/// A message that does not come from a channel's cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Control {
    /// A JSON text.
    Text(String),
    /// How far an input has come.
    Ack {
        /// The attachment.
        channel: Channel,
        /// The input.
        n: InputNumber,
        /// Its state.
        state: InputState,
    },
    /// A frame of a tunnel, as far as its credit goes.
    Frame(Bytes),
    /// Ask the peer for a sign of life.
    Ping,
    /// The session ended an attachment.
    Detached {
        /// The attachment.
        channel: Channel,
        /// Why.
        why: &'static str,
    },
}

/// What to send next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// This message.
    Control(Control),
    /// Look whether the sessions' view changed.
    View,
    /// Something from this channel; `shared` when another channel waits too.
    Channel {
        /// Which.
        channel: Channel,
        /// Whether another one waits.
        shared: bool,
    },
}

impl Outbox {
    /// Queues a message.
    pub(crate) fn push(&self, message: Control) {
        let mut inner = self.lock();
        if let (
            Control::Ack { channel, n, state },
            Some(Control::Ack { channel: c, n: last, state: s }),
        ) = (&message, inner.control.back_mut())
            && c == channel
            && s == state
            && *state == InputState::Applied
        {
            // applied is cumulative
            *last = (*last).max(*n);
            return;
        }
        inner.control.push_back(message);
        drop(inner);
        self.wake.notify_one();
    }

    /// Marks a channel: it may have something to send.
    pub(crate) fn wake_channel(&self, channel: Channel) {
        let mut inner = self.lock();
        if inner.ready.contains(&channel) {
            return;
        }
        inner.ready.push_back(channel);
        drop(inner);
        self.wake.notify_one();
    }

    /// Marks the view of sessions as changed.
    pub(crate) fn wake_view(&self) {
        self.lock().view_changed = true;
        self.wake.notify_one();
    }

    /// Messages that wait, channels and the view not counted.
    pub(crate) fn waiting(&self) -> usize {
        self.lock().control.len()
    }

    /// What to send next; `None` when there is nothing.
    pub(crate) fn next_turn(&self) -> Option<Turn> {
        let mut inner = self.lock();
        if let Some(message) = inner.control.pop_front() {
            return Some(Turn::Control(message));
        }
        if std::mem::take(&mut inner.view_changed) {
            return Some(Turn::View);
        }
        let channel = inner.ready.pop_front()?;
        Some(Turn::Channel { channel, shared: !inner.ready.is_empty() })
    }

    /// Returns when something was added since the last call.
    pub(crate) async fn changed(&self) {
        self.wake.notified().await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_go_first_and_channels_take_turns() {
        let outbox = Outbox::default();
        for channel in [1, 2, 1] {
            outbox.wake_channel(Channel(channel));
        }
        outbox.push(Control::Text("a".into()));
        assert_eq!(outbox.next_turn(), Some(Turn::Control(Control::Text("a".into()))));
        assert_eq!(outbox.next_turn(), Some(Turn::Channel { channel: Channel(1), shared: true }));
        outbox.wake_channel(Channel(1));
        assert_eq!(outbox.next_turn(), Some(Turn::Channel { channel: Channel(2), shared: true }));
        assert_eq!(outbox.next_turn(), Some(Turn::Channel { channel: Channel(1), shared: false }));
        assert_eq!(outbox.next_turn(), None);
    }

    #[test]
    fn acknowledgements_of_applied_inputs_are_one_message() {
        let outbox = Outbox::default();
        let ack = |n, state| Control::Ack { channel: Channel(1), n: InputNumber(n), state };
        outbox.push(ack(1, InputState::Applied));
        outbox.push(ack(2, InputState::Applied));
        outbox.push(ack(3, InputState::Rejected));
        assert_eq!(outbox.next_turn(), Some(Turn::Control(ack(2, InputState::Applied))));
        assert_eq!(outbox.next_turn(), Some(Turn::Control(ack(3, InputState::Rejected))));
    }
}
