//! The program that tests run inside sessions: a list of [`Step`]s, given as words of its command line.
//!
//! `e2e-program raw record:/tmp/in emit:lines:7:1000000 wait` sets raw mode, records all input to a
//! file from now on, emits a million bytes of a known stream and waits to be killed.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    str::FromStr,
    thread,
    time::{Duration, Instant},
};

use rustix::{
    process::Signal,
    termios::{self, LocalModes, OptionalActions},
};

use crate::streams::{KnownStream, StreamKind};

/// One thing the program does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// `raw`: the terminal passes every byte both ways as it is.
    Raw,
    /// `noecho`: lines as usual, but not echoed, as when a password is asked for.
    NoEcho,
    /// `print:TEXT`: writes; knows `\e \r \n \a \\ \xHH`.
    Print(Vec<u8>),
    /// `emit:KIND:SEED:BYTES[:RATE]`: writes a known stream; `inf` bytes = until killed; bytes a second.
    Emit {
        /// Which stream.
        stream: KnownStream,
        /// How much of it; `None` = without end.
        bytes: Option<u64>,
        /// How fast; `None` = as fast as it is taken.
        rate: Option<u64>,
    },
    /// `flood:KIND:BYTES`: writes so much text as fast as it is taken, its line ends left to the terminal.
    Flood {
        /// What the text looks like.
        kind: StreamKind,
        /// How much of it.
        bytes: u64,
    },
    /// `line`: waits for a line of input.
    Line,
    /// `record:FILE`: from now on appends all input to a file.
    Record(PathBuf),
    /// `echo`: from now on writes all input back.
    Echo,
    /// `sizes:FILE`: from now on appends `COLS ROWS` to a file at each change of size, and at once.
    Sizes(PathBuf),
    /// `env:FILE`: writes its environment, working directory and arguments to a file.
    Env(PathBuf),
    /// `touch:FILE`: makes a file, as a sign to the test.
    Touch(PathBuf),
    /// `gate:FIFO`: waits until the test opens the FIFO for writing.
    Gate(PathBuf),
    /// `pid:FILE`: writes its process id to a file.
    Pid(PathBuf),
    /// `ignore:TERM,HUP`: goes on with these signals ignored.
    Ignore(String),
    /// `daemon:FILE`: leaves a process in a session of its own that ignores HUP; its id goes to a file.
    Daemon(PathBuf),
    /// `child:FILE`: starts a child in its own process group; its id goes to a file.
    Child(PathBuf),
    /// `setsid`: leaves the terminal.
    Setsid,
    /// `wait`: until it is killed.
    Wait,
    /// `mcp-asker`: serves as [`crate::asker`] until its input ends.
    McpAsker,
    /// `forward:FROM>TO`: serves as [`crate::forward`] until it is killed.
    Forward(String),
    /// `exit:CODE`.
    Exit(u8),
    /// `die:SIGNAL`: sends itself a signal by name.
    Die(Signal),
}

/// A word that is no step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no step of this program")]
pub struct UnknownStep(pub String);

impl FromStr for Step {
    type Err = UnknownStep;
    fn from_str(word: &str) -> Result<Self, UnknownStep> {
        let unknown = || UnknownStep(word.to_owned());
        let (name, rest) = word.split_once(':').unwrap_or((word, ""));
        let path = || PathBuf::from(rest);
        Ok(match name {
            "raw" => Self::Raw,
            "noecho" => Self::NoEcho,
            "print" => Self::Print(unescape(rest).ok_or_else(unknown)?),
            "emit" => parse_emit(rest).ok_or_else(unknown)?,
            "flood" => parse_flood(rest).ok_or_else(unknown)?,
            "line" => Self::Line,
            "record" => Self::Record(path()),
            "echo" => Self::Echo,
            "sizes" => Self::Sizes(path()),
            "env" => Self::Env(path()),
            "touch" => Self::Touch(path()),
            "gate" => Self::Gate(path()),
            "pid" => Self::Pid(path()),
            "ignore" => Self::Ignore(rest.to_owned()),
            "daemon" => Self::Daemon(path()),
            "child" => Self::Child(path()),
            "setsid" => Self::Setsid,
            "mcp-asker" => Self::McpAsker,
            "forward" => Self::Forward(rest.to_owned()),
            "wait" => Self::Wait,
            "exit" => Self::Exit(rest.parse().map_err(|_| unknown())?),
            "die" => Self::Die(signal(rest).ok_or_else(unknown)?),
            _ => return Err(unknown()),
        })
    }
}

fn parse_emit(rest: &str) -> Option<Step> {
    let mut fields = rest.split(':');
    let kind: StreamKind = fields.next()?.parse().ok()?;
    let seed = fields.next()?.parse().ok()?;
    let bytes = match fields.next()? {
        "inf" => None,
        number => Some(number.parse().ok()?),
    };
    let rate = fields.next().map(str::parse).transpose().ok()?;
    Some(Step::Emit { stream: KnownStream::new(kind, seed), bytes, rate })
}

fn parse_flood(rest: &str) -> Option<Step> {
    let (kind, bytes) = rest.split_once(':')?;
    Some(Step::Flood { kind: kind.parse().ok()?, bytes: bytes.parse().ok()? })
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes().iter();
    while let Some(&byte) = rest.next() {
        let byte = match byte {
            b'\\' => match rest.next()? {
                b'e' => 0x1b,
                b'r' => b'\r',
                b'n' => b'\n',
                b'a' => 7,
                b'\\' => b'\\',
                b'x' => {
                    let digits = [*rest.next()?, *rest.next()?];
                    u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
                }
                _ => return None,
            },
            other => other,
        };
        bytes.push(byte);
    }
    Some(bytes)
}

fn signal(name: &str) -> Option<Signal> {
    Some(match name {
        "TERM" => Signal::TERM,
        "INT" => Signal::INT,
        "HUP" => Signal::HUP,
        "KILL" => Signal::KILL,
        "ABRT" => Signal::ABORT,
        _ => return None,
    })
}

/// Runs the steps that stand in the words of a command line, and gives the exit code.
///
/// # Errors
/// What a step's system call said.
///
/// # Panics
/// When a word is no step: the test that wrote it is wrong.
pub fn run(words: &[String]) -> io::Result<u8> {
    let steps: Vec<Step> =
        words.iter().map(|word| word.parse().unwrap_or_else(|e| panic!("{e}"))).collect();
    for (index, step) in steps.into_iter().enumerate() {
        match step {
            Step::Raw => change_termios(|modes| modes.make_raw())?,
            Step::NoEcho => change_termios(|modes| modes.local_modes.remove(LocalModes::ECHO))?,
            Step::Print(bytes) => write_out(&bytes)?,
            Step::Emit { stream, bytes, rate } => emit(stream, bytes, rate)?,
            Step::Flood { kind, bytes } => flood(kind, bytes)?,
            Step::Line => drop(io::stdin().read_line(&mut String::new())?),
            Step::Record(file) => start_copy(append(&file)?)?,
            Step::Echo => start_copy(io::stdout())?,
            Step::Sizes(file) => start_sizes(append(&file)?)?,
            Step::Env(file) => std::fs::write(file, describe_self()?)?,
            Step::Touch(file) => drop(File::create(file)?),
            Step::Gate(fifo) => drop(File::open(fifo)?),
            Step::Pid(file) => std::fs::write(file, std::process::id().to_string())?,
            Step::Ignore(signals) => return Err(go_on_ignoring(&signals, &words[index + 1..])),
            Step::Daemon(file) => leave(&["setsid", "ignore:HUP"], &file)?,
            Step::Child(file) => leave(&[], &file)?,
            Step::Setsid => drop(rustix::process::setsid()?),
            Step::McpAsker => crate::asker::serve(io::stdin().lock(), io::stdout().lock())?,
            Step::Forward(words) => crate::forward::serve(&words)?,
            Step::Wait => wait(),
            Step::Exit(code) => return Ok(code),
            Step::Die(signal) => {
                rustix::process::kill_process(rustix::process::getpid(), signal)?;
                wait();
            }
        }
    }
    Ok(0)
}

fn wait() {
    loop {
        thread::park();
    }
}

fn write_out(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

fn append(file: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(file)
}

fn change_termios(change: impl FnOnce(&mut termios::Termios)) -> io::Result<()> {
    let stdin = io::stdin();
    let mut modes = termios::tcgetattr(&stdin)?;
    change(&mut modes);
    termios::tcsetattr(&stdin, OptionalActions::Now, &modes)?;
    Ok(())
}

/// Bytes written at once at most; what a pipe or terminal takes in one go anyway.
const EMIT_BYTES: u64 = 16 * 1024;

fn emit(stream: KnownStream, bytes: Option<u64>, rate: Option<u64>) -> io::Result<()> {
    let end = bytes.unwrap_or(u64::MAX);
    let start = Instant::now();
    // a hundred times a second is smooth enough
    let piece = rate.map_or(EMIT_BYTES, |rate| (rate / 100).clamp(1, EMIT_BYTES));
    let mut at = 0;
    while at < end {
        let to = end.min(at + piece);
        write_out(&stream.bytes(at..to))?;
        at = to;
        if let Some(rate) = rate {
            let due = start + Duration::from_secs_f64(at as f64 / rate as f64);
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
    }
    Ok(())
}

/// Writes the same text again and again, so that making it costs nothing.
fn flood(kind: StreamKind, bytes: u64) -> io::Result<()> {
    let size = kind.record_bytes() as u64 * 1024;
    let mut text = KnownStream::new(kind, 0).bytes(0..size);
    text.iter_mut().filter(|byte| **byte == b'\r').for_each(|byte| *byte = b' ');
    let mut left = bytes;
    while left > 0 {
        let count = left.min(size);
        write_out(&text[..count as usize])?;
        left -= count;
    }
    Ok(())
}

/// Copies input until its end, each piece as soon as it is there.
fn start_copy(mut to: impl Write + Send + 'static) -> io::Result<()> {
    let copy = move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = io::stdin().lock().read(&mut buffer) {
            if to.write_all(&buffer[..count]).and_then(|()| to.flush()).is_err() {
                return;
            }
        }
    };
    thread::Builder::new().spawn(copy).map(drop)
}

fn start_sizes(mut to: File) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let follow = move || {
        let changes = async {
            let kind = tokio::signal::unix::SignalKind::window_change();
            let mut changes = tokio::signal::unix::signal(kind)?;
            loop {
                let size = termios::tcgetwinsize(io::stdin())?;
                to.write_all(format!("{} {}\n", size.ws_col, size.ws_row).as_bytes())?;
                changes.recv().await;
            }
        };
        let _: io::Result<()> = runtime.block_on(changes);
    };
    thread::Builder::new().spawn(follow).map(drop)
}

fn describe_self() -> io::Result<String> {
    let mut lines: Vec<String> = std::env::vars_os()
        .map(|(name, value)| format!("{}={}\n", name.display(), value.display()))
        .collect();
    lines.sort();
    lines.push(format!("cwd: {}\n", std::env::current_dir()?.display()));
    lines.push(format!("argv: {:?}\n", std::env::args().collect::<Vec<_>>()));
    Ok(lines.concat())
}

/// Signals that are ignored stay so over `exec`, so a shell does it: no handler is needed here.
fn go_on_ignoring(signals: &str, words: &[String]) -> io::Error {
    let me = match std::env::current_exe() {
        Ok(me) => me,
        Err(error) => return error,
    };
    let script = format!("trap '' {}; exec \"$@\"", signals.replace(',', " "));
    Command::new("/bin/sh").args(["-c", &script, "sh"]).arg(me).args(words).exec()
}

/// Starts a process of this program that waits; returns when its id stands in the file.
fn leave(first: &[&str], file: &Path) -> io::Result<()> {
    let pid = format!("pid:{}", file.display());
    let mut child = Command::new(std::env::current_exe()?)
        .args(first)
        .args([pid.as_str(), "print:ready\\n", "wait"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut ready = [0; 6];
    let stdout = child.stdout.as_mut();
    stdout.ok_or_else(|| io::Error::other("no pipe"))?.read_exact(&mut ready)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(word: &str, expected: &Step) {
        assert_eq!(word.parse().as_ref(), Ok(expected), "{word}");
    }

    #[test]
    fn words_are_steps() {
        check("raw", &Step::Raw);
        check("print:a\\x41\\e[0m:\\n", &Step::Print(b"aA\x1b[0m:\n".to_vec()));
        check("record:/tmp/a:b", &Step::Record(PathBuf::from("/tmp/a:b")));
        let stream = KnownStream::new(StreamKind::Lines, 7);
        check("emit:lines:7:500", &Step::Emit { stream, bytes: Some(500), rate: None });
        check("emit:lines:7:inf:90", &Step::Emit { stream, bytes: None, rate: Some(90) });
        check("exit:3", &Step::Exit(3));
        check("die:KILL", &Step::Die(Signal::KILL));
    }

    #[test]
    fn other_words_are_not() {
        for word in ["", "rar", "print:\\q", "emit:lines", "emit:lines:x:1", "exit:300", "die:NO"] {
            assert_eq!(word.parse::<Step>(), Err(UnknownStep(word.to_owned())));
        }
    }
}
