//! What a holder costs: memory, echo latency, bulk throughput, each beside its raw limit in the same
//! run. Compare the ratios; the absolute figures are the machine's.
//!
//! `cargo run --release -p quarterdeck-holder --example holder_bench [memory|echo|bulk|all [QD]]`

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::{fd::AsFd as _, unix::net::UnixStream},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use pty_process::blocking::Pty;
use quarterdeck_holder::{
    launch::{Surroundings, run_holder},
    log::{LogReader, Next},
    socket,
    zygote::{self, Zygote},
};
use quarterdeck_protocol::record::Position;
use quarterdeck_protocol::{
    holder::{HelloRequest, Input, LaunchAnswer, LaunchRequest, Message, StopRequest, op},
    ids::{ClientId, Epoch, Generation, Incarnation, InputNumber, SessionId},
    record::{SessionKind, TerminalSize},
};

type Outcome<T> = Result<T, Box<dyn Error>>;
/// One part of the benchmark: what it needs is a zygote and a directory.
type Part = fn(&Zygote, &Path) -> Outcome<()>;

const IDLE_SESSIONS: u8 = 100;
const ROUNDS: usize = 8;
const KEYS_PER_ROUND: usize = 500;
const BULK_BYTES: u64 = 20_000_000;
const BULK_ROUNDS: u8 = 9;
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let outcome = match std::env::args().nth(1).as_deref() {
        Some("zygote") => serve_as_zygote(),
        Some("lone") => serve_alone(),
        part => measure(part.unwrap_or("all")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("failed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve_as_zygote() -> Outcome<()> {
    Ok(zygote::run(&io::stdin(), &Surroundings::default())?)
}

/// The alternative to a fork: a process of its own that runs the same binary.
fn serve_alone() -> Outcome<()> {
    let stream = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut text = String::new();
    BufReader::new(&stream).read_line(&mut text)?;
    let request: LaunchRequest = serde_json::from_str(&text)?;
    match run_holder(request, stream, &Surroundings::default()) {
        0 => Ok(()),
        code => Err(format!("the holder ended with {code}").into()),
    }
}

/// `part` is `memory`, `echo`, `bulk` or `all`.
fn measure(part: &str) -> Outcome<()> {
    let room = tempfile::tempdir()?;
    let zygote = Zygote::start(zygote_command()?)?;
    let parts: [(&str, Part); 3] = [("memory", memory), ("echo", echo), ("bulk", bulk)];
    let wanted = parts.iter().filter(|(name, _)| part == "all" || part == *name);
    wanted.into_iter().try_for_each(|(_, run)| run(&zygote, room.path()))
}

/// This program, or the `qd` that the second argument names: holders of a larger binary share more.
fn zygote_command() -> Outcome<Command> {
    let (program, word) = match std::env::args_os().nth(2) {
        Some(qd) => (PathBuf::from(qd), "holder-zygote"),
        None => (std::env::current_exe()?, "zygote"),
    };
    let mut command = Command::new(program);
    command.arg(word);
    Ok(command)
}

// ---- sessions ----

struct Session {
    directory: PathBuf,
    holder_pid: u32,
}

fn request(room: &Path, id: u8, script: &str) -> Outcome<LaunchRequest> {
    let directory = room.join(format!("{id}-{}", script.len()));
    fs::create_dir_all(&directory)?;
    Ok(LaunchRequest {
        directory: directory.to_string_lossy().into_owned(),
        session: SessionId::from_bytes([id; 10]),
        kind: SessionKind::Terminal,
        incarnation: Incarnation(1),
        argv: ["sh", "-c", script].map(str::to_owned).to_vec(),
        argv0: None,
        // about what a login shell has
        env: (0..40).map(|n| (format!("VARIABLE_{n}"), "x".repeat(60))).collect::<BTreeMap<_, _>>(),
        cwd: "/".to_owned(),
        size: TerminalSize { cols: 80, rows: 24, xpixel: 0, ypixel: 0 },
        started_by: None,
        record_input: false,
        keep_bytes: 256 * 1024 * 1024,
        notes: Vec::new(),
        exclusive: None,
    })
}

fn launch(zygote: &Zygote, request: &LaunchRequest) -> Outcome<Session> {
    match zygote.launch(request, PATIENCE)? {
        LaunchAnswer::Started { holder_pid, .. } => {
            Ok(Session { directory: PathBuf::from(&request.directory), holder_pid })
        }
        LaunchAnswer::Failed { message, .. } => Err(message.into()),
    }
}

struct Driver {
    stream: UnixStream,
    received: Vec<u8>,
}

impl Driver {
    fn connect(session: &Session) -> Outcome<Self> {
        let stream = socket::connect(&session.directory)?;
        let mut driver = Self { stream, received: Vec::new() };
        let hello = HelloRequest { generation: Generation(1), protocol: 1 };
        driver.send(op::HELLO, &serde_json::to_vec(&hello)?)?;
        driver.hear(|op, _| op == op::OK)?;
        Ok(driver)
    }

    fn send(&mut self, op: u8, body: &[u8]) -> Outcome<()> {
        let mut bytes = Vec::new();
        Message { op, request: 1, body }.encode(&mut bytes);
        Ok(self.stream.write_all(&bytes)?)
    }

    fn hear(&mut self, wanted: impl Fn(u8, &[u8]) -> bool) -> Outcome<()> {
        loop {
            while let Some((message, size)) = Message::parse(&self.received)? {
                let found = wanted(message.op, message.body);
                self.received.drain(..size);
                if found {
                    return Ok(());
                }
            }
            let mut chunk = [0; 16 * 1024];
            let count = self.stream.read(&mut chunk)?;
            if count == 0 {
                return Err("the holder has closed".into());
            }
            self.received.extend_from_slice(&chunk[..count]);
        }
    }

    fn hear_out(&mut self, out: u64) -> Outcome<()> {
        self.hear(|op, body| {
            op == op::HEAD && Position::parse(body).is_some_and(|h| h.out.0 >= out)
        })
    }

    fn stop(mut self) -> Outcome<()> {
        let stop = StopRequest { rung_ms: 0, now: true };
        self.send(op::STOP, &serde_json::to_vec(&stop)?)?;
        // it closes when the end is recorded
        while self.stream.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {}
        Ok(())
    }
}

// ---- memory ----

#[derive(Debug, Default, Clone, Copy)]
struct Memory {
    rss_kib: u64,
    pss_kib: u64,
    private_kib: u64,
}

fn memory_of(pid: u32) -> Outcome<Memory> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let field = |name: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
    };
    let private_kib = field("Private_Dirty:") + field("Private_Clean:");
    Ok(Memory { rss_kib: field("Rss:"), pss_kib: field("Pss:"), private_kib })
}

fn report_memory(name: &str, pids: &[u32]) -> Outcome<()> {
    let mut sum = Memory::default();
    for pid in pids {
        let one = memory_of(*pid)?;
        sum.rss_kib += one.rss_kib;
        sum.pss_kib += one.pss_kib;
        sum.private_kib += one.private_kib;
    }
    let count = pids.len() as u64;
    let Memory { rss_kib, pss_kib, private_kib } = sum;
    println!(
        "memory  {name}: {count} idle holders, each RSS {} KiB, PSS {} KiB, private {} KiB",
        rss_kib / count,
        pss_kib / count,
        private_kib / count
    );
    Ok(())
}

fn memory(zygote: &Zygote, room: &Path) -> Outcome<()> {
    let script = "exec sleep 100000";
    let mut sessions = Vec::new();
    let began = Instant::now();
    for id in 0..IDLE_SESSIONS {
        sessions.push(launch(zygote, &request(&room.join("forked"), id, script)?)?);
    }
    let each = began.elapsed() / u32::from(IDLE_SESSIONS);
    println!("launch  forked: {} us each, one after the other", each.as_micros());
    let pids: Vec<_> = sessions.iter().map(|session| session.holder_pid).collect();
    report_memory("forked from the zygote", &pids)?;
    stop_all(&sessions)?;

    let mut sessions = Vec::new();
    let began = Instant::now();
    for id in 0..IDLE_SESSIONS {
        sessions.push(launch_alone(&request(&room.join("executed"), id, script)?)?);
    }
    let each = began.elapsed() / u32::from(IDLE_SESSIONS);
    println!("launch  executed: {} us each, one after the other", each.as_micros());
    let pids: Vec<_> = sessions.iter().map(|session| session.holder_pid).collect();
    report_memory("same binary executed", &pids)?;
    stop_all(&sessions)
}

fn stop_all(sessions: &[Session]) -> Outcome<()> {
    sessions.iter().try_for_each(|session| Driver::connect(session)?.stop())
}

fn launch_alone(request: &LaunchRequest) -> Outcome<Session> {
    let (ours, theirs) = UnixStream::pair()?;
    let mut command = Command::new(std::env::current_exe()?);
    let child = command.arg("lone").stdin(std::os::fd::OwnedFd::from(theirs)).spawn()?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    (&ours).write_all(&line)?;
    let mut len = [0; 4];
    (&ours).read_exact(&mut len)?;
    Ok(Session { directory: PathBuf::from(&request.directory), holder_pid: child.id() })
}

// ---- echo ----

/// Half of the samples are below the first, 99 % below the second.
fn percentiles(samples: &mut [Duration]) -> (f64, f64) {
    samples.sort_unstable();
    let at = |part: usize| samples[samples.len() * part / 100].as_secs_f64() * 1e6;
    (at(50), at(99))
}

const ECHOING: &str = "stty raw -echo; printf r; exec cat";

fn echo(zygote: &Zygote, room: &Path) -> Outcome<()> {
    let session = launch(zygote, &request(room, 200, ECHOING)?)?;
    let mut driver = Driver::connect(&session)?;
    let mut log = LogReader::open(&session.directory)?;
    let (mut bare, _child) = bare_terminal(ECHOING)?;
    bare.read_exact(&mut [0])?;
    let (near, far) = UnixStream::pair()?;
    let answerer = std::thread::spawn(move || answer_pings(far));

    let (mut bares, mut holders, mut hops) = (Vec::new(), Vec::new(), Vec::new());
    let mut n = 0;
    driver.hear_out_or_there(&session, 1)?;
    for _ in 0..ROUNDS {
        for _ in 0..KEYS_PER_ROUND {
            hops.push(timed(|| ping(&near))?);
        }
        for _ in 0..KEYS_PER_ROUND {
            bares.push(timed(|| {
                bare.write_all(b"x")?;
                Ok(bare.read_exact(&mut [0])?)
            })?);
        }
        for _ in 0..KEYS_PER_ROUND {
            n += 1;
            holders.push(timed(|| {
                driver.send(op::INPUT, &input(n))?;
                driver.hear_out(n + 1)?;
                read_up_to(&mut log, n + 1)
            })?);
        }
    }
    drop(near);
    answerer.join().map_err(|_| "the answering thread failed")?;
    let ((hop, hop99), (raw, raw99)) = (percentiles(&mut hops), percentiles(&mut bares));
    let (held, held99) = percentiles(&mut holders);
    println!("echo    unix socket round trip: p50 {hop:.1} us, p99 {hop99:.1} us");
    println!("echo    bare PTY: p50 {raw:.1} us, p99 {raw99:.1} us");
    println!(
        "echo    holder, input to byte read from the log: p50 {held:.1} us, p99 {held99:.1} us"
    );
    println!(
        "echo    holder / bare PTY = {:.2}; holder - bare = {:.2} hops",
        held / raw,
        (held - raw) / hop
    );
    driver.stop()
}

impl Driver {
    /// The first bytes may have been recorded before the hello.
    fn hear_out_or_there(&mut self, session: &Session, out: u64) -> Outcome<()> {
        let state = quarterdeck_holder::log::scan_state(&session.directory)?.state;
        if state.next().out.0 >= out { Ok(()) } else { self.hear_out(out) }
    }
}

fn timed(run: impl FnOnce() -> Outcome<()>) -> Outcome<Duration> {
    let began = Instant::now();
    run()?;
    Ok(began.elapsed())
}

fn input(n: u64) -> Vec<u8> {
    let client = ClientId::from_bytes([1; 16]);
    let mut body = Vec::new();
    Input { client, epoch: Epoch(0), n: InputNumber(n), bytes: b"x" }.encode(&mut body);
    body
}

fn read_up_to(log: &mut LogReader, out: u64) -> Outcome<()> {
    while log.position().out.0 < out {
        if let Next::AwaitMore = log.next()? {
            return Err("the log is behind its head".into());
        }
    }
    Ok(())
}

fn ping(mut near: &UnixStream) -> Outcome<()> {
    near.write_all(b"x")?;
    Ok(near.read_exact(&mut [0])?)
}

fn answer_pings(mut far: UnixStream) {
    let mut byte = [0];
    while far.read_exact(&mut byte).is_ok() && far.write_all(&byte).is_ok() {}
}

fn bare_terminal(script: &str) -> Outcome<(Pty, std::process::Child)> {
    let (master, slave) = pty_process::blocking::open()?;
    let command = pty_process::blocking::Command::new("sh").args(["-c", script]);
    let child = command.spawn(slave)?;
    Ok((master, child))
}

// ---- bulk ----

fn bulk(zygote: &Zygote, room: &Path) -> Outcome<()> {
    for (name, line) in [("log lines", LOG_LINE), ("short lines", "1234567\n")] {
        let path = room.join("lines");
        let lines = BULK_BYTES / line.len() as u64;
        fs::write(&path, line.repeat(usize::try_from(lines)?))?;
        // the terminal makes two bytes of each line's end
        let out = lines * (line.len() as u64 + 1);
        let script = format!("read go; exec cat {}", path.display());
        let (mut bares, mut holders, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        let (mut bare_ticks, mut held_ticks) = (0, 0);
        for round in 0..BULK_ROUNDS {
            let (bare, ticks) = bulk_bare(&script, out)?;
            bare_ticks += ticks;
            let (held, ticks) = bulk_held(zygote, &request(room, 210 + round, &script)?, out)?;
            held_ticks += ticks;
            ratios.push(held / bare);
            bares.push(bare);
            holders.push(held);
        }
        let (bare, held) = (median(&mut bares), median(&mut holders));
        let ratio = median(&mut ratios);
        println!(
            "bulk    {name}: bare PTY {bare:.1} MB/s, holder {held:.1} MB/s, ratio {ratio:.2}"
        );
        // a tick is 10 ms
        let per_gb = |ticks: u64| ticks * 10_000_000_000 / (out * u64::from(BULK_ROUNDS));
        let (bare, held) = (per_gb(bare_ticks), per_gb(held_ticks));
        println!("bulk    {name}: CPU of the bare reader {bare} ms per GB, of the holder {held}");
    }
    Ok(())
}

/// CPU time that a process has used, in ticks.
fn cpu_ticks(pid: &str) -> Outcome<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').ok_or("no name")?;
    let fields: Vec<_> = fields.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
    Ok(number(11).ok_or("no user time")? + number(12).ok_or("no system time")?)
}

const LOG_LINE: &str = "2026-01-01T00:00:00 INFO request served path=/v1/items status=200\n";

fn median(samples: &mut [f64]) -> f64 {
    samples.sort_unstable_by(f64::total_cmp);
    samples[samples.len() / 2]
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn rate(bytes: u64, since: Instant) -> f64 {
    bytes as f64 / 1e6 / since.elapsed().as_secs_f64()
}

/// MB/s, and the reader's CPU time.
fn bulk_bare(script: &str, out: u64) -> Outcome<(f64, u64)> {
    let (mut master, _child) = bare_terminal(script)?;
    let before = cpu_ticks("self")?;
    let began = Instant::now();
    master.write_all(b"\n")?;
    let mut buffer = vec![0; 64 * 1024];
    let mut seen = 0;
    // the echo of the line end comes first
    while seen < out + 2 {
        seen += master.read(&mut buffer)? as u64;
    }
    Ok((rate(out, began), cpu_ticks("self")? - before))
}

/// The same through a holder, to the last head.
fn bulk_held(zygote: &Zygote, request: &LaunchRequest, out: u64) -> Outcome<(f64, u64)> {
    fs::remove_dir_all(&request.directory)?;
    fs::create_dir_all(&request.directory)?;
    let session = launch(zygote, request)?;
    let mut driver = Driver::connect(&session)?;
    let began = Instant::now();
    let client = ClientId::from_bytes([1; 16]);
    let mut body = Vec::new();
    Input { client, epoch: Epoch(0), n: InputNumber(1), bytes: b"\n" }.encode(&mut body);
    driver.send(op::INPUT, &body)?;
    driver.hear_out(out + 2)?;
    let rate = rate(out, began);
    let ticks = cpu_ticks(&session.holder_pid.to_string())?;
    driver.stop()?;
    Ok((rate, ticks))
}
