//! Counters of a relay, and their text for Prometheus (text exposition format 0.0.4).

use std::fmt::Write;

use quarterdeck_access::{
    count::{Counter, Gauge},
    door::Refused,
};
use quarterdeck_protocol::{error::ErrorCode, session::SessionState};

/// The `Content-Type` of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// States of sessions that a relay can see, in the order of the text.
const STATES: [&str; 7] = ["starting", "running", "waiting", "idle", "stalled", "exited", "lost"];
/// Known error codes, and one place for all others.
const ERROR_CODES: usize = ErrorCode::ALL.len() + 1;

/// Everything a relay counts.
#[derive(Debug)]
pub struct Metrics {
    /// Open connections.
    pub connections: Gauge,
    /// Connections that were accepted.
    pub connections_accepted: Counter,
    /// Bytes of terminal output sent to viewers, replays included.
    pub output_bytes: Counter,
    /// Bytes of input handed to holders.
    pub input_bytes: Counter,
    /// Inputs that reached their program.
    pub inputs_applied: Counter,
    /// Inputs that were refused by the relay or the holder.
    pub inputs_rejected: Counter,
    /// Gaps told to viewers.
    pub gaps: Counter,
    /// Snapshots sent to viewers.
    pub snapshots: Counter,
    /// Connections to a holder that had to be made again.
    pub holder_reconnects: Counter,
    /// Bytes of all logs.
    pub log_bytes: Gauge,
    /// Sessions, by index in [`STATES`].
    sessions: [Gauge; STATES.len()],
    /// Errors answered, by index in `ErrorCode::ALL`; the last is for codes not in it.
    rpc_errors: [Counter; ERROR_CODES],
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            connections: Gauge::default(),
            connections_accepted: Counter::default(),
            output_bytes: Counter::default(),
            input_bytes: Counter::default(),
            inputs_applied: Counter::default(),
            inputs_rejected: Counter::default(),
            gaps: Counter::default(),
            snapshots: Counter::default(),
            holder_reconnects: Counter::default(),
            log_bytes: Gauge::default(),
            sessions: std::array::from_fn(|_| Gauge::default()),
            rpc_errors: std::array::from_fn(|_| Counter::default()),
        }
    }
}

impl Metrics {
    /// An error was answered.
    pub fn count_rpc_error(&self, code: ErrorCode) {
        let known = ErrorCode::ALL.iter().position(|other| *other == code);
        self.rpc_errors[known.unwrap_or(ERROR_CODES - 1)].increment();
    }

    /// Replaces the numbers of sessions; called before [`Self::render`].
    pub fn set_sessions<'a>(&self, states: impl IntoIterator<Item = &'a SessionState>) {
        let mut counts = [0; STATES.len()];
        for state in states {
            // `unreachable` is a hub's word; a relay's own sessions never are
            if let Some(index) = STATES.iter().position(|word| *word == state.word()) {
                counts[index] += 1;
            }
        }
        for (gauge, count) in self.sessions.iter().zip(counts) {
            gauge.set(count);
        }
    }

    /// The whole text.
    #[must_use]
    pub fn render(&self, refused: &Refused) -> String {
        let mut text = String::new();
        self.render_links(&mut text);
        self.render_streams(&mut text);
        self.render_refusals(&mut text, refused);
        text
    }

    fn render_links(&self, text: &mut String) {
        let connections = self.connections.value();
        single(text, "connections", "gauge", "Open connections.", connections);
        let accepted = self.connections_accepted.value();
        single(text, "connections_accepted_total", "counter", "Connections accepted.", accepted);
        let by_state = STATES.iter().zip(&self.sessions).map(|(word, n)| (*word, n.value()));
        labelled(text, "sessions", "gauge", "Sessions by state.", ("state", by_state));
        let reconnects = self.holder_reconnects.value();
        let help = "Connections to holders made again.";
        single(text, "holder_reconnects_total", "counter", help, reconnects);
        single(text, "log_bytes", "gauge", "Bytes of all logs.", self.log_bytes.value());
    }

    fn render_streams(&self, text: &mut String) {
        let output = self.output_bytes.value();
        let help = "Bytes of terminal output sent to viewers.";
        single(text, "output_bytes_total", "counter", help, output);
        let input = self.input_bytes.value();
        single(text, "input_bytes_total", "counter", "Bytes of input handed to holders.", input);
        let results =
            [("applied", self.inputs_applied.value()), ("rejected", self.inputs_rejected.value())];
        labelled(text, "inputs_total", "counter", "Inputs by result.", ("result", results));
        single(text, "gaps_total", "counter", "Gaps told to viewers.", self.gaps.value());
        let snapshots = self.snapshots.value();
        single(text, "snapshots_total", "counter", "Snapshots sent to viewers.", snapshots);
    }

    fn render_refusals(&self, text: &mut String, refused: &Refused) {
        let wrong = refused.credentials.value();
        let help = "Credentials presented and wrong.";
        single(text, "auth_failures_total", "counter", help, wrong);
        single(text, "lockouts_total", "counter", "Lockouts begun.", refused.lockouts.value());
        let words = ErrorCode::ALL.iter().map(|code| code.word()).chain(["other"]);
        let by_word = words.zip(self.rpc_errors.iter().map(Counter::value));
        labelled(text, "rpc_errors_total", "counter", "Errors answered.", ("error", by_word));
    }
}

fn single(text: &mut String, name: &str, kind: &str, help: &str, value: u64) {
    header(text, name, kind, help);
    // writing to a String cannot fail
    let _ = writeln!(text, "quarterdeck_{name} {value}");
}

fn labelled<'a>(
    text: &mut String,
    name: &str,
    kind: &str,
    help: &str,
    (label, values): (&str, impl IntoIterator<Item = (&'a str, u64)>),
) {
    header(text, name, kind, help);
    for (word, value) in values {
        let _ = writeln!(text, "quarterdeck_{name}{{{label}=\"{word}\"}} {value}");
    }
}

fn header(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP quarterdeck_{name} {help}");
    let _ = writeln!(text, "# TYPE quarterdeck_{name} {kind}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_text_is_the_golden_one() {
        let metrics = Metrics::default();
        metrics.connections_accepted.add(2);
        metrics.output_bytes.add(4096);
        metrics.inputs_applied.increment();
        metrics.log_bytes.set(77);
        metrics.count_rpc_error(ErrorCode::NotOwner);
        metrics.count_rpc_error(ErrorCode::Unknown(-1));
        metrics.count_rpc_error(ErrorCode::Unknown(-2));
        let lost = SessionState::Lost { why: String::new(), at: 0 };
        let unreachable = SessionState::Unreachable { since: 0 };
        let states = [SessionState::Running, lost, SessionState::Running, unreachable];
        metrics.set_sessions(&states);
        let entered = metrics.connections.enter();
        assert_eq!(metrics.render(&Refused::default()), include_str!("metrics/golden.txt"));
        drop(entered);
        assert_eq!(metrics.connections.value(), 0);
    }

    #[test]
    fn every_series_has_a_help_a_type_and_a_name_of_its_own() {
        let text = Metrics::default().render(&Refused::default());
        let mut series = BTreeSet::new();
        let mut family = "";
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                family = rest.split(' ').next().unwrap_or_default();
                let counter = rest.ends_with(" counter");
                assert_eq!(counter, family.ends_with("_total"), "{line}");
            } else if !line.starts_with("# HELP ") {
                let name = line.split([' ', '{']).next().unwrap_or_default();
                assert_eq!(name, family);
                assert!(series.insert(line), "{line} twice");
            }
        }
        assert!(series.len() > ErrorCode::ALL.len() + STATES.len());
    }

    #[test]
    fn a_new_count_of_sessions_replaces_the_one_before() {
        let metrics = Metrics::default();
        metrics.set_sessions(&[SessionState::Idle, SessionState::Idle]);
        metrics.set_sessions(&[SessionState::Running]);
        let text = metrics.render(&Refused::default());
        assert!(text.contains("quarterdeck_sessions{state=\"idle\"} 0\n"));
        assert!(text.contains("quarterdeck_sessions{state=\"running\"} 1\n"));
    }
}
