//! `qd machine add ssh://HOST --install`: this very program, copied to a machine that has none.
//!
//! It goes to `~/.local/bin/qd` by the system's ssh, is written beside its place, tried there, and only then
//! moved: a machine of another kind keeps what it had.

use std::{path::Path, process::Stdio, time::Duration};

use quarterdeck_transport::{Endpoint, endpoint::SshEndpoint};
use tokio::{io::AsyncWriteExt as _, process::Command, time::timeout};

use crate::{
    error::{CliError, Kind},
    output::escape::plain,
};

/// How long a copy may take: some dozens of megabytes over a slow link.
const INSTALL_LIMIT: Duration = Duration::from_secs(10 * 60);
/// Bytes of what the other side says that are shown.
const MAX_SAID_BYTES: usize = 1024;
/// What runs on the other machine; our bytes are its standard input.
const SCRIPT: &str = r#"set -e; umask 077; d="$HOME/.local/bin"; mkdir -p "$d"; t="$d/.qd.$$"; trap 'rm -f "$t"' EXIT; cat >"$t"; chmod 755 "$t"; "$t" --version; mv "$t" "$d/qd""#;

/// Copies this program to a machine, and gives what it says its version is there.
pub(super) async fn run(address: &str) -> Result<String, CliError> {
    let endpoint = address.parse().map_err(|error| {
        CliError::usage(format!("\"{}\" is no address", plain(address))).caused_by(&error)
    })?;
    let Endpoint::Ssh(ssh) = endpoint else {
        return Err(CliError::usage("--install needs an address that begins with ssh://"));
    };
    let program = std::env::current_exe().map_err(|error| {
        CliError::new(Kind::Failed, "this program's own file cannot be found").caused_by(&error)
    })?;
    let copied = timeout(INSTALL_LIMIT, copy(&ssh, &program)).await;
    copied.unwrap_or_else(|_| {
        Err(CliError::new(Kind::Timeout, format!("copying to {} takes too long", plain(address))))
    })
}

async fn copy(ssh: &SshEndpoint, program: &Path) -> Result<String, CliError> {
    let failed = |error: &std::io::Error| {
        CliError::new(Kind::Failed, "cannot copy this program by ssh").caused_by(error)
    };
    let bytes = tokio::fs::read(program).await.map_err(|error| failed(&error))?;
    let mut command = Command::new("ssh");
    command.args(["-T", "-o", "ClearAllForwardings=yes"]);
    if let Some(port) = ssh.port() {
        command.args(["-p", &port.to_string()]);
    }
    command.arg("--").arg(ssh.destination()).arg(SCRIPT);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| failed(&error))?;
    let input = child.stdin.take();
    let feed = async {
        if let Some(mut input) = input {
            // a side that ends early says why on its way out
            let _ = input.write_all(&bytes).await;
            let _ = input.shutdown().await;
        }
    };
    let ((), ended) = tokio::join!(feed, child.wait_with_output());
    let ended = ended.map_err(|error| failed(&error))?;
    let said = |bytes: &[u8]| {
        plain(String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_SAID_BYTES)]).trim())
    };
    if ended.status.success() {
        return Ok(said(&ended.stdout));
    }
    let mut failure = CliError::new(Kind::Failed, "this program does not run on that machine");
    failure.causes = vec![said(&ended.stderr)];
    Err(failure.hint("build it there, or copy one that was built for its kind of machine"))
}
