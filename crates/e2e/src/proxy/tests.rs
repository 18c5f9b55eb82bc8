use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout},
};

use super::*;
use crate::streams::{KnownStream, StreamKind};

const STREAM: KnownStream = KnownStream::new(StreamKind::Binary, 9);
/// Long enough for a loaded machine; nothing waits for it when all is well.
const DEADLINE: Duration = Duration::from_secs(20);

/// A server that sends back what it gets, behind a proxy.
struct Stage {
    proxy: FaultProxy,
    _server: JoinSet<()>,
}

impl Stage {
    async fn set() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("binds");
        let target = listener.local_addr().expect("is bound");
        let mut server = JoinSet::new();
        server.spawn(async move {
            let mut echoes = JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                echoes.spawn(async move {
                    let (mut from, mut to) = stream.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        Self { proxy: FaultProxy::start(target).expect("starts"), _server: server }
    }
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.proxy.address()).await.expect("connects")
    }
}

/// Sends the known stream's first `count` bytes and reads them back.
async fn round_trip(link: &mut TcpStream, count: u64) -> io::Result<()> {
    let (mut from, mut to) = link.split();
    let sent = STREAM.bytes(0..count);
    let mut seen = vec![0; sent.len()];
    let both = async { tokio::try_join!(to.write_all(&sent), from.read_exact(&mut seen)) };
    timeout(DEADLINE, both).await.map_err(io::Error::from)??;
    STREAM.verify(0, &seen).map_err(io::Error::other)
}

/// How a read that should see the link's end ended.
async fn end_of(link: &mut TcpStream) -> io::Result<usize> {
    let mut rest = Vec::new();
    timeout(DEADLINE, link.read_to_end(&mut rest)).await.map_err(io::Error::from)?
}

#[tokio::test]
async fn bytes_pass_unchanged_and_are_counted() {
    let stage = Stage::set().await;
    let mut link = stage.connect().await;
    round_trip(&mut link, 1_000_000).await.expect("passes");
    let counts = stage.proxy.counts();
    assert_eq!((counts.links, counts.open, counts.up, counts.down), (1, 1, 1_000_000, 1_000_000));
    drop(link);
    timeout(DEADLINE, stage.proxy.wait_for_open(0)).await.expect("the link is gone");
}

#[tokio::test]
async fn the_end_of_one_side_is_passed_on_after_its_bytes() {
    let stage = Stage::set().await;
    let mut link = stage.connect().await;
    link.write_all(b"last words").await.expect("writes");
    link.shutdown().await.expect("shuts down");
    let mut seen = Vec::new();
    timeout(DEADLINE, link.read_to_end(&mut seen)).await.expect("in time").expect("an orderly end");
    assert_eq!(seen, b"last words");
}

#[tokio::test]
async fn a_cut_is_a_reset_or_an_end_as_asked() {
    let stage = Stage::set().await;
    for (how, expected) in [(Cut::Reset, Err(io::ErrorKind::ConnectionReset)), (Cut::Finish, Ok(0))]
    {
        let mut link = stage.connect().await;
        round_trip(&mut link, 100).await.expect("passes before");
        stage.proxy.cut(how);
        assert_eq!(end_of(&mut link).await.map_err(|e| e.kind()), expected, "{how:?}");
        round_trip(&mut stage.connect().await, 100).await.expect("a new link is whole");
    }
}

#[tokio::test]
async fn a_link_is_cut_after_exactly_so_many_bytes() {
    let stage = Stage::set().await;
    let mut link = stage.connect().await;
    stage.proxy.cut_after(Direction::Down, 70_000, Cut::Finish);
    let sent = STREAM.bytes(0..200_000);
    let (mut from, mut to) = link.split();
    let mut seen = Vec::new();
    let both = async { tokio::join!(to.write_all(&sent), from.read_to_end(&mut seen)) };
    timeout(DEADLINE, both).await.expect("in time").1.expect("an orderly end");
    assert_eq!(seen.len(), 70_000);
    STREAM.verify(0, &seen).expect("unchanged up to the cut");
}

#[tokio::test]
async fn exactly_one_byte_is_corrupted() {
    let stage = Stage::set().await;
    stage.proxy.corrupt_after(Direction::Up, 40_000);
    let mut link = stage.connect().await;
    let error = round_trip(&mut link, 100_000).await.expect_err("one byte differs");
    assert!(error.to_string().starts_with("at 40000:"), "{error}");
    round_trip(&mut link, 100_000).await.expect("only once");
}

#[tokio::test]
async fn a_held_direction_loses_nothing_when_it_comes_back() {
    let stage = Stage::set().await;
    let mut link = stage.connect().await;
    round_trip(&mut link, 10).await.expect("passes before");
    stage.proxy.shape(Direction::Down, Shape::hold());
    link.write_all(&STREAM.bytes(0..5000)).await.expect("the other direction is open");
    let mut one = [0];
    timeout(Duration::from_millis(100), link.read(&mut one)).await.expect_err("nothing comes");
    stage.proxy.shape(Direction::Down, Shape::default());
    let mut seen = vec![0; 5000];
    timeout(DEADLINE, link.read_exact(&mut seen)).await.expect("in time").expect("comes");
    STREAM.verify(0, &seen).expect("nothing is lost");
}

#[tokio::test]
async fn a_swallowing_link_accepts_bytes_and_delivers_none() {
    let stage = Stage::set().await;
    stage.proxy.shape_both(Shape::swallow());
    let mut link = stage.connect().await;
    // more than the buffers of the link and of both sockets
    let written = timeout(DEADLINE, link.write_all(&vec![0; 16 << 20])).await;
    written.expect("in time").expect("is accepted");
    assert_eq!(stage.proxy.counts().up, 0);
}

#[tokio::test]
async fn a_delay_with_jitter_keeps_the_order() {
    let stage = Stage::set().await;
    let delay = Duration::from_millis(20);
    stage.proxy.shape_both(Shape::delayed(delay, delay));
    let mut link = stage.connect().await;
    let start = Instant::now();
    round_trip(&mut link, 300_000).await.expect("unchanged");
    assert!(start.elapsed() >= 2 * delay);
}

#[tokio::test]
async fn what_was_lost_comes_late_and_in_order() {
    let stage = Stage::set().await;
    let late = Duration::from_millis(30);
    let loss = Some(Loss { one_in: 1, late });
    stage.proxy.shape(Direction::Up, Shape { loss, ..Shape::default() });
    let mut link = stage.connect().await;
    let start = Instant::now();
    round_trip(&mut link, 300_000).await.expect("unchanged");
    assert!(start.elapsed() >= late);
}

#[tokio::test]
async fn a_trickle_delivers_single_bytes_in_their_time() {
    let stage = Stage::set().await;
    stage.proxy.shape(Direction::Down, Shape::trickle(Duration::from_millis(1)));
    let mut link = stage.connect().await;
    let start = Instant::now();
    round_trip(&mut link, 60).await.expect("unchanged");
    assert!(start.elapsed() >= Duration::from_millis(59));
}

#[tokio::test]
async fn a_limited_direction_keeps_its_bandwidth() {
    let stage = Stage::set().await;
    stage.proxy.shape(Direction::Up, Shape::limited(1_000_000));
    let mut link = stage.connect().await;
    let start = Instant::now();
    round_trip(&mut link, 200_000).await.expect("unchanged");
    assert!(start.elapsed() >= Duration::from_millis(150));
}

#[tokio::test]
async fn a_closed_gate_refuses_and_an_open_one_serves_on_the_same_port() {
    let stage = Stage::set().await;
    let mut before = stage.connect().await;
    // a link that is not accepted yet would be refused with the others
    stage.proxy.wait_for_open(1).await;
    stage.proxy.set_gate(Gate::Refuse).await.expect("keeps its port");
    let refused = TcpStream::connect(stage.proxy.address()).await.map(|_| ());
    assert_eq!(refused.map_err(|e| e.kind()), Err(io::ErrorKind::ConnectionRefused));
    round_trip(&mut before, 100).await.expect("links that are up stay up");
    stage.proxy.set_gate(Gate::Slam).await.expect("keeps its port");
    assert!(end_of(&mut stage.connect().await).await.is_err());
    stage.proxy.set_gate(Gate::Open).await.expect("keeps its port");
    round_trip(&mut stage.connect().await, 100).await.expect("serves again");
}

#[tokio::test]
async fn new_links_go_to_a_new_target() {
    let stage = Stage::set().await;
    let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("binds");
    stage.proxy.retarget(other.local_addr().expect("is bound"));
    let mut link = stage.connect().await;
    let (mut served, _) =
        timeout(DEADLINE, other.accept()).await.expect("in time").expect("accepts");
    served.write_all(b"x").await.expect("writes");
    assert_eq!(link.read_u8().await.expect("reads"), b'x');
}
