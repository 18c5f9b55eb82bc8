//! What sessions cost: memory, processor, and the echo of one among many.

use std::{
    collections::BTreeMap,
    fs, io,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use quarterdeck_protocol::method::AttachRole;

use super::{Extent, Goal, Met, goal, memory_kib};
use crate::{
    bench::{
        client::{Connection, Event, Over},
        measure,
        relay::{BenchRelay, Security},
        stats::Spread,
    },
    processes,
};

/// What the kernel calls holders.
const HOLDER_NAME: &str = "qd-holder";

/// Memory and processor of sessions in which nothing happens.
pub(super) fn idle(extent: Extent, _program: &str) -> io::Result<Vec<Goal>> {
    let count = 100;
    let relay = BenchRelay::start(Security::Plain)?;
    let mut starter = Connection::open(&relay, Over::Unix)?;
    // what the first session needs is there for good
    starter.create(&sleeping())?;
    thread::sleep(Duration::from_secs(1));
    let before = memory_kib(relay.pid()).0;
    for _ in 0..count {
        starter.create(&sleeping())?;
    }
    // the relay keeps a screen for half a minute after its last use
    thread::sleep(Duration::from_secs(extent.pick(40, 1)));
    let each = memory_kib(relay.pid()).0.saturating_sub(before) / count;
    let holders = holders(&relay);
    let pss =
        holders.iter().map(|pid| memory_kib(*pid).1).sum::<u64>() / holders.len().max(1) as u64;
    let all = [&holders[..], &[relay.pid()]].concat();
    let window = Duration::from_secs(extent.pick(15, 3));
    let (start, before) = (Instant::now(), run_times(&all));
    thread::sleep(window);
    let used = run_since(&before, &all);
    let share = used.as_secs_f64() / start.elapsed().as_secs_f64() * 100.0;
    Ok(vec![
        goal(
            "memory of an idle session (of 100): relay RSS, holder PSS",
            format!("{each} KiB, {pss} KiB"),
            "64 KiB, 400 KiB",
            Met::of(each <= 64 && pss <= 400),
        ),
        goal(
            "100 idle sessions: processor time of relay and holders",
            format!("{share:.3} % of a core"),
            "0.1 % of a core",
            Met::of(share <= 0.1),
        ),
    ])
}

/// Prints, as a shell prints its prompt, and waits.
fn sleeping() -> Vec<String> {
    ["/bin/sh", "-c", "echo ready; exec sleep 100000"].map(str::to_owned).to_vec()
}

fn holders(relay: &BenchRelay) -> Vec<u32> {
    let name = |pid: u32| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let all = processes::naming(relay.home());
    all.into_iter().filter(|pid| name(*pid).trim() == HOLDER_NAME).collect()
}

/// Time that each thread of some processes has run so far.
pub(super) fn run_times(pids: &[u32]) -> BTreeMap<PathBuf, Duration> {
    let threads = |pid: &u32| fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten();
    let ran = |entry: io::Result<fs::DirEntry>| {
        let thread = entry.ok()?.path();
        let text = fs::read_to_string(thread.join("schedstat")).ok()?;
        let nanoseconds = text.split(' ').next()?.parse().ok()?;
        Some((thread, Duration::from_nanos(nanoseconds)))
    };
    pids.iter().flat_map(threads).filter_map(ran).collect()
}

/// Time that they have run since then; threads that have ended meanwhile had nothing to do.
pub(super) fn run_since(before: &BTreeMap<PathBuf, Duration>, pids: &[u32]) -> Duration {
    let then = |thread: &PathBuf| before.get(thread).copied().unwrap_or_default();
    run_times(pids).iter().map(|(thread, ran)| ran.saturating_sub(then(thread))).sum()
}

/// Memory of sessions that have put out 10 MB each, right after it.
pub(super) fn after_output(_extent: Extent, program: &str) -> io::Result<Vec<Goal>> {
    let relay = BenchRelay::start(Security::Plain)?;
    let mut starter = Connection::open(&relay, Over::Unix)?;
    let output = |starter: &mut Connection| {
        let bytes = 10_000_000;
        let session = starter.create(&measure::bulk_program(program, "lines", bytes))?;
        let mut owner = Connection::open(&relay, Over::Unix)?;
        owner.attach_all(&session)?;
        measure::until_ready(&mut owner)?;
        measure::bulk(&mut owner, bytes, bytes).map(drop)
    };
    output(&mut starter)?;
    let (before, known) = (memory_kib(relay.pid()).0, holders(&relay));
    let count = 5;
    for _ in 0..count {
        output(&mut starter)?;
    }
    let relay_kib = memory_kib(relay.pid()).0.saturating_sub(before) / count;
    let new = holders(&relay).into_iter().filter(|pid| !known.contains(pid));
    let holder_kib = new.map(|pid| memory_kib(pid).1).sum::<u64>() / count;
    let what = "memory of a session right after 10 MB of output: relay RSS + holder PSS";
    let reached = format!("{relay_kib} + {holder_kib} KiB");
    Ok(vec![goal(what, reached, "2,048 KiB", Met::of(relay_kib + holder_kib <= 2048))])
}

/// Echo of a session that many follow, among many others.
pub(super) fn many(extent: Extent, _program: &str) -> io::Result<Vec<Goal>> {
    let (sessions, followers) = extent.pick((1000, 100), (100, 20));
    let relay = BenchRelay::start(Security::Plain)?;
    let mut starter = Connection::open(&relay, Over::Unix)?;
    for _ in 1..sessions {
        starter.create(&sleeping())?;
    }
    let mut line = Connection::open(&relay, Over::Ws)?;
    let session = line.create(&measure::echo_program())?;
    line.attach_all(&session)?;
    measure::until_ready(&mut line)?;
    for _ in 0..followers {
        let mut follower = Connection::open(&relay, Over::Ws)?;
        follower.attach_screen(&session, AttachRole::Follow)?;
        // ends with the relay
        thread::Builder::new().stack_size(256 * 1024).spawn(move || follow(&mut follower))?;
    }
    let (mut p50, mut p99) = (Vec::new(), Vec::new());
    for _ in 0..extent.pick(4, 2) {
        let echo = measure::echo(&mut line, extent.pick(500, 100))?;
        p50.push(echo.p50_us);
        p99.push(echo.p99_us);
    }
    let (p50, p99) = (Spread::of(&p50), Spread::of(&p99));
    let what =
        format!("{sessions} sessions on a relay, {followers} followers on one: its echo p99");
    let reached = format!(
        "{:.2} ms [{:.2}-{:.2}]; p50 {:.2} ms",
        p99.median / 1e3,
        p99.low / 1e3,
        p99.high / 1e3,
        p50.median / 1e3
    );
    Ok(vec![goal(&what, reached, "5 ms", Met::of(p99.median <= 5000.0))])
}

pub(super) fn follow(follower: &mut Connection) -> io::Result<()> {
    loop {
        if let Event::Out(_, out) | Event::Snap(_, out, _) = follower.next_event()? {
            follower.rendered(out)?;
        }
    }
}
