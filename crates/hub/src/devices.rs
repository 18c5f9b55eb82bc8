//! Browsers that are known by their keys, and how one comes in: a one-time code makes it known, a signed
//! challenge gives a ticket, the ticket opens one WebSocket.
//!
//! A device is on the disk before it is in force; codes, challenges and tickets live in memory only, so
//! that none outlives the hub.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use quarterdeck_access::tokens::Grant;
use quarterdeck_core::once::{NotOnce, OnceTable, OnceTerms};
use quarterdeck_crypto::{DeviceKey, OnceHash, OncePurpose, OnceSecret, device::CHALLENGE_PREFIX};
use quarterdeck_protocol::{
    ids::{DeviceId, Principal},
    method::DeviceInfo,
    scope::Scopes,
};

use crate::limits::{
    CHALLENGE_LIFE, LOGIN_LINK_LIFE, LOGIN_LINK_MEMORY, MAX_CHALLENGES, MAX_DEVICES,
    MAX_LOGIN_LINKS, MAX_WEB_TICKETS, ONCE_MEMORY, WEB_TICKET_LIFE,
};

/// When a device was last used is written so often at most.
const LAST_USED_INTERVAL_S: u64 = 60;

/// A device as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeviceRow {
    /// The device.
    pub(crate) device: DeviceId,
    /// What people call it.
    pub(crate) name: String,
    /// What proves it.
    pub(crate) key: DeviceKey,
    /// Who is behind it.
    pub(crate) principal: Principal,
    /// What it may do.
    pub(crate) scopes: Scopes,
    /// In seconds since 1970.
    pub(crate) created_at: u64,
    /// In seconds since 1970.
    pub(crate) last_used_at: Option<u64>,
    /// In seconds since 1970.
    pub(crate) expires_at: Option<u64>,
}

impl DeviceRow {
    /// As it is listed to `reader`.
    fn info(&self, reader: Option<DeviceId>) -> DeviceInfo {
        let Self { device, name, key: _, principal, scopes, created_at, last_used_at, expires_at } =
            self.clone();
        let current = reader == Some(device);
        DeviceInfo {
            device,
            name,
            principal,
            scopes,
            created_at,
            last_used_at,
            expires_at,
            current,
        }
    }

    fn is_over(&self, now: u64) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

/// What a login link gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoginLink {
    /// What the browser will be called; none = what it calls itself.
    pub(crate) name: Option<String>,
    /// Who is behind it.
    pub(crate) principal: Principal,
    /// What it may do.
    pub(crate) scopes: Scopes,
    /// Seconds from the login on.
    pub(crate) device_expires_in_s: Option<u64>,
}

/// Why a browser does not come in. The texts are for who sits before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LoginRefusal {
    /// A link that nobody made, or made too long ago to remember.
    #[error("this login link is not known here; make a new one: qd open")]
    UnknownLink,
    /// Somebody was faster, or the page was opened twice.
    #[error("this login link was used already; make a new one: qd open")]
    UsedLink,
    /// Too late.
    #[error("this login link is older than five minutes; make a new one: qd open")]
    ExpiredLink,
    /// There are as many as there may be.
    #[error("this hub knows {MAX_DEVICES} browsers already; revoke some: qd device ls")]
    TooManyDevices,
    /// The device is not, or no longer, known.
    #[error("this browser is not known here any more; make a login link: qd open")]
    UnknownDevice,
    /// Its time is over.
    #[error("this browser's login has expired; make a login link: qd open")]
    ExpiredDevice,
    /// Its challenge was answered before, is too old, or another's.
    #[error("the login took too long; try again")]
    StaleChallenge,
    /// The signature is not its key's.
    #[error("this browser's key does not fit; make a login link: qd open")]
    WrongSignature,
    /// A ticket that nobody was given.
    #[error("this ticket is not known here")]
    UnknownTicket,
    /// A ticket that opened a connection.
    #[error("this ticket was used already")]
    UsedTicket,
    /// A ticket that is older than its 30 seconds.
    #[error("this ticket is too old")]
    ExpiredTicket,
}

impl LoginRefusal {
    /// Whether it may have been a guess. Who comes late or twice with what was right is told so, and is
    /// not counted.
    pub(crate) const fn is_guess(self) -> bool {
        match self {
            Self::UnknownLink
            | Self::UnknownDevice
            | Self::WrongSignature
            | Self::UnknownTicket => true,
            Self::UsedLink
            | Self::ExpiredLink
            | Self::TooManyDevices
            | Self::ExpiredDevice
            | Self::StaleChallenge
            | Self::UsedTicket
            | Self::ExpiredTicket => false,
        }
    }
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Devices {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    known: BTreeMap<DeviceId, DeviceRow>,
    links: OnceTable<LoginLink>,
    challenges: OnceTable<DeviceId>,
    tickets: OnceTable<Grant>,
}

impl Devices {
    /// With the devices that are known.
    pub(crate) fn new(known: Vec<DeviceRow>) -> Self {
        let short = |life, limit| OnceTerms { life, memory: ONCE_MEMORY, limit };
        let links =
            OnceTerms { life: LOGIN_LINK_LIFE, memory: LOGIN_LINK_MEMORY, limit: MAX_LOGIN_LINKS };
        let inner = Inner {
            known: known.into_iter().map(|row| (row.device, row)).collect(),
            links: OnceTable::new(links),
            challenges: OnceTable::new(short(CHALLENGE_LIFE, MAX_CHALLENGES)),
            tickets: OnceTable::new(short(WEB_TICKET_LIFE, MAX_WEB_TICKETS)),
        };
        Self { inner: Mutex::new(inner) }
    }

    /// A link was made; whoever has this code in time becomes a device.
    pub(crate) fn invite(&self, code: OnceHash, link: LoginLink, now: Duration) {
        self.inner().links.add(code, link, now);
    }

    /// Somebody shows the code of a link. A right one is used up by this.
    pub(crate) fn redeem_link(&self, code: &str, now: Duration) -> Result<LoginLink, LoginRefusal> {
        let code = OnceSecret::parse(code).ok_or(LoginRefusal::UnknownLink)?;
        let mut inner = self.inner();
        if inner.known.len() >= MAX_DEVICES {
            return Err(LoginRefusal::TooManyDevices);
        }
        inner.links.take(&code.hash(OncePurpose::LoginCode), now).map_err(|why| match why {
            NotOnce::Unknown => LoginRefusal::UnknownLink,
            NotOnce::Used => LoginRefusal::UsedLink,
            NotOnce::Expired => LoginRefusal::ExpiredLink,
        })
    }

    /// A device is on the disk and in force from now on.
    pub(crate) fn add(&self, row: DeviceRow) {
        self.inner().known.insert(row.device, row);
    }

    /// What a device signs to come in; `secret` was drawn at random.
    pub(crate) fn challenge(
        &self,
        device: DeviceId,
        secret: &OnceSecret,
        now: Duration,
    ) -> Result<String, LoginRefusal> {
        let mut inner = self.inner();
        if !inner.known.contains_key(&device) {
            return Err(LoginRefusal::UnknownDevice);
        }
        inner.challenges.add(secret.hash(OncePurpose::Challenge), device, now);
        Ok(format!("{CHALLENGE_PREFIX}{}", secret.to_text().as_str()))
    }

    /// A device signed a challenge: what it may do. Also what is to be written, where its last use is
    /// to be.
    pub(crate) fn prove(
        &self,
        device: DeviceId,
        challenge: &str,
        signature: &str,
        now: Times,
    ) -> Result<(Grant, Option<DeviceRow>), LoginRefusal> {
        let mut inner = self.inner();
        let Inner { known, challenges, .. } = &mut *inner;
        let row = known.get_mut(&device).ok_or(LoginRefusal::UnknownDevice)?;
        let secret = challenge.strip_prefix(CHALLENGE_PREFIX).and_then(OnceSecret::parse);
        let secret = secret.ok_or(LoginRefusal::StaleChallenge)?;
        let meant = challenges.take(&secret.hash(OncePurpose::Challenge), now.boot);
        if meant != Ok(device) {
            return Err(LoginRefusal::StaleChallenge);
        }
        if !row.key.signed(challenge, signature) {
            return Err(LoginRefusal::WrongSignature);
        }
        if row.is_over(now.wall_s) {
            return Err(LoginRefusal::ExpiredDevice);
        }
        let before = row.last_used_at.replace(now.wall_s).unwrap_or(0);
        let write = now.wall_s.abs_diff(before) >= LAST_USED_INTERVAL_S;
        Ok((Grant::of_device(&row.info(None)), write.then(|| row.clone())))
    }

    /// A ticket was given to who has this grant.
    pub(crate) fn add_ticket(&self, ticket: &OnceSecret, grant: Grant, now: Duration) {
        self.inner().tickets.add(ticket.hash(OncePurpose::WebTicket), grant, now);
    }

    /// Somebody shows a ticket. A right one is used up by this.
    pub(crate) fn redeem_ticket(&self, ticket: &str, now: Duration) -> Result<Grant, LoginRefusal> {
        let ticket = OnceSecret::parse(ticket).ok_or(LoginRefusal::UnknownTicket)?;
        let taken = self.inner().tickets.take(&ticket.hash(OncePurpose::WebTicket), now);
        taken.map_err(|why| match why {
            NotOnce::Unknown => LoginRefusal::UnknownTicket,
            NotOnce::Used => LoginRefusal::UsedTicket,
            NotOnce::Expired => LoginRefusal::ExpiredTicket,
        })
    }

    /// For how many more seconds a device is known.
    pub(crate) fn remaining_s(&self, device: DeviceId, now: u64) -> Option<u64> {
        let inner = self.inner();
        let row = inner.known.get(&device)?;
        let left = row.expires_at.map_or(u64::MAX, |end| end.saturating_sub(now));
        (left > 0).then_some(left)
    }

    /// All devices as `reader` sees them; the one that was used last comes first.
    pub(crate) fn list(&self, reader: Option<DeviceId>) -> Vec<DeviceInfo> {
        let inner = self.inner();
        let mut devices: Vec<_> = inner.known.values().map(|row| row.info(reader)).collect();
        devices.sort_by_key(|it| std::cmp::Reverse((it.last_used_at, it.created_at)));
        devices
    }

    /// Devices whose id or name this is.
    pub(crate) fn named(&self, word: &str) -> Vec<DeviceRow> {
        let inner = self.inner();
        let by_id = word.parse().ok().and_then(|id: DeviceId| inner.known.get(&id));
        match by_id {
            Some(row) => vec![row.clone()],
            None => inner.known.values().filter(|row| row.name == word).cloned().collect(),
        }
    }

    /// Forgets the devices whose time is over, and says which.
    pub(crate) fn take_expired(&self, now: u64) -> Vec<DeviceId> {
        let known = &mut self.inner().known;
        let over: Vec<_> =
            known.values().filter(|it| it.is_over(now)).map(|it| it.device).collect();
        for device in &over {
            known.remove(device);
        }
        over
    }

    /// A device is no longer on the disk; what it was given is void.
    pub(crate) fn remove(&self, device: DeviceId) {
        let mut inner = self.inner();
        inner.known.remove(&device);
        inner.challenges.forget(|its| *its == device);
        inner.tickets.forget(|grant| grant.device == Some(device));
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The two clocks: one for deadlines, one for people.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// Since boot.
    pub(crate) boot: Duration,
    /// In seconds since 1970.
    pub(crate) wall_s: u64,
}

#[cfg(test)]
mod tests;
