//! Events as text for people. Pure.

use quarterdeck_protocol::agent::{
    AgentError, AgentEvent, ContentBlock, Cost, ErrorClass, Origin, PromptState, StopReason,
    ToolCall, ToolStatus, Update, Usage,
};

use super::question;
use crate::output::{
    escape::plain,
    style::{Styles, paint},
};

/// Where the text is: pieces of a message go on in the same line.
#[derive(Debug)]
pub(crate) struct Readable {
    styles: Styles,
    /// The message that is being printed.
    message: Option<String>,
    /// Whether the line has something in it.
    line_begun: bool,
    /// What this client itself sent, which its user has seen already.
    own: Vec<String>,
    /// Names of tools, for their later news.
    tools: std::collections::BTreeMap<String, String>,
}

/// Tools whose names are kept.
const MAX_TOOLS: usize = 256;

impl Readable {
    /// Nothing printed yet.
    pub(crate) const fn new(styles: Styles) -> Self {
        Self {
            styles,
            message: None,
            line_begun: false,
            own: Vec::new(),
            tools: std::collections::BTreeMap::new(),
        }
    }

    /// A message of this id was typed here.
    pub(crate) fn note_own(&mut self, message_id: &str) {
        self.own.push(message_id.to_owned());
    }

    /// The event's text; empty for what people need not see.
    pub(crate) fn text(&mut self, event: &AgentEvent) -> String {
        match &event.update {
            Update::UserMessageChunk { message_id, origin, content } => {
                if self.own.iter().any(|own| own == message_id) {
                    return String::new();
                }
                let line = format!("{}> {}", origin_words(origin), content_text(content));
                self.line(&paint(self.styles.hint, &line))
            }
            Update::AgentMessageChunk { message_id, content, .. } => {
                self.piece(message_id, &content_text(content))
            }
            Update::AgentThoughtChunk { message_id, content, .. } => {
                let text = paint(self.styles.dim, &content_text(content));
                self.piece(message_id, &text)
            }
            Update::ToolCall(call) | Update::ToolCallUpdate(call) => self.tool(call),
            Update::PromptOpened { prompt } => {
                let text = question::text(prompt, self.styles);
                self.line(text.trim_end())
            }
            Update::PromptUpdate { state, .. } => self.prompt_state(state),
            Update::TurnEnded { stop_reason, error, usage } => {
                self.turn_end(*stop_reason, error.as_ref(), usage)
            }
            Update::AgentExited { .. } => {
                self.line(&paint(self.styles.warn, "the agent has ended"))
            }
            Update::Error { error } => self.error(error),
            Update::Notice { text } => self.line(&paint(self.styles.dim, text)),
            Update::Garbage { text } => {
                let line = format!("not understood: {}", plain(text));
                self.line(&paint(self.styles.dim, &line))
            }
            Update::Oversized { bytes } => self
                .line(&paint(self.styles.warn, &format!("a line of {bytes} bytes was left out"))),
            Update::Retry(retry) => {
                let line = format!("trying again: {}", retry.error.message);
                self.line(&paint(self.styles.dim, &line))
            }
            Update::MessageEnded { .. }
            | Update::AgentStarted { .. }
            | Update::SessionInfoUpdate { .. }
            | Update::TurnStarted { .. }
            | Update::MessageUpdate { .. }
            | Update::ToolCallOutput { .. }
            | Update::TaskUpdate(_)
            | Update::TurnDiff { .. }
            | Update::Plan { .. }
            | Update::UsageUpdate(_)
            | Update::RateLimitUpdate { .. }
            | Update::CurrentModeUpdate { .. }
            | Update::CurrentModelUpdate { .. }
            | Update::ConfigOptionUpdate { .. }
            | Update::AvailableCommandsUpdate { .. }
            | Update::Raw { .. }
            | Update::Unknown => String::new(),
        }
    }

    /// A piece of a message, in its line.
    fn piece(&mut self, message_id: &str, text: &str) -> String {
        let mut all = String::new();
        if self.message.as_deref() != Some(message_id) {
            all.push_str(&self.end_line());
            self.message = Some(message_id.to_owned());
        }
        all.push_str(text);
        if !text.is_empty() {
            self.line_begun = !text.ends_with('\n');
        }
        all
    }

    /// Whole lines of their own.
    fn line(&mut self, text: &str) -> String {
        let all = format!("{}{text}\n", self.end_line());
        self.message = None;
        all
    }

    /// What ends the line that is begun, if one is.
    pub(crate) fn end_line(&mut self) -> String {
        let end = if self.line_begun { "\n" } else { "" };
        self.line_begun = false;
        end.to_owned()
    }

    fn tool(&mut self, call: &ToolCall) -> String {
        if let Some(name) = call.title.as_deref().or(call.name.as_deref()) {
            if self.tools.len() >= MAX_TOOLS {
                self.tools.pop_first();
            }
            self.tools.insert(call.tool_call_id.clone(), plain(name));
        }
        let name = self.tools.get(&call.tool_call_id).map_or("a tool", String::as_str);
        let (style, words) = match call.status {
            Some(ToolStatus::Completed) => (self.styles.good, "done"),
            Some(ToolStatus::Failed) => (self.styles.error, "failed"),
            Some(ToolStatus::Declined) => (self.styles.warn, "declined"),
            Some(ToolStatus::UnknownOutcome) => (self.styles.warn, "outcome unknown"),
            Some(ToolStatus::InProgress) => (self.styles.dim, "runs"),
            Some(ToolStatus::Pending | ToolStatus::Waiting | ToolStatus::Unknown) | None => {
                return String::new();
            }
        };
        let line = format!("[{name}] {}", paint(style, words));
        self.line(&line)
    }

    fn prompt_state(&mut self, state: &PromptState) -> String {
        let line = match state {
            PromptState::Answered { answered } => {
                format!("answered by {}", plain(answered.by.name()))
            }
            PromptState::AnsweredElsewhere => "answered at the agent itself".to_owned(),
            PromptState::Withdrawn => "the question was withdrawn".to_owned(),
            PromptState::Expired => "nobody answered in time".to_owned(),
            PromptState::Lost { .. } => "the question was lost with the agent".to_owned(),
            PromptState::Open | PromptState::Applied { .. } | PromptState::Unknown => {
                return String::new();
            }
        };
        self.line(&paint(self.styles.dim, &line))
    }

    fn turn_end(
        &mut self,
        reason: StopReason,
        error: Option<&AgentError>,
        usage: &Usage,
    ) -> String {
        let mut text = error.map_or_else(String::new, |error| self.error(error));
        let why = match reason {
            StopReason::EndTurn | StopReason::Error | StopReason::Unknown => None,
            StopReason::MaxTokens => Some("stopped: too many tokens"),
            StopReason::MaxTurnRequests => Some("stopped: too many requests"),
            StopReason::Refusal => Some("refused"),
            StopReason::Cancelled => Some("interrupted"),
            StopReason::AgentExit => Some("the agent ended"),
        };
        if let Some(why) = why {
            text += &self.line(&paint(self.styles.warn, why));
        }
        let cost = usage.cost.as_ref().map(money);
        if let Some(tokens) = usage.tokens {
            let (read, written) = (tokens.input, tokens.output);
            let line = format!("({read} tokens in, {written} out{})", cost.unwrap_or_default());
            text += &self.line(&paint(self.styles.dim, &line));
        }
        text
    }

    fn error(&mut self, error: &AgentError) -> String {
        let line = format!("error: {}", plain(&error.message));
        let mut text = self.line(&paint(self.styles.error, &line));
        if let Some(hint) = hint(error.class) {
            text += &self.line(&paint(self.styles.hint, &format!("  hint: {hint}")));
        }
        text
    }
}

/// What a person can do about a failure, where that is not plain from its words.
const fn hint(class: ErrorClass) -> Option<&'static str> {
    match class {
        ErrorClass::Auth | ErrorClass::NoKey => Some(
            "log in with the agent itself, or give it a key: secret_file in the relay's config.toml",
        ),
        ErrorClass::SessionNotFound => Some("begin a new conversation: qd run --agent AGENT"),
        ErrorClass::RateLimit
        | ErrorClass::Overloaded
        | ErrorClass::Server
        | ErrorClass::BadRequest
        | ErrorClass::ContextFull
        | ErrorClass::Network
        | ErrorClass::AgentExit
        | ErrorClass::Protocol
        | ErrorClass::Other => None,
    }
}

/// `, 0.25 USD`, to a hundredth of a cent.
fn money(cost: &Cost) -> String {
    let (whole, part) = (cost.amount_micros / 1_000_000, cost.amount_micros % 1_000_000 / 100);
    format!(", {whole}.{part:04} {}", plain(&cost.currency))
}

fn origin_words(origin: &Origin) -> String {
    match origin {
        Origin::Person { principal, .. } | Origin::Script { principal, .. } => {
            plain(principal.name())
        }
        Origin::Agent { address } => plain(address),
        Origin::SelfStarted | Origin::Unknown => String::new(),
    }
}

fn content_text(content: &ContentBlock) -> String {
    match content {
        // the relay has taken control characters out
        ContentBlock::Text { text } => text.clone(),
        ContentBlock::Image { mime_type, .. } => format!("[{}]", plain(mime_type)),
        ContentBlock::ResourceLink { uri, .. } => format!("[{}]", plain(uri)),
        ContentBlock::Unknown => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarterdeck_protocol::{agent::EventId, ids::Seq};

    fn event(update: Update) -> AgentEvent {
        AgentEvent { id: EventId { seq: Seq(1), index: 0 }, at_micros: 0, turn: None, update }
    }
    fn chunk(id: &str, text: &str) -> Update {
        let content = ContentBlock::Text { text: text.to_owned() };
        Update::AgentMessageChunk { message_id: id.to_owned(), parent_tool_call_id: None, content }
    }
    fn tool(status: ToolStatus, title: Option<&str>) -> Update {
        let call = ToolCall {
            tool_call_id: "t".into(),
            title: title.map(str::to_owned),
            status: Some(status),
            ..ToolCall::default()
        };
        Update::ToolCallUpdate(Box::new(call))
    }

    #[test]
    fn pieces_of_a_message_share_a_line_and_everything_else_has_its_own() {
        let mut readable = Readable::new(Styles::PLAIN);
        let updates = [
            chunk("m1", "Hel"),
            chunk("m1", "lo"),
            tool(ToolStatus::Pending, Some("touch a")),
            tool(ToolStatus::Completed, None),
            chunk("m2", "done\n"),
            Update::TurnEnded {
                stop_reason: StopReason::Cancelled,
                error: None,
                usage: Usage::default(),
            },
        ];
        let text: String = updates.map(|update| readable.text(&event(update))).concat();
        insta::assert_snapshot!(text, @r"
        Hello
        [touch a] done
        done
        interrupted
        ");
    }

    #[test]
    fn what_was_typed_here_is_not_said_again() {
        let mut readable = Readable::new(Styles::PLAIN);
        readable.note_own("mine");
        let said = |id: &str| Update::UserMessageChunk {
            message_id: id.to_owned(),
            origin: Origin::SelfStarted,
            content: ContentBlock::Text { text: "hi".to_owned() },
        };
        assert_eq!(readable.text(&event(said("mine"))), "");
        assert_eq!(readable.text(&event(said("other"))), "> hi\n");
    }
}
