//! Agents of a controller: `agent_query`, `agent_stop`, `sidecar_restart`, and what it is told of them.
//!
//! A conversation that a controller names is a session, made by its first query and found again by the
//! name, also after a restart of the relay. A later query goes on with it, whether its program runs or
//! has ended.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use quarterdeck_agents::Conversation;
use quarterdeck_protocol::{
    agent::{AgentCommand, ContentBlock, Delivery, Origin, Resume},
    dialect::agor::{AgentQuery, AgentStop},
    error::{ErrorCode, RpcError},
    ids::SessionId,
    method::{AgentCommandResult, AgentParams, CreateParams, MethodName},
    record::SessionKind,
    session::SessionInfo,
};

use super::{
    Controller,
    commands::STOP_RUNG_MS,
    runner::{KEY_PREFIX, message_key},
};
use crate::{
    agent::random_uuid,
    api,
    connection::requests::record_refusal,
    environment::Variables,
    session::{Command as Ask, SessionHandle, StopBegins, launch},
    tokens::SessionLimit,
    watch,
};

/// Characters of a controller's name for a conversation: a UUID and room. It becomes part of ids.
const MAX_NAME_CHARS: usize = 64;
/// How long programs may take to end before they are started again: all rungs and some.
const RESTART_LIMIT: Duration = Duration::from_secs(12);
/// How often it is looked at meanwhile.
const RESTART_POLL: Duration = Duration::from_millis(20);

impl Controller {
    /// What marks a conversation as this client's; its own name follows.
    fn agent_mark(&self) -> String {
        format!("{}agent:", self.mark())
    }

    /// What the controller calls a conversation; others have the session's id.
    pub(super) fn name_of(&self, session: &SessionHandle) -> String {
        let own = session.request_id.as_ref().and_then(|id| id.strip_prefix(&self.agent_mark()));
        own.map_or_else(|| session.id.to_string(), str::to_owned)
    }

    pub(super) fn is_own_agent(&self, session: &SessionHandle) -> bool {
        session.request_id.as_ref().is_some_and(|id| id.starts_with(&self.agent_mark()))
    }

    /// The conversation of this name: this client's own, or any other agent by its session's id.
    fn find_agent(&self, name: &str) -> Option<Arc<SessionHandle>> {
        let wanted = format!("{}{name}", self.agent_mark());
        let sessions = self.context.registry.all().into_iter();
        let mut visible = sessions.filter(|session| {
            self.caller.sees(session.id) && session.published().kind == SessionKind::Agent
        });
        let id: Option<SessionId> = name.parse().ok();
        visible.find(|s| s.request_id.as_ref() == Some(&wanted) || Some(s.id) == id)
    }

    /// This client's agent that holds the vendor's conversation, where a query names only that.
    fn find_vendor_session(&self, vendor_session: &str) -> Option<Arc<SessionHandle>> {
        let has_it = |view: &SessionInfo| {
            let known = view.agent.as_ref().and_then(|agent| agent.vendor_session.as_deref());
            view.state.is_live() && known == Some(vendor_session)
        };
        let sessions = self.context.registry.all();
        sessions.into_iter().find(|s| self.is_own_agent(s) && has_it(&s.published()))
    }

    pub(super) async fn query(self: Arc<Self>, id: String, q: AgentQuery) {
        let name = q.session_id.clone();
        let outcome = self.try_query(&id, q).await;
        let (result, shown) = match outcome {
            Ok(shown) => (Ok(()), shown),
            Err(error) => {
                record_refusal(&self.context, &self.caller, MethodName::AgentPrompt, &error);
                (Err(error), None)
            }
        };
        let known = name.chars().count() <= MAX_NAME_CHARS;
        self.settle_about(&id, known.then_some(name), result);
        // its first message comes after the reply
        if let Some(session) = shown {
            self.release_agent(session);
        }
    }

    /// Carries a query out; gives the session whose messages wait for the reply.
    async fn try_query(&self, id: &str, q: AgentQuery) -> Result<Option<SessionId>, RpcError> {
        self.caller.require(MethodName::AgentPrompt)?;
        check_query(&q)?;
        let by_name = self.find_agent(&q.session_id);
        let resumed = q.resume_session_id.as_deref();
        let found = by_name.or_else(|| resumed.and_then(|id| self.find_vendor_session(id)));
        let session = match found {
            Some(session) if session.published().state.is_live() => {
                self.adjust(&session, &q).await?;
                session
            }
            Some(session) => {
                self.caller.require(MethodName::SessionResume)?;
                let (context, env) = (&self.context, variables(&q));
                launch::start_again(context, &self.caller, &session, env).await?;
                session
            }
            None => self.create_agent(&q).await?,
        };
        let held = self.hold_agent(&session).await;
        let key = self.query_key(id, &q.session_id)?;
        let content = vec![ContentBlock::Text { text: q.prompt.clone() }];
        let command = AgentCommand::Prompt { content, delivery: Delivery::Queue };
        if let Err(error) = self.tell(&session, key, command).await {
            if held {
                self.release_agent(session.id);
            }
            return Err(error);
        }
        let ignored = ignored_members(&q);
        if !ignored.is_empty() {
            self.say_log(&q.session_id, &format!("this relay does not use {}", ignored.join(", ")));
        }
        Ok(held.then_some(session.id))
    }

    async fn create_agent(&self, q: &AgentQuery) -> Result<Arc<SessionHandle>, RpcError> {
        self.caller.require(MethodName::SessionCreate)?;
        if let SessionLimit::Only(_) = self.caller.grant.sessions {
            let text = "this token is limited to certain sessions and cannot start others";
            return Err(RpcError::new(ErrorCode::Forbidden, text));
        }
        let resume = match q.resume_session_id.clone() {
            Some(vendor_session) => Resume::Resume { vendor_session },
            None => Resume::New,
        };
        let agent = AgentParams {
            name: q.provider.clone(),
            model: q.model.clone(),
            mode: q.permission_mode.clone(),
            resume,
        };
        let params = CreateParams {
            request_id: Some(format!("{}{}", self.agent_mark(), q.session_id)),
            cwd: q.cwd.clone(),
            env: variables(q),
            agent: Some(agent),
            ..CreateParams::default()
        };
        let made = launch::create(&self.context, &self.caller, params).await?;
        let gone = || RpcError::new(ErrorCode::NotFound, "the conversation was removed");
        self.context.registry.session(made.session).ok_or_else(gone)
    }

    /// Gives a running agent the mode and the model that a query asks for.
    async fn adjust(&self, session: &SessionHandle, q: &AgentQuery) -> Result<(), RpcError> {
        let view = session.published();
        let Some(agent) = &view.agent else { return Ok(()) };
        if let Some(mode) = q.permission_mode.clone()
            && agent.mode.as_ref() != Some(&mode)
        {
            api::allow(&self.context, &self.caller, |ceiling| ceiling.check_mode(&mode))?;
            self.tell(session, random_uuid()?, AgentCommand::SetMode { mode }).await?;
        }
        if let Some(model) = q.model.clone()
            && agent.model.as_ref() != Some(&model)
        {
            api::allow(&self.context, &self.caller, |ceiling| ceiling.check_model(&model))?;
            self.tell(session, random_uuid()?, AgentCommand::SetModel { model }).await?;
        }
        Ok(())
    }

    /// The key of a query's message: the same for the same command, whenever and however often it comes.
    fn query_key(&self, id: &str, name: &str) -> Result<String, RpcError> {
        if id.is_empty() {
            return Ok(message_key(&random_uuid()?, name));
        }
        let text = format!("agor query {} {id}", self.me.client);
        let mark = self.context.ticket_key.fixed_client(&text);
        let mark: String = mark.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(message_key(&mark, name))
    }

    async fn tell(
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

    pub(super) async fn stop_agent(self: Arc<Self>, id: String, p: AgentStop) {
        let outcome = self.try_stop(&p.session_id).await;
        if let Err(error) = &outcome {
            record_refusal(&self.context, &self.caller, MethodName::AgentInterrupt, error);
        }
        let known = p.session_id.chars().count() <= MAX_NAME_CHARS;
        self.settle_about(&id, known.then_some(p.session_id), outcome);
    }

    /// Ends what an agent does; one that does nothing ends itself, and the next query starts it again.
    async fn try_stop(&self, name: &str) -> Result<(), RpcError> {
        self.caller.require(MethodName::AgentInterrupt)?;
        let none = || RpcError::new(ErrorCode::NotFound, "there is no such conversation");
        let session = self.find_agent(name).ok_or_else(none)?;
        if !session.published().state.is_live() {
            return Err(RpcError::new(ErrorCode::Ended, "the agent's program has ended"));
        }
        let conversation = session.ask(|reply| Ask::Conversation { reply }).await?;
        let view = conversation.view();
        if view.turn.is_none() && view.queue.is_empty() {
            self.caller.require(MethodName::SessionStop)?;
            return self.end_program(&session).await;
        }
        for message in view.queue.into_iter().filter(|it| it.message_id.starts_with(KEY_PREFIX)) {
            let command = AgentCommand::Withdraw { message_id: message.message_id };
            // one that was written meanwhile is interrupted
            found(self.tell(&session, random_uuid()?, command).await)?;
        }
        if is_running(&*session.ask(|reply| Ask::Conversation { reply }).await?) {
            let interrupt = self.tell(&session, random_uuid()?, AgentCommand::Interrupt).await;
            return in_time(interrupt);
        }
        Ok(())
    }

    async fn end_program(&self, session: &SessionHandle) -> Result<(), RpcError> {
        self.expect_end(session.id);
        let caller = self.lease_caller();
        let (rung_ms, now, reason) = (STOP_RUNG_MS, StopBegins::Gently, None);
        session.ask(|reply| Ask::Stop { caller, rung_ms, now, reason, reply }).await
    }

    pub(super) async fn restart_agents(self: Arc<Self>, id: String) {
        let outcome = self.try_restart().await;
        if let Err(error) = &outcome {
            record_refusal(&self.context, &self.caller, MethodName::SessionResume, error);
        }
        self.settle_about(&id, None, outcome);
    }

    /// Ends the programs of this client's agents and starts them again, each in its conversation.
    async fn try_restart(&self) -> Result<(), RpcError> {
        self.caller.require(MethodName::SessionStop)?;
        self.caller.require(MethodName::SessionResume)?;
        let own = self.context.registry.all().into_iter().filter(|session| {
            self.is_own_agent(session)
                && self.caller.sees(session.id)
                && session.published().state.is_live()
        });
        let restarts = own.map(|session| async move { self.restart_one(&session).await });
        join_all(restarts).await.into_iter().collect()
    }

    async fn restart_one(&self, session: &Arc<SessionHandle>) -> Result<(), RpcError> {
        self.end_program(session).await?;
        let ended = async {
            while session.published().state.is_live() {
                tokio::time::sleep(RESTART_POLL).await;
            }
        };
        if tokio::time::timeout(RESTART_LIMIT, ended).await.is_err() {
            let text = "the agent's program does not end";
            return Err(RpcError::new(ErrorCode::StillRunning, text));
        }
        launch::start_again(&self.context, &self.caller, session, Variables::new()).await
    }

    /// Shows this client's own agents again: what runs, from where it was last seen.
    pub(super) async fn follow_own_agents(self: Arc<Self>) {
        for session in self.context.registry.all() {
            if !self.is_own_agent(&session) {
                continue;
            }
            let place = self.context.dialect_places.find(self.me.client, session.id);
            let missed = place.as_ref().is_some_and(|place| place.next < session.tail.head().seq);
            if session.published().state.is_live() || missed {
                let from = match &place {
                    Some(place) => watch::From::Record(place.next),
                    None => watch::From::LatestTurn,
                };
                self.follow_agent(&session, from, place).await;
            }
        }
    }

    fn say_log(&self, name: &str, text: &str) {
        if let Some(event) = super::runner::log(name, text) {
            self.say(&event);
        }
    }
}

/// A message that no longer waits was written: what is to be stopped is its turn.
fn found(outcome: Result<AgentCommandResult, RpcError>) -> Result<(), RpcError> {
    match outcome {
        Err(error) if error.code() != ErrorCode::NotFound => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// A turn that has ended meanwhile is stopped.
fn in_time(outcome: Result<AgentCommandResult, RpcError>) -> Result<(), RpcError> {
    match outcome {
        Err(error) if error.code() != ErrorCode::AgentNotReady => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn is_running(conversation: &Conversation) -> bool {
    conversation.view().turn.is_some()
}

/// Variables that a query asks for.
fn variables(q: &AgentQuery) -> Variables {
    let mut env = q.extra_env.clone();
    if let Some(directory) = &q.claude_config_dir {
        env.insert("CLAUDE_CONFIG_DIR".to_owned(), directory.clone());
    }
    env
}

/// A bound that nobody would keep, and a place that nobody would make, are refused: a query that asks for
/// them relies on them.
fn check_query(q: &AgentQuery) -> Result<(), RpcError> {
    let chars = q.session_id.chars().count();
    if chars == 0 || chars > MAX_NAME_CHARS || q.session_id.chars().any(char::is_control) {
        let text = format!("a session_id has 1 to {MAX_NAME_CHARS} printable characters");
        return Err(RpcError::new(ErrorCode::InvalidParams, text));
    }
    let refused = [
        ("max_budget_usd", q.max_budget_usd.is_some()),
        ("worktree_name", q.worktree_name.as_ref().is_some_and(|name| !name.is_empty())),
    ];
    match refused.iter().find(|(_, asked)| *asked) {
        Some((name, _)) => {
            Err(RpcError::new(ErrorCode::NotOffered, format!("{name} is not offered here")))
        }
        None => Ok(()),
    }
}

/// Members that change how an agent works and are left out here.
fn ignored_members(q: &AgentQuery) -> Vec<&'static str> {
    let usual = |sources: &Vec<String>| {
        ["user", "project"].iter().all(|it| sources.iter().any(|source| source == it))
    };
    let has_config = match &q.provider_config {
        serde_json::Value::Null => false,
        serde_json::Value::Object(members) => !members.is_empty(),
        serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::String(_)
        | serde_json::Value::Array(_) => true,
    };
    let members = [
        ("max_turns", q.max_turns.is_some()),
        ("setting_sources", q.setting_sources.as_ref().is_some_and(|it| !usual(it))),
        ("system_prompt", q.system_prompt.as_ref().is_some_and(|it| !it.is_empty())),
        (
            "additional_directories",
            q.additional_directories.as_ref().is_some_and(|it| !it.is_empty()),
        ),
        ("provider_config", has_config),
    ];
    members.iter().filter(|(_, asked)| *asked).map(|(name, _)| *name).collect()
}
