//! Anthropic's Messages: blocks with an index, each begun, filled and ended.

use serde_json::{Value, json};

use super::{Act, Answer, Events, Format, Sort, Tokens, call_id};

#[derive(Debug)]
pub(super) struct Stream {
    number: u64,
    index: usize,
    calls: bool,
}

impl Stream {
    pub(super) const fn new(number: u64) -> Self {
        Self { number, index: 0, calls: false }
    }

    fn start(&self, block: &Value, out: &mut Events) {
        let data =
            json!({ "type": "content_block_start", "index": self.index, "content_block": block });
        out.named("content_block_start", &data);
    }

    fn fill(&self, delta: &Value, out: &mut Events) {
        let data = json!({ "type": "content_block_delta", "index": self.index, "delta": delta });
        out.named("content_block_delta", &data);
    }

    fn stop(&mut self, out: &mut Events) {
        let data = json!({ "type": "content_block_stop", "index": self.index });
        out.named("content_block_stop", &data);
        self.index += 1;
    }
}

impl Format for Stream {
    fn begin(&mut self, answer: &Answer, out: &mut Events) {
        let message = message(answer, &[], None);
        out.named("message_start", &json!({ "type": "message_start", "message": message }));
    }

    fn open(&mut self, sort: Sort, out: &mut Events) {
        let block = match sort {
            Sort::Thought => json!({ "type": "thinking", "thinking": "", "signature": "" }),
            Sort::Text => json!({ "type": "text", "text": "" }),
        };
        self.start(&block, out);
    }

    fn delta(&mut self, sort: Sort, text: &str, out: &mut Events) {
        let delta = match sort {
            Sort::Thought => json!({ "type": "thinking_delta", "thinking": text }),
            Sort::Text => json!({ "type": "text_delta", "text": text }),
        };
        self.fill(&delta, out);
    }

    fn close(&mut self, sort: Sort, out: &mut Events) {
        if sort == Sort::Thought {
            self.fill(&json!({ "type": "signature_delta", "signature": "c2lnbmVk" }), out);
        }
        self.stop(out);
    }

    fn call(&mut self, name: &str, input: &Value, out: &mut Events) {
        let id = call_id(self.number, self.index);
        let block = json!({ "type": "tool_use", "id": id, "name": name, "input": {} });
        self.start(&block, out);
        let json = input.to_string();
        self.fill(&json!({ "type": "input_json_delta", "partial_json": json }), out);
        self.stop(out);
        self.calls = true;
    }

    fn end(&mut self, answer: &Answer, out: &mut Events) {
        let delta = json!({ "stop_reason": stop_reason(self.calls), "stop_sequence": null });
        let usage = usage(&answer.tokens);
        let data = json!({ "type": "message_delta", "delta": delta, "usage": usage });
        out.named("message_delta", &data);
        out.named("message_stop", &json!({ "type": "message_stop" }));
    }
}

const fn stop_reason(calls: bool) -> &'static str {
    if calls { "tool_use" } else { "end_turn" }
}

fn usage(tokens: &Tokens) -> Value {
    let Tokens { input, output, cached_read } = tokens;
    json!({
        "input_tokens": input, "output_tokens": output, "cache_read_input_tokens": cached_read,
        "cache_creation_input_tokens": 0,
    })
}

fn message(answer: &Answer, content: &[Value], stop: Option<&str>) -> Value {
    json!({
        "id": format!("msg_{}", answer.number), "type": "message", "role": "assistant",
        "model": answer.model, "content": content, "stop_reason": stop, "stop_sequence": null,
        "usage": usage(&answer.tokens),
    })
}

/// The answer in one piece; gates and cuts have no place in it.
pub(super) fn whole(answer: &Answer) -> Value {
    let mut content = Vec::new();
    let mut calls = false;
    for act in &answer.acts {
        match act {
            Act::Say(text) => content.push(json!({ "type": "text", "text": text })),
            Act::Call { name, input } => {
                let id = call_id(answer.number, content.len());
                content.push(json!({ "type": "tool_use", "id": id, "name": name, "input": input }));
                calls = true;
            }
            Act::Think(_) | Act::Wait(_) | Act::Cut => {}
        }
    }
    message(answer, &content, Some(stop_reason(calls)))
}
