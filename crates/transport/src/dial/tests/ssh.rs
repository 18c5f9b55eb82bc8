//! Dials through a program that stands in for ssh.

use super::*;

/// A directory with a program that stands in for ssh.
fn fake_ssh(script: &str) -> (tempfile::TempDir, SshOptions) {
    let directory = private_directory();
    let program = directory.path().join("ssh");
    let script = script.replace("DIR", &directory.path().to_string_lossy());
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("writes");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("chmod");
    (directory, SshOptions { program, prompts: SshPrompts::Never })
}

fn with_ssh(ssh: SshOptions) -> DialOptions {
    DialOptions { ssh, ..DialOptions::default() }
}

fn make_pipes(directory: &tempfile::TempDir) -> (PathBuf, PathBuf) {
    let pipes = (directory.path().join("to-relay"), directory.path().join("from-relay"));
    for pipe in [&pipes.0, &pipes.1] {
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, pipe, kind, mode, 0).expect("makes a pipe");
    }
    pipes
}

#[tokio::test]
async fn ssh_is_a_pipe_to_the_relay_and_dies_with_the_connection() {
    use tokio::net::unix::pipe;
    // like ssh it carries bytes both ways between its streams and the far side
    let script = r#"printf '%s|' "$@" > DIR/words
        cat DIR/from-relay & exec cat > DIR/to-relay"#;
    let (directory, ssh) = fake_ssh(script);
    let (to_relay, from_relay) = make_pipes(&directory);
    // opened for reading and writing, a pipe waits for nobody; then the far ends are ours
    let input = pipe::OpenOptions::new().open_receiver(&to_relay).expect("opens");
    let keep = pipe::OpenOptions::new().read_write(true).open_sender(&from_relay).expect("opens");
    let stream: ByteStream = Box::new(tokio::io::join(input, keep));
    let options = with_ssh(ssh);
    let at = endpoint("ssh://me@dev:2222");
    let (dialled, mut relay) = tokio::join!(dial(&at, &options), RelaySide::accept(stream));
    let words = fs::read_to_string(directory.path().join("words")).expect("reads");
    assert!(words.ends_with("-p|2222|--|me@dev|qd|relay|--stdio|"), "{words}");
    drop(dialled.expect("opens"));
    // the end of the pipe is the end of the process
    assert!(futures_util::StreamExt::next(&mut relay.0).await.is_none_or(|last| last.is_err()));
}

#[tokio::test]
async fn what_ssh_says_when_it_fails_is_the_error() {
    let script = r#"printf 'noise\033[31m\n' >&2; echo 'me@dev: Permission denied (publickey).' >&2; exit 255"#;
    let (_directory, ssh) = fake_ssh(script);
    match dial(&endpoint("ssh://dev"), &with_ssh(ssh)).await {
        Err(DialError::Ssh { status: Some(255), said }) => {
            assert_eq!(said, "noise [31m\nme@dev: Permission denied (publickey).");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_ssh_failure_that_no_retry_mends_is_final() {
    use quarterdeck_core::link::{DialFailure as F, Refusal as R};
    for (said, failure) in [
        ("me@dev: Permission denied (publickey).", F::Refused(R::BadCredential)),
        ("Host key verification failed.", F::Refused(R::Untrusted)),
        ("ssh: connect to host dev port 22: Connection refused", F::Retry),
    ] {
        let error = DialError::Ssh { status: Some(255), said: said.to_owned() };
        assert_eq!(error.failure(), failure, "{said}");
    }
    // the same words from the command on the other side are its own affair
    let said = "sh: 1: qd: Permission denied".to_owned();
    assert_eq!(DialError::Ssh { status: Some(126), said }.failure(), F::Retry);
}

#[tokio::test]
async fn a_remote_shell_that_prints_a_greeting_is_named_as_the_cause() {
    let (_directory, ssh) = fake_ssh("echo 'Welcome to dev!'; exec tail -f /dev/null");
    let dialled = dial(&endpoint("ssh://dev"), &with_ssh(ssh)).await;
    assert!(matches!(dialled, Err(DialError::SshNoise)), "{dialled:?}");
}

#[tokio::test]
async fn only_the_last_words_of_a_talkative_ssh_are_kept() {
    let script = "i=0; while [ $i -lt 2000 ]; do echo 'blah blah blah' >&2; i=$((i+1)); done; \
                  echo 'qd: not found' >&2; exit 127";
    let (_directory, ssh) = fake_ssh(script);
    match dial(&endpoint("ssh://dev"), &with_ssh(ssh)).await {
        Err(DialError::Ssh { status: Some(127), said }) => {
            assert!(said.len() <= crate::limits::MAX_SSH_STDERR_BYTES);
            assert!(said.ends_with("qd: not found"), "{said}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_ssh_that_hangs_is_given_up_and_one_that_is_missing_is_named() {
    let (_directory, ssh) = fake_ssh("exec tail -f /dev/null");
    let limits = DialLimits { ssh: Duration::from_millis(50), ..DialLimits::default() };
    let hangs = connect(&endpoint("ssh://dev"), &with_ssh(ssh), &limits).await;
    assert!(matches!(hangs, Err(DialError::Timeout { step: DialStep::Ssh })), "{hangs:?}");
    let program = PathBuf::from("/nonexistent/ssh");
    let missing = SshOptions { program: program.clone(), prompts: SshPrompts::Never };
    match dial(&endpoint("ssh://dev"), &with_ssh(missing)).await {
        Err(DialError::SshStart { program: named, .. }) => assert_eq!(named, program),
        other => panic!("{other:?}"),
    }
}
