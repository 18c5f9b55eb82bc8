//! Full and read-only file systems. They are small tmpfs mounts, so these tests need to be root;
//! elsewhere they say that they were skipped, unless `QD_REQUIRE_ROOT=1` asks for a failure.

use std::{
    env, fs,
    fs::File,
    io::{self, Write as _},
    path::Path,
    process::Command,
};

use quarterdeck_holder::log::{
    Append, Batch, Class, Entry, LogLock, LogOptions, LogWriter, OpenError, WriteError, is_held,
    scan_state,
};
use quarterdeck_protocol::{
    ids::Out,
    record::{Exit, ExitStatus, Fact, GapCause, RecordKind},
};

use crate::support::{ReadOut, Session, append, append_many, new_log, output, pattern};

const OPTIONS: LogOptions = LogOptions { segment_bytes: 32 * 1024, reserve_bytes: 16 * 1024 };

/// A file system of 256 KiB.
struct SmallDisk {
    directory: tempfile::TempDir,
}

impl SmallDisk {
    #[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
    fn mount() -> Option<Self> {
        let directory = tempfile::tempdir().expect("a directory");
        let disk = Self { directory };
        if disk.run("mount", &["-t", "tmpfs", "-o", "size=256k,mode=700", "tmpfs"]) {
            return Some(disk);
        }
        let required = env::var_os("QD_REQUIRE_ROOT").is_some_and(|value| value == "1");
        assert!(!required, "cannot mount a tmpfs, and QD_REQUIRE_ROOT=1");
        eprintln!("SKIPPED: a test of full disks cannot mount a tmpfs");
        None
    }
    fn path(&self) -> &Path {
        self.directory.path()
    }
    fn session(&self) -> Session {
        Session::in_directory(self.path())
    }
    fn run(&self, program: &str, arguments: &[&str]) -> bool {
        let status = Command::new(program).args(arguments).arg(self.path()).status();
        status.is_ok_and(|status| status.success())
    }
    /// Takes all room but this much.
    fn fill_but(&self, left_bytes: usize) -> io::Result<()> {
        let mut ballast = File::create(self.path().join("ballast"))?;
        while ballast.write_all(&[1; 4096]).is_ok() {}
        let bytes = ballast.metadata()?.len().saturating_sub(left_bytes as u64);
        ballast.set_len(bytes)
    }
    fn remove_ballast(&self) {
        // not by removing it: another test's child may just have a copy of the open file
        File::create(self.path().join("ballast")).expect("cut to nothing");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        self.run("umount", &["-l"]);
    }
}

fn exit() -> Fact {
    Fact::Exit(Exit { status: ExitStatus::Code { code: 0 }, left: Vec::new() })
}

/// Appends output until the disk is full; returns what is in the log.
fn append_until_full(writer: &mut LogWriter, bytes: usize) -> Vec<u8> {
    let mut written = Vec::new();
    for index in 0.. {
        let payload = pattern(index, bytes);
        match writer.append(output(&payload), 5).expect("full is no error") {
            Append::Done(_) => written.extend_from_slice(&payload),
            Append::DiskFull => break,
        }
    }
    written
}

#[test]
fn a_full_disk_is_an_answer_and_leaves_the_log_whole() {
    for bytes in [100, 3000, 20_000] {
        let Some(disk) = SmallDisk::mount() else { return };
        let session = disk.session();
        let mut writer = session.create(OPTIONS);
        let written = append_until_full(&mut writer, bytes);
        assert!(written.len() > 150_000, "{}", written.len());
        let again = writer.append(output(&pattern(0, bytes)), 5).expect("full is no error");
        assert_eq!(again, Append::DiskFull);

        let all = ReadOut::of(&mut session.reader());
        assert_eq!(all.gaps, []);
        assert!(all.output() == written, "{bytes}");
        let recovered = scan_state(session.path()).expect("readable");
        assert_eq!((recovered.state.next(), recovered.torn_bytes), (writer.head(), 0));
        drop(writer);
        assert_eq!(session.open(OPTIONS).cut, None);
    }
}

#[test]
fn dropping_old_segments_makes_room() {
    let Some(disk) = SmallDisk::mount() else { return };
    let session = disk.session();
    let mut writer = session.create(OPTIONS);
    append_until_full(&mut writer, 1000);
    let keep_bytes = writer.log_bytes() - 1;
    let trimmed = writer.trim(keep_bytes, None).expect("trimmed");
    assert_eq!(trimmed.segments, 1);
    append(&mut writer, b"goes on");
    assert!(ReadOut::of(&mut session.reader()).output().ends_with(b"goes on"));
}

#[test]
fn the_exit_is_recorded_on_a_full_disk() {
    let Some(disk) = SmallDisk::mount() else { return };
    let session = disk.session();
    let mut writer = session.create(OPTIONS);
    append_until_full(&mut writer, 1000);
    disk.fill_but(0).expect("filled");
    assert!(session.path().join("reserve").exists());

    let mut vital = 0;
    while let Append::Done(_) = writer.append_fact(&exit(), Class::Vital, 5).expect("written") {
        vital += 1;
    }
    assert!(vital > 100, "{vital}");
    assert!(scan_state(session.path()).expect("readable").state.facts().ended.is_some());
    assert!(!session.path().join("reserve").exists());
}

#[test]
fn output_does_not_use_up_what_the_reserve_made_room_for() {
    let Some(disk) = SmallDisk::mount() else { return };
    let session = disk.session();
    let mut writer = session.create(OPTIONS);
    append_many(&mut writer, 10, 1000);
    disk.fill_but(0).expect("filled");
    append_until_full(&mut writer, 100);
    let vital = Entry { kind: RecordKind::Answer, payload: &[b'x'; 5000], class: Class::Vital };
    assert!(matches!(writer.append(vital, 5).expect("written"), Append::Done(_)));

    // some of the reserve is left, but not for output
    assert_eq!(writer.append(output(b"x"), 5).expect("full is no error"), Append::DiskFull);
    assert!(!writer.restore_reserve().expect("full is no error"));
    assert!(matches!(writer.append(vital, 5).expect("written"), Append::Done(_)));

    disk.remove_ballast();
    append(&mut writer, b"room again");
    assert!(session.path().join("reserve").exists(), "the reserve comes first");
    let gap_from = writer.head().out;
    writer.append_gap(Out(gap_from.0 + 999), GapCause::DiskFull, 5).map(drop).expect("written");
    append(&mut writer, b"after");
    assert_eq!(writer.head().out.0, gap_from.0 + 999 + 5);
    let all = ReadOut::of(&mut session.reader());
    assert!(all.output().ends_with(b"room againafter"));
}

#[test]
fn a_batch_keeps_the_whole_records_that_fit() {
    let Some(disk) = SmallDisk::mount() else { return };
    let session = disk.session();
    let mut writer = session.create(LogOptions { segment_bytes: 1 << 20, reserve_bytes: 4096 });
    disk.fill_but(20_000).expect("filled");
    let payloads: Vec<Vec<u8>> = (0..10).map(|index| pattern(index, 3000)).collect();
    let entries: Vec<Entry<'_>> = payloads.iter().map(|payload| output(payload)).collect();
    let Batch::DiskFull { appended } = writer.append_batch(&entries, 5).expect("full is no error")
    else {
        panic!("30 KB fit into 20")
    };
    assert!((4..8).contains(&appended), "{appended}");
    assert!(ReadOut::of(&mut session.reader()).output() == payloads[..appended].concat());
}

#[test]
fn a_small_record_fits_where_a_new_segment_does_not() {
    let Some(disk) = SmallDisk::mount() else { return };
    let session = disk.session();
    let options = LogOptions { segment_bytes: 1000, reserve_bytes: 0 };
    let mut writer = session.create(options);
    append(&mut writer, &pattern(0, 500));
    disk.fill_but(0).expect("filled");
    // a tmpfs page holds 4096 bytes, a segment 1000
    append(&mut writer, &pattern(1, 500));
    assert_eq!(session.segments().len(), 1);
    assert_eq!(writer.append(output(&pattern(2, 900)), 5).expect("no error"), Append::DiskFull);
    disk.remove_ballast();
    append(&mut writer, &pattern(2, 900));
    assert_eq!(session.segments().len(), 2);
    assert!(!session.path().join("log/next.tmp").exists());
}

#[test]
fn a_log_cannot_be_made_on_a_full_disk() {
    let Some(disk) = SmallDisk::mount() else { return };
    let session = disk.session();
    let lock = session.lock();
    disk.fill_but(0).expect("filled");
    let created = LogWriter::create(lock, &new_log(), OPTIONS, 1);
    assert!(matches!(created, Err(OpenError::DiskFull)), "{created:?}");
    disk.remove_ballast();
    append(&mut session.create(OPTIONS), b"now");
}

#[test]
fn a_torn_tail_is_cut_even_where_it_cannot_be_kept() {
    let Some(disk) = SmallDisk::mount() else { return };
    let session = disk.session();
    append(&mut session.create(OPTIONS), b"whole");
    let path = session.last_segment();
    let mut bytes = fs::read(&path).expect("there");
    bytes.extend_from_slice(b"torn");
    fs::write(&path, bytes).expect("written");
    disk.fill_but(0).expect("filled");
    let opened = session.open(OPTIONS);
    let cut = opened.cut.expect("a torn tail");
    assert_eq!((cut.bytes, cut.kept_in), (4, None));
    let mut writer = opened.writer;
    assert!(matches!(writer.append_fact(&exit(), Class::Vital, 5), Ok(Append::Done(_))));
}

#[test]
fn a_log_on_a_read_only_file_system_can_be_read() {
    let Some(disk) = SmallDisk::mount() else { return };
    let session = disk.session();
    append(&mut session.create(OPTIONS), b"abc");
    assert!(disk.run("mount", &["-o", "remount,ro"]));
    assert_eq!(ReadOut::of(&mut session.reader()).output(), b"abc");
    scan_state(session.path()).expect("readable");
    assert!(!is_held(session.path()).expect("probed"));
    let refused = LogLock::try_acquire(session.path()).map(drop).map_err(|error| error.kind());
    assert_eq!(refused, Err(io::ErrorKind::ReadOnlyFilesystem));
}

#[test]
fn a_file_system_that_becomes_read_only_is_told_apart() {
    let Some(disk) = SmallDisk::mount() else { return };
    let session = disk.session();
    let mut writer = session.create(LogOptions { segment_bytes: 1000, reserve_bytes: 0 });
    append(&mut writer, &pattern(0, 500));
    // the open file stays writable behind this mount; new ones are refused
    let path = disk.path().to_str().expect("utf-8").to_owned();
    assert!(disk.run("mount", &["--bind", &path]));
    assert!(disk.run("mount", &["-o", "remount,ro,bind"]));
    let refused = writer.append(output(&pattern(1, 900)), 5);
    let head = writer.head();
    disk.run("umount", &[]);
    assert!(matches!(refused, Err(WriteError::ReadOnly)), "{refused:?}");
    assert_eq!(append(&mut writer, b"writable again").seq.0, head.seq.0);
}
