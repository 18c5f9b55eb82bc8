//! OpenAI's chat completions: chunks of one message, without names.

use serde_json::{Value, json};

use super::{Answer, Events, Format, Sort, Tokens, call_id};

#[derive(Debug)]
pub(super) struct Stream {
    number: u64,
    model: String,
    calls: usize,
}

impl Stream {
    pub(super) fn new(answer: &Answer) -> Self {
        Self { number: answer.number, model: answer.model.clone(), calls: 0 }
    }

    fn chunk(&self, choices: &Value, usage: &Value) -> Value {
        json!({
            "id": format!("chatcmpl-{}", self.number), "object": "chat.completion.chunk",
            "created": 1_767_225_600, "model": self.model, "choices": choices, "usage": usage,
        })
    }

    fn delta(&self, delta: &Value, finish: Option<&str>, out: &mut Events) {
        let choices = json!([{ "index": 0, "delta": delta, "finish_reason": finish }]);
        out.plain(&self.chunk(&choices, &Value::Null).to_string());
    }
}

impl Format for Stream {
    fn begin(&mut self, _answer: &Answer, out: &mut Events) {
        Self::delta(self, &json!({ "role": "assistant", "content": "" }), None, out);
    }

    fn open(&mut self, _sort: Sort, _out: &mut Events) {}

    fn delta(&mut self, sort: Sort, text: &str, out: &mut Events) {
        let delta = match sort {
            Sort::Thought => json!({ "reasoning_content": text }),
            Sort::Text => json!({ "content": text }),
        };
        Self::delta(self, &delta, None, out);
    }

    fn close(&mut self, _sort: Sort, _out: &mut Events) {}

    fn call(&mut self, name: &str, input: &Value, out: &mut Events) {
        let function = json!({ "name": name, "arguments": input.to_string() });
        let call = json!({
            "index": self.calls, "id": call_id(self.number, self.calls), "type": "function",
            "function": function,
        });
        Self::delta(self, &json!({ "tool_calls": [call] }), None, out);
        self.calls += 1;
    }

    fn end(&mut self, answer: &Answer, out: &mut Events) {
        let finish = if self.calls > 0 { "tool_calls" } else { "stop" };
        Self::delta(self, &json!({}), Some(finish), out);
        let Tokens { input, output, cached_read } = answer.tokens;
        let read = input + cached_read;
        let usage = json!({
            "prompt_tokens": read, "prompt_tokens_details": { "cached_tokens": cached_read },
            "completion_tokens": output, "total_tokens": read + output,
        });
        out.plain(&self.chunk(&json!([]), &usage).to_string());
        out.plain("[DONE]");
    }
}
