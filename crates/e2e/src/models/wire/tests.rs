//! The formats' streams, event by event.

use serde_json::json;

use super::*;

fn answer() -> Answer {
    let acts = vec![
        Act::Think("Hm.".into()),
        Act::Say("I ".into()),
        Act::Say("run.".into()),
        Act::Call { name: "sh".into(), input: json!({ "a": 1 }) },
    ];
    Answer { acts, tokens: Tokens::default(), model: "m".into(), number: 7 }
}

/// The data of a stream's events; what is no JSON is left out.
fn events(wire: Wire, answer: &Answer) -> Vec<Value> {
    let data = |piece: &Piece| {
        let Piece::Send(bytes) = piece else { return None };
        let text = std::str::from_utf8(bytes).expect("is text");
        assert!(text.ends_with("\n\n"), "an event ends with an empty line");
        let data = text.lines().find_map(|line| line.strip_prefix("data: "));
        serde_json::from_str(data.expect("has data")).ok()
    };
    stream(wire, answer).iter().filter_map(data).collect()
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().filter_map(|event| event["type"].as_str()).collect()
}

#[test]
fn messages_have_blocks_that_begin_and_end_in_order() {
    let events = events(Wire::Messages, &answer());
    let (start, delta, stop) = ("content_block_start", "content_block_delta", "content_block_stop");
    let expected = [
        &["message_start", start, delta, delta, stop, start, delta, delta, stop][..],
        &[start, delta, stop, "message_delta", "message_stop"],
    ];
    assert_eq!(types(&events), expected.concat());
    assert_eq!(events[10]["delta"]["partial_json"], "{\"a\":1}");
    assert_eq!(events[12]["delta"]["stop_reason"], "tool_use");
    assert_eq!(events[12]["usage"]["output_tokens"], Tokens::default().output);
}

#[test]
fn responses_end_with_all_their_items() {
    let events = events(Wire::Responses, &answer());
    let numbers: Vec<u64> =
        events.iter().filter_map(|event| event["sequence_number"].as_u64()).collect();
    assert!(numbers.iter().copied().eq(0..events.len() as u64), "{numbers:?}");
    let last = &events.last().expect("there are events")["response"];
    assert_eq!(last["status"], "completed");
    let items = last["output"].as_array().expect("is a list");
    let kinds: Vec<_> = items.iter().map(|item| &item["type"]).collect();
    assert_eq!(kinds, ["reasoning", "message", "function_call"]);
    assert_eq!(items[1]["content"][0]["text"], "I run.");
    assert_eq!(last["usage"]["total_tokens"], 1120);
}

#[test]
fn a_text_as_input_is_for_a_tool_that_takes_no_json() {
    let acts = vec![Act::Call { name: "patch".into(), input: json!("+x") }];
    let events = events(Wire::Responses, &Answer { acts, ..answer() });
    let item = &events.last().expect("there are events")["response"]["output"][0];
    assert_eq!((&item["type"], &item["input"]), (&json!("custom_tool_call"), &json!("+x")));
}

#[test]
fn chat_completions_end_with_a_reason_and_the_usage() {
    let events = events(Wire::Chat, &answer());
    let delta = |at: usize| &events[at]["choices"][0]["delta"];
    assert_eq!(delta(1)["reasoning_content"], "Hm.");
    assert_eq!(delta(2)["content"], "I ");
    assert_eq!(delta(4)["tool_calls"][0]["function"]["arguments"], "{\"a\":1}");
    assert_eq!(events[5]["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(events[6]["usage"]["prompt_tokens"], 1100);
}

#[test]
fn nothing_comes_after_a_cut() {
    let acts = vec![Act::Say("half".into()), Act::Cut, Act::Say("never".into())];
    for wire in [Wire::Messages, Wire::Responses, Wire::Chat] {
        let pieces = stream(wire, &Answer { acts: acts.clone(), ..answer() });
        assert!(matches!(pieces.last(), Some(Piece::Cut)));
        assert!(pieces.len() > 2, "the half comes before it");
    }
}

#[test]
fn a_whole_answer_has_what_a_streamed_one_has() {
    let whole = whole(&answer());
    assert_eq!(whole["stop_reason"], "tool_use");
    let text: String = whole["content"].as_array().map_or_else(String::new, |blocks| {
        blocks.iter().filter_map(|block| block["text"].as_str()).collect()
    });
    assert_eq!(text, "I run.");
}
