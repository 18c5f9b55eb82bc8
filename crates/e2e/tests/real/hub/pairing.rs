//! How machines come to a hub, and how they do not.

use quarterdeck_e2e::harness::{
    client::{Peer, Way, watching},
    hub::{Fleet, add_by_line, machines, pairing_line, until_machine},
    instance::Instance,
};
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    ids::{ClientId, HubId, Principal},
    method::{
        Acting, AttachRole, ChannelParams, CreateParams, Empty, HelloParams, MachineAccess,
        MachineAdd, MachineAddParams, MachineInfo, MachineState, Method, MethodName,
        PairingInviteResult, PairingList, PairingListResult, Role, SessionAttach, SessionCreate,
        SessionDetach,
    },
    scope::{Scope, Scopes},
};
use quarterdeck_transport::{Incoming, client::read_result};

/// Adds a machine by a line, and gives what came of it.
async fn add(here: &Instance, line: &str) -> Result<MachineInfo, RpcError> {
    let peer = Way::hub(here).connect("admin").await;
    let access = MachineAccess::Line { line: line.to_owned() };
    let params = MachineAddParams { label: None, access, offline: false };
    peer.try_call::<MachineAdd>(&params).await.map(|added| added.machine)
}

/// A hub with its relay, and another relay that listens.
fn stage() -> (Instance, Instance) {
    (Instance::new(), Instance::new())
}

#[tokio::test]
async fn a_line_pairs_once_and_both_sides_say_so() {
    let (here, there) = stage();
    let _far = there.start_relay(&["--listen", "127.0.0.1:0"]).await;
    let _hub = here.start_hub(&[]).await;
    let line = pairing_line(&there, &["--name", "desk", "--scope", "read,create"]).await;
    let added = here.qd_reading(["machine", "add", "--label", "far", "--json"], &line).await.ok();
    let added: MachineInfo = added.json();
    assert_eq!(added.state, MachineState::Connected);
    let scopes: Scopes = [Scope::Read, Scope::Create].into_iter().collect();
    let relay = added.relay.expect("it was reached");
    assert_eq!((relay.scopes, relay.delegate), (scopes, true));
    let hubs: PairingListResult = there.qd(["relay", "hubs", "--json"]).await.ok().json();
    assert_eq!((hubs.hubs[0].name.as_str(), hubs.hubs[0].scopes), ("desk", scopes));
    // the same line again
    let again = here.qd_reading(["machine", "add"], &line).await;
    assert!(!again.status.success());
    assert!(again.stderr.contains("used"), "says what is wrong: {again:?}");
    assert!(again.stderr.contains("qd relay pair"), "says what to do: {again:?}");
    // neither the code nor a key is in any log
    let code = line.rsplit('#').next().expect("a code");
    for log in ["relay-0.log", "hub-0.log"] {
        let text = std::fs::read_to_string(here.path(log)).unwrap_or_default();
        assert!(!text.contains(code), "{log}");
    }
}

#[tokio::test]
async fn a_hub_does_only_what_the_relays_user_chose() {
    let (here, there) = stage();
    let _far = there.start_relay(&["--listen", "127.0.0.1:0"]).await;
    let _hub = here.start_hub(&[]).await;
    let line = pairing_line(&there, &["--scope", "read"]).await;
    here.qd_reading(["machine", "add", "--label", "far"], &line).await.ok();
    let refused = here.qd(["--on", "far", "run", "-d", "--", "/bin/cat"]).await;
    assert_eq!(refused.code(), Some(6), "{refused:?}");
    assert!(refused.stderr.contains("create"), "names what is missing: {refused:?}");
    here.qd(["--on", "far", "status"]).await.ok();
}

#[tokio::test]
async fn a_wrong_pin_is_refused_before_the_code_is_sent() {
    let (here, there) = stage();
    let _far = there.start_relay(&["--listen", "127.0.0.1:0"]).await;
    let _hub = here.start_hub(&[]).await;
    let line = pairing_line(&there, &[]).await;
    let parts: Vec<&str> = line.split('#').collect();
    let wrong = format!("{}#sha256:{}#{}", parts[0], "A".repeat(43), parts[2]);
    let refused = add(&here, &wrong).await.expect_err("another key");
    assert_eq!(refused.code(), ErrorCode::PairingFailed);
    assert!(refused.message.contains(parts[1]), "names the key that was seen: {refused:?}");
    // the code was not used up: nobody has seen it
    add(&here, &line).await.expect("the right line works");
}

#[tokio::test]
async fn wrong_codes_are_counted_and_the_fifth_closes_the_invitation() {
    let (here, there) = stage();
    let _far = there.start_relay(&["--listen", "127.0.0.1:0"]).await;
    let _hub = here.start_hub(&[]).await;
    let line = pairing_line(&there, &[]).await;
    let (place, _) = line.rsplit_once('#').expect("three parts");
    for _ in 0..5 {
        let refused = add(&here, &format!("{place}#2222-2222-2222")).await.expect_err("wrong");
        assert_eq!(refused.code(), ErrorCode::PairingFailed, "{refused:?}");
        assert!(refused.message.contains("wrong"), "{refused:?}");
    }
    let refused = add(&here, &line).await.expect_err("too late");
    assert!(refused.message.contains("too many"), "{refused:?}");
    let journal = std::fs::read_to_string(there.directory().join("journal.jsonl")).expect("reads");
    assert!(journal.contains("the pairing code is wrong"), "{journal}");
}

#[tokio::test]
async fn a_relay_with_another_certificate_is_refused_until_somebody_decides() {
    let fleet = Fleet::start().await;
    let address = fleet.far.address().to_string();
    fleet.far.terminate().await;
    std::fs::remove_dir_all(fleet.there.directory().join("tls")).expect("removes");
    let _far = fleet.there.start_relay(&["--listen", &address]).await;
    let way = Way::hub(&fleet.here);
    let refused = |it: &MachineInfo| matches!(it.state, MachineState::Refused { .. });
    let machine = until_machine(&way, Fleet::FAR, "the other key is noticed", refused).await;
    let MachineState::Refused { why } = machine.state else { panic!("{machine:?}") };
    assert!(why.contains("sha256:"), "names the key that was seen: {why}");
    // a new line of the same relay renews the pairing of the same machine
    let line = pairing_line(&fleet.there, &[]).await;
    let renewed = add(&fleet.here, &line).await.expect("renews");
    assert_eq!((renewed.machine, renewed.state), (machine.machine, MachineState::Connected));
}

#[tokio::test]
async fn a_revoked_hub_loses_its_link_at_once_and_does_not_come_back() {
    let fleet = Fleet::start().await;
    fleet.there.qd(["relay", "forget", "test"]).await.ok();
    let way = Way::hub(&fleet.here);
    let refused = |it: &MachineInfo| matches!(it.state, MachineState::Refused { .. });
    let machine = until_machine(&way, Fleet::FAR, "the link ends", refused).await;
    let MachineState::Refused { why } = machine.state else { panic!("{machine:?}") };
    assert!(why.contains("revoked"), "{why}");
    let unreachable = fleet.here.qd(["logs", "far/x"]).await;
    assert_eq!(unreachable.code(), Some(7), "{unreachable:?}");
}

#[tokio::test]
async fn one_relay_is_one_machine_whatever_way_it_is_reached() {
    let fleet = Fleet::start().await;
    let line = pairing_line(&fleet.there, &["--name", "test"]).await;
    let refused = add(&fleet.here, &line).await.expect_err("it is here");
    assert_eq!(refused.code(), ErrorCode::MachineExists);
    assert!(refused.message.contains("\"far\""), "names it: {refused:?}");
    // the hub's own relay, by a token over its network address
    let token = Way::unix(&fleet.there).connect("admin").await.token("ada", Scopes::ALL).await;
    let access = MachineAccess::Token {
        url: format!("wss://{}", fleet.far.address()),
        token,
        pin: fleet.far.status.pin.clone(),
    };
    let params = MachineAddParams { label: None, access, offline: false };
    let admin = Way::hub(&fleet.here).connect("admin").await;
    let refused = admin.try_call::<MachineAdd>(&params).await.expect_err("it is here");
    assert_eq!(refused.code(), ErrorCode::MachineExists);
    let named = MachineAddParams { label: Some("near".parse().expect("a label")), ..params };
    let refused = admin.try_call::<MachineAdd>(&named).await.expect_err("the name is taken");
    assert_eq!(refused.code(), ErrorCode::MachineExists);
    assert_eq!(machines(&admin).await.len(), 2);
}

#[tokio::test]
async fn a_machine_that_is_not_there_is_added_only_if_somebody_says_so() {
    let here = Instance::new();
    let _hub = here.start_hub(&[]).await;
    let token = format!("qdt_{}", "A".repeat(43));
    let words = ["machine", "add", "wss://127.0.0.1:9", "--machine-token", "-"];
    let refused = here.qd_reading(words, &token).await;
    assert_eq!(refused.code(), Some(7), "{refused:?}");
    assert!(refused.stderr.contains("--offline"), "says how: {refused:?}");
    let words = [&words[..], &["--offline", "--label", "later", "--json"]].concat();
    let added: MachineInfo = here.qd_reading(words, &token).await.ok().json();
    assert!(matches!(added.state, MachineState::Reconnecting { .. }), "{added:?}");
}

#[tokio::test]
async fn a_relay_behind_nat_joins_and_dials_again_when_the_hub_comes_back() {
    let (here, there) = stage();
    let hub = here.start_hub(&["--tls"]).await;
    let address = hub.address();
    let words = ["machine", "invite", "--label", "nat", "--json"];
    let line = here.qd(words).await.ok().json::<PairingInviteResult>().line;
    let far = there.start_relay(&[]).await;
    there.qd_reading(["join", "--name", "home"], &line).await.ok();
    let way = Way::hub(&here);
    let linked = |it: &MachineInfo| it.state == MachineState::Connected;
    let joined = until_machine(&way, "nat", "the machine joins", linked).await;
    assert_eq!((joined.url, joined.relay_id), (None, Some(far.status.relay_id)));
    here.qd(["--on", "nat", "run", "-d", "--label", "x", "--", "/bin/cat"]).await.ok();
    // a second relay that has no code
    let stranger = Instance::new();
    let _relay = stranger.start_relay(&[]).await;
    let refused = stranger.qd_reading(["join"], &line).await;
    assert!(refused.stderr.contains("used"), "{refused:?}");
    hub.kill().await;
    let _hub = here.start_hub(&["--tls", "--listen", &address]).await;
    until_machine(&way, "nat", "the relay dials again", linked).await;
    let seen = here.qd(["logs", "nat/x"]).await;
    assert!(seen.status.success(), "{seen:?}");
}

#[tokio::test]
async fn who_is_no_hub_acts_for_nobody_and_a_hub_only_for_its_own() {
    let instance = Instance::new();
    let _relay = instance.start_relay(&["--listen", "127.0.0.1:0", "--insecure"]).await;
    let hub = HubId::from_bytes([7; 16]);
    let own = |issuer: &str| Principal::new(issuer, "ada").expect("a principal");
    let acting = |principal: Principal, client_id: ClientId| Acting {
        principal,
        client_id,
        name: "x".into(),
        scopes: Scopes::ALL,
        sessions: Vec::new(),
    };
    let right = acting(own(&hub.to_string()), hub.client([1; 8]));
    let another_issuer = acting(own("r_00"), hub.client([1; 8]));
    let another_client = acting(own(&hub.to_string()), ClientId::from_bytes([1; 16]));
    for (claims, asks, allowed) in [
        (None, &right, false),
        (Some(hub), &right, true),
        (Some(hub), &another_issuer, false),
        (Some(hub), &another_client, false),
    ] {
        let hello = HelloParams { name: "hub".into(), hub: claims, ..HelloParams::default() };
        let mut peer = Way::unix(&instance).try_connect(&hello).await.expect("connects");
        assert_eq!(peer.hello.delegate, claims.is_some());
        let params = serde_json::value::to_raw_value(&Empty {}).expect("is JSON");
        let sent = peer.client.forward(MethodName::SessionList, &params, Some(asks), |_| {}).await;
        sent.expect("is sent");
        let Some(Incoming::Answer { outcome, .. }) = peer.events.next().await else {
            panic!("an answer comes")
        };
        let outcome = outcome.map(|_| ()).map_err(|error| error.code());
        assert_eq!(outcome, if allowed { Ok(()) } else { Err(ErrorCode::Forbidden) }, "{asks:?}");
    }
}

/// Makes a request for a client of a hub, on the hub's connection, and gives its answer.
async fn ask_as<M: Method>(
    hub: &mut Peer,
    asks: &Acting,
    method: MethodName,
    params: &M::Params,
) -> Result<M::Result, ErrorCode> {
    let params = serde_json::value::to_raw_value(params).expect("is JSON");
    let sent = hub.client.forward(method, &params, Some(asks), |_| {}).await;
    sent.expect("is sent");
    loop {
        match hub.events.next().await {
            Some(Incoming::Answer { outcome, .. }) => {
                let result = outcome.map_err(|error| error.code())?;
                return Ok(read_result::<M>(&result).expect("is readable"));
            }
            Some(Incoming::Frame(_) | Incoming::Notification { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn clients_of_one_hub_are_kept_apart_by_the_relay_too() {
    let instance = Instance::new();
    let _relay = instance.start_relay(&[]).await;
    let id = HubId::from_bytes([7; 16]);
    let hello = HelloParams { name: "hub".into(), hub: Some(id), ..HelloParams::default() };
    let mut hub = Way::unix(&instance).try_connect(&hello).await.expect("connects");
    let acting = |name: &str, number: u8, scopes: Scopes| Acting {
        principal: Principal::new(&id.to_string(), name).expect("a principal"),
        client_id: id.client([number; 8]),
        name: name.into(),
        scopes,
        sessions: Vec::new(),
    };
    let (ada, bob) = (acting("ada", 1, Scopes::ALL), acting("bob", 2, Scopes::ALL));
    let argv = vec!["/bin/cat".to_owned()];
    let create = CreateParams { argv, ..CreateParams::default() };
    let made = ask_as::<SessionCreate>(&mut hub, &ada, MethodName::SessionCreate, &create).await;
    let session = made.expect("starts").session.session.to_string();
    let attach = watching(&session, AttachRole::Auto);
    let of_ada = ask_as::<SessionAttach>(&mut hub, &ada, MethodName::SessionAttach, &attach).await;
    let of_ada = of_ada.expect("attaches");
    assert_eq!(of_ada.role, Role::Owner);
    let of_bob = ask_as::<SessionAttach>(&mut hub, &bob, MethodName::SessionAttach, &attach).await;
    assert_eq!(of_bob.expect("attaches").role, Role::Follower);
    // another one's channel is none
    let channel = ChannelParams { channel: of_ada.channel };
    let taken = ask_as::<SessionDetach>(&mut hub, &bob, MethodName::SessionDetach, &channel).await;
    assert_eq!(taken, Err(ErrorCode::NotFound));
    let given = ask_as::<SessionDetach>(&mut hub, &ada, MethodName::SessionDetach, &channel).await;
    assert_eq!(given, Ok(Empty {}));
    // and what the hub does not give its client, the client does not have
    let looker = acting("looker", 3, [Scope::Read].into_iter().collect());
    let made = ask_as::<SessionCreate>(&mut hub, &looker, MethodName::SessionCreate, &create).await;
    assert_eq!(made.map(drop), Err(ErrorCode::Forbidden));
}

#[tokio::test]
async fn a_token_does_not_make_a_hub() {
    let instance = Instance::new();
    let relay = instance.start_relay(&["--listen", "127.0.0.1:0", "--insecure"]).await;
    let admin = Way::unix(&instance).connect("admin").await;
    let token = admin.token("ada", Scopes::ALL).await;
    let hub = Some(HubId::from_bytes([7; 16]));
    let hello = HelloParams { name: "hub".into(), hub, ..HelloParams::default() };
    let peer = Way::ws(relay.address(), &token).try_connect(&hello).await.expect("connects");
    assert!(!peer.hello.delegate, "it has not proved any key");
    assert!(peer.call::<PairingList>(&Empty {}).await.hubs.is_empty());
}

#[tokio::test]
async fn the_same_machine_is_added_again_after_it_was_removed() {
    let fleet = Fleet::start().await;
    fleet.here.qd(["machine", "rm", "far"]).await.ok();
    let admin = Way::hub(&fleet.here).connect("admin").await;
    assert_eq!(machines(&admin).await.len(), 1);
    add_by_line(&fleet.here, &fleet.there, "again").await;
    let local = fleet.here.qd(["machine", "rm", "near"]).await;
    assert!(local.stderr.contains("own machine"), "{local:?}");
}
