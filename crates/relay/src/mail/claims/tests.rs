use super::*;

const CLAIMERS: usize = 50;

fn id(n: u8) -> SessionId {
    SessionId::from_bytes([n; 10])
}

/// A new agent's label, and what shows that it has it.
fn begin(claims: &Claims, registry: &Registry, n: u8) -> (Label, u64, ClaimSecret) {
    let (secret, hash) = new_secret().expect("random bytes");
    let make = |label| Ok(OutsideAgent { id: id(n), label, secret: hash, cwd: "/".to_owned() });
    let (agent, number) = claims.begin(registry, "claude", None, make).expect("a label");
    (agent.label, number, secret)
}

fn label(text: &str) -> Label {
    text.parse().expect("a label")
}

#[test]
fn agents_that_claim_at_once_get_distinct_labels_and_the_lowest_there_are() {
    let (registry, claims) = (Registry::default(), Claims::default());
    let start = std::sync::Barrier::new(CLAIMERS);
    let claim = |n| {
        start.wait();
        begin(&claims, &registry, n).0
    };
    let claim = &claim;
    let mut labels: Vec<Label> = std::thread::scope(|scope| {
        let count = u8::try_from(CLAIMERS).expect("few");
        let threads: Vec<_> = (0..count).map(|n| scope.spawn(move || claim(n))).collect();
        threads.into_iter().map(|thread| thread.join().expect("claims")).collect()
    });
    labels.sort_by(names::natural_order);
    let expected: Vec<String> = (1..=CLAIMERS).map(|n| format!("claude:{n}")).collect();
    assert_eq!(labels.iter().map(Label::as_str).collect::<Vec<_>>(), expected);
}

#[test]
fn an_agent_gets_its_label_again_by_its_secret_and_nobody_else_does() {
    let (registry, claims) = (Registry::default(), Claims::default());
    let (label, first, secret) = begin(&claims, &registry, 1);
    let (_, _, other) = begin(&claims, &registry, 2);
    let again = |secret: &ClaimSecret| {
        claims.try_come_back(&MailClaimAgain { label: label.clone(), secret: secret.clone() })
    };
    assert_eq!(again(&other), None);
    assert_eq!(again(&ClaimSecret("qdt_".to_owned())), None);
    let (found, second) = again(&secret).expect("is its");
    assert_eq!(found, id(1));
    // the first connection is found to be broken only now
    claims.handle_away(id(1), first, Instant::now());
    assert_eq!(claims.poll_timeout(), None);
    claims.handle_away(id(1), second, Instant::now());
    assert!(claims.poll_timeout().is_some());
}

#[test]
fn a_label_waits_for_its_agent_for_the_grace_and_is_free_then() {
    let (registry, claims) = (Registry::default(), Claims::default());
    let (label, number, secret) = begin(&claims, &registry, 1);
    let now = Instant::now();
    claims.handle_away(id(1), number, now);
    assert!(claims.overdue(now + GRACE - Duration::from_millis(1)).is_empty());
    assert_eq!(begin(&claims, &registry, 2).0.as_str(), "claude:2");
    assert_eq!(claims.overdue(now + GRACE), [id(1)]);
    claims.end(&registry, id(1));
    assert!(!claims.has(label.as_str()));
    assert_eq!(claims.try_come_back(&MailClaimAgain { label: label.clone(), secret }), None);
    assert_eq!(begin(&claims, &registry, 3).0, label);
}

#[test]
fn a_relay_that_comes_back_keeps_the_labels_of_the_last_one() {
    let (secret, hash) = new_secret().expect("random bytes");
    let agent =
        OutsideAgent { id: id(1), label: label("claude:1"), secret: hash, cwd: "/".to_owned() };
    let registry = Registry::default();
    let claims = Claims::resumed(vec![agent], &registry);
    assert_eq!(begin(&claims, &registry, 2).0.as_str(), "claude:2");
    let again = MailClaimAgain { label: label("claude:1"), secret };
    assert_eq!(claims.try_come_back(&again).map(|(id, _)| id), Some(id(1)));
    assert!(claims.poll_timeout().is_none());
}

#[test]
fn one_agent_too_many_is_refused() {
    let (registry, claims) = (Registry::default(), Claims::default());
    let fill = |n: usize| {
        let bytes = u64::try_from(n).expect("small").to_le_bytes();
        let mut id = [0; 10];
        id[..8].copy_from_slice(&bytes);
        let (_, secret) = new_secret().expect("random bytes");
        let id = SessionId::from_bytes(id);
        let make = |label| Ok(OutsideAgent { id, label, secret, cwd: "/".to_owned() });
        claims.begin(&registry, "claude", None, make)
    };
    for n in 0..MAX_OUTSIDE {
        fill(n).expect("has room");
    }
    assert_eq!(fill(MAX_OUTSIDE).expect_err("is full").code(), ErrorCode::Overloaded);
}

#[test]
fn without_its_secret_an_agent_names_no_label_but_its_kinds() {
    let check = |text: &str, expected: bool| {
        assert_eq!(is_of_name(&label(text), "claude"), expected, "{text}");
    };
    check("claude:3", true);
    check("codex:3", false);
    check("claude", false);
    check("claude:x", false);
    check("claudette:1", false);
}
