//! One turn from a message to its end: for scripts, and for terminals that only wait.

use std::time::Duration;

use quarterdeck_protocol::{
    agent::{
        AgentEvent, ContentBlock, ConversationView, Delivery, EventId, Prompt, StopReason, Update,
    },
    ids::{Seq, SessionId},
    method::{AgentPrompt, AgentPromptParams, AgentView, SessionParams},
};
use tokio::{sync::mpsc, time::timeout};

use super::{
    open::{OpenPrompts, read_lines},
    readable::Readable,
    stream::AgentStream,
};
use crate::{
    Exit,
    attach::terminal,
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
        attachments: Vec::new(),
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
    let mut turn = Turn::new(settings, session, sent.id);
    loop {
        tokio::select! {
            events = stream.next() => {
                for event in events? {
                    if let Some(exit) = turn.take(&event)? {
                        return Ok(exit);
                    }
                }
            }
            line = turn.line() => match turn.open.answer(&mut stream, line.trim()).await {
                Ok(_) => {}
                // somebody else was faster, or it was no answer: it is said, and the turn goes on
                Err(error) if error.kind != Kind::Unreachable => settings.output.error(&error),
                Err(error) => return Err(error),
            },
        }
    }
}

/// The turn that is followed.
struct Turn<'s> {
    session: SessionId,
    /// The message that begins it.
    message_id: String,
    began: bool,
    printer: Printer<'s>,
    open: OpenPrompts,
    asks: Asks,
}

/// Who answers what the agent asks meanwhile.
#[derive(Debug)]
enum Asks {
    /// The user of this terminal, from which nothing was read yet.
    Here,
    /// The same, who types lines.
    Lines(mpsc::Receiver<String>),
    /// Somebody elsewhere.
    Elsewhere,
}

impl<'s> Turn<'s> {
    fn new(settings: &'s Settings, session: SessionId, message_id: String) -> Self {
        let mut printer = Printer::new(settings);
        printer.readable.note_own(&message_id);
        let here = settings.output.format() == Format::Text && terminal::is_there();
        let asks = if here { Asks::Here } else { Asks::Elsewhere };
        Self { session, message_id, began: false, printer, open: OpenPrompts::default(), asks }
    }

    /// Shows an event; the exit code when it is the turn's end.
    fn take(&mut self, event: &AgentEvent) -> Result<Option<Exit>, CliError> {
        self.printer.print(event)?;
        let update = &event.update;
        self.open.note(update);
        if let Update::TurnStarted { message_id, .. } = update {
            self.began |= message_id.as_deref() == Some(&self.message_id);
        }
        if let Update::PromptOpened { prompt } = update {
            match self.asks {
                // what was typed before is for whoever reads this terminal next
                Asks::Here => self.asks = Asks::Lines(read_lines()),
                Asks::Lines(_) => {}
                Asks::Elsewhere => self.printer.say_how(prompt),
            }
        }
        if matches!(update, Update::AgentExited { .. }) {
            let message = "the agent ended before its turn did";
            return Err(CliError::new(Kind::Ended, message)
                .hint(format!("start it again: qd resume {}", self.session)));
        }
        if let Update::TurnEnded { stop_reason, .. } = update
            && self.began
        {
            return Ok(Some(exit_of(*stop_reason)));
        }
        Ok(None)
    }

    /// The next line of the user, while something is asked.
    async fn line(&mut self) -> String {
        if self.open.first().is_some()
            && let Asks::Lines(lines) = &mut self.asks
        {
            match lines.recv().await {
                Some(line) => return line,
                // the terminal is gone, or its user has nothing more to say
                None => self.asks = Asks::Elsewhere,
            }
        }
        std::future::pending().await
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
