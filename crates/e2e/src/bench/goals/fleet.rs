//! What a hub costs with many machines, how soon it answers, and how it comes back to them.

use std::{
    io,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use quarterdeck_protocol::method::{AttachRole, Empty, HubStatus, HubStatusResult};

use super::{
    Extent, Goal, Met, goal,
    load::{self, run_since, run_times},
    memory_kib, of_hub, spread_ms,
};
use crate::{
    bench::{
        client::{Connection, Over},
        measure,
        quarterdeck::Quarterdeck,
        relay::{BenchRelay, Security},
        rounds::{self, Plan},
        sshx::Sshx,
        systems::{RefWs, System},
    },
    harness::{
        client::Way,
        hub::Hub,
        instance::{Instance, qd_binary},
        simulated::SimulatedRelays,
        within_time,
    },
};

/// Sessions of one machine.
const SESSIONS: u16 = 20;
/// What the hub may take to have all of them again.
const AGAIN: Duration = Duration::from_secs(60);
/// Dials in one second at most: a herd would be all of them.
const HERD: usize = 60;

/// Figures for 50 machines, which have goals, and for 200 beside them.
///
/// # Errors
/// When there is no runtime.
pub fn measure(
    extent: Extent,
    program: &str,
    progress: &mut dyn FnMut(&str),
) -> io::Result<Vec<Goal>> {
    let mut goals = speed(extent, program, progress)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for machines in extent.pick([50, 200], [10, 20]) {
        progress(&format!("a hub with {machines} machines"));
        let measured = runtime.block_on(with_machines(extent, machines));
        for Goal { what, reached, .. } in &measured {
            progress(&format!("  {what}: {reached}"));
        }
        goals.extend(measured);
    }
    progress("a session that many watch through a hub");
    goals.extend(crowd(extent, program)?);
    Ok(goals)
}

/// A relay and the same behind a hub, in the same rounds.
fn speed(extent: Extent, program: &str, progress: &mut dyn FnMut(&str)) -> io::Result<Vec<Goal>> {
    let rounds = extent.pick(10, 2);
    let lines_bytes = extent.pick(60_000_000, 5_000_000);
    let plan = Plan { rounds, others: rounds, keys: 300, lines_bytes, short_bytes: 1_000_000 };
    let mut systems: Vec<Box<dyn System>> = vec![
        Box::new(RefWs::default()),
        Box::new(Quarterdeck::new(Over::Ws)),
        Box::new(Quarterdeck::new(Over::Hub)),
    ];
    systems.extend(Sshx::find()?.map(|sshx| Box::new(sshx) as Box<dyn System>));
    Ok(of_hub(&rounds::run(&mut systems, plan, program, progress)?))
}

async fn with_machines(extent: Extent, machines: u16) -> Vec<Goal> {
    let (here, relays) = (Instance::new(), SimulatedRelays::start(machines, SESSIONS));
    let hub = here.start_hub(&[]).await;
    let admin = Way::hub(&here).connect("bench").await;
    relays.add_to(&admin).await;
    until_linked(&here, machines).await;
    let mut goals = idle(extent, machines, &hub);
    goals.push(list(&here, machines));
    drop((admin, relays.take_dials()));
    hub.kill().await;
    let start = Instant::now();
    let hub = here.start_hub(&[]).await;
    until_linked(&here, machines).await;
    let took = start.elapsed();
    // the last dial is noted by another thread
    thread::sleep(Duration::from_millis(100));
    goals.push(again(machines, took, &relays.take_dials()));
    drop(hub);
    goals
}

/// Viewers of one session, as many as fifty browsers have.
const VIEWERS: u32 = 50;

/// One busy session that many watch through a hub.
///
/// # Errors
/// When something does not do what it should.
pub fn crowd(extent: Extent, program: &str) -> io::Result<Vec<Goal>> {
    let mut relay = BenchRelay::start(Security::Plain)?;
    relay.start_hub()?;
    let mut line = Connection::open(&relay, Over::Hub)?;
    let session = line.create(&measure::echo_program())?;
    line.attach_all(&session)?;
    measure::until_ready(&mut line)?;
    let keys = extent.pick(500, 100);
    measure::echo(&mut line, keys)?;
    let alone = measure::echo(&mut line, keys)?;
    watch(&relay, &session)?;
    let watched = measure::echo(&mut line, keys)?;
    let what = format!("{VIEWERS} viewers of one session through a hub: its echo p50, p99");
    let reached = format!(
        "{:.2} ms, {:.2} ms; with one viewer {:.2} ms, {:.2} ms",
        watched.p50_us / 1e3,
        watched.p99_us / 1e3,
        alone.p50_us / 1e3,
        alone.p99_us / 1e3
    );
    let mut goals = vec![goal(&what, reached, "", Met::Unknown)];
    goals.extend(crowd_in_a_flood(&relay, extent.pick(60_000_000, 5_000_000), program)?);
    Ok(goals)
}

/// Has all viewers watch a session until the relay ends.
fn watch(relay: &BenchRelay, session: &str) -> io::Result<()> {
    for _ in 0..VIEWERS {
        let mut viewer = Connection::open(relay, Over::Hub)?;
        viewer.attach_screen(session, AttachRole::Follow)?;
        thread::Builder::new().stack_size(256 * 1024).spawn(move || load::follow(&mut viewer))?;
    }
    Ok(())
}

fn crowd_in_a_flood(relay: &BenchRelay, bytes: u64, program: &str) -> io::Result<Vec<Goal>> {
    let hub = relay.hub_pid().ok_or(io::ErrorKind::NotFound)?;
    let flood = |watchers: fn(&BenchRelay, &str) -> io::Result<()>| {
        let mut owner = Connection::open(relay, Over::Unix)?;
        let session = owner.create(&measure::bulk_program(program, "lines", bytes))?;
        owner.attach_all(&session)?;
        measure::until_ready(&mut owner)?;
        watchers(relay, &session)?;
        let start = Instant::now();
        measure::bulk(&mut owner, bytes, bytes)?;
        io::Result::Ok(start.elapsed().as_secs_f64())
    };
    let (alone, before) = (flood(|_, _| Ok(()))?, memory_kib(hub).0);
    let watched = flood(watch)?;
    let grown = memory_kib(hub).0.saturating_sub(before);
    let what = format!("{VIEWERS} viewers of one flooding session through a hub");
    let time = format!("{:.2}; all of them and the rest share the processors", watched / alone);
    let each = grown / u64::from(VIEWERS);
    // a window each waits at most; what else has grown is the allocator's
    let met = Met::of(each <= 1024);
    Ok(vec![
        goal(
            &format!("{what}: time of the flood, as a multiple of that without"),
            time,
            "",
            Met::Unknown,
        ),
        goal(
            &format!("{what}: growth of the hub"),
            format!("{each} KiB each"),
            "1,024 KiB each",
            met,
        ),
    ])
}

/// Waits until the hub has all its links. Its own machine has no relay here.
async fn until_linked(here: &Instance, machines: u16) {
    let peer = Way::hub(here).connect("bench").await;
    let linked = async {
        while peer.call::<HubStatus>(&Empty {}).await.connected < u32::from(machines) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within_time(2 * AGAIN, "all machines are linked", linked).await;
}

fn has_goal(machines: u16, met: bool) -> Met {
    if machines <= 50 { Met::of(met) } else { Met::Unknown }
}

fn wanted(machines: u16, text: &'static str) -> &'static str {
    if machines <= 50 { text } else { "" }
}

fn idle(extent: Extent, machines: u16, hub: &Hub) -> Vec<Goal> {
    let HubStatusResult { pid, .. } = hub.status;
    // what is kept of the sessions is written meanwhile
    thread::sleep(Duration::from_secs(extent.pick(15, 2)));
    let mib = memory_kib(pid).0 as f64 / 1024.0;
    let (start, before) = (Instant::now(), run_times(&[pid]));
    thread::sleep(Duration::from_secs(extent.pick(60, 5)));
    let used = run_since(&before, &[pid]);
    let share = used.as_secs_f64() / start.elapsed().as_secs_f64() * 100.0;
    let what = |of: &str| format!("a hub with {machines} machines of {SESSIONS} sessions: {of}");
    vec![
        goal(
            &what("memory, resident"),
            format!("{mib:.1} MiB"),
            wanted(machines, "150 MiB"),
            has_goal(machines, mib < 150.0),
        ),
        goal(
            &what("processor time, idle"),
            format!("{share:.2} % of a core"),
            wanted(machines, "1 % of a core"),
            has_goal(machines, share < 1.0),
        ),
    ]
}

/// How long the command takes, from its start to its end.
fn list(here: &Instance, machines: u16) -> Goal {
    let time = |_| {
        let mut command = std::process::Command::new(qd_binary());
        command.arg("ls").env_clear().envs(here.environment()).current_dir(here.home());
        let start = Instant::now();
        let ran = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        ran.is_ok_and(|status| status.success()).then(|| start.elapsed())
    };
    let times: Vec<Duration> = (0..11).filter_map(time).collect();
    let (median, text) = spread_ms(&times);
    let what = format!("qd ls of all {} sessions", machines * SESSIONS);
    let met = times.len() == 11 && median < 100.0;
    goal(&what, text, wanted(machines, "100 ms"), has_goal(machines, met))
}

fn again(machines: u16, took: Duration, dials: &[Instant]) -> Goal {
    let in_a_second = |first: &Instant| {
        dials.iter().filter(|at| *at >= first && **at - *first < Duration::from_secs(1)).count()
    };
    let most = dials.iter().map(in_a_second).max().unwrap_or(0);
    let what = format!("hub of {machines} machines killed and started: all linked again");
    let reached =
        format!("{:.1} s, {} dials, at most {most} in any second", took.as_secs_f64(), dials.len());
    let met = took < AGAIN && most <= HERD && dials.len() <= usize::from(machines) * 3 / 2;
    goal(&what, reached, wanted(machines, "60 s, no herd"), has_goal(machines, met))
}
