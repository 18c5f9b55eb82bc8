//! One client's connection: it reads what the client sends, and writes what the client's channels,
//! answers and view need, in turns.
//!
//! Reading never waits for writing. A channel sends at most 16 KiB while another one waits.
//!
//! A hub's connection carries many clients: a request that names one is made by a [`Connection`] of its
//! own ([`acting`]), which shares everything with the hub's but who is asking.

mod acting;

pub(crate) mod channel;
pub(crate) mod outbox;
pub(crate) mod requests;
pub(crate) mod sending;
pub(crate) mod serving;
mod view;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use axum::extract::ws::Message;
use bytes::Bytes;
use futures_util::{
    FutureExt as _, Sink, Stream, StreamExt as _,
    stream::{FuturesUnordered, SplitStream},
};
use quarterdeck_access::http::{self, Received};
use quarterdeck_hooks::Resting;
use quarterdeck_protocol::{
    frame::{Body, Frame},
    ids::{Channel, InputNumber},
    limits::{
        MAX_CHANNELS_PER_CONNECTION, MAX_CHANNELS_PER_LINK, MAX_INPUT_BYTES, MAX_LONE_FRAME_BYTES,
        MAX_REQUESTS_IN_FLIGHT, MAX_SHARED_FRAME_BYTES,
    },
    record::Owner,
    rpc,
    session::{Detached, notify},
};

use crate::{
    caller::Caller,
    context::Context,
    session::{Command, InputCommand, SessionHandle},
    tunnel::Tunnel,
};
use channel::{ChannelStream, Pulled};
use outbox::{Control, Outbox, Turn};
use sending::Work;
use serving::{End, Served, close};

/// What the parts of a connection share. Locks are short and never held across an await.
pub(crate) struct Connection {
    pub(crate) context: Arc<Context>,
    pub(crate) caller: Caller,
    pub(crate) outbox: Arc<Outbox>,
    channels: Arc<Mutex<BTreeMap<Channel, ChannelStream>>>,
    /// Channels that carry HTTP.
    tunnels: Tunnels,
    /// Set by `hello`.
    identity: Mutex<Option<Owner>>,
    /// The hub that this is, if it may act for its clients.
    delegate: Mutex<Option<acting::Delegate>>,
    /// A hub tells hooks for this relay while it is there.
    resting: Mutex<Option<Resting>>,
    view: Arc<Mutex<view::View>>,
    last_channel: Arc<AtomicU32>,
    /// What follows the answer that is being made.
    afterwards: Arc<Mutex<Vec<Afterwards>>>,
    /// Messages received and frames sent: signs that the link moves.
    moved: Arc<AtomicU64>,
}

/// A WebSocket, whoever dialled it.
pub(crate) trait Socket:
    Stream<Item = Result<Message, axum::Error>> + Sink<Message, Error = axum::Error> + Send + Unpin
{
}
impl<S> Socket for S where
    S: Stream<Item = Result<Message, axum::Error>>
        + Sink<Message, Error = axum::Error>
        + Send
        + Unpin
{
}

/// By their channels; shared with those who end them.
pub(crate) type Tunnels = Arc<Mutex<BTreeMap<Channel, Tunnel>>>;

/// What follows an answer once it is queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Afterwards {
    /// The view is sent.
    Watch,
    /// The relay stops.
    ShutDown,
}

/// Serves a connection until it ends.
pub(crate) async fn serve(context: Arc<Context>, caller: Caller, socket: impl Socket) {
    context.metrics.connections_accepted.increment();
    let gauge = Arc::clone(&context);
    let _counted = gauge.metrics.connections.enter();
    let _link = crate::hubs::count(&gauge, &caller);
    let connection = Arc::new(Connection::new(context, caller));
    let (mut sink, stream) = socket.split();
    let served = Served::new(&connection.context, &connection.caller, &connection.outbox);
    let turns = |turn, work: &mut _| connection.messages_of(turn, work);
    let end = served.until_end(&connection.moved, &mut sink, connection.read(stream), turns).await;
    connection.tells_no_hooks();
    connection.detach_all().await;
    served.close(end, &mut sink).await;
}

impl Connection {
    /// A connection that has said nothing yet; also of a caller without a WebSocket.
    pub(crate) fn new(context: Arc<Context>, caller: Caller) -> Self {
        let delegate = acting::proved(&caller);
        Self {
            context,
            caller,
            outbox: Arc::default(),
            channels: Arc::default(),
            tunnels: Arc::default(),
            identity: Mutex::default(),
            delegate: Mutex::new(delegate),
            resting: Mutex::default(),
            view: Arc::default(),
            last_channel: Arc::default(),
            afterwards: Arc::default(),
            moved: Arc::default(),
        }
    }

    async fn read(self: &Arc<Self>, mut stream: SplitStream<impl Socket>) -> End {
        let mut requests = FuturesUnordered::new();
        loop {
            tokio::select! {
                biased;
                received = http::receive(&mut stream, &self.moved) => match received {
                    Received::Text(text) if requests.len() >= MAX_REQUESTS_IN_FLIGHT => {
                        self.refuse_overloaded(&text);
                    }
                    Received::Text(text) => {
                        let mut request = Box::pin(Self::answer(Arc::clone(self), text));
                        // begun in the order in which they came: whoever sends two messages means that
                        if futures_util::poll!(request.as_mut()).is_pending() {
                            requests.push(request);
                        }
                    }
                    Received::Binary(bytes) => {
                        if let Some(end) = self.handle_frame(&bytes).await {
                            return end;
                        }
                    }
                    Received::Pong => {}
                    Received::Unreadable => {
                        return End::Closed(close::PROTOCOL, "message malformed or too large");
                    }
                    Received::Gone => return End::Peer,
                },
                Some(()) = requests.next() => {}
            }
        }
    }

    async fn handle_frame(&self, bytes: &Bytes) -> Option<End> {
        let Ok(Frame { channel, body }) = Frame::parse(bytes) else {
            return Some(End::Closed(close::INVALID, "not a quarterdeck.v1 frame"));
        };
        match body {
            Body::In { epoch, n, bytes: input } => {
                if input.len() > MAX_INPUT_BYTES {
                    return Some(End::Closed(close::INVALID, "input frame too large"));
                }
                if self.tunnel_input(channel, n, bytes.slice_ref(input)) {
                    return None;
                }
                let (session, client) = {
                    let channels = self.channels();
                    let attached = channels.get(&channel)?;
                    (Arc::clone(&attached.session), attached.client?)
                };
                let bytes = bytes.slice_ref(input);
                let outbox = Arc::clone(&self.outbox);
                let input = InputCommand { client, channel, outbox, epoch, n, bytes };
                // a removed session's channel is detached with a reason of its own
                let _ = session.tell(Command::Input(input)).await;
            }
            Body::Credit { out } => {
                if let Some(tunnel) = self.tunnels().get(&channel) {
                    tunnel.handle_credit(out);
                }
                if let Some(stream) = self.channels().get_mut(&channel) {
                    stream.handle_credit(out);
                }
                self.outbox.wake_channel(channel);
            }
            // only a relay sends these; a client that does is ignored
            Body::Out { .. } | Body::Snap { .. } | Body::Gap { .. } | Body::InAck { .. } => {}
        }
        None
    }

    /// The messages of one turn: none, one, or the notifications of a changed view.
    fn messages_of(
        self: &Arc<Self>,
        turn: Turn,
        snapshots: &mut FuturesUnordered<Work>,
    ) -> Vec<Message> {
        match turn {
            Turn::Control(Control::Text(text)) => vec![Message::Text(text.into())],
            Turn::Control(Control::Ack { channel, n, state }) => {
                let frame = Frame { channel, body: Body::InAck { n, state } };
                vec![Message::Binary(frame.to_vec().into())]
            }
            Turn::Control(Control::Frame(frame)) => vec![Message::Binary(frame)],
            Turn::Control(Control::Ping) => vec![Message::Ping(Bytes::new())],
            Turn::Control(Control::Detached { channel, why }) => {
                self.channels().remove(&channel);
                detached(channel, why).into_iter().collect()
            }
            Turn::View => {
                self.view_messages().into_iter().map(|t| Message::Text(t.into())).collect()
            }
            Turn::Channel { channel, shared } => {
                let max = if shared { MAX_SHARED_FRAME_BYTES } else { MAX_LONE_FRAME_BYTES };
                let pulled = self.channels().get_mut(&channel).map(|stream| stream.pull(max));
                match pulled {
                    Some(Pulled::Frame(frame)) => {
                        self.count(&frame);
                        self.outbox.wake_channel(channel);
                        vec![Message::Binary(frame.into())]
                    }
                    Some(Pulled::Text(text)) => {
                        self.outbox.wake_channel(channel);
                        vec![Message::Text(text.into())]
                    }
                    Some(Pulled::NeedsSnapshot) => {
                        snapshots.push(Arc::clone(self).redraw(channel).boxed());
                        Vec::new()
                    }
                    Some(Pulled::Failed(error)) => {
                        tracing::warn!(%error, "channel ended: its log cannot be read");
                        self.give_up(channel);
                        detached(channel, "log_unreadable").into_iter().collect()
                    }
                    Some(Pulled::Later) => {
                        let outbox = Arc::clone(&self.outbox);
                        let later = async move {
                            tokio::task::yield_now().await;
                            outbox.wake_channel(channel);
                        };
                        snapshots.push(later.boxed());
                        Vec::new()
                    }
                    Some(Pulled::Nothing) | None => Vec::new(),
                }
            }
        }
    }

    fn count(&self, frame: &[u8]) {
        let metrics = &self.context.metrics;
        match Frame::parse(frame).map(|frame| frame.body) {
            Ok(Body::Out { bytes, .. }) => metrics.output_bytes.add(bytes.len() as u64),
            Ok(Body::Gap { .. }) => metrics.gaps.increment(),
            Ok(Body::Snap { .. } | Body::In { .. } | Body::InAck { .. } | Body::Credit { .. })
            | Err(_) => {}
        }
    }

    /// Draws the screen for a channel that fell behind.
    async fn redraw(self: Arc<Self>, channel: Channel) {
        let Some(session) = self.channels().get(&channel).map(|c| Arc::clone(&c.session)) else {
            return;
        };
        let snapshot = self.context.screens.snapshot(&session).await;
        if let Some(stream) = self.channels().get_mut(&channel) {
            match snapshot {
                Ok(snapshot) => {
                    self.context.metrics.snapshots.increment();
                    stream.handle_snapshot(snapshot);
                }
                Err(error) => {
                    tracing::warn!(%error, "no screen for a viewer that fell behind");
                    stream.handle_no_snapshot();
                }
            }
        }
        self.outbox.wake_channel(channel);
    }

    /// The caller said who it is.
    pub(crate) fn introduce(&self, owner: Owner) {
        *self.identity.lock().unwrap_or_else(PoisonError::into_inner) = Some(owner);
    }

    /// Sends the view once the answer that is being made is queued.
    pub(crate) fn watch_after_answer(&self) {
        self.afterwards().push(Afterwards::Watch);
    }

    /// Stops the relay once the answer that is being made is queued.
    pub(crate) fn shut_down_after_answer(&self) {
        self.afterwards().push(Afterwards::ShutDown);
    }

    fn afterwards(&self) -> MutexGuard<'_, Vec<Afterwards>> {
        self.afterwards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run_afterwards(&self) {
        let steps = std::mem::take(&mut *self.afterwards());
        for step in steps {
            match step {
                Afterwards::Watch => self.watch(),
                Afterwards::ShutDown => self.context.shutdown.cancel(),
            }
        }
    }

    /// Whether another attachment fits, of this client and of all that share a hub's link.
    pub(crate) fn has_room(&self) -> bool {
        let client = self.identity().map(|owner| owner.client);
        let channels = self.channels();
        let of_client = channels.values().filter(|stream| stream.client == client).count();
        of_client < MAX_CHANNELS_PER_CONNECTION && channels.len() < MAX_CHANNELS_PER_LINK
    }

    pub(crate) fn allocate_channel(&self) -> Channel {
        Channel(self.last_channel.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Forgets a channel of this client; its session.
    pub(crate) fn close_channel(&self, channel: Channel) -> Option<Arc<SessionHandle>> {
        let client = self.identity().map(|owner| owner.client);
        let mut channels = self.channels();
        channels.get(&channel).filter(|stream| stream.client == client)?;
        channels.remove(&channel).map(|stream| stream.session)
    }

    /// Adds a tunnel, if there is room.
    pub(crate) fn add_tunnel(&self, channel: Channel, tunnel: Tunnel, limit: usize) -> bool {
        let mut tunnels = self.tunnels();
        let fits = tunnels.len() < limit;
        if fits {
            tunnels.insert(channel, tunnel);
        }
        fits
    }

    /// Ends a tunnel of this client.
    pub(crate) fn close_tunnel(&self, channel: Channel) -> bool {
        let client = self.identity().map(|owner| owner.client);
        let mut tunnels = self.tunnels();
        let own = tunnels.get(&channel).is_some_and(|tunnel| tunnel.client() == client);
        own && tunnels.remove(&channel).is_some()
    }

    /// Where tunnels are taken out when they end.
    pub(crate) fn shared_tunnels(&self) -> Tunnels {
        Arc::clone(&self.tunnels)
    }

    /// Takes bytes for a tunnel; false when the channel is none.
    fn tunnel_input(&self, channel: Channel, n: InputNumber, bytes: Bytes) -> bool {
        let mut tunnels = self.tunnels();
        let Some(tunnel) = tunnels.get(&channel) else { return false };
        if !tunnel.handle_input(n, bytes) {
            // it sends more than it may
            tunnels.remove(&channel);
        }
        true
    }

    fn tunnels(&self) -> MutexGuard<'_, BTreeMap<Channel, Tunnel>> {
        self.tunnels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn identity(&self) -> Option<Owner> {
        self.identity.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn channels(&self) -> MutexGuard<'_, BTreeMap<Channel, ChannelStream>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends an attachment whose log cannot be read.
    fn give_up(&self, channel: Channel) {
        let Some(stream) = self.channels().remove(&channel) else { return };
        if let Some(client) = stream.client {
            let outbox = Arc::clone(&self.outbox);
            stream.session.try_tell(Command::Detach { client, channel, outbox });
        }
    }

    async fn detach_all(&self) {
        self.tunnels().clear();
        let channels = std::mem::take(&mut *self.channels());
        for (channel, stream) in channels {
            let Some(client) = stream.client else { continue };
            let outbox = Arc::clone(&self.outbox);
            // a removed session has no attachments left
            let _ = stream.session.tell(Command::Detach { client, channel, outbox }).await;
        }
    }
}

fn detached(channel: Channel, why: &str) -> Option<Message> {
    let text = rpc::notification(notify::SESSION_DETACHED, &Detached { channel, why: why.into() });
    text.ok().map(|text| Message::Text(text.into()))
}
