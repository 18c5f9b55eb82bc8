//! A session beside the one that suffers. It must go on as if nothing were.

use std::time::{Duration, Instant};

use super::{
    client::{Attachment, Way, watching},
    instance::program_binary,
};
use quarterdeck_protocol::method::AttachRole;

/// How long an echo of a session that nothing is wrong with may take, on a machine with two processors
/// that are busy with other tests.
pub const CANARY_LIMIT: Duration = Duration::from_secs(5);

/// A session that echoes, its owner, and a count of its echoes.
#[derive(Debug)]
pub struct Canary {
    attachment: Attachment,
    session: String,
    beats: u32,
}

impl Canary {
    /// Starts the session and attaches to it.
    pub async fn start(way: &Way) -> Self {
        let peer = way.connect("canary").await;
        let program = program_binary().display().to_string();
        let words = [program.as_str(), "raw", "print:canary", "echo", "wait"];
        let session = peer.create(words).await.session.to_string();
        let mut attachment = peer.attach(&watching(&session, AttachRole::Auto)).await;
        attachment.until_text("canary").await;
        Self { attachment, session, beats: 0 }
    }
    /// Types something new and waits for its echo.
    ///
    /// # Panics
    /// When it takes longer than [`CANARY_LIMIT`].
    pub async fn sings(&mut self) {
        self.beats += 1;
        let song = format!("<{}>", self.beats);
        let start = Instant::now();
        self.attachment.text.clear();
        self.attachment.try_type(song.as_bytes()).await.expect("the canary is connected");
        self.attachment.until_text(&song).await;
        let took = start.elapsed();
        assert!(took < CANARY_LIMIT, "the other session's echo took {took:?}");
    }
    /// Comes back after its relay was killed, with the same session.
    #[must_use]
    pub async fn revived(self, way: &Way) -> Self {
        let ticket = self.attachment.peer.hello.ticket.clone();
        let peer = way.connect_again("canary", &ticket).await;
        let attachment = peer.attach(&watching(&self.session, AttachRole::Auto)).await;
        assert!(attachment.owns(), "within its grace the canary is the owner again");
        Self { attachment, ..self }
    }
}
