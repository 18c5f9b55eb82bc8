use std::{
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
};

use quarterdeck_holder::log::{LogOptions, LogReader, Next, scan_state};
use quarterdeck_protocol::{
    limits::MAX_OUTPUT_RECORD_BYTES,
    record::{GapCause, Position},
};

use crate::support::{SMALL, Session, append, pattern};

const RECORDS: usize = 4000;

/// Follows a log as a relay does: it is told the head, and reads until it is there.
fn follow(reader: &mut LogReader, heads: &mpsc::Receiver<Position>) -> (Vec<u8>, u64) {
    let (mut output, mut missing_bytes) = (Vec::new(), 0);
    while let Ok(head) = heads.recv() {
        while reader.position() < head {
            match reader.next().expect("readable") {
                Next::Record(record) => {
                    let moved = record.next().out.0 - record.header.at.out.0;
                    output.extend_from_slice(
                        &record.payload[..usize::try_from(moved).expect("small")],
                    );
                }
                Next::Gap(missing) => {
                    assert_eq!(missing.why, GapCause::Retention);
                    missing_bytes += missing.out_bytes();
                }
                Next::AwaitMore => panic!("record before the head {head:?} is not there"),
            }
        }
    }
    (output, missing_bytes)
}

#[test]
fn a_reader_that_is_told_the_head_finds_everything_while_segments_roll() {
    let session = Session::new();
    let mut writer = session.create(SMALL);
    let mut reader = session.reader();
    let (told, heads) = mpsc::sync_channel(16);
    let (read, expected) = thread::scope(|scope| {
        let follower = scope.spawn(move || follow(&mut reader, &heads));
        let mut expected = Vec::new();
        for index in 0..RECORDS {
            let payload = pattern(index, index % 300);
            append(&mut writer, &payload);
            expected.extend_from_slice(&payload);
            told.send(writer.head()).expect("the follower lives");
        }
        drop(told);
        (follower.join().expect("no panic"), expected)
    });
    assert!(read == (expected, 0), "the reader's output differs");
}

#[test]
fn a_slow_reader_misses_exactly_what_retention_dropped() {
    let session = Session::new();
    let mut writer = session.create(SMALL);
    let mut reader = session.reader();
    let (told, heads) = mpsc::sync_channel(1);
    let (read, missing_bytes) = thread::scope(|scope| {
        let follower = scope.spawn(move || follow(&mut reader, &heads));
        for index in 0..RECORDS {
            append(&mut writer, &pattern(index, index % 300));
            writer.trim(3 * SMALL.segment_bytes, None).expect("trimmed");
            let _ = told.try_send(writer.head());
        }
        told.send(writer.head()).expect("the follower lives");
        drop(told);
        follower.join().expect("no panic")
    });
    assert_eq!(read.len() as u64 + missing_bytes, writer.head().out.0);
}

/// Writes records of one size while a reader asks without being told anything.
fn check_asking(options: LogOptions, records: usize, bytes: usize) {
    let session = Session::new();
    let mut writer = session.create(options);
    let mut reader = session.reader();
    thread::scope(|scope| {
        let asker = scope.spawn(move || {
            let mut output = Vec::new();
            while output.len() < records * bytes {
                match reader.next().expect("readable") {
                    Next::Record(record) => {
                        assert_eq!(record.header.at.out.0, output.len() as u64);
                        let moved = record.next().out.0 - record.header.at.out.0;
                        let moved = usize::try_from(moved).expect("small");
                        output.extend_from_slice(&record.payload[..moved]);
                    }
                    Next::AwaitMore => thread::yield_now(),
                    Next::Gap(missing) => panic!("{missing:?}"),
                }
            }
            output
        });
        let mut expected = Vec::new();
        for index in 0..records {
            let payload = pattern(index, bytes);
            append(&mut writer, &payload);
            expected.extend_from_slice(&payload);
        }
        assert!(asker.join().expect("no panic") == expected, "the reader's output differs");
    });
}

#[test]
fn a_reader_that_asks_all_the_time_never_sees_half_a_record() {
    let options = LogOptions { segment_bytes: 1024 * 1024, reserve_bytes: 0 };
    check_asking(options, 40, MAX_OUTPUT_RECORD_BYTES);
}

#[test]
fn a_reader_that_asks_all_the_time_never_misses_the_end_of_a_segment() {
    // every record or two begins a segment
    check_asking(LogOptions { segment_bytes: 500, reserve_bytes: 0 }, 400, 20);
}

#[test]
fn a_state_can_be_had_at_any_time() {
    let session = Session::new();
    let mut writer = session.create(SMALL);
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let scanner = scope.spawn(|| {
            let (mut scans, mut last) = (0, Position::default());
            while !ended.load(Ordering::Relaxed) || scans == 0 {
                let recovered = scan_state(session.path()).expect("readable");
                assert_eq!(recovered.damage, []);
                assert!(recovered.state.next() >= last);
                last = recovered.state.next();
                scans += 1;
            }
        });
        for index in 0..RECORDS {
            append(&mut writer, &pattern(index, index % 300));
            writer.trim(3 * SMALL.segment_bytes, None).expect("trimmed");
        }
        ended.store(true, Ordering::Relaxed);
        scanner.join().expect("no panic");
    });
}
