use alloc::{boxed::Box, string::ToString as _, vec};

use super::*;
use crate::{
    ids::{Seq, SessionId},
    scope::Scope,
};

fn session() -> SessionId {
    SessionId::from_bytes([7; 10])
}

#[test]
fn an_event_id_has_one_spelling_and_the_order_of_the_log() {
    let id = EventId { seq: Seq(12), index: 3 };
    assert_eq!(id.to_string(), "12.3");
    assert_eq!("12.3".parse(), Ok(id));
    assert!(id < EventId { seq: Seq(13), index: 0 });
    for wrong in ["", "12", "12.", ".3", "012.3", "12.03", "+1.2", "1.2.3", "1.99999999999"] {
        assert!(wrong.parse::<EventId>().is_err(), "{wrong}");
    }
}

#[test]
fn a_prompt_id_names_its_session_and_record() {
    let first = PromptId { session: session(), seq: Seq(40), index: 0 };
    let second = PromptId { index: 1, ..first };
    assert_eq!(first.to_string(), "s_07070707070707070707.40");
    assert_eq!(second.to_string(), "s_07070707070707070707.40.1");
    for id in [first, second] {
        assert_eq!(id.to_string().parse(), Ok(id));
    }
    for wrong in ["", "40", "s_07070707070707070707", "s_07070707070707070707.40.0", "x.40"] {
        assert!(wrong.parse::<PromptId>().is_err(), "{wrong}");
    }
}

#[test]
fn an_event_is_flat_json_with_its_name_as_tag() {
    let event = AgentEvent {
        id: EventId { seq: Seq(5), index: 0 },
        at_micros: 9,
        turn: Some(TurnNumber(1)),
        update: Update::AgentMessageChunk {
            message_id: "m".into(),
            parent_tool_call_id: None,
            content: ContentBlock::Text { text: "hi".into() },
        },
    };
    let json = serde_json::to_string(&event).expect("is JSON");
    assert_eq!(
        json,
        r#"{"id":"5.0","at_micros":9,"turn":1,"event":"agent_message_chunk","message_id":"m","content":{"type":"text","text":"hi"}}"#
    );
    assert_eq!(serde_json::from_str::<AgentEvent>(&json).ok(), Some(event));
}

#[test]
fn events_and_states_of_a_newer_version_are_read_as_unknown() {
    let event = r#"{"id":"1.0","at_micros":0,"event":"telepathy","what":1}"#;
    let event: AgentEvent = serde_json::from_str(event).expect("is read");
    assert_eq!(event.update, Update::Unknown);
    let state: PromptState = serde_json::from_str(r#"{"state":"dreamt"}"#).expect("is read");
    assert_eq!(state, PromptState::Unknown);
    let command: AgentCommand = serde_json::from_str(r#"{"command":"dance"}"#).expect("is read");
    assert_eq!(command, AgentCommand::Unknown);
}

#[test]
fn a_boxed_tool_call_with_raw_input_survives_the_wire() {
    let call = ToolCall {
        tool_call_id: "t".into(),
        raw_input: Some(serde_json::json!({ "b": 1, "a": 2 })),
        status: Some(ToolStatus::Waiting),
        ..ToolCall::default()
    };
    let event = AgentEvent {
        id: EventId { seq: Seq(1), index: 0 },
        at_micros: 0,
        turn: None,
        update: Update::ToolCall(Box::new(call)),
    };
    let json = serde_json::to_string(&event).expect("is JSON");
    let again: AgentEvent = serde_json::from_str(&json).expect("is read");
    let Update::ToolCall(call) = again.update else { panic!("{json}") };
    assert_eq!(call.status, Some(ToolStatus::Waiting));
    assert_eq!(call.raw_input.expect("is there")["a"], 2);
}

#[test]
fn the_event_of_a_prompt_keeps_its_own_id_apart_from_the_prompts() {
    let id = PromptId { session: SessionId::from_bytes([1; 10]), seq: Seq(7), index: 0 };
    let prompt = Prompt {
        id,
        asked_at_micros: 1,
        turn: Some(TurnNumber(1)),
        title: "run".into(),
        reason: None,
        cautions: vec![],
        ask: Ask::Unknown,
        state: PromptState::Open,
    };
    let event = AgentEvent {
        id: EventId { seq: Seq(9), index: 2 },
        at_micros: 2,
        turn: Some(TurnNumber(3)),
        update: Update::PromptOpened { prompt: Box::new(prompt) },
    };
    let json = serde_json::to_string(&event).expect("is JSON");
    assert_eq!(serde_json::from_str::<AgentEvent>(&json).expect("is read"), event);
}

#[test]
fn once_options_and_denials_need_answer_and_everything_lasting_needs_drive() {
    let option = |option_id: &str, kind| PermissionOption {
        option_id: option_id.into(),
        name: option_id.into(),
        kind,
        rules: vec![],
        ends_turn: false,
    };
    let ask = Ask::Permission {
        tool_call: Box::default(),
        options: vec![
            option("once", OptionKind::AllowOnce),
            option("always", OptionKind::AllowAlways),
            option("no", OptionKind::RejectOnce),
        ],
        can_edit_input: true,
        can_deny_with_message: true,
        input: None,
    };
    let choose = |option_id: &str| PromptAnswer::Option { option_id: option_id.into() };
    assert_eq!(choose("once").needed_scope(&ask), Scope::Answer);
    assert_eq!(choose("no").needed_scope(&ask), Scope::Answer);
    assert_eq!(choose("always").needed_scope(&ask), Scope::Drive);
    assert_eq!(choose("invented").needed_scope(&ask), Scope::Drive);
    let denial = PromptAnswer::Deny { message: "no".into() };
    assert_eq!(denial.needed_scope(&ask), Scope::Answer);
    let edited =
        PromptAnswer::EditedInput { option_id: "once".into(), input: serde_json::json!({}) };
    assert_eq!(edited.needed_scope(&ask), Scope::Drive);
}

#[cfg(feature = "schema")]
#[test]
fn the_schema_tells_events_by_their_tag() {
    let schema = serde_json::to_string(&schemars::schema_for!(AgentEvent)).expect("is JSON");
    for word in ["\"prompt_opened\"", "\"turn_ended\"", "\"at_micros\"", "\"allow_always\""] {
        assert!(schema.contains(word), "{word}");
    }
    let view = serde_json::to_string(&schemars::schema_for!(ConversationView)).expect("is JSON");
    assert!(view.contains("\"prompts\""));
}
