//! One event as one line: `{"at":<microseconds since 1970>,"event":"…",…}`.

use std::{fmt::Write, fs::File, io, os::unix::fs::FileExt, time::Duration};

use serde::Serialize;

use super::event::Event;

#[derive(Serialize)]
struct Line<'a> {
    at: u64,
    #[serde(flatten)]
    event: &'a Event,
}

/// The line with its end.
pub(super) fn of(event: &Event, now: Duration) -> io::Result<Vec<u8>> {
    let at = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
    let mut line = plain(&serde_json::to_string(&Line { at, event })?);
    line.push('\n');
    Ok(line.into_bytes())
}

/// JSON itself escapes only what is below a space. Everything else that is invisible or changes how the
/// rest is shown can only stand in a string, so it is escaped the same way.
fn plain(json: &str) -> String {
    let mut plain = String::with_capacity(json.len());
    for c in json.chars() {
        if acts_on_a_reader(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                // writing to a String cannot fail
                let _ = write!(plain, "\\u{unit:04x}");
            }
        } else {
            plain.push(c);
        }
    }
    plain
}

/// Delete and the C1 controls, line and paragraph separators, marks and overrides of direction, and
/// characters without width.
const fn acts_on_a_reader(c: char) -> bool {
    matches!(
        c,
        '\u{7f}'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// Whether the file ends in the middle of a line, as after a power cut.
pub(super) fn is_torn(file: &File, bytes: u64) -> io::Result<bool> {
    let Some(last) = bytes.checked_sub(1) else { return Ok(false) };
    let mut end = [0];
    file.read_exact_at(&mut end, last)?;
    Ok(end != *b"\n")
}
