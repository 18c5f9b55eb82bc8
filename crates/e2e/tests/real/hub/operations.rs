//! The twelve operations of a controller, each on the hub's own machine and on another one, by the wire
//! and by the command line, with an error of each.
//!
//! | operation | wire | command |
//! |---|---|---|
//! | add, remove, connect, disconnect, list machines | `machine.*` | `qd machine …` |
//! | spawn, write, resize, kill a terminal | `session.create`, `.input`, `.resize`, `.stop` | `qd run`, `send`, `attach`, `stop` |
//! | query, stop, restart an agent | `agent.prompt`, `session.stop`, `session.resume` | `qd send`, `stop`, `resume` |

use quarterdeck_e2e::harness::{
    agent,
    client::{Way, watching},
    hub::{Fleet, machines, pairing_line, until_machine},
};
use quarterdeck_protocol::{
    error::ErrorCode,
    method::{
        AgentPrompt, AttachRole, CreateParams, Empty, InputParams, MachineConnect,
        MachineDisconnect, MachineInfo, MachineParams, MachineRemove, MachineState, ResizeParams,
        ResumeParams, SessionAttach, SessionCreate, SessionInput, SessionList, SessionResize,
        SessionResume, SessionStop, StopParams,
    },
    record::TerminalSize,
    session::{SessionInfo, SessionState},
};

const MACHINES: [&str; 2] = [Fleet::NEAR, Fleet::FAR];

async fn fleet() -> Fleet {
    Fleet::start_with(|instance| instance.configure(&agent::configuration(instance))).await
}

fn stop_now(session: &str) -> StopParams {
    StopParams { session: session.to_owned(), rung_ms: Some(100), now: true, reason: None }
}

async fn until_ended(fleet: &Fleet, machine: &str, session: &SessionInfo) {
    let way = Way::hub(&fleet.here);
    let mut overview = quarterdeck_e2e::harness::overview::Overview::start(&way).await;
    let ended = |it: &SessionInfo| matches!(it.state, SessionState::Exited { .. });
    let info = overview.until(session.session, "it has ended", ended).await;
    assert_eq!(info.on.expect("a hub says where").label.as_str(), machine);
}

#[tokio::test]
async fn machines_are_listed_disconnected_connected_removed_and_added_by_the_wire() {
    let fleet = fleet().await;
    let hub = Way::hub(&fleet.here).connect("controller").await;
    let listed: Vec<_> = machines(&hub).await.into_iter().map(|it| it.label.to_string()).collect();
    assert_eq!(listed, MACHINES, "the hub's own machine is first");
    for machine in MACHINES {
        let params = MachineParams { machine: machine.to_owned() };
        let off = hub.call::<MachineDisconnect>(&params).await.machine;
        assert_eq!(off.state, MachineState::Disconnected, "{machine}");
        let create = CreateParams { argv: vec!["/bin/cat".into()], ..Default::default() };
        let bound = Way::hub(&fleet.here).on(machine);
        let refused = bound.try_connect(&Default::default()).await;
        assert!(refused.is_err(), "{machine} cannot be meant while it is disconnected");
        let on = hub.call::<MachineConnect>(&params).await.machine;
        assert_eq!(on.state, MachineState::Connected, "{machine}");
        bound.connect("x").await.call::<SessionCreate>(&create).await;
    }
    let params = MachineParams { machine: "mars".into() };
    for refused in [
        hub.try_call::<MachineConnect>(&params).await.map(drop),
        hub.try_call::<MachineDisconnect>(&params).await.map(drop),
        hub.try_call::<MachineRemove>(&params).await.map(drop),
    ] {
        assert_eq!(refused.map_err(|error| error.code()), Err(ErrorCode::NotFound));
    }
    let far = MachineParams { machine: Fleet::FAR.into() };
    hub.call::<MachineRemove>(&far).await;
    assert_eq!(machines(&hub).await.len(), 1);
    let near = MachineParams { machine: Fleet::NEAR.into() };
    let refused = hub.try_call::<MachineRemove>(&near).await.expect_err("is the hub's own");
    assert_eq!(refused.code(), ErrorCode::InvalidParams);
}

#[tokio::test]
async fn machines_are_listed_disconnected_connected_removed_and_added_by_commands() {
    let fleet = fleet().await;
    let here = &fleet.here;
    for machine in MACHINES {
        here.qd(["machine", "disconnect", machine]).await.ok();
        let refused = here.qd(["--on", machine, "run", "-d", "--", "/bin/cat"]).await;
        assert_eq!(refused.code(), Some(7), "{refused:?}");
        assert!(refused.stderr.contains("qd machine connect"), "says what to do: {refused:?}");
        let text = here.qd(["machine", "connect", machine]).await.ok().text();
        assert!(text.contains("connected"), "{text}");
    }
    for verb in ["connect", "disconnect", "rm"] {
        let unknown = here.qd(["machine", verb, "mars"]).await;
        assert_eq!(unknown.code(), Some(3), "{unknown:?}");
    }
    here.qd(["machine", "rm", "far"]).await.ok();
    let list = here.qd(["machine", "ls"]).await.ok().text();
    assert!(!list.contains("far"), "{list}");
    let line = pairing_line(&fleet.there, &[]).await;
    here.qd_reading(["machine", "add", "--label", "far"], &line).await.ok();
    let bad = here.qd_reading(["machine", "add"], "nonsense").await;
    assert_eq!(bad.code(), Some(2), "{bad:?}");
    let bad = here.qd(["machine", "add", "ftp://x"]).await;
    assert_eq!(bad.code(), Some(2), "{bad:?}");
}

#[tokio::test]
async fn terminals_are_started_written_to_resized_and_stopped_by_the_wire() {
    let fleet = fleet().await;
    let hub = Way::hub(&fleet.here).connect("controller").await;
    for machine in MACHINES {
        let peer = fleet.way(machine).connect("controller").await;
        let session = peer.create(["/bin/sh"]).await;
        let name = session.session.to_string();
        let mut attached = peer.attach(&watching(&name, AttachRole::Auto)).await;
        attached.type_applied(b"stty size; echo $((6*7))\r").await;
        attached.until_text("\n42").await;
        let size = TerminalSize { cols: 101, rows: 33, xpixel: 0, ypixel: 0 };
        let resize = ResizeParams { session: name.clone(), size };
        attached.peer.call::<SessionResize>(&resize).await;
        attached.type_applied(b"stty size\r").await;
        attached.until_text("33 101").await;
        // once, without attaching: by the full name, on a connection that means no machine
        let full = format!("{machine}/{}", session.label);
        let input =
            |session: String| InputParams { session, text: "echo o''nce\r".into(), n: None };
        hub.call::<SessionInput>(&input(full.clone())).await;
        attached.until_text("once").await;
        let nothing = format!("{machine}/nothing");
        let refused = hub.try_call::<SessionInput>(&input(nothing.clone())).await;
        assert_eq!(refused.map_err(|error| error.code()), Err(ErrorCode::NotFound));
        let resize = ResizeParams { session: full.clone(), size };
        let refused = hub.try_call::<SessionResize>(&resize).await.expect_err("not the owner");
        assert_eq!(refused.code(), ErrorCode::NotOwner, "{machine}");
        let none = CreateParams { argv: vec!["/no/such/program".into()], ..Default::default() };
        let failed = attached.peer.try_call::<SessionCreate>(&none).await.expect_err("no program");
        assert_eq!(failed.code(), ErrorCode::StartFailed, "{machine}");
        hub.call::<SessionStop>(&stop_now(&full)).await;
        until_ended(&fleet, machine, &session).await;
        let refused = hub.try_call::<SessionStop>(&stop_now(&nothing)).await;
        assert_eq!(refused.map(drop).map_err(|error| error.code()), Err(ErrorCode::NotFound));
    }
}

#[tokio::test]
async fn terminals_are_started_written_to_and_stopped_by_commands() {
    let fleet = fleet().await;
    let here = &fleet.here;
    for machine in MACHINES {
        let name = format!("{machine}/sh");
        here.qd(["--on", machine, "run", "-d", "--label", "sh", "--", "/bin/sh"]).await.ok();
        let list = here.qd(["--on", machine, "ls"]).await.ok().text();
        assert!(list.contains("sh"), "{list}");
        here.qd(["send", &name, "echo $((6*7)); exit", "--enter"]).await.ok();
        let waited = here.qd(["wait", "--for", "exit", &name]).await;
        assert_eq!(waited.code(), Some(0), "{waited:?}");
        let text = here.qd(["logs", &name]).await.ok().text();
        assert!(text.contains("\n42"), "{text}");
        here.qd(["resume", &name]).await.ok();
        here.qd(["stop", "--now", &name]).await.ok();
        here.qd(["wait", "--for", "exit", &name]).await;
        here.qd(["rm", &name]).await.ok();
        let unknown = here.qd(["send", &name, "x"]).await;
        assert_eq!(unknown.code(), Some(3), "{unknown:?}");
    }
}

#[tokio::test]
async fn agents_are_queried_stopped_and_restarted_by_the_wire() {
    let fleet = fleet().await;
    let hub = Way::hub(&fleet.here).connect("controller").await;
    for machine in MACHINES {
        let peer = fleet.way(machine).connect("controller").await;
        let session = agent::try_start(&peer, "claude").await.expect("starts");
        let name = session.session.to_string();
        let mut watcher = agent::Watcher::start(&fleet.way(machine), &name).await;
        let full = format!("{machine}/{}", session.label);
        hub.call::<AgentPrompt>(&agent::message(&full, "say hello")).await;
        watcher.turns(1).await;
        assert!(watcher.text().contains("hello"), "{}", watcher.text());
        hub.call::<SessionStop>(&stop_now(&full)).await;
        until_ended(&fleet, machine, &session).await;
        let refused = hub.try_call::<AgentPrompt>(&agent::message(&full, "say no")).await;
        assert_eq!(refused.map(drop).map_err(|error| error.code()), Err(ErrorCode::Ended));
        let resume =
            ResumeParams { session: full.clone(), client_env: Default::default(), size: None };
        let resumed = hub.call::<SessionResume>(&resume).await.session;
        assert_eq!(resumed.on.expect("a hub says where").label.as_str(), machine);
        let unknown = agent::try_start(&peer, "no-such-agent").await.expect_err("no such agent");
        assert_ne!(unknown.code(), ErrorCode::Internal, "{unknown:?}");
        let resume = ResumeParams { session: format!("{machine}/nothing"), ..resume };
        let refused = hub.try_call::<SessionResume>(&resume).await;
        assert_eq!(refused.map(drop).map_err(|error| error.code()), Err(ErrorCode::NotFound));
    }
    assert_eq!(hub.call::<SessionList>(&Empty {}).await.sessions.len(), 2);
}

#[tokio::test]
async fn agents_are_queried_stopped_and_restarted_by_commands() {
    let fleet = fleet().await;
    let here = &fleet.here;
    for machine in MACHINES {
        let name = format!("{machine}/bot");
        let words = ["--on", machine, "run", "-d", "--label", "bot", "--agent", "claude"];
        here.qd(words).await.ok();
        let said = here.qd(["send", &name, "say hello", "--wait"]).await.ok().text();
        assert!(said.contains("hello"), "{said}");
        here.qd(["stop", "--now", &name]).await.ok();
        here.qd(["wait", "--for", "exit", &name]).await;
        let ended = here.qd(["send", &name, "say no"]).await;
        assert_eq!(ended.code(), Some(10), "{ended:?}");
        here.qd(["resume", &name]).await.ok();
        here.qd(["stop", "--now", &name]).await.ok();
        let unknown = here.qd(["resume", &format!("{machine}/nothing")]).await;
        assert_eq!(unknown.code(), Some(3), "{unknown:?}");
    }
}

#[tokio::test]
async fn a_session_is_attached_on_a_terminal_through_the_hub_and_comes_back_with_its_machine() {
    let fleet = fleet().await;
    let here = &fleet.here;
    here.qd(["--on", "far", "run", "-d", "--label", "sh", "--", "/bin/sh"]).await.ok();
    let mut terminal =
        quarterdeck_e2e::harness::terminal::Terminal::qd(here, &["attach", "far/sh"]);
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
    let unknown = here.qd(["--on", "far", "attach", "nothing"]).await;
    assert!(!unknown.status.success());
    // a new one may be attached at once
    let peer = fleet.way(Fleet::FAR).connect("x").await;
    peer.call::<SessionAttach>(&watching("sh", AttachRole::Follow)).await;
}
