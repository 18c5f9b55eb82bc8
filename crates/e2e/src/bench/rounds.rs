//! Rounds that go round all systems, so that each meets the same moods of the machine.

use std::io;

use super::{
    measure::{self, Bulk, Echo},
    systems::System,
};

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Rounds.
    pub rounds: usize,
    /// In how many of them, the first ones, the systems of others take part: some are slow.
    pub others: usize,
    /// Keys of one round.
    pub keys: usize,
    /// Text of log lines in one round, in bytes.
    pub lines_bytes: u64,
    /// Text of short lines in one round, in bytes.
    pub short_bytes: u64,
}

/// What one system showed.
#[derive(Debug)]
pub struct Row {
    /// The system.
    pub name: &'static str,
    /// Keystroke echo, one per round.
    pub echo: Vec<Echo>,
    /// Log lines, one per round; none where no program runs.
    pub lines: Vec<Bulk>,
    /// Short lines.
    pub short: Vec<Bulk>,
    /// Why there is less than there should be.
    pub failed: Option<String>,
}

impl Row {
    fn take(&mut self, echo: Echo, bulk: Option<[Bulk; 2]>) {
        self.echo.push(echo);
        if let Some([lines, short]) = bulk {
            self.lines.push(lines);
            self.short.push(short);
        }
    }
}

/// Measures all systems.
///
/// # Errors
/// When a system fails that is not optional; a table with holes would be read as one without.
pub fn run(
    systems: &mut [Box<dyn System>],
    plan: Plan,
    program: &str,
    progress: &mut dyn FnMut(&str),
) -> io::Result<Vec<Row>> {
    let empty = |system: &dyn System| {
        let (echo, lines, short) = (Vec::new(), Vec::new(), Vec::new());
        Row { name: system.name(), echo, lines, short, failed: None }
    };
    let mut rows: Vec<Row> = systems.iter().map(|system| empty(system.as_ref())).collect();
    for round in 0..plan.rounds {
        // another order each time: who comes after whom must not matter
        for step in 0..systems.len() {
            let index = (step + round) % systems.len();
            let (system, row) = (systems[index].as_mut(), &mut rows[index]);
            let rests = system.is_optional() && round >= plan.others;
            if row.failed.is_some() || rests {
                continue;
            }
            progress(&format!("round {} of {}: {}", round + 1, plan.rounds, row.name));
            let measured = match measure_one(system, plan, program) {
                // what is another's may get stuck now and then
                Err(error) if system.is_optional() => {
                    progress(&format!("{}: {error}; once more", row.name));
                    measure_one(system, plan, program)
                }
                measured => measured,
            };
            match measured {
                Ok((echo, bulk)) => row.take(echo, bulk),
                Err(error) if system.is_optional() => row.failed = Some(error.to_string()),
                Err(error) => return Err(io::Error::other(format!("{}: {error}", row.name))),
            }
        }
    }
    Ok(rows)
}

fn measure_one(
    system: &mut dyn System,
    plan: Plan,
    program: &str,
) -> io::Result<(Echo, Option<[Bulk; 2]>)> {
    let mut line = system.open(&measure::echo_program())?;
    if system.runs_programs() {
        measure::until_ready(line.as_mut())?;
    }
    // the first keys find cold caches
    measure::echo(line.as_mut(), plan.keys / 10 + 1)?;
    let echo = measure::echo(line.as_mut(), plan.keys)?;
    drop(line);
    if !system.runs_programs() {
        return Ok((echo, None));
    }
    let mut bulk = |kind: &str, bytes: u64, line_bytes: u64| {
        let mut line = system.open(&measure::bulk_program(program, kind, bytes))?;
        measure::until_ready(line.as_mut())?;
        // the terminal puts a carriage return before each line feed
        let expected = bytes + bytes / line_bytes;
        measure::bulk(line.as_mut(), bytes, expected)
    };
    let lines = bulk("lines", plan.lines_bytes, 66)?;
    let short = bulk("short", plan.short_bytes, 8)?;
    Ok((echo, Some([lines, short])))
}
