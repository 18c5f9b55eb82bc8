//! The body of a message: any text is read, no label in it breaks the rule, and what was read can be
//! written and read again.

use quarterdeck_protocol::{
    ids::{Label, fits_label_rule},
    mail::{Body, Envelope, Marking, Provider, Role, encode_legacy_auto},
};

/// Reads the bytes as a body.
///
/// # Panics
/// When the property is broken.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(body) = Body::decode(text) else { return };
    let labels = [&body.from, &body.to];
    assert!(labels.into_iter().flatten().all(|label| fits_label_rule(label.as_str())));
    let from: Label = "fuzz:1".parse().expect("is a label");
    let written = Envelope {
        id: body.id.as_deref().unwrap_or("none"),
        text: &body.text,
        in_reply_to: body.in_reply_to.as_deref(),
        marking: body.marking,
        role: body.role.unwrap_or_default(),
        ..sample(&from)
    };
    // a control text, an empty id or too many escapes are refused
    let Ok(written) = written.encode() else { return };
    let again = Body::decode(&written).expect("what is written can be read");
    assert_eq!((&again.text, &again.in_reply_to), (&body.text, &body.in_reply_to));
    assert_eq!(again.marking, body.marking);
}

fn sample(from: &Label) -> Envelope<'_> {
    Envelope {
        id: "msg-0123456789abcdef01",
        address: "7YttLkHDoVzP6pYphcCg5GkA2N4GokB3k1drpbUaW7oX",
        from,
        to: None,
        in_reply_to: Some("msg-0"),
        marking: Marking::Automatic,
        role: Role::User,
        text: "hi",
        at_millis: 1_795_182_405_088,
        harness_session: None,
        provider: Provider::Codex,
        command: "qd",
        cwd: "/",
        source: "qd",
    }
}

/// One body of each form.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let from: Label = "claude:1".parse().expect("is a label");
    let envelope = Envelope { to: Some(&from), ..sample(&from) }.encode().expect("encodes");
    let texts = [
        envelope,
        encode_legacy_auto(Some("relay-id-42"), "text"),
        encode_legacy_auto(None, "text"),
        "plain".to_owned(),
        "\u{1}tp-rehandshake\u{1}".to_owned(),
    ];
    texts.into_iter().map(String::into_bytes).collect()
}

/// Names of members and sentinels.
#[must_use]
pub fn words() -> Vec<Vec<u8>> {
    let words = [
        "\"envelope_version\"",
        "\"tinyplace.harness.session.v1\"",
        "\"tp\"",
        "\"from_session\"",
        "\"to_session\"",
        "\"in_reply_to\"",
        "\"auto\":true",
        "\"message\"",
        "\"wrapper_session_id\"",
        "\u{1}tp-auto\u{1}",
        "\u{1}re:",
    ];
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}
