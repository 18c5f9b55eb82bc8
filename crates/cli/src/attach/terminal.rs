//! The local terminal: raw while attached, and as it was afterwards, however the attachment ends.
//!
//! One restorer for the whole process ([`restore`]) undoes modes and settings. It is called when
//! [`Terminal`] is dropped and by the panic hook; signals end the attachment, which drops it. Only
//! SIGKILL leaves a terminal raw.
//!
//! Reading and writing block, so each has a thread: a terminal that is stopped by `^S` holds up
//! neither the keyboard nor the link. Both queues are bounded; a full one makes its sender wait.

use std::{
    io::{self, PipeReader, PipeWriter},
    os::fd::{AsFd, BorrowedFd},
    sync::{Mutex, MutexGuard, PoisonError, TryLockError},
    thread,
    time::Duration,
};

use bytes::Bytes;
use quarterdeck_protocol::{ids::Out, record::TerminalSize};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr},
};
use tokio::sync::{mpsc, watch};

use super::modes::ModeTracker;
use crate::{
    config::Environment,
    error::{CliError, Kind},
};

/// Chunks of keyboard input that wait for the attachment; then the keyboard waits.
const KEYBOARD_CHUNKS: usize = 4;
/// Bytes that are read from the keyboard at a time.
const KEYBOARD_CHUNK_BYTES: usize = 16 * 1024;
/// Chunks that wait for the screen; their bytes are bounded by the credit window.
const SCREEN_CHUNKS: usize = 64;
/// How long a stopped terminal may keep the last bytes from being written when leaving.
const LAST_WRITE_LIMIT: Duration = Duration::from_millis(500);
/// Saves the window title on the terminal's stack.
const SAVE_TITLE: &[u8] = b"\x1b[22;2t";
/// Restores it.
const RESTORE_TITLE: &[u8] = b"\x1b[23;2t";

/// What must be undone; `None` while no terminal is attached.
static ATTACHED: Mutex<Option<Attached>> = Mutex::new(None);

/// Held while bytes go to the screen, so that the last ones are the restorer's.
static WRITING: Mutex<()> = Mutex::new(());

struct Attached {
    original: Termios,
    modes: ModeTracker,
    last_line: LastLine,
}

/// Where the shell goes on when the terminal is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LastLine {
    /// Below everything that is on the screen.
    Used,
    /// Below this row, counted from 1.
    Row(u16),
    /// Where it was: only the alternate screen was drawn on.
    Unused,
}

/// The size of a terminal that does not say its own.
const USUAL_SIZE: TerminalSize = TerminalSize { cols: 80, rows: 24, xpixel: 0, ypixel: 0 };

/// What goes to the screen.
#[derive(Debug)]
pub(crate) enum Screen {
    /// Bytes; everything before `rendered` is on the screen when they are.
    Draw {
        /// As they are.
        bytes: Bytes,
        /// None for what is not of the session's stream.
        rendered: Option<Out>,
    },
    /// Undo all modes and clear, then these bytes: the beginning of a snapshot.
    Reset,
}

/// What comes from the keyboard.
#[derive(Debug)]
pub(crate) enum Keyboard {
    /// Bytes as the terminal sent them.
    Chunk(Vec<u8>),
    /// The terminal is gone.
    Closed,
}

/// The local terminal in raw mode.
#[derive(Debug)]
pub(crate) struct Terminal {
    /// From the keyboard.
    pub(crate) keyboard: mpsc::Receiver<Keyboard>,
    /// To the screen.
    pub(crate) screen: mpsc::Sender<Screen>,
    /// What of the session's stream is on the screen.
    pub(crate) rendered: watch::Receiver<Out>,
    /// Dropped to end the keyboard's thread.
    _stop_reading: PipeWriter,
}

/// Whether a command can attach: standard input and output are a terminal that can be drawn on.
pub(crate) fn require(
    what: &str,
    instead: &str,
    environment: &Environment,
) -> Result<(), CliError> {
    let there = is_there();
    if there && !environment.is_dumb() {
        return Ok(());
    }
    let what = if there {
        format!("{what} needs a terminal that can be drawn on, and TERM is dumb")
    } else {
        format!("{what} needs a terminal")
    };
    Err(CliError::usage(what).hint(instead))
}

/// Whether standard input and output are a terminal.
pub(crate) fn is_there() -> bool {
    isatty(rustix::stdio::stdin()) && isatty(rustix::stdio::stdout())
}

/// This screen's size; none when standard output is no terminal or does not say.
pub(crate) fn size() -> Option<TerminalSize> {
    let size = tcgetwinsize(rustix::stdio::stdout()).ok()?;
    let known = size.ws_col > 0 && size.ws_row > 0;
    known.then_some(TerminalSize {
        cols: size.ws_col,
        rows: size.ws_row,
        xpixel: size.ws_xpixel,
        ypixel: size.ws_ypixel,
    })
}

/// This screen's size, or what most have.
pub(crate) fn size_or_usual() -> TerminalSize {
    size().unwrap_or(USUAL_SIZE)
}

impl Terminal {
    /// Makes the terminal raw and starts its threads.
    pub(crate) fn enter(last_line: LastLine) -> Result<Self, CliError> {
        let failed = |error: io::Error| {
            CliError::new(Kind::Failed, "cannot use this terminal").caused_by(&error)
        };
        let original = tcgetattr(rustix::stdio::stdin()).map_err(|e| failed(e.into()))?;
        *lock() = Some(Attached { original, modes: ModeTracker::default(), last_line });
        make_raw().map_err(failed)?;
        write_all(SAVE_TITLE).map_err(failed)?;
        let (keys, keyboard) = mpsc::channel(KEYBOARD_CHUNKS);
        let (screen, chunks) = mpsc::channel(SCREEN_CHUNKS);
        let (progress, rendered) = watch::channel(Out(0));
        let (stopped, stop_reading) = io::pipe().map_err(failed)?;
        thread::Builder::new()
            .name("keyboard".into())
            .spawn(move || read_keyboard(&keys, &stopped))
            .map_err(failed)?;
        thread::Builder::new()
            .name("screen".into())
            .spawn(move || write_screen(chunks, &progress))
            .map_err(failed)?;
        Ok(Self { keyboard, screen, rendered, _stop_reading: stop_reading })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        restore();
    }
}

/// Where the shell is to go on.
pub(crate) fn set_last_line(last_line: LastLine) {
    if let Some(attached) = lock().as_mut() {
        attached.last_line = last_line;
    }
}

/// Raw again, after a stop and continue gave the terminal back to the shell.
pub(crate) fn make_raw() -> io::Result<()> {
    let mut raw = tcgetattr(rustix::stdio::stdin())?;
    raw.make_raw();
    Ok(tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &raw)?)
}

/// Gives the terminal back as it was. Does nothing the second time.
pub(crate) fn restore() {
    let Some(attached) = lock().take() else { return };
    let Attached { original, mut modes, last_line } = attached;
    let to_last_row = match (last_line, modes.is_alternate()) {
        (LastLine::Unused, _) => String::new(),
        (LastLine::Used | LastLine::Row(_), true) => "\r\n".to_owned(),
        (LastLine::Used, false) => "\x1b[999;1H\r\n".to_owned(),
        (LastLine::Row(row), false) => format!("\x1b[{row};1H\r\n\x1b[J"),
    };
    let mut last = modes.take_undo();
    last.extend(RESTORE_TITLE);
    last.extend(to_last_row.into_bytes());
    let _writing = wait_for_writer();
    let stdout = rustix::stdio::stdout();
    let mut ready = [PollFd::new(&stdout, PollFlags::OUT)];
    if poll(&mut ready, Some(&timespec(LAST_WRITE_LIMIT))).is_ok_and(|count| count > 0) {
        let _ = write_all(&last);
    }
    let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &original);
}

/// Waits until the screen's thread is between two chunks; a stopped terminal is not waited for long.
fn wait_for_writer() -> Option<MutexGuard<'static, ()>> {
    const STEP: Duration = Duration::from_millis(10);
    let mut waited = Duration::ZERO;
    loop {
        match WRITING.try_lock() {
            Ok(guard) => return Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) if waited >= LAST_WRITE_LIMIT => return None,
            Err(TryLockError::WouldBlock) => {
                thread::sleep(STEP);
                waited += STEP;
            }
        }
    }
}

/// Restores the terminal before a panic prints its message.
pub(crate) fn restore_on_panic() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        restore();
        before(info);
    }));
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}

/// Held for as long as it takes to look at a few bytes, never while writing.
fn lock() -> MutexGuard<'static, Option<Attached>> {
    ATTACHED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read_keyboard(keys: &mpsc::Sender<Keyboard>, stopped: &PipeReader) {
    let stdin = rustix::stdio::stdin();
    let mut buffer = vec![0; KEYBOARD_CHUNK_BYTES];
    loop {
        match wait_readable(stdin, stopped.as_fd()) {
            Ok(true) => {}
            Ok(false) => return,
            Err(_) => break,
        }
        match rustix::io::read(stdin, &mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                let chunk = buffer.get(..count).unwrap_or_default().to_vec();
                if keys.blocking_send(Keyboard::Chunk(chunk)).is_err() {
                    return;
                }
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => break,
        }
    }
    let _ = keys.blocking_send(Keyboard::Closed);
}

/// Waits for a key (`true`), or for the end of the attachment.
fn wait_readable(stdin: BorrowedFd<'_>, stopped: BorrowedFd<'_>) -> io::Result<bool> {
    loop {
        let mut ready = [PollFd::new(&stdin, PollFlags::IN), PollFd::new(&stopped, PollFlags::IN)];
        match poll(&mut ready, None) {
            Ok(_) if !ready[1].revents().is_empty() => return Ok(false),
            Ok(_) => return Ok(true),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn write_screen(mut chunks: mpsc::Receiver<Screen>, progress: &watch::Sender<Out>) {
    while let Some(chunk) = chunks.blocking_recv() {
        let (bytes, rendered) = match chunk {
            Screen::Draw { bytes, rendered } => (bytes, rendered),
            Screen::Reset => (reset_bytes(), None),
        };
        let writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
        match lock().as_mut() {
            Some(attached) => attached.modes.feed(&bytes),
            // the terminal was given back
            None => return,
        }
        let written = write_all(&bytes);
        drop(writing);
        if written.is_err() {
            return;
        }
        if let Some(out) = rendered {
            progress.send_replace(out);
        }
    }
}

/// A fresh terminal with an empty screen; its own scrollback stays.
fn reset_bytes() -> Bytes {
    let mut bytes = lock().as_mut().map_or_else(Vec::new, |attached| attached.modes.take_undo());
    bytes.extend(b"\x1b[H\x1b[2J");
    bytes.into()
}

/// Straight to the descriptor: standard output's own buffer would be locked by a writer that waits.
fn write_all(mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(rustix::stdio::stdout(), bytes) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
