//! The launch of one holder: a request comes on a socket, everything is made ready, the answer goes
//! back, and the process that did it becomes the holder.
//!
//! A launch that fails leaves no process behind, and one whose asker has gone away before the program
//! runs is given up. Once the program runs it stays, whether or not the answer arrives: the log's
//! lock tells a later relay.

mod prepare;
mod wire;

pub(crate) use wire::{read_frame, write_frame};

use std::{
    fmt,
    fs::File,
    io::Read as _,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use quarterdeck_protocol::{
    holder::{LaunchAnswer, LaunchErrorCode, LaunchRequest},
    limits::{MAX_ARGV_ENV_BYTES, MAX_PATH_BYTES},
    record::SessionKind,
};

use self::prepare::Ready;
use crate::{agent::AgentOutput, control::Control, output::Output, socket, stdio::Stdio, sys};

/// How long a new process waits for the rest of its launch request. The relay writes it at once.
const REQUEST_PATIENCE: Duration = Duration::from_secs(10);
/// How long the answer may take to be written; it fits the empty socket.
const ANSWER_PATIENCE: Duration = Duration::from_secs(1);
/// Bytes of a launch request: a command line and its environment with JSON's quoting, and two paths.
pub(crate) const MAX_REQUEST_BYTES: usize = 2 * (MAX_ARGV_ENV_BYTES + 2 * MAX_PATH_BYTES);
/// Bytes of a launch answer: a sentence.
pub(crate) const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// Stack of the output thread; only touched pages count.
const OUTPUT_STACK_BYTES: usize = 256 * 1024;

/// What a holder's process finds around it. Read from the environment by whoever owns that (the
/// command line's config), so that tests and other callers can set it.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// `XDG_RUNTIME_DIR`: where the user's service manager is reached. Without it a holder stays in
    /// the control group of its relay.
    pub runtime_directory: Option<PathBuf>,
    /// The `busctl` to ask the service manager with; a bare name is looked up in `PATH`.
    pub busctl: PathBuf,
}

impl Default for Surroundings {
    /// No service manager.
    fn default() -> Self {
        Self { runtime_directory: None, busctl: PathBuf::from("busctl") }
    }
}

/// Why a launch failed: what the relay is told.
#[derive(Debug)]
pub(crate) struct LaunchFailure {
    code: LaunchErrorCode,
    message: String,
}

impl LaunchFailure {
    /// A sentence, completed by what the system says.
    pub(crate) fn new(code: LaunchErrorCode, sentence: &str, cause: impl fmt::Display) -> Self {
        Self { code, message: format!("{sentence}: {cause}") }
    }
    /// A sentence that says it all.
    pub(crate) fn plain(code: LaunchErrorCode, sentence: &str) -> Self {
        Self { code, message: sentence.to_owned() }
    }
}

/// Reads a launch request and serves it. The calling process is the holder from here on.
pub(crate) fn serve_launch(launch: UnixStream, surroundings: &Surroundings) -> u8 {
    match read_frame(&launch, MAX_REQUEST_BYTES, REQUEST_PATIENCE) {
        Ok(request) => run_holder(request, launch, surroundings),
        // whoever asked has gone, or never asked for anything
        Err(_) => EXIT_FAILED,
    }
}

/// Exit code of a holder that did its work.
const EXIT_DONE: u8 = 0;
/// Exit code of a holder that could not start, or lost its terminal.
const EXIT_FAILED: u8 = 1;

/// Starts the program, answers on `answer`, and holds the session until it has ended. Returns the
/// exit code of the process, which has done nothing else and does nothing else after.
///
/// The process must have a single thread, its own session, and no descriptors but its own.
#[must_use]
pub fn run_holder(request: LaunchRequest, answer: UnixStream, surroundings: &Surroundings) -> u8 {
    let directory = PathBuf::from(&request.directory);
    keep_panics(&directory);
    let name = match request.kind {
        SessionKind::Agent | SessionKind::RemoteControl => socket::AGENT_HOLDER_NAME,
        SessionKind::Terminal | SessionKind::Unknown => socket::TERMINAL_HOLDER_NAME,
    };
    // only `ps` and the check for agents read the name; the kernel takes any
    let _ = rustix::thread::set_name(name);
    let ready = match prepare::prepare(&request, &answer, surroundings) {
        Ok(ready) => ready,
        Err(LaunchFailure { code, message }) => {
            let failed = LaunchAnswer::Failed { code, message };
            let _ = write_frame(&answer, &failed, MAX_ANSWER_BYTES, ANSWER_PATIENCE);
            return EXIT_FAILED;
        }
    };
    let started =
        LaunchAnswer::Started { holder_pid: std::process::id(), program_pid: ready.program_pid() };
    // an asker that has gone finds the session by its lock
    let _ = write_frame(&answer, &started, MAX_ANSWER_BYTES, ANSWER_PATIENCE);
    drop((answer, request));
    sys::return_free_memory();
    hold(ready, &directory)
}

/// Runs both threads to their end.
fn hold(ready: Ready, directory: &Path) -> u8 {
    let Ready { parts, recorder, pipes, retention, exclusive: _exclusive } = ready;
    let thread = thread::Builder::new().stack_size(OUTPUT_STACK_BYTES);
    let shared = Arc::clone(&parts.shared);
    let spawned = match (&parts.stdio, pipes) {
        (Stdio::Terminal(terminal), _) => {
            let output = Output::new(Arc::clone(terminal), shared, recorder);
            thread.spawn(move || output.run())
        }
        (Stdio::Pipes { .. }, Some(pipes)) => {
            let output = AgentOutput::new(pipes, shared, recorder, retention);
            thread.spawn(move || output.run())
        }
        (Stdio::Pipes { .. }, None) => return EXIT_FAILED,
    };
    let Ok(output) = spawned else { return EXIT_FAILED };
    let mut control = Control::new(parts);
    if control.run().is_err() {
        // the output thread ends with the program; this process must not wait for that
        return EXIT_FAILED;
    }
    let recorded = output.join();
    // while the lock is held nobody else can have a socket there; when the driver sees the end, the
    // lock is free
    socket::remove(directory);
    let code = if matches!(recorded, Ok(Ok(_))) { EXIT_DONE } else { EXIT_FAILED };
    drop(recorded);
    drop(control);
    code
}

/// Why the holder of the session in `directory` died, if it had the time to say so: the text of a
/// panic, for the `lost` record and for whoever looks for the defect.
#[must_use]
pub fn last_words(directory: &Path) -> Option<String> {
    let mut words = String::new();
    let file = File::open(directory.join(PANIC_FILE)).ok()?;
    // one that is cut within a character is no text; what panics here says, is ASCII
    file.take(MAX_LAST_WORDS_BYTES).read_to_string(&mut words).ok()?;
    Some(words.trim().to_owned())
}

/// A panic in either thread ends the process at once, and is kept for whoever asks why the session
/// is lost: a half-working holder would be worse.
fn keep_panics(directory: &Path) {
    let file = directory.join(PANIC_FILE);
    std::panic::set_hook(Box::new(move |panic| {
        let _ = std::fs::write(&file, format!("{panic}\n"));
        sys::exit_now(EXIT_PANIC);
    }));
}

/// Where a holder that panicked says why.
const PANIC_FILE: &str = "holder-panic";
/// Bytes of its text that are read.
const MAX_LAST_WORDS_BYTES: u64 = 2048;
/// Exit code of a holder that panicked.
const EXIT_PANIC: u8 = 101;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_of_a_holder_are_short_and_may_be_missing() {
        let directory = tempfile::tempdir().expect("a directory");
        assert_eq!(last_words(directory.path()), None);
        let file = directory.path().join(PANIC_FILE);
        std::fs::write(&file, "panicked at x.rs:1:1\n").expect("written");
        assert_eq!(last_words(directory.path()).as_deref(), Some("panicked at x.rs:1:1"));
        std::fs::write(&file, "x".repeat(100_000)).expect("written");
        assert!(last_words(directory.path()).is_some_and(|words| words.len() == 2048));
    }
}
