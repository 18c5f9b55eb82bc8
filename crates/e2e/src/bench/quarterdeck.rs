//! Quarterdeck itself: a relay of its own, a session per program, holder and log in the path.

use std::io;

use super::{
    client::{Connection, Over},
    line::Line,
    relay::{BenchRelay, Security},
    systems::System,
};

/// A running relay and how to reach it.
#[derive(Debug)]
pub struct Quarterdeck {
    over: Over,
    running: Option<BenchRelay>,
}

impl Quarterdeck {
    /// Measured over this endpoint.
    #[must_use]
    pub const fn new(over: Over) -> Self {
        Self { over, running: None }
    }
}

impl System for Quarterdeck {
    fn name(&self) -> &'static str {
        match self.over {
            Over::Unix => "quarterdeck, Unix socket",
            Over::Ws => "quarterdeck, ws",
            Over::Wss => "quarterdeck, wss",
            Over::Hub => "quarterdeck, ws to a hub",
        }
    }

    fn open(&mut self, program: &[String]) -> io::Result<Box<dyn Line + Send>> {
        self.running = None;
        let security = if self.over == Over::Wss { Security::Tls } else { Security::Plain };
        let relay = self.running.insert(BenchRelay::start(security)?);
        if self.over == Over::Hub {
            relay.start_hub()?;
        }
        let mut line = Connection::open(relay, self.over)?;
        let session = line.create(program)?;
        line.attach_all(&session)?;
        Ok(Box::new(line))
    }
}
