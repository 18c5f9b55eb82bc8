//! The stream of events: where it begins, what it tells, how it ends.
//!
//! An event's id is a place in the log. All that is told of one place and before it need not be told again:
//! a message is always told whole, at the place where it last grew. So whoever comes back with the last id
//! misses nothing, gets nothing twice, and costs the relay nothing while away. Messages that grow are told
//! at most so often; nothing is queued beyond what waits for that, and a reader that does not read holds
//! back its own stream only.

use std::{
    collections::{BTreeMap, VecDeque},
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use axum::{
    extract::{Path, State},
    http::HeaderMap,
    response::{
        IntoResponse as _, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::{Stream, stream};
use quarterdeck_protocol::{
    agent::{AgentEvent, EventId, Prompt, PromptId, PromptState, Update},
    error::{ErrorCode, RpcError},
    http::{
        AgentStatus, EventGap, GET_EVENTS, Message, MessageUpdate, PromptOpened, PromptUpdated,
        event,
    },
    ids::{Channel, ClientId, Seq},
};
use serde::Serialize;
use tokio::{sync::OwnedSemaphorePermit, time::Instant};

use super::{Visitor, find_agent, refusal::Refused, status_of, transcript::Transcript};
use crate::{
    api,
    caller::Caller,
    connection::{
        Connection,
        channel::agent::Stepped,
        outbox::{Control, Outbox, Turn},
        serving,
    },
    context::Context,
    session::{Command, SessionHandle},
    watch::{AgentWatch, From},
};

/// Between two updates of messages that grow.
const UPDATE_INTERVAL: Duration = Duration::from_millis(50);
/// Bytes of records that are folded before others have their turn.
const FOLD_BYTES: usize = 128 * 1024;
/// Bytes of messages that wait to be told.
const MAX_WAITING_BYTES: usize = 1024 * 1024;
/// A comment keeps proxies from closing a stream that has nothing to say.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The only attachment of a stream's outbox.
const CHANNEL: Channel = Channel(1);

type EventStream = Pin<Box<dyn Stream<Item = Result<Event, Infallible>> + Send>>;

/// Begins a stream.
pub(super) async fn stream(
    Visitor(c): Visitor,
    State(context): State<Arc<Context>>,
    Path(session): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let begun = c.guard(GET_EVENTS.method, async {
        let session = find_agent(&c, &session)?;
        c.caller.require_outside(session.id)?;
        let after = last_event_id(&headers)?;
        if after.is_some_and(|after| after.seq >= session.tail.head().seq) {
            let message = "this session has no event of that id yet";
            return Err(RpcError::new(ErrorCode::InvalidParams, message));
        }
        let permit = Arc::clone(&context.streams).try_acquire_owned();
        let too_many = |_| RpcError::new(ErrorCode::Overloaded, "too many streams of events");
        Feed::begin(&c, &session, after, permit.map_err(too_many)?).await
    });
    let feed = begun.await?;
    let caller = c.caller.clone();
    let events: EventStream =
        Box::pin(stream::unfold(Some((feed, context, caller)), |streaming| async move {
            next(streaming?).await
        }));
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<EventId>, RpcError> {
    let Some(header) = headers.get("last-event-id") else { return Ok(None) };
    let text = header.to_str().unwrap_or_default().trim();
    if text.is_empty() {
        return Ok(None);
    }
    let unreadable =
        |_| RpcError::new(ErrorCode::InvalidParams, "Last-Event-ID is not an id of this stream");
    text.parse().map(Some).map_err(unreadable)
}

type Streaming = (Feed, Arc<Context>, Caller);

/// The next event, and what the stream goes on with; none ends it.
async fn next(
    (mut feed, context, caller): Streaming,
) -> Option<(Result<Event, Infallible>, Option<Streaming>)> {
    let gone = tokio::select! {
        biased;
        () = context.shutdown.cancelled() => (ErrorCode::ShuttingDown, "the relay stops"),
        () = serving::credential_ended(&context, &caller) => {
            (ErrorCode::Unauthenticated, "the credential has ended")
        }
        event = feed.next() => {
            return match event {
                Ok(event) => Some((Ok(event), Some((feed, context, caller)))),
                Err(error) => Some((Ok(last(&error)), None)),
            };
        }
    };
    Some((Ok(last(&RpcError::new(gone.0, gone.1))), None))
}

/// What a stream ends with when it does not end by itself.
fn last(error: &RpcError) -> Event {
    encode(event::ERROR, None, error).unwrap_or_default()
}

fn encode<T: Serialize>(name: &str, id: Option<EventId>, data: &T) -> Option<Event> {
    let event = Event::default().event(name);
    let event = match id {
        Some(id) => event.id(id.to_string()),
        None => event,
    };
    event.json_data(data).inspect_err(|error| tracing::error!(%error, "event not sent")).ok()
}

/// Something to be told, at its place.
#[derive(Debug, Clone, PartialEq)]
enum Item {
    /// A message is new or has grown.
    Message(u64),
    Opened(Box<Prompt>),
    Updated(PromptId, Box<PromptState>),
    Status(AgentStatus),
    Gap(EventGap),
}

/// What is told of a past that nobody has seen: its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Up to this record only what is still true matters.
    CatchingUp { until: Seq },
    /// Everything is news.
    Live,
}

/// One client's stream.
struct Feed {
    watch: AgentWatch,
    outbox: Arc<Outbox>,
    _attachment: Attachment,
    _permit: OwnedSemaphorePermit,
    /// Events up to this one are known to the client.
    after: Option<EventId>,
    phase: Phase,
    transcript: Transcript,
    status: Option<AgentStatus>,
    /// What is to be told, in order.
    waiting: BTreeMap<EventId, Item>,
    /// Where a message waits.
    places: BTreeMap<u64, EventId>,
    ready: VecDeque<Event>,
    /// The session let go of this attachment.
    is_removed: bool,
    told_at: Option<Instant>,
}

/// How far a feed has come.
enum Filled {
    /// To the head of the log.
    AtHead,
    /// There is more.
    Later,
}

impl Feed {
    async fn begin(
        c: &Connection,
        session: &Arc<SessionHandle>,
        after: Option<EventId>,
        permit: OwnedSemaphorePermit,
    ) -> Result<Self, RpcError> {
        let (context, caller) = (Arc::clone(&c.context), api::lease_caller(c)?);
        let outbox: Arc<Outbox> = Arc::default();
        let until = session.tail.head().seq;
        let attachment = Attachment {
            context,
            session: Arc::clone(session),
            client: caller.client.client,
            outbox: Arc::clone(&outbox),
        };
        let shared = Arc::clone(&outbox);
        let watch = AgentWatch::begin(session, caller, CHANNEL, shared, From::Beginning).await?;
        let phase = match after {
            Some(_) => Phase::Live,
            None => Phase::CatchingUp { until },
        };
        let mut feed = Self {
            watch,
            outbox,
            _attachment: attachment,
            _permit: permit,
            after,
            phase,
            transcript: Transcript::default(),
            status: None,
            waiting: BTreeMap::new(),
            places: BTreeMap::new(),
            ready: VecDeque::new(),
            is_removed: false,
            told_at: None,
        };
        let first = feed.watch.next();
        let seen = after.map_or(Seq(0), |after| after.seq.next());
        if first > seen {
            feed.miss(seen, first);
        }
        Ok(feed)
    }

    async fn next(&mut self) -> Result<Event, RpcError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            match self.fill()? {
                Filled::Later => tokio::task::yield_now().await,
                Filled::AtHead if self.waiting.is_empty() => {
                    if self.is_removed {
                        return Err(RpcError::new(ErrorCode::NotFound, "the session was removed"));
                    }
                    self.outbox.changed().await;
                }
                Filled::AtHead => match self.pause() {
                    Some(until) => tokio::select! {
                        () = self.outbox.changed() => {}
                        () = tokio::time::sleep_until(until) => {}
                    },
                    None => self.flush(),
                },
            }
            self.take_wakes();
        }
    }

    /// Until when messages that grow are held back.
    fn pause(&self) -> Option<Instant> {
        let only_messages = self.waiting.values().all(|item| matches!(item, Item::Message(_)));
        let until = self.told_at? + UPDATE_INTERVAL;
        (only_messages && until > Instant::now()).then_some(until)
    }

    /// Reads on.
    fn fill(&mut self) -> Result<Filled, RpcError> {
        let mut folded = 0;
        while folded < FOLD_BYTES {
            if let Phase::CatchingUp { until } = self.phase
                && self.watch.next() >= until
            {
                self.phase = Phase::Live;
                self.tell_status();
            }
            let stepped = self.watch.step().map_err(|error| {
                tracing::warn!(%error, "events ended: the log cannot be read");
                RpcError::new(ErrorCode::Storage, "the session's log cannot be read")
            })?;
            match stepped {
                Stepped::Record(record, events) => {
                    folded += record.payload.len() + events.len();
                    let seq = record.header.at.seq;
                    let last = events.len();
                    events.iter().for_each(|event| self.handle(event));
                    self.compare_status(EventId { seq, index: index(last) });
                }
                Stepped::Gap { from, to } => self.miss(from, to),
                Stepped::AtHead => return Ok(Filled::AtHead),
            }
            if self.transcript.bytes() > MAX_WAITING_BYTES {
                self.flush();
                self.transcript.forget_ended();
                if !self.ready.is_empty() {
                    return Ok(Filled::Later);
                }
            }
        }
        Ok(Filled::Later)
    }

    fn handle(&mut self, event: &AgentEvent) {
        let grown = self.transcript.handle(event);
        if self.after.is_some_and(|after| event.id <= after) {
            return;
        }
        if let Some(message) = grown {
            if let Some(before) = self.places.insert(message, event.id) {
                self.waiting.remove(&before);
            }
            self.waiting.insert(event.id, Item::Message(message));
        }
        if let Update::PromptOpened { prompt } = &event.update {
            self.waiting.insert(event.id, Item::Opened(prompt.clone()));
        }
        if let Update::PromptUpdate { prompt, state } = &event.update {
            self.handle_prompt_update(event.id, *prompt, state);
        }
    }

    fn handle_prompt_update(&mut self, at: EventId, prompt: PromptId, state: &PromptState) {
        let catching_up = matches!(self.phase, Phase::CatchingUp { .. });
        if catching_up && state.is_final() {
            // settled before anybody here has heard of it
            let opens = |item: &Item| matches!(item, Item::Opened(it) if it.id == prompt);
            let unheard = self.waiting.values().any(opens);
            self.waiting.retain(|_, item| !item.is_about(prompt));
            if unheard {
                return;
            }
        }
        self.waiting.insert(at, Item::Updated(prompt, Box::new(state.clone())));
    }

    /// After each record: whether the agent's status is another one.
    fn compare_status(&mut self, at: EventId) {
        let Some(conversation) = self.watch.conversation() else { return };
        let (state, prompts) = (conversation.state(), conversation.open_prompts());
        let same = |status: &AgentStatus| status.state == state && status.prompts == prompts;
        if self.status.as_ref().is_some_and(same) {
            return;
        }
        let status = status_of(self.watch.session(), state, prompts);
        self.status = Some(status.clone());
        let known = self.after.is_some_and(|after| at <= after);
        if !known && self.phase == Phase::Live {
            self.waiting.insert(at, Item::Status(status));
        }
    }

    /// The past has been told: now what is true.
    fn tell_status(&mut self) {
        let Some(status) = self.status.clone() else { return };
        let seq = Seq(self.watch.next().0.saturating_sub(1));
        self.waiting.insert(EventId { seq, index: u32::MAX }, Item::Status(status));
    }

    fn miss(&mut self, from: Seq, to: Seq) {
        let at = |seq| EventId { seq, index: 0 };
        // what was told before it is complete; what is told after it is told at its own place
        let place = EventId { seq: Seq(to.0.saturating_sub(1)), index: u32::MAX };
        if self.after.is_none_or(|after| place > after) {
            self.waiting.insert(place, Item::Gap(EventGap { from: at(from), to: at(to) }));
        }
    }

    /// Makes events of all that waits.
    fn flush(&mut self) {
        self.places.clear();
        for (at, item) in std::mem::take(&mut self.waiting) {
            let event = match item {
                Item::Message(id) => self.transcript.message(id).and_then(|message| {
                    let Message { id, content, role, time } = message.clone();
                    let update = MessageUpdate { id, message: content, role, time };
                    encode(event::MESSAGE_UPDATE, Some(at), &update)
                }),
                Item::Opened(prompt) => {
                    encode(event::PROMPT_OPENED, Some(at), &PromptOpened { prompt: *prompt })
                }
                Item::Updated(prompt, state) => {
                    let update = PromptUpdated { prompt, state: *state };
                    encode(event::PROMPT_UPDATE, Some(at), &update)
                }
                Item::Status(status) => encode(event::STATUS_CHANGE, Some(at), &status),
                Item::Gap(gap) => encode(event::GAP, Some(at), &gap),
            };
            self.ready.extend(event);
        }
        self.told_at = Some(Instant::now());
    }

    /// A wake-up says "look", and is there once until it is taken.
    fn take_wakes(&mut self) {
        while let Some(turn) = self.outbox.next_turn() {
            self.is_removed |= matches!(turn, Turn::Control(Control::Detached { .. }));
        }
    }
}

impl Item {
    fn is_about(&self, wanted: PromptId) -> bool {
        match self {
            Self::Opened(prompt) => prompt.id == wanted,
            Self::Updated(prompt, _) => *prompt == wanted,
            Self::Message(_) | Self::Status(_) | Self::Gap(_) => false,
        }
    }
}

/// Ends with the stream, however that ends.
struct Attachment {
    context: Arc<Context>,
    session: Arc<SessionHandle>,
    client: ClientId,
    outbox: Arc<Outbox>,
}

impl Drop for Attachment {
    fn drop(&mut self) {
        let (session, outbox) = (Arc::clone(&self.session), Arc::clone(&self.outbox));
        let client = self.client;
        self.context.tasks.spawn(async move {
            // a removed session has no attachments left
            let _ = session.tell(Command::Detach { client, channel: CHANNEL, outbox }).await;
        });
    }
}

fn index(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
