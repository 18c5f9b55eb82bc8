//! What clients ask, and what they are told at once.

use std::sync::Arc;

use futures_util::FutureExt as _;
use quarterdeck_agents::Answerer;
use quarterdeck_protocol::{
    agent::{
        AgentCommand, Ask as Asks, ContentBlock, Delivery, OptionKind, Origin, Prompt,
        PromptAnswer, PromptId, PromptState,
    },
    dialect::myagent::{
        Command, Decision, Event, PERMISSION_PREFIX, PermissionDecision, READ_ONLY, Resume, Role,
        UserMessage,
    },
    error::{ErrorCode, RpcError},
    method::{AgentCommandResult, AgentParams, CreateParams, MethodName},
    record::LeaseState,
};

use super::{
    Client, may_write,
    showing::{Tell, remote_id},
    story::{KEY_PREFIX, message_key},
};
use crate::{
    agent::random_uuid,
    api,
    connection::{requests::record_refusal, sending::Work},
    environment::Variables,
    session::{Command as Ask, LeaseChange, SessionHandle, agent::AgentAsk, launch},
    tokens::SessionLimit,
};

/// The agent that is started where the configuration names none.
const DEFAULT_AGENT: &str = "claude";
/// How a session's name begins.
const NAME_PREFIX: &str = "remote_";

impl Client {
    pub(super) fn begin(self: &Arc<Self>, command: Command) -> Option<Work> {
        let this = Arc::clone(self);
        match command {
            Command::Ping { id } => self.say(&Event::Pong { id }),
            Command::Claim { id } => self.claim_seat(&id),
            Command::Release { id } => self.release_seat(&id),
            Command::Resume(resume) => return Some(this.resume(resume).boxed()),
            Command::UserMessage(UserMessage { id, .. })
            | Command::PermissionDecision(PermissionDecision { id, .. })
                if !self.owns_seat() =>
            {
                self.refuse(Some(&id), READ_ONLY);
            }
            Command::UserMessage(message) => return Some(this.user_message(message).boxed()),
            Command::PermissionDecision(decision) => return Some(this.decide(decision).boxed()),
        }
        None
    }

    fn owns_seat(&self) -> bool {
        self.context.rooms.owns(&self.me.principal, self.seat)
    }

    fn claim_seat(&self, id: &str) {
        let may_write = may_write(&self.caller);
        let (role, epoch) = self.context.rooms.claim(&self.me.principal, self.seat, may_write);
        match role {
            Role::Owner => self.say(&Event::Role { role, epoch }),
            Role::Follower => self.refuse(Some(id), "another connection is the owner"),
        }
    }

    fn release_seat(&self, id: &str) {
        if self.context.rooms.release(&self.me.principal, self.seat) {
            self.say(&Event::Role { role: Role::Follower, epoch: 0 });
        } else {
            self.refuse(Some(id), READ_ONLY);
        }
    }

    /// The session of a name that clients know.
    fn find(&self, name: &str) -> Result<Arc<SessionHandle>, RpcError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let rest = name.strip_prefix(NAME_PREFIX).filter(|rest| !rest.is_empty());
        if !rest.is_some_and(|rest| rest.chars().all(plain)) {
            return Err(RpcError::new(ErrorCode::InvalidParams, "Invalid remote session id"));
        }
        let found = self.sessions().into_iter().find(|session| remote_id(session) == name);
        let unknown =
            || RpcError::new(ErrorCode::NotFound, format!("Unknown remote session: {name}"));
        found.ok_or_else(unknown)
    }

    async fn resume(self: Arc<Self>, p: Resume) {
        let session = match self.caller.require(MethodName::SessionAttach) {
            Ok(()) => self.find(&p.session_id),
            Err(error) => Err(error),
        };
        let session = match session {
            Ok(session) => session,
            Err(error) => return self.refuse_error(&p.id, error),
        };
        let session_id = p.session_id.clone();
        self.say(&Event::Ack { id: p.id, session_id, duplicate: false });
        self.say_metadata(&session).await;
        if let Some(after) = p.after {
            self.show_again(&session, Tell::After(after)).await;
        }
    }

    /// Where a session is; folded for the purpose where it is not shown.
    async fn say_metadata(&self, session: &Arc<SessionHandle>) {
        let story = super::showing::story_of(session).await;
        match story {
            Ok(story) => self.say(&story.metadata()),
            Err(error) => {
                tracing::debug!(session = %session.id, error = %error.message, "no metadata");
            }
        }
    }

    async fn user_message(self: Arc<Self>, message: UserMessage) {
        let id = message.id.clone();
        match self.try_user_message(message).await {
            Ok((session, repeated)) => {
                let session_id = remote_id(&session);
                self.say(&Event::Ack { id, session_id, duplicate: repeated });
                if repeated {
                    self.say_metadata(&session).await;
                }
                self.release(session.id);
            }
            Err(error) => {
                record_refusal(&self.context, &self.caller, MethodName::AgentPrompt, &error);
                self.refuse_error(&id, error);
            }
        }
    }

    /// Gives the message to its agent; whether it had it. The session's messages are held back.
    async fn try_user_message(
        &self,
        message: UserMessage,
    ) -> Result<(Arc<SessionHandle>, bool), RpcError> {
        self.caller.require(MethodName::AgentPrompt)?;
        if !message.skill_names.is_empty() {
            let text = "skillNames is not offered here";
            return Err(RpcError::new(ErrorCode::NotOffered, text));
        }
        let UserMessage { id, prompt, session_id, permission_mode: mode, skill_names: _ } = message;
        let mark = self.mark(&id);
        let session = match session_id {
            Some(name) => self.find(&name)?,
            // a first message that comes again has its session
            None => self.find_or_create(&mark, mode.clone()).await?,
        };
        if !session.published().state.is_live() {
            self.caller.require(MethodName::SessionResume)?;
            launch::start_again(&self.context, &self.caller, &session, Variables::new()).await?;
        }
        self.show(&session).await;
        self.hold(session.id);
        let told = self.tell_agent(&session, message_key(&mark, &id), prompt, mode).await;
        match told {
            Ok(AgentCommandResult { repeated, .. }) => Ok((session, repeated)),
            Err(error) => {
                self.release(session.id);
                Err(error)
            }
        }
    }

    /// What a principal's message of this id is known by, for ever.
    fn mark(&self, id: &str) -> String {
        let text = format!("myagent message {} {id}", self.me.principal);
        let mark = self.context.ticket_key.fixed_client(&text);
        mark.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    async fn find_or_create(
        &self,
        mark: &str,
        mode: Option<String>,
    ) -> Result<Arc<SessionHandle>, RpcError> {
        let request_id = format!("{KEY_PREFIX}{mark}");
        let known = |session: &Arc<SessionHandle>| session.request_id.as_ref() == Some(&request_id);
        if let Some(session) = self.sessions().into_iter().find(known) {
            return Ok(session);
        }
        self.caller.require(MethodName::SessionCreate)?;
        if let SessionLimit::Only(_) = self.caller.grant.sessions {
            let text = "this token is limited to certain sessions and cannot start others";
            return Err(RpcError::new(ErrorCode::Forbidden, text));
        }
        let config = self.caller.grant.dialect.and_then(|it| self.context.config.dialects.get(&it));
        let name = config.and_then(|config| config.agent.clone());
        let cwd =
            config.and_then(|config| config.cwd.as_ref()).map(|cwd| cwd.display().to_string());
        let name = name.unwrap_or_else(|| DEFAULT_AGENT.to_owned());
        let agent = Some(AgentParams { name, mode, ..AgentParams::default() });
        let request_id = Some(request_id);
        let params = CreateParams { request_id, cwd, agent, ..CreateParams::default() };
        let made = launch::create(&self.context, &self.caller, params).await?;
        let gone = || RpcError::new(ErrorCode::NotFound, "the session was removed");
        self.context.registry.session(made.session).ok_or_else(gone)
    }

    /// Owns the session while nobody does, and tells its agent.
    async fn tell_agent(
        &self,
        session: &SessionHandle,
        key: String,
        prompt: String,
        mode: Option<String>,
    ) -> Result<AgentCommandResult, RpcError> {
        // a lease without an attachment would outlive the connection
        let attached = self.shown().contains_key(&session.id);
        if attached && session.published().lease.state == LeaseState::Free {
            let (caller, change) = (self.lease_caller(), LeaseChange::Take { reason: None });
            session.ask(|reply| Ask::Lease { caller, change, reply }).await?;
        }
        let current = session.published().agent.as_ref().and_then(|agent| agent.mode.clone());
        if let Some(mode) = mode.filter(|mode| current.as_ref().is_some_and(|it| it != mode)) {
            api::allow(&self.context, &self.caller, |ceiling| ceiling.check_mode(&mode))?;
            self.command(session, random_uuid()?, AgentCommand::SetMode { mode }).await?;
        }
        let content = vec![ContentBlock::Text { text: prompt }];
        let command = AgentCommand::Prompt { content, delivery: Delivery::Queue };
        self.command(session, key, command).await
    }

    async fn command(
        &self,
        session: &SessionHandle,
        key: String,
        command: AgentCommand,
    ) -> Result<AgentCommandResult, RpcError> {
        let caller = self.lease_caller();
        let (principal, client) = (self.me.principal.clone(), Some(self.me.client));
        let origin = Origin::Person { principal, client };
        session.ask_agent(key, command, origin, Some(caller)).await
    }

    async fn decide(self: Arc<Self>, p: PermissionDecision) {
        let id = p.id.clone();
        match self.try_decide(p).await {
            Ok(session) => {
                let session_id = remote_id(&session);
                self.say(&Event::Ack { id, session_id, duplicate: false });
                self.release(session.id);
            }
            Err(error) => {
                let method = MethodName::PromptAnswerMethod;
                record_refusal(&self.context, &self.caller, method, &error);
                self.refuse_error(&id, error);
            }
        }
    }

    async fn try_decide(&self, p: PermissionDecision) -> Result<Arc<SessionHandle>, RpcError> {
        self.caller.require(MethodName::PromptAnswerMethod)?;
        let PermissionDecision { id, permission_request_id: name, decision } = p;
        let shown: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
        let unknown =
            || RpcError::new(ErrorCode::NotFound, format!("Unknown permission request: {shown}"));
        let prompt: Option<PromptId> =
            name.strip_prefix(PERMISSION_PREFIX).and_then(|id| id.parse().ok());
        let prompt = prompt.ok_or_else(unknown)?;
        let session = self.sessions().into_iter().find(|session| session.id == prompt.session);
        let session = session.ok_or_else(unknown)?;
        let conversation = session.ask(|reply| Ask::Conversation { reply }).await?;
        let asked = conversation.prompts().find(|asked| asked.id == prompt);
        let open = asked.filter(|asked| asked.state == PromptState::Open).ok_or_else(unknown)?;
        let answer = answer_of(open, &decision)?;
        let answer_id = format!("{KEY_PREFIX}{}", self.mark(&id));
        let (by, from) = (self.me.principal.clone(), Some(self.me.client));
        let (who, scopes) = (
            Answerer { by, from, from_name: Some(self.me.name.clone()), answer_id },
            self.caller.grant.scopes,
        );
        self.hold(session.id);
        let ask =
            |reply| Ask::Agent(Box::new(AgentAsk::Answer { prompt, answer, who, scopes, reply }));
        if let Err(error) = session.ask(ask).await {
            self.release(session.id);
            return Err(error);
        }
        Ok(session)
    }
}

/// What a decision means to a prompt.
fn answer_of(prompt: &Prompt, decision: &Decision) -> Result<PromptAnswer, RpcError> {
    let option = |kind| {
        let option = prompt.ask.options().iter().find(|option| option.kind == kind)?;
        Some(PromptAnswer::Option { option_id: option.option_id.clone() })
    };
    let takes_reason = match &prompt.ask {
        Asks::Permission { can_deny_with_message, .. }
        | Asks::Question { can_deny_with_message, .. }
        | Asks::Plan { can_deny_with_message, .. } => *can_deny_with_message,
        Asks::Unknown => false,
    };
    let answer = match decision.kind.as_str() {
        "allow" => option(OptionKind::AllowOnce),
        "deny" => match (&prompt.ask, &decision.reason) {
            (_, Some(reason)) if takes_reason => {
                Some(PromptAnswer::Deny { message: reason.clone() })
            }
            (Asks::Question { .. }, _) => Some(PromptAnswer::Decline),
            (Asks::Permission { .. } | Asks::Plan { .. } | Asks::Unknown, _) => {
                option(OptionKind::RejectOnce)
            }
        },
        _ => {
            let text = "permission_decision: kind is allow or deny";
            return Err(RpcError::new(ErrorCode::InvalidParams, text));
        }
    };
    let text = "this request cannot be answered so: answer it with `qd prompts`";
    answer.ok_or_else(|| RpcError::new(ErrorCode::NotOffered, text))
}
