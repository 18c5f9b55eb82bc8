//! Clients of `myagent remote`: one of a principal's connections writes, all see. The spelling stands in
//! `quarterdeck_protocol::dialect::myagent`.
//!
//! - [`commands`]: what is asked; [`room`]: who may write;
//! - [`showing`]: which sessions are shown; [`story`]: how their logs become messages.
//!
//! Every connection is a client of its own and reads the logs for itself, so a slow one holds up nobody. Who
//! writes owns the sessions that it writes to, and lets go of them when its connection ends, at once: the
//! protocol knows no return. The agents work on.

mod commands;
pub(crate) mod room;
mod showing;
mod story;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use axum::extract::ws::{Message, WebSocket};
use bytes::Bytes;
use futures_util::{
    FutureExt as _, StreamExt as _,
    stream::{FuturesUnordered, SplitStream},
};
use quarterdeck_access::http::{self, Received};
use quarterdeck_protocol::{
    dialect::myagent::{Command, Event, Misread},
    error::RpcError,
    ids::{Channel, ClientId, SessionId},
    limits::MAX_REQUESTS_IN_FLIGHT,
    record::Owner,
    scope::Scope,
};

use crate::{
    caller::Caller,
    connection::{
        outbox::{Control, Outbox, Turn},
        sending::Work,
        serving::{End, Served, close},
    },
    context::Context,
    session::LeaseCaller,
};
use room::{MayWrite, Seat};
use showing::Shown;

/// Replies that may wait for a client to read them; one that does not is closed.
const MAX_WAITING_REPLIES: usize = 1024;

/// What the parts of a connection share. Locks are short and never held across an await.
struct Client {
    context: Arc<Context>,
    caller: Caller,
    me: Owner,
    seat: Seat,
    outbox: Arc<Outbox>,
    shown: Mutex<BTreeMap<SessionId, Shown>>,
    /// Sessions that were there when the connection began: their past is not told.
    old: BTreeSet<SessionId>,
    last_channel: AtomicU32,
    /// Messages received and sent: signs that the link moves.
    moved: AtomicU64,
}

/// Serves a client until its connection ends.
pub(super) async fn serve(context: Arc<Context>, caller: Caller, socket: WebSocket) {
    let Ok(number) = crate::agent::random_uuid() else { return };
    let name = format!("myagent {}", caller.grant.name);
    let client = context.ticket_key.fixed_client(&format!("myagent connection {number}"));
    let principal = caller.principal().clone();
    let may_write = may_write(&caller);
    let (seat, role, epoch) = context.rooms.enter(&principal, may_write);
    let old = context.registry.all().iter().map(|session| session.id).collect();
    let client = Arc::new(Client {
        context,
        caller,
        me: Owner { client: ClientId::from_bytes(client), principal, name },
        seat,
        outbox: Arc::default(),
        shown: Mutex::default(),
        old,
        last_channel: AtomicU32::new(0),
        moved: AtomicU64::new(0),
    });
    client.say(&Event::Ready { protocol_version: 1 });
    client.say(&Event::Role { role, epoch });
    let (mut sink, stream) = socket.split();
    let served = Served::new(&client.context, &client.caller, &client.outbox);
    let turns = |turn, work: &mut _| client.messages_of(turn, work);
    let end = served.until_end(&client.moved, &mut sink, client.read(stream), turns).await;
    client.context.rooms.leave(&client.me.principal, client.seat);
    client.hide_all().await;
    served.close(end, &mut sink).await;
}

/// Whether a token lets its connections write at all.
fn may_write(caller: &Caller) -> MayWrite {
    if caller.grant.scopes.has(Scope::Drive) { MayWrite::Yes } else { MayWrite::No }
}

impl Client {
    async fn read(self: &Arc<Self>, mut stream: SplitStream<WebSocket>) -> End {
        let mut under_way: FuturesUnordered<Work> = FuturesUnordered::new();
        self.context.registry.watch(&self.outbox);
        self.outbox.wake_view();
        loop {
            tokio::select! {
                biased;
                received = http::receive(&mut stream, &self.moved) => {
                    match received {
                        Received::Text(text) if under_way.len() < MAX_REQUESTS_IN_FLIGHT => {
                            under_way.extend(self.handle_text(&text));
                        }
                        Received::Text(_) => self.refuse(None, "too many messages wait"),
                        Received::Binary(_) => self.refuse(None, "Invalid JSON remote message"),
                        Received::Pong => {}
                        Received::Unreadable => {
                            return End::Closed(close::TOO_LARGE, "malformed or too large");
                        }
                        Received::Gone => return End::Peer,
                    }
                    if self.outbox.waiting() > MAX_WAITING_REPLIES {
                        return End::Closed(close::POLICY, "replies are not read");
                    }
                }
                Some(()) = under_way.next() => {}
            }
        }
    }

    fn handle_text(self: &Arc<Self>, text: &str) -> Option<Work> {
        match Command::parse(text) {
            Ok(command) => self.begin(command),
            Err(Misread { id, message }) => {
                self.refuse(id.as_deref(), &message);
                None
            }
        }
    }

    fn messages_of(
        self: &Arc<Self>,
        turn: Turn,
        work: &mut FuturesUnordered<Work>,
    ) -> Vec<Message> {
        match turn {
            Turn::Control(Control::Text(text)) => vec![Message::Text(text.into())],
            Turn::Control(Control::Ping) => vec![Message::Ping(Bytes::new())],
            Turn::Control(Control::Detached { channel, .. }) => {
                self.shown().retain(|_, shown| shown.channel() != channel);
                Vec::new()
            }
            Turn::Control(Control::Ack { .. } | Control::Frame(_)) => Vec::new(),
            Turn::View => {
                work.push(Arc::clone(self).show_all().boxed());
                Vec::new()
            }
            Turn::Channel { channel, .. } => self.pull(channel, work),
        }
    }

    /// Queues an event.
    fn say(&self, event: &Event) {
        if let Some(text) = text_of(event) {
            self.outbox.push(Control::Text(text));
        }
    }

    /// Says why something is not done.
    fn refuse(&self, id: Option<&str>, message: &str) {
        let (id, message) = (id.map(str::to_owned), message.to_owned());
        self.say(&Event::Error { id, message, code: None });
    }

    fn refuse_error(&self, id: &str, error: RpcError) {
        self.context.metrics.count_rpc_error(error.code());
        let code = Some(error.code().word().to_owned());
        self.say(&Event::Error { id: Some(id.to_owned()), message: error.message, code });
    }

    fn lease_caller(&self) -> LeaseCaller {
        LeaseCaller { client: self.me.clone(), standing: self.caller.standing() }
    }

    fn allocate_channel(&self) -> Channel {
        Channel(self.last_channel.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn shown(&self) -> MutexGuard<'_, BTreeMap<SessionId, Shown>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn text_of(event: &Event) -> Option<String> {
    let text = serde_json::to_string(event);
    text.inspect_err(|error| tracing::error!(%error, "event does not serialise")).ok()
}
