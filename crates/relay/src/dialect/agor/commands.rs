//! What controllers ask, and the one reply to each of it.

use std::sync::Arc;

use futures_util::FutureExt as _;
use quarterdeck_protocol::{
    dialect::agor::{Command, Event, PtyCreate, PtyName, PtyResize, Request, StateSync},
    error::{ErrorCode, RpcError},
    ids::SessionId,
    limits::{MAX_REQUESTS_IN_FLIGHT, MAX_TEXT_FIELD_BYTES},
    method::{CreateParams, MethodName},
    record::{LeaseState, SessionKind, TerminalSize},
    scope::Scope,
};

use super::{Controller, Work, following::Beginning, ledger::Heard, text_of};
use crate::{
    api,
    ceiling::{self, DEFAULT_SIZE},
    connection::{outbox::Control, requests::record_refusal},
    program,
    session::{Command as Ask, LeaseChange, SessionHandle, StopBegins, launch},
    tokens::SessionLimit,
};

/// Milliseconds between hang-up, SIGTERM and SIGKILL of a terminal that is closed.
pub(super) const STOP_RUNG_MS: u32 = 3000;

impl Controller {
    /// Takes one message; what it begins and does not end at once is given back.
    pub(super) fn handle_text(self: &Arc<Self>, text: &str, under_way: usize) -> Option<Work> {
        let Request { id, command } = Request::parse(text);
        let heard = self.ledger().begin(&id);
        match heard {
            Heard::Fresh => {}
            Heard::Wait => return None,
            Heard::Again(reply) => {
                self.outbox.push(Control::Text(reply));
                return None;
            }
            Heard::TooOften => {
                let error = overloaded("the command is repeated too often");
                self.say(&Event::Error { session: None, command_id: id, error });
                return None;
            }
        }
        match command {
            Ok(command) => self.begin(id, command, under_way),
            Err(error) => {
                self.refuse(&id, None, error);
                None
            }
        }
    }

    fn begin(self: &Arc<Self>, id: String, command: Command, under_way: usize) -> Option<Work> {
        let this = Arc::clone(self);
        let work = match command {
            Command::Ping => {
                self.ledger().forget(&id);
                self.say(&Event::Pong { command_id: Some(id).filter(|id| !id.is_empty()) });
                return None;
            }
            Command::StateSync => {
                self.ledger().forget(&id);
                self.say(&Event::StateSync { sync: self.state(), command_id: Some(id) });
                return None;
            }
            Command::AgentQuery(query) => this.query(id.clone(), *query).boxed(),
            Command::AgentStop(stop) => this.stop_agent(id.clone(), stop).boxed(),
            Command::SidecarRestart => this.restart_agents(id.clone()).boxed(),
            // they are bounded by their queue
            Command::PtyWrite(write) => return self.begin_write(id, write),
            Command::PtyCreate(create) => this.create(id.clone(), create).boxed(),
            Command::PtyResize(resize) => this.resize(id.clone(), resize).boxed(),
            Command::PtyClose(name) => this.close_pty(id.clone(), name).boxed(),
        };
        if under_way >= MAX_REQUESTS_IN_FLIGHT {
            self.refuse(&id, None, overloaded("too many commands wait on this connection"));
            return None;
        }
        Some(work)
    }

    /// Everything that runs, as far as the token reaches.
    pub(super) fn state(&self) -> StateSync {
        if !self.caller.grant.scopes.has(Scope::Read) {
            return StateSync::default();
        }
        let sessions = self.context.registry.all().into_iter().filter(|s| self.caller.sees(s.id));
        let live = sessions.map(|s| (s.published(), s)).filter(|(view, _)| view.state.is_live());
        let mut live: Vec<_> = live.collect();
        live.sort_by_key(|(view, _)| view.created_at);
        let mut sync = StateSync::default();
        for (view, session) in live {
            match view.kind {
                SessionKind::Terminal => sync.active_ptys.push(session.id.to_string()),
                SessionKind::Agent => sync.active_sessions.push(self.name_of(&session)),
                SessionKind::RemoteControl | SessionKind::Unknown => {}
            }
        }
        sync
    }

    async fn create(self: Arc<Self>, id: String, p: PtyCreate) {
        let outcome = self.try_create(p).await;
        let session = match outcome {
            Ok(session) => session,
            Err(error) => {
                record_refusal(&self.context, &self.caller, MethodName::SessionCreate, &error);
                return self.refuse(&id, None, error);
            }
        };
        // attached first, so that it is owned; shown last, so that no output comes before its name
        let attached = self.attach(&session, Beginning::First).await;
        self.reply(&id, &Event::PtyCreated { session: session.id, command_id: id.clone() });
        match attached {
            Ok(followed) => self.show(followed),
            Err(error) => {
                tracing::debug!(session = %session.id, error = %error.message, "not followed");
                self.say(&Event::Error {
                    session: Some(session.id.to_string()),
                    command_id: String::new(),
                    error,
                });
            }
        }
    }

    async fn try_create(&self, p: PtyCreate) -> Result<Arc<SessionHandle>, RpcError> {
        self.caller.require(MethodName::SessionCreate)?;
        if let SessionLimit::Only(_) = self.caller.grant.sessions {
            let text = "this token is limited to certain terminals and cannot start others";
            return Err(RpcError::new(ErrorCode::Forbidden, text));
        }
        let PtyCreate { shell, cwd, args, cols, rows } = p;
        let args = args.unwrap_or_default();
        let argv = match shell {
            None if args.is_empty() => Vec::new(),
            None => [vec![program::login_shell(&self.context).await], args].concat(),
            Some(shell) => [vec![shell], args].concat(),
        };
        let (cols, rows) = (cols.unwrap_or(DEFAULT_SIZE.cols), rows.unwrap_or(DEFAULT_SIZE.rows));
        let size = Some(TerminalSize { cols, rows, ..DEFAULT_SIZE });
        let request_id = Some(self.new_request_id()?);
        let params = CreateParams { request_id, argv, cwd, size, ..CreateParams::default() };
        let made = launch::create(&self.context, &self.caller, params).await?;
        let gone = || RpcError::new(ErrorCode::NotFound, "the terminal was removed");
        self.context.registry.session(made.session).ok_or_else(gone)
    }

    async fn resize(self: Arc<Self>, id: String, p: PtyResize) {
        let size = TerminalSize { cols: p.cols, rows: p.rows, ..DEFAULT_SIZE };
        let found = self.find(&p.id, MethodName::SessionResize);
        let checked = ceiling::check_size(size).map_err(|refusal| refusal.to_rpc());
        let outcome = match (found, checked) {
            (Ok(session), Ok(())) => {
                self.follow(&session).await;
                self.claim(&session).await;
                let by = self.me.client;
                session.ask(|reply| Ask::Resize { by, size, reply }).await
            }
            (Err(error), _) | (_, Err(error)) => Err(error),
        };
        self.settle(&id, &p.id, outcome);
    }

    async fn close_pty(self: Arc<Self>, id: String, p: PtyName) {
        let outcome = match self.find(&p.id, MethodName::SessionStop) {
            Ok(session) => {
                // so that its end is seen
                self.follow(&session).await;
                let (caller, rung_ms) = (self.lease_caller(), STOP_RUNG_MS);
                let (now, reason) = (StopBegins::Gently, None);
                session.ask(|reply| Ask::Stop { caller, rung_ms, now, reason, reply }).await
            }
            Err(error) => Err(error),
        };
        self.settle(&id, &p.id, outcome);
    }

    /// The terminal of this id, if it runs and the caller may do this to it.
    pub(super) fn find(
        &self,
        id: &str,
        method: MethodName,
    ) -> Result<Arc<SessionHandle>, RpcError> {
        let allowed = self.caller.require(method);
        if let Err(error) = &allowed {
            record_refusal(&self.context, &self.caller, method, error);
        }
        allowed?;
        let visible = |session: &SessionId| self.caller.sees(*session);
        let session = id.parse().ok().filter(visible);
        let session = session
            .and_then(|session| self.context.registry.session(session))
            .ok_or_else(|| RpcError::new(ErrorCode::NotFound, "there is no such terminal"))?;
        if session.published().state.is_live() {
            return Ok(session);
        }
        Err(RpcError::new(ErrorCode::Ended, "the terminal's program has ended"))
    }

    /// Owns a terminal that nobody owns: who uses it is new to it.
    pub(super) async fn claim(&self, session: &SessionHandle) {
        // a lease without an attachment would outlive the connection without a grace
        let attached = self.followed().contains_key(&session.id);
        if !attached || Self::lease_of(session).state != LeaseState::Free {
            return;
        }
        let (caller, change) = (self.lease_caller(), LeaseChange::Take { reason: None });
        if let Err(error) = session.ask(|reply| Ask::Lease { caller, change, reply }).await {
            // what follows says so to the controller
            tracing::debug!(session = %session.id, error = %error.message, "not owned");
        }
    }

    /// The reply to a command about a terminal.
    pub(super) fn settle(&self, id: &str, terminal: &str, outcome: Result<(), RpcError>) {
        // what is no id of a terminal is not repeated
        let session = terminal.parse().ok().map(|id: SessionId| id.to_string());
        self.settle_about(id, session, outcome);
    }

    /// The reply to a command about a terminal or a conversation.
    pub(super) fn settle_about(
        &self,
        id: &str,
        session: Option<String>,
        outcome: Result<(), RpcError>,
    ) {
        match outcome {
            Ok(()) => self.reply(id, &Event::Ack { session, command_id: id.to_owned() }),
            Err(error) => self.refuse(id, session, error),
        }
    }

    /// The reply to a command that is not carried out.
    pub(super) fn refuse(&self, id: &str, session: Option<String>, mut error: RpcError) {
        self.context.metrics.count_rpc_error(error.code());
        // it is remembered with its command, and read by a person
        let end = error.message.floor_char_boundary(MAX_TEXT_FIELD_BYTES);
        error.message.truncate(end);
        self.reply(id, &Event::Error { session, command_id: id.to_owned(), error });
    }

    /// The one reply to a command.
    fn reply(&self, id: &str, event: &Event) {
        let Some(text) = text_of(event) else { return };
        let times = self.ledger().answer(id, &text);
        for _ in 0..times {
            self.outbox.push(Control::Text(text.clone()));
        }
    }

    /// What marks a terminal as this client's, for ever.
    fn new_request_id(&self) -> Result<String, RpcError> {
        // drawn at random: a session's id is as good a number as any
        Ok(format!("{}{}", self.mark(), api::random_session_id()?))
    }

    /// How the request ids of this client's terminals begin.
    pub(super) fn mark(&self) -> String {
        format!("agor:{}:", self.me.client)
    }
}

pub(super) fn is_live_terminal(view: &quarterdeck_protocol::session::SessionInfo) -> bool {
    view.kind == SessionKind::Terminal && view.state.is_live()
}

fn overloaded(text: &str) -> RpcError {
    RpcError::new(ErrorCode::Overloaded, text)
}
