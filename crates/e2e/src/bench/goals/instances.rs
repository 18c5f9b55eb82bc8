//! Instances: how soon a second one serves, how long it takes to list many, and how soon clients are back
//! after an upgrade.

use std::{
    fs, io,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use quarterdeck_core::link::STABLE_AFTER;

use super::{Extent, Goal, Met, goal, spread_ms};
use crate::harness::{
    instance::{Instance, qd_binary},
    terminal::Terminal,
};

/// Instances that are listed.
const RECORDS: usize = 50;

/// All figures; each run is a process of its own, as a person's would be.
///
/// # Errors
/// When `qd` does not do what it should.
pub fn measure(extent: Extent, _program: &str) -> io::Result<Vec<Goal>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(vec![second(extent)?, many(extent)?, runtime.block_on(upgrade(extent))?])
}

/// A terminal with `qd attach` while the relay is replaced by another one: from when the new one serves
/// until a key that was typed then is seen.
async fn upgrade(extent: Extent) -> io::Result<Goal> {
    let instance = Instance::new();
    qd(&instance, &["relay", "--background"])?;
    let mut times = Vec::new();
    for round in 0..extent.pick(8, 1) {
        let label = format!("cat-{round}");
        qd(&instance, &["run", "--detach", "--label", &label, "--", "cat"])?;
        let mut terminal = Terminal::qd(&instance, &["attach", &label]);
        terminal.type_keys(format!("ready {round}\r").as_bytes()).await;
        terminal.until_text(&format!("ready {round}\nready {round}")).await;
        // a younger link that is lost counts as one that flaps, and is given time
        tokio::time::sleep(STABLE_AFTER + Duration::from_millis(500)).await;
        qd(&instance, &["relay", "--replace", "--background"])?;
        let serves = Instant::now();
        terminal.type_keys(format!("back {round}\r").as_bytes()).await;
        terminal.until_text(&format!("back {round}\nback {round}")).await;
        times.push(serves.elapsed());
        qd(&instance, &["stop", &label, "--now"])?;
    }
    qd(&instance, &["down"])?;
    let (median, text) = spread_ms(&times);
    let what = "qd relay --replace: from its end until an attached terminal shows what is typed";
    Ok(goal(what, text, "1 s", Met::of(median < 1000.0)))
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
