//! The lines above the screen, fetched page by page and written so that they land in the local
//! terminal's own scrollback.

use quarterdeck_protocol::{
    ids::Out,
    limits::MAX_SCROLLBACK_PAGE_LINES,
    method::{ScrollbackParams, ScrollbackResult, ScrolledLine},
    record::TerminalSize,
};

/// Bytes of history that are fetched at most, however long the lines are.
const MAX_HISTORY_BYTES: usize = 16 * 1024 * 1024;

/// Fetches history, the newest page first.
#[derive(Debug)]
pub(crate) struct History {
    session: String,
    wanted: usize,
    before: Out,
    /// Newest page first, each with its oldest line first.
    pages: Vec<Vec<ScrolledLine>>,
    lines: usize,
    bytes: usize,
}

/// Whether more history is wanted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Ask for this page.
    Fetch(ScrollbackParams),
    /// Enough.
    Done,
}

impl History {
    /// The last `lines` lines before `before`.
    pub(crate) fn new(session: String, lines: u32, before: Out) -> Self {
        let wanted = lines as usize;
        Self { session, wanted, before, pages: Vec::new(), lines: 0, bytes: 0 }
    }
    /// The first page.
    pub(crate) fn begin(&self) -> Next {
        if self.wanted == 0 || self.before == Out(0) { Next::Done } else { self.fetch() }
    }
    /// A page has come.
    pub(crate) fn handle(&mut self, page: ScrollbackResult) -> Next {
        let ScrollbackResult { lines, from, oldest, exact: _ } = page;
        self.lines += lines.len();
        self.bytes += lines.iter().map(|line| line.text.len()).sum::<usize>();
        self.pages.push(lines);
        let enough = self.lines >= self.wanted || self.bytes >= MAX_HISTORY_BYTES;
        // a page that goes nowhere would be asked for for ever
        if oldest || enough || from >= self.before {
            return Next::Done;
        }
        self.before = from;
        self.fetch()
    }

    fn fetch(&self) -> Next {
        let missing = u32::try_from(self.wanted - self.lines).unwrap_or(u32::MAX);
        // the relay gives as many of them as fit into an answer
        let lines = missing.min(MAX_SCROLLBACK_PAGE_LINES);
        Next::Fetch(ScrollbackParams { session: self.session.clone(), before: self.before, lines })
    }

    /// The bytes that write the lines above an empty screen: what the terminal showed before goes up
    /// into its scrollback, then the history, then nothing is left on the screen.
    pub(crate) fn draw(&self, headline: &str, local: TerminalSize) -> Vec<u8> {
        let mut bytes = headline.as_bytes().to_vec();
        let all = self.pages.iter().rev().flatten();
        let mut continued = false;
        for line in all.skip(self.lines.saturating_sub(self.wanted)) {
            if !continued {
                bytes.extend(b"\r\n");
            }
            bytes.extend(line.text.as_bytes());
            continued = line.wrapped;
        }
        // as many line feeds as there are rows push out exactly the rows that are written on
        bytes.extend(b"\x1b[0m\r");
        bytes.extend(std::iter::repeat_n(b'\n', usize::from(local.rows)));
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: TerminalSize = TerminalSize { cols: 80, rows: 3, xpixel: 0, ypixel: 0 };

    fn line(text: &str) -> ScrolledLine {
        ScrolledLine { text: text.to_owned(), wrapped: false }
    }
    fn page(lines: Vec<ScrolledLine>, from: u64, oldest: bool) -> ScrollbackResult {
        ScrollbackResult { lines, from: Out(from), oldest, exact: true }
    }
    fn before(next: &Next) -> Option<u64> {
        match next {
            Next::Fetch(params) => Some(params.before.0),
            Next::Done => None,
        }
    }

    #[test]
    fn pages_are_fetched_backwards_until_enough_and_written_forwards() {
        let mut history = History::new("s".into(), 3, Out(100));
        assert_eq!(before(&history.begin()), Some(100));
        let next = history.handle(page(vec![line("c"), line("d")], 60, false));
        assert_eq!(before(&next), Some(60));
        assert_eq!(history.handle(page(vec![line("a"), line("b")], 20, false)), Next::Done);
        let drawn = String::from_utf8(history.draw("head", SIZE)).expect("text");
        assert_eq!(drawn, "head\r\nb\r\nc\r\nd\x1b[0m\r\n\n\n");
    }

    #[test]
    fn a_wrapped_line_goes_on_without_a_line_break() {
        let mut history = History::new("s".into(), 9, Out(100));
        let wrapped = ScrolledLine { text: "long ".into(), wrapped: true };
        assert_eq!(history.handle(page(vec![wrapped, line("line")], 0, true)), Next::Done);
        let drawn = String::from_utf8(history.draw("", SIZE)).expect("text");
        assert!(drawn.starts_with("\r\nlong line\x1b[0m"), "{drawn:?}");
    }

    #[test]
    fn nothing_is_fetched_for_no_lines_or_an_empty_log() {
        assert_eq!(History::new("s".into(), 0, Out(5)).begin(), Next::Done);
        assert_eq!(History::new("s".into(), 5, Out(0)).begin(), Next::Done);
    }

    #[test]
    fn a_relay_that_gives_the_same_page_again_is_not_asked_for_ever() {
        let mut history = History::new("s".into(), 9, Out(100));
        assert_eq!(history.handle(page(vec![line("x")], 100, false)), Next::Done);
    }
}
