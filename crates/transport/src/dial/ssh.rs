//! A relay behind ssh: the standard streams of `ssh HOST qd relay --stdio`, which is a byte pipe to the
//! relay's Unix socket on that machine. ssh brings its own configuration, keys and agents.

use std::{
    env,
    ffi::OsString,
    os::unix::ffi::OsStrExt,
    path::PathBuf,
    pin::Pin,
    process::Stdio,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::{
    io::{self, AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    sync::watch,
    task::JoinSet,
    time::timeout,
};

use super::DialError;
use crate::{
    endpoint::SshEndpoint,
    limits::{MAX_SSH_STDERR_BYTES, SSH_EXIT_LIMIT},
    stream::ByteStream,
};

/// How ssh is run.
#[derive(Debug, Clone)]
pub struct SshOptions {
    /// The program; found by `PATH` unless it is a path.
    pub program: PathBuf,
    /// Whether it may ask a person.
    pub prompts: SshPrompts,
}

impl Default for SshOptions {
    fn default() -> Self {
        Self { program: "ssh".into(), prompts: SshPrompts::Never }
    }
}

/// Whether ssh may ask for a password or a host key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SshPrompts {
    /// It fails instead: nobody watches.
    Never,
    /// It asks on the controlling terminal.
    Ask,
}

/// Starts ssh. The process lives as long as the stream or the handle, and is killed then.
pub(super) fn start(
    endpoint: &SshEndpoint,
    options: &SshOptions,
) -> Result<(ByteStream, Arc<SshProcess>), DialError> {
    let mut command = command(endpoint, options, env::vars_os().map(|(name, _)| name));
    let failed = |source| DialError::SshStart { program: options.program.clone(), source };
    let mut child = command.spawn().map_err(failed)?;
    let streams = child.stdin.take().zip(child.stdout.take()).zip(child.stderr.take());
    let ((input, output), errors) =
        streams.ok_or_else(|| failed(io::ErrorKind::BrokenPipe.into()))?;
    let process = Arc::new(SshProcess::watch(child, errors));
    let stream = SshStream { input, output, _process: Arc::clone(&process) };
    Ok((Box::new(stream), process))
}

fn command(
    endpoint: &SshEndpoint,
    options: &SshOptions,
    variables: impl Iterator<Item = OsString>,
) -> Command {
    let mut command = Command::new(&options.program);
    command
        .args(arguments(endpoint, options.prompts))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    // our own settings may hold a token, which is nobody else's business
    for name in variables.filter(|name| name.as_bytes().starts_with(b"QD_")) {
        command.env_remove(name);
    }
    if options.prompts == SshPrompts::Never {
        // a ^C for the program in front is not for this link
        command.process_group(0);
    }
    command
}

/// Everything after the program's name. `--` stands before the destination, so that none can be taken for
/// an option.
fn arguments(endpoint: &SshEndpoint, prompts: SshPrompts) -> Vec<String> {
    let batch = match prompts {
        SshPrompts::Never => "BatchMode=yes",
        SshPrompts::Ask => "BatchMode=no",
    };
    let fixed = ["-T", "-o", batch, "-o", "ConnectTimeout=10", "-o", "ClearAllForwardings=yes"];
    let mut all: Vec<String> = fixed.map(str::to_owned).into();
    if let Some(port) = endpoint.port() {
        all.extend(["-p".to_owned(), port.to_string()]);
    }
    all.extend(endpoint.options.iter().cloned());
    all.extend(["--".to_owned(), endpoint.destination().to_owned()]);
    all.extend(endpoint.command.iter().map(|word| quote(word)));
    all
}

/// One word for the remote shell: ssh joins its arguments by spaces and has a shell split them again.
fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:@,+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

struct SshEnd {
    status: Option<i32>,
    said: String,
}

/// The running ssh: its one task drains what it says, so that it never blocks on that, and waits for its
/// end.
pub(super) struct SshProcess {
    end: watch::Receiver<Option<SshEnd>>,
    _task: JoinSet<()>,
}

impl SshProcess {
    fn watch(mut child: Child, errors: ChildStderr) -> Self {
        let (ended, end) = watch::channel(None);
        let mut task = JoinSet::new();
        task.spawn(async move {
            let said = last_words(errors).await;
            let status = child.wait().await.ok().and_then(|status| status.code());
            ended.send_replace(Some(SshEnd { status, said }));
        });
        Self { end, _task: task }
    }

    /// Waits a moment for the end of a process whose output ended. `None` when it lives on.
    pub(super) async fn why_it_failed(&self) -> Option<DialError> {
        let mut end = self.end.clone();
        let ended = timeout(SSH_EXIT_LIMIT, end.wait_for(Option::is_some)).await;
        let ended = ended.ok()?.ok()?;
        let SshEnd { status, said } = ended.as_ref()?;
        Some(DialError::Ssh { status: *status, said: said.clone() })
    }
}

/// The end of what it says, printable and bounded.
async fn last_words(mut errors: ChildStderr) -> String {
    let mut kept = Vec::new();
    let mut chunk = [0; 1024];
    while let Ok(length @ 1..) = errors.read(&mut chunk).await {
        kept.extend_from_slice(&chunk[..length]);
        let excess = kept.len().saturating_sub(MAX_SSH_STDERR_BYTES);
        kept.drain(..excess);
    }
    let text = String::from_utf8_lossy(&kept);
    let printable = text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c });
    printable.collect::<String>().trim().to_owned()
}

struct SshStream {
    input: ChildStdin,
    output: ChildStdout,
    _process: Arc<SshProcess>,
}

impl AsyncRead for SshStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.output).poll_read(cx, buffer)
    }
}

impl AsyncWrite for SshStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.input).poll_write(cx, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::Endpoint;

    fn endpoint(text: &str) -> SshEndpoint {
        match text.parse() {
            Ok(Endpoint::Ssh(ssh)) => ssh,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn the_command_line_has_its_golden_words() {
        let mut ssh = endpoint("ssh://me@dev:2222");
        ssh.options = vec!["-J".to_owned(), "jump".to_owned()];
        ssh.command = ["qd", "--instance", "my work", "relay", "--stdio"].map(str::to_owned).into();
        let golden = "-T|-o|BatchMode=yes|-o|ConnectTimeout=10|-o|ClearAllForwardings=yes|\
                      -p|2222|-J|jump|--|me@dev|qd|--instance|'my work'|relay|--stdio";
        assert_eq!(arguments(&ssh, SshPrompts::Never).join("|"), golden);
        let asking = arguments(&endpoint("ssh://dev"), SshPrompts::Ask).join(" ");
        assert!(asking.contains("BatchMode=no") && asking.ends_with("-- dev qd relay --stdio"));
    }

    #[test]
    fn our_own_settings_are_not_handed_on() {
        let variables = ["PATH", "QD_TOKEN", "SSH_AUTH_SOCK"].map(OsString::from);
        let ssh = SshOptions::default();
        let command = command(&endpoint("ssh://dev"), &ssh, variables.into_iter());
        let changed: Vec<_> = command.as_std().get_envs().collect();
        assert_eq!(changed, [("QD_TOKEN".as_ref(), None)]);
    }

    #[test]
    fn a_word_for_the_remote_shell_stays_one_word() {
        for (word, quoted) in [
            ("qd", "qd"),
            ("", "''"),
            ("a b", "'a b'"),
            ("$(id)", "'$(id)'"),
            ("it's", r"'it'\''s'"),
            ("~", "'~'"),
        ] {
            assert_eq!(quote(word), quoted);
        }
    }
}
