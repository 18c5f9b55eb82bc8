//! What happens on any machine is told at once to who watches the hub, and a prompt is answered once,
//! whichever way the answers come.

use quarterdeck_e2e::harness::{
    agent::{self, Watcher, option_of},
    client::Way,
    hub::Fleet,
    news::News,
};
use quarterdeck_protocol::{
    agent::{OptionKind, PromptAnswer, PromptState, StopReason},
    error::ErrorCode,
    method::{PromptList, PromptListParams},
};

const MACHINES: [&str; 2] = [Fleet::NEAR, Fleet::FAR];

async fn fleet() -> Fleet {
    Fleet::start_with(|instance| instance.configure(&agent::configuration(instance))).await
}

#[tokio::test]
async fn who_watches_the_hub_learns_of_prompts_and_turns_of_every_machine() {
    let fleet = fleet().await;
    let mut page = News::watch(&Way::hub(&fleet.here)).await;
    for machine in MACHINES {
        let peer = fleet.way(machine).connect("starter").await;
        let session = agent::start(&peer).await;
        agent::say(&peer, &session, "ask 1").await;
        let opened = page.opened().await;
        assert_eq!(opened.session.to_string(), session);
        let on = opened.on.as_ref().expect("a hub says where");
        assert_eq!(on.label.as_str(), machine);
        let allow = option_of(&opened.prompt, OptionKind::AllowOnce);
        agent::answer(&page.peer, opened.prompt.id, &allow, None).await.expect("answers");
        let settled = page.settled().await;
        assert_eq!(settled.prompt, opened.prompt.id);
        assert!(settled.state.answered().is_some(), "{settled:?}");
        let ended = page.turn_ended().await;
        assert_eq!((ended.session, ended.turn), (opened.session, 1));
        assert_eq!(ended.stop_reason, StopReason::EndTurn);
    }
}

#[tokio::test]
async fn who_comes_later_is_told_what_is_still_open_and_nothing_that_is_over() {
    let fleet = fleet().await;
    let peer = fleet.way(Fleet::FAR).connect("starter").await;
    let (first, second) = (agent::start(&peer).await, agent::start(&peer).await);
    let mut early = News::watch(&Way::hub(&fleet.here)).await;
    for session in [&first, &second] {
        agent::say(&peer, session, "ask 1").await;
    }
    let (one, two) = (early.opened().await, early.opened().await);
    let allow = option_of(&one.prompt, OptionKind::AllowOnce);
    agent::answer(&peer, one.prompt.id, &allow, None).await.expect("answers");
    early.settled().await;
    let mut late = News::watch(&Way::hub(&fleet.here)).await;
    assert_eq!(late.opened().await.prompt.id, two.prompt.id);
    let list = peer.call::<PromptList>(&PromptListParams { session: None }).await;
    assert_eq!(list.prompts.iter().filter(|it| it.prompt.state == PromptState::Open).count(), 1);
}

#[tokio::test]
async fn a_prompt_is_answered_once_through_hub_and_relay_and_all_learn_by_whom() {
    let fleet = fleet().await;
    for machine in MACHINES {
        let direct = Way::unix(fleet.instance(machine));
        let peer = direct.connect("starter").await;
        let session = agent::start(&peer).await;
        let mut watchers = [News::watch(&Way::hub(&fleet.here)).await, News::watch(&direct).await];
        agent::say(&peer, &session, "ask 1").await;
        let prompt = watchers[0].opened().await.prompt;
        assert_eq!(watchers[1].opened().await.prompt.id, prompt.id);
        let (allow, deny) =
            (option_of(&prompt, OptionKind::AllowOnce), option_of(&prompt, OptionKind::RejectOnce));
        let (through, beside) = tokio::join!(
            agent::answer(&watchers[0].peer, prompt.id, &allow, None),
            agent::answer(&watchers[1].peer, prompt.id, &deny, None),
        );
        let lost = match (&through, &beside) {
            (Ok(_), Err(lost)) | (Err(lost), Ok(_)) => lost,
            both => panic!("one wins: {both:?}"),
        };
        assert_eq!(lost.code(), ErrorCode::PromptAnswered, "{lost:?}");
        let winner = through.or(beside).expect("one of them won");
        let by = winner.state.answered().expect("is answered").by.clone();
        for watcher in &mut watchers {
            let settled = watcher.settled().await;
            assert_eq!(settled.state.answered().map(|it| &it.by), Some(&by));
            watcher.turn_ended().await;
        }
        let mut story = Watcher::start(&direct, &session).await;
        story.turns(1).await;
        let ran = agent::times(fleet.instance(machine), "ran 1");
        let chosen = PromptAnswer::Option { option_id: allow.clone() };
        let allowed = winner.state.answered().is_some_and(|it| it.answer == chosen);
        assert_eq!(ran, usize::from(allowed));
    }
}

#[tokio::test]
async fn a_prompt_that_was_answered_while_the_hub_was_away_is_not_open_there_afterwards() {
    let fleet = fleet().await;
    let mut page = News::watch(&Way::hub(&fleet.here)).await;
    let direct = Way::unix(&fleet.there);
    let peer = direct.connect("starter").await;
    let session = agent::start(&peer).await;
    agent::say(&peer, &session, "ask 1").await;
    let prompt = page.opened().await.prompt;
    fleet.here.qd(["machine", "disconnect", Fleet::FAR]).await.ok();
    let allow = option_of(&prompt, OptionKind::AllowOnce);
    agent::answer(&peer, prompt.id, &allow, None).await.expect("answers");
    fleet.here.qd(["machine", "connect", Fleet::FAR]).await.ok();
    let settled = page.settled().await;
    assert_eq!(settled.prompt, prompt.id);
    let by = settled.state.answered().map(|it| it.by.clone());
    assert_eq!(by, Some(peer.hello.principal.clone()), "also by whom");
}

#[tokio::test]
async fn a_prompt_of_which_a_new_relay_knows_nothing_more_is_settled_for_who_watches() {
    let mut fleet = fleet().await;
    let mut page = News::watch(&Way::hub(&fleet.here)).await;
    let direct = Way::unix(&fleet.there);
    let peer = direct.connect("starter").await;
    let session = agent::start(&peer).await;
    agent::say(&peer, &session, "ask 1").await;
    let prompt = page.opened().await.prompt;
    fleet.here.qd(["machine", "disconnect", Fleet::FAR]).await.ok();
    let allow = option_of(&prompt, OptionKind::AllowOnce);
    agent::answer(&peer, prompt.id, &allow, None).await.expect("answers");
    let mut watcher = Watcher::start(&direct, &session).await;
    watcher.turns(1).await;
    let address = fleet.far.address().to_string();
    fleet.far.kill().await;
    fleet.far = fleet.there.start_relay(&["--listen", &address]).await;
    fleet.here.qd(["machine", "connect", Fleet::FAR]).await.ok();
    assert_eq!(page.settled().await.prompt, prompt.id);
}
