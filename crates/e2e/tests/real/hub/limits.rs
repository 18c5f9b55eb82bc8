//! A token of the hub that is limited to sessions: on every machine, other sessions do not exist for it.

use quarterdeck_e2e::harness::{
    agent::{self, option_of},
    client::{Way, watching},
    hub::Fleet,
    news::News,
};
use quarterdeck_protocol::{
    agent::OptionKind,
    error::ErrorCode,
    ids::SessionId,
    method::{
        AttachRole, CreateParams, Empty, InputParams, MachineConnect, MachineParams, PromptList,
        PromptListParams, SessionCreate, SessionInput, SessionList, TokenCreate, TokenCreateParams,
    },
    scope::Scopes,
};

async fn limited(fleet: &Fleet, sessions: Vec<SessionId>) -> Way {
    let admin = Way::hub(&fleet.here).connect("admin").await;
    let params = TokenCreateParams {
        name: "guest".into(),
        principal: Some("guest".into()),
        scopes: Scopes::ALL,
        sessions,
        expires_in_s: None,
        dialect: None,
    };
    let secret = admin.call::<TokenCreate>(&params).await.token;
    Way::ws(fleet.hub.address().parse().expect("an address"), &secret)
}

#[tokio::test]
async fn a_limited_token_of_the_hub_reaches_its_sessions_and_no_others() {
    let fleet = Fleet::start().await;
    for machine in [Fleet::NEAR, Fleet::FAR] {
        let starter = fleet.way(machine).connect("starter").await;
        let own = starter.create(["/bin/cat"]).await;
        let other = starter.create(["/bin/cat"]).await;
        let way = limited(&fleet, vec![own.session]).await;
        let guest = way.connect("guest").await;
        let seen = guest.call::<SessionList>(&Empty {}).await.sessions;
        assert_eq!(seen.iter().map(|it| it.session).collect::<Vec<_>>(), [own.session]);
        let input = |session: String| InputParams { session, text: "hi\n".into(), n: None };
        for word in [own.session.to_string(), format!("{machine}/{}", own.label)] {
            guest.call::<SessionInput>(&input(word)).await;
        }
        for word in [other.session.to_string(), format!("{machine}/{}", other.label)] {
            let refused = guest.try_call::<SessionInput>(&input(word)).await.map(drop);
            assert_eq!(refused.map_err(|error| error.code()), Err(ErrorCode::NotFound));
        }
        let create = CreateParams { argv: vec!["/bin/cat".into()], ..CreateParams::default() };
        let refused = guest.try_call::<SessionCreate>(&create).await.expect_err("none other");
        assert_eq!(refused.code(), ErrorCode::Forbidden);
        let params = MachineParams { machine: machine.into() };
        let refused = guest.try_call::<MachineConnect>(&params).await.expect_err("no machines");
        assert_eq!(refused.code(), ErrorCode::Forbidden);
        // bound to the machine it is the same
        let bound = way.on(machine).connect("guest").await;
        let params = watching(&other.session.to_string(), AttachRole::Follow);
        assert_eq!(
            bound.try_attach(&params).await.map(drop).map_err(|it| it.code()),
            Err(ErrorCode::NotFound)
        );
        let admin = Way::hub(&fleet.here).connect("admin").await;
        let name = quarterdeck_protocol::method::TokenNameParams { name: "guest".into() };
        admin.call::<quarterdeck_protocol::method::TokenRevoke>(&name).await;
    }
}

#[tokio::test]
async fn a_limited_token_learns_of_no_other_prompts_and_answers_none() {
    let fleet =
        Fleet::start_with(|instance| instance.configure(&agent::configuration(instance))).await;
    let peer = fleet.way(Fleet::FAR).connect("starter").await;
    let (other, own) = (agent::start(&peer).await, agent::start(&peer).await);
    let mut all = News::watch(&Way::hub(&fleet.here)).await;
    let way = limited(&fleet, vec![own.parse().expect("an id")]).await;
    let mut guest = News::watch(&way).await;
    agent::say(&peer, &other, "ask 1").await;
    let hidden = all.opened().await.prompt;
    agent::say(&peer, &own, "ask 2").await;
    let first = guest.opened().await;
    assert_eq!(first.session.to_string(), own, "the first that it is told of");
    let list = guest.peer.call::<PromptList>(&PromptListParams { session: None }).await.prompts;
    assert_eq!(list.iter().map(|it| it.prompt.id).collect::<Vec<_>>(), [first.prompt.id]);
    let allow = option_of(&hidden, OptionKind::AllowOnce);
    let refused = agent::answer(&guest.peer, hidden.id, &allow, None).await.expect_err("hidden");
    assert_eq!(refused.code(), ErrorCode::NotFound);
    agent::answer(&guest.peer, first.prompt.id, &allow, None).await.expect("its own");
}
