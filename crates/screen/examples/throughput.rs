//! Prints how fast the model is and how much memory it takes, beside the bare library.
//!
//! Run with `cargo run --release -p quarterdeck-screen --example throughput [CORPUS]`. The corpora are made
//! here and always the same; each figure is that of the fastest run, which other work disturbs least.

#![expect(clippy::print_stdout, reason = "printing figures is what this program is for")]

use std::time::Instant;

use alacritty_terminal::event::VoidListener;
use alacritty_terminal::grid::Dimensions;
use alacritty_terminal::term::{Config, Term};
use alacritty_terminal::vte::ansi::Processor;
use quarterdeck_screen::{ReplayFilter, Screen, ScrolledCapture, Size};

const SIZE: Size = Size { cols: 200, rows: 50 };
const CORPUS_BYTES: usize = 8 << 20;
const CHUNK_BYTES: usize = 16 << 10;
const RUNS: usize = 9;

/// Makes the line of a corpus that has this number.
type Generator = fn(usize) -> String;

fn main() {
    let wanted = std::env::args().nth(1);
    let corpora: [(&str, Generator); 4] =
        [("plain", plain), ("sgr", sgr), ("tui", tui), ("cjk", cjk)];
    let is_wanted = |name: &str| wanted.as_deref().is_none_or(|wanted| wanted == name);
    let corpora: Vec<_> = corpora.into_iter().filter(|(name, _)| is_wanted(name)).collect();
    println!("{CORPUS_BYTES} bytes in chunks of {CHUNK_BYTES}, {}x{}, MB/s", SIZE.cols, SIZE.rows);
    println!("corpus  model  with history  filter  bare library");
    for &(name, line) in &corpora {
        let corpus = fill(line);
        let model = rate(&corpus, || feed_model(&corpus, ScrolledCapture::Off));
        let history = rate(&corpus, || feed_model(&corpus, ScrolledCapture::Last(1000)));
        let filter = rate(&corpus, || run_filter(&corpus));
        let library = rate(&corpus, || feed_library(&corpus));
        println!("{name:6} {model:6.1} {history:13.1} {filter:7.0} {library:13.1}");
    }
    println!("\nsnapshot  bytes  microseconds");
    for &(name, line) in &corpora {
        measure_snapshot(name, &fill(line)[..CORPUS_BYTES / 8]);
    }
    println!("\nmemory of 1000 models of 80x24: {}", memory());
}

/// Bytes of a corpus, cut where a line ends.
fn fill(line: Generator) -> Vec<u8> {
    let mut corpus = String::with_capacity(CORPUS_BYTES + 4096);
    let mut number = 0;
    while corpus.len() < CORPUS_BYTES {
        corpus.push_str(&line(number));
        number += 1;
    }
    corpus.into_bytes()
}

/// What a build prints.
fn plain(number: usize) -> String {
    let width = 20 + number * 7919 % 160;
    let words =
        "compiling linking the quick brown fox jumps over a lazy dog with numbers 0123456789 ";
    format!("{number:8} {}\r\n", &words.repeat(3)[..width])
}

/// Coloured source code.
fn sgr(number: usize) -> String {
    format!(
        "\x1b[38;5;{}m{number:5}\x1b[0m \x1b[1;34mlet\x1b[0m \x1b[36mvalue_{number}\x1b[39m = \
         \x1b[38;2;{};120;200m\"text\"\x1b[0m; \x1b[2m// note {number}\x1b[22m\r\n",
        number % 256,
        number % 255
    )
}

/// A full-screen program that redraws parts of its screen.
fn tui(number: usize) -> String {
    let row = number * 31 % 50 + 1;
    let column = number * 17 % 150 + 1;
    format!(
        "\x1b[?25l\x1b[{row};{column}H\x1b[7m {number:6} \x1b[27m\x1b[K\x1b[{row};1H\x1b[32m\u{2502}\x1b[m \
         status {}\x1b[{};{}H\x1b[?25h",
        number % 97,
        number * 13 % 50 + 1,
        number * 29 % 200 + 1
    )
}

/// Wide characters.
fn cjk(number: usize) -> String {
    format!("{number} {}\r\n", "端末の出力は記録である。".repeat(1 + number % 5))
}

fn rate(corpus: &[u8], run: impl Fn()) -> f64 {
    let time = |_| {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    let fastest = (0..RUNS).map(time).min().unwrap_or_default();
    corpus.len() as f64 / 1e6 / fastest.as_secs_f64()
}

fn feed_model(corpus: &[u8], capture: ScrolledCapture) {
    let mut screen = Screen::new(SIZE);
    screen.set_scrolled_capture(capture);
    for chunk in corpus.chunks(CHUNK_BYTES) {
        screen.feed(chunk);
        std::hint::black_box(screen.take_scrolled());
    }
    std::hint::black_box(screen.text());
}

fn run_filter(corpus: &[u8]) {
    let mut filter = ReplayFilter::new();
    let mut out = Vec::with_capacity(CHUNK_BYTES * 2);
    for chunk in corpus.chunks(CHUNK_BYTES) {
        out.clear();
        filter.filter(chunk, &mut out);
        std::hint::black_box(&out);
    }
}

/// The library on its own, without history.
fn feed_library(corpus: &[u8]) {
    let config = Config { scrolling_history: 0, ..Config::default() };
    let mut term = Term::new(config, &Dims, VoidListener);
    let mut processor: Processor = Processor::new();
    for chunk in corpus.chunks(CHUNK_BYTES) {
        processor.advance(&mut term, chunk);
    }
    std::hint::black_box(term.grid().cursor.point);
}

struct Dims;

impl Dimensions for Dims {
    fn total_lines(&self) -> usize {
        usize::from(SIZE.rows)
    }
    fn screen_lines(&self) -> usize {
        usize::from(SIZE.rows)
    }
    fn columns(&self) -> usize {
        usize::from(SIZE.cols)
    }
}

fn measure_snapshot(name: &str, corpus: &[u8]) {
    let mut screen = Screen::new(SIZE);
    screen.feed(corpus);
    let bytes = screen.snapshot().bytes.len();
    let mut times: Vec<_> = (0..100)
        .map(|_| {
            let start = Instant::now();
            std::hint::black_box(screen.snapshot());
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    println!("{name:8} {bytes:6} {:13}", times[0].as_micros());
}

/// Resident memory that a thousand models add, fresh and full.
fn memory() -> String {
    let size = Size { cols: 80, rows: 24 };
    let before = resident_kib();
    let mut screens: Vec<_> = (0..1000).map(|_| Screen::new(size)).collect();
    let fresh = resident_kib();
    for (number, screen) in screens.iter_mut().enumerate() {
        for line in 0..30 {
            screen.feed(sgr(number + line).as_bytes());
        }
        screen.feed(b"\x1b[?1049h\x1b[2Jfull\x1b[?2026h");
        screen.feed(&[b'x'; 4000]);
    }
    let full = resident_kib();
    drop(screens);
    format!(
        "{} KiB each when fresh, {} KiB when both screens are full",
        (fresh - before) / 1000,
        (full - before) / 1000
    )
}

/// Resident memory of this process, 0 where the system does not say.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.unwrap_or(0)
}
