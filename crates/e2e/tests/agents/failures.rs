//! What goes wrong: the service refuses, links break, programs end or talk nonsense.

use quarterdeck_e2e::{
    harness::{
        agents::{Agent, AgentHome},
        conversation::{Talk, Wishes},
        is_long,
    },
    models::{FakeModels, Refusing, Reply},
};
use quarterdeck_protocol::agent::{
    AgentCommand, AgentState, Delivery, ErrorClass, Resume, StopReason, Update, Vendor,
};

use crate::scene::Scene;

for_every_agent!(
    a_refusal_has_its_class_and_the_session_goes_on,
    a_refusal_that_passes_is_got_over,
    a_service_that_is_not_there_is_told_of,
    a_cut_stream_does_not_end_the_session,
    a_line_of_five_megabytes_is_shown,
    an_unknown_conversation_is_told_of,
);

async fn a_refusal_has_its_class_and_the_session_goes_on(agent: Agent) {
    let Some(mut scene) = Scene::start(agent, []).await else { return };
    let cases =
        [(401, ErrorClass::Auth), (429, ErrorClass::RateLimit), (529, ErrorClass::Overloaded)];
    // opencode never gives up on the other two
    let count = if agent == Agent::Opencode { 1 } else { cases.len() };
    for (at, (status, class)) in cases.into_iter().take(count).enumerate() {
        scene.models.script([Reply::error(status).endless()]);
        assert_eq!(scene.talk.turn("Are you there?").await, StopReason::Error);
        let error = scene.talk.last_error().expect("the turn tells its error");
        assert_eq!(error.class, class, "{error:?}");
        assert_eq!(scene.talk.endings().len(), at + 1);
        scene.models.clear_script();
    }
    scene.models.script([Reply::say("I am.")]);
    assert_eq!(scene.talk.turn("And now?").await, StopReason::EndTurn);
    assert!(scene.talk.said().ends_with("I am."), "{}", scene.talk.said());
    scene.check();
}

async fn a_refusal_that_passes_is_got_over(agent: Agent) {
    let script = [Reply::error(529).retry_after(0), Reply::say("I am.")];
    let Some(mut scene) = Scene::start(agent, script).await else { return };
    assert_eq!(scene.talk.turn("Are you there?").await, StopReason::EndTurn);
    assert_eq!(scene.talk.said(), "I am.");
    let retries = scene.talk.all(|update| {
        let Update::Retry(retry) = update else { return None };
        Some(retry.error.class)
    });
    // the others try again and tell nothing of it
    let expected: &[ErrorClass] =
        if agent == Agent::Claude { &[ErrorClass::Overloaded] } else { &[] };
    assert_eq!(retries, expected);
    scene.check();
}

async fn a_service_that_is_not_there_is_told_of(agent: Agent) {
    if agent == Agent::Opencode && !is_long() {
        // it says nothing for a minute, until it gives up
        return;
    }
    let nowhere = Refusing::reserve();
    let Some(home) = AgentHome::with_base_url(agent, &nowhere.url()) else { return };
    let mut talk = Talk::start(&home).await;
    talk.say("Are you there?", Delivery::Queue).await;
    if agent == Agent::Codex {
        // it waits for the network for ever, and says so
        let retry = |talk: &Talk| {
            talk.newest(|update| {
                let Update::Retry(retry) = update else { return None };
                Some(retry.error.class)
            })
        };
        let class = talk.until("the failure is told of", retry).await;
        assert_eq!(class, ErrorClass::Network);
        talk.command(&AgentCommand::Interrupt).await.expect("a turn runs");
        assert_eq!(talk.until_turn(1).await, StopReason::Cancelled);
    } else {
        assert_eq!(talk.until_turn(1).await, StopReason::Error);
        let error = talk.last_error().expect("the turn tells its error");
        assert_eq!(error.class, ErrorClass::Network, "{error:?}");
    }
    assert_eq!(talk.view().state, AgentState::Idle);
    talk.check();
}

async fn a_cut_stream_does_not_end_the_session(agent: Agent) {
    let script = [Reply::say("Once upon ").then_cut(), Reply::say("a time.")];
    let Some(mut scene) = Scene::start(agent, script).await else { return };
    assert_eq!(scene.talk.turn("Tell a story").await, StopReason::EndTurn);
    assert!(scene.talk.said().ends_with("a time."), "{}", scene.talk.said());
    scene.check();
}

async fn a_line_of_five_megabytes_is_shown(agent: Agent) {
    let long = "0123456789abcde ".repeat(5 * 1024 * 1024 / 16);
    let script = [Reply::say(&long), Reply::say("Short.")];
    let Some(mut scene) = Scene::start(agent, script).await else { return };
    assert_eq!(scene.talk.turn("Say much").await, StopReason::EndTurn);
    assert!(scene.talk.lines_above(5 * 1024 * 1024) > 0, "the agent wrote it as one line");
    let said = scene.talk.said();
    assert!(said.starts_with("0123456789abcde 0123"), "{}", said.len());
    assert_eq!(scene.talk.turn("Say little").await, StopReason::EndTurn);
    assert!(scene.talk.said().ends_with("Short."));
    scene.check();
}

async fn an_unknown_conversation_is_told_of(agent: Agent) {
    let models = FakeModels::start().await;
    let Some(home) = AgentHome::new(agent, &models) else { return };
    let unknown = "01a1fce2-216a-79e3-aa8b-5358d9e06c3b";
    let resume = Resume::Resume { vendor_session: unknown.to_owned() };
    let mut talk = Talk::start_with(&home, &Wishes { resume, ..Wishes::default() }).await;
    let settled = |talk: &Talk| {
        let state = talk.view().state;
        (state != AgentState::Starting).then_some(state)
    };
    let state = talk.until("it is clear what comes of it", settled).await;
    match agent {
        Agent::Claude => {
            assert_eq!(state, AgentState::Exited);
            let error = talk.last_error().expect("is told");
            assert_eq!(error.class, ErrorClass::SessionNotFound, "{error:?}");
        }
        Agent::Codex => {
            assert_eq!(state, AgentState::Idle);
            assert_ne!(talk.view().vendor_session.as_deref(), Some(unknown));
            let notices = talk.all(|update| {
                let Update::Notice { text } = update else { return None };
                Some(text.clone())
            });
            assert!(notices.iter().any(|text| text.contains("a new one begins")), "{notices:?}");
        }
        Agent::Opencode => {
            assert_eq!(state, AgentState::Stalled);
            assert!(talk.last_error().is_some());
        }
    }
    talk.check();
}

#[tokio::test]
async fn claude_without_a_key_says_so() {
    let models = FakeModels::start().await;
    let Some(home) = AgentHome::new(Agent::Claude, &models) else { return };
    let home = home.with_env("ANTHROPIC_API_KEY", "");
    let mut talk = Talk::start(&home).await;
    assert_eq!(talk.turn("Are you there?").await, StopReason::Error);
    assert_eq!(talk.last_error().expect("is told").class, ErrorClass::NoKey);
    assert_eq!(models.requests().len(), 0);
    talk.check();
}

#[tokio::test]
async fn codex_without_a_key_says_so() {
    let models = FakeModels::start().await;
    let Some(home) = AgentHome::new(Agent::Codex, &models) else { return };
    let home = home.with_env("CODEX_API_KEY", "");
    let mut talk = Talk::start(&home).await;
    assert_eq!(talk.turn("Are you there?").await, StopReason::Error);
    assert_eq!(talk.last_error().expect("is told").class, ErrorClass::NoKey);
    talk.check();
}

/// A program that is none of the agents: what it does, it does for all of them.
async fn program(vendor: Vendor, script: &str) -> Talk {
    Talk::start_command(vendor, &["/bin/sh", "-c", script, "sh"]).await
}

const VENDORS: [Vendor; 4] = [Vendor::Claude, Vendor::Codex, Vendor::Acp, Vendor::Sidecar];

#[tokio::test]
async fn a_program_that_ends_at_once_has_ended_and_nothing_more() {
    for vendor in VENDORS {
        let mut talk = program(vendor, "exit 3").await;
        talk.until_state(AgentState::Exited).await;
        assert_eq!(talk.endings(), [], "{vendor:?}: no turn had begun");
        talk.check();
    }
}

#[tokio::test]
async fn a_program_that_prints_garbage_is_shown_and_never_believed() {
    let script = r"printf 'not json\n{}\n[1]\n\377\376\n{\n'";
    for vendor in VENDORS {
        let mut talk = program(vendor, script).await;
        talk.until_state(AgentState::Exited).await;
        let garbage = talk.all(|update| {
            let Update::Garbage { text } = update else { return None };
            Some(text.clone())
        });
        assert_eq!(garbage.len(), 4, "{vendor:?}: {garbage:?}");
        assert_eq!(talk.endings(), []);
        talk.check();
    }
}

#[tokio::test]
async fn a_program_that_prints_seventeen_megabytes_in_a_line_goes_on() {
    let script = "head -c 17825792 /dev/zero | tr '\\0' x; echo; echo '{}'";
    for vendor in VENDORS {
        let mut talk = program(vendor, script).await;
        talk.until_state(AgentState::Exited).await;
        let sizes = talk.all(|update| {
            let Update::Oversized { bytes } = update else { return None };
            Some(*bytes)
        });
        assert_eq!(sizes, [17_825_792], "{vendor:?}");
        talk.check();
    }
}
