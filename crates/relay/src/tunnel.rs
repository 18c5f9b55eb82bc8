//! Plain HTTP over a channel of the wire: by it a hub offers a machine's HTTP to its own clients, however
//! the machine is linked.
//!
//! The bytes of one HTTP connection go both ways as frames: to the relay as `IN`, acknowledged when they are
//! taken; to the hub as `OUT`, as far as its credit goes. Who asks is the asker of `http.open`, with exactly
//! its rights; what is asked never says.

use std::sync::{Arc, PoisonError};

use axum::Extension;
use bytes::Bytes;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    frame::{Body, Flags, Frame, InputState},
    ids::{Channel, ClientId, InputNumber, Out},
    method::ChannelParams,
    record::Owner,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, duplex},
    sync::{mpsc, watch},
};

use crate::{
    caller::Caller,
    connection::{
        Connection,
        outbox::{Control, Outbox},
    },
    context::Context,
    http,
};

/// Tunnels of one link: requests of a hub's clients that are under way at a time, streams of events included.
const MAX_TUNNELS: usize = 256;
/// Bytes that the hub may have without having taken them.
pub(crate) const WINDOW_BYTES: u64 = 64 * 1024;
/// Bytes of one frame.
const FRAME_BYTES: usize = 16 * 1024;
/// Frames that wait for the HTTP server: what a client may send unacknowledged, in the smallest pieces that
/// make sense. One that sends more loses its tunnel.
const INPUT_QUEUE: usize = 64;

/// One tunnel, as its connection knows it. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Tunnel {
    client: Option<ClientId>,
    input: mpsc::Sender<(InputNumber, Bytes)>,
    credit: watch::Sender<Out>,
}

impl Tunnel {
    /// Whose it is.
    pub(crate) const fn client(&self) -> Option<ClientId> {
        self.client
    }
    /// Takes bytes; false when there are more than may wait.
    pub(crate) fn handle_input(&self, n: InputNumber, bytes: Bytes) -> bool {
        self.input.try_send((n, bytes)).is_ok()
    }
    /// Everything before `out` was taken.
    pub(crate) fn handle_credit(&self, out: Out) {
        self.credit.send_if_modified(|known| {
            let more = out > *known;
            *known = out.max(*known);
            more
        });
    }
}

/// Who asks through a tunnel.
#[derive(Debug, Clone)]
pub(crate) struct Asking {
    pub(crate) caller: Caller,
    pub(crate) owner: Owner,
}

/// Opens a tunnel for whoever asks.
pub(crate) fn open(c: &Connection) -> Result<ChannelParams, RpcError> {
    let missing = || RpcError::new(ErrorCode::HelloRequired, "say hello first");
    let owner = c.identity().ok_or_else(missing)?;
    let (channel, outbox) = (c.allocate_channel(), Arc::clone(&c.outbox));
    let (input, inbox) = mpsc::channel(INPUT_QUEUE);
    let (credit, credited) = watch::channel(Out(0));
    let client = Some(owner.client);
    if !c.add_tunnel(channel, Tunnel { client, input, credit }, MAX_TUNNELS) {
        let message = "too many requests over HTTP are under way on this link";
        return Err(RpcError::new(ErrorCode::Overloaded, message));
    }
    let (near, far) = duplex(FRAME_BYTES);
    let asking = Asking { caller: c.caller.clone(), owner };
    let (context, tunnels) = (Arc::clone(&c.context), c.shared_tunnels());
    c.context.tasks.spawn(async move {
        let (reader, writer) = tokio::io::split(near);
        tokio::select! {
            () = context.shutdown.cancelled() => {}
            () = serve(&context, asking, far) => {}
            () = take(inbox, writer, channel, &outbox) => {}
            () = give(credited, reader, channel, &outbox) => {}
        }
        tunnels.lock().unwrap_or_else(PoisonError::into_inner).remove(&channel);
        outbox.push(Control::Detached { channel, why: "closed" });
    });
    Ok(ChannelParams { channel })
}

async fn serve(context: &Arc<Context>, asking: Asking, stream: DuplexStream) {
    let router = http::router().layer(Extension(asking)).with_state(Arc::clone(context));
    let mut server = hyper::server::conn::http1::Builder::new();
    server.timer(hyper_util::rt::TokioTimer::new());
    let serving = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    if let Err(error) = serving.await {
        tracing::debug!(%error, "HTTP through a hub ended");
    }
    // what it wrote last is still on its way to the hub, which ends the tunnel
    std::future::pending().await
}

async fn take(
    mut inbox: mpsc::Receiver<(InputNumber, Bytes)>,
    mut writer: impl AsyncWrite + Unpin,
    channel: Channel,
    outbox: &Outbox,
) {
    while let Some((n, bytes)) = inbox.recv().await {
        // a server that has ended reads no more, but may still answer
        let _ = writer.write_all(&bytes).await;
        outbox.push(Control::Ack { channel, n, state: InputState::Applied });
    }
}

async fn give(
    mut credited: watch::Receiver<Out>,
    mut reader: impl AsyncRead + Unpin,
    channel: Channel,
    outbox: &Outbox,
) {
    let mut sent = 0;
    let mut buffer = vec![0; FRAME_BYTES];
    loop {
        let room = |credit: &Out| sent < credit.0 + WINDOW_BYTES;
        let Ok(credit) = credited.wait_for(room).await.map(|credit| *credit) else { return };
        let room = usize::try_from(credit.0 + WINDOW_BYTES - sent).unwrap_or(FRAME_BYTES);
        let Ok(count @ 1..) = reader.read(&mut buffer[..room.min(FRAME_BYTES)]).await else {
            return;
        };
        let body = Body::Out { out: Out(sent), flags: Flags::default(), bytes: &buffer[..count] };
        outbox.push(Control::Frame(Frame { channel, body }.to_vec().into()));
        sent += count as u64;
    }
}
