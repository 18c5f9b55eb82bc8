//! A conversation line by line: what the agent says and asks, and what is typed to it.
//!
//! While a prompt is open, a line is its answer; else it is a message. Lines that begin with `/` are
//! commands. The agent goes on when this ends.

use quarterdeck_protocol::{
    agent::{Delivery, EventId, Update},
    ids::SessionId,
    method::{
        AgentInterrupt, AgentInterruptParams, AgentPrompt, AgentSetMode, AgentSetModeParams,
        AgentSetModel, AgentSetModelParams,
    },
};

use super::{
    follow::{Printer, message},
    open::{OpenPrompts, read_lines},
    stream::AgentStream,
};
use crate::{
    Exit,
    config::Settings,
    error::{CliError, Kind},
};

const HELP: &str = "a line is a message, or the answer to the open question; also: \
/steer TEXT, /queue TEXT, /interrupt [TEXT], /mode MODE, /model MODEL, /detach";

/// Talks until the user leaves or the agent ends. Begins with a message, if there is one.
pub(crate) async fn run(
    settings: &Settings,
    session: SessionId,
    after: Option<EventId>,
    first: Option<&str>,
) -> Result<Exit, CliError> {
    let stream = AgentStream::open(settings, session, after).await?;
    let mut talk =
        Talk { stream, session, printer: Printer::new(settings), open: OpenPrompts::default() };
    if let Some(text) = first {
        talk.say(text, Delivery::Queue).await?;
    }
    let mut lines = read_lines();
    loop {
        tokio::select! {
            events = talk.stream.next() => {
                for event in events? {
                    talk.printer.print(&event)?;
                    if talk.note(&event.update) == Going::Over {
                        return Ok(Exit::OK);
                    }
                }
            }
            line = lines.recv() => {
                let Some(line) = line else { return Ok(talk.leave(settings)) };
                match talk.handle_line(&line).await {
                    Ok(Going::On) => {}
                    Ok(Going::Over) => return Ok(talk.leave(settings)),
                    // what cannot be done now is said, and the conversation goes on
                    Err(error) if error.kind != Kind::Unreachable => settings.output.error(&error),
                    Err(error) => return Err(error),
                }
            }
        }
    }
}

struct Talk<'s> {
    stream: AgentStream<'s>,
    session: SessionId,
    printer: Printer<'s>,
    open: OpenPrompts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Going {
    On,
    Over,
}

impl Talk<'_> {
    fn note(&mut self, update: &Update) -> Going {
        if matches!(update, Update::AgentExited { .. }) {
            return Going::Over;
        }
        self.open.note(update);
        Going::On
    }

    async fn handle_line(&mut self, line: &str) -> Result<Going, CliError> {
        let line = line.trim();
        if line.is_empty() {
            return Ok(Going::On);
        }
        if let Some(command) = line.strip_prefix('/') {
            return self.handle_command(command).await;
        }
        if !self.open.answer(&mut self.stream, line).await? {
            self.say(line, Delivery::Queue).await?;
        }
        Ok(Going::On)
    }

    async fn handle_command(&mut self, command: &str) -> Result<Going, CliError> {
        let (word, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        let rest = rest.trim();
        let session = self.session.to_string();
        match word {
            "steer" => self.say(rest, Delivery::Steer).await?,
            "queue" | "say" => self.say(rest, Delivery::Queue).await?,
            "interrupt" if !rest.is_empty() => self.say(rest, Delivery::Interrupt).await?,
            "interrupt" => {
                let params = AgentInterruptParams { session, command_id: None };
                self.stream.call::<AgentInterrupt>(&params).await?;
            }
            "mode" => {
                let mode = rest.to_owned();
                let params = AgentSetModeParams { session, mode, command_id: None };
                self.stream.call::<AgentSetMode>(&params).await?;
            }
            "model" => {
                let model = rest.to_owned();
                let params = AgentSetModelParams { session, model, command_id: None };
                self.stream.call::<AgentSetModel>(&params).await?;
            }
            "detach" | "quit" | "exit" => return Ok(Going::Over),
            _ => return Err(CliError::usage(HELP)),
        }
        Ok(Going::On)
    }

    async fn say(&mut self, text: &str, delivery: Delivery) -> Result<(), CliError> {
        let message = message(self.session, text, delivery)?;
        if let Some(id) = &message.message_id {
            self.printer.readable.note_own(id);
        }
        self.stream.call::<AgentPrompt>(&message).await?;
        Ok(())
    }

    fn leave(&self, settings: &Settings) -> Exit {
        settings.output.note(&format!("the agent goes on; come back: qd attach {}", self.session));
        Exit::OK
    }
}
