//! xterm.js as the referee: what was written to a terminal against a snapshot of a session, everything
//! compared that can be seen. The referee itself is that of the terminal model's tests.

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use quarterdeck_e2e::harness::{files::WholeLog, terminal::Terminal};
use quarterdeck_protocol::record::{Record, RecordKind, Resize, Start, TerminalSize};
use quarterdeck_screen::{Size, width_ranges};
use rustix::fs::FlockOperation;
use serde_json::{Value, json};

use super::Seen;

/// Files of the referee, copied to where its packages are.
const FILES: [&str; 3] = ["package.json", "package-lock.json", "referee.mjs"];

/// What a viewer was fed directly, and the snapshot that must show the same.
#[derive(Debug)]
pub(super) struct Case {
    name: String,
    steps: Vec<Step>,
    seen: Seen,
    /// What came after the snapshot.
    later: Vec<u8>,
}

#[derive(Debug)]
enum Step {
    Output(Vec<u8>),
    Resize(Size),
}

impl Case {
    /// The bytes of a directly run program against a session that must look the same.
    pub(super) fn direct(name: &str, direct: &Terminal, seen: Seen) -> Self {
        let mut steps = Vec::new();
        let ends = direct.sizes.iter().skip(1).map(|(at, _)| *at).chain([direct.raw.len()]);
        for ((from, size), to) in direct.sizes.iter().zip(ends) {
            steps.push(Step::Resize(*size));
            steps.push(Step::Output(direct.raw[*from..to].to_vec()));
        }
        Self { name: name.to_owned(), steps, seen, later: Vec::new() }
    }
    /// The bytes of the session's log up to the snapshot against it, and then those behind it.
    pub(super) fn replayed(name: &str, log: &WholeLog, seen: Seen) -> Self {
        let (mut steps, mut later) = (Vec::new(), Vec::new());
        for record in &log.records {
            let at = record.header.at.out.0;
            if record.header.kind == RecordKind::Output {
                let before = seen.out.saturating_sub(at).min(record.payload.len() as u64);
                let (before, after) = record.payload.split_at(before as usize);
                steps.push(Step::Output(before.to_vec()));
                later.extend_from_slice(after);
            } else if let Some(size) = size_of(record) {
                let is_later = at > seen.out || (at == seen.out && size != seen.size);
                if is_later && !later.is_empty() {
                    break;
                }
                steps.push(Step::Resize(size));
            }
        }
        Self { name: name.to_owned(), steps, seen, later }
    }
    fn describe(&self) -> Value {
        let steps = self.steps.iter().map(|step| match step {
            Step::Output(bytes) => json!({ "bytes": latin1(bytes) }),
            Step::Resize(size) => json!({ "cols": size.cols, "rows": size.rows }),
        });
        let Seen { size, bytes, .. } = &self.seen;
        let snapshot = json!({
            "cols": size.cols, "rows": size.rows, "bytes": latin1(bytes), "exact": true,
        });
        json!({
            "name": self.name, "cols": 80, "rows": 24, "scrollback": 0,
            "steps": steps.collect::<Vec<_>>(),
            "snapshot": snapshot,
            "later": [latin1(&self.later)],
        })
    }
}

/// The size that a record sets.
fn size_of(record: &Record) -> Option<Size> {
    let kind = record.header.kind;
    let size = if kind == RecordKind::Start {
        serde_json::from_slice::<Start>(&record.payload).expect("is a start").size
    } else if kind == RecordKind::Resize {
        serde_json::from_slice::<Resize>(&record.payload).expect("is a resize").size
    } else {
        return None;
    };
    let TerminalSize { cols, rows, .. } = size;
    Some(Size { cols, rows })
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// Lets the referee judge all cases at once.
///
/// # Panics
/// When one differs, or when there must be a referee (`QD_REQUIRE_NODE=1`) and there is none.
#[expect(clippy::print_stderr, reason = "a check that was not made must say so")]
pub(super) fn judge(cases: &[Case]) {
    let home = match install() {
        Ok(home) => home,
        Err(why) => {
            let required = std::env::var_os("QD_REQUIRE_NODE").is_some_and(|value| value == "1");
            assert!(!required, "{why}");
            eprintln!("NOT CHECKED by xterm.js: {why}");
            return;
        }
    };
    let widths: Vec<_> = width_ranges()
        .into_iter()
        .map(|(range, cols)| json!([u32::from(*range.start()), u32::from(*range.end()), cols]))
        .collect();
    let described: Vec<_> = cases.iter().map(Case::describe).collect();
    let verdicts = run(&home, &json!({ "widths": widths, "cases": described }).to_string());
    assert_eq!(verdicts.len(), cases.len(), "one verdict for each case");
    let wrong: BTreeMap<_, _> = verdicts
        .iter()
        .filter(|verdict| verdict["differences"] != json!([]))
        .map(|verdict| (verdict["name"].to_string(), &verdict["differences"]))
        .collect();
    assert!(wrong.is_empty(), "snapshots that are not the screen: {wrong:#?}");
}

/// Installs the referee's packages once, beside other build products; tests that run at the same time
/// wait for the one that does.
fn install() -> Result<PathBuf, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../screen/tests/referee");
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("e2e-referee");
    fs::create_dir_all(&home).expect("the build directory is writable");
    let lock = fs::File::create(home.join("lock")).expect("the build directory is writable");
    rustix::fs::flock(&lock, FlockOperation::LockExclusive).expect("locks");
    let versions = fs::read(source.join(FILES[1])).expect("the lock file is in the tree");
    let installed = home.join("installed.json");
    for file in FILES {
        fs::copy(source.join(file), home.join(file)).expect("the build directory is writable");
    }
    let node = Command::new("node").arg("--version").output();
    node.map_err(|error| format!("node does not run: {error}"))?;
    if fs::read(&installed).is_ok_and(|known| known == versions) {
        return Ok(home);
    }
    let npm = Command::new("npm")
        .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"])
        .current_dir(&home)
        .output()
        .map_err(|error| format!("npm does not run: {error}"))?;
    if !npm.status.success() {
        return Err(format!("npm ci failed: {}", String::from_utf8_lossy(&npm.stderr)));
    }
    fs::write(&installed, versions).expect("the build directory is writable");
    Ok(home)
}

fn run(home: &Path, question: &str) -> Vec<Value> {
    let mut node = Command::new("node")
        .arg("referee.mjs")
        .current_dir(home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node runs: it just told its version");
    let mut stdin = node.stdin.take().expect("it was piped");
    // it reads all of its input before it writes, so this cannot block for ever
    stdin.write_all(question.as_bytes()).expect("the referee reads its input");
    drop(stdin);
    let output = node.wait_with_output().expect("the referee ends");
    assert!(output.status.success(), "the referee broke: {:?}", output.status);
    serde_json::from_slice(&output.stdout).expect("the referee speaks JSON")
}
