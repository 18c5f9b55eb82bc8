use alloc::{borrow::ToOwned, format, string::String, vec::Vec};

use proptest::prelude::*;
use serde::Deserialize;

use super::{Body, EncodeError, Envelope, Form, Marking, Provider, Role, encode_legacy_auto};
use crate::{
    ids::Label,
    limits::{MAX_MAIL_BODY_BYTES, MAX_MAIL_TEXT_BYTES, MAX_PEER_MESSAGE_ID_BYTES},
};

const BODIES: &str = include_str!("../../tests/fixtures/mail_bodies.json");

/// One body of the fixture with what the format's first implementation reads in it.
#[derive(Deserialize)]
struct Vector {
    name: String,
    body: String,
    decoded: Decoded,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Decoded {
    auto: bool,
    in_reply_to: Option<String>,
    text: String,
    message_id: Option<String>,
    from_session: Option<String>,
    to_session: Option<String>,
    role: Option<String>,
    envelope: bool,
}

impl From<Body> for Decoded {
    fn from(body: Body) -> Self {
        let Body { form, id, from, to, in_reply_to, marking, role, text } = body;
        let role = role.map(|role| match role {
            Role::User => "user".to_owned(),
            Role::Agent => "agent".to_owned(),
        });
        Self {
            auto: marking == Marking::Automatic,
            in_reply_to,
            text,
            message_id: id,
            from_session: from.map(|label| label.as_str().to_owned()),
            to_session: to.map(|label| label.as_str().to_owned()),
            role,
            envelope: form == Form::Envelope,
        }
    }
}

fn label(text: &str) -> Label {
    text.parse().expect("is a label")
}

fn decode(text: &str) -> Body {
    Body::decode(text).expect("is short enough")
}

fn sample<'a>(from: &'a Label, to: Option<&'a Label>) -> Envelope<'a> {
    Envelope {
        id: "msg-6bf2fe606744a8d757",
        address: "7YttLkHDoVzP6pYphcCg5GkA2N4GokB3k1drpbUaW7oX",
        from,
        to,
        in_reply_to: Some("msg-0123456789abcdef01"),
        marking: Marking::Automatic,
        role: Role::Agent,
        text: "Rebase is safe now.",
        at_millis: 1_795_182_405_088,
        harness_session: Some("7f3c2a10-6b1e-4d0e-9a55-2f4b8c1d9e77"),
        provider: Provider::Claude,
        command: "tinyplace-plugin",
        cwd: "/home/dev/api",
        source: "plugin",
    }
}

#[test]
fn every_body_of_the_fixture_is_read_as_its_first_implementation_reads_it() {
    let vectors: Vec<Vector> = serde_json::from_str(BODIES).expect("the fixture parses");
    assert_eq!(vectors.len(), 36);
    for Vector { name, body, decoded } in vectors {
        assert_eq!(Decoded::from(decode(&body)), decoded, "{name}");
    }
}

#[test]
fn an_envelope_is_written_byte_for_byte_as_its_first_implementation_writes_it() {
    let (from, to) = (label("claude:1"), label("claude:2"));
    let expected = concat!(
        r#"{"envelope_version":"tinyplace.harness.session.v1","version":1,"bucket":{"unit":"minute","#,
        r#""start":"2026-11-20T13:46:00.000Z","end":"2026-11-20T13:47:00.000Z"},"scope":{"type":"session","#,
        r#""key":"7YttLkHDoVzP6pYphcCg5GkA2N4GokB3k1drpbUaW7oX:claude:1","cwd":"/home/dev/api","#,
        r#""wrapper_session_id":"7f3c2a10-6b1e-4d0e-9a55-2f4b8c1d9e77","#,
        r#""harness_session_id":"7f3c2a10-6b1e-4d0e-9a55-2f4b8c1d9e77"},"harness":{"provider":"claude","#,
        r#""command":"tinyplace-plugin","argv":[]},"message":{"id":"msg-6bf2fe606744a8d757","line":0,"#,
        r#""role":"agent","text":"Rebase is safe now.","timestamp":"2026-11-20T13:46:45.088Z"},"#,
        r#""source":{"path":"plugin","record_type":"dm"},"tp":{"v":1,"from_session":"claude:1","#,
        r#""to_session":"claude:2","in_reply_to":"msg-0123456789abcdef01","auto":true}}"#,
    );
    let written = sample(&from, Some(&to)).encode().expect("encodes");
    assert_eq!((written.as_str(), written.len()), (expected, 754));
}

#[test]
fn a_round_trip_keeps_the_tp_block() {
    let (from, to) = (label("claude:1"), label("claude:2"));
    let body = decode(&sample(&from, Some(&to)).encode().expect("encodes"));
    let claimed = |label: Option<super::PeerLabel>| label.and_then(|label| label.to_label().ok());
    assert_eq!((claimed(body.from), claimed(body.to)), (Some(from), Some(to)));
    assert_eq!(body.in_reply_to.as_deref(), Some("msg-0123456789abcdef01"));
    assert_eq!((body.marking, body.role), (Marking::Automatic, Some(Role::Agent)));
}

#[test]
fn optional_members_are_absent_and_never_null() {
    let from = label("claude:1");
    let plain = Envelope { in_reply_to: None, marking: Marking::Written, ..sample(&from, None) };
    let written = plain.encode().expect("encodes");
    assert!(written.ends_with(r#""tp":{"v":1,"from_session":"claude:1"}}"#), "{written}");
}

#[test]
fn a_body_of_a_wrapper_without_tp_is_read() {
    let body = concat!(
        r#"{"envelope_version":"tinyplace.harness.session.v1","version":1,"bucket":{"unit":"hour","#,
        r#""start":"2026-07-02T10:00:00.000Z","end":"2026-07-02T11:00:00.000Z"},"scope":{"type":"folder","#,
        r#""key":"api-3f2a9c01b7de","cwd":"/home/dev/api","wrapper_session_id":"#,
        r#""tp-claude-1782986400000-7f3c2a10-6b1e-4d0e-9a55-2f4b8c1d9e77","harness_session_id":"#,
        r#""2c1d9e77-0000-4000-8000-2f4b8c1d9e77"},"harness":{"provider":"claude","command":"claude","#,
        r#""argv":["-p"]},"message":{"id":"ab","line":12,"phase":"final","role":"agent","text":"Done.","#,
        r#""timestamp":"2026-07-02T10:05:06.000Z"},"source":{"path":"/y.jsonl","record_type":"assistant","#,
        r#""source_role":"assistant"}}"#,
    );
    let body = decode(body);
    assert_eq!((body.text.as_str(), body.id.as_deref(), body.from), ("Done.", Some("ab"), None));
}

#[test]
fn labels_that_could_break_out_of_a_prompt_are_nulled_at_decode() {
    for bad in ["", "a b", "..\n", "x\n", "a\"b", "<b>", "é", &"x".repeat(33), "../a", "a\u{0}"] {
        let body = serde_json::json!({
            "envelope_version": "tinyplace.harness.session.v1",
            "tp": { "from_session": bad, "to_session": bad },
        });
        let body = decode(&format!("{body}"));
        assert_eq!((body.from, body.to), (None, None), "{bad:?}");
    }
}

#[test]
fn no_reader_takes_the_ids_around_a_message_for_a_label() {
    let from = label("claude:1");
    for harness_session in [None, Some(""), Some("01J1ZK5V9X2M3N4P5Q6R7S8T9V"), Some("short")] {
        for address in ["7YttLkHDoVzP6pYphcCg5GkA2N4GokB3k1drpbUaW7oX", "ada"] {
            let envelope = Envelope { harness_session, address, ..sample(&from, None) };
            let written = envelope.encode().expect("encodes");
            let value: serde_json::Value = serde_json::from_str(&written).expect("is JSON");
            let scope = &value["scope"];
            let id = scope["wrapper_session_id"].as_str().expect("is text");
            assert!(super::PeerLabel::parse(id).is_none(), "{id}");
            assert_ne!(scope["harness_session_id"].as_str(), Some(""));
        }
    }
}

#[test]
fn a_label_that_no_session_can_have_is_read_but_routes_nowhere() {
    let body = r#"{"envelope_version":"tinyplace.harness.session.v1","tp":{"to_session":"all"}}"#;
    let to = decode(body).to.expect("fits the rule");
    assert!(to.to_label().is_err());
}

#[test]
fn a_request_for_a_new_handshake_is_recognised_in_both_forms_and_not_sent_by_accident() {
    let text = "\u{1}tp-rehandshake\u{1}";
    assert!(decode(text).is_rehandshake());
    let from = label("a");
    let envelope = Envelope { text, ..sample(&from, None) };
    assert_eq!(envelope.encode(), Err(EncodeError::Control));
    assert!(!decode("tp-rehandshake").is_rehandshake());
}

#[test]
fn the_older_form_is_written_as_its_readers_expect() {
    assert_eq!(encode_legacy_auto(None, "text").as_bytes(), b"\x01tp-auto\x01text");
    let written = encode_legacy_auto(Some("relay-id-42"), "text");
    assert_eq!(written.as_bytes(), b"\x01tp-auto\x01\x01re:relay-id-42\x01text");
    assert_eq!(encode_legacy_auto(Some("a\u{1}b"), "t").as_bytes(), b"\x01tp-auto\x01t");
}

#[test]
fn hostile_bodies_are_refused_or_read_as_text() {
    let huge = "x".repeat(10 * 1024 * 1024);
    assert_eq!(Body::decode(&huge).expect_err("too long").bytes, huge.len());
    let deep = "{\"a\":".repeat(50_000);
    assert_eq!(decode(&deep).form, Form::Plain);
    let twice = r#"{"envelope_version":"x","envelope_version":"tinyplace.harness.session.v1"}"#;
    assert_eq!(decode(twice).form, Form::Envelope, "the last of two equal members counts");
    for id in ["\u{0}", "a\nb", "../../etc/passwd", &"é".repeat(200)] {
        let body = serde_json::json!({
            "envelope_version": "tinyplace.harness.session.v1", "message": { "id": id },
        });
        assert_eq!(decode(&format!("{body}")).id.as_deref(), Some(id));
    }
    let long = "x".repeat(MAX_PEER_MESSAGE_ID_BYTES + 1);
    let body = serde_json::json!({
        "envelope_version": "tinyplace.harness.session.v1",
        "message": { "id": long }, "tp": { "in_reply_to": long },
    });
    let body = decode(&format!("{body}"));
    assert_eq!((body.id, body.in_reply_to), (None, None));
}

#[test]
fn the_longest_text_fits_whatever_is_in_it() {
    let from = label("a");
    let text = "\u{1}".repeat(MAX_MAIL_TEXT_BYTES);
    let written = Envelope { text: &text, ..sample(&from, None) }.encode().expect("fits");
    assert_eq!(decode(&written).text, text);
    let text = "\u{1}".repeat(MAX_MAIL_BODY_BYTES);
    let refused = Envelope { text: &text, ..sample(&from, None) }.encode();
    assert!(matches!(refused, Err(EncodeError::TooLong { .. })));
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        text in "\\PC{0,200}|[\u{0}-\u{7f}]{0,50}",
        id in ".{1,60}",
        reply in proptest::option::of(".{0,60}"),
        from in "[A-Za-z0-9][A-Za-z0-9_:-]{0,20}x",
        auto: bool,
        at_millis in 0u64..4_102_444_800_000,
    ) {
        prop_assume!(text != super::body::REHANDSHAKE);
        let Ok(from) = from.parse::<Label>() else { return Ok(()) };
        let marking = if auto { Marking::Automatic } else { Marking::Written };
        let envelope = Envelope {
            id: &id, text: &text, in_reply_to: reply.as_deref(), marking, at_millis,
            ..sample(&from, Some(&from))
        };
        let body = decode(&envelope.encode().expect("short enough"));
        prop_assert_eq!(body.id, Some(id));
        prop_assert_eq!(body.text, text);
        prop_assert_eq!(body.in_reply_to, reply);
        prop_assert_eq!(body.marking, marking);
        prop_assert_eq!(body.from.map(|l| l.as_str().to_owned()), Some(from.as_str().to_owned()));
    }

    #[test]
    fn any_text_is_read_without_a_panic_and_no_label_breaks_the_rule(text in "\\PC{0,300}|.{0,300}") {
        let body = decode(&text);
        for label in [body.from, body.to].into_iter().flatten() {
            prop_assert!(crate::ids::fits_label_rule(label.as_str()));
        }
    }
}
