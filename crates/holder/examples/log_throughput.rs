//! How fast a log is written and read: `cargo run --release --example log_throughput [DIRECTORY]`.
//!
//! Each round writes one log and reads it back; the best of all rounds counts, as the one least
//! disturbed. `plain write` is what the system takes for the same bytes in a file without checksums
//! or segments. A reader at the head is measured as a relay uses it: one record is appended, the head
//! is told, one is read.
#![expect(clippy::print_stdout, reason = "figures are its output")]

use std::{
    env,
    error::Error,
    fs::{self, File},
    io::Write as _,
    path::PathBuf,
    time::{Duration, Instant},
};

use quarterdeck_holder::log::{
    Append, Class, Entry, LogLock, LogOptions, LogReader, LogWriter, NewLog, Next, scan_state,
};
use quarterdeck_protocol::{
    ids::{LogId, SessionId},
    record::{RECORD_HEADER_BYTES, RecordKind, SessionKind, TerminalSize},
};

const ROUNDS: usize = 7;
const OUTPUT_BYTES: usize = 64 * 1024 * 1024;
const MAX_RECORDS: usize = 1_000_000;
const RECORD_SIZES: [usize; 4] = [20, 1024, 16 * 1024, 64 * 1024];

struct Figures {
    plain: Duration,
    append: Duration,
    read: Duration,
    follow: Duration,
    scan: Duration,
}

fn main() -> Result<(), Box<dyn Error>> {
    let directory = env::args_os().nth(1).map_or_else(env::temp_dir, PathBuf::from);
    let directory = directory.join(format!("log_throughput.{}", std::process::id()));
    println!(
        "size    plain write          append               read                 follow the head      scan_state"
    );
    for size in RECORD_SIZES {
        let records = (OUTPUT_BYTES / size).min(MAX_RECORDS);
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            fs::create_dir(&directory)?;
            let figures = measure(&directory, size, records);
            fs::remove_dir_all(&directory)?;
            rounds.push(figures?);
        }
        report(size, records, &rounds);
    }
    println!("a reader that has caught up: one file, {} bytes", size_of::<LogReader>());
    Ok(())
}

fn report(size: usize, records: usize, rounds: &[Figures]) {
    let best = |of: fn(&Figures) -> Duration| rounds.iter().map(of).min().unwrap_or_default();
    let rate = |of: fn(&Figures) -> Duration| {
        let mb = (size * records) as f64 / 1e6 / best(of).as_secs_f64();
        let each = best(of).as_nanos() / records as u128;
        format!("{mb:5.0} MB/s {each:6} ns")
    };
    let (plain, append) = (rate(|f| f.plain), rate(|f| f.append));
    let (read, follow) = (rate(|f| f.read), rate(|f| f.follow));
    println!("{size:>5}  {plain}  {append}  {read}  {follow}  {:?}", best(|f| f.scan));
}

fn measure(
    directory: &std::path::Path,
    size: usize,
    records: usize,
) -> Result<Figures, Box<dyn Error>> {
    let payload = vec![b'x'; size];
    let entry = Entry { kind: RecordKind::Output, payload: &payload, class: Class::Bulk };

    let record = vec![b'x'; RECORD_HEADER_BYTES + size];
    let mut file = File::create(directory.join("plain"))?;
    let begun = Instant::now();
    for _ in 0..records {
        file.write_all(&record)?;
    }
    let plain = begun.elapsed();
    fs::remove_file(directory.join("plain"))?;

    let mut writer = create(directory)?;
    let begun = Instant::now();
    for _ in 0..records {
        appended(writer.append(entry, 1)?)?;
    }
    let append = begun.elapsed();

    let mut reader = LogReader::open(directory)?;
    let begun = Instant::now();
    while reader.position() < writer.head() {
        consume(&mut reader)?;
    }
    let read = begun.elapsed();

    let follow = follow(&mut writer, &mut reader, entry, records)?;
    let begun = Instant::now();
    scan_state(directory)?;
    Ok(Figures { plain, append, read, follow, scan: begun.elapsed() })
}

/// Time of a reader that is told the head after each record.
fn follow(
    writer: &mut LogWriter,
    reader: &mut LogReader,
    entry: Entry<'_>,
    records: usize,
) -> Result<Duration, Box<dyn Error>> {
    let mut reading = Duration::ZERO;
    for _ in 0..records {
        appended(writer.append(entry, 1)?)?;
        let begun = Instant::now();
        while reader.position() < writer.head() {
            consume(reader)?;
        }
        reading += begun.elapsed();
    }
    Ok(reading)
}

fn create(directory: &std::path::Path) -> Result<LogWriter, Box<dyn Error>> {
    let lock = LogLock::try_acquire(directory)?.ok_or("the log is in use")?;
    let new = NewLog {
        log_id: LogId::from_bytes([1; 8]),
        session: SessionId::from_bytes([1; 10]),
        kind: SessionKind::Terminal,
        size: TerminalSize::default(),
    };
    Ok(LogWriter::create(lock, &new, LogOptions::default(), 1)?)
}

fn appended(append: Append) -> Result<(), &'static str> {
    match append {
        Append::Done(_) => Ok(()),
        Append::DiskFull => Err("the disk is full"),
    }
}

fn consume(reader: &mut LogReader) -> Result<(), Box<dyn Error>> {
    match reader.next()? {
        Next::Record(record) => {
            std::hint::black_box(record.payload.len());
            Ok(())
        }
        Next::AwaitMore | Next::Gap(_) => Err("a record is not there".into()),
    }
}
