//! The way by hubs: what waits to be fetched by each, and what it brought.
//!
//! A hub's link begins with a fetch that names words of its own. Whatever was under way on the link before
//! is over by that: batches are given back to be sent again, claims to be asked again.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use quarterdeck_core::mail::outbox::{BatchOutcome, Failure, Rest};
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    ids::HubId,
    method::{
        CarriedLetter, CarryNews, CarryOrder, CarryRest, MailBringParams, MailFetchParams,
        MailFetchResult, MailKey,
    },
};
use quarterdeck_seal::{
    Card, IdentityKey, SignedKey,
    carried::Statement,
    key::{Purpose, SignatureBytes},
    ratchets::ClaimedKey,
};

use super::{
    Reply,
    transport::{Claimed, Event, MailTransport, Request, Way},
};

/// The longest wait of a fetch.
const MAX_FETCH_WAIT: Duration = Duration::from_secs(25);
/// Bytes of letters in one answer.
const MAX_FETCH_BYTES: usize = 900 * 1024;
/// Bytes of letters that wait to be fetched, by all hubs together; what is more is tried later.
const MAX_WAITING_BYTES: usize = 32 * 1024 * 1024;
/// Characters of a link's words.
const MAX_LINK_CHARS: usize = 64;
/// A hub that has not fetched for so long has gone.
const SILENCE: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Post {
    hubs: BTreeMap<HubId, HubWay>,
    events: VecDeque<Event>,
    waiting_bytes: usize,
}

#[derive(Debug)]
struct HubWay {
    link: String,
    orders: VecDeque<CarryOrder>,
    /// Mailboxes of which everything up to a letter is stored.
    done: BTreeMap<IdentityKey, u64>,
    fetch: Option<Fetch>,
    fetched_at: Duration,
    batches: BTreeSet<(IdentityKey, IdentityKey)>,
    claims: BTreeSet<(IdentityKey, IdentityKey)>,
}

#[derive(Debug)]
struct Fetch {
    reply: Reply<MailFetchResult>,
    until: Duration,
}

impl Post {
    /// A hub fetches.
    pub(super) fn handle_fetch(
        &mut self,
        hub: HubId,
        p: MailFetchParams,
        reply: Reply<MailFetchResult>,
        now: Duration,
    ) {
        if p.link.is_empty() || p.link.len() > MAX_LINK_CHARS {
            let error = RpcError::new(ErrorCode::InvalidParams, "a link has words of its own");
            let _ = reply.send(Err(error));
            return;
        }
        if self.hubs.get(&hub).is_none_or(|way| way.link != p.link) {
            self.lose(hub);
            self.hubs.insert(hub, HubWay::new(p.link, now));
            self.events.push_back(Event::LinkUp { hub });
        }
        let Some(way) = self.hubs.get_mut(&hub) else { return };
        let wait = Duration::from_millis(u64::from(p.wait_ms)).min(MAX_FETCH_WAIT);
        way.fetched_at = now;
        if let Some(before) = way.fetch.replace(Fetch { reply, until: now + wait }) {
            let _ = before.reply.send(Ok(MailFetchResult::default()));
        }
    }

    /// A hub brings.
    ///
    /// # Errors
    /// When its link is not the one that it fetches on.
    pub(super) fn handle_bring(&mut self, hub: HubId, p: MailBringParams) -> Result<(), RpcError> {
        let way = self.hubs.get_mut(&hub).filter(|way| way.link == p.link);
        let other = || RpcError::new(ErrorCode::InvalidParams, "this link is not known");
        let way = way.ok_or_else(other)?;
        for news in p.news {
            match way.event(hub, news) {
                Some(events) => self.events.extend(events),
                None => tracing::warn!(%hub, "news of a hub not understood"),
            }
        }
        Ok(())
    }

    /// Whether a hub has a link.
    pub(super) fn is_linked(&self, hub: HubId) -> bool {
        self.hubs.contains_key(&hub)
    }

    /// Hubs with a link.
    pub(super) fn linked(&self) -> Vec<HubId> {
        self.hubs.keys().copied().collect()
    }

    /// The words of a hub's link.
    pub(super) fn link(&self, hub: HubId) -> Option<&str> {
        self.hubs.get(&hub).map(|way| way.link.as_str())
    }

    /// Says that an identity lives here. The card and the statement are signed by it.
    pub(super) fn register(&mut self, hub: HubId, card: &Card, signature: &SignatureBytes) {
        if let Some(way) = self.hubs.get_mut(&hub) {
            let (card, signature) = (card.into(), signature.to_string());
            way.orders.push_back(CarryOrder::Register { card, signature });
        }
    }

    /// Answers the fetches that something waits for. What is told was stored before.
    pub(super) fn flush(
        &mut self,
        now: Duration,
        sign: impl Fn(&IdentityKey, &[u8]) -> Option<SignatureBytes>,
    ) {
        let mut lost = Vec::new();
        for (hub, way) in &mut self.hubs {
            let silent = way.fetch.is_none() && way.fetched_at + SILENCE <= now;
            let closed = way.fetch.as_ref().is_some_and(|fetch| fetch.reply.is_closed());
            if silent || closed {
                lost.push(*hub);
                continue;
            }
            let idle = way.orders.is_empty() && way.done.is_empty();
            let Some(fetch) = way.fetch.take_if(|fetch| !idle || fetch.until <= now) else {
                continue;
            };
            way.sign_done(*hub, &sign);
            let (orders, bytes) = way.take_orders();
            self.waiting_bytes = self.waiting_bytes.saturating_sub(bytes);
            if fetch.reply.send(Ok(MailFetchResult { orders })).is_err() {
                lost.push(*hub);
            }
        }
        lost.into_iter().for_each(|hub| self.lose(hub));
    }

    /// When [`Post::flush`] is to be called without any other reason.
    pub(super) fn poll_timeout(&self) -> Option<Duration> {
        let fetches = self.hubs.values().filter_map(|way| way.fetch.as_ref());
        fetches.map(|fetch| fetch.until).min()
    }

    /// Forgets all links: what was to be told on them is not true. Each hub begins another one.
    pub(super) fn reset(&mut self) {
        for way in std::mem::take(&mut self.hubs).into_values() {
            if let Some(fetch) = way.fetch {
                let error = RpcError::new(ErrorCode::Storage, "the mail begins anew");
                let _ = fetch.reply.send(Err(error));
            }
        }
        self.events.clear();
        self.waiting_bytes = 0;
    }

    fn lose(&mut self, hub: HubId) {
        let Some(way) = self.hubs.remove(&hub) else { return };
        let bytes: usize = way.orders.iter().map(order_bytes).sum();
        self.waiting_bytes = self.waiting_bytes.saturating_sub(bytes);
        let outcome = BatchOutcome { taken: 0, rest: Rest::Later };
        let batches = way.batches.into_iter();
        self.events.extend(batches.map(|(from, to)| Event::Taken { from, to, outcome }));
        let outcome = Claimed::Lost;
        let claims = way.claims.into_iter();
        self.events.extend(claims.map(|(by, peer)| Event::Claimed {
            by,
            peer,
            outcome: outcome.clone(),
            by_way: Way::Hub(hub),
        }));
    }

    fn order(&mut self, hub: HubId, order: CarryOrder) {
        self.waiting_bytes += order_bytes(&order);
        if let Some(way) = self.hubs.get_mut(&hub) {
            way.orders.push_back(order);
        }
    }
}

impl MailTransport for Post {
    fn handle_request(&mut self, way: Way, request: Request) {
        let Way::Hub(hub) = way else { return };
        match request {
            Request::Publish { identity, bundle } => {
                let order = CarryOrder::Publish {
                    identity: identity.to_string(),
                    one_time: bundle.one_time.iter().map(MailKey::from).collect(),
                    fallback: bundle.fallback.as_ref().map(MailKey::from),
                };
                self.order(hub, order);
            }
            Request::Claim { by, peer } => match self.hubs.get_mut(&hub) {
                Some(way) => {
                    way.claims.insert((by, peer));
                    let (by, peer) = (by.to_string(), peer.to_string());
                    self.order(hub, CarryOrder::Claim { by, peer });
                }
                None => {
                    let (outcome, by_way) = (Claimed::Lost, way);
                    self.events.push_back(Event::Claimed { by, peer, outcome, by_way });
                }
            },
            Request::Transmit { from, to, letters } => {
                let full = self.waiting_bytes > MAX_WAITING_BYTES;
                match self.hubs.get_mut(&hub).filter(|_| !full) {
                    Some(way) => {
                        way.batches.insert((from, to));
                        let letters = letters.iter().map(|it| URL_SAFE_NO_PAD.encode(it)).collect();
                        let (from, to) = (from.to_string(), to.to_string());
                        self.order(hub, CarryOrder::Send { from, to, letters });
                    }
                    None => {
                        let outcome = BatchOutcome { taken: 0, rest: Rest::Later };
                        self.events.push_back(Event::Taken { from, to, outcome });
                    }
                }
            }
            Request::Acknowledge { to, item } => {
                if let Some(way) = self.hubs.get_mut(&hub) {
                    let last = way.done.entry(to).or_default();
                    *last = item.max(*last);
                }
            }
        }
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
}

impl HubWay {
    fn new(link: String, now: Duration) -> Self {
        Self {
            link,
            orders: VecDeque::new(),
            done: BTreeMap::new(),
            fetch: None,
            fetched_at: now,
            batches: BTreeSet::new(),
            claims: BTreeSet::new(),
        }
    }

    fn sign_done(
        &mut self,
        hub: HubId,
        sign: &impl Fn(&IdentityKey, &[u8]) -> Option<SignatureBytes>,
    ) {
        let hub = hub.to_string();
        for (identity, item) in std::mem::take(&mut self.done) {
            let statement = Statement::Done { item }.bytes(&hub, &self.link);
            let Some(signature) = sign(&identity, &statement) else { continue };
            let (identity, signature) = (identity.to_string(), signature.to_string());
            self.orders.push_back(CarryOrder::Done { identity, item, signature });
        }
    }

    fn take_orders(&mut self) -> (Vec<CarryOrder>, usize) {
        let (mut orders, mut bytes) = (Vec::new(), 0);
        while let Some(next) = self.orders.front().map(order_bytes) {
            if bytes + next > MAX_FETCH_BYTES && !orders.is_empty() {
                break;
            }
            bytes += next;
            orders.extend(self.orders.pop_front());
        }
        (orders, bytes)
    }

    /// What news mean; none of what is not understood.
    fn event(&mut self, hub: HubId, news: CarryNews) -> Option<Vec<Event>> {
        let event = match news {
            CarryNews::Registered { identity, keys } => {
                Event::Registered { hub, identity: identity.parse().ok()?, keys }
            }
            CarryNews::NotRegistered { identity } => {
                tracing::warn!(%hub, identity, "the hub does not take the identity in");
                return Some(Vec::new());
            }
            CarryNews::Claimed { by, peer, card, one_time, fallback } => {
                let (by, peer) = (by.parse().ok()?, peer.parse().ok()?);
                if !self.claims.remove(&(by, peer)) {
                    return Some(Vec::new());
                }
                let outcome = match card {
                    Some(card) => Claimed::Found {
                        card: Some(Box::new(Card::try_from(&card).ok()?)),
                        key: claimed_key(one_time, fallback).map(Box::new),
                    },
                    None => Claimed::Unknown,
                };
                Event::Claimed { by, peer, outcome, by_way: Way::Hub(hub) }
            }
            CarryNews::Taken { from, to, taken, rest } => {
                let (from, to) = (from.parse().ok()?, to.parse().ok()?);
                if !self.batches.remove(&(from, to)) {
                    return Some(Vec::new());
                }
                let taken = usize::try_from(taken).ok()?;
                let rest = match rest {
                    CarryRest::None => Rest::Again,
                    CarryRest::Later => Rest::Later,
                    CarryRest::NoMailbox => Rest::Never(Failure::NoRoute),
                    CarryRest::Invalid => Rest::Never(Failure::Invalid),
                };
                Event::Taken { from, to, outcome: BatchOutcome { taken, rest } }
            }
            CarryNews::Letters { identity, letters } => {
                return arrived(hub, &identity.parse().ok()?, letters);
            }
        };
        Some(vec![event])
    }
}

/// A letter that is none is handed on too: it is acknowledged like one that cannot be opened.
fn arrived(hub: HubId, to: &IdentityKey, letters: Vec<CarriedLetter>) -> Option<Vec<Event>> {
    let arrived = letters.into_iter().map(|CarriedLetter { item, sealed }| Event::Arrived {
        to: *to,
        item,
        sealed: URL_SAFE_NO_PAD.decode(sealed).unwrap_or_default(),
        by_way: Way::Hub(hub),
    });
    Some(arrived.collect())
}

fn claimed_key(one_time: Option<MailKey>, fallback: Option<MailKey>) -> Option<ClaimedKey> {
    let key = |key: Option<MailKey>, purpose| {
        let key = SignedKey::try_from(&key?).ok()?;
        Some(ClaimedKey { key, purpose })
    };
    key(one_time, Purpose::OneTimeKey).or_else(|| key(fallback, Purpose::FallbackKey))
}

fn order_bytes(order: &CarryOrder) -> usize {
    match order {
        CarryOrder::Send { letters, .. } => letters.iter().map(String::len).sum(),
        CarryOrder::Publish { one_time, .. } => 256 * one_time.len(),
        CarryOrder::Register { .. } | CarryOrder::Claim { .. } | CarryOrder::Done { .. } => 256,
    }
}
