//! The replay filter: what is left of any output makes no terminal answer, shows the same screen, and does
//! not depend on how the output was cut.

use quarterdeck_screen::{ReplayFilter, Screen, Size};

use crate::terminal;

/// `where to cut`, then output.
///
/// # Panics
/// When the property is broken.
pub fn check(data: &[u8]) {
    let [cut, output @ ..] = data else { return };
    let (filtered, end) = filter(output, output.len().max(1));
    let (mut passed, cut_end) = filter(output, usize::from(*cut) + 1);
    passed.extend(cut_end);
    assert_eq!([&filtered[..], &end].concat(), passed, "how output is cut makes no difference");
    let (shown, replies) = show(&filtered);
    assert_eq!(replies, b"", "nothing is answered: {}", filtered.escape_ascii());
    assert!(!filtered.windows(5).any(|it| it == b"\x1b]52;"), "the clipboard is left alone");
    // what a dropped sequence kept apart may join: then a character is wider than it was
    let joiners: [&[u8]; 2] = ["\u{200d}".as_bytes(), &[0xef, 0xb8]];
    if joiners.iter().all(|joiner| !output.windows(joiner.len()).any(|it| it == *joiner)) {
        assert_eq!(shown, show(output).0, "the screen is the same");
    }
}

/// What is passed on, and what is held back to the end.
fn filter(output: &[u8], cut: usize) -> (Vec<u8>, Vec<u8>) {
    let mut filter = ReplayFilter::new();
    let (mut passed, mut end) = (Vec::new(), Vec::new());
    for piece in output.chunks(cut) {
        filter.filter(piece, &mut passed);
    }
    filter.finish(&mut end);
    (passed, end)
}

fn show(output: &[u8]) -> (String, Vec<u8>) {
    let mut screen = Screen::new(Size { cols: 40, rows: 10 });
    screen.feed(output);
    (screen.text(), screen.take_replies())
}

/// The terminal's, one byte shorter in front.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    terminal::seeds().into_iter().map(|seed| seed[3..].to_vec()).collect()
}

/// The terminal's, and what asks.
#[must_use]
pub fn words() -> Vec<Vec<u8>> {
    let questions: [&[u8]; 8] = [
        b"\x1b[c",
        b"\x1b[5n",
        b"\x1b[6n",
        b"\x1b[>q",
        b"\x1b]11;?",
        b"\x1bP+q",
        b"\x1b[?1$p",
        b"\x05",
    ];
    let questions = questions.iter().map(|question| question.to_vec());
    terminal::words().into_iter().chain(questions).collect()
}
