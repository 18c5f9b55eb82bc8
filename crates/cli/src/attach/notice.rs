//! A line on the last row of the screen. It disturbs nothing but what it covers: the cursor, the pen
//! and the margins stay, and the screen is drawn anew when it goes.

use quarterdeck_protocol::record::TerminalSize;

use crate::output::escape::shortened;

/// The bytes that draw `text` in reverse video on the last row.
pub(crate) fn draw(text: &str, local: TerminalSize) -> Vec<u8> {
    let text = shortened(text, columns(local));
    // the row is counted from the top, whatever the margins are: origin mode is part of what DECSC
    // saves and DECRC brings back
    format!("\x1b7\x1b[?6l\x1b[{row};1H\x1b[0;7m {text} \x1b[0m\x1b[K\x1b8", row = local.rows)
        .into_bytes()
}

/// The columns that a notice has for its words.
pub(crate) fn columns(local: TerminalSize) -> usize {
    usize::from(local.cols).saturating_sub(2).max(8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_stands_on_the_last_row_and_is_cut_to_it() {
        let size = TerminalSize { cols: 20, rows: 24, xpixel: 0, ypixel: 0 };
        let drawn = String::from_utf8(draw("hello", size)).expect("text");
        assert_eq!(drawn, "\x1b7\x1b[?6l\x1b[24;1H\x1b[0;7m hello \x1b[0m\x1b[K\x1b8");
        let long = String::from_utf8(draw(&"x".repeat(99), size)).expect("text");
        assert!(long.contains(&format!(" {}\u{2026} ", "x".repeat(17))), "{long:?}");
    }
}
