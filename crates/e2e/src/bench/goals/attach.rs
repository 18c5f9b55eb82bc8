//! Coming back: to a session with much behind it, and to a relay that was killed.

use std::{
    io,
    time::{Duration, Instant},
};

use quarterdeck_protocol::method::AttachRole;
use quarterdeck_screen::{Screen, Size, Snapshot};

use super::{Extent, Goal, Met, goal, spread_ms};
use crate::bench::{
    client::{Connection, Event, Over, Part},
    line::Line as _,
    measure,
    relay::{BenchRelay, Security},
};
use crate::processes::contains;

const SIZE: Size = Size { cols: 80, rows: 24 };
/// Attaches of which the median counts.
const ATTACHES: usize = 15;
/// What a reattach may take and send.
const MOST_MS: f64 = 10.0;
const MOST_BYTES: u64 = 64 * 1024;

/// Attaches after 10 MB, 100 MB and 1 GB of output.
pub(super) fn after_much(extent: Extent, program: &str) -> io::Result<Vec<Goal>> {
    let sizes: &[u64] = extent.pick(&[10, 100, 1000], &[10]);
    sizes.iter().map(|megabytes| after(*megabytes, program)).collect()
}

fn after(megabytes: u64, program: &str) -> io::Result<Goal> {
    let relay = BenchRelay::start(Security::Plain)?;
    let session = flooded(&relay, program, megabytes * 1_000_000)?;
    // right after the flood the terminal model may have something to catch up with
    let first = attach_once(&relay, &session)?;
    let mut times = Vec::new();
    let mut bytes = 0;
    for _ in 0..ATTACHES {
        let once = attach_once(&relay, &session)?;
        times.push(once.took);
        bytes = bytes.max(once.bytes);
    }
    let (median, spread) = spread_ms(&times);
    let what = format!("reattach after {megabytes} MB: connect to right screen, bytes sent");
    let first = first.took.as_secs_f64() * 1e3;
    let reached = format!("{spread}, {bytes} B (the first, right after the flood: {first:.1} ms)");
    Ok(goal(&what, reached, "10 ms, 65,536 B", Met::of(median <= MOST_MS && bytes <= MOST_BYTES)))
}

/// A session that has put out so much, and shows its end.
fn flooded(relay: &BenchRelay, program: &str, bytes: u64) -> io::Result<String> {
    let mut owner = Connection::open(relay, Over::Unix)?;
    let session = owner.create(&measure::bulk_program(program, "lines", bytes))?;
    owner.attach_all(&session)?;
    measure::until_ready(&mut owner)?;
    measure::bulk(&mut owner, bytes, bytes)?;
    Ok(session)
}

/// One attach.
struct Once {
    took: Duration,
    bytes: u64,
}

fn attach_once(relay: &BenchRelay, session: &str) -> io::Result<Once> {
    let start = Instant::now();
    let mut viewer = Connection::open(relay, Over::Ws)?;
    let drawing = draw(&mut viewer, session, AttachRole::Follow)?;
    let took = start.elapsed();
    let text = shown(drawing).text();
    if !text.trim_end().ends_with("the-end") || text.lines().count() < 24 {
        return Err(io::Error::other(format!("the screen is wrong: {text}")));
    }
    Ok(Once { took, bytes: viewer.received })
}

/// Attaches and gives the bytes that draw the screen.
fn draw(viewer: &mut Connection, session: &str, role: AttachRole) -> io::Result<Vec<u8>> {
    viewer.attach_screen(session, role)?;
    let mut drawing = Vec::new();
    loop {
        if let Event::Snap(bytes, _, part) = viewer.next_event()? {
            drawing.extend(bytes);
            if part == Part::Last {
                return Ok(drawing);
            }
        }
    }
}

fn shown(bytes: Vec<u8>) -> Screen {
    Screen::restore(&Snapshot { size: SIZE, bytes, exact: true })
}

/// Kills a relay with many live sessions and starts it again.
pub(super) fn restart(extent: Extent, program: &str) -> io::Result<Vec<Goal>> {
    let count = extent.pick(200, 20);
    let mut relay = BenchRelay::start(Security::Plain)?;
    let mut starter = Connection::open(&relay, Over::Unix)?;
    let mut sessions = Vec::new();
    for number in 0..count {
        let screen = format!("print:\\e[1;32mscreen {number}.");
        let words = [program, "raw", &screen, "echo", "wait"].map(str::to_owned);
        sessions.push(starter.create(&words)?);
    }
    let drawn = |relay: &BenchRelay, number: usize, session: &str| {
        let mut viewer = Connection::open(relay, Over::Unix)?;
        let text = shown(draw(&mut viewer, session, AttachRole::Follow)?).text();
        Ok::<bool, io::Error>(text.trim_end() == format!("screen {number}."))
    };
    // all of them have drawn before it is killed
    for (number, session) in sessions.iter().enumerate() {
        while !drawn(&relay, number, session)? {}
    }
    let ready = relay.restart()?;
    let start = Instant::now();
    let mut right = 0;
    for (number, session) in sessions.iter().enumerate() {
        right += usize::from(drawn(&relay, number, session)?);
    }
    let screens = start.elapsed().as_secs_f64() * 1e3;
    let what = format!("relay killed and started with {count} live sessions: ready; screens right");
    let reached = format!(
        "{:.0} ms; {right} of {count}, all attached to within {screens:.0} ms more",
        ready.as_secs_f64() * 1e3
    );
    let met = Met::of(ready.as_secs_f64() <= 2.0 && right == count);
    let mut goals = vec![goal(&what, reached, "2 s; all", met)];
    goals.push(typed_at_once(&relay, &sessions[0])?);
    Ok(goals)
}

/// A key into a session of a relay that has just started.
fn typed_at_once(relay: &BenchRelay, session: &str) -> io::Result<Goal> {
    let mut owner = Connection::open(relay, Over::Ws)?;
    draw(&mut owner, session, AttachRole::Auto)?;
    let start = Instant::now();
    owner.send(b"K")?;
    let mut seen = Vec::new();
    while !contains(&seen, b"K") {
        owner.receive(&mut seen)?;
    }
    let took = start.elapsed().as_secs_f64() * 1e3;
    let what = "the first key after that: echo";
    Ok(goal(what, format!("{took:.1} ms"), "", Met::Unknown))
}
