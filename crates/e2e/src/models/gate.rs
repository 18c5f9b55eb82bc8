//! A place in an answer where it waits until the test lets it go on.

use std::sync::Arc;

use tokio::sync::watch;

/// A gate: the server waits at it, the test opens it. Clones are the same gate.
#[derive(Debug, Clone)]
pub struct Gate(Arc<Sides>);

#[derive(Debug)]
struct Sides {
    reached: watch::Sender<bool>,
    open: watch::Sender<bool>,
}

impl Gate {
    /// A closed gate that nobody has reached.
    #[must_use]
    pub fn closed() -> Self {
        let sides = Sides { reached: watch::Sender::new(false), open: watch::Sender::new(false) };
        Self(Arc::new(sides))
    }

    /// Lets the answer go on, now or when it comes here.
    pub fn open(&self) {
        self.0.open.send_replace(true);
    }

    /// Waits until an answer has come here; all before it has then been handed to the connection.
    pub async fn reached(&self) {
        wait(&self.0.reached).await;
    }

    /// The server's side: says that it is here, and waits.
    pub(super) async fn pass(&self) {
        self.0.reached.send_replace(true);
        wait(&self.0.open).await;
    }
}

async fn wait(side: &watch::Sender<bool>) {
    // it cannot fail: the sender lives as long as the gate
    let _ = side.subscribe().wait_for(|set| *set).await;
}
