//! Random appends, crashes and reopenings against a list of what was written.

use std::{fs, path::Path};

use proptest::prelude::*;
use quarterdeck_holder::log::{Batch, Class, Entry, LogReader, LogWriter, scan_state};
use quarterdeck_protocol::record::{Decoded, RECORD_HEADER_BYTES, RecordKind, decode};

use crate::support::{ReadOut, SMALL, Session, pattern};

#[derive(Debug, Clone)]
enum Step {
    /// Append records of these sizes, one by one.
    Append(Vec<usize>),
    /// Append records of these sizes in one batch.
    Batch(Vec<usize>),
    /// Drop old segments.
    Trim { keep_bytes: u64 },
    /// The writer is killed while it writes: junk is left at the end.
    Kill { junk: Vec<u8> },
    /// The power fails: the last segment loses everything from this share of its bytes on.
    PowerFailure { keep_permille: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let sizes = || proptest::collection::vec(0..400_usize, 1..12);
    prop_oneof![
        6 => sizes().prop_map(Step::Append),
        3 => sizes().prop_map(Step::Batch),
        1 => (0..8000_u64).prop_map(|keep_bytes| Step::Trim { keep_bytes }),
        2 => proptest::collection::vec(any::<u8>(), 0..200).prop_map(|junk| Step::Kill { junk }),
        1 => (0..=1000_usize).prop_map(|keep_permille| Step::PowerFailure { keep_permille }),
    ]
}

/// A kind and payload that was written.
type Written = (RecordKind, Vec<u8>);

struct Model {
    session: Session,
    writer: Option<LogWriter>,
    /// Lives through everything but power failures.
    reader: LogReader,
    /// Everything the log should hold, except that its oldest part may have been dropped.
    written: Vec<Written>,
    /// What `reader` has handed out.
    read: Vec<Written>,
    /// How many records were made up, to tell them apart.
    made: usize,
}

impl Model {
    fn new() -> Self {
        let session = Session::new();
        let writer = Some(session.create(SMALL));
        let reader = session.reader();
        Self { session, writer, reader, written: Vec::new(), read: Vec::new(), made: 0 }
    }

    fn make(&mut self, bytes: usize) -> Written {
        self.made += 1;
        let kinds = [RecordKind::Output, RecordKind::VendorOut, RecordKind::Unknown(77)];
        (kinds[self.made % kinds.len()], pattern(self.made, bytes))
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Append(sizes) => {
                for bytes in sizes {
                    self.append(&[bytes]);
                }
            }
            Step::Batch(sizes) => self.append(&sizes),
            Step::Trim { keep_bytes } => {
                // what it could drop is read first, so that the reader misses nothing
                self.read_on();
                self.writer().trim(keep_bytes, None).expect("trimmed");
            }
            Step::Kill { junk } => {
                self.writer = None;
                let path = self.session.last_segment();
                let mut bytes = fs::read(&path).expect("there");
                bytes.extend_from_slice(&junk);
                fs::write(&path, bytes).expect("written");
                self.read_on();
                self.writer = Some(self.session.open(SMALL).writer);
            }
            Step::PowerFailure { keep_permille } => self.fail_power(keep_permille),
        }
    }

    fn writer(&mut self) -> &mut LogWriter {
        self.writer.as_mut().expect("open between steps")
    }

    fn append(&mut self, sizes: &[usize]) {
        let made: Vec<Written> = sizes.iter().map(|bytes| self.make(*bytes)).collect();
        let entry = |(kind, payload)| Entry { kind, payload, class: Class::Bulk };
        let entries: Vec<Entry<'_>> = made.iter().map(|(kind, p)| entry((*kind, p))).collect();
        assert_eq!(self.writer().append_batch(&entries, 5).expect("written"), Batch::Done);
        self.written.extend(made);
    }

    fn fail_power(&mut self, keep_permille: usize) {
        self.writer = None;
        let path = self.session.last_segment();
        let bytes = fs::read(&path).expect("there");
        let keep = bytes.len() * keep_permille / 1000;
        let lost = records_of(&bytes) - records_of(&bytes[..keep]);
        if self.session.segments().len() == 1 && keep < first_record_end(&bytes) {
            // the only checkpoint is gone and so is the log
            self.writer = Some(self.session.open(SMALL).writer);
            return;
        }
        fs::write(&path, &bytes[..keep]).expect("cut");
        self.written.truncate(self.written.len() - lost);
        self.writer = Some(self.session.open(SMALL).writer);
        self.reader = self.session.reader();
        let base = self.kept().len();
        self.read = self.written[..self.written.len() - base].to_vec();
    }

    /// What a new reader hands out.
    fn kept(&self) -> Vec<Written> {
        written_of(&ReadOut::of(&mut self.session.reader()))
    }

    fn read_on(&mut self) {
        let all = ReadOut::of(&mut self.reader);
        assert_eq!(all.gaps, []);
        self.read.extend(written_of(&all));
        assert!(self.read == self.written, "the reader's records differ");
    }

    fn check(&mut self) {
        self.read_on();
        let kept = self.kept();
        assert!(self.written.ends_with(&kept), "a new reader's records differ");
        let path = self.session.path().to_owned();
        let recovered = scan_state(&path).expect("readable");
        let writer = self.writer();
        assert_eq!(&recovered.state, writer.state());
        assert_eq!((recovered.base, recovered.torn_bytes), (writer.base(), 0));
        if writer.base().seq.0 == 0 {
            assert_eq!(kept.len(), self.written.len());
        }
        assert!(on_disk(&path) == self.writer().log_bytes());
    }
}

fn on_disk(session: &Path) -> u64 {
    let entries = fs::read_dir(session.join("log")).expect("there").map(|e| e.expect("an entry"));
    let segments = entries.filter(|entry| entry.file_name().to_string_lossy().ends_with(".qdl"));
    segments.map(|entry| entry.metadata().expect("there").len()).sum()
}

fn written_of(all: &ReadOut) -> Vec<Written> {
    let written = all.without_checkpoints();
    written.iter().map(|record| (record.header.kind, record.payload.to_vec())).collect()
}

/// Ends and kinds of the whole records of a segment.
fn walk(bytes: &[u8]) -> Vec<(usize, RecordKind)> {
    let (mut end, mut records) = (32, Vec::new());
    while let Some(rest) = bytes.get(end..) {
        let Decoded::Record { header, payload } = decode(rest) else { break };
        end += RECORD_HEADER_BYTES + payload.len();
        records.push((end, header.kind));
    }
    records
}

fn records_of(bytes: &[u8]) -> usize {
    walk(bytes).iter().filter(|(_, kind)| *kind != RecordKind::Checkpoint).count()
}

fn first_record_end(bytes: &[u8]) -> usize {
    walk(bytes)[0].0
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_log_is_a_prefix_of_what_was_written(
        steps in proptest::collection::vec(step(), 1..25),
    ) {
        let mut model = Model::new();
        for step in steps {
            model.apply(step);
            model.check();
        }
    }
}
