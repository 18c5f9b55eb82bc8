//! The tables, and their place in `docs/performance.md`.

use std::{fmt::Write, fs, io, path::Path};

use super::{
    goals::{Goal, Met},
    rounds::{Plan, Row},
    stats::Spread,
};

/// Places in the page, each between two marks of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Side by side, what is to be reached, over a wide network.
    Main,
    /// What is said of the hub.
    Hub,
    /// What is said of mail.
    Mail,
}

impl Place {
    const fn marks(self) -> [&'static str; 2] {
        match self {
            Self::Main => ["<!-- bench: begin -->", "<!-- bench: end -->"],
            Self::Hub => ["<!-- bench of the hub: begin -->", "<!-- bench of the hub: end -->"],
            Self::Mail => ["<!-- bench of mail: begin -->", "<!-- bench of mail: end -->"],
        }
    }
}

/// The system that ratios are taken to.
const REFERENCE: &str = "ref-ws";

/// The table of the goals, in Markdown.
#[must_use]
pub fn goals(goals: &[Goal]) -> String {
    let mut text = String::from("| What | Reached | Goal | |\n|---|---|---|---|\n");
    for Goal { what, reached, goal, met } in goals {
        let (goal, mark) = match met {
            Met::Yes => (goal.as_str(), "reached"),
            Met::No => (goal.as_str(), "**missed**"),
            Met::Unknown if goal.is_empty() => ("-", "-"),
            Met::Unknown => (goal.as_str(), "-"),
        };
        let _ = writeln!(text, "| {what} | {reached} | {goal} | {mark} |");
    }
    text
}

/// The table of all systems, in Markdown, and of those that are not there.
#[must_use]
pub fn table(rows: &[Row], missing: &[(&str, &str)], plan: Plan, machine: &str) -> String {
    let mut text = String::new();
    let Plan { rounds, others, keys, lines_bytes, short_bytes } = plan;
    // writing to a String does not fail
    let _ = writeln!(
        text,
        "{machine}. {rounds} rounds (systems of others: the first {others}); in each {keys} keys, \
         {lines} MB of log lines and {short} MB of short lines per system. Median of the rounds \
         [quartiles]; `x` = ratio to {REFERENCE} of the same round.\n",
        lines = lines_bytes / 1_000_000,
        short = short_bytes / 1_000_000,
    );
    let _ = writeln!(
        text,
        "| System | Echo p50, us | p99, us | x p50 | Log lines, MB/s | x | bytes per message | \
         Short lines, MB/s | x |\n|---|---|---|---|---|---|---|---|---|"
    );
    let reference = rows.iter().find(|row| row.name == REFERENCE);
    for row in rows {
        let _ = writeln!(text, "{}", table_row(row, reference));
    }
    for (name, why) in missing {
        let _ = writeln!(text, "| {name} | {why} | | | | | | | |");
    }
    text
}

fn table_row(row: &Row, reference: Option<&Row>) -> String {
    if let (Some(why), true) = (&row.failed, row.echo.is_empty()) {
        return format!("| {} | failed: {why} | | | | | | | |", row.name);
    }
    let p50 = |row: &Row| row.echo.iter().map(|echo| echo.p50_us).collect::<Vec<_>>();
    let p99: Vec<f64> = row.echo.iter().map(|echo| echo.p99_us).collect();
    let lines = |row: &Row| row.lines.iter().map(|bulk| bulk.mb_per_s).collect::<Vec<_>>();
    let short = |row: &Row| row.short.iter().map(|bulk| bulk.mb_per_s).collect::<Vec<_>>();
    let message: Vec<f64> = row.lines.iter().map(|bulk| bulk.bytes_per_message).collect();
    let share: Vec<f64> = row.lines.iter().map(|bulk| bulk.share).collect();
    // systems that redraw do not send all that the terminal gave out
    let redraws = !share.is_empty() && Spread::of(&share).median < 0.99;
    let name = if redraws { format!("{} (redraws)", row.name) } else { row.name.to_owned() };
    let to_reference = |of: &dyn Fn(&Row) -> Vec<f64>| {
        reference.map_or_else(Vec::new, |reference| ratios(&of(row), &of(reference)))
    };
    format!(
        "| {name} | {} | {} | {} | {} | {} | {} | {} | {} |",
        spread(&p50(row), 0),
        spread(&p99, 0),
        spread(&to_reference(&p50), 2),
        spread(&lines(row), 1),
        spread(&to_reference(&lines), 2),
        median(&message),
        spread(&short(row), 1),
        spread(&to_reference(&short), 2),
    )
}

fn ratios(values: &[f64], reference: &[f64]) -> Vec<f64> {
    values.iter().zip(reference).map(|(value, reference)| value / reference).collect()
}

fn spread(values: &[f64], digits: usize) -> String {
    if values.is_empty() {
        return "-".to_owned();
    }
    let Spread { low, median, high } = Spread::of(values);
    format!("{median:.digits$} [{low:.digits$}-{high:.digits$}]")
}

fn median(values: &[f64]) -> String {
    if values.is_empty() { "-".to_owned() } else { format!("{:.0}", Spread::of(values).median) }
}

/// Processor, cores, kernel and load of this machine.
#[must_use]
pub fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or("?");
    format!("{model}, {cores} cores, Linux {}, load before {load}", kernel.trim())
}

/// Puts the table between its marks in a page.
///
/// # Errors
/// When the page cannot be read or written, or has no marks.
pub fn write(page: &Path, place: Place, table: &str) -> io::Result<()> {
    let text = fs::read_to_string(page)?;
    let replaced = replace_marked(&text, place, table)
        .ok_or_else(|| io::Error::other(format!("{} has no marks", page.display())))?;
    fs::write(page, replaced)
}

fn replace_marked(text: &str, place: Place, table: &str) -> Option<String> {
    let [begin, end] = place.marks();
    let (before, rest) = text.split_once(begin)?;
    let (_, after) = rest.split_once(end)?;
    Some(format!("{before}{begin}\n{table}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::measure::{Bulk, Echo};

    fn row(name: &'static str, p50_us: f64, mb_per_s: f64) -> Row {
        let bulk = Bulk { mb_per_s, share: 1.0, bytes_per_message: 4000.0 };
        let echo = vec![Echo { p50_us, p99_us: 2.0 * p50_us }];
        Row { name, echo, lines: vec![bulk], short: vec![bulk], failed: None }
    }

    #[test]
    fn ratios_are_to_the_reference_of_the_same_round() {
        let rows = [row("ref-ws", 100.0, 50.0), row("other", 150.0, 25.0)];
        let plan = Plan { rounds: 1, others: 1, keys: 1, lines_bytes: 1, short_bytes: 1 };
        let table = table(&rows, &[("gone", "not installed")], plan, "a machine");
        let other = table.lines().rev().nth(1).expect("has rows");
        assert!(other.contains("| 1.50 [1.50-1.50] |"), "{other}");
        assert!(other.contains("| 0.50 [0.50-0.50] |"), "{other}");
        assert!(table.contains("| gone | not installed |"), "{table}");
    }

    #[test]
    fn only_what_is_marked_is_replaced() {
        let page = "a\n<!-- bench: begin -->\nold\n<!-- bench: end -->\nz\n";
        let expected = "a\n<!-- bench: begin -->\nnew\n<!-- bench: end -->\nz\n";
        let replaced = |page| replace_marked(page, Place::Main, "new\n");
        assert_eq!(replaced(page).as_deref(), Some(expected));
        assert_eq!(replaced("a"), None);
        assert_eq!(replace_marked(page, Place::Hub, "new\n"), None);
    }
}
