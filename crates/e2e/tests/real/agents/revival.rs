//! Kept agents after a reboot: relay, holders and agents were all killed at once, and the next relay goes
//! on with each agent's own conversation.

use std::{fs, os::unix::fs::PermissionsExt as _};

use quarterdeck_e2e::{
    harness::{
        agent::{self, Watcher, option_of},
        client::Way,
        instance::Instance,
        overview::Overview,
    },
    processes,
};
use quarterdeck_protocol::{
    agent::{AgentState, OptionKind, Prompt, PromptState, StopReason, Update},
    error::ErrorCode,
    method::SessionResult,
    session::SessionInfo,
};

/// An agent of the Agent Client Protocol: `ask` asks for a permission, anything else is said back. Asked to
/// load a conversation it tells it again, as the protocol wants it.
const ACP_AGENT: &str = r#"#!/bin/sh
note() { printf '%s\n' "$*" >> "$JOURNAL"; }
send() { printf '{"jsonrpc":"2.0",%s}\n' "$1"; }
update() {
    send '"method":"session/update","params":{"sessionId":"acp-one","update":{"sessionUpdate":"'"$1"'","content":{"type":"text","text":"'"$2"'"}}}'
}
asked=
while IFS= read -r line; do
    id=$(printf '%s\n' "$line" | sed -n 's/.*"id":"\(qd-[^"]*\)".*/\1/p')
    case $line in
    *'"method":"initialize"'*)
        send '"id":"'"$id"'","result":{"protocolVersion":1,"agentCapabilities":{"loadSession":true},"authMethods":[]}' ;;
    *'"method":"session/new"'*)
        note began acp-one
        send '"id":"'"$id"'","result":{"sessionId":"acp-one"}' ;;
    *'"method":"session/load"'*'"sessionId":"acp-one"'*)
        update user_message_chunk 'say before'
        update agent_message_chunk before
        note resumed acp-one
        send '"id":"'"$id"'","result":{}' ;;
    *'"method":"session/prompt"'*'ask a'*)
        asked=$id
        send '"id":7,"method":"session/request_permission","params":{"sessionId":"acp-one","toolCall":{"toolCallId":"t","title":"a","kind":"execute"},"options":[{"optionId":"yes","name":"Allow once","kind":"allow_once"},{"optionId":"no","name":"Deny","kind":"reject_once"}]}' ;;
    *'"method":"session/prompt"'*)
        update agent_message_chunk "$(printf '%s\n' "$line" | sed -n 's/.*"text":"say \([a-z]*\)".*/\1/p')"
        send '"id":"'"$id"'","result":{"stopReason":"end_turn"}' ;;
    *'"id":7'*) note ran a; send '"id":"'"$asked"'","result":{"stopReason":"end_turn"}' ;;
    esac
done
"#;

/// A kept agent that has finished a turn and asks something.
struct Kept {
    instance: Instance,
    way: Way,
    session: SessionInfo,
    vendor_session: String,
    prompt: Prompt,
}

impl Kept {
    /// Starts it, and kills everything of the instance at the moment at which it asks.
    async fn killed(instance: Instance, name: &str) -> Self {
        let way = Way::unix(&instance);
        let _relay = instance.start_relay(&[]).await;
        let words = ["run", "--keep", "--detach", "--json", "--label", "kept", "--agent", name];
        let session = instance.qd(words).await.ok().json::<SessionResult>().session;
        let id = session.session.to_string();
        let mut watcher = Watcher::start(&way, &id).await;
        agent::say(&watcher.peer, &id, "say before").await;
        watcher.turns(1).await;
        agent::say(&watcher.peer, &id, "ask a").await;
        let prompt = watcher.prompt(0).await;
        let view = agent::view(&watcher.peer, &id).await;
        let vendor_session = view.vendor_session.expect("it has begun");
        processes::kill_naming(instance.home());
        Self { instance, way, session, vendor_session, prompt }
    }

    /// The next relay finds it: it is there again, in its own conversation, and says what became of
    /// everything.
    async fn comes_back(self) {
        let _relay = self.instance.start_relay(&[]).await;
        let id = self.session.session.to_string();
        let mut overview = Overview::start(&self.way).await;
        let back = overview.until(self.session.session, "it runs again", |info| {
            info.incarnation.0 == 2 && info.state.is_live()
        });
        let back = back.await;
        assert_eq!((&back.label, back.log_id), (&self.session.label, self.session.log_id));
        // the old log stands before it
        let mut watcher = Watcher::start(&self.way, &id).await;
        watcher.turns(2).await;
        assert_eq!(watcher.text(), "before");
        let told = watcher.events.iter().filter_map(|event| {
            let Update::PromptUpdate { prompt, state } = &event.update else { return None };
            (*prompt == self.prompt.id).then_some(state)
        });
        assert_eq!(told.collect::<Vec<_>>(), [&PromptState::Lost { answered: None }]);
        let once = option_of(&self.prompt, OptionKind::AllowOnce);
        let late = agent::answer(&watcher.peer, self.prompt.id, &once, None).await;
        assert_eq!(late.map_err(|error| error.code()), Err(ErrorCode::PromptSettled));

        agent::until_state(&mut watcher, AgentState::Idle).await;
        agent::say(&watcher.peer, &id, "say again").await;
        watcher.turns(3).await;
        assert_eq!(watcher.text(), "beforeagain", "what it tells again is not told twice");
        let ends = watcher.events.iter().filter_map(|event| {
            let Update::TurnEnded { stop_reason, .. } = event.update else { return None };
            Some(stop_reason)
        });
        assert_eq!(
            ends.collect::<Vec<_>>(),
            [StopReason::EndTurn, StopReason::AgentExit, StopReason::EndTurn]
        );
        let view = agent::view(&watcher.peer, &id).await;
        assert_eq!(view.vendor_session.as_ref(), Some(&self.vendor_session));
        assert!(view.prompts.is_empty(), "{view:?}");
        let resumed = format!("resumed {}", self.vendor_session);
        assert_eq!(agent::times(&self.instance, &resumed), 1);
        assert_eq!(agent::times(&self.instance, "ran a"), 0, "nobody has allowed it");
    }
}

#[tokio::test]
async fn a_kept_claude_goes_on_with_its_conversation_after_everything_was_killed() {
    let instance = Instance::new();
    instance.configure(&agent::configuration(&instance));
    Kept::killed(instance, "claude").await.comes_back().await;
}

#[tokio::test]
async fn a_kept_agent_of_the_client_protocol_goes_on_with_its_conversation_after_everything_was_killed()
 {
    let instance = Instance::new();
    let program = instance.path("acp-agent");
    fs::write(&program, ACP_AGENT).expect("writes");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("can be run");
    let journal = instance.path("journal");
    instance.configure(&format!(
        "[agents.other]\nvendor = \"acp\"\ncommand = [{program:?}]\nenv = {{ JOURNAL = {journal:?} }}\n"
    ));
    Kept::killed(instance, "other").await.comes_back().await;
}
