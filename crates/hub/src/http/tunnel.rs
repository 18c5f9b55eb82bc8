//! A machine's own HTTP for a client of the hub: the bytes of one HTTP connection as frames of a channel of
//! the machine's link. What is asked is not read here, but for its path.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    body::Body as HttpBody,
    extract::{Path, Request, ws::Message},
    http::{HeaderValue, Uri, header},
    response::Response,
};
use bytes::Bytes;
use hyper_util::rt::TokioIo;
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    frame::{Body, Frame},
    ids::{Channel, Epoch, InputNumber, MachineId, Out},
    limits::MAX_INPUT_BYTES,
    method::{ChannelParams, MethodName},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    sync::watch,
};

use super::{Visitor, answer, ask};
use crate::{
    client::{Asker, outbox::Turn},
    limits::FORWARD_LIMIT,
};

/// Frames to a machine that it has not taken: 64 KiB, as every client may have.
const MAX_UNTAKEN: u64 = 4;

/// Whatever is asked of a session beside the methods: the machine's relay knows it, or says that it does not.
pub(super) async fn of_session(
    Visitor(asker): Visitor,
    Path(names): Path<BTreeMap<String, String>>,
    request: Request,
) -> Response {
    let name = |name: &str| names.get(name).map(String::as_str).unwrap_or_default();
    let limit = &asker.grant.sessions;
    let found = asker.context.fleet.resolve(
        names.get("machine").map(String::as_str),
        name("session"),
        limit,
    );
    let asked = async {
        let place = found?;
        let path = format!("/v1/sessions/{}/{}", escape(&place.session), escape(name("operation")));
        forward(&asker, place.machine, &path, request).await
    };
    match asked.await {
        Ok(response) => response,
        Err(error) => answer(&error),
    }
}

/// Escapes what could end a part of a path.
fn escape(part: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte);
    let escaped = part.bytes().map(|byte| {
        if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    });
    escaped.collect()
}

async fn forward(
    asker: &Arc<Asker>,
    machine: MachineId,
    path: &str,
    mut request: Request,
) -> Result<Response, RpcError> {
    let lost = |_| RpcError::new(ErrorCode::Unreachable, "the link to the machine was lost");
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    *request.uri_mut() = format!("{path}{query}")
        .parse::<Uri>()
        .map_err(|_| RpcError::new(ErrorCode::InvalidRequest, "the path cannot be passed on"))?;
    let headers = request.headers_mut();
    headers.remove(header::AUTHORIZATION);
    headers.insert(header::HOST, HeaderValue::from_static("relay"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    let params = serde_json::value::to_raw_value(&BTreeMap::from([("machine", machine)]));
    let params = params.map_err(|_| RpcError::new(ErrorCode::Internal, "no parameters"))?;
    let opened = ask(asker, MethodName::HttpOpen, &params).await?;
    let opened: ChannelParams = serde_json::from_str(opened.get())
        .map_err(|_| RpcError::new(ErrorCode::Internal, "the machine's answer cannot be read"))?;
    let (near, far) = duplex(MAX_INPUT_BYTES);
    let pumping = Arc::clone(asker);
    asker.spawn(async move { pump(&pumping, opened.channel, far).await });
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(near)).await.map_err(lost)?;
    asker.spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "HTTP of a machine ended");
        }
    });
    let response = tokio::time::timeout(6 * FORWARD_LIMIT, sender.send_request(request)).await;
    let silent = |_| RpcError::new(ErrorCode::Unreachable, "the machine does not answer");
    Ok(response.map_err(silent)?.map_err(lost)?.map(HttpBody::new))
}

/// Carries bytes both ways until either side ends.
async fn pump(asker: &Arc<Asker>, channel: Channel, far: DuplexStream) {
    let (mut reader, mut writer) = tokio::io::split(far);
    let (taken, took) = watch::channel(0);
    let shutdown = asker.context.shutdown.clone();
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = asker.context.credential_ended(&asker.grant) => {}
        () = to_machine(asker, channel, &mut reader, took) => {}
        () = from_machine(asker, channel, &mut writer, taken) => {}
    }
    asker.leave();
}

async fn to_machine(
    asker: &Arc<Asker>,
    channel: Channel,
    reader: &mut (impl tokio::io::AsyncRead + Unpin),
    mut took: watch::Receiver<u64>,
) {
    let mut buffer = vec![0; MAX_INPUT_BYTES];
    let mut sent = 0;
    while took.wait_for(|taken| sent < taken + MAX_UNTAKEN).await.is_ok() {
        let Ok(count @ 1..) = reader.read(&mut buffer).await else { return };
        sent += 1;
        let bytes = &buffer[..count];
        let body = Body::In { epoch: Epoch(0), n: InputNumber(sent), bytes };
        asker.handle_frame(Frame { channel, body }.to_vec().into()).await;
    }
}

async fn from_machine(
    asker: &Arc<Asker>,
    channel: Channel,
    writer: &mut (impl tokio::io::AsyncWrite + Unpin),
    taken: watch::Sender<u64>,
) {
    loop {
        let frame: Bytes = match asker.outbox.next_turn() {
            Some(Turn::Message(Message::Binary(frame))) => frame,
            // the only notification of such a channel is its end
            Some(Turn::Message(Message::Text(_)) | Turn::Overflowed) => return,
            Some(Turn::Message(_) | Turn::View) => continue,
            None => {
                asker.outbox.changed().await;
                continue;
            }
        };
        match Frame::parse(&frame).map(|frame| frame.body) {
            Ok(Body::Out { out, bytes, .. }) => {
                if writer.write_all(bytes).await.is_err() {
                    return;
                }
                let out = Out(out.0 + bytes.len() as u64);
                asker
                    .handle_frame(Frame { channel, body: Body::Credit { out } }.to_vec().into())
                    .await;
            }
            Ok(Body::InAck { n, .. }) => {
                taken.send_replace(n.0);
            }
            Ok(Body::Snap { .. } | Body::Gap { .. } | Body::In { .. } | Body::Credit { .. })
            | Err(_) => {}
        }
    }
}
