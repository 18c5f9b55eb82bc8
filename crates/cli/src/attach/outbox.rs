//! What goes to the relay: one thing at a time, requests before input before credit. The link may be
//! slow; the loop never waits for it.

use std::collections::VecDeque;

use futures_util::future::BoxFuture;
use quarterdeck_protocol::{
    frame::{Body, Frame},
    ids::{Channel, Epoch, InputNumber, Out},
    method::{
        AttachParams, ChannelParams, LeaseOffer, LeaseRelease, LeaseRequest, LeaseTake,
        OfferParams, ResizeParams, SessionAttach, SessionDetach, SessionParams, SessionResize,
        SessionStop, StopParams, TakeParams,
    },
};
use quarterdeck_transport::{
    CallError, Client,
    client::{CallId, SendError},
};

use super::{typing::Typing, view::Ask};

/// A request whose answer comes in the stream.
#[derive(Debug, Clone)]
pub(super) enum Request {
    /// Attach, for the first time or again.
    Attach(Box<AttachParams>),
    /// End an attachment that another one has replaced.
    Detach(Channel),
    /// What a key asked for, on this session.
    Ask(Ask, String),
}

/// What the answer to a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// An attachment.
    Attach,
    /// Nothing that anybody waits for.
    Detach,
    /// What a key asked for.
    Key(Ask),
}

/// What was sent.
#[derive(Debug)]
pub(super) enum Sent {
    /// A frame.
    Frame,
    /// A request; its answer has this number.
    Request(CallId, Asked),
    /// It could not be sent: the connection is over, or the request is a defect.
    Failed(CallError),
}

/// The way to the relay on one connection.
pub(super) struct Outbox {
    client: Client,
    /// Bounded by what keys can cause between two turns of the loop.
    requests: VecDeque<Request>,
    /// Only the newest matters.
    credit: Option<(Channel, Out)>,
    sending: Option<BoxFuture<'static, Sent>>,
}

impl Outbox {
    /// An empty one.
    pub(super) fn new(client: Client) -> Self {
        Self { client, requests: VecDeque::new(), credit: None, sending: None }
    }
    /// Sends a request before anything else.
    pub(super) fn request(&mut self, request: Request) {
        self.requests.push_back(request);
    }
    /// Whether an attach waits to be sent.
    pub(super) fn has_attach(&self) -> bool {
        self.requests.iter().any(|request| matches!(request, Request::Attach(_)))
    }
    /// Everything before `out` is on the screen.
    pub(super) const fn credit(&mut self, channel: Channel, out: Out) {
        self.credit = Some((channel, out));
    }

    /// Sends the next thing; waits while there is none. May be dropped and called again. Input is
    /// sent on `channel`, or kept while there is none.
    pub(super) async fn next(&mut self, typing: &mut Typing, channel: Option<Channel>) -> Sent {
        if self.sending.is_none() {
            self.sending = self.compose(typing, channel);
        }
        let Some(sending) = &mut self.sending else { return std::future::pending().await };
        let sent = sending.await;
        self.sending = None;
        sent
    }

    /// Sends all that can be sent now, before the connection is closed.
    pub(super) async fn flush(&mut self, typing: &mut Typing, channel: Option<Channel>) {
        while let Some(sending) = self.sending.take().or_else(|| self.compose(typing, channel)) {
            // a connection that is over takes nothing more, and ends this as well
            if let Sent::Failed(_) = sending.await {
                return;
            }
        }
    }

    fn compose(
        &mut self,
        typing: &mut Typing,
        channel: Option<Channel>,
    ) -> Option<BoxFuture<'static, Sent>> {
        let client = self.client.clone();
        if let Some(request) = self.requests.pop_front() {
            return Some(Box::pin(send_request(client, request)));
        }
        let input = channel.and_then(|channel| {
            let sending = typing.poll_send()?;
            Some((channel, sending.epoch, sending.n, sending.bytes.to_vec()))
        });
        if let Some((channel, epoch, n, bytes)) = input {
            return Some(Box::pin(send_input(client, channel, (epoch, n), bytes)));
        }
        let (channel, out) = self.credit.take()?;
        Some(Box::pin(async move {
            sent(client.send_frame(Frame { channel, body: Body::Credit { out } }).await)
        }))
    }
}

async fn send_input(
    client: Client,
    channel: Channel,
    (epoch, n): (Epoch, InputNumber),
    bytes: Vec<u8>,
) -> Sent {
    let body = Body::In { epoch, n, bytes: &bytes };
    sent(client.send_frame(Frame { channel, body }).await)
}

fn sent(outcome: Result<(), SendError>) -> Sent {
    match outcome {
        Ok(()) => Sent::Frame,
        Err(SendError::Closed(why)) => Sent::Failed(why.into()),
        Err(SendError::TooLarge { bytes }) => Sent::Failed(CallError::TooLarge { bytes }),
    }
}

async fn send_request(client: Client, request: Request) -> Sent {
    let (outcome, asked) = match request {
        Request::Attach(params) => (client.request::<SessionAttach>(&params).await, Asked::Attach),
        Request::Detach(channel) => {
            (client.request::<SessionDetach>(&ChannelParams { channel }).await, Asked::Detach)
        }
        Request::Ask(ask, session) => (send_ask(&client, ask, session).await, Asked::Key(ask)),
    };
    match outcome {
        Ok(call) => Sent::Request(call, asked),
        Err(error) => Sent::Failed(error),
    }
}

async fn send_ask(client: &Client, ask: Ask, session: String) -> Result<CallId, CallError> {
    match ask {
        Ask::Take => client.request::<LeaseTake>(&TakeParams { session, reason: None }).await,
        Ask::Request => client.request::<LeaseRequest>(&SessionParams { session }).await,
        Ask::Release => client.request::<LeaseRelease>(&SessionParams { session }).await,
        Ask::Offer => client.request::<LeaseOffer>(&OfferParams { session, to: None }).await,
        Ask::Resize(size) => client.request::<SessionResize>(&ResizeParams { session, size }).await,
        Ask::Kill => {
            let params = StopParams { session, rung_ms: None, now: false, reason: None };
            client.request::<SessionStop>(&params).await
        }
    }
}
