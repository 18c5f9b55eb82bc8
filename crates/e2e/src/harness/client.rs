//! The native protocol, spoken as a program would: over any endpoint, with nothing repaired or retried.

use std::{collections::BTreeMap, net::SocketAddr};

use quarterdeck_protocol::{
    error::RpcError,
    frame::{Body, Flags, Frame, InputState},
    ids::{Channel, Epoch, InputNumber, LogId, Out},
    method::{
        AttachFrom, AttachParams, AttachResult, AttachRole, Behind, CreateParams, Empty, Hello,
        HelloParams, HelloResult, Method, Role, SessionAttach, SessionCreate, TokenCreate,
        TokenCreateParams, TokenList,
    },
    record::LeaseRecord,
    scope::Scopes,
    session::{InputRejected, SessionEvent, SessionInfo, notify},
};
use quarterdeck_transport::{
    CallError, Client, ClientOptions, ClosedWhy, DialError, DialLimits, DialOptions, Endpoint,
    Events, Incoming, connect,
    tls::{ClientTls, ServerTrust},
};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::{instance::Instance, within};
use crate::streams::KnownStream;

/// Where a relay is, and with what one goes there.
#[derive(Debug, Clone)]
pub struct Way {
    endpoint: Endpoint,
    options: DialOptions,
    /// How the connection is run.
    pub client: ClientOptions,
    /// Which machine of a hub is meant.
    machine: Option<String>,
}

impl Way {
    fn to(endpoint: &str) -> Self {
        let endpoint = endpoint.parse().expect("is an endpoint");
        let (options, client) = (DialOptions::default(), ClientOptions::default());
        Self { endpoint, options, client, machine: None }
    }
    /// The instance's own socket, as its user.
    #[must_use]
    pub fn unix(instance: &Instance) -> Self {
        Self::to(&format!("unix:{}", instance.directory().join("relay.sock").display()))
    }
    /// The instance's hub, as its user.
    #[must_use]
    pub fn hub(instance: &Instance) -> Self {
        Self::to(&format!("unix:{}", instance.directory().join("hub.sock").display()))
    }
    /// The same, for one machine of a hub as if there were no other.
    #[must_use]
    pub fn on(mut self, machine: &str) -> Self {
        self.machine = Some(machine.to_owned());
        self
    }
    /// Plain TCP on loopback, with a token.
    #[must_use]
    pub fn ws(address: SocketAddr, token: &str) -> Self {
        Self::to(&format!("ws://{address}")).with_token(token)
    }
    /// TLS on loopback, with a token and a pin.
    ///
    /// # Panics
    /// When the pin is none.
    #[must_use]
    pub fn wss(address: SocketAddr, token: &str, pin: &str) -> Self {
        let mut way = Self::to(&format!("wss://{address}")).with_token(token);
        let pin = pin.parse::<quarterdeck_crypto::Pin>().expect("is a pin");
        let pins = quarterdeck_crypto::PinSet::new([pin]).expect("one pin is a set");
        way.options.tls = ClientTls { trust: ServerTrust::Pins(pins), identity: None };
        way
    }
    fn with_token(mut self, token: &str) -> Self {
        let token = quarterdeck_crypto::Token::parse(token).expect("is a token");
        self.options.token = Some(token);
        self
    }
    /// Goes to another address from now on: a proxy before the relay, or another relay.
    ///
    /// # Panics
    /// When the way is not over TCP.
    pub fn redirect(&mut self, to: SocketAddr) {
        let Endpoint::Tcp { host, port, .. } = &mut self.endpoint else {
            panic!("{:?} has no address", self.endpoint);
        };
        *host = quarterdeck_transport::endpoint::Host::Address(to.ip());
        *port = to.port();
    }
    /// Opens a connection and says hello.
    ///
    /// # Errors
    /// Why there is no connection.
    pub async fn try_connect(&self, hello: &HelloParams) -> Result<Peer, ConnectError> {
        let stream = connect(&self.endpoint, &self.options, &DialLimits::default()).await?;
        let (client, events) = Client::start(stream, self.client);
        let hello = HelloParams { machine: self.machine.clone(), ..hello.clone() };
        let hello = client.call::<Hello>(&hello).await?;
        Ok(Peer { client, events, hello })
    }
    /// The same for a new client, where it must work.
    ///
    /// # Panics
    /// When it does not.
    pub async fn connect(&self, name: &str) -> Peer {
        let hello = HelloParams { name: name.to_owned(), ..HelloParams::default() };
        within("a connection", self.try_connect(&hello)).await.expect("connects")
    }
    /// The same for a client that was there before.
    ///
    /// # Panics
    /// When it does not work.
    pub async fn connect_again(&self, name: &str, ticket: &str) -> Peer {
        let ticket = Some(ticket.to_owned());
        let hello = HelloParams { name: name.to_owned(), ticket, ..HelloParams::default() };
        within("a connection", self.try_connect(&hello)).await.expect("connects again")
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The relay is not reached.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// It is, and does not answer as it should, or the link broke right away.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// A connection that has said hello.
#[derive(Debug)]
pub struct Peer {
    /// Calls.
    pub client: Client,
    /// What comes in.
    pub events: Events,
    /// Who the relay and the caller are.
    pub hello: HelloResult,
}

impl Peer {
    /// Asks, and gives the relay's answer.
    ///
    /// # Errors
    /// The relay's error.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn try_call<M: Method>(&self, params: &M::Params) -> Result<M::Result, RpcError> {
        match self.client.call::<M>(params).await {
            Ok(result) => Ok(result),
            Err(CallError::Rpc(error)) => Err(error),
            Err(
                error @ (CallError::Timeout { .. }
                | CallError::Closed(_)
                | CallError::TooLarge { .. }
                | CallError::Unreadable { .. }),
            ) => panic!("{}: {error}", M::NAME),
        }
    }
    /// Asks where it must work.
    ///
    /// # Panics
    /// When it does not.
    pub async fn call<M: Method>(&self, params: &M::Params) -> M::Result {
        let answer = self.try_call::<M>(params).await;
        answer.unwrap_or_else(|error| panic!("{}: {error:?}", M::NAME))
    }
    /// Starts a session with this command line.
    pub async fn create<S: AsRef<str>>(&self, argv: impl IntoIterator<Item = S>) -> SessionInfo {
        let argv = argv.into_iter().map(|word| word.as_ref().to_owned()).collect();
        let params = CreateParams { argv, ..CreateParams::default() };
        self.call::<SessionCreate>(&params).await.session
    }
    /// Makes a token for this principal with these scopes, and gives its secret.
    pub async fn token(&self, principal: &str, scopes: Scopes) -> String {
        // several tokens of one principal are several devices
        let number = self.call::<TokenList>(&Empty {}).await.tokens.len();
        let params = TokenCreateParams {
            name: format!("{principal}-{number}"),
            principal: Some(principal.to_owned()),
            scopes,
            sessions: Vec::new(),
            expires_in_s: None,
            dialect: None,
        };
        self.call::<TokenCreate>(&params).await.token
    }
    /// Attaches, and gives the attachment the connection.
    ///
    /// # Errors
    /// The relay's error.
    pub async fn try_attach(self, params: &AttachParams) -> Result<Attachment, RpcError> {
        let answer = self.try_call::<SessionAttach>(params).await?;
        Ok(Attachment::new(self, answer))
    }
    /// The same where it must work.
    ///
    /// # Panics
    /// When it does not.
    pub async fn attach(self, params: &AttachParams) -> Attachment {
        self.try_attach(params).await.expect("attaches")
    }
}

/// An attachment as a recorder wants it: every byte, from the beginning or from where it was left.
#[must_use]
pub fn recording(session: &str, from: Option<(Out, LogId)>) -> AttachParams {
    let (out, log_id) = from.unwrap_or((Out(0), LogId::from_bytes([0; 8])));
    let from = match from {
        Some(_) => AttachFrom::Out { out, log_id },
        None => AttachFrom::Tail { bytes: u64::MAX },
    };
    AttachParams { from, behind: Behind::Replay, ..watching(session, AttachRole::Auto) }
}

/// An attachment from the present screen on.
#[must_use]
pub fn watching(session: &str, role: AttachRole) -> AttachParams {
    AttachParams {
        session: session.to_owned(),
        role,
        from: AttachFrom::Snapshot,
        behind: Behind::Skip,
        window: None,
        ssh_auth_sock: None,
    }
}

/// One attachment on a connection of its own, and what has come in on it.
#[derive(Debug)]
pub struct Attachment {
    /// The connection.
    pub peer: Peer,
    /// The answer to the attach.
    pub answer: AttachResult,
    /// Next output byte.
    pub out: Out,
    /// Output since the attach, in order, snapshots included.
    pub text: Vec<u8>,
    /// Checks every output byte against its offset, instead of keeping it.
    pub known: Option<KnownStream>,
    /// Missing stretches.
    pub gaps: Vec<(Out, Out)>,
    /// Whole snapshots.
    pub snapshots: u32,
    /// Snapshots that were said to be inexact.
    pub inexact: u32,
    /// The newest state of each input; an applied one settles all before it.
    pub inputs: BTreeMap<InputNumber, InputState>,
    /// Why inputs were rejected.
    pub rejected: Vec<InputRejected>,
    /// Records other than output.
    pub events: Vec<SessionEvent>,
    /// Notifications outside the channel, by name.
    pub notifications: Vec<(String, String)>,
    /// The epoch under which it types; the one of the attach until a lease record says another.
    pub epoch: Epoch,
    /// Number of the next new input.
    pub next_input: InputNumber,
}

impl Attachment {
    /// An attachment that was answered so.
    #[must_use]
    pub fn new(peer: Peer, answer: AttachResult) -> Self {
        Self {
            out: answer.out,
            text: Vec::new(),
            known: None,
            gaps: Vec::new(),
            snapshots: 0,
            inexact: 0,
            inputs: BTreeMap::new(),
            rejected: Vec::new(),
            events: Vec::new(),
            notifications: Vec::new(),
            epoch: answer.session.lease.epoch,
            next_input: answer.input_applied.next(),
            peer,
            answer,
        }
    }
    /// Its channel.
    #[must_use]
    pub const fn channel(&self) -> Channel {
        self.answer.channel
    }
    /// Whether it owned the session when it attached.
    #[must_use]
    pub fn owns(&self) -> bool {
        self.answer.role == Role::Owner
    }
    /// Where a client that comes back goes on.
    #[must_use]
    pub const fn place(&self) -> (Out, LogId) {
        (self.out, self.answer.log_id)
    }
    /// Sends input under the next number, and gives it.
    ///
    /// # Errors
    /// When the connection is over.
    pub async fn try_type(&mut self, bytes: &[u8]) -> Result<InputNumber, ClosedWhy> {
        let n = self.next_input;
        self.next_input = n.next();
        self.send_input(n, bytes).await.map(|()| n)
    }
    /// Sends input under a number: again, or one that is wrong on purpose.
    ///
    /// # Errors
    /// When the connection is over.
    ///
    /// # Panics
    /// When it is more than fits into a frame.
    pub async fn send_input(&self, n: InputNumber, bytes: &[u8]) -> Result<(), ClosedWhy> {
        use quarterdeck_transport::client::SendError;
        let body = Body::In { epoch: self.epoch, n, bytes };
        match self.peer.client.send_frame(Frame { channel: self.channel(), body }).await {
            Ok(()) => Ok(()),
            Err(SendError::Closed(why)) => Err(why),
            Err(error @ SendError::TooLarge { .. }) => panic!("{error}"),
        }
    }
    /// Types, and waits until the program has it.
    ///
    /// # Panics
    /// When it does not get it.
    pub async fn type_applied(&mut self, bytes: &[u8]) {
        let n = self.try_type(bytes).await.expect("the connection is up");
        self.until("input is applied", |it| it.is_applied(n)).await;
    }
    /// Whether an input, and all before it, has reached the program.
    #[must_use]
    pub fn is_applied(&self, n: InputNumber) -> bool {
        self.inputs.range(n..).any(|(_, state)| *state == InputState::Applied)
    }
    /// Takes one thing that comes in.
    ///
    /// # Errors
    /// Why the connection is over.
    ///
    /// # Panics
    /// When it is not the protocol, or a byte is not the known one.
    pub async fn step(&mut self) -> Result<(), ClosedWhy> {
        match self.peer.events.next().await {
            Some(Incoming::Frame(bytes)) => {
                let frame = Frame::parse(&bytes).expect("the relay sends frames");
                if frame.channel < self.channel() {
                    // of an attachment that this one replaced
                    return Ok(());
                }
                assert_eq!(frame.channel, self.channel(), "there is one channel");
                self.take_frame(frame.body).await
            }
            Some(Incoming::Notification { method, params }) => {
                self.take_notification(method, params.as_deref());
                Ok(())
            }
            Some(Incoming::Answer { .. }) => Ok(()),
            Some(Incoming::Closed { why }) => Err(why),
            None => Err(ClosedWhy::Here),
        }
    }
    /// Takes what comes in until something holds.
    ///
    /// # Panics
    /// When the connection ends or nothing comes any more.
    pub async fn until(&mut self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let coming = async {
            while !holds(self) {
                if let Err(why) = self.step().await {
                    panic!("the connection is over ({why}) before {what}");
                }
            }
        };
        if tokio::time::timeout(super::PATIENCE, coming).await.is_err() {
            let tail = &self.text[self.text.len().saturating_sub(200)..];
            let events: Vec<_> = self.events.iter().map(|it| (it.event.as_str(), it.out)).collect();
            let (out, gaps, tail) = (self.out, &self.gaps, tail.escape_ascii());
            panic!(
                "nothing: {what}; output to {out}, gaps {gaps:?}, events {events:?}, last: {tail}"
            );
        }
    }
    /// Takes what comes in until a text has been seen.
    ///
    /// # Panics
    /// When it does not come.
    pub async fn until_text(&mut self, text: &str) {
        self.until(text, |it| crate::processes::contains(&it.text, text.as_bytes())).await;
    }
    /// Takes what comes in until the connection is over, and says why.
    pub async fn until_closed(&mut self) -> ClosedWhy {
        loop {
            if let Err(why) = self.step().await {
                return why;
            }
        }
    }

    async fn take_frame(&mut self, body: Body<'_>) -> Result<(), ClosedWhy> {
        match body {
            Body::Out { out, bytes, .. } => {
                assert_eq!(out, self.out, "output comes without holes");
                match &self.known {
                    Some(stream) => {
                        stream.verify(out.0, bytes).unwrap_or_else(|error| panic!("{error}"));
                    }
                    None => self.text.extend_from_slice(bytes),
                }
                self.out = Out(out.0 + bytes.len() as u64);
            }
            Body::Snap { out, flags, bytes } => {
                self.text.extend_from_slice(bytes);
                self.out = out;
                let is_last = !flags.has(Flags::MORE);
                self.snapshots += u32::from(is_last);
                self.inexact += u32::from(is_last && flags.has(Flags::INEXACT));
            }
            Body::Gap { from, to } => {
                self.gaps.push((from, to));
                self.out = to;
            }
            Body::InAck { n, state } => {
                self.inputs.insert(n, state);
                return Ok(());
            }
            Body::In { .. } | Body::Credit { .. } => panic!("a relay does not send {body:?}"),
        }
        self.send_credit().await
    }

    async fn send_credit(&self) -> Result<(), ClosedWhy> {
        let frame = Frame { channel: self.channel(), body: Body::Credit { out: self.out } };
        match self.peer.client.send_frame(frame).await {
            Ok(()) => Ok(()),
            // what is under way can still be read
            Err(_) => Ok(()),
        }
    }

    fn take_notification(&mut self, method: String, params: Option<&RawValue>) {
        let text = params.map_or("null", RawValue::get);
        match method.as_str() {
            notify::INPUT_REJECTED => self.rejected.push(parse(text)),
            notify::SESSION_EVENT => {
                let event: SessionEvent = parse(text);
                if event.event == "lease" {
                    self.epoch = parse::<LeaseRecord>(event.body.get()).epoch;
                }
                self.events.push(event);
            }
            _ => self.notifications.push((method, text.to_owned())),
        }
    }
}

fn parse<T: DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
