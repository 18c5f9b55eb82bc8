//! A server of the Model Context Protocol whose only tool, `paint`, asks the user which colour.
//!
//! It speaks JSON-RPC lines on its standard streams: enough for the real coding agents to start it, call
//! its tool, and hand its question on.

use std::io::{self, BufRead, Write};

use serde_json::{Value, json};

/// The id of its question.
const QUESTION: &str = "which-colour";

/// Serves until its input ends.
///
/// # Errors
/// When its streams break.
pub fn serve(input: impl BufRead, mut output: impl Write) -> io::Result<()> {
    let mut call = Value::Null;
    for line in input.lines() {
        let Ok(message) = serde_json::from_str::<Value>(&line?) else { continue };
        let id = &message["id"];
        let answer = match message["method"].as_str() {
            Some("initialize") => result(id, &introduction(&message["params"])),
            Some("tools/list") => result(id, &json!({ "tools": [tool()] })),
            Some("tools/call") => {
                call = id.clone();
                question()
            }
            Some(_) if id.is_null() => continue,
            Some(_) => json!({
                "jsonrpc": "2.0", "id": id, "error": { "code": -32601, "message": "unknown" },
            }),
            None if id == QUESTION => {
                let said = format!("the answer was {}", message["result"]);
                let content = json!({ "type": "text", "text": said });
                result(&call, &json!({ "content": [content] }))
            }
            None => continue,
        };
        writeln!(output, "{answer}")?;
        output.flush()?;
    }
    Ok(())
}

fn result(id: &Value, result: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "result": result })
}

/// The version is the client's own: all that is used here stands in each.
fn introduction(params: &Value) -> Value {
    json!({
        "protocolVersion": params["protocolVersion"], "capabilities": { "tools": {} },
        "serverInfo": { "name": "asker", "version": "1" },
    })
}

fn tool() -> Value {
    json!({
        "name": "paint", "description": "Paints the house.",
        "inputSchema": { "type": "object", "properties": {} },
    })
}

fn question() -> Value {
    let colour = json!({ "type": "string", "title": "Colour", "enum": ["red", "blue"] });
    let schema =
        json!({ "type": "object", "properties": { "colour": colour }, "required": ["colour"] });
    json!({
        "jsonrpc": "2.0", "id": QUESTION, "method": "elicitation/create",
        "params": { "message": "Which colour?", "requestedSchema": schema },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_asks_and_its_result_holds_the_answer() {
        let input = [
            json!({ "id": 1, "method": "initialize", "params": { "protocolVersion": "x" } }),
            json!({ "method": "notifications/initialized" }),
            json!({ "id": 2, "method": "tools/call", "params": { "name": "paint" } }),
            json!({ "id": QUESTION, "result": { "action": "decline" } }),
        ];
        let input = input.map(|line| format!("{line}\n")).concat();
        let mut output = Vec::new();
        serve(input.as_bytes(), &mut output).expect("memory does not fail");
        let lines: Vec<Value> =
            output.split(|b| *b == b'\n').flat_map(serde_json::from_slice).collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[1]["method"], "elicitation/create");
        assert_eq!(lines[2]["id"], 2);
        assert!(lines[2].to_string().contains("decline"));
    }
}
