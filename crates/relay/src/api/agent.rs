//! `agent.*` and `prompt.*`.

use quarterdeck_agents::Answerer;
use quarterdeck_protocol::{
    agent::{AgentCommand, Origin},
    error::{ErrorCode, RpcError},
    limits::MAX_TEXT_FRAME_BYTES,
    method::{
        AgentCommandResult, AgentInterruptParams, AgentPromptParams, AgentSetModeParams,
        AgentSetModelParams, AgentViewResult, AgentWithdrawParams, PromptAnswerParams,
        PromptAnswerResult, PromptInfo, PromptListParams, PromptListResult, SessionParams,
    },
};

use super::{find, identity, lease_caller};
use crate::{
    agent::random_uuid,
    caller::Caller,
    ceiling::{CheckedCeiling, Refusal},
    connection::Connection,
    context::Context,
    session::{Command, agent::AgentAsk},
    uploads::attached,
};

/// Bytes of prompts in one answer: well below a text frame.
const MAX_LIST_BYTES: usize = MAX_TEXT_FRAME_BYTES / 2;
/// Characters of an id that a client chose for its answer.
const MAX_ANSWER_ID_CHARS: usize = 128;

/// Who commands an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Author {
    Person,
    Script,
}

pub(crate) async fn view(c: &Connection, p: &SessionParams) -> Result<AgentViewResult, RpcError> {
    let session = find(c, &p.session)?;
    let conversation = session.ask(|reply| Command::Conversation { reply }).await?;
    Ok(AgentViewResult { view: conversation.view() })
}

pub(crate) async fn prompt(
    c: &Connection,
    p: AgentPromptParams,
) -> Result<AgentCommandResult, RpcError> {
    let AgentPromptParams { session, mut content, delivery, message_id, script, attachments } = p;
    if !attachments.is_empty() {
        content.extend(attached(&find(c, &session)?, attachments).await?);
    }
    let author = if script { Author::Script } else { Author::Person };
    let command = AgentCommand::Prompt { content, delivery };
    tell(c, &session, message_id, command, author).await
}

pub(crate) async fn interrupt(
    c: &Connection,
    p: AgentInterruptParams,
) -> Result<AgentCommandResult, RpcError> {
    tell(c, &p.session, p.command_id, AgentCommand::Interrupt, Author::Person).await
}

pub(super) async fn set_mode(
    c: &Connection,
    p: AgentSetModeParams,
) -> Result<AgentCommandResult, RpcError> {
    allow(&c.context, &c.caller, |ceiling| ceiling.check_mode(&p.mode))?;
    let command = AgentCommand::SetMode { mode: p.mode };
    tell(c, &p.session, p.command_id, command, Author::Person).await
}

pub(super) async fn set_model(
    c: &Connection,
    p: AgentSetModelParams,
) -> Result<AgentCommandResult, RpcError> {
    allow(&c.context, &c.caller, |ceiling| ceiling.check_model(&p.model))?;
    let command = AgentCommand::SetModel { model: p.model };
    tell(c, &p.session, p.command_id, command, Author::Person).await
}

pub(super) async fn withdraw(
    c: &Connection,
    p: AgentWithdrawParams,
) -> Result<AgentCommandResult, RpcError> {
    let command = AgentCommand::Withdraw { message_id: p.message_id };
    tell(c, &p.session, None, command, Author::Person).await
}

/// Asks the relay's ceiling, and that of the caller's dialect.
pub(crate) fn allow(
    context: &Context,
    caller: &Caller,
    check: impl Fn(&CheckedCeiling) -> Result<(), Refusal>,
) -> Result<(), RpcError> {
    let own = caller.grant.dialect.and_then(|dialect| context.dialect_ceilings.get(&dialect));
    let checked = check(&context.ceiling).and_then(|()| own.map_or(Ok(()), &check));
    checked.map_err(|refusal| refusal.to_rpc())
}

async fn tell(
    c: &Connection,
    session: &str,
    key: Option<String>,
    command: AgentCommand,
    author: Author,
) -> Result<AgentCommandResult, RpcError> {
    let session = find(c, session)?;
    let caller = lease_caller(c)?;
    let key = key.map_or_else(random_uuid, Ok)?;
    let (principal, client) = (caller.client.principal.clone(), Some(caller.client.client));
    let caller = Some(caller);
    let origin = match author {
        Author::Person => Origin::Person { principal, client },
        Author::Script => Origin::Script { principal, client },
    };
    session.ask_agent(key, command, origin, caller).await
}

pub(super) async fn prompts(
    c: &Connection,
    p: PromptListParams,
) -> Result<PromptListResult, RpcError> {
    let sessions = match p.session {
        Some(word) => vec![find(c, &word)?],
        None => {
            let all = c.context.registry.all().into_iter();
            let asks = |prompts: u32| prompts > 0;
            let waits = all.filter(|session| {
                let published = session.published();
                let open = published.agent.as_ref().is_some_and(|agent| asks(agent.prompts));
                open && c.caller.sees(session.id)
            });
            waits.collect()
        }
    };
    let mut found = PromptListResult::default();
    let mut bytes = 0;
    for session in sessions {
        let conversation = session.ask(|reply| Command::Conversation { reply }).await?;
        let label = session.published().label.clone();
        for prompt in conversation.prompts() {
            let info = PromptInfo {
                session: session.id,
                label: label.clone(),
                on: None,
                prompt: prompt.clone(),
            };
            bytes += serde_json::to_vec(&info).map_or(0, |text| text.len());
            if bytes > MAX_LIST_BYTES && !found.prompts.is_empty() {
                found.more = true;
                return Ok(found);
            }
            found.prompts.push(info);
        }
    }
    found.prompts.sort_by_key(|prompt| prompt.prompt.asked_at_micros);
    Ok(found)
}

pub(super) async fn answer(
    c: &Connection,
    p: PromptAnswerParams,
) -> Result<PromptAnswerResult, RpcError> {
    let PromptAnswerParams { prompt, answer, answer_id } = p;
    let session = find(c, &prompt.session.to_string())?;
    let owner = identity(c)?;
    let answer_id = answer_id.map_or_else(random_uuid, Ok)?;
    if answer_id.is_empty() || answer_id.chars().count() > MAX_ANSWER_ID_CHARS {
        let message = format!("an answer's id has 1 to {MAX_ANSWER_ID_CHARS} characters");
        return Err(RpcError::new(ErrorCode::InvalidParams, message));
    }
    let (by, from, from_name) = (owner.principal, Some(owner.client), Some(owner.name));
    let who = Answerer { by, from, from_name, answer_id };
    let scopes = c.caller.grant.scopes;
    let ask =
        |reply| Command::Agent(Box::new(AgentAsk::Answer { prompt, answer, who, scopes, reply }));
    session.ask(ask).await
}
