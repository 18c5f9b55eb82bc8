//! Many behind one link: each sees every byte or is told what it missed, and none holds up another.

use std::time::Duration;

use quarterdeck_e2e::{
    harness::{
        canary::Canary,
        client::{Attachment, Way, recording, watching},
        hub::{Fleet, until_machine_within},
        instance::{Instance, program_binary},
        simulated::SimulatedRelays,
        within_time,
    },
    processes::resident_bytes,
    streams::{KnownStream, StreamKind},
};
use quarterdeck_protocol::{
    error::ErrorCode,
    method::{AttachRole, Empty, MachineInfo, MachineState, SessionList, SessionListResult},
};
use tokio::task::JoinSet;

/// Output of a session that fifty watch, and of one that some do not.
const WATCHED_BYTES: u64 = 2_000_000;
const FLOOD_BYTES: u64 = 12_000_000;
/// A flood through a hub to everybody, on a machine that does much else.
const FLOOD_LIMIT: Duration = Duration::from_secs(90);

/// A session that floods when a line is typed, and who owns it, at its relay.
async fn flooding(instance: &Instance, stream: KnownStream, bytes: u64) -> (String, Attachment) {
    let program = program_binary().display().to_string();
    let emit = format!("emit:lines:{}:{bytes}", stream.seed);
    let words = [program.as_str(), "raw", "line", &emit, "wait"];
    let peer = Way::unix(instance).connect("owner").await;
    let session = peer.create(words).await.session.to_string();
    let params = watching(&session, AttachRole::Take);
    (session, peer.attach(&params).await)
}

async fn until_out(viewer: &mut Attachment, bytes: u64) {
    let coming = async {
        while viewer.out.0 < bytes {
            viewer.step().await.expect("the link is whole");
        }
    };
    within_time(FLOOD_LIMIT, "the end of the flood", coming).await;
}

#[tokio::test]
async fn fifty_viewers_behind_a_hub_see_every_byte_or_are_told_what_they_missed() {
    let fleet = Fleet::start().await;
    let stream = KnownStream::new(StreamKind::Lines, 81);
    let (session, mut owner) = flooding(&fleet.there, stream, WATCHED_BYTES).await;
    let mut viewers = JoinSet::new();
    let before = resident_bytes(fleet.hub.status.pid);
    for number in 0..50 {
        let peer = fleet.way(Fleet::FAR).connect("viewer").await;
        let every_byte = number % 2 == 0;
        let params = if every_byte {
            recording(&session, None)
        } else {
            watching(&session, AttachRole::Follow)
        };
        let mut viewer = peer.attach(&params).await;
        viewers.spawn(async move {
            let from = viewer.out.0;
            if every_byte {
                viewer.known = Some(stream);
                until_out(&mut viewer, WATCHED_BYTES).await;
                assert_eq!(viewer.gaps, [], "who wants every byte gets it");
            } else {
                // each frame begins where the one before it, or the gap, ended
                until_out(&mut viewer, WATCHED_BYTES).await;
                assert!(viewer.gaps.iter().all(|(one, other)| from <= one.0 && one < other));
            }
        });
    }
    owner.try_type(b"\n").await.expect("types");
    until_out(&mut owner, WATCHED_BYTES).await;
    let most = resident_bytes(fleet.hub.status.pid).saturating_sub(before);
    while let Some(seen) = viewers.join_next().await {
        seen.expect("it has seen all");
    }
    // a window each, what is on its way, and what the allocator keeps
    assert!(most < 100 << 20, "the hub has grown by {most} bytes");
}

#[tokio::test]
async fn viewers_that_stand_still_cost_a_window_and_stop_nobody_of_their_link() {
    let fleet = Fleet::start().await;
    let stream = KnownStream::new(StreamKind::Lines, 82);
    let (session, mut owner) = flooding(&fleet.there, stream, FLOOD_BYTES).await;
    let mut canary = Canary::start(&fleet.way(Fleet::FAR)).await;
    let mut still = Vec::new();
    for _ in 0..20 {
        let peer = fleet.way(Fleet::FAR).connect("still").await;
        still.push(peer.attach(&watching(&session, AttachRole::Follow)).await);
    }
    let mut reader =
        fleet.way(Fleet::FAR).connect("reader").await.attach(&recording(&session, None)).await;
    reader.known = Some(stream);
    let before = resident_bytes(fleet.hub.status.pid);
    owner.try_type(b"\n").await.expect("types");
    reader.until("a part of it", |it| it.out.0 > FLOOD_BYTES / 4).await;
    canary.sings().await;
    reader.until("all of it", |it| it.out.0 >= FLOOD_BYTES).await;
    until_out(&mut owner, FLOOD_BYTES).await;
    let grown = resident_bytes(fleet.hub.status.pid).saturating_sub(before);
    assert!(grown < 32 << 20, "twenty viewers that stand still cost the hub {grown} bytes");
    // one that goes on sees what it has credit for, what it missed, and the screen as it is
    let viewer = &mut still[0];
    until_out(viewer, FLOOD_BYTES).await;
    assert!(!viewer.gaps.is_empty() && viewer.snapshots > 0, "{:?}", viewer.gaps);
    canary.sings().await;
}

#[tokio::test]
async fn a_hub_of_many_machines_knows_all_sessions_and_has_them_again_after_it_was_killed() {
    let (relays, sessions) = (12, 20);
    let (here, simulated) = (Instance::new(), SimulatedRelays::start(relays, sessions));
    let hub = here.start_hub(&[]).await;
    let admin = Way::hub(&here).connect("admin").await;
    simulated.add_to(&admin).await;
    let all = usize::from(relays * sessions);
    assert_eq!(count(&here, relays, all).await, all);
    let listed = here.qd(["ls"]).await.ok().text();
    assert_eq!(listed.matches("shell:7").count(), usize::from(relays), "{listed}");
    hub.kill().await;
    let adding = simulated.take_dials().len();
    assert!(adding >= usize::from(relays), "each was dialled: {adding}");
    let _hub = here.start_hub(&[]).await;
    assert_eq!(count(&here, relays, all).await, all);
    let mut dials = simulated.take_dials();
    assert!(dials.len() <= usize::from(relays) * 2, "each is dialled once: {}", dials.len());
    dials.sort();
    let took = dials[dials.len() - 1] - dials[0];
    let least = Duration::from_millis(20) * u32::from(relays - 1);
    assert!(took >= least, "not all at once: {took:?}");
}

#[tokio::test]
async fn more_sessions_than_fit_into_one_answer_are_listed_all_the_same() {
    let (relays, sessions) = (4, 600);
    let (here, simulated) = (Instance::new(), SimulatedRelays::start(relays, sessions));
    let _hub = here.start_hub(&[]).await;
    let admin = Way::hub(&here).connect("admin").await;
    simulated.add_to(&admin).await;
    let whole = async {
        // a machine is linked before it has told all that it has
        loop {
            let listed: SessionListResult = here.qd(["ls", "--json"]).await.ok().json();
            if listed.sessions.len() == usize::from(relays * sessions) {
                return;
            }
        }
    };
    within_time(Duration::from_secs(60), "all sessions are listed", whole).await;
    let refused = admin.try_call::<SessionList>(&Empty {}).await.expect_err("too many");
    assert_eq!(refused.code(), ErrorCode::Overloaded, "{refused:?}");
    let one = Way::hub(&here).on("sim-1").connect("one").await;
    let of_one = one.call::<SessionList>(&Empty {}).await.sessions;
    assert_eq!(of_one.len(), usize::from(sessions));
}

/// The sessions that a hub lists once all its machines are linked.
async fn count(here: &Instance, relays: u16, all: usize) -> usize {
    let way = Way::hub(here);
    let linked = |it: &MachineInfo| it.state == MachineState::Connected;
    let limit = Duration::from_secs(60);
    for number in 0..relays {
        until_machine_within(limit, &way, &format!("sim-{number}"), "it is linked", linked).await;
    }
    let peer = way.connect("looker").await;
    let listing = async {
        loop {
            let sessions = peer.call::<SessionList>(&Empty {}).await.sessions;
            let seen = sessions
                .iter()
                .filter(|it| it.on.as_ref().is_some_and(|on| on.unreachable_since.is_none()));
            if seen.count() >= all {
                return sessions.len();
            }
        }
    };
    within_time(limit, "all sessions are known", listing).await
}
