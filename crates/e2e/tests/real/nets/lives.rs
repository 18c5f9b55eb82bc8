//! What happens to the hub and to whole machines.

use quarterdeck_e2e::harness::{canary::Canary, client::Way, network::Network, overview::Overview};
use quarterdeck_protocol::{
    method::{MachineInfo, MachineState},
    session::{SessionInfo, SessionState},
};

use super::scene::{Busy, Desk, HUB_PORT, SILENCE_NOTICED, join_at, start_listening};

#[tokio::test]
async fn a_machine_that_is_rebooted_has_lost_its_programs_and_says_so_and_no_other_has() {
    let Some(network) = Network::set_up() else { return };
    let desk = Desk::start(&network).await;
    let mut far = Busy::added(&network, &desk, "far").await;
    let other = Busy::added(&network, &desk, "other").await;
    let mut canary = Canary::start(&desk.way().on("other")).await;
    let session = far.steady.session.parse().expect("an id");
    far.goes_on(50).await;
    let mut overview = Overview::start(&desk.way()).await;
    let seen = |what: &SessionInfo| what.on.as_ref().and_then(|on| on.unreachable_since);
    far.host.lose_power();
    desk.until_unreachable("far").await;
    let gone = overview.until(session, "it cannot be seen", |it| seen(it).is_some()).await;
    assert!(gone.state.is_live(), "the hub does not know more than it was told: {gone:?}");
    canary.sings().await;
    let relay = start_listening(&far.host).await;
    desk.until_linked("far").await;
    let lost = |it: &SessionInfo| matches!(it.state, SessionState::Lost { .. });
    let lost = overview.until(session, "it is lost", lost).await;
    let SessionState::Lost { why, .. } = &lost.state else { panic!("{lost:?}") };
    assert!(!why.is_empty() && seen(&lost).is_none(), "{lost:?}");
    let text = desk.host.instance.qd(["ls"]).await.ok().text();
    assert!(text.contains("lost"), "{text}");
    // what was written is there to the last byte that anybody saw, and the program can be started again
    far.steady.check_log(far.typist.out());
    let name = format!("far/{session}");
    desk.host.instance.qd(["resume", &name]).await.ok();
    overview.until(session, "it runs again", |it| it.state.is_live()).await;
    canary.sings().await;
    other.ends_whole().await;
    drop((far, relay));
}

#[tokio::test]
async fn a_hub_that_is_killed_and_one_that_moves_find_their_machines_and_lose_nothing() {
    let Some(network) = Network::set_up() else { return };
    let mut desk = Desk::start(&network).await;
    let mut added = Busy::added(&network, &desk, "server").await;
    let mut joined = Busy::joined(&desk, network.host("laptop"), "laptop").await;
    desk = desk.killed_and_restarted(HUB_PORT).await;
    for busy in [&mut added, &mut joined] {
        busy.is_thrown_out().await;
        busy.comes_back().await;
        busy.goes_on(50).await;
        desk.until_linked(busy.label).await;
    }
    // at another port the one is dialled as before, and the other has to be told
    let port = HUB_PORT + 1;
    desk = desk.killed_and_restarted(port).await;
    added.is_thrown_out().await;
    added.comes_back().await;
    added.goes_on(50).await;
    joined.is_thrown_out().await;
    let awaited = |it: &MachineInfo| it.state == MachineState::Awaited;
    let machine = desk.until(SILENCE_NOTICED, "laptop", "it has not dialled", awaited).await;
    assert!(machine.unreachable_since.is_some(), "{machine:?}");
    // it works on by itself meanwhile, and says where it dials
    drop(Way::unix(&joined.host.instance).connect("own").await);
    let hubs = joined.host.instance.qd(["relay", "hubs"]).await.ok().text();
    assert!(hubs.contains("desk"), "{hubs}");
    join_at(&desk, &joined.host, "laptop", &desk.host.at(port)).await;
    desk.until_linked("laptop").await;
    joined.comes_back().await;
    joined.goes_on(50).await;
    for busy in [added, joined] {
        busy.ends_whole().await;
    }
}
