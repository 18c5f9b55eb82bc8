//! Which OSC, DCS and APC strings ask for an answer, notify or touch the clipboard.

/// What becomes of a string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// More of it must be seen.
    Open,
    /// It passes.
    Pass,
    /// It is dropped.
    Drop,
    /// This passes in its place, up to here.
    Rewrite(String),
}

/// What iTerm2 is told, of all the things it can be told, without side effects.
const HARMLESS_ITERM: [&str; 8] = [
    "SetMark",
    "CurrentDir",
    "RemoteHost",
    "ShellIntegrationVersion",
    "SetUserVar",
    "CursorShape",
    "SetBadgeFormat",
    "HighlightCursorLine",
];

/// The number of an OSC string and the rest; no number if it is none.
fn split_number(text: &str) -> (Option<u32>, Option<&str>) {
    match text.split_once(';') {
        Some((number, rest)) => (number.parse().ok(), Some(rest)),
        None => (text.parse().ok(), None),
    }
}

/// Judges an OSC string by its beginning.
pub(super) fn judge_osc_head(text: &str) -> Verdict {
    let (number, Some(rest)) = split_number(text) else { return Verdict::Open };
    match number {
        // Titles, directory, links, prompt marks: long, frequent and never a question.
        Some(0..=2 | 7 | 8 | 133 | 633) => Verdict::Pass,
        Some(9) => judge_notification(rest),
        // Editor commands, clipboard, allowed operations, notifications, file transfer.
        Some(51 | 52 | 60 | 61 | 99 | 777 | 5113 | 5522) => Verdict::Drop,
        Some(1337) => judge_iterm(rest),
        _ => Verdict::Open,
    }
}

/// OSC 9 is a notification, except for progress (4) and directory (9).
fn judge_notification(rest: &str) -> Verdict {
    match rest.as_bytes() {
        [b'4' | b'9', b';', ..] => Verdict::Pass,
        [] | [b'4' | b'9'] => Verdict::Open,
        _ => Verdict::Drop,
    }
}

fn judge_iterm(rest: &str) -> Verdict {
    let Some((name, value)) = rest.split_once('=') else { return Verdict::Open };
    if HARMLESS_ITERM.contains(&name) {
        return Verdict::Pass;
    }
    match value.split_once(':') {
        // An inline image is content; a file that is not inline is a download.
        Some((settings, _)) if name == "File" => {
            let is_inline = settings.split(';').any(|setting| setting == "inline=1");
            if is_inline { Verdict::Pass } else { Verdict::Drop }
        }
        None if name == "File" => Verdict::Open,
        _ => Verdict::Drop,
    }
}

/// Judges an OSC string that its beginning did not give away.
pub(super) fn judge_osc(text: &str) -> Verdict {
    let (number, rest) = split_number(text);
    let rest = rest.unwrap_or("");
    let verdict = match number {
        Some(number @ (4 | 5)) => without_queried_pairs(number, rest),
        Some(number @ 10..=19) => without_queried_slots(number, rest),
        Some(9) => Verdict::Drop,
        Some(1337) if !HARMLESS_ITERM.contains(&rest) => Verdict::Drop,
        _ if rest.split(';').any(is_question) => Verdict::Drop,
        _ => Verdict::Pass,
    };
    // The same for a string that is nothing but a question, as a last resort.
    if verdict == Verdict::Pass && is_question(text) { Verdict::Drop } else { verdict }
}

fn is_question(part: &str) -> bool {
    part.starts_with('?') || part.ends_with("=?")
}

/// `4 ; index ; colour ; index ; ? …` without the pairs that ask.
fn without_queried_pairs(number: u32, rest: &str) -> Verdict {
    let parts: Vec<_> = rest.split(';').collect();
    if !parts.contains(&"?") {
        return Verdict::Pass;
    }
    let kept: Vec<_> =
        parts.chunks(2).filter(|pair| !pair.contains(&"?")).map(|pair| pair.join(";")).collect();
    if kept.is_empty() {
        return Verdict::Drop;
    }
    Verdict::Rewrite(format!("{number};{}", kept.join(";")))
}

/// `10 ; colour ; ? ; colour …` sets one special colour after the other: without those that ask, and
/// without what comes after the last one: rewritten, it would be another command altogether.
fn without_queried_slots(number: u32, rest: &str) -> Verdict {
    let slots: Vec<_> = rest.split(';').collect();
    if !slots.contains(&"?") {
        return Verdict::Pass;
    }
    let kept: Vec<_> = (number..=19)
        .zip(slots)
        .filter(|(_, slot)| *slot != "?")
        .map(|(number, slot)| format!("{number};{slot}"))
        .collect();
    if kept.is_empty() { Verdict::Drop } else { Verdict::Rewrite(kept.join("\x1b\\\x1b]")) }
}

/// Judges a DCS string by what stands before its payload.
pub(super) fn judge_dcs(head: &str) -> Verdict {
    let last = head.chars().next_back();
    let asks = head.contains(['$', '+']) && matches!(last, Some('q' | 'Q'));
    // `DCS tmux;` and `DCS @kitty-cmd` carry commands to somebody else.
    if asks || matches!(last, Some('t' | '@')) && !head.contains('$') {
        Verdict::Drop
    } else {
        Verdict::Pass
    }
}

/// Judges an APC string by its beginning: `G` begins the transfer of an image.
pub(super) fn judge_command_head(text: &str) -> Verdict {
    match text.as_bytes().first() {
        None => Verdict::Open,
        Some(b'G') if text.contains(';') => judge_command(text),
        Some(b'G') => Verdict::Open,
        Some(_) => Verdict::Pass,
    }
}

/// Judges an APC string up to its payload: an image transfer must not be acknowledged.
pub(super) fn judge_command(text: &str) -> Verdict {
    let Some(transfer) = text.strip_prefix('G') else { return Verdict::Pass };
    let (settings, payload) = match transfer.split_once(';') {
        Some((settings, payload)) => (settings, format!(";{payload}")),
        None => (transfer, String::new()),
    };
    let settings: Vec<_> = settings.split(',').collect();
    if settings.contains(&"a=q") {
        return Verdict::Drop;
    }
    if settings.contains(&"q=2")
        && settings.iter().filter(|item| item.starts_with("q=")).count() == 1
    {
        return Verdict::Pass;
    }
    let quiet: Vec<_> = settings
        .into_iter()
        .filter(|item| !item.is_empty() && !item.starts_with("q="))
        .chain(["q=2"])
        .collect();
    Verdict::Rewrite(format!("G{}{payload}", quiet.join(",")))
}
