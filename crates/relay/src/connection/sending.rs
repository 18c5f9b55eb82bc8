//! What waits for a peer goes out in turns; the connection decides which messages a turn makes.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use axum::extract::ws::{CloseFrame, Message};
use futures_util::{
    SinkExt as _, StreamExt as _,
    future::BoxFuture,
    stream::{FuturesUnordered, SplitSink},
};

use super::{
    Socket,
    outbox::{Control, Outbox, Turn},
};

/// How long a peer may take to accept the close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Frames written before a flush, so that a flood does not hold back a keystroke's echo in a buffer.
const FRAMES_PER_FLUSH: usize = 4;

/// Something that was begun and is carried on beside the reading or the writing.
pub(crate) type Work = BoxFuture<'static, ()>;

/// Sends until the peer is gone, and counts in `moved` each message that shows that the link moves.
pub(crate) async fn send_turns(
    outbox: &Outbox,
    moved: &AtomicU64,
    sink: &mut SplitSink<impl Socket, Message>,
    mut messages_of: impl FnMut(Turn, &mut FuturesUnordered<Work>) -> Vec<Message>,
) {
    let mut work = FuturesUnordered::new();
    loop {
        let (mut unflushed, mut more) = (0, false);
        while let Some(turn) = outbox.next_turn() {
            for message in messages_of(turn, &mut work) {
                // a ping that is only buffered proves nothing
                let moves = !matches!(message, Message::Ping(_));
                if sink.feed(message).await.is_err() {
                    return;
                }
                moved.fetch_add(u64::from(moves), Ordering::Relaxed);
                unflushed += 1;
            }
            if unflushed >= FRAMES_PER_FLUSH {
                more = true;
                break;
            }
        }
        if unflushed > 0 && sink.flush().await.is_err() {
            return;
        }
        if more {
            // let the reader and the sessions have their turn
            tokio::task::yield_now().await;
            continue;
        }
        tokio::select! {
            () = outbox.changed() => {}
            Some(()) = work.next() => {}
        }
    }
}

/// Sends the answers that are waiting, then the close; the peer may be gone already.
pub(crate) async fn close(
    outbox: &Outbox,
    sink: &mut SplitSink<impl Socket, Message>,
    frame: CloseFrame,
) {
    let sent = async {
        while let Some(turn) = outbox.next_turn() {
            if let Turn::Control(Control::Text(text)) = turn {
                sink.feed(Message::Text(text.into())).await?;
            }
        }
        sink.send(Message::Close(Some(frame))).await
    };
    let _: Result<Result<(), axum::Error>, _> = tokio::time::timeout(CLOSE_TIMEOUT, sent).await;
}
