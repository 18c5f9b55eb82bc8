//! What waits for a client goes out in turns.

use std::sync::{Arc, atomic::Ordering};

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::{SinkExt as _, stream::SplitSink};

use super::{Asker, End, close, outbox::Turn};
use crate::limits::CLOSE_LIMIT;

/// Frames written before a flush, so that a flood does not hold back a keystroke's echo in a buffer.
const FRAMES_PER_FLUSH: usize = 4;

impl Asker {
    /// Writes what waits until the peer is gone.
    pub(super) async fn write(self: &Arc<Self>, sink: &mut SplitSink<WebSocket, Message>) -> End {
        loop {
            let (mut unflushed, mut more) = (0, false);
            while let Some(turn) = self.outbox.next_turn() {
                let messages = match turn {
                    Turn::Message(message) => vec![message],
                    Turn::View => self.view_messages(),
                    Turn::Overflowed => {
                        return End::Violation(close::POLICY, "answers were not read");
                    }
                };
                for message in messages {
                    // a ping that is only buffered proves nothing
                    let moves = !matches!(message, Message::Ping(_));
                    if sink.feed(message).await.is_err() {
                        return End::Peer;
                    }
                    self.moved.fetch_add(u64::from(moves), Ordering::Relaxed);
                    unflushed += 1;
                }
                if unflushed >= FRAMES_PER_FLUSH {
                    more = true;
                    break;
                }
            }
            if unflushed > 0 && sink.flush().await.is_err() {
                return End::Peer;
            }
            if more {
                // let the reader and the links have their turn
                tokio::task::yield_now().await;
            } else {
                self.outbox.changed().await;
            }
        }
    }

    /// Sends the answers that wait, then the close.
    pub(super) async fn say_goodbye(
        &self,
        sink: &mut SplitSink<WebSocket, Message>,
        frame: CloseFrame,
    ) {
        let sent = async {
            while let Some(Turn::Message(message)) = self.outbox.next_turn() {
                sink.feed(message).await?;
            }
            sink.send(Message::Close(Some(frame))).await
        };
        // the peer may be gone already
        let _: Result<Result<(), axum::Error>, _> = tokio::time::timeout(CLOSE_LIMIT, sent).await;
    }
}
