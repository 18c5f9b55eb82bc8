//! One link's calls and channels, and whose each is.
//!
//! Whatever comes from a relay is passed on at once or dropped with a word: no queue here, no waiting for
//! a client. Channels have other numbers on each side; credit passes through untouched, so the relay
//! paces each viewer by what that viewer has rendered.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::extract::ws::Message;
use bytes::{Bytes, BytesMut};
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    frame::{Body, Frame},
    ids::{Channel, MachineId},
    limits::{CREDIT_WINDOW_RANGE_BYTES, DEFAULT_CREDIT_WINDOW_BYTES},
    method::{ChannelParams, HelloResult, Method as _, MethodName, SessionDetach},
    rpc::{self, RequestId},
    scope::Scopes,
    session::{Detached, OnMachine, notify},
};
use quarterdeck_transport::{Client, client::CallId};
use serde_json::value::RawValue;

use crate::{
    client::{Asker, outbox::Pushed},
    json::Members,
    limits::FORWARD_LIMIT,
};

/// Why a channel ended, in the word of `session.detached`.
pub(crate) mod why {
    /// The viewer did not read for too long.
    pub(crate) const TOO_SLOW: &str = "too_slow";
    /// The link to the machine is gone.
    pub(crate) const UNREACHABLE: &str = "unreachable";
}

/// A link that stands, with everything that runs over it.
pub(crate) struct Linked {
    /// Which machine.
    pub(crate) machine: MachineId,
    /// The connection.
    pub(crate) client: Client,
    /// What the hub may do there.
    pub(crate) scopes: Scopes,
    /// Whether requests are made for clients by name.
    pub(crate) delegate: bool,
    table: Mutex<Table>,
}

impl fmt::Debug for Linked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Linked").field("machine", &self.machine).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Table {
    calls: BTreeMap<CallId, Call>,
    /// By the relay's number.
    channels: BTreeMap<Channel, Route>,
    /// The link is gone: nothing is added any more.
    closed: bool,
}

/// A request that waits for its answer.
pub(crate) struct Call {
    /// Who asked.
    pub(crate) asker: Arc<Asker>,
    /// Its number on the client's connection.
    pub(crate) id: RequestId,
    /// What follows from the answer.
    pub(crate) then: Then,
}

/// What follows from an answer.
pub(crate) enum Then {
    /// It is passed on.
    PassOn,
    /// It is passed on with the session's machine in it.
    NameMachine,
    /// A channel begins.
    Attach {
        /// Its window.
        window: Option<u64>,
    },
    /// Somebody in the hub waits for it.
    Tell(tokio::sync::oneshot::Sender<Result<Box<RawValue>, RpcError>>),
    /// Nobody does.
    Nothing,
}

#[derive(Clone)]
struct Route {
    asker: Arc<Asker>,
    /// The client's number.
    channel: Channel,
}

impl Linked {
    /// A link whose `hello` was answered.
    pub(crate) fn new(machine: MachineId, client: Client, hello: &HelloResult) -> Self {
        let (scopes, delegate) = (hello.scopes, hello.delegate);
        Self { machine, client, scopes, delegate, table: Mutex::default() }
    }

    /// Sends a request for a client; its answer finds its way by itself.
    ///
    /// # Errors
    /// When the link takes nothing, is gone, or the client may not do there what the hub may.
    pub(crate) async fn forward(
        &self,
        method: MethodName,
        params: &RawValue,
        call: Call,
    ) -> Result<(), RpcError> {
        let acting = if self.delegate {
            Some(call.asker.acting())
        } else {
            call.asker.require_all(self.scopes)?;
            None
        };
        let gone = || RpcError::new(ErrorCode::Unreachable, "the link to the machine was lost");
        let (mut call, mut registered) = (Some(call), None);
        let register = |id| {
            let mut table = self.lock();
            if let (false, Some(call)) = (table.closed, call.take()) {
                table.calls.insert(id, call);
                registered = Some(id);
            }
        };
        let sent = self.client.forward(method, params, acting.as_ref(), register);
        let failed = match tokio::time::timeout(FORWARD_LIMIT, sent).await {
            Ok(Ok(())) if registered.is_some() => return Ok(()),
            Ok(Err(quarterdeck_transport::CallError::TooLarge { bytes })) => {
                let message = format!("a request of {bytes} bytes is too large");
                RpcError::new(ErrorCode::InvalidParams, message)
            }
            Ok(Ok(()) | Err(_)) => gone(),
            Err(_) => RpcError::new(ErrorCode::Overloaded, "the link to the machine is too busy"),
        };
        match registered {
            // the link's end has answered it
            Some(id) if self.lock().calls.remove(&id).is_none() => Ok(()),
            Some(_) | None => Err(failed),
        }
    }

    /// An answer came.
    pub(crate) fn handle_answer(
        self: &Arc<Self>,
        id: CallId,
        outcome: Result<Box<RawValue>, RpcError>,
        on: Option<&OnMachine>,
    ) {
        let Some(call) = self.lock().calls.remove(&id) else { return };
        let Call { asker, id, then } = call;
        match (then, outcome) {
            (Then::Nothing, _) => {}
            (Then::Tell(waiting), outcome) => {
                // whoever waited may have given up
                let _ = waiting.send(outcome);
            }
            (Then::PassOn | Then::NameMachine | Then::Attach { .. }, Err(error)) => {
                asker.fail(&id, &error);
            }
            (Then::PassOn, Ok(result)) => asker.answer(&id, &result),
            (Then::NameMachine, Ok(result)) => {
                let named = Members::parse(Some(&result)).map(|mut members| {
                    name_machine(&mut members, on);
                    members.to_raw()
                });
                asker.answer(&id, &named.unwrap_or(result));
            }
            (Then::Attach { window }, Ok(result)) => {
                let (least, most) = CREDIT_WINDOW_RANGE_BYTES.into_inner();
                // the relay does the same with what is asked of it
                let window = window.unwrap_or(DEFAULT_CREDIT_WINDOW_BYTES).clamp(least, most);
                if let Some(answer) = self.begin_channel(&asker, &result, window, on) {
                    match answer {
                        Ok(answer) => asker.answer(&id, &answer),
                        Err(error) => asker.fail(&id, &error),
                    }
                }
            }
        }
    }

    /// Opens the client's side of a channel; the answer as the client wants it. `None` when it has left.
    fn begin_channel(
        self: &Arc<Self>,
        asker: &Arc<Asker>,
        result: &RawValue,
        window: u64,
        on: Option<&OnMachine>,
    ) -> Option<Result<Box<RawValue>, RpcError>> {
        let parsed = Members::parse(Some(result)).ok();
        let theirs = parsed.as_ref().and_then(|members| members.read::<Channel>("channel"));
        let (Some(mut members), Some(theirs)) = (parsed, theirs) else {
            let message = "the machine's answer cannot be read";
            return Some(Err(RpcError::new(ErrorCode::Internal, message)));
        };
        let Some(ours) = asker.open_channel(Arc::clone(self), theirs, window) else {
            // it left while the answer was on its way
            self.end_theirs(asker, theirs);
            return None;
        };
        let route = Route { asker: Arc::clone(asker), channel: ours };
        self.lock().channels.insert(theirs, route);
        members.set("channel", &ours);
        name_machine(&mut members, on);
        Some(Ok(members.to_raw()))
    }

    /// A binary frame came.
    pub(crate) fn handle_frame(self: &Arc<Self>, frame: Bytes) {
        let Ok(Frame { channel: theirs, body }) = Frame::parse(&frame) else { return };
        match body {
            // only a client sends these
            Body::In { .. } | Body::Credit { .. } => return,
            Body::Out { .. } | Body::Snap { .. } | Body::Gap { .. } | Body::InAck { .. } => {}
        }
        let Some(route) = self.route(theirs) else { return };
        let message = Message::Binary(with_channel(frame, route.channel));
        self.pass_on(theirs, &route, message);
    }

    /// A notification about a channel came.
    pub(crate) fn handle_event(self: &Arc<Self>, method: &str, params: &RawValue) {
        let Ok(mut members) = Members::parse(Some(params)) else { return };
        let Some(theirs) = members.read::<Channel>("channel") else { return };
        let Some(route) = self.route(theirs) else { return };
        members.set("channel", &route.channel);
        let Ok(text) = rpc::notification(method, &members) else { return };
        self.pass_on(theirs, &route, Message::Text(text.into()));
        if method == notify::SESSION_DETACHED {
            // what stands before it in the queue is still sent
            self.lock().channels.remove(&theirs);
            route.asker.forget_channel(route.channel);
        }
    }

    fn pass_on(self: &Arc<Self>, theirs: Channel, route: &Route, message: Message) {
        match route.asker.outbox.push_to(route.channel, message) {
            Pushed::Taken => {}
            Pushed::TooSlow => {
                self.lock().channels.remove(&theirs);
                route.asker.end_channel(route.channel, why::TOO_SLOW);
                self.end_theirs(&route.asker, theirs);
            }
            Pushed::Gone => {
                self.lock().channels.remove(&theirs);
            }
        }
    }

    /// A client detached, or has gone: the relay's side of its channel ends.
    pub(crate) fn end_theirs(self: &Arc<Self>, asker: &Arc<Asker>, theirs: Channel) {
        self.lock().channels.remove(&theirs);
        let params = serde_json::value::to_raw_value(&ChannelParams { channel: theirs });
        let Ok(params) = params else { return };
        let call = Call { asker: Arc::clone(asker), id: RequestId::Number(0), then: Then::Nothing };
        let link = Arc::clone(self);
        let Some(method) = MethodName::parse(SessionDetach::NAME) else { return };
        // with the link it ends by itself
        asker.spawn(async move {
            let _ = link.forward(method, &params, call).await;
        });
    }

    /// The link is gone: everything that waits is told so.
    pub(crate) fn close(&self) {
        let (calls, channels) = {
            let mut table = self.lock();
            table.closed = true;
            (std::mem::take(&mut table.calls), std::mem::take(&mut table.channels))
        };
        let message = "the link to the machine was lost; it may have done it all the same";
        let error = RpcError::new(ErrorCode::Unreachable, message);
        for call in calls.into_values() {
            match call.then {
                Then::Nothing => {}
                Then::Tell(waiting) => {
                    let _ = waiting.send(Err(error.clone()));
                }
                Then::PassOn | Then::NameMachine | Then::Attach { .. } => {
                    call.asker.fail(&call.id, &error);
                }
            }
        }
        for route in channels.into_values() {
            route.asker.end_channel(route.channel, why::UNREACHABLE);
        }
    }

    fn route(&self, theirs: Channel) -> Option<Route> {
        self.lock().channels.get(&theirs).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts the machine into a result's `session`.
fn name_machine(members: &mut Members, on: Option<&OnMachine>) {
    let session = Members::parse(members.raw("session"));
    if let (Ok(mut session), Some(on), Some(_)) = (session, on, members.raw("session")) {
        session.set("on", on);
        members.set("session", &session);
    }
}

/// The same frame of another channel.
pub(crate) fn with_channel(frame: Bytes, channel: Channel) -> Bytes {
    let mut frame = frame.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
    if let Some(number) = frame.get_mut(..size_of::<u32>()) {
        number.copy_from_slice(&channel.0.to_le_bytes());
    }
    frame.freeze()
}

/// The notification that a channel has ended.
pub(crate) fn detached(channel: Channel, why: &str) -> Option<Message> {
    let text = rpc::notification(notify::SESSION_DETACHED, &Detached { channel, why: why.into() });
    text.ok().map(|text| Message::Text(text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarterdeck_protocol::{
        frame::{Flags, InputState},
        ids::{InputNumber, Out},
    };

    #[test]
    fn a_frame_gets_another_channel_and_stays_the_same_otherwise() {
        let bodies = [
            Body::Out { out: Out(7), flags: Flags::default(), bytes: b"hello" },
            Body::Gap { from: Out(1), to: Out(9) },
            Body::InAck { n: InputNumber(3), state: InputState::Applied },
        ];
        for body in bodies {
            let theirs = Frame { channel: Channel(5), body }.to_vec();
            let ours = with_channel(theirs.clone().into(), Channel(0x0102_0304));
            let expected = Frame { channel: Channel(0x0102_0304), body }.to_vec();
            assert_eq!(ours, expected);
            // one that somebody else still holds is copied
            let kept = Bytes::from(theirs.clone());
            assert_eq!(with_channel(kept.clone(), Channel(0x0102_0304)), expected);
            assert_eq!(kept, theirs);
        }
    }

    #[test]
    fn a_result_with_a_session_says_on_which_machine_and_any_other_stays() {
        let on = OnMachine {
            machine: MachineId::from_bytes([1; 8]),
            label: "dev".parse().expect("a label"),
            unreachable_since: None,
        };
        let check = |text: &str, expected: &str| {
            let raw: Box<RawValue> = serde_json::from_str(text).expect("is JSON");
            let mut members = Members::parse(Some(&raw)).expect("is an object");
            name_machine(&mut members, Some(&on));
            assert_eq!(members.to_raw().get(), expected);
        };
        check(
            r#"{"session":{"label":"x"}}"#,
            r#"{"session":{"label":"x","on":{"machine":"m_0101010101010101","label":"dev"}}}"#,
        );
        check(r#"{"id":"1"}"#, r#"{"id":"1"}"#);
    }
}
