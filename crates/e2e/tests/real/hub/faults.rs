//! What is killed while a program floods, with viewers behind a hub.

use std::time::Duration;

use quarterdeck_e2e::{
    harness::{
        client::{Attachment, Way, recording},
        hub::Fleet,
        instance::program_binary,
        look_again, ordinary_or_long, within_time,
    },
    streams::{KnownStream, StreamKind, mix},
};
use quarterdeck_protocol::{
    ids::{LogId, Out},
    method::{HelloParams, SessionAttach},
};

/// Bytes a second of the flood: far more than a person reads.
const RATE: u64 = 1_500_000;
/// Bytes that the log keeps: all of the flood, as each round takes as long as a machine takes to be
/// linked again.
const KEPT: &str = "[logs]\nsession_bytes = 1073741824\n";
/// Until a machine is linked again, and its viewers are back.
const BACK: Duration = Duration::from_secs(60);

/// Viewers of one session, each with what it has seen.
struct Viewers {
    way: Way,
    session: String,
    stream: KnownStream,
    all: Vec<(Attachment, Out)>,
}

impl Viewers {
    async fn start(fleet: &Fleet, machine: &str, seed: u64) -> Self {
        let stream = KnownStream::new(StreamKind::Lines, seed);
        let program = program_binary().display().to_string();
        let emit = format!("emit:lines:{seed}:inf:{RATE}");
        let words = [program.as_str(), "raw", &emit];
        let way = fleet.way(machine);
        let session = way.connect("starter").await.create(words).await.session.to_string();
        let mut viewers = Self { way, session, stream, all: Vec::new() };
        for _ in 0..3 {
            let attachment = viewers.try_attach(None).await.expect("attaches");
            viewers.all.push((attachment, Out(0)));
        }
        viewers
    }
    async fn try_attach(&self, from: Option<(Out, LogId)>) -> Option<Attachment> {
        let hello = HelloParams { name: "viewer".into(), ..HelloParams::default() };
        let peer = self.way.try_connect(&hello).await.ok()?;
        let params = recording(&self.session, from);
        let answer = peer.client.call::<SessionAttach>(&params).await.ok()?;
        let mut attachment = Attachment::new(peer, answer);
        attachment.known = Some(self.stream);
        Some(attachment)
    }
    /// All see so many further bytes.
    async fn go_on(&mut self, bytes: u64) {
        for (viewer, seen) in &mut self.all {
            let until = seen.0 + bytes;
            viewer.until("it goes on", |it| it.out.0 >= until).await;
            *seen = viewer.out;
        }
    }
    /// All have been thrown out, and come back to where they were.
    async fn come_back(&mut self) {
        for index in 0..self.all.len() {
            let (viewer, seen) = &mut self.all[index];
            within_time(BACK, "it is thrown out", viewer.until_closed()).await;
            // what was under way has been seen too
            *seen = viewer.out;
            assert_eq!(viewer.gaps, [], "nothing was missed");
            let place = viewer.place();
            let coming = async {
                loop {
                    if let Some(attachment) = self.try_attach(Some(place)).await {
                        return attachment;
                    }
                    // a socket that nobody serves refuses at once
                    look_again().await;
                }
            };
            let attachment = within_time(BACK, "it comes back", coming).await;
            assert_eq!(attachment.out, place.0, "it goes on where it was");
            self.all[index].0 = attachment;
        }
    }
}

#[tokio::test]
async fn a_hub_killed_in_the_middle_of_a_flood_is_missed_by_nobody() {
    let fleet = Fleet::start_with(|instance| instance.configure(KEPT)).await;
    let mut viewers = Viewers::start(&fleet, Fleet::FAR, 91).await;
    let Fleet { mut hub, near: _near, far: _far, here, there: _there } = fleet;
    for round in 0..ordinary_or_long(3, 30) {
        viewers.go_on(50_000 + mix(round) % 400_000).await;
        hub.kill().await;
        hub = here.start_hub(&[]).await;
        viewers.come_back().await;
    }
    viewers.go_on(500_000).await;
}

#[tokio::test]
async fn a_relay_killed_behind_a_hub_in_the_middle_of_a_flood_is_missed_by_nobody() {
    let fleet = Fleet::start_with(|instance| instance.configure(KEPT)).await;
    let mut viewers = Viewers::start(&fleet, Fleet::FAR, 92).await;
    let Fleet { hub: _hub, near: _near, mut far, here: _here, there } = fleet;
    let address = far.address().to_string();
    for round in 0..ordinary_or_long(2, 20) {
        viewers.go_on(50_000 + mix(round) % 400_000).await;
        far.kill().await;
        far = there.start_relay(&["--listen", &address]).await;
        viewers.come_back().await;
    }
    viewers.go_on(500_000).await;
}
