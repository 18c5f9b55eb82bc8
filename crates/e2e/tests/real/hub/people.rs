//! Several people and programs behind one hub: each is known to the relays by name.

use quarterdeck_e2e::harness::{
    agent::{self, Watcher, option_of},
    client::{Way, watching},
    files::until_file,
    hub::{Fleet, until_machine},
    instance::{Relay, qd_binary},
};
use quarterdeck_protocol::{
    agent::{OptionKind, Update},
    error::{ErrorCode, ErrorDetail},
    ids::{InputNumber, SessionId},
    method::{
        AgentPrompt, AttachRole, Empty, LeaseTake, MachineDisconnect, MachineInfo, MachineParams,
        MachineState, PromptList, PromptListParams, Role, SessionAttach, SessionInput, SessionList,
        TakeParams,
    },
    record::LeaseState,
    scope::{Scope, Scopes},
};

/// The hub's page would come this way: over its network address, with a token of its own.
async fn person(fleet: &Fleet, name: &str, scopes: Scopes) -> Way {
    let admin = Way::hub(&fleet.here).connect("admin").await;
    let token = admin.token(name, scopes).await;
    Way::ws(fleet.hub.address().parse().expect("an address"), &token)
}

/// Past the hub, with a token of the relay's own.
fn directly(relay: &Relay, token: &str) -> Way {
    let pin = relay.status.pin.clone().expect("has a pin");
    Way::wss(relay.address(), token, &pin)
}

fn no_admin() -> Scopes {
    [Scope::Read, Scope::Create, Scope::Drive].into_iter().collect()
}

#[tokio::test]
async fn a_session_changes_hands_between_people_behind_one_hub() {
    let fleet = Fleet::start().await;
    let ada = person(&fleet, "ada", Scopes::ALL).await.on(Fleet::FAR);
    let bob_scopes = [Scope::Read, Scope::Drive].into_iter().collect();
    let bob = person(&fleet, "bob", bob_scopes).await.on(Fleet::FAR);
    let first = ada.connect("ada's laptop").await;
    let session = first.create(["/bin/cat"]).await.session.to_string();
    let mut first = first.attach(&watching(&session, AttachRole::Auto)).await;
    assert!(first.owns());
    // her own other device may take over at once
    let second = ada.connect("ada's phone").await;
    let mut second = second.attach(&watching(&session, AttachRole::Auto)).await;
    assert!(!second.owns(), "it is owned");
    let take = |reason: Option<&str>| TakeParams {
        session: session.clone(),
        reason: reason.map(str::to_owned),
    };
    assert_eq!(second.peer.call::<LeaseTake>(&take(None)).await.role, Role::Owner);
    let is_lease = |it: &quarterdeck_e2e::harness::client::Attachment| {
        it.events.iter().any(|event| event.event == "lease")
    };
    first.until("the first device is told", is_lease).await;
    second.until("the second device is told", is_lease).await;
    second.type_applied(b"from the phone\n").await;
    // the first one's old epoch is worth nothing
    first.epoch = quarterdeck_protocol::ids::Epoch(first.epoch.0 - 1);
    first.try_type(b"too late\n").await.expect("is sent");
    first.until("is rejected", |it| !it.rejected.is_empty()).await;
    assert_eq!(first.rejected[0].error.code(), ErrorCode::NotOwner);
    // somebody else may not
    let other = bob.connect("bob").await;
    let refused = other.try_call::<LeaseTake>(&take(Some("mine"))).await.expect_err("is ada's");
    let Some(ErrorDetail::Owner { owner: Some(owner), .. }) = refused.detail() else {
        panic!("{refused:?}")
    };
    assert_eq!(owner.principal, second.peer.hello.principal);
    assert_eq!(owner.principal.issuer(), fleet.hub.status.hub.to_string());
    assert_eq!(owner.principal.name(), "ada");
    assert_eq!(owner.name, "ada's phone");
}

#[tokio::test]
async fn a_browser_and_a_terminal_of_the_hubs_own_user_are_one_person() {
    let fleet = Fleet::start().await;
    let local = Way::unix(&fleet.here).connect("terminal").await;
    let session = local.create(["/bin/cat"]).await.session.to_string();
    let mut local = local.attach(&watching(&session, AttachRole::Auto)).await;
    let through = fleet.way(Fleet::NEAR).connect("browser").await;
    let params = TakeParams { session: session.clone(), reason: None };
    assert_eq!(through.call::<LeaseTake>(&params).await.role, Role::Owner, "no reason is needed");
    let taken = |it: &quarterdeck_e2e::harness::client::Attachment| {
        it.events.iter().any(|event| event.event == "lease")
    };
    local.until("the terminal is told", taken).await;
}

#[tokio::test]
async fn a_prompt_is_answered_through_the_hub_and_the_relay_records_by_whom() {
    let fleet =
        Fleet::start_with(|instance| instance.configure(&agent::configuration(instance))).await;
    let far = fleet.way(Fleet::FAR).connect("starter").await;
    let session = agent::start(&far).await;
    let mut watcher = Watcher::start(&fleet.way(Fleet::FAR), &session).await;
    agent::say(&far, &session, "ask 1").await;
    let prompt = watcher.prompt(0).await;
    // everyone's list, over all machines
    let phone_scopes = [Scope::Read, Scope::Answer].into_iter().collect();
    let phone = person(&fleet, "ada", phone_scopes).await.connect("phone").await;
    let list = phone.call::<PromptList>(&PromptListParams { session: None }).await;
    assert_eq!(list.prompts.len(), 1);
    let on = list.prompts[0].on.as_ref().expect("a hub says where");
    assert_eq!((list.prompts[0].prompt.id, on.label.as_str()), (prompt.id, Fleet::FAR));
    // who may answer need not drive
    let told = phone.try_call::<AgentPrompt>(&agent::message(&session, "say no")).await;
    assert_eq!(told.map_err(|error| error.code()), Err(ErrorCode::Forbidden));
    let allow = option_of(&prompt, OptionKind::AllowOnce);
    let answered = agent::answer(&phone, prompt.id, &allow, Some("a1")).await.expect("answers");
    let again = agent::answer(&phone, prompt.id, &allow, Some("a1")).await.expect("is a retry");
    assert_eq!(answered.prompt, again.prompt);
    watcher.turns(1).await;
    assert_eq!(agent::times(&fleet.there, "ran 1"), 1);
    let by = watcher.events.iter().find_map(|event| {
        let Update::PromptUpdate { state, .. } = &event.update else { return None };
        state.answered().map(|answered| answered.by.clone())
    });
    assert_eq!(by, Some(phone.hello.principal.clone()));
    // a lasting rule is more than an answer
    agent::say(&far, &session, "ask 2").await;
    let prompt = watcher.prompt(1).await;
    let always = option_of(&prompt, OptionKind::AllowAlways);
    let refused = agent::answer(&phone, prompt.id, &always, None).await.expect_err("needs drive");
    assert_eq!(refused.code(), ErrorCode::Forbidden);
}

#[tokio::test]
async fn scopes_are_checked_at_the_hub_and_at_the_relay() {
    let fleet = Fleet::start().await;
    let read = [Scope::Read].into_iter().collect();
    let looker = person(&fleet, "looker", read).await.on(Fleet::FAR).connect("looker").await;
    let starter = fleet.way(Fleet::FAR).connect("starter").await;
    let session = starter.create(["/bin/cat"]).await.session.to_string();
    let input = quarterdeck_protocol::method::InputParams {
        session: session.clone(),
        text: "x".into(),
        n: None,
    };
    let refused = looker.try_call::<SessionInput>(&input).await.expect_err("may only look");
    assert_eq!(refused.detail(), Some(&ErrorDetail::Scope { needed: Scope::Drive }));
    let params = MachineParams { machine: Fleet::FAR.into() };
    let refused = looker.try_call::<MachineDisconnect>(&params).await.expect_err("is no admin");
    assert_eq!(refused.code(), ErrorCode::Forbidden);
    // it attaches, and follows a session that nobody owns
    let mut attached = looker.attach(&watching(&session, AttachRole::Auto)).await;
    assert!(!attached.owns());
    attached.send_input(InputNumber(1), b"x").await.expect("is sent");
    attached.until("is rejected", |it| !it.rejected.is_empty()).await;
}

#[tokio::test]
async fn a_machine_that_knows_only_the_hub_gives_nobody_more_than_they_have() {
    let fleet = Fleet::start().await;
    fleet.here.qd(["machine", "rm", "far"]).await.ok();
    let scopes: Scopes = [Scope::Read, Scope::Create, Scope::Drive].into_iter().collect();
    let token = Way::unix(&fleet.there).connect("admin").await.token("robot", scopes).await;
    let address = format!("wss://{}", fleet.far.address());
    let pin = fleet.far.status.pin.clone().expect("has a pin");
    let words = ["machine", "add", &address, "--label", "far", "--machine-token", "-"];
    let words = [&words[..], &["--machine-pin", &pin]].concat();
    fleet.here.qd_reading(words, &token).await.ok();
    let all = fleet.way(Fleet::FAR).connect("all").await;
    let session = all.create(["/bin/cat"]).await;
    let attached = all.attach(&watching(&session.session.to_string(), AttachRole::Auto)).await;
    assert!(attached.owns());
    let owner = Way::unix(&fleet.there).connect("x").await;
    let list = owner.call::<SessionList>(&Empty {}).await.sessions;
    let LeaseState::Held { owner } = &list[0].lease.state else { panic!("{list:?}") };
    assert_eq!(owner.principal.name(), "robot", "the token's name is all that is known");
    let read = [Scope::Read].into_iter().collect();
    let looker = person(&fleet, "looker", read).await.on(Fleet::FAR).connect("looker").await;
    let params = watching(&session.session.to_string(), AttachRole::Follow);
    let refused = looker.try_attach(&params).await.expect_err("would be the hub");
    assert_eq!(refused.code(), ErrorCode::Forbidden);
}

#[tokio::test]
async fn who_leaves_has_a_grace_and_comes_back_as_the_owner() {
    let fleet = Fleet::start().await;
    let way = fleet.way(Fleet::FAR);
    let peer = way.connect("laptop").await;
    let session = peer.create(["/bin/cat"]).await.session;
    let attached = peer.attach(&watching(&session.to_string(), AttachRole::Auto)).await;
    let (ticket, epoch) = (attached.peer.hello.ticket.clone(), attached.epoch);
    drop(attached);
    let mut overview =
        quarterdeck_e2e::harness::overview::Overview::start(&Way::unix(&fleet.there)).await;
    let in_grace = |info: &quarterdeck_protocol::session::SessionInfo| {
        matches!(info.lease.state, LeaseState::Grace { .. })
    };
    overview.until(session, "the lease is in its grace", in_grace).await;
    let back = way.connect_again("laptop", &ticket).await;
    let back = back.attach(&watching(&session.to_string(), AttachRole::Auto)).await;
    assert!(back.owns());
    assert_eq!(back.epoch, epoch);
}

#[tokio::test]
async fn an_agent_does_not_get_round_its_relay_by_the_hub() {
    let fleet =
        Fleet::start_with(|instance| instance.configure(&agent::configuration(instance))).await;
    let peer = Way::unix(&fleet.here).connect("person").await;
    let session = agent::start(&peer).await;
    let qd = qd_binary().display();
    let out = fleet.here.path("out");
    let file = out.display();
    let script = format!("{qd} --hub ls; {qd} machine ls; {qd} --on far ls");
    let script = format!("sh ({script}) >{file}.part 2>&1; mv {file}.part {file}");
    agent::say(&peer, &session, &script).await;
    let said = until_file(&out, |_| true).await;
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(!said.contains(Fleet::FAR), "it learns of no machine: {said}");
    let journal = std::fs::read_to_string(fleet.here.directory().join("hub-journal.jsonl"));
    let refused = journal.expect("reads").matches("inside an agent's session").count();
    assert_eq!(refused, 3, "{said}");
}

#[tokio::test]
async fn a_viewer_that_does_not_read_holds_up_nobody_behind_the_same_hub() {
    let fleet = Fleet::start().await;
    let way = fleet.way(Fleet::FAR);
    let starter = way.connect("starter").await;
    let session = starter.create(["/bin/sh", "-c", "yes | head -c 20000000; sleep 1000"]).await;
    let session = session.session.to_string();
    // attached, and never reads or credits
    let idle = way.connect("idle").await;
    let params = watching(&session, AttachRole::Follow);
    idle.call::<SessionAttach>(&params).await;
    let mut canary = quarterdeck_e2e::harness::canary::Canary::start(&way).await;
    let reader = way.connect("reader").await;
    let mut reader = reader.attach(&params).await;
    for _ in 0..10 {
        canary.sings().await;
    }
    reader.until("all of it", |it| it.out.0 >= 20_000_000).await;
    canary.sings().await;
    drop(idle);
}

#[tokio::test]
async fn a_session_of_another_machine_is_not_found_under_a_bound_connection() {
    let fleet = Fleet::start().await;
    let near = fleet.way(Fleet::NEAR).connect("near").await;
    let far = fleet.way(Fleet::FAR).connect("far").await;
    let session: SessionId = far.create(["/bin/cat"]).await.session;
    let params = watching(&session.to_string(), AttachRole::Follow);
    let refused = near.try_attach(&params).await.expect_err("is on the other machine");
    assert_eq!(refused.code(), ErrorCode::NotFound);
}

#[tokio::test]
async fn a_person_of_the_hubs_own_machine_is_the_same_through_the_hub_and_directly() {
    let mut fleet = Fleet::start().await;
    fleet.near.kill().await;
    fleet.near = fleet.here.start_relay(&["--listen", "127.0.0.1:0"]).await;
    let linked = |it: &MachineInfo| it.state == MachineState::Connected;
    until_machine(&Way::hub(&fleet.here), Fleet::NEAR, "it is linked again", linked).await;
    // ada has a token of the relay, and one of the hub of the same instance
    let admin = Way::unix(&fleet.here).connect("admin").await;
    let token = admin.token("ada", no_admin()).await;
    let direct = directly(&fleet.near, &token).connect("terminal").await;
    let through = person(&fleet, "ada", no_admin()).await.on(Fleet::NEAR);
    let session = direct.create(["/bin/cat"]).await.session.to_string();
    let direct = direct.attach(&watching(&session, AttachRole::Auto)).await;
    assert!(direct.owns());
    let through = through.connect("browser").await;
    assert_eq!(through.hello.principal, direct.peer.hello.principal, "it is told so");
    let take = TakeParams { session: session.clone(), reason: None };
    assert_eq!(through.call::<LeaseTake>(&take).await.role, Role::Owner);
    assert_eq!(direct.peer.call::<LeaseTake>(&take).await.role, Role::Owner, "and back");
    // another name is another person
    let bob = person(&fleet, "bob", no_admin()).await.on(Fleet::NEAR);
    let refused = bob.connect("bob").await.try_call::<LeaseTake>(&take).await;
    assert_eq!(refused.map(drop).map_err(|error| error.code()), Err(ErrorCode::LeaseHeld));
}

#[tokio::test]
async fn a_person_of_a_foreign_relay_is_nobody_whom_a_hub_can_name() {
    let fleet = Fleet::start().await;
    let scopes = no_admin();
    let token = Way::unix(&fleet.there).connect("admin").await.token("ada", scopes).await;
    let direct = directly(&fleet.far, &token).connect("terminal").await;
    let session = direct.create(["/bin/cat"]).await.session.to_string();
    let direct = direct.attach(&watching(&session, AttachRole::Auto)).await;
    assert!(direct.owns());
    let through = person(&fleet, "ada", scopes).await.on(Fleet::FAR).connect("browser").await;
    assert_ne!(through.hello.principal, direct.peer.hello.principal);
    let take = TakeParams { session, reason: None };
    let refused = through.try_call::<LeaseTake>(&take).await;
    assert_eq!(refused.map(drop).map_err(|error| error.code()), Err(ErrorCode::LeaseHeld));
}
