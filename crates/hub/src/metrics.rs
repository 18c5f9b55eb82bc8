//! Counters of a hub, and their text for Prometheus (text exposition format 0.0.4).

use std::fmt::Write;

use quarterdeck_access::{
    count::{Counter, Gauge},
    door::Refused,
};

/// The `Content-Type` of [`Metrics::render`].
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Everything a hub counts.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// Open connections of clients.
    pub(crate) connections: Gauge,
    /// Connections that were accepted.
    pub(crate) connections_accepted: Counter,
    /// Requests that were passed on to machines.
    pub(crate) forwarded: Counter,
    /// Bytes of frames that machines sent.
    pub(crate) frame_bytes: Counter,
    /// Links that were made.
    pub(crate) links_made: Counter,
    /// Viewers that did not read, and were detached.
    pub(crate) too_slow: Counter,
    /// Writes to the database that failed.
    pub(crate) store_failures: Counter,
}

impl Metrics {
    /// The text, with the machines as they are now.
    pub(crate) fn render(&self, refused: &Refused, machines: usize, linked: usize) -> String {
        let mut text = String::new();
        let values = [
            ("connections", "gauge", "Open connections of clients.", self.connections.value()),
            ("machines", "gauge", "Machines.", machines as u64),
            ("machines_linked", "gauge", "Machines with a link.", linked as u64),
            (
                "connections_accepted_total",
                "counter",
                "Connections that were accepted.",
                self.connections_accepted.value(),
            ),
            ("forwarded_total", "counter", "Requests passed on.", self.forwarded.value()),
            (
                "frame_bytes_total",
                "counter",
                "Bytes of frames that machines sent.",
                self.frame_bytes.value(),
            ),
            ("links_made_total", "counter", "Links that were made.", self.links_made.value()),
            ("too_slow_total", "counter", "Viewers that were detached.", self.too_slow.value()),
            (
                "auth_failures_total",
                "counter",
                "Credentials that were wrong.",
                refused.credentials.value(),
            ),
            ("lockouts_total", "counter", "Lockouts that began.", refused.lockouts.value()),
            (
                "store_failures_total",
                "counter",
                "Writes to the database that failed.",
                self.store_failures.value(),
            ),
        ];
        for (name, kind, help, value) in values {
            // writing to a string does not fail
            let _ = write!(
                text,
                "# HELP quarterdeck_hub_{name} {help}\n# TYPE quarterdeck_hub_{name} {kind}\nquarterdeck_hub_{name} {value}\n"
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_told_with_its_kind() {
        let metrics = Metrics::default();
        metrics.too_slow.increment();
        let text = metrics.render(&Refused::default(), 3, 2);
        assert!(text.contains("\nquarterdeck_hub_machines_linked 2\n"), "{text}");
        assert!(text.contains(
            "# TYPE quarterdeck_hub_too_slow_total counter\nquarterdeck_hub_too_slow_total 1\n"
        ));
    }
}
