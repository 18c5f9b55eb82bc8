//! `kill -9` costs nothing but time: whatever dies, the log and what a client sees are the same bytes, and
//! each input is applied once.

use quarterdeck_e2e::{
    harness::{
        canary::Canary,
        client::Way,
        instance::{Instance, Relay},
        ordinary_or_long,
        steady::{Steady, Typist},
    },
    streams::mix,
};
use quarterdeck_protocol::method::{CreateParams, SessionCreate};
use rustix::process::Signal;

/// What is killed in a round.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Relay,
    Client,
    Both,
    /// The relay is stopped first; another one is refused while it lives.
    FrozenRelay,
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_when_relay_client_or_both_are_killed_at_any_moment() {
    let instance = Instance::new();
    let mut relay = instance.start_relay(&[]).await;
    let way = Way::unix(&instance);
    let peer = way.connect("starter").await;
    let steady = Steady::start(&instance, &peer, 11, 300_000).await;
    let mut canary = Canary::start(&way).await;
    let mut typist = Typist::new(way.clone(), &steady);
    typist.connect().await;
    let victims = [Victim::Relay, Victim::Client, Victim::Both, Victim::FrozenRelay];
    let rounds = ordinary_or_long(10, 100);
    for round in 0..rounds {
        // a moment that is another one each time, counted in what has happened
        let (inputs, bytes) = (20 + mix(round) % 200, mix(round + 1000) % 50_000);
        let (settled, out) = (typist.settled() + inputs, typist.out().0 + bytes);
        let moment = |typist: &Typist| typist.settled() >= settled && typist.out().0 >= out;
        typist.work(moment).await.expect("the link is whole");
        let victim = victims[(mix(round + 2000) % 4) as usize];
        match victim {
            Victim::Client => typist.break_off(),
            Victim::Relay => {
                relay = killed_and_restarted(&instance, relay).await;
                typist.work(|_| false).await.expect_err("the client notices");
                canary = canary.revived(&way).await;
            }
            Victim::Both => {
                typist.break_off();
                relay = killed_and_restarted(&instance, relay).await;
                canary = canary.revived(&way).await;
            }
            Victim::FrozenRelay => {
                relay.signal(Signal::STOP);
                refuses_a_second(&instance, &relay).await;
                relay = killed_and_restarted(&instance, relay).await;
                typist.work(|_| false).await.expect_err("the client notices");
                canary = canary.revived(&way).await;
            }
        }
        typist.connect().await;
        canary.sings().await;
    }
    let out = typist.out();
    let typed = typist.finish().await;
    steady.check_typed(typed).await;
    steady.check_log(out);
    drop(relay);
}

async fn killed_and_restarted(instance: &Instance, relay: Relay) -> Relay {
    let generation = relay.status.generation;
    relay.kill().await;
    let relay = instance.start_relay(&[]).await;
    assert!(relay.status.generation > generation, "each life has a higher number");
    relay
}

async fn refuses_a_second(instance: &Instance, first: &Relay) {
    let refused = instance.try_start_relay(&[]).await.expect_err("one relay at a time");
    assert_eq!(refused.code(), Some(8), "{refused:?}");
    assert!(refused.stderr.contains(&first.pid().to_string()), "names the pid: {refused:?}");
    assert!(refused.stderr.contains("hint"), "says what to do: {refused:?}");
}

#[tokio::test]
async fn a_relay_killed_while_it_starts_processes_is_followed_at_once_by_the_next() {
    let instance = Instance::new();
    let mut relay = instance.start_relay(&[]).await;
    let way = Way::unix(&instance);
    for round in 0..ordinary_or_long(20, 200) {
        let (mut starter, sure) = (way.connect("starter").await, mix(round) % 3);
        for _ in 0..sure {
            starter.create(["/bin/true"]).await;
        }
        // one more is being started when it dies
        let argv = vec!["/bin/cat".to_owned()];
        let create = CreateParams { argv, ..CreateParams::default() };
        let starting = starter.client.call::<SessionCreate>(&create);
        let kill = killed_and_restarted(&instance, relay);
        (relay, _) = tokio::join!(kill, starting);
        while starter.events.next().await.is_some() {}
    }
    assert!(relay.terminate().await.success());
}
