//! A session's log as an asciicast v2 recording: a header, then one line per event.
//!
//! The format: <https://docs.asciinema.org/manual/asciicast/v2/>. Text is UTF-8 there; a character
//! that a record cuts is completed by the next one, and bytes that are no text become U+FFFD.

use quarterdeck_protocol::record::TerminalSize;
use serde::Serialize;

/// Turns records into lines.
#[derive(Debug)]
pub(crate) struct Asciicast {
    begun_micros: u64,
    /// Time of the last line: a clock that went back must not make time negative.
    last_micros: u64,
    /// Bytes of a character that is not complete yet.
    partial: Vec<u8>,
}

/// The first line.
#[derive(Serialize)]
struct Header<'a> {
    version: u8,
    width: u16,
    height: u16,
    timestamp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
}

impl Asciicast {
    /// A recording that begins at this time, and its first line.
    pub(crate) fn begin(
        begun_micros: u64,
        size: TerminalSize,
        title: Option<&str>,
    ) -> (Self, String) {
        let header = Header {
            version: 2,
            width: size.cols,
            height: size.rows,
            timestamp: begun_micros / 1_000_000,
            title,
        };
        let recording = Self { begun_micros, last_micros: begun_micros, partial: Vec::new() };
        (recording, line(&header))
    }
    /// Output; none when only part of a character is there.
    pub(crate) fn output(&mut self, time_micros: u64, bytes: &[u8]) -> Option<String> {
        self.partial.extend_from_slice(bytes);
        let bytes = std::mem::take(&mut self.partial);
        let complete = complete_len(&bytes);
        let (text, rest) = bytes.split_at(complete);
        self.partial = rest.to_vec();
        if text.is_empty() {
            return None;
        }
        Some(self.event(time_micros, "o", &String::from_utf8_lossy(text)))
    }
    /// Recorded input.
    pub(crate) fn input(&mut self, time_micros: u64, bytes: &[u8]) -> String {
        self.event(time_micros, "i", &String::from_utf8_lossy(bytes))
    }
    /// A new size.
    pub(crate) fn resize(&mut self, time_micros: u64, size: TerminalSize) -> String {
        self.event(time_micros, "r", &format!("{}x{}", size.cols, size.rows))
    }
    /// Anything else worth finding: a gap, a restart, the end.
    pub(crate) fn marker(&mut self, time_micros: u64, text: &str) -> String {
        self.event(time_micros, "m", text)
    }

    fn event(&mut self, time_micros: u64, code: &str, data: &str) -> String {
        self.last_micros = self.last_micros.max(time_micros);
        let since = self.last_micros - self.begun_micros;
        #[expect(clippy::cast_precision_loss, reason = "microseconds of a century are exact")]
        let seconds = since as f64 / 1e6;
        line(&(seconds, code, data))
    }
}

fn line<T: Serialize>(value: &T) -> String {
    let text = serde_json::to_string(value);
    text.expect("numbers and strings have a JSON form") + "\n"
}

/// How many bytes end with a complete character; what cannot become one counts as complete.
fn complete_len(bytes: &[u8]) -> usize {
    let mut complete = 0;
    for chunk in bytes.utf8_chunks() {
        complete += chunk.valid().len();
        let end = complete + chunk.invalid().len();
        let at_end = end == bytes.len();
        let cut = std::str::from_utf8(chunk.invalid()).is_err_and(|e| e.error_len().is_none());
        if at_end && cut {
            return complete;
        }
        complete = end;
    }
    complete
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: TerminalSize = TerminalSize { cols: 80, rows: 24, xpixel: 640, ypixel: 480 };

    #[test]
    fn a_recording_has_a_header_and_one_line_per_event() {
        let (mut cast, mut text) = Asciicast::begin(1_700_000_000_250_000, SIZE, Some("build"));
        text += &cast.output(1_700_000_000_500_000, b"\x1b[1mhi\r\n").expect("text");
        text += &cast.input(1_700_000_000_600_000, b"q");
        text += &cast.resize(1_700_000_001_250_000, TerminalSize { cols: 100, ..SIZE });
        text += &cast.marker(1_700_000_002_250_000, "exit 0");
        insta::assert_snapshot!(text, @r#"
        {"version":2,"width":80,"height":24,"timestamp":1700000000,"title":"build"}
        [0.25,"o","\u001b[1mhi\r\n"]
        [0.35,"i","q"]
        [1.0,"r","100x24"]
        [2.0,"m","exit 0"]
        "#);
    }

    #[test]
    fn a_character_that_two_records_share_is_whole() {
        let (mut cast, _) = Asciicast::begin(0, SIZE, None);
        let bytes = "é日".as_bytes();
        let mut text = String::new();
        for byte in bytes {
            text += &cast.output(0, &[*byte]).unwrap_or_default();
        }
        assert_eq!(text, "[0.0,\"o\",\"é\"]\n[0.0,\"o\",\"日\"]\n");
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced_and_do_not_wait() {
        let (mut cast, _) = Asciicast::begin(0, SIZE, None);
        assert_eq!(cast.output(0, b"a\xff").as_deref(), Some("[0.0,\"o\",\"a\u{fffd}\"]\n"));
        assert_eq!(cast.output(0, b"\xc3").as_deref(), None);
        assert_eq!(cast.output(0, b"(").as_deref(), Some("[0.0,\"o\",\"\u{fffd}(\"]\n"));
    }

    #[test]
    fn a_clock_that_goes_back_does_not_make_time_go_back() {
        let (mut cast, _) = Asciicast::begin(1_000_000, SIZE, None);
        assert_eq!(cast.marker(3_000_000, "a"), "[2.0,\"m\",\"a\"]\n");
        assert_eq!(cast.marker(500_000, "b"), "[2.0,\"m\",\"b\"]\n");
    }
}
