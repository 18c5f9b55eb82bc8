//! The way between identities: one seam.
//!
//! A transport takes requests and gives events; it never waits and never keeps what it was not given to
//! keep. What it hands over as arrived comes again until it was acknowledged, and an acknowledgement is
//! given only after what arrived is on the disk.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
};

use quarterdeck_core::mail::outbox::{BatchOutcome, Failure, Rest};
use quarterdeck_protocol::ids::HubId;
use quarterdeck_seal::{Bundle, Card, IdentityKey, key::Purpose, ratchets::ClaimedKey};

/// By which way something goes, or came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// It does not leave the relay.
    Own,
    /// By this hub.
    Hub(HubId),
}

/// What a claim came to.
#[derive(Debug, Clone)]
pub(crate) enum Claimed {
    /// The peer has a mailbox.
    Found {
        /// Its card, where it is not known already.
        card: Option<Box<Card>>,
        /// A key to begin a ratchet with.
        key: Option<Box<ClaimedKey>>,
    },
    /// It has none there.
    Unknown,
    /// The way broke; it may be asked again.
    Lost,
}

/// What is asked of a transport.
#[derive(Debug)]
pub(crate) enum Request {
    /// Keep these keys for whoever wants to write to this identity.
    Publish {
        /// Whose.
        identity: IdentityKey,
        /// The keys.
        bundle: Bundle,
    },
    /// Get a key to begin a ratchet with.
    Claim {
        /// For whom.
        by: IdentityKey,
        /// Whose.
        peer: IdentityKey,
    },
    /// Carry these, in this order.
    Transmit {
        /// From whom.
        from: IdentityKey,
        /// To whom.
        to: IdentityKey,
        /// Sealed letters.
        letters: Vec<Vec<u8>>,
    },
    /// What arrived is stored; it need not come again.
    Acknowledge {
        /// For whom it was.
        to: IdentityKey,
        /// Which.
        item: u64,
    },
}

/// What a transport tells.
#[derive(Debug)]
pub(crate) enum Event {
    /// The answer to a claim.
    Claimed {
        /// For whom.
        by: IdentityKey,
        /// Whose.
        peer: IdentityKey,
        /// What it came to.
        outcome: Claimed,
        /// Who answers.
        by_way: Way,
    },
    /// How a batch was taken.
    Taken {
        /// From whom.
        from: IdentityKey,
        /// To whom.
        to: IdentityKey,
        /// How.
        outcome: BatchOutcome,
    },
    /// A letter arrived.
    Arrived {
        /// For whom.
        to: IdentityKey,
        /// What to acknowledge.
        item: u64,
        /// The sealed letter.
        sealed: Vec<u8>,
        /// Where it is acknowledged.
        by_way: Way,
    },
    /// A hub has a link.
    LinkUp {
        /// Which.
        hub: HubId,
    },
    /// An identity has its mailbox at a hub.
    Registered {
        /// Which.
        hub: HubId,
        /// Whose.
        identity: IdentityKey,
        /// One-time keys that are left in it.
        keys: u32,
    },
}

/// A way between identities.
pub(crate) trait MailTransport: Send + fmt::Debug {
    /// Takes a request, for one of its ways.
    fn handle_request(&mut self, way: Way, request: Request);
    /// The next event.
    fn poll_event(&mut self) -> Option<Event>;
}

/// Between identities of one relay. It keeps nothing: what was not acknowledged is sent again by its
/// sender, who stores it.
#[derive(Debug, Default)]
pub(crate) struct Loopback {
    published: BTreeMap<IdentityKey, Bundle>,
    events: VecDeque<Event>,
    next_item: u64,
    under_way: Vec<UnderWay>,
}

/// A batch of which not everything is acknowledged.
#[derive(Debug)]
struct UnderWay {
    from: IdentityKey,
    to: IdentityKey,
    /// The item after its last one.
    end: u64,
    length: usize,
    acknowledged: usize,
}

impl MailTransport for Loopback {
    fn handle_request(&mut self, _: Way, request: Request) {
        match request {
            Request::Publish { identity, bundle } => {
                self.published.insert(identity, bundle);
            }
            Request::Claim { by, peer } => {
                let outcome = match self.published.get_mut(&peer) {
                    Some(bundle) => Claimed::Found { card: None, key: claim(bundle).map(Box::new) },
                    None => Claimed::Unknown,
                };
                self.events.push_back(Event::Claimed { by, peer, outcome, by_way: Way::Own });
            }
            Request::Transmit { from, to, letters } => self.transmit(from, to, letters),
            Request::Acknowledge { to, item } => self.acknowledge(to, item),
        }
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
}

impl Loopback {
    fn transmit(&mut self, from: IdentityKey, to: IdentityKey, letters: Vec<Vec<u8>>) {
        if !self.published.contains_key(&to) {
            let outcome = BatchOutcome { taken: 0, rest: Rest::Never(Failure::NoRoute) };
            return self.events.push_back(Event::Taken { from, to, outcome });
        }
        let length = letters.len();
        for sealed in letters {
            let (item, by_way) = (self.next_item, Way::Own);
            self.events.push_back(Event::Arrived { to, item, sealed, by_way });
            self.next_item += 1;
        }
        self.under_way.push(UnderWay { from, to, end: self.next_item, length, acknowledged: 0 });
    }

    fn acknowledge(&mut self, to: IdentityKey, item: u64) {
        let of_batch = |batch: &UnderWay| {
            let begin = batch.end - u64::try_from(batch.length).unwrap_or(batch.end);
            batch.to == to && (begin..batch.end).contains(&item)
        };
        let Some(at) = self.under_way.iter().position(of_batch) else { return };
        self.under_way[at].acknowledged += 1;
        if self.under_way[at].acknowledged == self.under_way[at].length {
            let UnderWay { from, to, length, .. } = self.under_way.remove(at);
            let outcome = BatchOutcome { taken: length, rest: Rest::Again };
            self.events.push_back(Event::Taken { from, to, outcome });
        }
    }
}

/// A one-time key is given away once; the fallback key to whoever comes after.
fn claim(bundle: &mut Bundle) -> Option<ClaimedKey> {
    let one_time = bundle.one_time.pop();
    let one_time = one_time.map(|key| ClaimedKey { key, purpose: Purpose::OneTimeKey });
    let fallback = || bundle.fallback.map(|key| ClaimedKey { key, purpose: Purpose::FallbackKey });
    one_time.or_else(fallback)
}
