//! Relays with sessions on paper only: they speak the real wire to a hub, over TLS, and run nothing. So a
//! hub can have as many as no machine for tests could.

use std::{
    io::{self, Write as _},
    net::{Ipv4Addr, SocketAddr},
    path::Path,
};

use futures_util::{SinkExt as _, StreamExt as _};
use quarterdeck_core::link::heartbeat::PING_INTERVAL;
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    method::{Hello, HelloParams, HelloResult, Method as _, PromptList},
    rpc::{self, Message as Rpc, RequestId},
    session::{SessionInfo, Sync, notify},
};
use quarterdeck_transport::{
    dial::{SUBPROTOCOL, websocket_config},
    server::{ListenSecurity, Listener},
    stream::Counted,
    tls::{ClientAuth, ServerIdentity, ServerTls},
};
use serde::{Deserialize, Serialize};
use serde_json::{json, value::RawValue};
use tokio::{
    task::JoinSet,
    time::{Instant, interval_at},
};
use tokio_tungstenite::{
    accept_hdr_async_with_config,
    tungstenite::{
        Error as WsError, Message,
        handshake::server::{Callback, ErrorResponse, Request, Response},
        http::HeaderValue,
    },
};

/// What the program says first; then a line for each dial: the relay's number.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ready {
    /// The pin of all of them.
    pub pin: String,
    /// Where each listens.
    pub addresses: Vec<SocketAddr>,
}

/// Serves so many relays with so many sessions each, until it is killed. The certificate is kept in a
/// directory.
///
/// # Errors
/// When it cannot listen.
pub async fn serve(relays: u16, sessions: u16, directory: &Path) -> io::Result<()> {
    let identity = ServerIdentity::Own { path: directory.join("simulated.pem") };
    let tls = ServerTls::load(&identity, &ClientAuth::None).map_err(io::Error::other)?;
    let mut ready = Ready { pin: tls.pin().to_string(), addresses: Vec::new() };
    let mut serving = JoinSet::new();
    for number in 0..relays {
        let any = (Ipv4Addr::LOCALHOST, 0).into();
        let listener = Listener::bind_tcp(any, &ListenSecurity::Tls(tls.clone())).await;
        let listener = listener.map_err(io::Error::other)?;
        ready.addresses.extend(listener.local_address());
        serving.spawn(accept(listener, Simulated { number, sessions }));
    }
    say(&serde_json::to_string(&ready)?)?;
    while serving.join_next().await.is_some() {}
    Ok(())
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// One relay.
#[derive(Debug, Clone, Copy)]
struct Simulated {
    number: u16,
    sessions: u16,
}

async fn accept(mut listener: Listener, relay: Simulated) {
    let mut links = JoinSet::new();
    loop {
        let accepted = listener.accept().await;
        // nobody counts any more
        let _ = say(&relay.number.to_string());
        links.spawn(relay.serve(accepted.stream));
        while links.try_join_next().is_some() {}
    }
}

struct AcceptSubprotocol;

impl Callback for AcceptSubprotocol {
    fn on_request(self, _: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
        let value = HeaderValue::from_static(SUBPROTOCOL);
        response.headers_mut().insert("Sec-WebSocket-Protocol", value);
        Ok(response)
    }
}

impl Simulated {
    async fn serve(self, stream: Counted) -> Result<(), WsError> {
        let config = Some(websocket_config());
        let mut socket = accept_hdr_async_with_config(stream, AcceptSubprotocol, config).await?;
        let mut pings = interval_at(Instant::now() + PING_INTERVAL, PING_INTERVAL);
        loop {
            tokio::select! {
                message = socket.next() => match message {
                    Some(Ok(Message::Text(text))) => {
                        for answer in self.answers(&text) {
                            socket.send(Message::text(answer)).await?;
                        }
                    }
                    Some(Ok(Message::Close(_))) | None => return Ok(()),
                    Some(Ok(
                        Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_)
                    )) => {}
                    Some(Err(error)) => return Err(error),
                },
                _ = pings.tick() => socket.send(Message::Ping(bytes::Bytes::new())).await?,
            }
        }
    }

    /// What a relay says to a message of its hub.
    fn answers(self, text: &str) -> Vec<String> {
        let Ok(Rpc::Request { id, method, params, .. }) = Rpc::parse(text) else {
            return Vec::new();
        };
        let answers = match method.as_str() {
            Hello::NAME => self.greet(&id, params.as_deref()),
            PromptList::NAME => rpc::response(&id, &json!({"prompts": []})).map(|it| vec![it]),
            _ => {
                let error = RpcError::new(ErrorCode::MethodNotFound, "a simulated relay");
                Ok(vec![rpc::error_response(Some(&id), &error)])
            }
        };
        answers.unwrap_or_default()
    }

    fn greet(self, id: &RequestId, params: Option<&RawValue>) -> serde_json::Result<Vec<String>> {
        let text = params.map_or("{}", RawValue::get);
        let hello: HelloParams = serde_json::from_str(text)?;
        let mut said = vec![rpc::response(id, &self.hello()?)?];
        if hello.watch {
            said.push(rpc::notification(notify::SYNC, &self.view()?)?);
        }
        Ok(said)
    }

    fn hello(self) -> serde_json::Result<HelloResult> {
        serde_json::from_value(json!({
            "relay_id": self.id(),
            "generation": 1,
            "version": env!("CARGO_PKG_VERSION"),
            "instance": "default",
            "machine": format!("simulated-{}", self.number),
            "client_id": format!("c_{:032x}", self.number),
            "ticket": "a ticket",
            "principal": format!("{}/hub", self.id()),
            "scopes": ["read", "answer", "create", "drive"],
        }))
    }

    fn view(self) -> serde_json::Result<Sync> {
        let sessions: Vec<_> = (0..self.sessions)
            .map(|session| self.session(session))
            .collect::<serde_json::Result<_>>()?;
        serde_json::from_value(json!({
            "relay_id": self.id(), "generation": 1, "rev": 1, "part": 0, "last": true,
            "sessions": sessions,
        }))
    }

    fn session(self, session: u16) -> serde_json::Result<SessionInfo> {
        let number = u32::from(self.number) << 16 | u32::from(session);
        serde_json::from_value(json!({
            "session": format!("s_{number:020x}"),
            "label": format!("shell:{session}"),
            "kind": "terminal", "state": "idle", "argv": ["/bin/bash", "-l"],
            "cwd": format!("/home/somebody/projects/number-{session}"),
            "title": format!("somebody@simulated-{}: ~/projects/number-{session}", self.number),
            "size": {"cols": 120, "rows": 40}, "lease": {"epoch": 1, "state": "free"},
            "attached": 0, "created_at": 1_700_000_000_000_000_u64 + u64::from(number),
            "last_activity_at": 1_700_000_000_000_000_u64 + u64::from(number), "incarnation": 1,
            "log_id": format!("l_{number:016x}"), "seq": 100, "out": 4096, "base": 0,
        }))
    }

    fn id(self) -> String {
        format!("r_{:032x}", u32::from(self.number) + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulated_relay_says_what_a_hub_can_read() {
        let relay = Simulated { number: 199, sessions: 20 };
        let hello = rpc::request(
            &RequestId::Number(1),
            Hello::NAME,
            &json!({"name": "hub", "watch": true}),
        );
        let said = relay.answers(&hello.expect("serialises"));
        assert_eq!(said.len(), 2);
        let Ok(Rpc::Response { outcome: Ok(result), .. }) = Rpc::parse(&said[0]) else {
            panic!("{said:?}")
        };
        serde_json::from_str::<HelloResult>(result.get()).expect("a hello");
        let Ok(Rpc::Notification { params: Some(params), .. }) = Rpc::parse(&said[1]) else {
            panic!("{said:?}")
        };
        let sync: Sync = serde_json::from_str(params.get()).expect("a view");
        assert_eq!(sync.sessions.len(), 20);
    }
}
