//! What Quarterdeck is to reach, each figure beside its goal and measured in this run.
//!
//! - [`attach`]: how long and how large it is to come back, whatever came before;
//! - [`fleet`]: a hub with many machines;
//! - [`flow`]: viewers that are slow or stand still, and programs that flood;
//! - [`instances`]: starting and listing them;
//! - [`mail`]: messages between two relays;
//! - [`load`]: memory, processor and many sessions;
//! - this file: the goals, and those that the rounds of all systems answer.

pub mod attach;
pub mod fleet;
pub mod flow;
pub mod instances;
pub mod load;
pub mod mail;

use std::{fs, io, time::Duration};

use super::{
    measure::{Bulk, Echo},
    rounds::Row,
    stats::Spread,
};

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Everything.
    Full,
    /// Enough to see that it works.
    Quick,
}

impl Extent {
    /// The first for a full run, the second for a quick one.
    pub fn pick<T>(self, full: T, quick: T) -> T {
        if self == Self::Full { full } else { quick }
    }
}

/// A figure beside its goal.
#[derive(Debug, Clone, PartialEq)]
pub struct Goal {
    /// What it is about.
    pub what: String,
    /// What was measured.
    pub reached: String,
    /// What it is to be; empty where the figure is for information.
    pub goal: String,
    /// Whether it is.
    pub met: Met,
}

/// Whether a goal is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Met {
    /// It is.
    Yes,
    /// It is not.
    No,
    /// There is none, or nothing to compare with.
    Unknown,
}

impl Met {
    /// As the comparison says.
    #[must_use]
    pub const fn of(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

/// A goal with these parts.
pub(crate) fn goal(what: &str, reached: String, goal: &str, met: Met) -> Goal {
    Goal { what: what.to_owned(), reached, goal: goal.to_owned(), met }
}

/// A part of the measurements that gives some goals.
type Part = fn(Extent, &str) -> io::Result<Vec<Goal>>;

/// Measures what the rounds do not. A part that fails is a row that says so.
pub fn measure(extent: Extent, program: &str, progress: &mut dyn FnMut(&str)) -> Vec<Goal> {
    let parts: [(&str, Part); 9] = [
        ("echo beside a flooding session", flow::echo_beside_a_flood),
        ("^C of a slow viewer", flow::interrupt),
        ("a viewer that stands still", flow::stalled),
        ("attach", attach::after_much),
        ("restart", attach::restart),
        ("idle sessions", load::idle),
        ("sessions after output", load::after_output),
        ("many sessions", load::many),
        ("instances", instances::measure),
    ];
    let mut goals = Vec::new();
    for (name, part) in parts {
        progress(name);
        let failed = |error| vec![goal(name, format!("failed: {error}"), "", Met::No)];
        let measured = part(extent, program).unwrap_or_else(failed);
        for Goal { what, reached, .. } in &measured {
            progress(&format!("  {what}: {reached}"));
        }
        goals.extend(measured);
    }
    goals
}

/// What the rounds say about the goals.
#[must_use]
pub fn of_rounds(rows: &[Row]) -> Vec<Goal> {
    let mut goals = Vec::new();
    let p50 = |echo: &Echo| echo.p50_us;
    for (name, reference, most) in
        [("quarterdeck, ws", "ref-ws", 1.35), ("quarterdeck, wss", "ref-wss", 1.40)]
    {
        let what = format!("echo p50, {name}, as a multiple of {reference}");
        let (one, two) = (echoes(rows, name, p50), echoes(rows, reference, p50));
        goals.push(ratio(&what, &one, &two, Side::Most(most)));
    }
    let what = "echo p50, holder alone (the hop), as a multiple of the raw PTY";
    let holder = echoes(rows, "holder alone", p50);
    goals.push(ratio(what, &holder, &echoes(rows, "raw PTY", p50), Side::Free));
    for name in ["quarterdeck, ws", "quarterdeck, wss"] {
        let what = format!("echo p99 quiet, {name}, as a multiple of its p50");
        let p99 = echoes(rows, name, |echo| echo.p99_us);
        goals.push(ratio(&what, &p99, &echoes(rows, name, p50), Side::Most(2.5)));
    }
    let lines = |row: &Row| row.lines.clone();
    let short = |row: &Row| row.short.clone();
    for (name, other, least) in [
        ("quarterdeck, ws", "raw PTY", 0.90),
        ("quarterdeck, wss", "raw PTY", 0.75),
        ("quarterdeck, ws", "ttyd", 1.25),
        ("quarterdeck, ws", "sshx", 1.35),
    ] {
        let what = format!("bulk, log lines, {name}, as a multiple of {other}");
        let (one, two) = (bulks(rows, name, lines), bulks(rows, other, lines));
        goals.push(ratio(&what, &one, &two, Side::Least(least)));
    }
    for name in ["quarterdeck, ws", "quarterdeck, wss"] {
        let what = format!("bulk, lines of 8 bytes, {name}, as a multiple of the raw PTY");
        let (one, two) = (bulks(rows, name, short), bulks(rows, "raw PTY", short));
        goals.push(ratio(&what, &one, &two, Side::Least(1.2)));
    }
    goals
}

/// What rounds of a relay and of the same behind a hub say.
#[must_use]
pub fn of_hub(rows: &[Row]) -> Vec<Goal> {
    let (hub, direct) = ("quarterdeck, ws to a hub", "quarterdeck, ws");
    let p50 = |name: &str| echoes(rows, name, |echo| echo.p50_us);
    let lines = |name: &str| bulks(rows, name, |row| row.lines.clone());
    let ratio_to = |what: &str, of: &dyn Fn(&str) -> Vec<f64>, other: &str, side| {
        ratio(&format!("{what}, as a multiple of {other}"), &of(hub), &of(other), side)
    };
    vec![
        ratio_to("echo p50 through a hub", &p50, direct, Side::Most(1.6)),
        ratio_to("echo p50 through a hub", &p50, "sshx", Side::Most(0.75)),
        ratio_to("echo p50 through a hub", &p50, "ref-ws", Side::Free),
        ratio_to("bulk, log lines, through a hub", &lines, direct, Side::Least(0.8)),
    ]
}

fn echoes(rows: &[Row], name: &str, of: impl Fn(&Echo) -> f64) -> Vec<f64> {
    let row = rows.iter().find(|row| row.name == name);
    row.map_or_else(Vec::new, |row| row.echo.iter().map(of).collect())
}

fn bulks(rows: &[Row], name: &str, of: impl Fn(&Row) -> Vec<Bulk>) -> Vec<f64> {
    let row = rows.iter().find(|row| row.name == name);
    row.map_or_else(Vec::new, |row| of(row).iter().map(|bulk| bulk.mb_per_s).collect())
}

/// On which side of a figure its goal lies.
#[derive(Debug, Clone, Copy)]
enum Side {
    Most(f64),
    Least(f64),
    Free,
}

/// Ratios of the same rounds, and whether their median is where it should be.
fn ratio(what: &str, values: &[f64], others: &[f64], side: Side) -> Goal {
    let ratios: Vec<f64> = values.iter().zip(others).map(|(one, two)| one / two).collect();
    let wanted = match side {
        Side::Most(most) => format!("at most {most}"),
        Side::Least(least) => format!("at least {least}"),
        Side::Free => String::new(),
    };
    if ratios.is_empty() {
        return goal(what, "not measured".to_owned(), &wanted, Met::Unknown);
    }
    let Spread { low, median, high } = Spread::of(&ratios);
    let met = match side {
        Side::Most(most) => Met::of(median <= most),
        Side::Least(least) => Met::of(median >= least),
        Side::Free => Met::Unknown,
    };
    goal(what, format!("{median:.2} [{low:.2}-{high:.2}]"), &wanted, met)
}

/// Median and quartiles of some times, in milliseconds.
pub(crate) fn spread_ms(times: &[Duration]) -> (f64, String) {
    let times: Vec<f64> = times.iter().map(|time| time.as_secs_f64() * 1e3).collect();
    let Spread { low, median, high } = Spread::of(&times);
    (median, format!("{median:.1} ms [{low:.1}-{high:.1}]"))
}

/// What a process holds of the memory's pages, in KiB: resident, and its share of what it shares.
pub(crate) fn memory_kib(pid: u32) -> (u64, u64) {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
    };
    (field("Rss:"), field("Pss:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_met_by_the_median_of_the_ratios_of_each_round() {
        let met = |values: &[f64], others: &[f64], side| ratio("it", values, others, side).met;
        assert_eq!(met(&[1.0, 2.0, 9.0], &[1.0, 2.0, 3.0], Side::Most(1.0)), Met::Yes);
        assert_eq!(met(&[1.0, 2.0, 9.0], &[1.0, 2.0, 3.0], Side::Least(1.1)), Met::No);
        assert_eq!(met(&[1.0], &[], Side::Most(1.0)), Met::Unknown);
    }
}
