//! One answer per request.

use std::sync::Arc;

use axum::extract::ws::Utf8Bytes;
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    ids::SessionId,
    method::{Method, MethodName},
    record::SessionKind,
    rpc::{self, Message, RequestId},
};
use serde_json::value::RawValue;

use super::{Connection, channel::ChannelStream, outbox::Control};
use crate::{
    api,
    caller::{Caller, Via},
    context::Context,
    journal::Event,
    peer::Origin,
    session::SessionHandle,
};

/// What a method leads to.
pub(crate) enum Answer {
    /// A result, as JSON text of the response.
    Text(String),
    /// A result, and a channel that begins after it was sent.
    Attached(String, Box<ChannelStream>),
}

impl Connection {
    /// Answers one text frame. A notification or a response gets no answer: there is none that a
    /// relay expects from its clients.
    pub(super) async fn answer(self: Arc<Self>, text: Utf8Bytes) {
        let (id, method, params, acting) = match Message::parse(&text) {
            Ok(Message::Request { id, method, params, acting }) => (id, method, params, acting),
            Ok(Message::Notification { .. } | Message::Response { .. }) => return,
            Err(error) => return self.refuse(None, &error),
        };
        let asker = match acting {
            None => Ok(Arc::clone(&self)),
            Some(acting) => self.acting_as(&acting),
        };
        let asker = match asker {
            Ok(asker) => asker,
            Err(error) => return self.refuse(Some(&id), &error),
        };
        match asker.dispatch(&id, &method, params.as_deref()).await {
            Ok(Answer::Text(text)) => {
                self.outbox.push(Control::Text(text));
                self.run_afterwards();
            }
            Ok(Answer::Attached(text, mut stream)) => {
                let channel = stream.channel;
                stream.client = asker.identity().map(|owner| owner.client);
                self.outbox.push(Control::Text(text));
                self.channels().insert(channel, *stream);
                self.outbox.wake_channel(channel);
            }
            Err(error) => self.refuse(Some(&id), &error),
        }
    }

    async fn dispatch(
        self: &Arc<Self>,
        id: &RequestId,
        method: &str,
        params: Option<&RawValue>,
    ) -> Result<Answer, RpcError> {
        let Some(method) = MethodName::parse(method) else {
            let message = format!("method {method:?} does not exist in this version");
            return Err(RpcError::new(ErrorCode::MethodNotFound, message));
        };
        if method != MethodName::Hello && self.identity().is_none() {
            let message = "the first request of a connection must be hello";
            return Err(RpcError::new(ErrorCode::HelloRequired, message));
        }
        self.guard(method, api::call(self, method, id, params)).await
    }

    /// Does what a method is for, if the caller may.
    pub(crate) async fn guard<T>(
        &self,
        method: MethodName,
        run: impl Future<Output = Result<T, RpcError>>,
    ) -> Result<T, RpcError> {
        let allowed = self.caller.require(method).and_then(|()| self.require_no_agent(method));
        let outcome = match allowed {
            Ok(()) => run.await,
            Err(error) => Err(error),
        };
        if let Err(error) = &outcome {
            record_refusal(&self.context, &self.caller, method, error);
        }
        outcome
    }

    /// A process inside an agent's session steers nothing and sees nothing of others: an agent must not
    /// approve itself, nor have another one do it. One that nobody could look at may be inside.
    fn require_no_agent(&self, method: MethodName) -> Result<(), RpcError> {
        // what an agent's process may ask of mail is bound to its own session
        let is_its_own = matches!(
            method,
            MethodName::Hello
                | MethodName::RelayStatus
                | MethodName::MailWhoami
                | MethodName::MailSend
                | MethodName::MailInbox
                | MethodName::MailHistory
                | MethodName::MailWait
                | MethodName::MailStatus
                | MethodName::MailContacts
                | MethodName::MailContactAdd
                | MethodName::MailReset
                | MethodName::MailAutorespond
                | MethodName::MailSetStatus
                | MethodName::MailNotify
                | MethodName::MailClaim
                | MethodName::MailLeave
                | MethodName::MailNext
        );
        if is_its_own {
            return Ok(());
        }
        if self.speaks_for().is_some() {
            // a label is an agent's: what it sends is never a person's decision
            let message = "an agent that has claimed a label may ask for its mail only";
            return Err(RpcError::new(ErrorCode::OwnSession, message));
        }
        if !self.may_be_an_agents() {
            return Ok(());
        }
        let message = "this is, or may be, called from inside an agent's session";
        Err(RpcError::new(ErrorCode::OwnSession, message)
            .hint("call it from a terminal that no agent runs in"))
    }

    /// The agent's session inside which the caller runs.
    ///
    /// # Errors
    /// When it may run in one, and it is not certain in which: it has nobody's mail then.
    pub(crate) fn own_agent(&self) -> Result<SessionId, RpcError> {
        let uncertain = || {
            let message = "the calling process could not be looked at";
            RpcError::new(ErrorCode::OwnSession, message)
        };
        self.caller.inside().ok_or_else(uncertain)
    }

    /// Whether the caller runs inside an agent's session, or may.
    pub(crate) fn may_be_an_agents(&self) -> bool {
        let is_agent = |session: &SessionHandle| {
            let published = session.published();
            matches!(published.kind, SessionKind::Agent | SessionKind::RemoteControl)
        };
        match self.caller.via {
            Via::Network
            | Via::Hub { .. }
            | Via::Delegated { .. }
            | Via::Local { origin: Origin::Outside } => false,
            Via::Local { origin: Origin::Inside(session) } => {
                self.context.registry.session(session).is_some_and(|session| is_agent(&session))
            }
            Via::Local { origin: Origin::Unknown } => {
                let sessions = self.context.registry.all();
                sessions.iter().any(|it| is_agent(it) && it.published().state.is_live())
            }
        }
    }

    /// Answers a request that one too many.
    pub(super) fn refuse_overloaded(&self, text: &str) {
        let id = match Message::parse(text) {
            Ok(Message::Request { id, .. }) => Some(id),
            Ok(Message::Notification { .. } | Message::Response { .. }) | Err(_) => None,
        };
        let error =
            RpcError::new(ErrorCode::Overloaded, "too many requests wait on this connection");
        self.refuse(id.as_ref(), &error);
    }

    fn refuse(&self, id: Option<&RequestId>, error: &RpcError) {
        self.context.metrics.count_rpc_error(error.code());
        self.outbox.push(Control::Text(rpc::error_response(id, error)));
    }
}

/// What a scope, the ceiling or the caller's place forbids is for the journal.
pub(crate) fn record_refusal(
    context: &Context,
    caller: &Caller,
    method: MethodName,
    error: &RpcError,
) {
    if matches!(error.code(), ErrorCode::Forbidden | ErrorCode::Ceiling | ErrorCode::OwnSession) {
        let (by, why) = (caller.principal().clone(), (&error.message).into());
        context.record(&Event::Refused { by, method, why });
    }
}

/// Parses a method's parameters, runs it, and makes the response's text.
pub(crate) async fn typed<M: Method>(
    id: &RequestId,
    params: Option<&RawValue>,
    run: impl AsyncFnOnce(M::Params) -> Result<M::Result, RpcError>,
) -> Result<Answer, RpcError> {
    let result = run(rpc::parse_params(params)?).await?;
    response::<M>(id, &result).map(Answer::Text)
}

/// The text of a successful response.
pub(crate) fn response<M: Method>(id: &RequestId, result: &M::Result) -> Result<String, RpcError> {
    rpc::response(id, result).map_err(|error| {
        tracing::error!(%error, method = M::NAME, "result does not serialise");
        RpcError::new(ErrorCode::Internal, "the result could not be sent")
    })
}
