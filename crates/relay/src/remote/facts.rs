//! What is so on this machine before a Remote Control is started.

mod policy;

use std::{
    io::Read as _,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use quarterdeck_agents::remote::{
    evidence,
    preflight::{Facts, Login, Policy, Trust, blocking_variables, is_blocking},
};
use quarterdeck_protocol::remote_control::RemoteVendor;
use tokio::{io::AsyncReadExt as _, process::Command};

use super::{Start, WithTrust, home_variable};

/// How long the vendor's program may take to say its version or how it is logged in.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);
/// Bytes of such an answer.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;
/// Bytes of a vendor's file that is looked at.
const MAX_FILE_BYTES: u64 = 32 * 1024 * 1024;
/// Gathers. The program is only asked, in its user's home directory: a project's settings cannot make it
/// do anything yet.
pub(super) async fn gather(start: &Start, with_trust: WithTrust) -> Facts {
    let vendor = start.asked.vendor;
    let blocking = blocking_variables(vendor).iter().copied();
    let set = |name: &&str| start.env.get(*name).is_some_and(|value| is_blocking(name, value));
    let version = ask(start, &["--version"]).await;
    let login = match vendor {
        _ if version.is_none() => Login::Unknown,
        RemoteVendor::Claude => {
            let printed = ask(start, &["auth", "status"]).await;
            printed.map_or(Login::Unknown, |text| evidence::claude_login(&text))
        }
        RemoteVendor::Codex => {
            let printed = ask(start, &["login", "status"]).await;
            printed.map_or(Login::Unknown, |text| evidence::codex_login(&text))
        }
        RemoteVendor::Unknown => Login::Unknown,
    };
    let (policy, trust) = files(start, with_trust).await;
    let moved = start.env.get(home_variable(vendor)).cloned();
    Facts {
        vendor,
        profile: start.agent.name.clone(),
        program: start.agent.command.join(" "),
        version: version.map(|text| version_line(&text)),
        blocking: blocking.filter(set).map(str::to_owned).collect(),
        login,
        policy,
        trust,
        cwd: (with_trust == WithTrust::Yes).then(|| start.launch.cwd.clone()),
        account: moved,
    }
}

/// Warnings stand above it.
fn version_line(printed: &str) -> String {
    let mut lines = printed.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.next_back().unwrap_or_default().to_owned()
}

/// What the vendor's program prints, on either stream; none when it cannot be run or does not end.
async fn ask(start: &Start, words: &[&str]) -> Option<String> {
    let (program, fixed) = start.agent.command.split_first()?;
    let home = &start.home.account().home;
    let mut child = Command::new(program)
        .args(fixed)
        .args(words)
        .env_clear()
        .envs(&start.env)
        .current_dir(home)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .ok()?;
    let (out, err) = (child.stdout.take()?, child.stderr.take()?);
    let read = async {
        let (mut said, mut also) = (Vec::new(), Vec::new());
        let mut out = out.take(MAX_ANSWER_BYTES);
        let mut err = err.take(MAX_ANSWER_BYTES);
        let (first, second) = tokio::join!(out.read_to_end(&mut said), err.read_to_end(&mut also));
        let status = child.wait().await;
        first.and(second).and(status).ok()?;
        // a sentence may go to either
        let both = if said.is_empty() { also } else { said };
        Some(String::from_utf8_lossy(&both).into_owned())
    };
    tokio::time::timeout(ANSWER_LIMIT, read).await.ok().flatten()
}

async fn files(start: &Start, with_trust: WithTrust) -> (Policy, Trust) {
    if start.asked.vendor != RemoteVendor::Claude {
        return (Policy::Silent, Trust::Unknown);
    }
    let home = start.home.account().home.clone();
    let moved = start.env.get("CLAUDE_CONFIG_DIR").map(PathBuf::from);
    let account = moved.clone().unwrap_or_else(|| home.join(".claude"));
    let projects = moved.unwrap_or_else(|| home.clone()).join(".claude.json");
    let cwd = PathBuf::from(&start.launch.cwd);
    let looked = tokio::task::spawn_blocking(move || {
        let policy = policy::of_claude(Path::new(policy::MANAGED), &account);
        let trust = match with_trust {
            WithTrust::No => Trust::Unknown,
            WithTrust::Yes if cwd == home => Trust::Never,
            WithTrust::Yes => {
                let places = cwd.ancestors().filter_map(Path::to_str);
                read(&projects).map_or(Trust::Missing, |text| evidence::claude_trust(&text, places))
            }
        };
        (policy, trust)
    });
    looked.await.unwrap_or((Policy::Silent, Trust::Unknown))
}

fn read(path: &Path) -> Option<String> {
    let mut text = String::new();
    std::fs::File::open(path).ok()?.take(MAX_FILE_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}
