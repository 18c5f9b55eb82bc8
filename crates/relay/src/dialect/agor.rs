//! BTerminal's and agor's controllers: their commands become what any client could ask, the streams of
//! their terminals become their events. The spelling stands in `quarterdeck_protocol::dialect::agor`.
//!
//! - [`commands`]: what is asked, one reply for each; [`ledger`]: so that none is carried out twice;
//! - [`typing`]: input, in order and bounded;
//! - [`following`]: which terminals are shown; [`terminal`]: how a stream becomes events;
//! - [`agents`]: conversations with agents; [`showing`]: which are shown, and from where; [`runner`],
//!   [`frames`]: how their logs become a runner's messages.
//!
//! A controller has no way to come back as who it was, so all connections with one token are one
//! client: its lease survives a lost link, and its terminals are shown again after it returns.

mod agents;
mod commands;
mod following;
mod frames;
mod ledger;
mod runner;
mod showing;
mod terminal;
mod typing;

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
    dialect::agor::Event,
    error::{ErrorCode, RpcError},
    ids::{Channel, ClientId, SessionId},
    record::Owner,
    session::LeaseView,
};

use crate::{
    caller::Caller,
    connection::{
        outbox::{Control, Outbox, Turn},
        sending::Work,
        serving::{End, Served, close},
    },
    context::Context,
    session::{LeaseCaller, SessionHandle},
};
use following::Followed;
use ledger::Ledger;
use showing::{Agent, Pulled};
use terminal::{Terminal, Told};
use typing::Typing;

/// Replies that may wait for a controller to read them; one that does not is closed.
const MAX_WAITING_REPLIES: usize = 4096;

/// What the parts of a connection share. Locks are short and never held across an await.
struct Controller {
    context: Arc<Context>,
    caller: Caller,
    /// The client that it is: always the same for its token.
    me: Owner,
    outbox: Arc<Outbox>,
    terminals: Mutex<BTreeMap<Channel, Terminal>>,
    agents: Mutex<BTreeMap<SessionId, Agent>>,
    /// Agents that were ended here and whose end was not told yet.
    expected_ends: Mutex<BTreeSet<SessionId>>,
    followed: Mutex<BTreeMap<SessionId, Followed>>,
    typing: Mutex<BTreeMap<SessionId, Typing>>,
    ledger: Mutex<Ledger>,
    last_channel: AtomicU32,
    /// Messages received and sent: signs that the link moves.
    moved: AtomicU64,
}

/// Serves a controller until its connection ends.
pub(super) async fn serve(context: Arc<Context>, caller: Caller, socket: WebSocket) {
    let controller = Arc::new(Controller::new(context, caller));
    let (mut sink, stream) = socket.split();
    let served = Served::new(&controller.context, &controller.caller, &controller.outbox);
    let turns = |turn, work: &mut _| controller.messages_of(turn, work);
    let end = served.until_end(&controller.moved, &mut sink, controller.read(stream), turns).await;
    controller.keep_places();
    controller.unfollow_all().await;
    served.close(end, &mut sink).await;
}

impl Controller {
    fn new(context: Arc<Context>, caller: Caller) -> Self {
        let (token, principal) = (&caller.grant.name, caller.principal().clone());
        let client = context.ticket_key.fixed_client(&format!("agor {token} {principal}"));
        let name = format!("agor {token}");
        let me = Owner { client: ClientId::from_bytes(client), principal, name };
        Self {
            context,
            caller,
            me,
            outbox: Arc::default(),
            terminals: Mutex::default(),
            agents: Mutex::default(),
            expected_ends: Mutex::default(),
            followed: Mutex::default(),
            typing: Mutex::default(),
            ledger: Mutex::default(),
            last_channel: AtomicU32::new(0),
            moved: AtomicU64::new(0),
        }
    }

    async fn read(self: &Arc<Self>, mut stream: SplitStream<WebSocket>) -> End {
        self.say(&Event::Ready);
        self.say(&Event::StateSync { sync: self.state(), command_id: None });
        let mut under_way = FuturesUnordered::new();
        under_way.push(Arc::clone(self).follow_own().boxed());
        under_way.push(Arc::clone(self).follow_own_agents().boxed());
        loop {
            tokio::select! {
                biased;
                received = http::receive(&mut stream, &self.moved) => {
                    match received {
                        Received::Text(text) => {
                            under_way.extend(self.handle_text(&text, under_way.len()));
                        }
                        Received::Binary(_) => {
                            let text = "a command is a text message";
                            self.refuse("", None, RpcError::new(ErrorCode::ParseError, text));
                        }
                        Received::Pong => self.handle_confirmation(),
                        Received::Unreadable => {
                            let text = "the message is malformed or too large";
                            self.refuse("", None, RpcError::new(ErrorCode::ParseError, text));
                            return End::Closed(close::TOO_LARGE, text);
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

    fn messages_of(
        self: &Arc<Self>,
        turn: Turn,
        snapshots: &mut FuturesUnordered<Work>,
    ) -> Vec<Message> {
        match turn {
            Turn::Control(Control::Text(text)) => vec![Message::Text(text.into())],
            Turn::Control(Control::Ping) => {
                self.ask_for_confirmation();
                vec![Message::Ping(Bytes::new())]
            }
            Turn::Control(Control::Detached { channel, why }) => {
                let gone = self.terminals().remove(&channel);
                let last = gone.map(|terminal| terminal.end_without_exit(why));
                texts(&last.or_else(|| self.drop_agent(channel)).unwrap_or_default())
            }
            // input is typed without a channel, so none is acknowledged on one
            Turn::Control(Control::Ack { .. } | Control::Frame(_)) | Turn::View => Vec::new(),
            Turn::Channel { channel, .. } => {
                let told = self.terminals().get_mut(&channel).map(Terminal::pull);
                match told {
                    Some(Told::Events(events)) => {
                        self.count(&events);
                        self.outbox.wake_channel(channel);
                        texts(&events)
                    }
                    Some(Told::Ended(events)) => {
                        self.unfollow(channel);
                        texts(&events)
                    }
                    Some(Told::NeedsSnapshot) => {
                        snapshots.push(Arc::clone(self).redraw(channel).boxed());
                        Vec::new()
                    }
                    Some(Told::Nothing) => Vec::new(),
                    None => self.agent_messages(channel, snapshots),
                }
            }
        }
    }

    fn agent_messages(&self, channel: Channel, work: &mut FuturesUnordered<Work>) -> Vec<Message> {
        match self.pull_agent(channel) {
            Some(Pulled::Events(events)) => {
                self.outbox.wake_channel(channel);
                texts(&events)
            }
            Some(Pulled::Later) => {
                let outbox = Arc::clone(&self.outbox);
                let later = async move {
                    tokio::task::yield_now().await;
                    outbox.wake_channel(channel);
                };
                work.push(later.boxed());
                Vec::new()
            }
            Some(Pulled::Ended(events)) => {
                self.drop_agent(channel);
                self.unfollow(channel);
                texts(&events)
            }
            Some(Pulled::Nothing) | None => Vec::new(),
        }
    }

    fn count(&self, events: &[Event]) {
        for event in events {
            match event {
                Event::PtyData { text, .. } => {
                    self.context.metrics.output_bytes.add(text.len() as u64);
                }
                Event::PtyGap { .. } => self.context.metrics.gaps.increment(),
                Event::Ready
                | Event::Pong { .. }
                | Event::PtyCreated { .. }
                | Event::PtyExit { .. }
                | Event::SidecarMessage { .. }
                | Event::SidecarExited { .. }
                | Event::StateSync { .. }
                | Event::Ack { .. }
                | Event::Error { .. } => {}
            }
        }
    }

    /// Queues an event.
    fn say(&self, event: &Event) {
        if let Some(text) = text_of(event) {
            self.outbox.push(Control::Text(text));
        }
    }

    fn lease_caller(&self) -> LeaseCaller {
        LeaseCaller { client: self.me.clone(), standing: self.caller.standing() }
    }

    fn lease_of(session: &SessionHandle) -> LeaseView {
        session.published().lease.clone()
    }

    fn allocate_channel(&self) -> Channel {
        Channel(self.last_channel.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn terminals(&self) -> MutexGuard<'_, BTreeMap<Channel, Terminal>> {
        self.terminals.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn followed(&self) -> MutexGuard<'_, BTreeMap<SessionId, Followed>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn typing(&self) -> MutexGuard<'_, BTreeMap<SessionId, Typing>> {
        self.typing.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn texts(events: &[Event]) -> Vec<Message> {
    events.iter().filter_map(text_of).map(|text| Message::Text(text.into())).collect()
}

fn text_of(event: &Event) -> Option<String> {
    event.to_text().inspect_err(|error| tracing::error!(%error, "event does not serialise")).ok()
}
