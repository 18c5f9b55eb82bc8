//! Text that others chose (titles, labels, names, messages), made safe to print: nothing in it can
//! move the cursor, change the order of letters or hide.

/// The text in one line, with every character that is not plainly visible spelled out.
pub(crate) fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) {
            safe.extend(c.escape_unicode());
        } else {
            safe.push(c);
        }
    }
    safe
}

/// At most `max` columns of the text, with `…` where something was cut.
pub(crate) fn shortened(text: &str, max: usize) -> String {
    if unicode_width::UnicodeWidthStr::width(text) <= max {
        return text.to_owned();
    }
    let mut short = String::new();
    let mut width = 0;
    for c in text.chars() {
        width += unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
        if width >= max {
            break;
        }
        short.push(c);
    }
    short.push('\u{2026}');
    short
}

fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // line and paragraph separators, soft hyphen, Arabic letter mark
            '\u{2028}' | '\u{2029}' | '\u{ad}' | '\u{61c}'
            // zero width characters, bidirectional marks, embeddings, overrides and isolates
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            // byte order mark, interlinear annotation, language tags
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_direction_characters_are_spelled_out_and_letters_stay() {
        assert_eq!(plain("naïve 日本 build"), "naïve 日本 build");
        assert_eq!(plain("a\u{1b}[2Jb\r\n\tc"), r"a\u{1b}[2Jb\u{d}\u{a}\u{9}c");
        assert_eq!(plain("exe.\u{202e}txt\u{9b}1m"), r"exe.\u{202e}txt\u{9b}1m");
    }

    #[test]
    fn a_cut_text_keeps_its_width_even_with_wide_letters() {
        assert_eq!(shortened("short", 5), "short");
        assert_eq!(shortened("longer", 5), "long\u{2026}");
        assert_eq!(shortened("日本語", 4), "日\u{2026}");
    }
}
