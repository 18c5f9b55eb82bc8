//! Agents over plain HTTP, in AgentAPI's shape: a thin layer over the methods of the WebSocket.
//!
//! - [`refusal`]: errors as answers; [`transcript`]: events become messages;
//! - [`plain`]: methods as they are;
//! - [`events`]: the stream of server-sent events; [`upload`]: a file for an agent.
//!
//! Types and the table of operations stand in `quarterdeck_protocol::http`. A request is a connection that
//! says hello, asks once and is gone; what has the same credential is the same client.

mod events;
mod plain;
mod refusal;
mod transcript;
mod upload;

use std::{future::ready, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Path, Request},
    http::{header, request::Parts},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use quarterdeck_protocol::{
    agent::{AgentState, ContentBlock},
    error::{ErrorCode, RpcError},
    http::{
        AgentStatus, GET_EVENTS, GET_MESSAGES, GET_STATUS, MessagePosted, MessageType, Messages,
        PLAIN_OPERATIONS, POST_MESSAGE, POST_UPLOAD, PostMessage, Status,
    },
    ids::ClientId,
    limits::{MAX_TEXT_FRAME_BYTES, MAX_UPLOAD_BYTES},
    method::{AgentCommandResult, AgentInterruptParams, AgentPromptParams},
    record::Owner,
};

use crate::{
    api,
    connection::Connection,
    context::Context,
    session::{Command, SessionHandle, agent::no_agent},
    tunnel::Asking,
    watch::{self, Past},
    web::{self, Authenticated},
};
use refusal::Refused;
use transcript::Transcript;
pub(crate) use transcript::rfc3339;

/// The description of all this, as a test keeps it equal to the types.
const OPENAPI: &str = include_str!("../../../docs/schema/openapi.json");
/// How long a body of JSON may take to come.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// What a form has around its file.
const FORM_BYTES: usize = 64 * 1024;
/// Keystrokes that stop a turn.
const STOPPING_KEYS: [&str; 2] = ["\u{1b}", "\u{3}"];

/// The routes.
pub(crate) fn router() -> Router<Arc<Context>> {
    let upload =
        post(upload::post_upload).layer(DefaultBodyLimit::max(MAX_UPLOAD_BYTES + FORM_BYTES));
    let message = post(post_message).layer(DefaultBodyLimit::max(MAX_TEXT_FRAME_BYTES));
    let plain = PLAIN_OPERATIONS.into_iter().fold(Router::new(), plain::route);
    let sessions = plain
        .route(GET_MESSAGES.path, get(messages))
        .route(POST_MESSAGE.path, message)
        .route(GET_STATUS.path, get(status))
        .route(GET_EVENTS.path, get(events::stream))
        .route(POST_UPLOAD.path, upload)
        .layer(middleware::map_response(refusal::typed));
    let openapi = || async { ([(header::CONTENT_TYPE, "application/json")], OPENAPI) };
    sessions.route("/openapi.json", get(openapi))
}

/// A caller, introduced: its requests are a connection each.
pub(crate) struct Visitor(Arc<Connection>);

impl FromRequestParts<Arc<Context>> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        context: &Arc<Context>,
    ) -> Result<Self, Response> {
        let Authenticated { caller, .. } =
            Authenticated::from_request_parts(parts, context).await?;
        if let Some(refused) = web::refuse_web_page(&parts.headers) {
            return Err(refused);
        }
        let asking = parts.extensions.get::<Asking>().cloned();
        if let Some(Asking { caller, owner }) = asking {
            let connection = Connection::new(Arc::clone(context), caller);
            connection.introduce(owner);
            return Ok(Self(Arc::new(connection)));
        }
        let (token, principal) = (caller.grant.name.clone(), caller.principal().clone());
        let client = context.ticket_key.fixed_client(&format!("http {token} {principal}"));
        let client = ClientId::from_bytes(client);
        let connection = Connection::new(Arc::clone(context), caller);
        connection.introduce(Owner { client, principal, name: format!("http {token}") });
        Ok(Self(Arc::new(connection)))
    }
}

async fn messages(
    Visitor(c): Visitor,
    Path(session): Path<String>,
) -> Result<Json<Messages>, Refused> {
    let read = c.guard(GET_MESSAGES.method, async {
        let session = find_agent(&c, &session)?;
        let transcript =
            watch::read_past(&session, Transcript::default(), |transcript, past| match past {
                Past::Event(event) => {
                    transcript.handle(&event);
                    transcript.shrink();
                }
                Past::Missing => transcript.note_missing(),
            });
        Ok(transcript.await?.into_messages())
    });
    Ok(Json(read.await?))
}

async fn status(
    Visitor(c): Visitor,
    Path(session): Path<String>,
) -> Result<Json<AgentStatus>, Refused> {
    let asked = c.guard(GET_STATUS.method, async {
        let session = find_agent(&c, &session)?;
        let conversation = session.ask(|reply| Command::Conversation { reply }).await?;
        Ok(status_of(&session, conversation.state(), conversation.open_prompts()))
    });
    Ok(Json(asked.await?))
}

/// What is told of an agent in this state.
fn status_of(session: &SessionHandle, state: AgentState, prompts: usize) -> AgentStatus {
    let view = session.published();
    let agent_type = view.agent.as_ref().map(|agent| agent.name.clone()).unwrap_or_default();
    AgentStatus { status: Status::of(state), agent_type, state, prompts }
}

async fn post_message(
    Visitor(c): Visitor,
    Path(session): Path<String>,
    request: Request,
) -> Result<Json<MessagePosted>, Refused> {
    c.guard(POST_MESSAGE.method, ready(Ok(()))).await?;
    let body = read_body(request).await?;
    let posted = c.guard(POST_MESSAGE.method, async {
        find_agent(&c, &session)?;
        let PostMessage { content, kind, delivery, message_id, attachments } =
            serde_json::from_slice(&body).map_err(|error| {
                RpcError::new(ErrorCode::InvalidParams, format!("the body does not fit: {error}"))
            })?;
        let done = match kind {
            MessageType::User => {
                let params = AgentPromptParams {
                    session,
                    content: text_block(content),
                    delivery,
                    message_id,
                    script: true,
                    attachments,
                };
                api::agent::prompt(&c, params).await?
            }
            MessageType::Raw => press(&c, session, &content, message_id).await?,
        };
        let AgentCommandResult { id, repeated, next: _ } = done;
        Ok(MessagePosted { ok: true, message_id: id, repeated })
    });
    Ok(Json(posted.await?))
}

/// A message may be only its attachments.
fn text_block(text: String) -> Vec<ContentBlock> {
    if text.is_empty() { Vec::new() } else { vec![ContentBlock::Text { text }] }
}

/// Keystrokes, as far as they mean something to an agent without a terminal.
async fn press(
    c: &Connection,
    session: String,
    keys: &str,
    command_id: Option<String>,
) -> Result<AgentCommandResult, RpcError> {
    if STOPPING_KEYS.contains(&keys) {
        return api::agent::interrupt(c, AgentInterruptParams { session, command_id }).await;
    }
    let message = "an agent here has no terminal: of keystrokes only ESC and ^C mean something";
    Err(RpcError::new(ErrorCode::NotOffered, message))
}

/// The body, if it comes and is not too large.
async fn read_body(request: Request) -> Result<Bytes, Refused> {
    match tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(request, &())).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(refused)) => Err(Refused::Below(Box::new(refused.into_response()))),
        Err(_) => Err(RpcError::new(ErrorCode::InvalidRequest, "the body does not come").into()),
    }
}

/// The agent's session of this name.
fn find_agent(c: &Connection, word: &str) -> Result<Arc<SessionHandle>, RpcError> {
    let session = api::find(c, word)?;
    if session.published().agent.is_none() {
        return Err(no_agent());
    }
    Ok(session)
}
