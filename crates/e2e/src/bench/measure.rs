//! One round on one line.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use super::{line::Line, stats};
use crate::{processes::contains, streams};

/// What the programs print when they may be measured.
pub const READY: &[u8] = b"ready";
/// What the flooding program prints last; no line of the flood has it.
pub const END: &[u8] = b"the-end";

/// One round of keystrokes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Echo {
    /// Microseconds from a key's send to its echo: the median of the keys.
    pub p50_us: f64,
    /// The same: only one key in a hundred is slower.
    pub p99_us: f64,
}

/// One round of bulk output.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bulk {
    /// Text that the program generated, in 10⁶ bytes a second.
    pub mb_per_s: f64,
    /// Bytes that the client got, per byte that the terminal gave out: below 1 for systems that redraw.
    pub share: f64,
    /// Bytes of one message or read.
    pub bytes_per_message: f64,
}

/// A program whose terminal echoes each key at once and which does nothing else.
#[must_use]
pub fn echo_program() -> Vec<String> {
    let script = "stty -icanon; printf ready; exec cat >/dev/null";
    ["/bin/sh", "-c", script].map(str::to_owned).to_vec()
}

/// Sends keys 0.5 to 1.5 ms apart and takes the time to each one's echo.
///
/// # Errors
/// When the line ends, is silent, or never shows a key.
pub fn echo(line: &mut dyn Line, keys: usize) -> io::Result<Echo> {
    let mut times_us = Vec::with_capacity(keys);
    let mut seen = Vec::new();
    for number in 0..keys {
        let key = b'a' + (number % 26) as u8;
        let pause_us = 500 + streams::mix(number as u64) % 1000;
        thread::sleep(Duration::from_micros(pause_us));
        seen.clear();
        let start = Instant::now();
        line.send(&[key])?;
        while !seen.contains(&key) {
            line.receive(&mut seen)?;
        }
        times_us.push(start.elapsed().as_secs_f64() * 1e6);
    }
    let of = |share| stats::quantile(&mut times_us.clone(), share);
    Ok(Echo { p50_us: of(0.5), p99_us: of(0.99) })
}

/// A program that waits for a line and then writes so many bytes of text.
#[must_use]
pub fn bulk_program(program: &str, kind: &str, bytes: u64) -> Vec<String> {
    let flood = format!("flood:{kind}:{bytes}");
    [program, "noecho", "print:ready", "line", &flood, "print:the-end", "wait"]
        .map(str::to_owned)
        .to_vec()
}

/// Lets the program of [`bulk_program`] go and takes the time to the end of its text.
///
/// # Errors
/// When the line ends or is silent.
pub fn bulk(line: &mut dyn Line, generated: u64, expected: u64) -> io::Result<Bulk> {
    let mut seen = Vec::new();
    let (mut received, mut messages) = (0_u64, 0_u64);
    let start = Instant::now();
    line.send(b"\r")?;
    loop {
        let before = seen.len();
        line.receive(&mut seen)?;
        let count = seen.len() - before;
        received += count as u64;
        messages += u64::from(count > 0);
        // a system that redraws may put the cursor somewhere after the end
        let tail = &seen[seen.len().saturating_sub(512)..];
        if contains(tail, END) {
            break;
        }
        seen.drain(..seen.len().saturating_sub(512));
    }
    let seconds = start.elapsed().as_secs_f64();
    Ok(Bulk {
        mb_per_s: generated as f64 / seconds / 1e6,
        share: received as f64 / expected as f64,
        bytes_per_message: received as f64 / messages.max(1) as f64,
    })
}

/// Waits until the program says that it may be measured.
///
/// # Errors
/// When the line ends or is silent.
pub fn until_ready(line: &mut dyn Line) -> io::Result<()> {
    let mut seen = Vec::new();
    while !contains(&seen, READY) {
        line.receive(&mut seen)?;
    }
    Ok(())
}
