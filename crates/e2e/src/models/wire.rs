//! Answers in the agents' three formats. Pure: an answer comes to a list of pieces.

mod anthropic;
mod chat;
mod responses;

use axum::body::Bytes;
use serde_json::{Value, json};

use super::{
    Gate,
    reply::{Act, Tokens},
    request::Wire,
};

/// An answer before it has a format.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) acts: Vec<Act>,
    pub(super) tokens: Tokens,
    pub(super) model: String,
    /// Counts answers: ids are made of it.
    pub(super) number: u64,
}

/// What goes out.
#[derive(Debug, Clone)]
pub(super) enum Piece {
    Send(Bytes),
    Wait(Gate),
    Cut,
}

/// Which sort of text a model is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Thought,
    Text,
}

/// One format's stream, event by event.
trait Format {
    fn begin(&mut self, answer: &Answer, out: &mut Events);
    fn open(&mut self, sort: Sort, out: &mut Events);
    fn delta(&mut self, sort: Sort, text: &str, out: &mut Events);
    fn close(&mut self, sort: Sort, out: &mut Events);
    fn call(&mut self, name: &str, input: &Value, out: &mut Events);
    fn end(&mut self, answer: &Answer, out: &mut Events);
}

/// Events of a stream that is being written.
#[derive(Debug, Default)]
struct Events(Vec<Piece>);

impl Events {
    /// An event with a name, as Anthropic and the Responses have them.
    fn named(&mut self, name: &str, data: &Value) {
        self.0.push(Piece::Send(format!("event: {name}\ndata: {data}\n\n").into()));
    }
    /// An event without.
    fn plain(&mut self, data: &str) {
        self.0.push(Piece::Send(format!("data: {data}\n\n").into()));
    }
}

/// The pieces of a streamed answer.
pub(super) fn stream(wire: Wire, answer: &Answer) -> Vec<Piece> {
    match wire {
        Wire::Messages => write(&mut anthropic::Stream::new(answer.number), answer),
        Wire::Responses => write(&mut responses::Stream::new(answer.number), answer),
        Wire::Chat => write(&mut chat::Stream::new(answer), answer),
    }
}

fn write(format: &mut dyn Format, answer: &Answer) -> Vec<Piece> {
    let mut out = Events::default();
    let mut open: Option<Sort> = None;
    let mut switch = |to: Option<Sort>, format: &mut dyn Format, out: &mut Events| {
        if open != to {
            if let Some(sort) = open {
                format.close(sort, out);
            }
            if let Some(sort) = to {
                format.open(sort, out);
            }
            open = to;
        }
    };
    format.begin(answer, &mut out);
    for act in &answer.acts {
        match act {
            Act::Think(text) => {
                switch(Some(Sort::Thought), format, &mut out);
                format.delta(Sort::Thought, text, &mut out);
            }
            Act::Say(text) => {
                switch(Some(Sort::Text), format, &mut out);
                format.delta(Sort::Text, text, &mut out);
            }
            Act::Call { name, input } => {
                switch(None, format, &mut out);
                format.call(name, input, &mut out);
            }
            Act::Wait(gate) => out.0.push(Piece::Wait(gate.clone())),
            Act::Cut => {
                out.0.push(Piece::Cut);
                return out.0;
            }
        }
    }
    switch(None, format, &mut out);
    format.end(answer, &mut out);
    out.0
}

/// A whole answer. Only Claude asks for one, when its stream has broken.
pub(super) fn whole(answer: &Answer) -> Value {
    anthropic::whole(answer)
}

/// The body of a refusal.
pub(super) fn refusal(wire: Wire, status: u16) -> Value {
    let message = match (wire, status) {
        // what the services say, since some agents hand on nothing but the text
        (Wire::Messages, 401) => "invalid x-api-key".to_owned(),
        (Wire::Responses | Wire::Chat, 401) => "Incorrect API key provided: sk-fake.".to_owned(),
        (_, 429) => "Rate limit reached for this model.".to_owned(),
        (_, 529) => "Overloaded".to_owned(),
        (_, _) => format!("the fake model refuses with {status}"),
    };
    match wire {
        Wire::Messages => {
            let kind = match status {
                400 => "invalid_request_error",
                401 => "authentication_error",
                403 => "permission_error",
                404 => "not_found_error",
                429 => "rate_limit_error",
                529 => "overloaded_error",
                _ => "api_error",
            };
            json!({ "type": "error", "error": { "type": kind, "message": message } })
        }
        Wire::Responses | Wire::Chat => {
            let code = match status {
                401 => "invalid_api_key",
                429 => "rate_limit_exceeded",
                _ => "server_error",
            };
            json!({ "error": { "type": code, "code": code, "message": message } })
        }
    }
}

/// The id of a tool's call: unique in a server's life.
fn call_id(number: u64, index: usize) -> String {
    format!("call_{number}_{index}")
}

#[cfg(test)]
mod tests;
