//! Processes that sleep for longer than anybody waits for a sign of life, as on a laptop that is closed.

use std::time::Duration;

use quarterdeck_e2e::{
    harness::{
        canary::Canary,
        client::Way,
        hub::{Fleet, until_machine_within},
        steady::{Steady, Typist},
        terminal::Terminal,
    },
    processes,
};
use quarterdeck_protocol::method::{MachineInfo, MachineState};
use rustix::process::Signal;

/// Two pings without an answer, with the time until the first one; and a loaded machine.
const SILENCE_NOTICED: Duration = Duration::from_secs(75);
/// The longest step of the ladder, a probe and a dial.
const BACK: Duration = Duration::from_secs(75);

async fn typist(fleet: &Fleet, machine: &str, seed: u64) -> (Steady, Typist) {
    let instance = fleet.instance(machine);
    let peer = Way::unix(instance).connect("starter").await;
    let steady = Steady::start(instance, &peer, seed, 100_000).await;
    let mut typist = Typist::new(fleet.way(machine), &steady);
    typist.come_back(BACK).await;
    typist.work(|it| it.settled() >= 50).await.expect("the way is whole");
    (steady, typist)
}

async fn ends_whole(steady: &Steady, mut typist: Typist) {
    let settled = typist.settled() + 50;
    typist.work(|it| it.settled() >= settled).await.expect("the way is whole");
    let out = typist.out();
    let typed = typist.finish().await;
    steady.check_typed(typed).await;
    steady.check_log(out);
}

#[tokio::test]
async fn a_relay_and_a_client_that_sleep_are_told_as_gone_and_wake_up_to_everything() {
    let fleet = Fleet::start().await;
    let (steady, mut typist) = typist(&fleet, Fleet::FAR, 95).await;
    let mut canary = Canary::start(&fleet.way(Fleet::NEAR)).await;
    let near = Way::unix(&fleet.here).connect("starter").await;
    let session = near.create(["/bin/sh", "-c", "echo ready; exec cat"]).await.session;
    let mut terminal = Terminal::qd(&fleet.here, &["attach", &format!("near/{session}")]);
    terminal.until_text("ready").await;
    fleet.far.signal(Signal::STOP);
    processes::signal(terminal.id(), Signal::STOP).expect("runs");
    let gone = |it: &MachineInfo| it.unreachable_since.is_some();
    let way = Way::hub(&fleet.here);
    let what = "the relay that sleeps is told as gone";
    let machine = until_machine_within(SILENCE_NOTICED, &way, Fleet::FAR, what, gone).await;
    assert!(machine.state != MachineState::Connected && machine.live == 1, "{machine:?}");
    canary.sings().await;
    typist.until_thrown_out(BACK).await;
    fleet.far.signal(Signal::CONT);
    processes::signal(terminal.id(), Signal::CONT).expect("runs");
    typist.come_back(BACK).await;
    let linked = |it: &MachineInfo| it.state == MachineState::Connected;
    until_machine_within(BACK, &way, Fleet::FAR, "it is linked again", linked).await;
    ends_whole(&steady, typist).await;
    // the terminal is its session's again, by itself
    terminal.type_keys(b"awake\r").await;
    terminal.until_text("awake").await;
    canary.sings().await;
}

#[tokio::test]
async fn a_hub_that_sleeps_costs_time_and_nothing_else() {
    let fleet = Fleet::start().await;
    let (steady, mut typist) = typist(&fleet, Fleet::FAR, 96).await;
    let mut direct = Canary::start(&Way::unix(&fleet.there)).await;
    processes::signal(fleet.hub.status.pid, Signal::STOP).expect("runs");
    // its relays and its clients notice, each by themselves
    typist.until_thrown_out(SILENCE_NOTICED).await;
    direct.sings().await;
    processes::signal(fleet.hub.status.pid, Signal::CONT).expect("runs");
    typist.come_back(BACK).await;
    let way = Way::hub(&fleet.here);
    let linked = |it: &MachineInfo| it.state == MachineState::Connected;
    until_machine_within(BACK, &way, Fleet::FAR, "it is linked again", linked).await;
    ends_whole(&steady, typist).await;
    direct.sings().await;
}
