//! Viewers that are slow or stand still, beside programs that flood.

use std::{
    fs, io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use quarterdeck_protocol::{ids::Out, method::AttachRole};

use super::{Extent, Goal, Met, goal, memory_kib, spread_ms};
use crate::{
    bench::{
        client::{Connection, Event, Over, Part},
        line::Line,
        measure,
        relay::{BenchRelay, Security},
        stats::Spread,
        systems::{RefWs, System as _},
    },
    processes::contains,
};

/// More than any of these programs writes before it is stopped.
const ENDLESS: u64 = 1 << 40;
/// Output that a slow viewer renders in a second.
const SLOW_BYTES_PER_S: f64 = 2e6;
/// Bytes of text in which a mark is looked for that came in two pieces.
const KEPT: usize = 64;

/// Echo of one session while another one floods and is watched.
pub(super) fn echo_beside_a_flood(extent: Extent, program: &str) -> io::Result<Vec<Goal>> {
    let relay = BenchRelay::start(Security::Plain)?;
    let mut viewer = Connection::open(&relay, Over::Ws)?;
    let flooding = viewer.create(&measure::bulk_program(program, "lines", ENDLESS))?;
    viewer.attach_screen(&flooding, AttachRole::Auto)?;
    let mut line = Connection::open(&relay, Over::Ws)?;
    let echoing = line.create(&measure::echo_program())?;
    line.attach_all(&echoing)?;
    measure::until_ready(&mut line)?;
    viewer.send(b"\r")?;
    // ends with the relay
    thread::Builder::new().spawn(move || watch(&mut viewer))?;
    let (p99, reached) = rounds_of_echo(&mut line, extent)?;
    let what = "echo p99 beside a flooding session that is watched at full speed";
    let ours = goal(what, reached, "1 ms", Met::of(p99 <= 1000.0));
    drop(relay);
    let what = "for comparison, what the machine gives: ref-ws beside another ref-ws that floods";
    let (_, reached) = rounds_of_reference(extent, program)?;
    Ok(vec![ours, goal(what, reached, "", Met::Unknown)])
}

/// Echo while something else floods already.
fn rounds_of_echo(line: &mut dyn Line, extent: Extent) -> io::Result<(f64, String)> {
    thread::sleep(Duration::from_millis(500));
    let (mut p50, mut p99) = (Vec::new(), Vec::new());
    for _ in 0..extent.pick(6, 2) {
        let echo = measure::echo(line, extent.pick(500, 100))?;
        p50.push(echo.p50_us);
        p99.push(echo.p99_us);
    }
    let (p50, p99) = (Spread::of(&p50), Spread::of(&p99));
    let Spread { low, median, high } = p99;
    let reached = format!("{median:.0} us [{low:.0}-{high:.0}]; p50 {:.0} us", p50.median);
    Ok((median, reached))
}

fn rounds_of_reference(extent: Extent, program: &str) -> io::Result<(f64, String)> {
    let (mut flooding, mut echoing) = (RefWs::default(), RefWs::default());
    let mut viewer = flooding.open(&measure::bulk_program(program, "lines", ENDLESS))?;
    let mut line = echoing.open(&measure::echo_program())?;
    measure::until_ready(viewer.as_mut())?;
    measure::until_ready(line.as_mut())?;
    viewer.send(b"\r")?;
    // ends with the server
    thread::Builder::new().spawn(move || {
        let mut seen = Vec::new();
        while viewer.receive(&mut seen).is_ok() {
            seen.clear();
        }
    })?;
    rounds_of_echo(line.as_mut(), extent)
}

/// Renders everything at once, until the relay is gone.
fn watch(viewer: &mut Connection) -> io::Result<()> {
    loop {
        if let Event::Out(_, out) | Event::Snap(_, out, _) = viewer.next_event()? {
            viewer.rendered(out)?;
        }
    }
}

/// How long a viewer that renders 2 MB/s sees a flood go on after its ^C.
pub(super) fn interrupt(extent: Extent, program: &str) -> io::Result<Vec<Goal>> {
    let relay = BenchRelay::start(Security::Plain)?;
    let mut times = Vec::new();
    for _ in 0..extent.pick(7, 2) {
        let script = format!(
            "trap : INT; {program} noecho print:ready line flood:lines:{ENDLESS}; printf the-end; \
             exec cat"
        );
        let words = ["/bin/sh", "-c", &script].map(str::to_owned);
        let mut viewer = Connection::open(&relay, Over::Ws)?;
        let session = viewer.create(&words)?;
        viewer.attach_screen(&session, AttachRole::Auto)?;
        measure::until_ready(&mut viewer)?;
        viewer.send(b"\r")?;
        let mut slow = Slow::default();
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(1500) {
            slow.step(&mut viewer)?;
        }
        let start = Instant::now();
        viewer.send(b"\x03")?;
        while !contains(&slow.last, measure::END) {
            slow.step(&mut viewer)?;
        }
        times.push(start.elapsed());
    }
    let (median, spread) = spread_ms(&times);
    let what = "^C in a flood, until a viewer that renders 2 MB/s sees the prompt";
    Ok(vec![goal(what, spread, "250 ms", Met::of(median <= 250.0))])
}

/// A viewer that takes its time.
#[derive(Default)]
struct Slow {
    /// The end of what stands on its screen.
    last: Vec<u8>,
}

impl Slow {
    fn step(&mut self, viewer: &mut Connection) -> io::Result<()> {
        let (Event::Out(bytes, out) | Event::Snap(bytes, out, _)) = viewer.next_event()? else {
            return Ok(());
        };
        thread::sleep(Duration::from_secs_f64(bytes.len() as f64 / SLOW_BYTES_PER_S));
        keep_last(&mut self.last, &bytes);
        viewer.rendered(out)
    }
}

fn keep_last(last: &mut Vec<u8>, bytes: &[u8]) {
    last.drain(..last.len().saturating_sub(KEPT));
    last.extend_from_slice(bytes);
}

/// A viewer that reads nothing for five seconds of a flood.
pub(super) fn stalled(extent: Extent, program: &str) -> io::Result<Vec<Goal>> {
    let bytes = extent.pick(200_000_000, 40_000_000);
    let relay = BenchRelay::start(Security::Plain)?;
    let alone = flood(&relay, program, bytes, Audience::Nobody)?;
    // what any viewer of a flood needs, and what the allocator keeps of it, is there after this
    flood(&relay, program, bytes, Audience::Reader)?;
    let mut viewer = Connection::open(&relay, Over::Ws)?;
    let before = memory_kib(relay.pid()).0;
    let beside = flood(&relay, program, bytes, Audience::Stalled(&mut viewer))?;
    if let Some(rest) = Duration::from_secs(5).checked_sub(beside) {
        thread::sleep(rest);
    }
    let grown = memory_kib(relay.pid()).0.saturating_sub(before);
    let resumed = resume(&mut viewer)?;
    let ratio = beside.as_secs_f64() / alone.as_secs_f64();
    let what = format!(
        "viewer stalled for 5 s in a flood of {} MB: time of the flood, as a multiple of that \
         without a viewer",
        bytes / 1_000_000
    );
    let after = resumed.took.as_secs_f64() * 1e3;
    Ok(vec![
        goal(
            &what,
            format!("{ratio:.2}"),
            "not blocked",
            // blocked would be until the viewer reads
            Met::of(ratio < 2.0),
        ),
        goal(
            "the same: right screen after it reads again",
            format!("{after:.1} ms"),
            "100 ms",
            Met::of(after <= 100.0),
        ),
        goal(
            "the same: bytes shown and bytes reported as skipped, of all",
            format!("{} + {} of {}", resumed.shown, resumed.skipped, resumed.end),
            "every byte",
            Met::of(resumed.shown + resumed.skipped == resumed.end),
        ),
        goal(
            "the same: growth of the relay, which had been through such a flood before",
            format!("{grown} KiB"),
            "1,024 KiB",
            Met::of(grown <= 1024),
        ),
    ])
}

/// Who is there when a program floods.
enum Audience<'a> {
    Nobody,
    /// Whoever started it reads all of it.
    Reader,
    /// Somebody who is attached and reads nothing.
    Stalled(&'a mut Connection),
}

/// Lets a program flood, and gives how long it took from the key that starts it.
fn flood(
    relay: &BenchRelay,
    program: &str,
    bytes: u64,
    audience: Audience<'_>,
) -> io::Result<Duration> {
    let mut owner = Connection::open(relay, Over::Unix)?;
    let name = match audience {
        Audience::Nobody => "alone",
        Audience::Reader => "read",
        Audience::Stalled(_) => "beside",
    };
    let file = relay.home().join(name);
    let (flood, touch) = (format!("flood:lines:{bytes}"), format!("touch:{}", file.display()));
    let words = [program, "noecho", "print:ready", "line", &flood, "print:the-end", &touch, "wait"];
    let session = owner.create(&words.map(str::to_owned))?;
    owner.attach_all(&session)?;
    measure::until_ready(&mut owner)?;
    if let Audience::Stalled(viewer) = audience {
        viewer.attach_screen(&session, AttachRole::Follow)?;
    } else if let Audience::Reader = audience {
        let start = Instant::now();
        measure::bulk(&mut owner, bytes, bytes)?;
        return Ok(start.elapsed());
    }
    let start = Instant::now();
    owner.send(b"\r")?;
    // the key is under way; who typed it does not look
    owner.receive(&mut Vec::new())?;
    drop(owner);
    until_there(&file)?;
    Ok(start.elapsed())
}

fn until_there(file: &Path) -> io::Result<()> {
    let start = Instant::now();
    while fs::metadata(file).is_err() {
        if start.elapsed() > Duration::from_secs(60) {
            return Err(io::Error::other("the program is blocked"));
        }
        thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

struct Resumed {
    took: Duration,
    shown: u64,
    skipped: u64,
    end: u64,
}

/// Reads on until the end is on the screen, counting what was shown and what was said to be missing.
fn resume(viewer: &mut Connection) -> io::Result<Resumed> {
    let start = Instant::now();
    let (mut shown, mut skipped, mut end) = (viewer.began().0, 0, Out(0));
    let mut last = Vec::new();
    loop {
        match viewer.next_event()? {
            Event::Out(bytes, out) => {
                shown += bytes.len() as u64;
                end = out;
                keep_last(&mut last, &bytes);
                viewer.rendered(out)?;
            }
            Event::Snap(bytes, out, part) => {
                end = out;
                keep_last(&mut last, &bytes);
                if part == Part::Last {
                    viewer.rendered(out)?;
                }
            }
            Event::Gap(bytes) => skipped += bytes,
            Event::Other => {}
        }
        if contains(&last, measure::END) {
            return Ok(Resumed { took: start.elapsed(), shown, skipped, end: end.0 });
        }
    }
}
