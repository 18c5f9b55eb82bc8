//! One turn from a message to its end: for scripts, and for terminals that only wait.

use std::time::Duration;

use quarterdeck_protocol::{
    agent::{
        AgentEvent, ContentBlock, ConversationView, Delivery, EventId, Prompt, StopReason, Update,
    },
    ids::{Seq, SessionId},
    method::{AgentPrompt, AgentPromptParams, AgentView, SessionParams},
};
use tokio::time::timeout;

use super::{readable::Readable, stream::AgentStream};
use crate::{
    Exit,
    config::Settings,
    connection::Connection,
    error::{CliError, Kind},
    output::Format,
};

/// A message for an agent, under an id that a retry keeps.
pub(crate) fn message(
    session: SessionId,
    text: &str,
    delivery: Delivery,
) -> Result<AgentPromptParams, CliError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        CliError::new(Kind::Failed, "the system gives no random numbers").caused_by(&error)
    })?;
    Ok(AgentPromptParams {
        session: session.to_string(),
        content: vec![ContentBlock::Text { text: text.to_owned() }],
        delivery,
        message_id: Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
        script: !std::io::IsTerminal::is_terminal(&std::io::stdin()),
    })
}

/// What a conversation adds up to now.
pub(crate) async fn view(
    connection: &Connection,
    session: SessionId,
) -> Result<ConversationView, CliError> {
    let params = SessionParams { session: session.to_string() };
    let name = params.session.clone();
    Ok(connection.call::<AgentView>(&params, Some(&name)).await?.view)
}

/// All events of records before this one are known.
pub(crate) fn before(next: Seq) -> Option<EventId> {
    let seq = Seq(next.0.checked_sub(1)?);
    Some(EventId { seq, index: u32::MAX })
}

/// Sends a message and follows its turn to the end.
pub(crate) async fn turn(
    settings: &Settings,
    session: SessionId,
    after: Option<EventId>,
    message: AgentPromptParams,
    limit: Option<Duration>,
) -> Result<Exit, CliError> {
    let following = follow(settings, session, after, message);
    match limit {
        None => following.await,
        Some(limit) => timeout(limit, following).await.unwrap_or_else(|_| {
            Err(CliError::new(Kind::Timeout, "the turn has not ended in time"))
        }),
    }
}

async fn follow(
    settings: &Settings,
    session: SessionId,
    after: Option<EventId>,
    message: AgentPromptParams,
) -> Result<Exit, CliError> {
    let mut stream = AgentStream::open(settings, session, after).await?;
    let sent = stream.call::<AgentPrompt>(&message).await?;
    let mut printer = Printer::new(settings);
    printer.readable.note_own(&sent.id);
    let mut began = false;
    loop {
        for event in stream.next().await? {
            printer.print(&event)?;
            let update = &event.update;
            if let Update::TurnStarted { message_id, .. } = update {
                began |= message_id.as_deref() == Some(&sent.id);
            }
            if let Update::PromptOpened { prompt } = update {
                printer.say_how(prompt);
            }
            if let Update::TurnEnded { stop_reason, .. } = update
                && began
            {
                return Ok(exit_of(*stop_reason));
            }
            if matches!(update, Update::AgentExited { .. }) {
                let message = "the agent ended before its turn did";
                return Err(CliError::new(Kind::Ended, message)
                    .hint(format!("start it again: qd resume {session}")));
            }
        }
    }
}

/// A turn's result as an exit code.
const fn exit_of(reason: StopReason) -> Exit {
    match reason {
        StopReason::EndTurn => Exit::OK,
        StopReason::AgentExit => Exit::code(Kind::Ended.exit_code()),
        StopReason::MaxTokens
        | StopReason::MaxTurnRequests
        | StopReason::Refusal
        | StopReason::Cancelled
        | StopReason::Error
        | StopReason::Unknown => Exit::code(Kind::Failed.exit_code()),
    }
}

/// Prints events as text, or each as one line of JSON.
pub(crate) struct Printer<'s> {
    settings: &'s Settings,
    pub(crate) readable: Readable,
}

impl<'s> Printer<'s> {
    pub(crate) fn new(settings: &'s Settings) -> Self {
        Self { settings, readable: Readable::new(settings.output.styles()) }
    }

    pub(crate) fn print(&mut self, event: &AgentEvent) -> Result<(), CliError> {
        match self.settings.output.format() {
            Format::Json => self.settings.output.json(event),
            Format::Text => {
                let text = self.readable.text(event);
                if text.is_empty() { Ok(()) } else { self.settings.output.bytes(text.as_bytes()) }
            }
        }
    }

    /// How a prompt that this command only shows can be answered.
    fn say_how(&self, prompt: &Prompt) {
        let id = prompt.id;
        self.settings.output.note(&format!(
            "it waits for an answer: qd prompts allow {id}, qd prompts deny {id}, or qd attach {}",
            id.session
        ));
    }
}
