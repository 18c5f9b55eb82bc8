//! Everything between a launch request and a running program, in an order in which a failure leaves
//! nothing behind that a retry would trip over.

use std::{
    fs::File,
    io::Read as _,
    os::unix::{fs::OpenOptionsExt as _, net::UnixStream},
    path::Path,
    sync::Arc,
};

use quarterdeck_protocol::{
    holder::{LaunchErrorCode, LaunchRequest},
    ids::{Incarnation, LogId, Seq},
    limits::{MAX_ARGV_ENV_BYTES, MAX_ARGV_WORDS, MAX_TERMINAL_CELLS_PER_SIDE},
    record::{Fact, Lost, Note, RawJson, RecordKind, SessionKind, Start},
};
use rustix::{
    event::{PollFd, PollFlags, Timespec},
    fs::FlockOperation,
    io::Errno,
    process::{Signal, WaitOptions},
};

use super::{LaunchFailure, Surroundings};
use crate::{
    control::{HANDLED_SIGNALS, Identity, InputRecording, Parts},
    input::InputLedger,
    log::{
        Append, Class, LogLock, LogOptions, LogWriter, NewLog, OpenError, Opened, ReadError,
        scan_state,
    },
    memory::MemoryWatch,
    pipes::Pipes,
    processes::Spare,
    program::Program,
    recorder::{NotRecorded, Recorder, Retention, now_micros},
    scope::{self, ScopeError},
    shared::{Known, Shared},
    socket,
    stdio::Stdio,
    sys::SignalFd,
    terminal::Terminal,
};

/// A holder that only has to be run.
pub(super) struct Ready {
    pub(super) parts: Parts,
    pub(super) recorder: Recorder<LogWriter>,
    /// An agent's streams.
    pub(super) pipes: Option<Pipes>,
    pub(super) retention: Retention,
    /// Locked while it is open.
    pub(super) exclusive: Option<File>,
}

/// What a terminal is told before another program writes to it: leave the alternate screen, reset
/// modes (DECSTR, mouse, paste, keypad), margins and pen, and begin a line at the bottom. Recorded as
/// output, so that everyone who replays the log sees the same screen.
const FRESH_TERMINAL: &[u8] =
    b"\x1b[?1049l\x1b[!p\x1b[?1000;1002;1003;1004;1005;1006;2004l\x1b[?1l\x1b>\
\x1b[?7h\x1b[?25h\x1b[r\x1b[0m\x1b[9999;1H\r\n";

impl Ready {
    pub(super) fn program_pid(&self) -> u32 {
        pid_number(&self.parts.stdio)
    }
}

pub(super) fn prepare(
    request: &LaunchRequest,
    asker: &UnixStream,
    surroundings: &Surroundings,
) -> Result<Ready, LaunchFailure> {
    check(request)?;
    let directory = Path::new(&request.directory);
    let log = open_log(request, directory)?;
    let listener = socket::listen(directory)
        .map_err(|error| storage("the session's socket cannot be made", error))?;
    let identity = Identity {
        session: request.session,
        log_id: log.log_id(),
        incarnation: request.incarnation,
        input_recording: if request.record_input {
            InputRecording::On
        } else {
            InputRecording::Off
        },
    };
    let facts = log.state().facts();
    let inputs = InputLedger::resumed(&facts.inputs);
    let known = Known { head: log.head(), lease: facts.lease.clone(), ..Known::default() };
    let shared =
        Arc::new(Shared::new(known).map_err(|error| system("no event can be made", error))?);
    let exclusive = lock_exclusive(request)?;
    // nothing of an agent's log is dropped before the relay says what it has computed from it
    let pinned_from = match request.kind {
        SessionKind::Agent => Some(Seq(0)),
        SessionKind::Terminal | SessionKind::RemoteControl | SessionKind::Unknown => None,
    };
    let retention = Retention { keep_bytes: request.keep_bytes, pinned_from };
    let mut recorder = Recorder::new(log, Arc::clone(&shared), retention);

    // orphans of the program come to this process, so that they can be counted and stopped
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(|error| system("this process cannot adopt orphans", error))?;
    // before the program starts, so that all it starts is in the scope too
    let scope = scope::enter(request.session, surroundings);
    check_asker(asker)?;
    let memory = MemoryWatch::start(Path::new("/"));
    let (stdio, pipes) = start_program(request, &shared)?;
    let (group, refused) = match scope {
        Ok(group) => (group, None),
        Err(error) => (None, Some(error)),
    };
    if let Some(group) = &group {
        // outside of it the program is only found by looking for it
        let _ = group.adopt(stdio.leader());
    }
    let signals =
        after_start(request, &stdio, &mut recorder, refused).inspect_err(|_| undo(&stdio))?;
    let spare = match request.kind {
        SessionKind::Terminal => Spare::Daemons,
        SessionKind::Agent | SessionKind::RemoteControl | SessionKind::Unknown => Spare::Nobody,
    };
    let program = Program::new(stdio.leader(), memory, spare).in_group(group);
    let size = request.size;
    let parts = Parts { identity, shared, stdio, size, listener, signals, program, inputs };
    Ok(Ready { parts, recorder, pipes, retention, exclusive })
}

fn start_program(
    request: &LaunchRequest,
    shared: &Arc<Shared>,
) -> Result<(Stdio, Option<Pipes>), LaunchFailure> {
    match request.kind {
        SessionKind::Terminal | SessionKind::RemoteControl => {
            Ok((Stdio::Terminal(Arc::new(Terminal::start(request)?)), None))
        }
        SessionKind::Agent => {
            let pipes = Pipes::start(request)?;
            let stdio = Stdio::Pipes { leader: pipes.leader(), shared: Arc::clone(shared) };
            Ok((stdio, Some(pipes)))
        }
        SessionKind::Unknown => {
            let sentence = "this holder does not know the kind of the session";
            Err(LaunchFailure::plain(LaunchErrorCode::System, sentence))
        }
    }
}

/// Locks the file that no two programs may have at a time.
fn lock_exclusive(request: &LaunchRequest) -> Result<Option<File>, LaunchFailure> {
    let Some(path) = &request.exclusive else { return Ok(None) };
    let file = File::options().create(true).write(true).truncate(false).mode(0o600).open(path);
    let file = file.map_err(|error| storage("the conversation cannot be locked", error))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(Errno::WOULDBLOCK) => {
            let sentence = "another session has this conversation of the agent open";
            Err(LaunchFailure::plain(LaunchErrorCode::InUse, sentence))
        }
        Err(error) => Err(storage("the conversation cannot be locked", error)),
    }
}

/// What needs the program's pid. On failure the program is ended.
fn after_start(
    request: &LaunchRequest,
    stdio: &Stdio,
    recorder: &mut Recorder<LogWriter>,
    no_scope: Option<ScopeError>,
) -> Result<SignalFd, LaunchFailure> {
    let signals = SignalFd::block(&HANDLED_SIGNALS)
        .map_err(|error| system("signals cannot be watched", error))?;
    // a program that ended before its signal was watched is found all the same
    rustix::process::kill_process(rustix::process::getpid(), Signal::CHILD)
        .map_err(|error| system("signals cannot be sent", error))?;
    let start = Start {
        incarnation: request.incarnation,
        session: request.session,
        argv: request.argv.clone(),
        cwd: request.cwd.clone(),
        env_names: request.env.keys().cloned().collect(),
        size: request.size,
        kind: request.kind,
        pid: pid_number(stdio),
        started_by: request.started_by.clone(),
        boot_id: boot_id(),
    };
    let (kind, payload) = Fact::Start(Box::new(start)).encode();
    recorder.record_payload(kind, &payload, Class::Vital).map_err(not_recorded)?;
    for note in &request.notes {
        let (kind, payload) = Fact::Note(note.clone()).encode();
        recorder.record_payload(kind, &payload, Class::Vital).map_err(not_recorded)?;
    }
    if request.incarnation > Incarnation(1) && request.kind != SessionKind::Agent {
        // the screen of the earlier program stays above, its modes do not; a full disk may drop it
        let _ = recorder.record_payload(RecordKind::Output, FRESH_TERMINAL, Class::Bulk);
    }
    if let Some(error) = no_scope
        && let Ok(body) = RawJson::from_value(&error.to_string())
    {
        // only said for people; `qd doctor` finds out by itself
        let _ = recorder.record(&Fact::Note(Note { topic: "scope".to_owned(), body }));
    }
    Ok(signals)
}

fn check(request: &LaunchRequest) -> Result<(), LaunchFailure> {
    let command = |sentence: &str| Err(LaunchFailure::plain(LaunchErrorCode::Command, sentence));
    let words = request.argv.iter().map(String::len);
    let env = request.env.iter().map(|(name, value)| name.len() + value.len() + 2);
    let side = 1..=MAX_TERMINAL_CELLS_PER_SIDE;
    if !Path::new(&request.directory).is_absolute() {
        let sentence = "the session's directory is no absolute path";
        return Err(LaunchFailure::plain(LaunchErrorCode::Storage, sentence));
    }
    if request.argv.first().is_none_or(String::is_empty) {
        return command("the command line is empty");
    }
    if request.argv.len() > MAX_ARGV_WORDS || words.chain(env).sum::<usize>() > MAX_ARGV_ENV_BYTES {
        return command("the command line and its environment are too long");
    }
    if !side.contains(&request.size.cols) || !side.contains(&request.size.rows) {
        let sentence = "the terminal's size is out of range";
        return Err(LaunchFailure::plain(LaunchErrorCode::System, sentence));
    }
    Ok(())
}

fn open_log(request: &LaunchRequest, directory: &Path) -> Result<LogWriter, LaunchFailure> {
    let locked = LogLock::try_acquire(directory)
        .map_err(|error| storage("the session's directory cannot be used", error))?;
    let Some(lock) = locked else {
        let sentence = "another holder runs this session";
        return Err(LaunchFailure::plain(LaunchErrorCode::Locked, sentence));
    };
    // an earlier holder's, told long ago
    let _ = std::fs::remove_file(directory.join(super::PANIC_FILE));
    let options = LogOptions::default();
    let first = request.incarnation <= Incarnation(1);
    // an earlier launch may have failed after it made the log
    if first && matches!(scan_state(directory), Err(ReadError::NoLog(_))) {
        let LaunchRequest { session, kind, size, .. } = *request;
        let log_id = random_log_id().map_err(|error| system("no random bytes", error))?;
        let new = NewLog { log_id, session, kind, size };
        return LogWriter::create(lock, &new, options, now_micros()).map_err(not_opened);
    }
    let Opened { mut writer, damage: _, cut: _ } =
        LogWriter::open(lock, options).map_err(not_opened)?;
    let facts = writer.state().facts();
    if facts.session != request.session || facts.incarnation >= request.incarnation {
        let sentence = "the log in the session's directory is not the one to go on with";
        return Err(LaunchFailure::plain(LaunchErrorCode::Storage, sentence));
    }
    if facts.ended.is_none() && facts.incarnation > Incarnation(0) {
        // every start has one end: the earlier holder did not live to record it
        let lost = Fact::Lost(Lost { why: "the holder died".to_owned() });
        match writer.append_fact(&lost, Class::Vital, now_micros()) {
            Ok(Append::Done(_)) => {}
            Ok(Append::DiskFull) => return Err(not_recorded(NotRecorded::DiskFull)),
            Err(error) => return Err(not_recorded(error.into())),
        }
    }
    Ok(writer)
}

/// Gives up when whoever asked has hung up: it has told its own client that nothing runs.
fn check_asker(asker: &UnixStream) -> Result<(), LaunchFailure> {
    let mut polled = [PollFd::new(asker, PollFlags::RDHUP)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    match rustix::event::poll(&mut polled, Some(&now)) {
        Ok(1) => Err(LaunchFailure::plain(LaunchErrorCode::System, "the asker has gone")),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Ends a program whose session cannot be held.
fn undo(stdio: &Stdio) {
    let _ = rustix::process::kill_process_group(stdio.leader(), Signal::KILL);
    let _ = rustix::process::waitpid(Some(stdio.leader()), WaitOptions::empty());
}

fn not_opened(error: OpenError) -> LaunchFailure {
    storage("the session's log cannot be opened", error)
}

fn not_recorded(error: NotRecorded) -> LaunchFailure {
    storage("the start cannot be recorded", error)
}

fn storage(sentence: &str, error: impl std::fmt::Display) -> LaunchFailure {
    LaunchFailure::new(LaunchErrorCode::Storage, sentence, error)
}

fn system(sentence: &str, error: impl std::fmt::Display) -> LaunchFailure {
    LaunchFailure::new(LaunchErrorCode::System, sentence, error)
}

fn random_log_id() -> std::io::Result<LogId> {
    let mut bytes = [0; LogId::LEN];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(LogId::from_bytes(bytes))
}

/// Tells this boot from others; empty where the kernel does not say.
fn boot_id() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

fn pid_number(stdio: &Stdio) -> u32 {
    stdio.leader().as_raw_nonzero().get().unsigned_abs()
}
