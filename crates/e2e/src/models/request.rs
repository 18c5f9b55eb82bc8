//! What an agent sent to the model, read into one form.

use serde_json::Value;

/// Which format a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// Anthropic's Messages.
    Messages,
    /// OpenAI's Responses.
    Responses,
    /// OpenAI's chat completions.
    Chat,
}

/// A request to the model.
#[derive(Debug, Clone)]
pub struct ModelRequest {
    /// Its format.
    pub wire: Wire,
    /// The model that is asked.
    pub model: String,
    /// What the agent tells the model about itself.
    pub system: String,
    /// Names of the tools that the model may call.
    pub tools: Vec<String>,
    /// The conversation so far.
    pub messages: Vec<Message>,
    /// The key that came with it.
    pub key: Option<String>,
    /// The whole of it.
    pub body: Value,
    /// The answer is to be streamed.
    pub(super) streams: bool,
    /// The answer is to be JSON.
    pub(super) wants_json: bool,
}

/// One message of the conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Whose it is.
    pub role: Role,
    /// What it holds.
    pub parts: Vec<Part>,
}

/// Whose a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The user's, or the agent's in the user's name.
    User,
    /// The model's.
    Assistant,
    /// Somebody else's, such as the agent's maker.
    Other,
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// Text.
    Text(String),
    /// A tool's call by the model.
    Call {
        /// The call's id.
        id: String,
        /// The tool.
        name: String,
        /// The input; a text for tools that take no JSON.
        input: Value,
    },
    /// What came of a call.
    Result(ToolResult),
    /// Anything else, such as a thought or an image.
    Other,
}

/// What came of a tool's call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolResult {
    /// The call's id.
    pub call: String,
    /// What the model is told of it.
    pub text: String,
}

impl ModelRequest {
    /// Reads a request; what is not there is empty.
    pub(super) fn read(wire: Wire, body: Value, key: Option<String>) -> Self {
        let messages = match wire {
            Wire::Messages => list(&body["messages"]).map(anthropic_message).collect(),
            Wire::Responses => list(&body["input"]).filter_map(responses_item).collect(),
            Wire::Chat => list(&body["messages"]).map(chat_message).collect(),
        };
        let format = [&body["output_config"], &body["output_format"], &body["text"]["format"]];
        Self {
            wire,
            model: text(&body["model"]),
            system: system(wire, &body),
            tools: tools(&body),
            messages,
            key,
            streams: body["stream"] == true,
            wants_json: format.iter().any(|it| it.to_string().contains("schema")),
            body,
        }
    }

    /// All tools' results in it, oldest first.
    #[must_use]
    pub fn tool_results(&self) -> Vec<ToolResult> {
        let parts = self.messages.iter().flat_map(|message| &message.parts);
        let result = |part: &Part| match part {
            Part::Result(result) => Some(result.clone()),
            Part::Text(_) | Part::Call { .. } | Part::Other => None,
        };
        parts.filter_map(result).collect()
    }

    /// The newest tool's result.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn last_tool_result(&self) -> String {
        self.tool_results().pop().expect("the request holds a tool's result").text
    }

    /// All texts in a user's name, oldest first.
    #[must_use]
    pub fn user_texts(&self) -> Vec<&str> {
        self.texts(Role::User)
    }

    /// All texts of the model, oldest first.
    #[must_use]
    pub fn model_texts(&self) -> Vec<&str> {
        self.texts(Role::Assistant)
    }

    /// The newest text in a user's name that is no reminder of the agent's own.
    #[must_use]
    pub fn last_user_text(&self) -> &str {
        let own = |text: &&&str| !text.trim_start().starts_with('<');
        self.user_texts().iter().rev().find(own).copied().unwrap_or_default()
    }

    /// Whether a text in a user's name holds this.
    #[must_use]
    pub fn user_said(&self, words: &str) -> bool {
        self.user_texts().iter().any(|text| text.contains(words))
    }

    /// Whether any text holds this, in whoever's name.
    #[must_use]
    pub fn was_told(&self, words: &str) -> bool {
        let parts = self.messages.iter().flat_map(|message| &message.parts);
        parts.filter_map(Part::text).any(|text| text.contains(words))
    }

    fn texts(&self, role: Role) -> Vec<&str> {
        let messages = self.messages.iter().filter(|message| message.role == role);
        messages.flat_map(|message| &message.parts).filter_map(Part::text).collect()
    }
}

impl Part {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Call { .. } | Self::Result(_) | Self::Other => None,
        }
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Texts of a content that is a text or a list of blocks.
fn content_texts(content: &Value) -> Vec<String> {
    if let Some(text) = content.as_str() {
        return vec![text.to_owned()];
    }
    list(content).filter_map(|it| Some(it["text"].as_str()?.to_owned())).collect()
}

fn system(wire: Wire, body: &Value) -> String {
    match wire {
        Wire::Messages => content_texts(&body["system"]).join("\n"),
        Wire::Responses => {
            let told = list(&body["input"]).filter(|it| it["role"] == "developer");
            let told = told.flat_map(|it| content_texts(&it["content"]));
            std::iter::once(text(&body["instructions"])).chain(told).collect::<Vec<_>>().join("\n")
        }
        Wire::Chat => {
            let system = list(&body["messages"]).filter(|it| it["role"] == "system");
            system.flat_map(|it| content_texts(&it["content"])).collect::<Vec<_>>().join("\n")
        }
    }
}

fn tools(body: &Value) -> Vec<String> {
    let name = |tool: &Value| {
        let name = tool["name"].as_str().or_else(|| tool["function"]["name"].as_str());
        name.map(str::to_owned)
    };
    list(&body["tools"]).filter_map(name).collect()
}

fn role(value: &Value) -> Role {
    match value.as_str() {
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some(_) | None => Role::Other,
    }
}

fn text_parts(content: &Value) -> Vec<Part> {
    content_texts(content).into_iter().map(Part::Text).collect()
}

fn anthropic_message(message: &Value) -> Message {
    let content = &message["content"];
    let parts = if content.is_string() {
        text_parts(content)
    } else {
        list(content).map(anthropic_block).collect()
    };
    Message { role: role(&message["role"]), parts }
}

fn anthropic_block(block: &Value) -> Part {
    match block["type"].as_str() {
        Some("text") => Part::Text(text(&block["text"])),
        Some("tool_use") => Part::Call {
            id: text(&block["id"]),
            name: text(&block["name"]),
            input: block["input"].clone(),
        },
        Some("tool_result") => Part::Result(ToolResult {
            call: text(&block["tool_use_id"]),
            text: content_texts(&block["content"]).join("\n"),
        }),
        Some(_) | None => Part::Other,
    }
}

/// An item of the Responses' input; reasoning and the like have no role and are left out.
fn responses_item(item: &Value) -> Option<Message> {
    let assistant = |part| Some(Message { role: Role::Assistant, parts: vec![part] });
    match item["type"].as_str() {
        Some("message") | None => {
            Some(Message { role: role(&item["role"]), parts: text_parts(&item["content"]) })
        }
        Some("function_call") => assistant(Part::Call {
            id: text(&item["call_id"]),
            name: text(&item["name"]),
            input: parse(&item["arguments"]),
        }),
        Some("custom_tool_call") => assistant(Part::Call {
            id: text(&item["call_id"]),
            name: text(&item["name"]),
            input: item["input"].clone(),
        }),
        Some("function_call_output" | "custom_tool_call_output") => {
            let result = ToolResult {
                call: text(&item["call_id"]),
                text: content_texts(&item["output"]).join("\n"),
            };
            Some(Message { role: Role::Other, parts: vec![Part::Result(result)] })
        }
        Some(_) => None,
    }
}

fn chat_message(message: &Value) -> Message {
    let mut parts = text_parts(&message["content"]);
    if message["role"] == "tool" {
        let text = content_texts(&message["content"]).join("\n");
        parts = vec![Part::Result(ToolResult { call: self::text(&message["tool_call_id"]), text })];
    }
    parts.extend(list(&message["tool_calls"]).map(|call| Part::Call {
        id: text(&call["id"]),
        name: text(&call["function"]["name"]),
        input: parse(&call["function"]["arguments"]),
    }));
    Message { role: role(&message["role"]), parts }
}

/// JSON that is written into a text; the text itself when it is none.
fn parse(value: &Value) -> Value {
    let parsed = value.as_str().and_then(|text| serde_json::from_str(text).ok());
    parsed.unwrap_or_else(|| value.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(wire: Wire, body: Value) {
        let request = ModelRequest::read(wire, body, None);
        assert_eq!(request.system, "be\ngood");
        assert_eq!(request.tools, ["sh"]);
        assert_eq!(request.last_user_text(), "run it");
        assert_eq!(request.model_texts(), ["I will"]);
        assert_eq!(request.last_tool_result(), "it ran");
        let call = Part::Call { id: "c1".into(), name: "sh".into(), input: json!({ "a": 1 }) };
        assert!(request.messages.iter().any(|message| message.parts.contains(&call)));
    }

    #[test]
    fn one_conversation_reads_the_same_in_all_three_formats() {
        check(
            Wire::Messages,
            json!({
                "system": [{ "type": "text", "text": "be\ngood" }], "tools": [{ "name": "sh" }],
                "messages": [
                    { "role": "user", "content": [
                        { "type": "text", "text": "run it" },
                        { "type": "text", "text": "<reminder>x</reminder>" },
                    ] },
                    { "role": "assistant", "content": [
                        { "type": "text", "text": "I will" },
                        { "type": "tool_use", "id": "c1", "name": "sh", "input": { "a": 1 } },
                    ] },
                    { "role": "user", "content": [
                        { "type": "tool_result", "tool_use_id": "c1", "content": "it ran" },
                    ] },
                ],
            }),
        );
        check(
            Wire::Responses,
            json!({
                "instructions": "be", "tools": [{ "type": "function", "name": "sh" }],
                "input": [
                    { "type": "message", "role": "developer", "content": "good" },
                    { "type": "message", "role": "user", "content": [
                        { "type": "input_text", "text": "run it" },
                    ] },
                    { "type": "message", "role": "assistant", "content": [
                        { "type": "output_text", "text": "I will" },
                    ] },
                    { "type": "reasoning", "summary": [] },
                    { "type": "function_call", "call_id": "c1", "name": "sh",
                      "arguments": "{\"a\":1}" },
                    { "type": "function_call_output", "call_id": "c1", "output": "it ran" },
                ],
            }),
        );
        check(
            Wire::Chat,
            json!({
                "tools": [{ "type": "function", "function": { "name": "sh" } }],
                "messages": [
                    { "role": "system", "content": "be\ngood" },
                    { "role": "user", "content": "run it" },
                    { "role": "assistant", "content": "I will", "tool_calls": [
                        { "id": "c1", "function": { "name": "sh", "arguments": "{\"a\":1}" } },
                    ] },
                    { "role": "tool", "tool_call_id": "c1", "content": "it ran" },
                ],
            }),
        );
    }
}
