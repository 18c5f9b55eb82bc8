//! A machine that cannot be added: what happened, what to do, word for word; and nothing is lost by it.

use std::net::TcpListener;

use quarterdeck_e2e::harness::{
    client::{Peer, Way},
    hub::{Fleet, machines, pairing_line, until_machine},
    receiver::{Reaction, Receiver},
};
use quarterdeck_protocol::{
    error::{ErrorCode, ErrorDetail, RpcError},
    method::{
        Empty, MachineAccess, MachineAdd, MachineAddParams, MachineInfo, MachineParams,
        MachineRemove, MachineState, SessionList,
    },
    scope::Scopes,
};

const WRONG_PIN: &str = "sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Code, sentence and what to do.
type Said = (ErrorCode, String, String);

fn said(error: &RpcError) -> Said {
    let hint = match error.detail() {
        Some(ErrorDetail::Hint { hint }) => hint.clone(),
        _ => String::new(),
    };
    (error.code(), error.message.clone(), hint)
}

fn by_token(url: &str, token: &str, pin: Option<&str>) -> MachineAccess {
    MachineAccess::Token { url: url.into(), token: token.into(), pin: pin.map(Into::into) }
}

async fn add(hub: &Peer, label: Option<&str>, access: MachineAccess) -> Result<MachineInfo, Said> {
    let label = label.map(|label| label.parse().expect("a label"));
    let params = MachineAddParams { label, access, offline: false };
    hub.try_call::<MachineAdd>(&params).await.map(|it| it.machine).map_err(|it| said(&it))
}

/// Tries to add, and compares what is said.
async fn refused(hub: &Peer, access: MachineAccess, code: ErrorCode, message: &str, hint: &str) {
    let refused = add(hub, Some("new"), access).await.expect_err(message);
    assert_eq!(refused, (code, message.to_owned(), hint.to_owned()));
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one refusal after the other, each in a few lines")]
async fn a_machine_that_cannot_be_added_says_why_and_what_to_do_and_costs_nothing() {
    let fleet = Fleet::start().await;
    let session = fleet.way(Fleet::FAR).connect("starter").await.create(["/bin/cat"]).await.session;
    let hub = Way::hub(&fleet.here).connect("admin").await;
    let far = fleet.far.status.pin.clone().expect("has a pin");
    let url = format!("wss://{}", fleet.far.address());
    let token = Way::unix(&fleet.there).connect("admin").await.token("ada", Scopes::ALL).await;
    let bad = format!("qdt_{}", "A".repeat(43));
    let nowhere = TcpListener::bind("127.0.0.1:0").expect("binds").local_addr().expect("is bound");
    let stranger = Receiver::start().await;
    let plain = stranger.url("").replace("http://", "ws://");
    let compare = "compare the pin with what the machine prints: qd status; a proxy that opens TLS \
                   shows one of its own";
    refused(
        &hub,
        by_token(&format!("wss://{nowhere}"), &token, None),
        ErrorCode::Unreachable,
        "the machine was not added: nothing listens there",
        "keep it all the same: --offline",
    )
    .await;
    // as a proxy that opens TLS would, it shows a certificate that nobody here trusts
    let untrusted = format!(
        "the machine was not added: no known authority vouches for the certificate; its pin is {far}"
    );
    let access = by_token(&url, &token, None);
    refused(&hub, access, ErrorCode::PairingFailed, &untrusted, compare).await;
    let pinned = format!(
        "the machine was not added: the peer's key has the pin {far}, which is not the expected one"
    );
    let access = by_token(&url, &token, Some(WRONG_PIN));
    refused(&hub, access, ErrorCode::PairingFailed, &pinned, compare).await;
    refused(
        &hub,
        by_token(&url, &bad, Some(&far)),
        ErrorCode::Forbidden,
        "the machine was not added: the relay does not accept the credential",
        "see there: qd token list",
    )
    .await;
    stranger.react([Reaction::Answer(426, String::new()), Reaction::Answer(404, String::new())]);
    refused(
        &hub,
        by_token(&plain, &token, None),
        ErrorCode::Forbidden,
        "the machine was not added: the relay speaks another version of the protocol",
        "install the same version there and here: qd --version",
    )
    .await;
    refused(
        &hub,
        by_token(&plain, &token, None),
        ErrorCode::Unreachable,
        "the machine was not added: what answers there is no relay (HTTP 404)",
        "keep it all the same: --offline",
    )
    .await;
    // the same relay by another address
    let access = by_token(&url, &token, Some(&far));
    let here = "this machine is here already, as \"far\"";
    let rename = "give it another name: qd machine rename";
    refused(&hub, access.clone(), ErrorCode::MachineExists, here, rename).await;
    let line = pairing_line(&fleet.there, &["--name", "twice"]).await;
    let by_line = MachineAccess::Line { line };
    refused(&hub, by_line.clone(), ErrorCode::MachineExists, here, rename).await;
    let taken = add(&hub, Some(Fleet::FAR), access).await.expect_err("the name is taken");
    let sentence = "another machine is called \"far\"".to_owned();
    assert_eq!(taken, (ErrorCode::MachineExists, sentence, "name it: --label".into()));
    // the code was shown to the relay, and is used up
    hub.call::<MachineRemove>(&MachineParams { machine: Fleet::FAR.into() }).await;
    refused(
        &hub,
        by_line,
        ErrorCode::PairingFailed,
        "the machine was not added: the pairing code was used already, or too many wrong ones were \
         tried",
        "have the machine print a new line: qd relay pair",
    )
    .await;
    // none of this cost anything: the hub has what it had, and the session runs
    assert_eq!(machines(&hub).await.len(), 1);
    let line = pairing_line(&fleet.there, &["--name", "again"]).await;
    add(&hub, Some(Fleet::FAR), MachineAccess::Line { line }).await.expect("a new line works");
    let linked = |it: &MachineInfo| it.state == MachineState::Connected;
    until_machine(&Way::hub(&fleet.here), Fleet::FAR, "it is linked", linked).await;
    let direct = Way::unix(&fleet.there).connect("x").await.call::<SessionList>(&Empty {}).await;
    assert!(direct.sessions.iter().any(|it| it.session == session && it.state.is_live()));
}

#[tokio::test]
async fn a_relay_that_shows_another_key_is_refused_and_its_sessions_stay_known() {
    let fleet = Fleet::start().await;
    let session = fleet.way(Fleet::FAR).connect("starter").await.create(["/bin/cat"]).await.session;
    let address = fleet.far.address().to_string();
    assert!(fleet.far.terminate().await.success());
    std::fs::remove_dir_all(fleet.there.directory().join("tls")).expect("removes");
    let far = fleet.there.start_relay(&["--listen", &address]).await;
    let pin = far.status.pin.clone().expect("has a pin");
    let way = Way::hub(&fleet.here);
    let refused = |it: &MachineInfo| matches!(it.state, MachineState::Refused { .. });
    let machine = until_machine(&way, Fleet::FAR, "the other key is noticed", refused).await;
    let why = format!("the peer's key has the pin {pin}, which is not the expected one");
    assert_eq!(machine.state, MachineState::Refused { why: why.clone() });
    let listed = way.connect("x").await.call::<SessionList>(&Empty {}).await.sessions;
    let known = listed.iter().find(|it| it.session == session).expect("is known");
    assert!(known.on.as_ref().is_some_and(|on| on.unreachable_since.is_some()), "{known:?}");
    let ran = fleet.here.qd(["--on", Fleet::FAR, "ls"]).await;
    let sentence = format!("machine \"far\" does not let this hub in: {why}");
    assert!(ran.status.success() || ran.stderr.contains(&sentence), "{ran:?}");
    let ran = fleet.here.qd(["send", &format!("far/{session}"), "x"]).await;
    assert_eq!(ran.code(), Some(7), "{ran:?}");
    assert!(ran.stderr.contains(&sentence), "{ran:?}");
    assert!(ran.stderr.contains("see: qd machine ls"), "{ran:?}");
}
