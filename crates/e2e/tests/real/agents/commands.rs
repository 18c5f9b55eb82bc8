//! Agents on the command line, for scripts and for people.

use quarterdeck_e2e::harness::{
    agent::{self, Watcher},
    terminal::Terminal,
    within,
};
use quarterdeck_protocol::{
    agent::{AgentEvent, Update},
    method::{AgentCommandResult, PromptListResult, SessionResult},
};

use super::Stage;

#[tokio::test]
async fn a_turn_on_the_command_line_is_readable_or_json_and_its_result_is_the_exit_code() {
    let stage = Stage::new().await;
    let ran = stage.instance.qd(&["run", "--agent", "claude", "say hello"]).await.ok();
    assert!(ran.text().starts_with("hello\n"), "{}", ran.text());
    let interrupted =
        stage.instance.qd(&["run", "--agent", "claude", "--label", "x", "say hello; exit 3"]).await;
    assert_eq!(interrupted.code(), Some(10), "{interrupted:?}");

    let session = stage.session.as_str();
    let sent = stage.instance.qd(&["send", session, "say again", "--wait"]).await.ok();
    assert!(sent.text().starts_with("again\n"), "{}", sent.text());
    let events = stage.instance.qd(&["send", session, "say more", "--wait", "--json"]).await.ok();
    let events: Vec<AgentEvent> =
        events.text().lines().map(|line| serde_json::from_str(line).expect("an event")).collect();
    assert!(matches!(events.last().map(|it| &it.update), Some(Update::TurnEnded { .. })));
    let queued: AgentCommandResult =
        stage.instance.qd(&["send", session, "--json", "say last"]).await.ok().json();
    assert!(!queued.repeated);
    let idle: SessionResult =
        stage.instance.qd(&["wait", session, "--for", "idle", "--json"]).await.ok().json();
    assert!(idle.session.agent.is_some());
    let logs = stage.instance.qd(&["logs", session]).await.ok().text();
    for text in ["again", "more", "last"] {
        assert!(logs.contains(&format!("\n{text}\n")), "{text}: {logs}");
    }
}

#[tokio::test]
async fn a_prompt_is_waited_for_listed_and_answered_from_elsewhere() {
    let stage = Stage::new().await;
    let mut watcher = Watcher::start(&stage.way, &stage.session).await;
    let session = stage.session.as_str();
    stage.instance.qd(&["send", session, "ask one; ask two; question Really"]).await.ok();
    stage.instance.qd(&["wait", session, "--for", "prompt"]).await.ok();
    let listed: PromptListResult = stage.instance.qd(&["prompts", "--json"]).await.ok().json();
    let id = listed.prompts[0].prompt.id.to_string();
    let shown = stage.instance.qd(&["prompts", "ls"]).await.ok().text();
    assert!(shown.contains(&id) && shown.contains("one"), "{shown}");
    stage.instance.qd(&["prompts", "allow", &id, "--input", r#"{"command":"uno"}"#]).await.ok();
    watcher.prompt(1).await;
    stage.instance.qd(&["prompts", "deny", session, "not", "now"]).await.ok();
    watcher.prompt(2).await;
    let wrong = stage.instance.qd(&["prompts", "allow", session]).await;
    assert_eq!(wrong.code(), Some(2), "{wrong:?}");
    stage.instance.qd(&["prompts", "answer", session, "yes"]).await.ok();
    watcher.turns(1).await;
    let late = stage.instance.qd(&["prompts", "allow", &id]).await;
    assert_eq!(late.code(), Some(10), "{late:?}");
    assert!(late.stderr.contains("allowed with another input"), "{late:?}");
    assert_eq!((stage.times("ran uno"), stage.times("denied two: not now")), (1, 1));
    assert_eq!(stage.times(r#"answers {"Really":"yes"}"#), 1);
}

#[tokio::test]
async fn a_turn_that_is_waited_for_asks_on_the_terminal() {
    let stage = Stage::new().await;
    let words = ["send", &stage.session, "ask one; ask two; say done", "--wait"];
    let mut terminal = Terminal::qd(&stage.instance, &words);
    terminal.until_text("? one").await;
    terminal.type_keys(b"perhaps\ry\r").await;
    terminal.until_text("type a number from 1").await;
    terminal.until_text("? two").await;
    // meanwhile somebody else answers
    stage.instance.qd(&["prompts", "deny", &stage.session, "no"]).await.ok();
    terminal.until_text("done").await;
    assert!(terminal.until_ended().await.success());
    assert_eq!((stage.times("ran one"), stage.times("denied two: no")), (1, 1));
    let words = ["run", "--agent", "claude", "--wait", "ask three; say over"];
    let mut terminal = Terminal::qd(&stage.instance, &words);
    terminal.until_text("? three").await;
    terminal.type_keys(b"n not now\r").await;
    terminal.until_text("over").await;
    assert!(terminal.until_ended().await.success());
    assert_eq!(stage.times("denied three: not now"), 1);
}

#[tokio::test]
async fn an_attached_terminal_shows_the_prompt_and_takes_the_answer() {
    let stage = Stage::new().await;
    let mut terminal = Terminal::qd(&stage.instance, &["attach", &stage.session]);
    terminal.type_keys(b"ask rm; bye\r").await;
    terminal.until_text("1.").await;
    terminal.type_keys(b"n use trash\r").await;
    terminal.until_text("You said: bye").await;
    within("the denial", async {
        while stage.times("denied rm: use trash") == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // answered elsewhere while it is shown here
    let mut watcher = Watcher::start(&stage.way, &stage.session).await;
    terminal.type_keys(b"ask touch\r").await;
    let prompt = watcher.prompt(1).await;
    terminal.until_text(&prompt.id.to_string()).await;
    agent::answer(
        &stage.peer,
        prompt.id,
        &agent::option_of(&prompt, quarterdeck_protocol::agent::OptionKind::AllowOnce),
        None,
    )
    .await
    .expect("answers");
    terminal.until_text("answered by").await;
    terminal.type_keys(b"/detach\r").await;
    assert!(terminal.until_ended().await.success());
}
