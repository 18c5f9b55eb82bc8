//! What happens to the way between a hub and its machines.

use std::{net::Ipv4Addr, time::Duration};

use quarterdeck_e2e::harness::{
    canary::Canary, hub::pairing_line, instance::program_binary, network::Network,
};

use super::scene::{Busy, Desk, HUB_PORT, RELAY_PORT, join_at};

#[tokio::test]
async fn a_cable_that_is_out_for_seconds_costs_not_even_a_reconnect() {
    let Some(network) = Network::set_up() else { return };
    let desk = Desk::start(&network).await;
    let mut busy = Busy::added(&network, &desk, "far").await;
    for pause in [Duration::from_millis(300), Duration::from_secs(3)] {
        busy.host.unplug();
        // how long it is out is what is tested
        let out = busy.typist.work(|_| false);
        assert!(tokio::time::timeout(pause, out).await.is_err(), "nobody is thrown out");
        busy.host.plug_in();
        busy.goes_on(100).await;
    }
    busy.ends_whole().await;
}

#[tokio::test]
async fn links_that_swallow_everything_and_machines_that_move_are_noticed_and_nothing_is_lost() {
    let Some(network) = Network::set_up() else { return };
    let desk = Desk::start(&network).await;
    let mut mute = Busy::added(&network, &desk, "mute").await;
    let mut server = Busy::added(&network, &desk, "server").await;
    let mut laptop = Busy::joined(&desk, network.host("laptop"), "laptop").await;
    let calm = Busy::added(&network, &desk, "calm").await;
    let mut canary = Canary::start(&desk.way().on("calm")).await;
    network.swallow(&mute.host);
    server.host.move_to(Ipv4Addr::new(10, 77, 0, 101));
    laptop.host.move_to(Ipv4Addr::new(10, 77, 0, 102));
    let (one, other) =
        tokio::join!(desk.until_unreachable("mute"), desk.until_unreachable("server"));
    for machine in [one, other] {
        assert_eq!(machine.live, 1, "its session is still known: {machine:?}");
    }
    canary.sings().await;
    // the laptop dials from where it is now, by itself
    laptop.is_thrown_out().await;
    laptop.comes_back().await;
    laptop.goes_on(50).await;
    desk.until_linked("laptop").await;
    // the other one is where it was
    mute.is_thrown_out().await;
    network.deliver(&mute.host);
    mute.comes_back().await;
    mute.goes_on(50).await;
    // of the server somebody says where it is now; it is the same machine
    server.is_thrown_out().await;
    server.add_to(&desk).await;
    server.comes_back().await;
    server.goes_on(50).await;
    canary.sings().await;
    for busy in [mute, server, laptop, calm] {
        busy.ends_whole().await;
    }
}

#[tokio::test]
async fn a_machine_behind_nat_is_reached_by_the_link_that_it_made_and_by_no_other() {
    let Some(network) = Network::set_up() else { return };
    let desk = Desk::start(&network).await;
    let (gateway, hidden) = (network.host("gateway"), network.host("hidden"));
    let inner = gateway.hide(&hidden);
    let forward = format!("forward:{inner}:{HUB_PORT}>{}", desk.host.at(HUB_PORT));
    let mut box_before = gateway.instance.program(&program_binary());
    let _box = box_before.arg(forward).kill_on_drop(true).spawn().expect("starts");
    // nothing leads there from the hub, whatever listens
    let listening = hidden.instance.start_relay(&["--listen", &hidden.at(RELAY_PORT)]).await;
    let line = pairing_line(&hidden.instance, &[]).await;
    let refused = desk.host.instance.qd_reading(["machine", "add"], &line).await;
    assert_eq!(refused.code(), Some(7), "{refused:?}");
    assert!(listening.terminate().await.success());
    let relay = hidden.instance.start_relay(&[]).await;
    join_at(&desk, &hidden, "hidden", &format!("{inner}:{HUB_PORT}")).await;
    desk.until_linked("hidden").await;
    let mut busy = Busy::work(&desk, hidden, relay, "hidden").await;
    busy.goes_on(100).await;
    let seen = desk.host.instance.qd(["machine", "ls"]).await.ok().text();
    assert!(seen.contains("hidden"), "{seen}");
    busy.ends_whole().await;
}
