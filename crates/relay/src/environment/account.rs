//! The relay's user as the system knows them: name, home, login shell.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{io::AsyncReadExt, process::Command};

use super::{LAST_RESORT_SHELL, Variables, can_be_run};

/// The local table of accounts.
const TABLE: &str = "/etc/passwd";
/// Bytes of the table that are read; a larger one belongs into a directory service.
const MAX_TABLE_BYTES: u64 = 4 * 1024 * 1024;
/// Bytes of the directory service's answer.
const MAX_ANSWER_BYTES: u64 = 16 * 1024;
/// How long a directory service may take; a laptop off its network has none.
const DIRECTORY_LIMIT: Duration = Duration::from_secs(2);

/// A user of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Login name.
    pub user: String,
    /// Home directory.
    pub home: PathBuf,
    /// Login shell.
    pub shell: PathBuf,
}

impl Account {
    /// The user of this process: from the table of accounts, else from the directory service behind
    /// `getent`. `HOME` and `SHELL` of the relay's own environment win, as they do for other programs.
    pub async fn of_this_user(inherited: &Variables) -> Self {
        let uid = rustix::process::geteuid().as_raw();
        let known = match local_table().and_then(|table| Self::find(&table, uid)) {
            Some(account) => Some(account),
            None => directory_answer(uid).await.and_then(|line| Self::find(&line, uid)),
        };
        known.unwrap_or_else(|| Self::nobody_knows(uid)).with(inherited)
    }

    /// The account with this uid in text of the form of passwd(5).
    #[must_use]
    pub fn find(table: &str, uid: u32) -> Option<Self> {
        table.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let [user, _, id, _, _, home, shell] = fields[..] else { return None };
            if id.parse() != Ok(uid) || user.is_empty() {
                return None;
            }
            // passwd(5): an empty shell is /bin/sh
            let shell = if shell.is_empty() { LAST_RESORT_SHELL } else { shell };
            Some(Self { user: user.to_owned(), home: home.into(), shell: shell.into() })
        })
    }

    fn nobody_knows(uid: u32) -> Self {
        Self { user: uid.to_string(), home: "/".into(), shell: LAST_RESORT_SHELL.into() }
    }

    fn with(mut self, inherited: &Variables) -> Self {
        let path =
            |name: &str| inherited.get(name).map(Path::new).filter(|path| path.is_absolute());
        if let Some(home) = path("HOME") {
            home.clone_into(&mut self.home);
        }
        if let Some(shell) = path("SHELL").filter(|shell| can_be_run(shell)) {
            shell.clone_into(&mut self.shell);
        }
        self
    }
}

fn local_table() -> Option<String> {
    let mut bytes = Vec::new();
    File::open(TABLE).ok()?.take(MAX_TABLE_BYTES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

async fn directory_answer(uid: u32) -> Option<String> {
    let mut child = Command::new("getent")
        .args(["passwd", &uid.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .ok()?;
    let answer = child.stdout.take()?;
    let mut bytes = Vec::new();
    let mut bounded = answer.take(MAX_ANSWER_BYTES);
    let read = tokio::time::timeout(DIRECTORY_LIMIT, bounded.read_to_end(&mut bytes)).await;
    read.ok()?.ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
