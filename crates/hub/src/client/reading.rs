//! What a client sends: requests, each answered in its own time, and frames, passed on in their order.

use std::sync::{Arc, atomic::Ordering};

use axum::extract::ws::{Message, Utf8Bytes, WebSocket};
use bytes::Bytes;
use futures_util::{
    StreamExt as _,
    stream::{FuturesUnordered, SplitStream},
};
use quarterdeck_access::http::{self, Received};
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    frame::{Body, Frame},
    limits::{MAX_INPUT_BYTES, MAX_REQUESTS_IN_FLIGHT},
    method::MethodName,
    rpc::{self, RequestId},
};
use serde_json::value::RawValue;

use super::{Asker, Attached, End, close};
use crate::{
    api,
    limits::FRAME_LIMIT,
    switch::{self, with_channel},
};

impl Asker {
    /// Reads until the connection ends.
    pub(super) async fn read(self: &Arc<Self>, mut stream: SplitStream<WebSocket>) -> End {
        let mut requests = FuturesUnordered::new();
        loop {
            tokio::select! {
                biased;
                received = http::receive(&mut stream, &self.moved) => match received {
                    Received::Text(text) => requests.push(Arc::clone(self).handle_text(text)),
                    Received::Binary(bytes) => {
                        if let Some(end) = self.handle_frame(bytes).await {
                            return end;
                        }
                    }
                    Received::Pong => {}
                    Received::Unreadable => {
                        return End::Violation(close::PROTOCOL, "message malformed or too large");
                    }
                    Received::Gone => return End::Peer,
                },
                Some(()) = requests.next() => {}
            }
        }
    }

    async fn handle_text(self: Arc<Self>, text: Utf8Bytes) {
        let (id, method, params) = match rpc::Message::parse(&text) {
            // a client of a hub speaks for itself
            Ok(rpc::Message::Request { id, method, params, acting: None }) => (id, method, params),
            Ok(rpc::Message::Request { id, .. }) => {
                self.in_flight.fetch_add(1, Ordering::Relaxed);
                let message = "a hub takes no requests on behalf of others";
                return self.fail(&id, &RpcError::new(ErrorCode::Forbidden, message));
            }
            Ok(rpc::Message::Notification { .. } | rpc::Message::Response { .. }) => return,
            Err(error) => {
                let text = rpc::error_response(None, &error);
                return self.outbox.push(Message::Text(text.into()));
            }
        };
        if self.in_flight.fetch_add(1, Ordering::Relaxed) >= MAX_REQUESTS_IN_FLIGHT {
            let message = "too many requests wait on this connection";
            return self.fail(&id, &RpcError::new(ErrorCode::Overloaded, message));
        }
        if let Err(error) = self.dispatch(&id, &method, params.as_deref()).await {
            self.fail(&id, &error);
        }
    }

    async fn dispatch(
        self: &Arc<Self>,
        id: &RequestId,
        method: &str,
        params: Option<&RawValue>,
    ) -> Result<(), RpcError> {
        let Some(method) = MethodName::parse(method) else {
            let message = format!("method {method:?} does not exist in this version");
            return Err(RpcError::new(ErrorCode::MethodNotFound, message));
        };
        if method != MethodName::Hello && self.acting.get().is_none() {
            let message = "the first request of a connection must be hello";
            return Err(RpcError::new(ErrorCode::HelloRequired, message));
        }
        self.require(method)?;
        api::call(self, method, id, params).await
    }

    pub(crate) async fn handle_frame(self: &Arc<Self>, bytes: Bytes) -> Option<End> {
        let Ok(Frame { channel, body }) = Frame::parse(&bytes) else {
            return Some(End::Violation(close::INVALID, "not a quarterdeck.v1 frame"));
        };
        match body {
            Body::In { bytes, .. } if bytes.len() > MAX_INPUT_BYTES => {
                return Some(End::Violation(close::INVALID, "input frame too large"));
            }
            Body::In { .. } | Body::Credit { .. } => {}
            // only a relay sends these; a client that does is ignored
            Body::Out { .. } | Body::Snap { .. } | Body::Gap { .. } | Body::InAck { .. } => {
                return None;
            }
        }
        // a removed session's channel is detached with a reason of its own
        let Attached { link, theirs } = self.channels().get(&channel).cloned()?;
        let sent = link.client.forward_frame(with_channel(bytes, theirs));
        if tokio::time::timeout(FRAME_LIMIT, sent).await.is_ok() {
            return None;
        }
        // an input that is lost must not be followed by the next one
        self.end_channel(channel, switch::why::UNREACHABLE);
        link.end_theirs(self, theirs);
        let message = "the link to the machine takes nothing";
        self.bound().map(|_| End::Violation(close::TRY_AGAIN, message))
    }
}
