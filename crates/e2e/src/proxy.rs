//! A TCP proxy on loopback whose links can be spoilt while they run.
//!
//! One [`FaultProxy`] stands before one server. Each direction has a [`Shape`], which holds for all
//! links and may change at any time, and two tripwires (corrupt a byte, cut the link) that go off once.
//! Memory per direction of a link is bounded by `QUEUE_CHUNKS` × `CHUNK_BYTES`; beyond it the proxy stops
//! reading and TCP pushes back, so a delay also limits how much is under way.

mod lane;
mod link;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::Duration,
};

use rustix::net::{Shutdown, shutdown};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
};

use lane::Lane;

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// What becomes of the bytes of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flow {
    /// They are delivered.
    #[default]
    Pass,
    /// They wait, as on a link that is away and comes back: nothing is lost.
    Hold,
    /// They are accepted and never delivered: the half-open link. What was swallowed is gone, so only a
    /// cut makes sense afterwards.
    Swallow,
    /// They are delivered one by one, this far apart.
    Trickle(Duration),
}

/// How one direction behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shape {
    /// What becomes of the bytes.
    pub flow: Flow,
    /// How long each byte is under way.
    pub delay: Duration,
    /// Up to this much longer, at random; order is kept.
    pub jitter: Duration,
    /// Bandwidth; `None` = as fast as it goes.
    pub bytes_per_second: Option<u64>,
    /// What is late because a segment was lost; `None` = none is.
    pub loss: Option<Loss>,
}

/// Lost segments, as a stream shows them: what was lost comes later, and all behind it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// One segment in so many, at random.
    pub one_in: u64,
    /// How much later it comes.
    pub late: Duration,
}

impl Shape {
    /// A direction that delivers nothing and says nothing.
    #[must_use]
    pub fn swallow() -> Self {
        Self { flow: Flow::Swallow, ..Self::default() }
    }
    /// A direction that is away for now.
    #[must_use]
    pub fn hold() -> Self {
        Self { flow: Flow::Hold, ..Self::default() }
    }
    /// A direction on which each byte is under way for `delay` and at most `jitter` more.
    #[must_use]
    pub fn delayed(delay: Duration, jitter: Duration) -> Self {
        Self { delay, jitter, ..Self::default() }
    }
    /// A direction that delivers one byte at a time.
    #[must_use]
    pub fn trickle(gap: Duration) -> Self {
        Self { flow: Flow::Trickle(gap), ..Self::default() }
    }
    /// A direction of limited bandwidth.
    #[must_use]
    pub fn limited(bytes_per_second: u64) -> Self {
        Self { bytes_per_second: Some(bytes_per_second), ..Self::default() }
    }
}

/// How a link ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Both peers get RST: a process died, a firewall closed the link.
    Reset,
    /// Both peers get FIN: an orderly end by something in between.
    Finish,
}

/// What meets new connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Gate {
    /// They are linked to the server.
    #[default]
    Open,
    /// `connect` fails: nobody listens. The port stays reserved.
    Refuse,
    /// They are accepted and reset at once.
    Slam,
}

/// What has passed so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Links ever made.
    pub links: u64,
    /// Links that are up now.
    pub open: u64,
    /// Bytes delivered to the server.
    pub up: u64,
    /// Bytes delivered to clients.
    pub down: u64,
}

/// A running proxy; dropping it ends all its links.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    orders: mpsc::Sender<Order>,
    /// Owns the accepting task, which owns all links.
    _tasks: JoinSet<()>,
}

/// What all links of a proxy have in common.
#[derive(Debug)]
struct Shared {
    target: Mutex<SocketAddr>,
    up: Lane,
    down: Lane,
    /// How all links of the moment are cut; each link watches it for changes.
    cuts: watch::Sender<Cut>,
    links: AtomicU64,
    open: watch::Sender<u64>,
}

/// A change of the gate, and where to say that it is in force.
#[derive(Debug)]
struct Order {
    gate: Gate,
    done: oneshot::Sender<io::Result<()>>,
}

impl FaultProxy {
    /// Starts a proxy before `target`, on a free port of loopback.
    ///
    /// # Errors
    /// When no port can be bound.
    pub fn start(target: SocketAddr) -> io::Result<Self> {
        let door = Door::open()?;
        let address = door.address;
        let shared = Arc::new(Shared {
            target: Mutex::new(target),
            up: Lane::new(1),
            down: Lane::new(2),
            cuts: watch::Sender::new(Cut::Reset),
            links: AtomicU64::new(0),
            open: watch::Sender::new(0),
        });
        // one order at a time: whoever gives one waits for it
        let (orders, inbox) = mpsc::channel(1);
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(door, Arc::clone(&shared), inbox));
        Ok(Self { address, shared, orders, _tasks: tasks })
    }

    /// Where clients connect.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
    /// Sends new links to another server: one that was restarted on another port.
    pub fn retarget(&self, target: SocketAddr) {
        *self.shared.target.lock().unwrap_or_else(PoisonError::into_inner) = target;
    }
    /// Sets the behaviour of one direction of all links, present and new.
    pub fn shape(&self, direction: Direction, shape: Shape) {
        self.shared.lane(direction).set_shape(shape);
    }
    /// Sets the behaviour of both directions.
    pub fn shape_both(&self, shape: Shape) {
        self.shape(Direction::Up, shape);
        self.shape(Direction::Down, shape);
    }
    /// Flips a bit of the byte that comes after `bytes` more in a direction, counted over all links.
    pub fn corrupt_after(&self, direction: Direction, bytes: u64) {
        self.shared.lane(direction).corrupt_after(bytes);
    }
    /// Cuts the link on which `bytes` more have passed in a direction, counted over all links. With
    /// [`Cut::Reset`] the last of them may get lost, as on any link.
    pub fn cut_after(&self, direction: Direction, bytes: u64, how: Cut) {
        self.shared.lane(direction).cut_after(bytes, how);
    }
    /// Cuts all links that are up now.
    pub fn cut(&self, how: Cut) {
        self.shared.cuts.send_replace(how);
    }
    /// Says what meets new connections from now on. Returns when that is in force.
    ///
    /// # Errors
    /// When the port cannot be listened on.
    pub async fn set_gate(&self, gate: Gate) -> io::Result<()> {
        let gone = || io::Error::other("the proxy's accepting task is gone");
        let (done, answer) = oneshot::channel();
        self.orders.send(Order { gate, done }).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
    /// What has passed so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            links: self.shared.links.load(Ordering::Relaxed),
            open: *self.shared.open.borrow(),
            up: self.shared.up.delivered(),
            down: self.shared.down.delivered(),
        }
    }
    /// Waits until exactly `count` links are up.
    pub async fn wait_for_open(&self, count: u64) {
        let mut open = self.shared.open.subscribe();
        // cannot fail: the sender lives as long as `self`
        let _ = open.wait_for(|open| *open == count).await;
    }
}

impl Shared {
    const fn lane(&self, direction: Direction) -> &Lane {
        match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        }
    }
    fn target(&self) -> SocketAddr {
        *self.target.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The proxy's port.
struct Door {
    address: SocketAddr,
    /// None: `connect` is refused.
    listener: Option<TcpListener>,
    slams: bool,
}

impl Door {
    fn open() -> io::Result<Self> {
        let address = SocketAddr::new(own_address().into(), 0);
        let mut door = Self { address, listener: None, slams: false };
        door.turn(Gate::Open)?;
        Ok(door)
    }
    async fn accept(&self) -> io::Result<TcpStream> {
        match &self.listener {
            Some(listener) => listener.accept().await.map(|(stream, _)| stream),
            None => std::future::pending().await,
        }
    }
    fn turn(&mut self, gate: Gate) -> io::Result<()> {
        match gate {
            Gate::Refuse => {
                // closing is not enough: a child that another test is starting may have a copy
                self.listener.take().map_or(Ok(()), |it| shutdown(&it, Shutdown::Read))?;
            }
            Gate::Open | Gate::Slam if self.listener.is_some() => {}
            Gate::Open | Gate::Slam => {
                let socket = TcpSocket::new_v4()?;
                // links of before may still be closing
                socket.set_reuseaddr(true)?;
                socket.bind(self.address)?;
                self.address = socket.local_addr()?;
                self.listener = Some(socket.listen(128)?);
            }
        }
        self.slams = gate == Gate::Slam;
        Ok(())
    }
}

/// A loopback address of this proxy alone, so that nobody takes its port while it does not listen.
fn own_address() -> Ipv4Addr {
    static PROXIES: AtomicU8 = AtomicU8::new(0);
    let [.., high, low] = std::process::id().to_be_bytes();
    // 127.0 is everybody's
    let number = PROXIES.fetch_add(1, Ordering::Relaxed) | 1 << 7;
    Ipv4Addr::new(127, number, high, low)
}

async fn accept(mut door: Door, shared: Arc<Shared>, mut orders: mpsc::Receiver<Order>) {
    let mut links = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            order = orders.recv() => {
                let Some(Order { gate, done }) = order else { return };
                // whoever asked may have stopped to wait
                let _ = done.send(door.turn(gate));
            }
            Some(_) = links.join_next() => {}
            Ok(client) = door.accept() => {
                if door.slams {
                    link::reset(&client);
                } else {
                    shared.links.fetch_add(1, Ordering::Relaxed);
                    links.spawn(link::run(client, Arc::clone(&shared)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
