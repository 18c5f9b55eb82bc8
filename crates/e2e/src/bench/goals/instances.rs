//! Instances: how soon a second one serves, and how long it takes to list many.

use std::{
    fs, io,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use super::{Extent, Goal, Met, goal, spread_ms};
use crate::harness::instance::{Instance, qd_binary};

/// Instances that are listed.
const RECORDS: usize = 50;

/// Both figures; each run is a process of its own, as a person's would be.
///
/// # Errors
/// When `qd` does not do what it should.
pub fn measure(extent: Extent, _program: &str) -> io::Result<Vec<Goal>> {
    Ok(vec![second(extent)?, many(extent)?])
}

fn second(extent: Extent) -> io::Result<Goal> {
    let instance = Instance::new();
    let mut times = Vec::new();
    qd(&instance, &["--instance", "first", "relay", "--background"])?;
    for round in 0..extent.pick(20, 3) {
        let name = format!("second-{round}");
        times.push(qd(&instance, &["--instance", &name, "relay", "--background"])?);
        qd(&instance, &["--instance", &name, "down"])?;
    }
    qd(&instance, &["--instance", "first", "down"])?;
    let (median, text) = spread_ms(&times);
    let what = "a second instance: from the command to its relay's readiness";
    Ok(goal(what, text, "200 ms", Met::of(median < 200.0)))
}

fn many(extent: Extent) -> io::Result<Goal> {
    let instance = Instance::new();
    qd(&instance, &["relay", "--background"])?;
    let record = fs::read(instance.directory().join("relay.json"))?;
    qd(&instance, &["down"])?;
    for number in 0..RECORDS {
        let directory = instance.state().join(format!("instances/i{number}"));
        fs::create_dir_all(directory.join("sessions"))?;
        fs::write(directory.join("relay.lock"), "")?;
        fs::write(directory.join("relay.json"), &record)?;
    }
    let runs = extent.pick(50, 5);
    let times: io::Result<Vec<Duration>> =
        (0..runs).map(|_| qd(&instance, &["instances"])).collect();
    let (median, text) = spread_ms(&times?);
    let what = "qd instances with 50 records, the whole process";
    Ok(goal(what, text, "50 ms", Met::of(median < 50.0)))
}

fn qd(instance: &Instance, words: &[&str]) -> io::Result<Duration> {
    let mut command = Command::new(qd_binary());
    command.args(words).env_clear().envs(instance.environment()).current_dir(instance.home());
    let begun = Instant::now();
    let output = command.stdin(Stdio::null()).output()?;
    let took = begun.elapsed();
    if output.status.success() {
        return Ok(took);
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(io::Error::other(format!("qd {}: {said}", words.join(" "))))
}
