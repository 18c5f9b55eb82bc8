//! Whatever happens to a link, the log and what a client sees are the same bytes, each input is applied
//! once, and other sessions do not notice.

use std::time::Duration;

use quarterdeck_e2e::{
    harness::{
        canary::Canary,
        client::{Way, recording},
        instance::{Instance, Relay},
        ordinary_or_long,
        steady::{Steady, Typist},
    },
    proxy::{Cut, Direction, FaultProxy, Shape},
    streams::mix,
};
use quarterdeck_protocol::{ids::Out, method::AttachRole, scope::Scopes};
use quarterdeck_transport::ClientOptions;

/// How a relay is reached over the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wire {
    Plain,
    Tls,
}

/// A relay with a proxy before it, a session that emits, its owner behind the proxy, and a session whose
/// owner is not.
struct Stage {
    steady: Steady,
    typist: Typist,
    proxy: FaultProxy,
    canary: Canary,
    _relay: Relay,
    instance: Instance,
}

impl Stage {
    async fn set(wire: Wire, seed: u64, rate: u64) -> Self {
        let instance = Instance::new();
        let mut words = vec!["--listen", "127.0.0.1:0"];
        words.extend((wire == Wire::Plain).then_some("--insecure"));
        let relay = instance.start_relay(&words).await;
        let local = Way::unix(&instance);
        let peer = local.connect("starter").await;
        let steady = Steady::start(&instance, &peer, seed, rate).await;
        let token = peer.token("ada", Scopes::ALL).await;
        let canary = Canary::start(&local).await;
        let proxy = FaultProxy::start(relay.address()).expect("starts");
        let mut way = match (wire, &relay.status.pin) {
            (Wire::Tls, Some(pin)) => Way::wss(proxy.address(), &token, pin),
            (Wire::Tls, None) => panic!("a relay with TLS says its pin"),
            (Wire::Plain, _) => Way::ws(proxy.address(), &token),
        };
        // so that a dead link is noticed while somebody waits
        let ping_interval = Duration::from_millis(300);
        way.client = ClientOptions { ping_interval, ..ClientOptions::default() };
        let mut typist = Typist::new(way, &steady);
        typist.connect().await;
        Self { steady, typist, proxy, canary, _relay: relay, instance }
    }
    /// Works for a while on a whole link.
    async fn goes_on(&mut self, inputs: u64) {
        let (settled, out) = (self.typist.settled() + inputs, self.typist.out());
        let further = |typist: &Typist| typist.settled() >= settled && typist.out() > out;
        self.typist.work(further).await.expect("the link is whole");
    }
    /// Works until the link breaks, repairs the way, and comes back.
    async fn breaks_and_returns(&mut self) {
        self.typist.work(|_| false).await.expect_err("the link breaks");
        self.canary.sings().await;
        self.proxy.shape_both(Shape::default());
        self.typist.connect().await;
    }
    async fn ends_whole(mut self) {
        self.goes_on(5).await;
        let out = self.typist.out();
        let typed = self.typist.finish().await;
        self.steady.check_typed(typed).await;
        self.steady.check_log(out);
        self.canary.sings().await;
        drop(self.instance);
    }
}

#[tokio::test]
async fn a_link_is_cut_anywhere_in_either_direction() {
    let mut stage = Stage::set(Wire::Plain, 21, 300_000).await;
    for round in 0..ordinary_or_long(20, 300) {
        let direction = [Direction::Up, Direction::Down][(mix(round) % 2) as usize];
        let how = [Cut::Reset, Cut::Finish][(mix(round + 100) % 2) as usize];
        // in the middle of the upgrade, of a call, of a frame, or somewhere in the stream
        let bytes = mix(round + 200) % [300, 2_000, 30_000][(round % 3) as usize];
        stage.proxy.cut_after(direction, bytes, how);
        stage.typist.break_off();
        // the cut may come before there is a connection; then there is one at the next try
        while stage.typist.try_connect().await.is_err() {}
        let enough = stage.typist.settled() + 50;
        let _ = stage.typist.work(|typist| typist.settled() >= enough).await;
        stage.typist.break_off();
        stage.proxy.cut_after(direction, u64::MAX, how);
        stage.typist.connect().await;
        stage.goes_on(3).await;
        stage.canary.sings().await;
    }
    stage.ends_whole().await;
}

#[tokio::test]
async fn a_half_open_link_is_noticed_and_replaced() {
    let mut stage = Stage::set(Wire::Plain, 22, 300_000).await;
    for direction in [Direction::Up, Direction::Down] {
        stage.goes_on(50).await;
        stage.proxy.shape(direction, Shape::swallow());
        stage.breaks_and_returns().await;
    }
    stage.ends_whole().await;
}

#[tokio::test]
async fn a_link_that_is_away_for_a_while_loses_nothing() {
    let mut stage = Stage::set(Wire::Plain, 23, 300_000).await;
    stage.typist.way.client = ClientOptions::default();
    stage.typist.break_off();
    stage.typist.connect().await;
    for direction in [Direction::Up, Direction::Down] {
        stage.goes_on(50).await;
        stage.proxy.shape(direction, Shape::hold());
        for _ in 0..20 {
            stage.canary.sings().await;
        }
        stage.proxy.shape(direction, Shape::default());
    }
    stage.ends_whole().await;
}

#[tokio::test]
async fn a_slow_link_with_jitter_is_only_slow() {
    let mut stage = Stage::set(Wire::Tls, 24, 100_000).await;
    let delay = Duration::from_millis(30);
    stage.proxy.shape_both(Shape::delayed(delay, delay));
    stage.goes_on(100).await;
    stage.canary.sings().await;
    stage.proxy.shape_both(Shape::limited(150_000));
    stage.goes_on(100).await;
    stage.canary.sings().await;
    stage.proxy.shape_both(Shape::default());
    stage.ends_whole().await;
}

#[tokio::test]
async fn a_link_that_delivers_single_bytes_is_only_slow() {
    for wire in [Wire::Plain, Wire::Tls] {
        let mut stage = Stage::set(wire, 25, 20_000).await;
        stage.proxy.shape_both(Shape::trickle(Duration::ZERO));
        stage.typist.break_off();
        stage.typist.connect().await;
        stage.goes_on(60).await;
        stage.canary.sings().await;
        stage.ends_whole().await;
    }
}

#[tokio::test]
async fn a_byte_that_the_network_changed_breaks_the_link_and_nothing_else() {
    let mut stage = Stage::set(Wire::Tls, 26, 300_000).await;
    for (direction, bytes) in [(Direction::Up, 500), (Direction::Down, 20_000), (Direction::Up, 40)]
    {
        stage.goes_on(20).await;
        stage.proxy.corrupt_after(direction, bytes);
        stage.breaks_and_returns().await;
    }
    stage.ends_whole().await;
}

#[tokio::test]
async fn a_follower_that_never_reads_delays_nobody() {
    let mut stage = Stage::set(Wire::Plain, 27, 6_000_000).await;
    let lazy = FaultProxy::start(stage.proxy.address()).expect("starts");
    let mut way = stage.typist.way.clone();
    way.redirect(lazy.address());
    way.client = ClientOptions::default();
    let mut wish = recording(&stage.steady.session, None);
    wish.role = AttachRole::Follow;
    let mut follower = way.connect("lazy").await.attach(&wish).await;
    follower.known = Some(stage.steady.emits);
    lazy.shape(Direction::Down, Shape::hold());
    let before = stage.typist.out();
    let megabytes = ordinary_or_long(10, 48) << 20;
    let far = |typist: &Typist| typist.out().0 > before.0 + megabytes;
    stage.typist.work(far).await.expect("the owner's link is whole");
    stage.canary.sings().await;
    // and when it reads again it gets every byte that it asked for
    lazy.shape(Direction::Down, Shape::default());
    let goal = Out(before.0 + megabytes / 2);
    follower.until("the follower catches up", |it| it.out >= goal).await;
    assert_eq!(follower.gaps, []);
    drop(follower);
    stage.ends_whole().await;
}
