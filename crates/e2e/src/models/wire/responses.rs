//! OpenAI's Responses: items, each added, filled and done; the whole response at the end.

use serde_json::{Value, json};

use super::{Answer, Events, Format, Sort, Tokens, call_id};

#[derive(Debug)]
pub(super) struct Stream {
    number: u64,
    sequence: u64,
    /// Items that are done.
    items: Vec<Value>,
    /// The text of the one that is open.
    text: String,
}

impl Stream {
    pub(super) const fn new(number: u64) -> Self {
        Self { number, sequence: 0, items: Vec::new(), text: String::new() }
    }

    fn event(&mut self, kind: &str, members: Value, out: &mut Events) {
        let mut data = members;
        data["type"] = kind.into();
        data["sequence_number"] = self.sequence.into();
        self.sequence += 1;
        out.named(kind, &data);
    }

    fn item_id(&self, sort: Sort) -> String {
        let prefix = match sort {
            Sort::Thought => "rs",
            Sort::Text => "msg",
        };
        format!("{prefix}_{}_{}", self.number, self.items.len())
    }

    fn added(&mut self, item: &Value, out: &mut Events) {
        let at = self.items.len();
        let data = json!({ "output_index": at, "item": item });
        self.event("response.output_item.added", data, out);
    }

    fn done(&mut self, item: Value, out: &mut Events) {
        let at = self.items.len();
        let data = json!({ "output_index": at, "item": item });
        self.event("response.output_item.done", data, out);
        self.items.push(item);
    }

    fn item(&self, sort: Sort, text: &str, status: &str) -> Value {
        let id = self.item_id(sort);
        match sort {
            Sort::Thought => {
                let summary = json!({ "type": "summary_text", "text": text });
                let summary = if text.is_empty() { json!([]) } else { json!([summary]) };
                json!({ "id": id, "type": "reasoning", "summary": summary,
                        "encrypted_content": "c2VhbGVk" })
            }
            Sort::Text => {
                let part = json!({ "type": "output_text", "text": text, "annotations": [] });
                let content = if text.is_empty() { json!([]) } else { json!([part]) };
                json!({ "id": id, "type": "message", "role": "assistant", "status": status,
                        "content": content })
            }
        }
    }

    /// Where a piece of text belongs.
    fn place(&self, sort: Sort) -> Value {
        let index = match sort {
            Sort::Thought => "summary_index",
            Sort::Text => "content_index",
        };
        json!({ "item_id": self.item_id(sort), "output_index": self.items.len(), index: 0 })
    }
}

impl Format for Stream {
    fn begin(&mut self, answer: &Answer, out: &mut Events) {
        let response = response(answer, &[], None);
        self.event("response.created", json!({ "response": response }), out);
    }

    fn open(&mut self, sort: Sort, out: &mut Events) {
        self.text.clear();
        let item = self.item(sort, "", "in_progress");
        self.added(&item, out);
        let mut data = self.place(sort);
        let kind = match sort {
            Sort::Thought => {
                data["part"] = json!({ "type": "summary_text", "text": "" });
                "response.reasoning_summary_part.added"
            }
            Sort::Text => {
                data["part"] = json!({ "type": "output_text", "text": "", "annotations": [] });
                "response.content_part.added"
            }
        };
        self.event(kind, data, out);
    }

    fn delta(&mut self, sort: Sort, text: &str, out: &mut Events) {
        self.text.push_str(text);
        let mut data = self.place(sort);
        data["delta"] = text.into();
        let kind = match sort {
            Sort::Thought => "response.reasoning_summary_text.delta",
            Sort::Text => "response.output_text.delta",
        };
        self.event(kind, data, out);
    }

    fn close(&mut self, sort: Sort, out: &mut Events) {
        let text = core::mem::take(&mut self.text);
        let mut data = self.place(sort);
        data["text"] = text.as_str().into();
        let kind = match sort {
            Sort::Thought => "response.reasoning_summary_text.done",
            Sort::Text => "response.output_text.done",
        };
        self.event(kind, data, out);
        let item = self.item(sort, &text, "completed");
        self.done(item, out);
    }

    fn call(&mut self, name: &str, input: &Value, out: &mut Events) {
        let call_id = call_id(self.number, self.items.len());
        let id = format!("fc_{}_{}", self.number, self.items.len());
        // a text is the input of a tool that takes no JSON
        let mut item = json!({
            "id": id, "type": "function_call", "call_id": call_id, "name": name,
            "arguments": input.to_string(), "status": "completed",
        });
        if let Some(text) = input.as_str() {
            item = json!({
                "id": id, "type": "custom_tool_call", "call_id": call_id, "name": name,
                "input": text, "status": "completed",
            });
        }
        // the tools of an MCP server are named below it
        let of_server = name.strip_prefix("mcp__").and_then(|rest| rest.split_once("__"));
        if let Some((server, tool)) = of_server {
            item["namespace"] = json!(format!("mcp__{server}"));
            item["name"] = json!(tool);
        }
        self.added(&item, out);
        self.done(item, out);
    }

    fn end(&mut self, answer: &Answer, out: &mut Events) {
        let response = response(answer, &self.items, Some(&answer.tokens));
        self.event("response.completed", json!({ "response": response }), out);
    }
}

/// The response; it has used something once it is completed.
fn response(answer: &Answer, items: &[Value], tokens: Option<&Tokens>) -> Value {
    let usage = tokens.map(|Tokens { input, output, cached_read }| {
        let input = input + cached_read;
        json!({
            "input_tokens": input, "input_tokens_details": { "cached_tokens": cached_read },
            "output_tokens": output, "output_tokens_details": { "reasoning_tokens": 0 },
            "total_tokens": input + output,
        })
    });
    json!({
        "id": format!("resp_{}", answer.number), "object": "response", "created_at": 1_767_225_600,
        "status": if tokens.is_some() { "completed" } else { "in_progress" },
        "model": answer.model, "output": items, "usage": usage, "error": null,
    })
}
