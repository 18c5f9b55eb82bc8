//! A conversation line by line: what the agent says and asks, and what is typed to it.
//!
//! While a prompt is open, a line is its answer; else it is a message. Lines that begin with `/` are
//! commands. The agent goes on when this ends.

use quarterdeck_protocol::{
    agent::{Delivery, EventId, Prompt, PromptId, PromptState, Update},
    ids::SessionId,
    method::{
        AgentInterrupt, AgentInterruptParams, AgentPrompt, AgentSetMode, AgentSetModeParams,
        AgentSetModel, AgentSetModelParams, PromptAnswerMethod, PromptAnswerParams,
    },
};
use tokio::sync::mpsc;

use super::{
    follow::{Printer, message},
    question,
    stream::AgentStream,
};
use crate::{
    Exit,
    config::Settings,
    error::{CliError, Kind},
};

/// Lines that may wait between the keyboard and the agent.
const WAITING_LINES: usize = 16;
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
    let mut talk = Talk { stream, session, printer: Printer::new(settings), open: Vec::new() };
    if let Some(text) = first {
        talk.say(text, Delivery::Queue).await?;
    }
    let mut lines = read_lines();
    loop {
        tokio::select! {
            events = talk.stream.next() => {
                for event in events? {
                    talk.printer.print(&event)?;
                    if talk.note(event.update) == Going::Over {
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
    /// Prompts that are open, oldest first.
    open: Vec<Prompt>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Going {
    On,
    Over,
}

impl Talk<'_> {
    fn note(&mut self, update: Update) -> Going {
        if matches!(update, Update::AgentExited { .. }) {
            return Going::Over;
        }
        if let Update::PromptUpdate { prompt, state } = &update
            && *state != PromptState::Open
        {
            self.open.retain(|open| open.id != *prompt);
        }
        if let Update::PromptOpened { prompt } = update {
            self.open.push(*prompt);
        }
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
        let Some(prompt) = self.open.first() else {
            self.say(line, Delivery::Queue).await?;
            return Ok(Going::On);
        };
        let answer = question::answer(prompt, line).map_err(|why| {
            CliError::usage(why.to_string()).hint("to say something else first: /steer TEXT")
        })?;
        self.answer(prompt.id, answer).await?;
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

    async fn answer(
        &mut self,
        prompt: PromptId,
        answer: quarterdeck_protocol::agent::PromptAnswer,
    ) -> Result<(), CliError> {
        let params = PromptAnswerParams { prompt, answer, answer_id: None };
        self.stream.call::<PromptAnswerMethod>(&params).await?;
        Ok(())
    }

    fn leave(&self, settings: &Settings) -> Exit {
        settings.output.note(&format!("the agent goes on; come back: qd attach {}", self.session));
        Exit::OK
    }
}

/// Lines of standard input; the thread ends with the input or the process.
fn read_lines() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(WAITING_LINES);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            let Ok(line) = line else { return };
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}
