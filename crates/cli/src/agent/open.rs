//! Prompts that are open while events are followed, and the lines that answer them.

use quarterdeck_protocol::{
    agent::{Prompt, PromptState, Update},
    method::{PromptAnswerMethod, PromptAnswerParams},
};
use tokio::sync::mpsc;

use super::{question, stream::AgentStream};
use crate::error::CliError;

/// Lines that may wait between the keyboard and the agent.
const WAITING_LINES: usize = 16;

/// Prompts that are open, oldest first.
#[derive(Debug, Default)]
pub(crate) struct OpenPrompts(Vec<Prompt>);

impl OpenPrompts {
    /// Learns what an event says about prompts.
    pub(crate) fn note(&mut self, update: &Update) {
        if let Update::PromptUpdate { prompt, state } = update
            && *state != PromptState::Open
        {
            self.0.retain(|open| open.id != *prompt);
        }
        if let Update::PromptOpened { prompt } = update {
            self.0.push((**prompt).clone());
        }
    }

    /// The one that a line answers.
    pub(crate) fn first(&self) -> Option<&Prompt> {
        self.0.first()
    }

    /// Answers the oldest with a line; `false` when nothing is open.
    pub(crate) async fn answer(
        &self,
        stream: &mut AgentStream<'_>,
        line: &str,
    ) -> Result<bool, CliError> {
        let Some(prompt) = self.first() else { return Ok(false) };
        let answer = question::answer(prompt, line).map_err(|why| {
            CliError::usage(why.to_string()).hint("to say something else first: /steer TEXT")
        })?;
        let params = PromptAnswerParams { prompt: prompt.id, answer, answer_id: None };
        stream.call::<PromptAnswerMethod>(&params).await?;
        Ok(true)
    }
}

/// Lines of standard input; the thread ends with the input or the process.
pub(crate) fn read_lines() -> mpsc::Receiver<String> {
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
