//! What a client of the hub sees of machines and sessions, near and far, there and gone.

use quarterdeck_e2e::harness::{
    client::Way,
    hub::{Fleet, until_machine},
    overview::Overview,
};
use quarterdeck_protocol::{
    method::{
        CreateParams, Empty, HubStatusResult, MachineInfo, MachineState, SessionCreate, SessionList,
    },
    session::SessionInfo,
};

#[tokio::test]
async fn sessions_of_all_machines_are_one_list_and_each_says_where_it_is() {
    let fleet = Fleet::start().await;
    let hub = Way::hub(&fleet.here).connect("viewer").await;
    for machine in [Fleet::NEAR, Fleet::FAR] {
        let peer = fleet.way(machine).connect("starter").await;
        let label = Some("same".parse().expect("a label"));
        let params = CreateParams { argv: vec!["/bin/cat".into()], label, ..Default::default() };
        let made = peer.call::<SessionCreate>(&params).await.session;
        assert_eq!(made.on.expect("a hub says where").label.as_str(), machine);
        let mut overview = Overview::start(&Way::hub(&fleet.here)).await;
        overview.until(made.session, "it is in the hub's view", |_| true).await;
    }
    let list = hub.call::<SessionList>(&Empty {}).await.sessions;
    let place = |it: &SessionInfo| it.on.as_ref().map(|on| on.label.to_string());
    let mut places: Vec<_> = list.iter().filter_map(place).collect();
    places.sort();
    assert_eq!(places, [Fleet::FAR, Fleet::NEAR]);
    let text = fleet.here.qd(["ls"]).await.ok().text();
    assert!(text.contains("near/same") && text.contains("far/same"), "{text}");
    let one = fleet.here.qd(["--on", "far", "ls"]).await.ok().text();
    assert!(one.contains("same") && !one.contains("near"), "{one}");
    let ambiguous = fleet.here.qd(["--hub", "logs", "same"]).await;
    assert_eq!(ambiguous.code(), Some(4), "{ambiguous:?}");
}

#[tokio::test]
async fn a_machine_that_is_gone_keeps_its_last_known_sessions_even_after_a_restart_of_the_hub() {
    let fleet = Fleet::start().await;
    let peer = fleet.way(Fleet::FAR).connect("starter").await;
    let session = peer.create(["/bin/cat"]).await.session;
    let mut overview = Overview::start(&Way::hub(&fleet.here)).await;
    overview.until(session, "it is seen", |_| true).await;
    let Fleet { hub, near: _near, far, here, there: _there } = fleet;
    far.kill().await;
    let since = |info: &SessionInfo| info.on.as_ref().and_then(|on| on.unreachable_since);
    let gone = overview.until(session, "it is unreachable", |it| since(it).is_some()).await;
    assert!(gone.state.is_live(), "its last known state stays");
    assert!(hub.terminate().await.success());
    let _hub = here.start_hub(&[]).await;
    let way = Way::hub(&here);
    let not_linked = |it: &MachineInfo| it.state != MachineState::Connected;
    until_machine(&way, Fleet::FAR, "it is known", not_linked).await;
    let list = way.connect("viewer").await.call::<SessionList>(&Empty {}).await.sessions;
    let kept = list.iter().find(|it| it.session == session).expect("it is remembered");
    assert!(since(kept).is_some(), "{kept:?}");
    let text = here.qd(["ls"]).await.ok().text();
    assert!(text.contains("unreachable"), "{text}");
}

#[tokio::test]
async fn up_starts_what_does_not_run_and_down_stops_both() {
    let here = quarterdeck_e2e::harness::instance::Instance::new();
    let words = ["up", "--no-open", "--listen", "127.0.0.1:0"];
    let up = here.qd(words).await.ok().text();
    assert!(up.contains("http://127.0.0.1:"), "says where the page is: {up}");
    let again = here.qd(words.into_iter().chain(["--json"])).await.ok();
    let running = here.qd(["status", "--json"]).await.ok().text();
    let pid = again.json::<HubStatusResult>().pid;
    assert!(running.contains(&pid.to_string()), "the one that runs is said again: {running}");
    assert!(up.contains(&again.json::<HubStatusResult>().listening[1][5..]), "{up}");
    let status = here.qd(["status"]).await.ok().text();
    assert!(status.contains("machines  1, 1 connected"), "{status}");
    let second = here.try_start_hub(&[]).await.expect_err("one hub per instance");
    assert_eq!(second.status.code(), Some(8), "{second:?}");
    here.qd(["down"]).await.ok();
    assert!(!here.directory().join("hub.sock").exists());
    let gone = here.qd(["machine", "ls"]).await;
    assert_eq!(gone.code(), Some(7), "{gone:?}");
    assert!(gone.stderr.contains("qd up"), "says what to do: {gone:?}");
}

#[tokio::test]
async fn a_hub_whose_address_is_taken_says_so_and_one_without_its_relay_finds_it_later() {
    let (here, other) = (quarterdeck_e2e::harness::instance::Instance::new(), Fleet::start().await);
    let taken = other.hub.address();
    let failed = here.try_start_hub(&["--listen", &taken]).await.expect_err("the port is taken");
    assert!(failed.stderr.contains(&taken) && failed.stderr.contains("--listen"), "{failed:?}");
    let _hub = here.start_hub(&[]).await;
    let way = Way::hub(&here);
    let own = here.qd(["machine", "ls", "--json"]).await.ok();
    let own: quarterdeck_protocol::method::MachineListResult = own.json();
    let label = own.machines[0].label.to_string();
    let waits = |it: &MachineInfo| matches!(it.state, MachineState::Reconnecting { .. });
    until_machine(&way, &label, "there is no relay yet", waits).await;
    let _relay = here.start_relay(&[]).await;
    let linked = |it: &MachineInfo| it.state == MachineState::Connected;
    until_machine(&way, &label, "the relay is found", linked).await;
}

#[tokio::test]
async fn health_is_told_to_anyone_and_metrics_to_who_may_read() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let fleet = Fleet::start().await;
    let admin = Way::hub(&fleet.here).connect("admin").await;
    let token = admin.token("ada", quarterdeck_protocol::scope::Scopes::ALL).await;
    let host = fleet.hub.address();
    let ask = async |path: &str, header: &str| {
        let mut stream = tokio::net::TcpStream::connect(&host).await.expect("connects");
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{header}Connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("writes");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("reads");
        answer
    };
    assert!(ask("/healthz", "").await.starts_with("HTTP/1.1 200"));
    assert!(ask("/metrics", "").await.starts_with("HTTP/1.1 401"));
    let metrics = ask("/metrics", &format!("Authorization: Bearer {token}\r\n")).await;
    assert!(metrics.contains("quarterdeck_hub_machines_linked 2"), "{metrics}");
    let page = ask("/", "").await;
    assert!(
        page.contains("content-security-policy") || page.contains("no web interface"),
        "the page, or a word about its absence: {page}"
    );
    let page = format!(
        "Authorization: Bearer {token}\r\nOrigin: http://evil.example\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: quarterdeck.v1\r\n"
    );
    assert!(ask("/v1/ws", &page).await.starts_with("HTTP/1.1 403"), "a web page is refused");
}
