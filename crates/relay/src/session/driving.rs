//! How a session's task drives its holder: the link, the requests on it, and what follows their answers.

use std::{pin::Pin, sync::atomic::Ordering, time::Duration};

use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    holder::{HelloAnswer, HolderError, HolderErrorCode, InputAck, InputEntry, Stalled, op},
    method::{LeaseResult, Role},
    record::Position,
};
use tokio::time::Instant;

use super::{
    Attached, Reply,
    actor::Session,
    holder::{HolderLink, LinkError, Received},
};

/// How long a holder may take to answer a request.
const HOLDER_REPLY_TIMEOUT: Duration = Duration::from_secs(5);
/// Why a session is stalled whose holder does not answer.
const HOLDER_SILENT: &str = "holder_silent";
/// Requests that may wait for a holder.
const MAX_PENDING_REQUESTS: usize = 1024;
/// Pause before another try to reach a holder that lives but closed the link.
const RECONNECT_PAUSE: Duration = Duration::from_millis(50);
/// The link to the holder.
pub(super) enum HolderState {
    /// It holds the session, and we drive it.
    Linked(Box<HolderLink>),
    /// There is none yet, or it broke; try again then.
    Retry(Instant),
    /// The holder is being asked.
    Connecting(Connecting),
    /// There is none: the program has ended.
    Ended,
}

pub(super) type Connecting =
    Pin<Box<dyn Future<Output = Result<(HolderLink, HelloAnswer), LinkError>> + Send>>;

/// What a link has for its session.
pub(super) enum LinkEvent {
    /// Messages came, or the link broke.
    Received(Result<Vec<Received>, LinkError>),
    /// The holder answered, or did not.
    Connected(Box<Result<(HolderLink, HelloAnswer), LinkError>>),
}

/// A request that the holder has not answered.
pub(super) struct PendingRequest {
    pub(super) deadline: Instant,
    pub(super) then: Then,
}

/// What follows a holder's answer.
pub(super) enum Then {
    /// Nothing.
    Ignore,
    /// Clients are heard again: the lease that a restart changed is recorded.
    Listen,
    /// Tell the caller that it is done.
    Done(Reply<()>),
    /// Tell the caller its lease.
    Lease(Reply<LeaseResult>, LeaseResult),
    /// Tell the client that it is attached.
    Attached(Reply<Attached>, Attached),
}

impl Session {
    pub(super) fn handle_link_event(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Received(received) => self.handle_received(received),
            LinkEvent::Connected(outcome) => match *outcome {
                Ok((link, hello)) => self.handle_linked(link, hello),
                Err(error) => {
                    tracing::debug!(session = %self.handle.id, %error, "no link to the holder");
                    if matches!(error, LinkError::Timeout) {
                        self.set_stalled(HOLDER_SILENT);
                    }
                    self.handle_holder_gone();
                }
            },
        }
    }

    fn handle_linked(&mut self, link: HolderLink, hello: HelloAnswer) {
        self.holder = HolderState::Linked(Box::new(link));
        self.handle.holder_pid.store(hello.holder_pid, Ordering::Relaxed);
        self.place.set_shell(Some(hello.program_pid));
        for InputEntry { client, n } in hello.inputs {
            self.note_input(client, n);
        }
        self.set_stalled(&hello.stalled.map(|stalled| stalled.why).unwrap_or_default());
        self.note_told(hello.seq);
        self.read_log(None);
        // it may have moved while no relay ran
        self.note_place_may_change();
        self.record_lease_changes(Then::Listen);
        self.drive_agent();
    }

    pub(super) fn is_silent(&self) -> bool {
        self.stalled == HOLDER_SILENT
    }

    /// The link is gone: the lock says whether the holder is.
    pub(super) fn handle_holder_gone(&mut self) {
        self.read_log(None);
        let error = self.why_gone();
        for (_, request) in std::mem::take(&mut self.pending) {
            request.then.fail(&error);
        }
        self.fail_borrowed(&error);
        self.handle_agent_unlinked();
        let holds = quarterdeck_holder::log::is_held(&self.handle.directory);
        if holds.unwrap_or(true) {
            self.context.metrics.holder_reconnects.increment();
            self.holder = HolderState::Retry(Instant::now() + RECONNECT_PAUSE);
            return;
        }
        if self.log.facts().ended.is_none() {
            super::launch::append_lost(&self.handle.directory, "the holder died");
            self.read_log(None);
        }
        self.holder = HolderState::Ended;
        self.handle.holder_pid.store(0, Ordering::Relaxed);
        self.place.set_shell(None);
        self.handle_agent_ended();
        self.publish();
    }

    fn handle_received(&mut self, received: Result<Vec<Received>, LinkError>) {
        match received {
            Ok(messages) => messages.iter().for_each(|message| self.handle_message(message)),
            Err(error) => {
                tracing::debug!(session = %self.handle.id, %error, "link to the holder ended");
                self.handle_holder_gone();
            }
        }
    }

    fn handle_message(&mut self, message: &Received) {
        match message.op {
            op::HEAD => {
                if let Some(head) = Position::parse(&message.body) {
                    self.note_told(head.seq);
                    self.read_log(Some(head));
                    self.drive_agent();
                }
            }
            op::INPUT_ACK => {
                if let Some(ack) = InputAck::parse(&message.body) {
                    self.handle_input_ack(ack);
                }
            }
            op::OK => self.handle_answer(message.request, Ok(())),
            op::ERROR => {
                let error: Option<HolderError> = serde_json::from_slice(&message.body).ok();
                self.handle_answer(message.request, Err(holder_error(error)));
            }
            op::UNRECORDED => self.handle_unrecorded(&message.body),
            op::STALLED => {
                if let Ok(Stalled { why }) = serde_json::from_slice(&message.body) {
                    self.set_stalled(&why);
                }
            }
            // a newer holder's message
            _ => {}
        }
    }

    fn handle_answer(&mut self, request: u32, outcome: Result<(), RpcError>) {
        if self.handle_operation_answer(request, &outcome) {
            return;
        }
        let Some(PendingRequest { then, .. }) = self.pending.remove(&request) else { return };
        // what the request changed is in the log: show it before the caller hears of it
        self.read_log(None);
        match outcome {
            Ok(()) => then.succeed(),
            Err(error) => then.fail(&error),
        }
    }

    /// Requests that the holder left unanswered: it is silent.
    pub(super) fn fail_overdue(&mut self) {
        if self.pending.values().any(|request| request.deadline <= Instant::now()) {
            self.set_stalled(HOLDER_SILENT);
            for (_, request) in std::mem::take(&mut self.pending) {
                request.then.fail(&holder_silent());
            }
        }
    }

    pub(super) fn dial_if_due(&mut self) {
        if let HolderState::Retry(at) = self.holder
            && at <= Instant::now()
        {
            let directory = self.handle.directory.clone();
            let generation = self.context.generation;
            self.holder = HolderState::Connecting(Box::pin(async move {
                HolderLink::connect(&directory, generation).await
            }));
        }
    }

    /// Sends a request to the holder, or fails what should follow it.
    pub(super) fn ask_holder(&mut self, op: u8, body: &impl serde::Serialize, then: Then) {
        let HolderState::Linked(link) = &mut self.holder else {
            then.fail(&self.not_linked());
            return;
        };
        if self.pending.len() >= MAX_PENDING_REQUESTS {
            then.fail(&holder_silent());
            return;
        }
        match link.request(op, body) {
            Ok(request) => {
                let deadline = Instant::now() + HOLDER_REPLY_TIMEOUT;
                self.pending.insert(request, PendingRequest { deadline, then });
            }
            Err(error) => {
                tracing::debug!(session = %self.handle.id, %error, "link to the holder ended");
                self.handle_holder_gone();
                then.fail(&self.why_gone());
            }
        }
    }

    pub(super) fn not_linked(&self) -> RpcError {
        match self.holder {
            HolderState::Ended => ended(),
            HolderState::Linked(_) | HolderState::Retry(_) | HolderState::Connecting(_) => {
                self.why_gone()
            }
        }
    }

    /// Why a holder without a link does not answer: it ends as soon as its program's end is recorded.
    fn why_gone(&self) -> RpcError {
        match self.log.facts().ended {
            Some(_) => ended(),
            None => holder_silent(),
        }
    }
}

impl HolderState {
    /// Waits for the link to have something; for ever without a link.
    pub(super) async fn next_event(&mut self) -> LinkEvent {
        match self {
            Self::Linked(link) => LinkEvent::Received(link.receive().await),
            Self::Connecting(connecting) => LinkEvent::Connected(Box::new(connecting.await)),
            Self::Retry(_) | Self::Ended => std::future::pending().await,
        }
    }

    pub(super) const fn is_connecting(&self) -> bool {
        matches!(self, Self::Connecting(_) | Self::Retry(_))
    }
}

impl Then {
    pub(super) fn succeed(self) {
        match self {
            Self::Ignore | Self::Listen => {}
            Self::Done(reply) => answer(reply, Ok(())),
            Self::Lease(reply, result) => answer(reply, Ok(result)),
            Self::Attached(reply, attached) => answer(reply, Ok(attached)),
        }
    }
    pub(super) fn fail(self, error: &RpcError) {
        match self {
            Self::Ignore | Self::Listen => {}
            Self::Done(reply) => answer(reply, Err(error.clone())),
            Self::Lease(reply, _) => answer(reply, Err(error.clone())),
            // an ended session is there to be looked at, also when it ended in this moment
            Self::Attached(reply, attached) if error.code() == ErrorCode::Ended => {
                answer(reply, Ok(Attached { role: Role::Follower, ..attached }));
            }
            Self::Attached(reply, _) => answer(reply, Err(error.clone())),
        }
    }
}

/// Answers a caller; one that has gone away needs no answer.
pub(super) fn answer<T>(reply: Reply<T>, outcome: Result<T, RpcError>) {
    let _ = reply.send(outcome);
}

pub(super) fn ended() -> RpcError {
    RpcError::new(ErrorCode::Ended, "the session has ended").hint("start it again with `qd resume`")
}

pub(super) fn holder_silent() -> RpcError {
    RpcError::new(ErrorCode::HolderSilent, "the session's holder does not answer")
}

fn holder_error(error: Option<HolderError>) -> RpcError {
    let Some(HolderError { code, message }) = error else { return holder_silent() };
    let code = match code {
        HolderErrorCode::Unsupported => ErrorCode::MethodNotFound,
        HolderErrorCode::BadRequest => ErrorCode::InvalidParams,
        HolderErrorCode::Storage => ErrorCode::Storage,
        HolderErrorCode::Ended => ErrorCode::Ended,
        HolderErrorCode::Full => ErrorCode::InputFull,
        HolderErrorCode::Superseded | HolderErrorCode::Unknown => ErrorCode::HolderSilent,
    };
    RpcError::new(code, message)
}
