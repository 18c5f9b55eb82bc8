//! Which session a word means, and which label a new session gets.

use alloc::{format, string::String, vec::Vec};
use core::cmp::Ordering;

use quarterdeck_protocol::{
    ids::{Label, SessionId},
    limits::MAX_LABEL_CHARS,
};

/// Fewest hex digits by which a session may be named.
const MIN_ID_PREFIX_DIGITS: usize = 3;
/// Characters of an outside agent's name that its labels begin with.
const MAX_OUTSIDE_NAME_CHARS: usize = 16;

/// What a word means among the sessions there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// Exactly this session.
    One(SessionId),
    /// No session.
    None,
    /// More than one; their ids.
    Many(Vec<SessionId>),
}

/// Finds the session that `word` names: by id, by label, or by an id prefix that fits only one. A
/// live session's label wins over an ended one's; the caller lists live ones first.
pub fn resolve<'a>(
    word: &str,
    sessions: impl Iterator<Item = (SessionId, &'a Label, Life)> + Clone,
) -> Resolved {
    if let Ok(id) = word.parse::<SessionId>() {
        let known = sessions.into_iter().any(|(session, ..)| session == id);
        return if known { Resolved::One(id) } else { Resolved::None };
    }
    let labelled = |life: Life| {
        let fits =
            sessions.clone().filter(move |(_, label, l)| label.as_str() == word && *l == life);
        fits.map(|(session, ..)| session).collect::<Vec<_>>()
    };
    let mut found = labelled(Life::Live);
    if found.is_empty() {
        found = labelled(Life::Ended);
    }
    if found.is_empty() {
        found = by_prefix(word, sessions.map(|(session, ..)| session));
    }
    match found.as_slice() {
        [] => Resolved::None,
        [one] => Resolved::One(*one),
        _ => Resolved::Many(found),
    }
}

/// Whether a session's program can still run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// It can.
    Live,
    /// It cannot.
    Ended,
}

fn by_prefix(word: &str, sessions: impl Iterator<Item = SessionId>) -> Vec<SessionId> {
    let digits = word.strip_prefix(SessionId::PREFIX).unwrap_or(word);
    let is_hex = digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if digits.len() < MIN_ID_PREFIX_DIGITS || !is_hex {
        return Vec::new();
    }
    let wanted = format!("{}{digits}", SessionId::PREFIX);
    sessions.filter(|session| format!("{session}").starts_with(&wanted)).collect()
}

/// The label of a session whose creator named none: the command's name and the lowest free number,
/// `bash:1`.
///
/// # Panics
/// Never: the made label is within the rules.
pub fn allocate_label(argv0: &str, is_taken: impl Fn(&Label) -> bool) -> Label {
    let name = argv0.rsplit('/').next().unwrap_or(argv0).trim_start_matches('-');
    let allowed = |c: char| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '-' };
    let mut base: String = name.chars().map(allowed).take(MAX_LABEL_CHARS - 8).collect();
    if base.is_empty() {
        base.push_str("session");
    }
    let candidates = (1u64..).filter_map(|n| format!("{base}:{n}").parse::<Label>().ok());
    candidates.into_iter().find(|label| !is_taken(label)).expect("numbers do not run out")
}

/// The label of a session that comes back: the one it had, unless another live session has it now; then
/// the lowest free number beside it.
#[must_use]
pub fn allocate_label_again(prior: &Label, is_taken: impl Fn(&Label) -> bool) -> Label {
    if !is_taken(prior) {
        return prior.clone();
    }
    let base = prior.as_str().rsplit_once(':').filter(|(_, number)| is_number(number));
    allocate_label(base.map_or(prior.as_str(), |(base, _)| base), is_taken)
}

/// What the labels of an agent outside begin with: the first word of what it calls itself, `claude` of
/// `claude-code`; `agent` when that is no word, or one that a person could take for themselves.
#[must_use]
pub fn outside_name(client: &str) -> String {
    let word = client.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    let word: String = word.chars().take(MAX_OUTSIDE_NAME_CHARS).collect();
    let word = word.to_ascii_lowercase();
    let is_name = word.starts_with(|c: char| c.is_ascii_lowercase());
    if is_name && word != "person" { word } else { String::from("agent") }
}

/// The order in which people count: `claude:2` before `claude:10`, `alpha` before `Beta`.
#[must_use]
pub fn natural_order(a: &Label, b: &Label) -> Ordering {
    let folded = pieces(a.as_str()).cmp(pieces(b.as_str()));
    folded.then_with(|| a.cmp(b))
}

/// A run of digits, or one other character.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Piece<'a> {
    /// Without leading zeros, so that the longer one is the greater.
    Number {
        digits: usize,
        text: &'a str,
    },
    Character(char),
}

fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    core::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (piece, length) = if digits == 0 {
            (Piece::Character(first.to_ascii_lowercase()), first.len_utf8())
        } else {
            let text = rest[..digits].trim_start_matches('0');
            (Piece::Number { digits: text.len(), text }, digits)
        };
        rest = &rest[length..];
        Some(piece)
    })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use proptest::prelude::*;
    use std::vec;

    fn id(n: u8) -> SessionId {
        SessionId::from_bytes([n, n, n, n, n, n, n, n, n, n])
    }
    fn label(text: &str) -> Label {
        text.parse().expect("valid label")
    }

    #[test]
    fn a_session_is_named_by_id_label_or_unique_prefix() {
        let (a, b, c) = (label("build"), label("sh:1"), label("build"));
        let all =
            [(id(0xab), &a, Life::Live), (id(0xac), &b, Life::Live), (id(0x11), &c, Life::Ended)];
        let check = |word: &str, expected: Resolved| {
            assert_eq!(resolve(word, all.iter().copied()), expected, "{word}");
        };
        check("s_abababababababababab", Resolved::One(id(0xab)));
        check("s_00000000000000000000", Resolved::None);
        check("sh:1", Resolved::One(id(0xac)));
        check("build", Resolved::One(id(0xab)));
        check("aba", Resolved::One(id(0xab)));
        check("s_111", Resolved::One(id(0x11)));
        check("ab", Resolved::None);
        check("nothing", Resolved::None);
    }

    #[test]
    fn two_matches_are_both_told() {
        let (a, b) = (label("x"), label("x"));
        let all = [(id(0xab), &a, Life::Ended), (id(0xaa), &b, Life::Ended)];
        assert_eq!(resolve("x", all.iter().copied()), Resolved::Many(vec![id(0xab), id(0xaa)]));
    }

    #[test]
    fn labels_take_the_lowest_free_number_and_survive_odd_commands() {
        let taken: BTreeSet<Label> = ["bash:1", "bash:3"].map(label).into_iter().collect();
        let next = |argv0: &str| allocate_label(argv0, |l| taken.contains(l));
        assert_eq!(next("/bin/bash").as_str(), "bash:2");
        assert_eq!(next("-bash").as_str(), "bash:2");
        assert_eq!(next("").as_str(), "session:1");
        assert_eq!(next("\u{1b}[31m é").as_str(), "--31m--:1");
        assert!(next(&"x".repeat(500)).as_str().len() <= MAX_LABEL_CHARS);
    }

    #[test]
    fn the_primary_is_the_lowest_by_counting_and_not_by_letters() {
        let mut labels =
            ["claude:10", "Beta", "claude:2", "alpha", "claude:02", "claude"].map(label);
        labels.sort_by(natural_order);
        let sorted: Vec<&str> = labels.iter().map(Label::as_str).collect();
        assert_eq!(sorted, ["alpha", "Beta", "claude", "claude:02", "claude:2", "claude:10"]);
    }

    #[test]
    fn who_comes_back_has_its_label_again_unless_somebody_else_has_it() {
        let taken: BTreeSet<Label> = ["claude:1", "mine"].map(label).into_iter().collect();
        let again = |prior: &str| allocate_label_again(&label(prior), |l| taken.contains(l));
        assert_eq!(again("claude:2").as_str(), "claude:2");
        assert_eq!(again("claude:1").as_str(), "claude:2");
        assert_eq!(again("mine").as_str(), "mine:1");
        assert_eq!(again("a:b").as_str(), "a:b");
    }

    #[test]
    fn an_agent_outside_is_called_by_the_first_word_of_what_it_calls_itself() {
        let check = |client: &str, expected: &str| assert_eq!(outside_name(client), expected);
        check("claude-code", "claude");
        check("codex-mcp-client", "codex");
        check("Cursor", "cursor");
        check("", "agent");
        check("person", "agent");
        check("../../etc", "agent");
        check("7up", "agent");
        check("claude\0\n:1", "claude");
        assert_eq!(outside_name(&"x".repeat(400)).len(), MAX_OUTSIDE_NAME_CHARS);
    }

    proptest! {
        #[test]
        fn the_natural_order_is_an_order(
            a in "[a-cA-C0-2:]{1,6}", b in "[a-cA-C0-2:]{1,6}", c in "[a-cA-C0-2:]{1,6}",
        ) {
            let (a, b, c) = (label(&a), label(&b), label(&c));
            prop_assert_eq!(natural_order(&a, &b), natural_order(&b, &a).reverse());
            prop_assert_eq!(natural_order(&a, &b).is_eq(), a == b);
            if natural_order(&a, &b).is_le() && natural_order(&b, &c).is_le() {
                prop_assert!(natural_order(&a, &c).is_le());
            }
        }
    }
}
