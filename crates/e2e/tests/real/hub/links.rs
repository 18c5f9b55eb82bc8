//! Exact bytes through the hub, whatever is killed.

use quarterdeck_e2e::harness::{
    PATIENCE,
    canary::Canary,
    client::Way,
    hub::{Fleet, until_machine},
    steady::{Steady, Typist},
};
use quarterdeck_protocol::method::{MachineInfo, MachineState};

/// A session on a machine, and its owner, who is behind the hub.
async fn typist(fleet: &Fleet, machine: &str, seed: u64) -> (Steady, Typist) {
    let instance = fleet.instance(machine);
    let peer = Way::unix(instance).connect("starter").await;
    let steady = Steady::start(instance, &peer, seed, 200_000).await;
    let mut typist = Typist::new(fleet.way(machine), &steady);
    comes_back(&mut typist).await;
    (steady, typist)
}

/// Tries until the hub has its link again.
async fn comes_back(typist: &mut Typist) {
    typist.come_back(PATIENCE).await;
}

async fn goes_on(typist: &mut Typist, inputs: u64) {
    let settled = typist.settled() + inputs;
    typist.work(|it| it.settled() >= settled).await.expect("the way is whole");
}

async fn ends_whole(steady: &Steady, mut typist: Typist) {
    let out = typist.out();
    let typed = typist.finish().await;
    steady.check_typed(typed).await;
    steady.check_log(out);
}

#[tokio::test]
async fn every_byte_and_every_input_comes_through_the_hub_once() {
    let fleet = Fleet::start().await;
    for (machine, seed) in [(Fleet::NEAR, 31), (Fleet::FAR, 32)] {
        let (steady, mut typist) = typist(&fleet, machine, seed).await;
        goes_on(&mut typist, 200).await;
        // the client's own link breaks
        typist.break_off();
        comes_back(&mut typist).await;
        goes_on(&mut typist, 50).await;
        ends_whole(&steady, typist).await;
    }
}

#[tokio::test]
async fn a_hub_that_is_killed_costs_time_and_nothing_else() {
    let fleet = Fleet::start().await;
    let (steady, mut typist) = typist(&fleet, Fleet::FAR, 33).await;
    let mut canary = Canary::start(&Way::unix(&fleet.there)).await;
    goes_on(&mut typist, 20).await;
    let Fleet { hub, near: _near, far: _far, here, there: _there } = fleet;
    hub.kill().await;
    typist.work(|_| false).await.expect_err("the hub is gone");
    canary.sings().await;
    let _hub = here.start_hub(&[]).await;
    comes_back(&mut typist).await;
    goes_on(&mut typist, 20).await;
    ends_whole(&steady, typist).await;
}

#[tokio::test]
async fn a_relay_that_is_killed_is_linked_again_and_others_do_not_notice() {
    let fleet = Fleet::start().await;
    let (steady, mut typist) = typist(&fleet, Fleet::FAR, 34).await;
    let mut canary = Canary::start(&fleet.way(Fleet::NEAR)).await;
    goes_on(&mut typist, 20).await;
    let Fleet { hub: _hub, near: _near, far, here, there } = fleet;
    let address = far.address().to_string();
    far.kill().await;
    typist.work(|_| false).await.expect_err("the relay is gone");
    let gone = |it: &MachineInfo| it.unreachable_since.is_some();
    let way = Way::hub(&here);
    let machine = until_machine(&way, Fleet::FAR, "its loss is told", gone).await;
    assert_eq!(machine.live, 1, "its session is still known");
    canary.sings().await;
    let _far = there.start_relay(&["--listen", &address]).await;
    comes_back(&mut typist).await;
    let linked = |it: &MachineInfo| it.state == MachineState::Connected;
    let machine = until_machine(&way, Fleet::FAR, "it is linked again", linked).await;
    assert_eq!(machine.unreachable_since, None);
    goes_on(&mut typist, 20).await;
    ends_whole(&steady, typist).await;
    canary.sings().await;
}
