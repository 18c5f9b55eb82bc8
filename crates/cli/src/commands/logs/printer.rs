//! Records in the form that was asked for.

use std::io::IsTerminal;

use base64::{Engine, engine::general_purpose::STANDARD};
use quarterdeck_protocol::{
    ids::{Out, Seq},
    method::LogEntry,
    record::{Checkpoint, Exit, Gap, Input, Lost, Resize, Start, TerminalSize},
    session::SessionInfo,
};
use quarterdeck_screen::ReplayFilter;
use serde::de::DeserializeOwned;

use crate::{
    asciicast::Asciicast,
    attach::{modes::ModeTracker, view::exit_words},
    error::CliError,
    output::{Output, escape::plain, time::bytes},
};

/// What is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Output without side effects.
    Text,
    /// Output as it was.
    Raw,
    /// Lines of an asciicast.
    Asciicast,
    /// Records as the protocol has them.
    Json,
}

/// Prints records.
#[derive(Debug)]
pub(super) struct Printer {
    output: Output,
    form: Form,
    title: String,
    size: TerminalSize,
    filter: ReplayFilter,
    /// Only where a terminal would be left with the session's modes.
    modes: Option<ModeTracker>,
    cast: Option<Asciicast>,
    /// Output bytes before the next record.
    out: Out,
    page: Page,
    program: Program,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Page {
    /// More can be read at once.
    More,
    /// Nothing more is in the log yet.
    Last,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Program {
    Runs,
    Ended,
}

impl Printer {
    /// Prints in this form.
    pub(super) fn new(output: Output, form: Form, session: &SessionInfo) -> Self {
        let on_terminal = std::io::stdout().is_terminal();
        let tracked = on_terminal && matches!(form, Form::Text | Form::Raw);
        Self {
            output,
            form,
            title: session.label.to_string(),
            size: session.size,
            filter: ReplayFilter::new(),
            modes: tracked.then(ModeTracker::default),
            cast: None,
            out: Out(0),
            page: Page::More,
            program: Program::Runs,
        }
    }
    /// Whether everything that the log has is printed.
    pub(super) fn at_end(&self) -> bool {
        self.page == Page::Last
    }
    pub(super) const fn set_end(&mut self, end: bool) {
        self.page = if end { Page::Last } else { Page::More };
    }
    /// Whether the last program has ended, as far as it was printed.
    pub(super) fn has_ended(&self) -> bool {
        self.program == Program::Ended
    }
    /// Output bytes so far.
    pub(super) const fn out(&self) -> Out {
        self.out
    }
    /// Says that records are gone.
    pub(super) fn note_missing(&self, wanted: Seq, first: Seq) {
        // who asks from the beginning wants what there is
        if wanted > Seq(0) {
            self.output.note(&format!("records {wanted} to {first} are not in the log any more"));
        }
    }

    /// Prints a record.
    pub(super) fn print(&mut self, entry: &LogEntry) -> Result<(), CliError> {
        let payload = entry.base64.as_deref().map(|text| STANDARD.decode(text));
        let payload = payload.and_then(Result::ok).unwrap_or_default();
        self.out = Out(entry.out.0 + payload.len() as u64);
        self.follow_program(entry);
        match self.form {
            Form::Json => self.output.json(entry),
            Form::Raw => {
                self.show(&payload)?;
                self.note_gap(entry);
                Ok(())
            }
            Form::Text => {
                let mut quiet = Vec::with_capacity(payload.len());
                self.filter.filter(&payload, &mut quiet);
                self.show(&quiet)?;
                self.note_gap(entry);
                Ok(())
            }
            Form::Asciicast => {
                let lines = self.cast_lines(entry, &payload);
                self.output.bytes(lines.as_bytes())
            }
        }
    }

    /// Undoes what the log left set in this terminal.
    pub(super) fn finish(&mut self) -> Result<(), CliError> {
        match self.modes.take() {
            Some(mut modes) => self.output.bytes(&modes.take_undo()),
            None => Ok(()),
        }
    }

    /// Says beside the output that some of it is missing.
    fn note_gap(&self, entry: &LogEntry) {
        if entry.kind == "gap"
            && let Some(gap) = body::<Gap>(entry)
        {
            let missing = bytes(gap.to.0.saturating_sub(gap.from.0));
            self.output.note(&format!("[{missing} of output are missing here]"));
        }
    }

    fn show(&mut self, shown: &[u8]) -> Result<(), CliError> {
        if shown.is_empty() {
            return Ok(());
        }
        if let Some(modes) = &mut self.modes {
            modes.feed(shown);
        }
        self.output.bytes(shown)
    }

    fn follow_program(&mut self, entry: &LogEntry) {
        match entry.kind.as_str() {
            "start" => self.program = Program::Runs,
            "exit" | "lost" => self.program = Program::Ended,
            _ => {}
        }
    }

    /// The lines of a record; the header comes with the first record that is shown.
    fn cast_lines(&mut self, entry: &LogEntry, payload: &[u8]) -> String {
        let size = size_of(entry);
        let mut lines = String::new();
        let cast = match &mut self.cast {
            Some(cast) => cast,
            None => {
                let size = size.unwrap_or(self.size);
                let (cast, header) = Asciicast::begin(entry.time, size, Some(&self.title));
                lines += &header;
                self.cast.insert(cast)
            }
        };
        let event = match entry.kind.as_str() {
            "output" => cast.output(entry.time, payload),
            "input" => body::<Input>(entry).map(|input| cast.input(entry.time, &input.bytes)),
            "resize" => size.map(|size| cast.resize(entry.time, size)),
            "start" => body::<Start>(entry).filter(|start| start.incarnation.0 > 1).map(|start| {
                cast.marker(entry.time, &format!("started again ({})", start.incarnation))
            }),
            "gap" => body::<Gap>(entry).map(|gap| {
                let missing = gap.to.0.saturating_sub(gap.from.0);
                cast.marker(entry.time, &format!("gap of {missing} bytes"))
            }),
            "exit" => {
                body::<Exit>(entry).map(|exit| cast.marker(entry.time, &exit_words(&exit.status)))
            }
            "lost" => body::<Lost>(entry)
                .map(|lost| cast.marker(entry.time, &format!("lost: {}", plain(&lost.why)))),
            _ => None,
        };
        lines + &event.unwrap_or_default()
    }
}

/// The terminal's size, where a record says it.
fn size_of(entry: &LogEntry) -> Option<TerminalSize> {
    match entry.kind.as_str() {
        "start" => body::<Start>(entry).map(|start| start.size),
        "checkpoint" => body::<Checkpoint>(entry).map(|checkpoint| checkpoint.size),
        "resize" => body::<Resize>(entry).map(|resize| resize.size),
        _ => None,
    }
}

/// A record's payload; one of a newer form is none.
fn body<T: DeserializeOwned>(entry: &LogEntry) -> Option<T> {
    serde_json::from_str(entry.body.as_ref()?.get()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        commands::ls::tests::session,
        output::{ColorChoice, Format, Surroundings},
    };
    use quarterdeck_protocol::session::SessionState;
    use serde_json::value::RawValue;

    fn printer(form: Form) -> Printer {
        let output = Output::new(Format::Text, ColorChoice::Never, Surroundings::Plain);
        Printer::new(output, form, &session(1, "build", SessionState::Running, &[]))
    }
    fn entry(seq: u64, kind: &str, payload: &[u8], body: &str) -> LogEntry {
        LogEntry {
            seq: Seq(seq),
            out: Out(0),
            time: 1_000_000 * seq,
            kind: kind.to_owned(),
            base64: (!payload.is_empty()).then(|| STANDARD.encode(payload)),
            body: (!body.is_empty()).then(|| RawValue::from_string(body.into()).expect("JSON")),
        }
    }

    #[test]
    fn a_recording_has_the_size_of_the_start_and_says_how_it_ended() {
        let mut printer = printer(Form::Asciicast);
        let start = r#"{"incarnation":1,"session":"s_00000000000000000000","argv":["sh"],"cwd":"/",
            "size":{"cols":100,"rows":30},"kind":"terminal","pid":1,"boot_id":"b"}"#;
        let resize = r#"{"size":{"cols":120,"rows":40}}"#;
        let mut lines = printer.cast_lines(&entry(1, "start", b"", start), b"");
        lines += &printer.cast_lines(&entry(2, "output", b"hi", ""), b"hi");
        lines += &printer.cast_lines(&entry(3, "resize", b"", resize), b"");
        lines += &printer.cast_lines(&entry(4, "novel", b"", "{}"), b"");
        lines += &printer.cast_lines(&entry(5, "exit", b"", r#"{"status":"code","code":3}"#), b"");
        insta::assert_snapshot!(lines, @r#"
        {"version":2,"width":100,"height":30,"timestamp":1,"title":"build"}
        [1.0,"o","hi"]
        [2.0,"r","120x40"]
        [4.0,"m","ended with code 3"]
        "#);
    }

    #[test]
    fn a_program_that_was_started_again_has_not_ended() {
        let mut printer = printer(Form::Text);
        let kinds = |printer: &mut Printer, kind| {
            printer.follow_program(&entry(1, kind, b"", "{}"));
            printer.has_ended()
        };
        assert!(!kinds(&mut printer, "output"));
        assert!(kinds(&mut printer, "exit"));
        assert!(!kinds(&mut printer, "start"));
        assert!(kinds(&mut printer, "lost"));
    }
}
