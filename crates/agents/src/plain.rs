//! Text from an agent as people may see it.

use alloc::{borrow::Cow, string::String};

use crate::limits::{MAX_TEXT_BYTES, MAX_TITLE_BYTES};

/// The text without escape sequences, control, bidi and invisible tag characters. Line feeds and tabs
/// stay; carriage returns become line feeds where they stand alone.
#[must_use]
pub fn plain(text: &str) -> Cow<'_, str> {
    if is_plain(text) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_sequence(&mut chars),
            '\u{9b}' => skip_csi(&mut chars),
            '\r' if chars.peek() != Some(&'\n') => out.push('\n'),
            '\u{2028}' | '\u{2029}' => out.push('\n'),
            c if is_hidden(c) => {}
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Plain text of at most [`MAX_TEXT_BYTES`]; what is cut off is told.
#[must_use]
pub fn text(text: &str) -> String {
    cut(plain(text), MAX_TEXT_BYTES)
}

/// One plain line of at most [`MAX_TITLE_BYTES`].
#[must_use]
pub fn title(text: &str) -> String {
    // a title is cut to so little that looking at more of it would be waste
    let head = &text[..floor(text, 4 * MAX_TITLE_BYTES)];
    let line = plain(head);
    let line = line.trim();
    if line.contains(['\n', '\t']) {
        let words: alloc::vec::Vec<&str> = line.split_whitespace().collect();
        return cut(Cow::Owned(words.join(" ")), MAX_TITLE_BYTES);
    }
    cut(Cow::Borrowed(line), MAX_TITLE_BYTES)
}

/// Whether [`plain`] would change nothing.
#[must_use]
pub fn is_plain(text: &str) -> bool {
    // control characters are one byte, or begin with 0xc2; everything else hidden begins with one of
    // the other four
    let suspect = |byte: u8| {
        (byte < 0x20 && byte != b'\n' && byte != b'\t')
            || matches!(byte, 0x7f | 0xc2 | 0xd8 | 0xe2 | 0xef | 0xf3)
    };
    if !text.bytes().any(suspect) {
        return true;
    }
    !text.chars().any(|c| is_hidden(c) || matches!(c, '\u{2028}' | '\u{2029}'))
}

/// Whether [`plain`] would leave out something that matters: line ends of another system do not.
#[must_use]
pub fn hides(text: &str) -> bool {
    if is_plain(text) {
        return false;
    }
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if is_hidden(c) && !(c == '\r' && chars.peek() == Some(&'\n')) {
            return true;
        }
    }
    false
}

/// Characters that are not shown, or that change how others are shown.
fn is_hidden(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        c if c.is_control() => true,
        // marks, embeddings, overrides and isolates of the bidi algorithm
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            true
        }
        // zero width: space, word joiner and invisible operators, byte order mark; the joiners stay,
        // since scripts and emoji need them
        '\u{200b}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{feff}' => true,
        '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' => true,
        _ => false,
    }
}

type Chars<'a> = core::iter::Peekable<core::str::Chars<'a>>;

/// Skips what follows an escape character.
fn skip_sequence(chars: &mut Chars<'_>) {
    match chars.peek() {
        Some('[') => {
            chars.next();
            skip_csi(chars);
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            chars.next();
            skip_string(chars);
        }
        Some(' '..='/') => {
            while chars.next_if(|c| (' '..='/').contains(c)).is_some() {}
            chars.next_if(|c| ('0'..='~').contains(c));
        }
        Some('0'..='~') => {
            chars.next();
        }
        Some(_) | None => {}
    }
}

fn skip_csi(chars: &mut Chars<'_>) {
    while chars.next_if(|c| (' '..='?').contains(c)).is_some() {}
    chars.next_if(|c| ('@'..='~').contains(c));
}

/// A command string ends at BEL, ST, or the end of its line: an unended one must not hide the rest.
fn skip_string(chars: &mut Chars<'_>) {
    while let Some(c) = chars.next_if(|c| *c != '\n') {
        match c {
            '\u{7}' | '\u{9c}' => return,
            '\u{1b}' => {
                chars.next_if_eq(&'\\');
                return;
            }
            _ => {}
        }
    }
}

fn cut(text: Cow<'_, str>, limit: usize) -> String {
    if text.len() <= limit {
        return text.into_owned();
    }
    let mut head = String::from(&text[..floor(&text, limit)]);
    head.push('…');
    head
}

/// The last character boundary at or before `at`.
pub(crate) fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString as _;

    #[test]
    fn escape_sequences_and_hidden_characters_are_gone_and_the_rest_stays() {
        for (text, expected) in [
            ("plain\ttext\n", "plain\ttext\n"),
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{1b}]0;title\u{7}x", "x"),
            ("\u{1b}]8;;http://a\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link"),
            ("\u{1b}]unended\nnext", "\nnext"),
            ("\u{9b}2Jx\u{1b}(Bx", "xx"),
            ("rm \u{202e}fdp.txt\u{2066}", "rm fdp.txt"),
            ("a\r\nb\rc\u{8}", "a\nb\nc"),
            ("é ü 漢字 👩‍👩‍👧", "é ü 漢字 👩‍👩‍👧"),
            ("\u{e0041}\u{feff}tag\u{200b}", "tag"),
        ] {
            assert_eq!(plain(text), expected, "{text:?}");
            assert_eq!(is_plain(text), plain(text) == text, "{text:?}");
        }
    }

    #[test]
    fn foreign_line_ends_hide_nothing_and_a_lone_return_does() {
        assert!(!hides("a\r\nb\r\n"));
        assert!(hides("rm -rf /\rls     "));
        assert!(hides("a\u{202e}b"));
        assert!(!hides("plain é"));
    }

    #[test]
    fn a_title_is_one_short_line() {
        assert_eq!(title("  a\n  b\tc "), "a b c");
        let long = title(&"é".repeat(MAX_TITLE_BYTES));
        assert!(long.len() <= MAX_TITLE_BYTES + '…'.len_utf8() && long.ends_with('…'));
        assert_eq!(text(&"x".repeat(MAX_TEXT_BYTES)).len(), MAX_TEXT_BYTES);
        assert!(text(&"x".repeat(MAX_TEXT_BYTES + 1)).ends_with('…'));
        assert_eq!(title("").to_string(), "");
    }
}
