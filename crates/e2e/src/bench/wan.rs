//! The same over a link that is slow: the fault proxy stands between client and server.
//!
//! The proxy works on a stream, so a lost segment is what TCP makes of it: now and then something is late
//! by the time that sending it again takes, and all behind it waits.

use std::{
    fmt::Write as _,
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use quarterdeck_protocol::method::AttachRole;

use super::{
    client::{Connection, Event, Over, Part},
    goals::Extent,
    line::{Line, RawWebSocket},
    measure,
    relay::{BenchRelay, Security},
    sshd::Sshd,
    stats::Spread,
    systems::{RefWss, System as _},
    ttyd::{self, Ttyd},
};
use crate::{
    harness::tools::find_program,
    processes::contains,
    proxy::{FaultProxy, Loss, Shape},
};

/// One way; a round trip takes twice that.
const DELAY: Duration = Duration::from_millis(25);
/// One segment in a hundred is late by a round trip and the least time TCP waits for an answer.
const LOSS: Loss = Loss { one_in: 100, late: Duration::from_millis(250) };
/// 1 Mbit/s.
const BYTES_PER_S: u64 = 125_000;

/// A kind of link.
#[derive(Debug, Clone, Copy)]
struct Link {
    name: &'static str,
    shape: Shape,
}

/// What one system showed on one link.
struct Shown {
    system: &'static str,
    link: &'static str,
    echo: io::Result<measure::Echo>,
    /// Times from connecting to a full screen.
    screen: io::Result<Vec<Duration>>,
}

fn links() -> [Link; 4] {
    let delayed = Shape::delayed(DELAY, Duration::ZERO);
    let lossy = Shape { loss: Some(LOSS), ..delayed };
    let narrow = Shape { bytes_per_second: Some(BYTES_PER_S), ..delayed };
    let all = Shape { bytes_per_second: Some(BYTES_PER_S), ..lossy };
    [
        Link { name: "50 ms", shape: delayed },
        Link { name: "50 ms, 1 % loss", shape: lossy },
        Link { name: "50 ms, 1 Mbit/s", shape: narrow },
        Link { name: "50 ms, 1 % loss, 1 Mbit/s", shape: all },
    ]
}

/// A server that can be reached through the proxy.
trait Far {
    fn name(&self) -> &'static str;
    /// Where the proxy leads, for a program.
    fn serve(&mut self, program: &[String]) -> io::Result<SocketAddr>;
    /// A client that goes there by way of the proxy.
    fn connect(&mut self, via: SocketAddr, program: &[String]) -> io::Result<Box<dyn Line + Send>>;
}

/// Measures all systems on all links, and gives the table.
///
/// # Errors
/// When there is no proxy. A system that fails has a row that says so.
pub fn table(extent: Extent, program: &str, progress: &mut dyn FnMut(&str)) -> io::Result<String> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).enable_all().build()?;
    let _inside = runtime.enter();
    let mut systems: Vec<Box<dyn Far>> =
        vec![Box::new(FarRefWss::default()), Box::new(FarRelay(BenchRelay::start(Security::Tls)?))];
    if let Some(server) = Sshd::start()? {
        systems.push(Box::new(server));
    }
    if let Some(binary) = find_program("ttyd") {
        systems.push(Box::new(Ttyd::new(binary)));
    }
    let mut text = String::from(
        "| Link (round trip) | System | Echo p50, ms | p99, ms | Connect, start, full screen, ms |\n\
         |---|---|---|---|---|\n",
    );
    for link in links() {
        for system in &mut systems {
            progress(&format!("{}: {}", link.name, system.name()));
            let shown = show(system.as_mut(), link, extent, program);
            // writing to a String does not fail
            let _ = writeln!(text, "{}", row(&shown));
        }
        progress(&format!("{}: attach", link.name));
        let reattached = reattach(link, extent, program)?;
        let _ = writeln!(text, "{}", row(&reattached));
    }
    Ok(text)
}

fn row(shown: &Shown) -> String {
    let Shown { system, link, echo, screen } = shown;
    let echo = match echo {
        Ok(echo) => format!("{:.1} | {:.1}", echo.p50_us / 1e3, echo.p99_us / 1e3),
        Err(error) if error.kind() == io::ErrorKind::Unsupported => "- | -".to_owned(),
        Err(error) => format!("failed: {error} | -"),
    };
    let screen = match screen {
        Ok(times) => {
            let times: Vec<f64> = times.iter().map(|time| time.as_secs_f64() * 1e3).collect();
            let Spread { low, median, high } = Spread::of(&times);
            format!("{median:.0} [{low:.0}-{high:.0}]")
        }
        Err(error) => format!("failed: {error}"),
    };
    format!("| {link} | {system} | {echo} | {screen} |")
}

fn show(system: &mut dyn Far, link: Link, extent: Extent, program: &str) -> Shown {
    let echo = echo(system, link, extent);
    let screen = (0..extent.pick(5, 2)).map(|_| screen(system, link, program)).collect();
    Shown { system: system.name(), link: link.name, echo, screen }
}

fn echo(system: &mut dyn Far, link: Link, extent: Extent) -> io::Result<measure::Echo> {
    let words = measure::echo_program();
    let proxy = FaultProxy::start(system.serve(&words)?)?;
    let mut line = system.connect(proxy.address(), &words)?;
    measure::until_ready(line.as_mut())?;
    // what it takes to get here is the other figure
    proxy.shape_both(link.shape);
    measure::echo(line.as_mut(), extent.pick(100, 10))
}

/// From connecting to the end of a screen that a program draws.
fn screen(system: &mut dyn Far, link: Link, program: &str) -> io::Result<Duration> {
    // about what a full-screen program draws first: 24 rows, and colours
    let words = [program, "noecho", "flood:lines:4000", "print:the-end", "wait"];
    let words = words.map(str::to_owned);
    let proxy = FaultProxy::start(system.serve(&words)?)?;
    proxy.shape_both(link.shape);
    let start = Instant::now();
    let mut line = system.connect(proxy.address(), &words)?;
    let mut seen = Vec::new();
    while !contains(&seen, measure::END) {
        line.receive(&mut seen)?;
    }
    Ok(start.elapsed())
}

/// Coming back to a session with 10 MB behind it: nobody else here can.
fn reattach(link: Link, extent: Extent, program: &str) -> io::Result<Shown> {
    let relay = BenchRelay::start(Security::Tls)?;
    let mut owner = Connection::open(&relay, Over::Unix)?;
    let bytes = 10_000_000;
    let session = owner.create(&measure::bulk_program(program, "lines", bytes))?;
    owner.attach_all(&session)?;
    measure::until_ready(&mut owner)?;
    measure::bulk(&mut owner, bytes, bytes)?;
    let proxy = FaultProxy::start(relay.address())?;
    proxy.shape_both(link.shape);
    let once = || {
        let start = Instant::now();
        let mut viewer = Connection::open_at(proxy.address(), &relay, Over::Wss)?;
        viewer.attach_screen(&session, AttachRole::Follow)?;
        while !matches!(viewer.next_event()?, Event::Snap(_, _, Part::Last)) {}
        Ok(start.elapsed())
    };
    let screen = (0..extent.pick(5, 2)).map(|_| once()).collect();
    let echo = Err(io::ErrorKind::Unsupported.into());
    Ok(Shown { system: "quarterdeck, wss: reattach after 10 MB", link: link.name, echo, screen })
}

/// A relay with TLS: nobody goes over a wide network without.
struct FarRelay(BenchRelay);

impl Far for FarRelay {
    fn name(&self) -> &'static str {
        "quarterdeck, wss"
    }
    fn serve(&mut self, _program: &[String]) -> io::Result<SocketAddr> {
        Ok(self.0.address())
    }
    fn connect(&mut self, via: SocketAddr, program: &[String]) -> io::Result<Box<dyn Line + Send>> {
        let mut line = Connection::open_at(via, &self.0, Over::Wss)?;
        let session = line.create(program)?;
        line.attach_all(&session)?;
        Ok(Box::new(line))
    }
}

#[derive(Default)]
struct FarRefWss(RefWss);

impl Far for FarRefWss {
    fn name(&self) -> &'static str {
        self.0.name()
    }
    fn serve(&mut self, program: &[String]) -> io::Result<SocketAddr> {
        self.0.serve(program)
    }
    fn connect(
        &mut self,
        via: SocketAddr,
        _program: &[String],
    ) -> io::Result<Box<dyn Line + Send>> {
        Ok(Box::new(RawWebSocket::connect_tls(via)?))
    }
}

impl Far for Sshd {
    fn name(&self) -> &'static str {
        "ssh"
    }
    fn serve(&mut self, _program: &[String]) -> io::Result<SocketAddr> {
        Ok(self.address())
    }
    fn connect(&mut self, via: SocketAddr, program: &[String]) -> io::Result<Box<dyn Line + Send>> {
        Ok(Box::new(self.open_at(via, program)?))
    }
}

impl Far for Ttyd {
    fn name(&self) -> &'static str {
        "ttyd"
    }
    fn serve(&mut self, program: &[String]) -> io::Result<SocketAddr> {
        Self::serve(self, program)
    }
    fn connect(
        &mut self,
        via: SocketAddr,
        _program: &[String],
    ) -> io::Result<Box<dyn Line + Send>> {
        Ok(Box::new(ttyd::Socket::connect(via)?))
    }
}
