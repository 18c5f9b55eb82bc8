//! A model for trying things by hand: it does what the newest message says.
//!
//! `run COMMAND` calls the agent's shell with the command, after which it tells what came of it. Anything
//! else it says back.

use serde_json::json;

use super::{ModelRequest, Part, Reply, Role};

/// Names of the tools by which agents run commands, and of their inputs' members.
const SHELLS: [(&str, &str); 3] =
    [("Bash", "command"), ("exec_command", "cmd"), ("bash", "command")];

/// What it answers.
#[must_use]
pub fn reply(request: &ModelRequest) -> Reply {
    if let Some(result) = result_at_the_end(request) {
        return Reply::say(&format!("It said: {result}"));
    }
    let wish = request.last_user_text().trim();
    let shell = SHELLS.iter().find(|(name, _)| request.tools.iter().any(|tool| tool == name));
    match (wish.strip_prefix("run "), shell) {
        (Some(command), Some((name, member))) => {
            let input = json!({ *member: command, "description": "Run what was asked for" });
            Reply::think("I was asked to run something.").then_call(name, input)
        }
        (_, _) => Reply::say(&format!("You said: {wish}")),
    }
}

/// The result of a tool, when nobody has said anything since.
fn result_at_the_end(request: &ModelRequest) -> Option<String> {
    let newest = request.messages.iter().rev().find(|message| message.role != Role::Assistant)?;
    newest.parts.iter().rev().find_map(|part| match part {
        Part::Result(result) => Some(result.text.trim().to_owned()),
        Part::Text(_) | Part::Call { .. } | Part::Other => None,
    })
}
