use std::time::Duration;

use super::*;

fn shell(script: &str) -> ResponderConfig {
    ResponderConfig {
        command: ["sh", "-c", script].map(ToOwned::to_owned).to_vec(),
        env: [("GREETING".to_owned(), "hello".to_owned())].into(),
        ..ResponderConfig::default()
    }
}

#[tokio::test]
async fn a_program_reads_the_message_and_its_output_is_the_answer_whatever_its_exit_code() {
    let said = answer(&shell("printf '%s, ' \"$GREETING\"; cat; exit 3"), "ada").await;
    assert_eq!(said.as_deref(), Some("hello, ada"));
}

#[tokio::test]
async fn a_program_has_no_variable_but_what_it_is_named() {
    let said = answer(&shell("env"), "").await.expect("is said");
    let named = ["GREETING", "PWD", "OLDPWD", "SHLVL", "_"];
    for line in said.lines() {
        let name = line.split('=').next().expect("has a name");
        assert!(named.contains(&name) || INHERITED.contains(&name), "{line}");
    }
}

#[tokio::test]
async fn a_program_that_is_not_there_or_says_no_text_answers_nothing() {
    let none = ResponderConfig { command: vec!["/nowhere/answer".to_owned()], ..shell("") };
    assert_eq!(answer(&none, "").await, None);
    assert_eq!(answer(&shell("printf '\\377\\376'"), "").await, None);
}

/// It holds the far end of a pipe as long as it or a child of its lives.
#[tokio::test]
async fn what_takes_too_long_is_killed_with_all_that_it_has_started() {
    let directory = tempfile::tempdir().expect("a directory");
    let pipe = directory.path().join("pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .expect("makes a pipe");
    let script = format!("exec 3>'{}'; sleep 9999 & wait", pipe.display());
    let config = shell(&script);
    let reading = tokio::task::spawn_blocking(move || std::fs::read(pipe));
    let said = tokio::time::timeout(Duration::from_millis(500), answer(&config, "")).await;
    assert!(said.is_err(), "it says nothing");
    let ended = tokio::time::timeout(Duration::from_secs(20), reading).await;
    assert_eq!(ended.expect("all of them are gone").expect("reads").expect("reads"), b"");
}
