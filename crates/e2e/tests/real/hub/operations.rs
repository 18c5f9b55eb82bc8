//! The twelve operations of a controller: every cell of the table in `docs/operations.md`, each on the hub's
//! own machine and on another one, with its error.
//!
//! A [`Controller`] does each operation in one of three ways; one story goes through all of them.

use quarterdeck_e2e::harness::{
    agent,
    client::{Attachment, Peer, Way, watching},
    http::Http,
    hub::{Fleet, pairing_line, until_machine},
    instance::Ran,
    overview::Overview,
    terminal::Terminal,
};
use quarterdeck_protocol::{
    error::RpcError,
    method::{
        AgentPrompt, AttachRole, Empty, InputParams, LeaseRelease, MachineAccess, MachineAdd,
        MachineAddParams, MachineConnect, MachineDisconnect, MachineInfo, MachineList,
        MachineParams, MachineRemove, MachineState, Method, ResizeParams, ResumeParams,
        SessionAttach, SessionInput, SessionList, SessionParams, SessionResize, SessionResume,
        SessionStop, StopParams,
    },
    record::TerminalSize,
    scope::{Scope, Scopes},
    session::{SessionInfo, SessionState},
};
use serde_json::{Value, json};

const MACHINES: [&str; 2] = [Fleet::NEAR, Fleet::FAR];
const SIZE: TerminalSize = TerminalSize { cols: 101, rows: 33, xpixel: 0, ypixel: 0 };

/// What went wrong, in the stable word of the error.
type Word = String;

/// One of the three ways.
enum By {
    Wire(Peer),
    Http(Http),
    Commands,
}

/// Whoever steers the fleet.
struct Controller<'a> {
    fleet: &'a Fleet,
    by: By,
}

fn word(error: &RpcError) -> Word {
    error.code().word().to_owned()
}

/// The word of a command's error: the wire's, or its own.
fn done(ran: &Ran) -> Result<(), Word> {
    if ran.status.success() {
        return Ok(());
    }
    let line = ran.stderr.lines().last().unwrap_or_default();
    let error: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{ran:?}"));
    let wire = error["error"]["wire"]["data"]["error"].as_str();
    let own = error["error"]["kind"].as_str();
    Err(wire.or(own).unwrap_or_else(|| panic!("{ran:?}")).to_owned())
}

impl Controller<'_> {
    async fn command(&self, words: &[&str]) -> Result<(), Word> {
        done(&self.fleet.here.qd([&["--json"], words].concat()).await)
    }

    /// A request about a machine or session; the word of its error.
    async fn request(&self, http: &Http, verb: &str, path: &str, body: &Value) -> Result<(), Word> {
        let kind = ["content-type: application/json"];
        let answer = http.send(verb, path, &kind, body.to_string().as_bytes()).await;
        if answer.status == 200 { Ok(()) } else { Err(answer.word()) }
    }

    async fn list(&self) -> Vec<String> {
        let labels = |machines: &[MachineInfo]| {
            machines.iter().map(|it| it.label.to_string()).collect::<Vec<_>>()
        };
        match &self.by {
            By::Wire(peer) => labels(&peer.call::<MachineList>(&Empty {}).await.machines),
            By::Http(http) => {
                let list = http.get("/v1/machines").await.ok().json();
                let machines = list["machines"].as_array().expect("a list");
                machines.iter().map(|it| it["label"].as_str().unwrap_or_default().into()).collect()
            }
            By::Commands => {
                let list = self.fleet.here.qd(["--json", "machine", "ls"]).await.ok();
                labels(&list.json::<quarterdeck_protocol::method::MachineListResult>().machines)
            }
        }
    }

    /// Listing where it cannot be had.
    async fn list_in_vain(&self) -> Word {
        let admin = Way::hub(&self.fleet.here).connect("admin").await;
        let blind: Scopes = [Scope::Drive].into_iter().collect();
        let token = admin.token("blind", blind).await;
        let address = self.fleet.hub.address().parse().expect("an address");
        match &self.by {
            By::Wire(_) => {
                let peer = Way::ws(address, &token).connect("blind").await;
                word(&peer.try_call::<MachineList>(&Empty {}).await.expect_err("may not see"))
            }
            By::Http(_) => {
                Http { to: address, token: Some(token) }.get("/v1/machines").await.word()
            }
            By::Commands => {
                let ran = self.fleet.there.qd(["--json", "machine", "ls"]).await;
                done(&ran).expect_err("no hub runs there")
            }
        }
    }

    async fn link(&self, machine: &str, verb: &str) -> Result<(), Word> {
        let params = MachineParams { machine: machine.to_owned() };
        match &self.by {
            By::Wire(peer) if verb == "connect" => {
                peer.try_call::<MachineConnect>(&params).await.map(drop).map_err(|it| word(&it))
            }
            By::Wire(peer) => {
                peer.try_call::<MachineDisconnect>(&params).await.map(drop).map_err(|it| word(&it))
            }
            By::Http(http) => {
                let path = format!("/v1/machines/{machine}/{verb}");
                self.request(http, "POST", &path, &json!({})).await
            }
            By::Commands => self.command(&["machine", verb, machine]).await,
        }
    }

    async fn remove(&self, machine: &str) -> Result<(), Word> {
        match &self.by {
            By::Wire(peer) => {
                let params = MachineParams { machine: machine.to_owned() };
                peer.try_call::<MachineRemove>(&params).await.map(drop).map_err(|it| word(&it))
            }
            By::Http(http) => {
                let path = format!("/v1/machines/{machine}");
                self.request(http, "DELETE", &path, &json!({})).await
            }
            By::Commands => self.command(&["machine", "rm", machine]).await,
        }
    }

    async fn add(&self, label: &str, line: &str) -> Result<(), Word> {
        match &self.by {
            By::Wire(peer) => {
                let access = MachineAccess::Line { line: line.to_owned() };
                let label = Some(label.parse().expect("a label"));
                let params = MachineAddParams { label, access, offline: false };
                peer.try_call::<MachineAdd>(&params).await.map(drop).map_err(|it| word(&it))
            }
            By::Http(http) => {
                let body = json!({ "label": label, "by": "line", "line": line });
                self.request(http, "POST", "/v1/machines", &body).await
            }
            By::Commands => {
                let words = ["--json", "machine", "add", "--label", label];
                done(&self.fleet.here.qd_reading(words, line).await)
            }
        }
    }

    async fn spawn(&self, machine: &str, label: &str, program: &str) -> Result<(), Word> {
        match &self.by {
            By::Wire(peer) => {
                let body = json!({ "machine": machine, "label": label, "argv": [program] });
                peer.try_call::<CreateAt>(&body).await.map(drop).map_err(|it| word(&it))
            }
            By::Http(http) => {
                let path = format!("/v1/machines/{machine}/sessions");
                let body = json!({ "label": label, "argv": [program] });
                self.request(http, "POST", &path, &body).await
            }
            By::Commands => {
                self.command(&["--on", machine, "run", "-d", "-l", label, "--", program]).await
            }
        }
    }

    async fn write(&self, session: &str, text: &str) -> Result<(), Word> {
        match &self.by {
            By::Wire(peer) => {
                let text = format!("{text}\r");
                let params = InputParams { session: session.to_owned(), text, n: None };
                peer.try_call::<SessionInput>(&params).await.map(drop).map_err(|it| word(&it))
            }
            By::Http(http) => {
                let body = json!({ "text": format!("{text}\r") });
                self.request(http, "POST", &of_session(session, "input"), &body).await
            }
            By::Commands => self.command(&["send", session, text, "--enter"]).await,
        }
    }

    async fn resize(&self, session: &str) -> Result<(), Word> {
        match &self.by {
            By::Wire(peer) => {
                let params = ResizeParams { session: session.to_owned(), size: SIZE };
                peer.try_call::<SessionResize>(&params).await.map(drop).map_err(|it| word(&it))
            }
            By::Http(http) => {
                let body = json!({ "size": { "cols": SIZE.cols, "rows": SIZE.rows } });
                self.request(http, "POST", &of_session(session, "resize"), &body).await
            }
            // whoever owns it changes it by changing the size of the own terminal
            By::Commands => {
                let mut terminal = Terminal::qd(&self.fleet.here, &["attach", session]);
                terminal.type_keys(b"echo at''tached\r").await;
                terminal.until_text("attached").await;
                terminal.resize((SIZE.cols, SIZE.rows));
                let (machine, label) = session.split_once('/').expect("machine/session");
                let way = self.fleet.way(machine);
                let all = way.connect("x").await.call::<SessionList>(&Empty {}).await.sessions;
                let it = all.iter().find(|it| it.label.as_str() == label).expect("is there");
                let fits =
                    |it: &SessionInfo| (it.size.cols, it.size.rows) == (SIZE.cols, SIZE.rows);
                let mut overview = Overview::start(&way).await;
                overview.until(it.session, "it has the size", fits).await;
                terminal.type_keys(b"\x1dd").await;
                assert!(terminal.until_ended().await.success());
                Ok(())
            }
        }
    }

    async fn stop(&self, session: &str) -> Result<(), Word> {
        match &self.by {
            By::Wire(peer) => {
                let session = session.to_owned();
                let params = StopParams { session, rung_ms: Some(100), now: true, reason: None };
                peer.try_call::<SessionStop>(&params).await.map(drop).map_err(|it| word(&it))
            }
            By::Http(http) => {
                let body = json!({ "rung_ms": 100, "now": true });
                self.request(http, "POST", &of_session(session, "stop"), &body).await
            }
            By::Commands => self.command(&["stop", "--now", session]).await,
        }
    }

    async fn query(&self, session: &str, text: &str) -> Result<(), Word> {
        match &self.by {
            By::Wire(peer) => {
                let params = agent::message(session, text);
                peer.try_call::<AgentPrompt>(&params).await.map(drop).map_err(|it| word(&it))
            }
            By::Http(http) => {
                let body = json!({ "content": text, "type": "user" });
                self.request(http, "POST", &of_session(session, "message"), &body).await
            }
            By::Commands => self.command(&["send", session, text]).await,
        }
    }

    async fn restart(&self, session: &str) -> Result<(), Word> {
        match &self.by {
            By::Wire(peer) => {
                let session = session.to_owned();
                let params = ResumeParams { session, client_env: Default::default(), size: None };
                peer.try_call::<SessionResume>(&params).await.map(drop).map_err(|it| word(&it))
            }
            By::Http(http) => {
                self.request(http, "POST", &of_session(session, "resume"), &json!({})).await
            }
            By::Commands => self.command(&["resume", session]).await,
        }
    }
}

/// `session.create` with a machine beside its own parameters.
enum CreateAt {}

impl Method for CreateAt {
    const NAME: &'static str = "session.create";
    type Params = Value;
    type Result = Value;
}

/// `machine/session` as a path.
fn of_session(session: &str, operation: &str) -> String {
    let (machine, session) = session.split_once('/').expect("machine/session");
    format!("/v1/machines/{machine}/sessions/{session}/{operation}")
}

fn failed(outcome: Result<(), Word>) -> Word {
    outcome.expect_err("this cannot work")
}

async fn until(way: &Way, session: &SessionInfo, what: &str, is_so: fn(&SessionState) -> bool) {
    let mut overview = Overview::start(way).await;
    overview.until(session.session, what, |info| is_so(&info.state)).await;
}

async fn machines(it: &Controller<'_>, machine: &str) {
    assert_eq!(it.list().await, MACHINES, "the hub's own machine is first");
    let blind = it.list_in_vain().await;
    assert!(["forbidden", "unreachable"].contains(&blind.as_str()), "{blind}");
    it.link(machine, "disconnect").await.expect("disconnects");
    assert_eq!(failed(it.spawn(machine, "x", "/bin/cat").await), "unreachable");
    it.link(machine, "connect").await.expect("connects");
    let linked = |it: &MachineInfo| it.state == MachineState::Connected;
    until_machine(&Way::hub(&it.fleet.here), machine, "it is linked", linked).await;
    for verb in ["connect", "disconnect"] {
        assert_eq!(failed(it.link("mars", verb).await), "not_found");
    }
    assert_eq!(failed(it.remove("mars").await), "not_found");
    let bad = failed(it.add("new", "nonsense").await);
    assert!(["pairing_failed", "usage"].contains(&bad.as_str()), "{bad}");
    if machine == Fleet::NEAR {
        assert_eq!(failed(it.remove(machine).await), "invalid_params", "it is the hub's own");
        return;
    }
    it.remove(machine).await.expect("removes");
    assert_eq!(it.list().await, [Fleet::NEAR]);
    let line = pairing_line(&it.fleet.there, &["--name", "again"]).await;
    it.add(machine, &line).await.expect("adds");
    until_machine(&Way::hub(&it.fleet.here), machine, "it is linked", linked).await;
}

async fn terminals(it: &Controller<'_>, machine: &str) {
    let (way, name) = (it.fleet.way(machine), format!("{machine}/term"));
    let nothing = format!("{machine}/nothing");
    it.spawn(machine, "term", "/bin/sh").await.expect("starts");
    assert_eq!(failed(it.spawn(machine, "y", "/no/such/program").await), "start_failed");
    let mut follower: Attachment =
        way.connect("follower").await.attach(&watching("term", AttachRole::Follow)).await;
    it.write(&name, "echo $((6*7))").await.expect("writes");
    follower.until_text("\n42").await;
    assert_eq!(failed(it.write(&nothing, "x").await), "not_found");
    it.resize(&name).await.expect("resizes");
    it.write(&name, "stty size").await.expect("writes");
    follower.until_text("33 101").await;
    if let By::Commands = it.by {
        let mut refused = Terminal::qd(&it.fleet.here, &["attach", &nothing]);
        assert_eq!(refused.until_ended().await.code(), Some(3));
    } else {
        let owner = Way::unix(it.fleet.instance(machine)).connect("owner").await;
        let owner = owner.attach(&watching("term", AttachRole::Auto)).await;
        assert!(owner.owns());
        assert_eq!(failed(it.resize(&name).await), "not_owner");
        let session = "term".to_owned();
        owner.peer.call::<LeaseRelease>(&SessionParams { session }).await;
    }
    let looker = way.connect("looker").await;
    let info = looker.call::<SessionAttach>(&watching("term", AttachRole::Follow)).await.session;
    it.stop(&name).await.expect("stops");
    until(&way, &info, "it has ended", |state| matches!(state, SessionState::Exited { .. })).await;
    assert_eq!(failed(it.stop(&nothing).await), "not_found");
}

async fn agents(it: &Controller<'_>, machine: &str) {
    let way = it.fleet.way(machine);
    let peer = way.connect("starter").await;
    let info = agent::try_start(&peer, "claude").await.expect("starts");
    let name = format!("{machine}/{}", info.session);
    let mut watcher = agent::Watcher::start(&way, &info.session.to_string()).await;
    it.query(&name, "say hello").await.expect("tells it");
    watcher.turns(1).await;
    assert!(watcher.text().contains("hello"), "{}", watcher.text());
    it.stop(&name).await.expect("stops");
    until(&way, &info, "it has ended", |state| matches!(state, SessionState::Exited { .. })).await;
    assert_eq!(failed(it.query(&name, "say no").await), "ended");
    let nothing = format!("{machine}/nothing");
    assert_eq!(failed(it.stop(&nothing).await), "not_found");
    assert_eq!(failed(it.restart(&nothing).await), "not_found");
    it.restart(&name).await.expect("restarts");
    until(&way, &info, "it runs again", SessionState::is_live).await;
    assert_eq!(failed(it.restart(&name).await), "still_running");
    it.stop(&name).await.expect("stops again");
}

#[tokio::test]
async fn every_operation_is_done_and_refused_on_every_machine_in_every_way() {
    let fleet =
        Fleet::start_with(|instance| instance.configure(&agent::configuration(instance))).await;
    let admin = Way::hub(&fleet.here).connect("controller").await;
    let token = admin.token("robot", Scopes::ALL).await;
    let to = fleet.hub.address().parse().expect("an address");
    let ways = [By::Wire(admin), By::Http(Http { to, token: Some(token) }), By::Commands];
    for by in ways {
        let it = Controller { fleet: &fleet, by };
        for machine in MACHINES {
            machines(&it, machine).await;
            terminals(&it, machine).await;
            agents(&it, machine).await;
        }
    }
}

#[tokio::test]
async fn a_session_is_attached_on_a_terminal_through_the_hub_and_comes_back_with_its_machine() {
    let fleet = Fleet::start().await;
    let here = &fleet.here;
    here.qd(["--on", "far", "run", "-d", "--label", "sh", "--", "/bin/sh"]).await.ok();
    let mut terminal = Terminal::qd(here, &["attach", "far/sh"]);
    terminal.until_text("#").await;
    terminal.type_keys(b"echo $((6*7))\r").await;
    terminal.until_text("\n42").await;
    // its machine goes and comes back
    here.qd(["machine", "disconnect", "far"]).await.ok();
    here.qd(["machine", "connect", "far"]).await.ok();
    let way = Way::hub(here);
    let linked = |it: &MachineInfo| it.state == MachineState::Connected;
    until_machine(&way, Fleet::FAR, "it is back", linked).await;
    terminal.type_keys(b"echo $((7*7))\r").await;
    terminal.until_text("\n49").await;
    terminal.type_keys(b"\x1dd").await;
    assert!(terminal.until_ended().await.success());
    // a new one may be attached at once
    let peer = fleet.way(Fleet::FAR).connect("x").await;
    peer.call::<SessionAttach>(&watching("sh", AttachRole::Follow)).await;
}
