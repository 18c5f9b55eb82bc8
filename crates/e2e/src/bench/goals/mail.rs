//! Mail between people of two relays, through one hub: how much, how soon, and what waiting mail costs.

use std::{
    io,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use quarterdeck_protocol::method::{
    MailIdentityAdd, MailIdentityAddParams, MailInbox, MailInboxParams, MailSend, MailSendParams,
    MailStatus, MailStatusParams, MailWait, MailWaitParams,
};

use super::{Extent, Goal, Met, goal, spread_ms};
use crate::{
    harness::{
        client::Peer,
        hub::Fleet,
        look_again,
        mail::{introduce, person},
        within_time,
    },
    processes,
};

/// Messages that are under way to the relay at one time; so few are begun in their order.
const AT_ONCE: usize = 30;
/// What one sender may have waiting at its recipient.
const HELD_PER_SENDER: usize = 2_000;
/// Until all mail has arrived.
const PATIENCE: Duration = Duration::from_secs(300);

/// All figures.
///
/// # Errors
/// When there is no runtime.
pub fn measure(
    extent: Extent,
    _program: &str,
    progress: &mut dyn FnMut(&str),
) -> io::Result<Vec<Goal>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    progress("mail between two relays");
    let measured = runtime.block_on(async {
        let fleet = Fleet::start().await;
        introduce(&fleet.here, &fleet.there, None).await;
        vec![latency(&fleet, extent).await, rate(&fleet, extent).await, held(extent).await]
    });
    for Goal { what, reached, .. } in &measured {
        progress(&format!("  {what}: {reached}"));
    }
    Ok(measured)
}

fn to(session: &str, body: String) -> MailSendParams {
    let to_session = Some(session.parse().expect("a label"));
    MailSendParams { to: Some("far".to_owned()), to_session, body, ..MailSendParams::default() }
}

/// From before a message is handed to one relay until whoever waits at the other one has it.
async fn latency(fleet: &Fleet, extent: Extent) -> Goal {
    let (near, far) = (person(&fleet.here).await, person(&fleet.there).await);
    let mut times = Vec::new();
    for number in 0..extent.pick(500, 20) {
        let params = to("person", number.to_string());
        let begun = Instant::now();
        let sending = near.call::<MailSend>(&params);
        let (_, text) = tokio::join!(sending, next(&far));
        times.push(begun.elapsed());
        assert_eq!(text, params.body);
    }
    let (median, text) = spread_ms(&times);
    let what = "a message from a person at one relay to one who waits at another, through a hub";
    goal(what, text, "10 ms", Met::of(median < 10.0))
}

/// The next message at a relay.
async fn next(peer: &Peer) -> String {
    let params = MailWaitParams { wait_ms: 20_000, ..MailWaitParams::default() };
    peer.call::<MailWait>(&params).await.message.expect("a message comes").text
}

/// Sealed, stored and delivered: until the sender knows of the last one that it is in its recipient's inbox.
async fn rate(fleet: &Fleet, extent: Extent) -> Goal {
    let (near, far) = (person(&fleet.here).await, person(&fleet.there).await);
    let count: usize = extent.pick(10_000, 300);
    let begun = Instant::now();
    send_all(&near, count, |number| to("person", number.to_string())).await;
    within_time(PATIENCE, "the last one is delivered", async {
        // the newest is the first one
        while near.call::<MailStatus>(&MailStatusParams::default()).await.jobs[0].state.state
            != "delivered"
        {
            look_again().await;
        }
    })
    .await;
    let per_second = (count as f64) / begun.elapsed().as_secs_f64();
    let mut came = 0;
    while came < count {
        let inbox = far.call::<MailInbox>(&MailInboxParams::default()).await;
        assert!(!inbox.messages.is_empty(), "all are there");
        for message in inbox.messages {
            assert_eq!(message.text, came.to_string(), "they come in order");
            came += 1;
        }
    }
    let what = format!("{count} messages of one sender, sealed, stored and delivered in order");
    goal(&what, format!("{per_second:.0} a second"), "1,000 a second", Met::of(per_second > 1e3))
}

async fn send_all(near: &Peer, count: usize, message: impl Fn(usize) -> MailSendParams) {
    let all: Vec<MailSendParams> = (0..count).map(message).collect();
    for some in all.chunks(AT_ONCE) {
        join_all(some.iter().map(|params| near.call::<MailSend>(params))).await;
    }
}

/// Mail of many senders that waits for a session which does not live.
async fn held(extent: Extent) -> Goal {
    let fleet = Fleet::start().await;
    let senders: usize = extent.pick(5, 1);
    let near = person(&fleet.here).await;
    for number in 0..senders {
        let name = name_of(number);
        near.call::<MailIdentityAdd>(&MailIdentityAddParams { name: name.clone() }).await;
        introduce(&fleet.here, &fleet.there, Some(&name)).await;
    }
    let before = processes::resident_bytes(fleet.far.pid());
    for number in 0..senders {
        let message = |n: usize| MailSendParams {
            identity: Some(name_of(number)),
            ..to("claude:9", format!("message {n} waits for a session that does not live"))
        };
        send_all(&near, HELD_PER_SENDER, message).await;
    }
    let (far, count) = (person(&fleet.there).await, senders * HELD_PER_SENDER);
    within_time(PATIENCE, "all mail waits", async {
        while far.call::<MailStatus>(&MailStatusParams::default()).await.held < count {
            look_again().await;
        }
    })
    .await;
    let grown = processes::resident_bytes(fleet.far.pid()).saturating_sub(before);
    let mib = (grown as f64) / f64::from(1 << 20);
    let what = format!("{count} messages of one identity that wait: growth of its relay");
    goal(&what, format!("{mib:.1} MiB"), "50 MiB", Met::of(mib < 50.0))
}

fn name_of(sender: usize) -> String {
    format!("sender-{sender}")
}
