//! Pages of lines that left the top of the screen, computed from the log.

use std::{collections::VecDeque, path::Path};

use quarterdeck_holder::log::{Next, ReadError};
use quarterdeck_protocol::{
    ids::{LogId, Out},
    limits::MAX_SCROLLBACK_PAGE_LINES,
    method::{ScrollbackResult, ScrolledLine},
};
use quarterdeck_screen::{Line, ScrolledCapture};

use super::{Exactness, model};

/// Output bytes of one page at most, unless its first screen is further back.
const MAX_PAGE_BYTES: u64 = 8 * 1024 * 1024;
/// Bytes of lines after which a page ends: even with every escape spelt out in JSON it fits a text frame.
const MAX_PAGE_TEXT_BYTES: usize = 128 * 1024;
/// Where a page without a known screen begins.
const PAGE_STEP_BYTES: u64 = 256 * 1024;

/// The lines that the output before `before` pushed off the screen, newest page.
///
/// Reads files and computes: call it where blocking is allowed.
///
/// # Errors
/// When the log cannot be read.
pub(crate) fn page(
    session_directory: &Path,
    log_id: LogId,
    before: Out,
    lines: u32,
) -> Result<ScrollbackResult, ReadError> {
    let wanted = lines as usize;
    let mut stretch = Stretch { from: before, lines: Vec::new(), exact: Exactness::Exact };
    let mut oldest = before == Out(0);
    while stretch.lines.len() < wanted
        && !oldest
        && before.0 - stretch.from.0 < MAX_PAGE_BYTES
        && text_bytes(&stretch.lines) < MAX_PAGE_TEXT_BYTES
    {
        let earlier = read_stretch(session_directory, log_id, stretch.from)?;
        oldest = earlier.oldest;
        let exact = if stretch.from == before { earlier.exact } else { stretch.exact };
        let mut lines = earlier.lines;
        lines.append(&mut stretch.lines);
        stretch = Stretch { from: earlier.from, lines, exact };
    }
    Ok(ScrollbackResult {
        lines: stretch.lines.into_iter().map(scrolled_line).collect(),
        from: stretch.from,
        oldest,
        exact: stretch.exact == Exactness::Exact,
    })
}

struct Stretch {
    from: Out,
    lines: Vec<Line>,
    exact: Exactness,
}

struct EarlierStretch {
    from: Out,
    lines: Vec<Line>,
    exact: Exactness,
    oldest: bool,
}

/// The lines pushed off between the newest known screen before `before` and `before`.
fn read_stretch(directory: &Path, log_id: LogId, before: Out) -> Result<EarlierStretch, ReadError> {
    let just_before = Out(before.0.saturating_sub(1));
    let (mut screen, mut reader, mut exact) = model::open_before(directory, log_id, just_before)?;
    let mut from = reader.position().out;
    let base = quarterdeck_holder::log::LogReader::open(directory)?.position().out;
    if before.0.saturating_sub(from.0) > MAX_PAGE_BYTES {
        from = Out(before.0 - PAGE_STEP_BYTES);
        reader.seek_out(from)?;
        from = reader.position().out.min(before);
        exact = Exactness::Inexact;
    }
    screen.set_scrolled_capture(ScrolledCapture::Last(MAX_SCROLLBACK_PAGE_LINES as usize));
    let mut pieces = VecDeque::new();
    let mut bytes = 0;
    while reader.position().out < before {
        let at = reader.position().out;
        match reader.next()? {
            Next::Record(record) => model::apply(&mut screen, &record),
            Next::Gap(_) => exact = Exactness::Inexact,
            Next::AwaitMore => break,
        }
        let lines = screen.take_scrolled().lines;
        bytes += text_bytes(&lines);
        pieces.push_back((at, lines));
        // a stretch from a distant screen may be too much for a page: the newest of it is this one
        while bytes > MAX_PAGE_TEXT_BYTES
            && pieces.len() > 1
            && let Some((_, dropped)) = pieces.pop_front()
        {
            bytes -= text_bytes(&dropped);
            from = pieces.front().map_or(from, |(at, _)| *at);
        }
    }
    let lines = pieces.into_iter().flat_map(|(_, lines)| lines).collect();
    Ok(EarlierStretch { oldest: from <= base, from, lines, exact })
}

fn text_bytes(lines: &[Line]) -> usize {
    lines.iter().map(|line| line.bytes.len()).sum()
}

fn scrolled_line(line: Line) -> ScrolledLine {
    let Line { bytes, wrapped } = line;
    ScrolledLine { text: String::from_utf8_lossy(&bytes).into_owned(), wrapped }
}
