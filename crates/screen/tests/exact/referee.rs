//! Runs the referee: one Node process judges all cases.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use quarterdeck_screen::{Screen, Size, width_ranges};
use serde_json::{Value, json};

/// Files of the referee, copied to where its packages are.
const FILES: [&str; 3] = ["package.json", "package-lock.json", "referee.mjs"];

/// What is fed to a terminal, and what comes after the snapshot.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) size: Size,
    /// Lines of history that the viewer keeps.
    pub(crate) scrollback: u32,
    pub(crate) steps: Vec<Step>,
    /// Output after the snapshot; the viewers are compared after each piece.
    pub(crate) later: Vec<Vec<u8>>,
}

/// One thing that happens before the snapshot.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Output(Vec<u8>),
    Resize(Size),
}

/// Where the directly fed viewer and the one that got the snapshot differ; empty if nowhere.
#[derive(Debug, Clone)]
pub(crate) struct Verdict {
    pub(crate) name: String,
    /// What the snapshot said about itself.
    pub(crate) claims_exact: bool,
    pub(crate) differences: Vec<String>,
}

/// Why nobody could judge.
#[derive(Debug)]
pub(crate) enum Unavailable {
    /// There is no `node` or `npm` here.
    NoNode(io::Error),
    /// The packages could not be installed.
    NoPackages(String),
}

impl fmt::Display for Unavailable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoNode(error) => write!(out, "node or npm does not run: {error}"),
            Self::NoPackages(reason) => write!(out, "npm ci failed: {reason}"),
        }
    }
}

/// Judges all cases. A referee that breaks is a failure, one that is not there is not.
pub(crate) fn judge(cases: &[Case]) -> Result<Vec<Verdict>, Unavailable> {
    let home = install()?;
    let widths: Vec<_> = width_ranges()
        .into_iter()
        .map(|(range, columns)| {
            json!([u32::from(*range.start()), u32::from(*range.end()), columns])
        })
        .collect();
    let cases: Vec<_> = cases.iter().map(describe).collect();
    let answer = run(&home, &json!({ "widths": widths, "cases": cases }).to_string());
    let verdicts: Value = serde_json::from_str(&answer).expect("the referee speaks JSON");
    Ok(verdicts.as_array().expect("a list of verdicts").iter().map(read_verdict).collect())
}

fn describe(case: &Case) -> Value {
    let mut screen = Screen::new(case.size);
    let mut steps = Vec::new();
    for step in &case.steps {
        match step {
            Step::Output(bytes) => {
                screen.feed(bytes);
                steps.push(json!({ "bytes": latin1(bytes) }));
            }
            Step::Resize(size) => {
                screen.resize(*size);
                steps.push(json!({ "cols": size.cols, "rows": size.rows }));
            }
        }
    }
    let snapshot = screen.snapshot();
    json!({
        "name": case.name,
        "cols": case.size.cols,
        "rows": case.size.rows,
        "scrollback": case.scrollback,
        "steps": steps,
        "snapshot": {
            "cols": snapshot.size.cols,
            "rows": snapshot.size.rows,
            "bytes": latin1(&snapshot.bytes),
            "exact": snapshot.exact,
        },
        "later": case.later.iter().map(|bytes| latin1(bytes)).collect::<Vec<_>>(),
    })
}

fn read_verdict(verdict: &Value) -> Verdict {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let differences = verdict["differences"].as_array().expect("a list of differences");
    Verdict {
        name: text(&verdict["name"]),
        claims_exact: verdict["exact"].as_bool().expect("a claim"),
        differences: differences
            .iter()
            .map(|difference| {
                let [after, path, direct, replayed] =
                    ["after", "path", "direct", "replayed"].map(|key| text(&difference[key]));
                format!("after {after}: {path} is {direct:?}, replayed {replayed:?}")
            })
            .collect(),
    }
}

/// Bytes as text with one character each.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// Installs the referee's packages once per lock file, beside other build products.
fn install() -> Result<PathBuf, Unavailable> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/referee");
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screen-referee");
    let lock = fs::read(source.join("package-lock.json")).expect("the lock file is in the tree");
    let installed = home.join("installed.json");
    let is_current = fs::read(&installed).is_ok_and(|known| known == lock);
    fs::create_dir_all(&home).expect("the build directory is writable");
    for file in FILES {
        fs::copy(source.join(file), home.join(file)).expect("the build directory is writable");
    }
    Command::new("node").arg("--version").output().map_err(Unavailable::NoNode)?;
    if !is_current {
        let npm = Command::new("npm")
            .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"])
            .current_dir(&home)
            .output()
            .map_err(Unavailable::NoNode)?;
        if !npm.status.success() {
            let reason = String::from_utf8_lossy(&npm.stderr).into_owned();
            return Err(Unavailable::NoPackages(reason));
        }
        fs::write(&installed, lock).expect("the build directory is writable");
    }
    Ok(home)
}

fn run(home: &Path, question: &str) -> String {
    let mut node = Command::new("node")
        .arg("referee.mjs")
        .current_dir(home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node runs: it just told its version");
    let mut stdin = node.stdin.take().expect("it was piped");
    // The referee reads all of its input before it writes, so this cannot block for ever.
    stdin.write_all(question.as_bytes()).expect("the referee reads its input");
    drop(stdin);
    let output = node.wait_with_output().expect("the referee ends");
    assert!(output.status.success(), "the referee broke: {:?}", output.status);
    String::from_utf8(output.stdout).expect("the referee writes UTF-8")
}
