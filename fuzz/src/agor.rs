//! The dialect agor: any text gets a command or the error to reply with, what is read is written to the
//! same command again, and any output becomes the same text however it is cut.

use quarterdeck_protocol::{
    dialect::{
        TextStream,
        agor::{Event, MAX_COMMAND_ID_CHARS, Request},
    },
    ids::SessionId,
};

/// Reads the bytes as a command, and as output.
///
/// # Panics
/// When the property is broken.
pub fn check(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        check_command(text);
    }
    check_output(data);
}

fn check_command(text: &str) {
    let request = Request::parse(text);
    assert!(request.id.chars().count() <= MAX_COMMAND_ID_CHARS);
    let written = request.to_text().expect("a command serialises");
    match &request.command {
        Ok(command) => {
            let written = written.expect("a command has a text");
            let again = Request::parse(&written);
            assert_eq!(again.id, request.id, "{written}");
            assert_eq!(again.command.as_ref().ok(), Some(command), "{written}");
        }
        Err(error) => {
            let reply = Event::Error {
                session: None,
                command_id: request.id.clone(),
                error: error.clone(),
            };
            let reply = reply.to_text().expect("an error serialises");
            // the id may be all of the command; the message repeats only what a person would read
            assert!(reply.len() < 2048, "{reply}");
        }
    }
}

fn check_output(data: &[u8]) {
    let whole = String::from_utf8_lossy(data);
    for size in [1, 2, 3, 7] {
        let mut stream = TextStream::default();
        let mut text: String = data.chunks(size).map(|piece| stream.push(piece)).collect();
        text.push_str(stream.finish());
        assert_eq!(text, whole, "cut at {size}");
    }
    let session = SessionId::from_bytes([0; 10]);
    let event = Event::PtyData { session, text: whole.into_owned() };
    let line = event.to_text().expect("text serialises");
    assert!(serde_json::from_str::<serde_json::Value>(&line).is_ok(), "{line}");
}

/// One command of each kind.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        r#"{"id":"a","type":"pty_create","payload":{"shell":"sh","cwd":"/","args":["-l"],"cols":80,"rows":24}}"#,
        r#"{"id":"a","type":"pty_write","payload":{"id":"s_00000000000000000000","data":"ls\r"}}"#,
        r#"{"id":"a","type":"pty_resize","payload":{"id":"p","cols":80,"rows":24}}"#,
        r#"{"id":"a","type":"pty_close","payload":{"id":"p"}}"#,
        r#"{"id":"a","type":"agent_query","payload":{"provider":"claude","session_id":"s","prompt":"p","max_budget_usd":0.5,"setting_sources":["user"],"provider_config":{"k":[1,null]},"extra_env":{"A":"b"}}}"#,
        r#"{"id":"a","type":"agent_stop","payload":{"sessionId":"s"}}"#,
        r#"{"id":"a","type":"sidecar_restart","payload":{}}"#,
        r#"{"id":"a","type":"state_sync","payload":null}"#,
        r#"{"id":"","type":"ping","payload":{}}"#,
        "a é € 🙂",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// The names of commands and members.
#[must_use]
pub fn words() -> Vec<Vec<u8>> {
    let words = [
        "id",
        "type",
        "payload",
        "pty_create",
        "pty_write",
        "pty_resize",
        "pty_close",
        "agent_query",
        "agent_stop",
        "sidecar_restart",
        "state_sync",
        "ping",
        "shell",
        "cwd",
        "args",
        "cols",
        "rows",
        "data",
        "session_id",
        "sessionId",
        "prompt",
        "provider_config",
        "extra_env",
    ];
    words.iter().map(|word| format!("\"{word}\"").into_bytes()).collect()
}
