//! Who may write to a session: `free → held → grace → free`, one owner, one epoch.
//!
//! The machine decides; its caller records each [`LeaseRecord`] before anyone is told. Time is the
//! caller's boot clock, which goes on while a laptop sleeps.

use alloc::{collections::BTreeMap, string::String, vec::Vec};
use core::time::Duration;

use quarterdeck_protocol::{
    ids::{ClientId, Epoch},
    method::{AttachRole, Role},
    record::{Lease, LeaseCause, LeaseRecord, LeaseState, Owner},
    session::LeaseView,
};

/// How long an owner whose link is gone may come back with its epoch, unless configured otherwise.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(120);
/// Clients that may wait for the lease; one more replaces the oldest.
pub const MAX_REQUESTS: usize = 16;
/// Changes that wait to be recorded while the session's holder cannot be reached.
const MAX_UNRECORDED_CHANGES: usize = 64;
/// Clients whose role is remembered, so that a re-attach is not new.
const MAX_KNOWN_CLIENTS: usize = 256;

/// What the caller may do, as far as ownership goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// May only watch.
    Watch,
    /// May own: has `drive`.
    Drive,
    /// May also take from another principal: has `admin` too.
    Admin,
}

/// Why a lease operation was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeaseRefusal {
    /// Only the owner may do this.
    #[error("{}", not_owner_text(owner.as_ref()))]
    NotOwner {
        /// The owner, if there is one.
        owner: Option<Owner>,
        /// The current epoch.
        epoch: Epoch,
    },
    /// Another principal owns the session.
    #[error("{} ({}) owns this session", owner.principal.name(), owner.name)]
    Held {
        /// The owner.
        owner: Owner,
        /// The current epoch.
        epoch: Epoch,
    },
    /// The caller may not own sessions.
    #[error("owning a session needs the scope \"drive\"")]
    MayNotDrive,
    /// Taking from another principal needs a reason.
    #[error("taking a session from another principal needs a reason")]
    ReasonMissing,
    /// Nobody asked for the lease, or not this client.
    #[error("no such client has asked for the lease")]
    NobodyAsked,
}

fn not_owner_text(owner: Option<&Owner>) -> String {
    owner.map_or_else(
        || "nobody owns this session".into(),
        |owner| alloc::format!("{} ({}) owns this session", owner.principal.name(), owner.name),
    )
}

/// The lease of one session.
#[derive(Debug, Clone)]
pub struct OwnerLease {
    epoch: Epoch,
    state: LeaseState,
    grace: Duration,
    /// Set exactly while the state is `Grace`.
    grace_ends: Option<Duration>,
    /// Oldest first; never holds the owner.
    requests: Vec<Owner>,
    /// Roles that clients had; a client in here is not new.
    known: BTreeMap<ClientId, Role>,
    changes: Vec<LeaseRecord>,
}

impl OwnerLease {
    /// The lease of a new session.
    #[must_use]
    pub fn new(grace: Duration) -> Self {
        Self {
            epoch: Epoch(0),
            state: LeaseState::Free,
            grace,
            grace_ends: None,
            requests: Vec::new(),
            known: BTreeMap::new(),
            changes: Vec::new(),
        }
    }

    /// The lease as the log knows it, after the relay came back: a held one begins its grace.
    #[must_use]
    pub fn recover(recorded: Lease, grace: Duration, now: Duration) -> Self {
        let mut lease = Self::new(grace);
        lease.epoch = recorded.epoch;
        match recorded.state {
            LeaseState::Held { owner } => {
                lease.known.insert(owner.client, Role::Owner);
                lease.begin_grace(owner, LeaseCause::RelayRestart, now);
            }
            LeaseState::Grace { owner } => {
                lease.known.insert(owner.client, Role::Owner);
                lease.state = LeaseState::Grace { owner };
                lease.grace_ends = Some(now + grace);
            }
            LeaseState::Free | LeaseState::Unknown => {}
        }
        lease
    }

    /// The next change that must be recorded, oldest first.
    pub fn poll_change(&mut self) -> Option<LeaseRecord> {
        (!self.changes.is_empty()).then(|| self.changes.remove(0))
    }

    /// Whether a change waits to be recorded.
    #[must_use]
    pub const fn has_changes(&self) -> bool {
        !self.changes.is_empty()
    }

    /// When [`Self::handle_timeout`] wants to be called.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Duration> {
        self.grace_ends
    }

    /// The grace is over: the lease is free.
    pub fn handle_timeout(&mut self, now: Duration) {
        if self.grace_ends.is_some_and(|end| now >= end) {
            self.set_free(LeaseCause::GraceExpired, None);
        }
    }

    /// A client attaches. Its role, or why `take` was refused.
    ///
    /// # Errors
    /// Only for [`AttachRole::Take`].
    pub fn handle_attach(
        &mut self,
        client: &Owner,
        wish: AttachRole,
        standing: Standing,
        reason: Option<&str>,
    ) -> Result<Role, LeaseRefusal> {
        if wish == AttachRole::Take {
            return self.handle_take(client, standing, reason).map(|()| Role::Owner);
        }
        if self.owner().is_some_and(|owner| owner.client == client.client) {
            self.come_back();
            return Ok(Role::Owner);
        }
        let may_own = match self.known.get(&client.client) {
            None => wish == AttachRole::Auto,
            Some(Role::Owner) => wish == AttachRole::Auto,
            Some(Role::Follower) => false,
        };
        if may_own && self.state == LeaseState::Free && standing != Standing::Watch {
            self.set_owner(client.clone(), LeaseCause::Attach, Some(client.clone()));
            return Ok(Role::Owner);
        }
        self.remember(client.client, Role::Follower);
        Ok(Role::Follower)
    }

    /// The last link of a client to this session is gone.
    pub fn handle_link_lost(&mut self, client: ClientId, now: Duration) {
        self.requests.retain(|asker| asker.client != client);
        if let LeaseState::Held { owner } = &self.state
            && owner.client == client
        {
            let owner = owner.clone();
            self.begin_grace(owner, LeaseCause::LinkLost, now);
        }
    }

    /// A client takes the lease: a free one, one of its own principal, or with `admin` and a reason
    /// anyone's.
    ///
    /// # Errors
    /// When it may not.
    pub fn handle_take(
        &mut self,
        client: &Owner,
        standing: Standing,
        reason: Option<&str>,
    ) -> Result<(), LeaseRefusal> {
        if standing == Standing::Watch {
            return Err(LeaseRefusal::MayNotDrive);
        }
        let cause = match self.owner() {
            None => LeaseCause::Attach,
            Some(owner) if owner.client == client.client => {
                self.come_back();
                return Ok(());
            }
            Some(owner) if owner.principal == client.principal => LeaseCause::Takeover,
            Some(owner) if standing != Standing::Admin => {
                return Err(LeaseRefusal::Held { owner: owner.clone(), epoch: self.epoch });
            }
            Some(_) => match reason.map(str::trim) {
                None | Some("") => return Err(LeaseRefusal::ReasonMissing),
                Some(reason) => LeaseCause::Take { reason: reason.into() },
            },
        };
        self.set_owner(client.clone(), cause, Some(client.clone()));
        Ok(())
    }

    /// A client asks for the lease. It gets it at once when it could take it without a reason; else
    /// the owner sees the request.
    ///
    /// # Errors
    /// When it may not own.
    pub fn handle_request(
        &mut self,
        client: &Owner,
        standing: Standing,
    ) -> Result<Role, LeaseRefusal> {
        let own_principal = self.owner().is_none_or(|owner| owner.principal == client.principal);
        if standing == Standing::Watch || own_principal {
            return self.handle_take(client, standing, None).map(|()| Role::Owner);
        }
        self.requests.retain(|asker| asker.client != client.client);
        if self.requests.len() == MAX_REQUESTS {
            self.requests.remove(0);
        }
        self.requests.push(client.clone());
        Ok(Role::Follower)
    }

    /// The owner hands the lease to a client that asked; to the first one when it names none.
    ///
    /// # Errors
    /// When the caller is not the owner or nobody fits.
    pub fn handle_offer(&mut self, by: ClientId, to: Option<ClientId>) -> Result<(), LeaseRefusal> {
        let owner = self.require_owner(by)?;
        let fits = |asker: &&Owner| to.is_none_or(|to| asker.client == to);
        let next = self.requests.iter().find(fits).cloned().ok_or(LeaseRefusal::NobodyAsked)?;
        self.set_owner(next, LeaseCause::Offer, Some(owner));
        Ok(())
    }

    /// The owner lets go.
    ///
    /// # Errors
    /// When the caller is not the owner.
    pub fn handle_release(&mut self, by: ClientId) -> Result<(), LeaseRefusal> {
        let owner = self.require_owner(by)?;
        self.remember(by, Role::Follower);
        self.set_free(LeaseCause::Release, Some(owner));
        Ok(())
    }

    /// A client that does not stay wants to write once: the lease goes to it, and by
    /// [`Self::return_borrowed`] back to where it was.
    ///
    /// # Errors
    /// When another principal owns the session, or the caller may not own.
    pub fn borrow_for(
        &mut self,
        client: &Owner,
        standing: Standing,
    ) -> Result<Borrowed, LeaseRefusal> {
        if standing == Standing::Watch {
            return Err(LeaseRefusal::MayNotDrive);
        }
        let before = self.state.clone();
        match self.owner() {
            Some(owner) if owner.client == client.client => return Ok(Borrowed::OwnedAnyway),
            Some(owner) if owner.principal != client.principal => {
                return Err(LeaseRefusal::Held { owner: owner.clone(), epoch: self.epoch });
            }
            Some(_) | None => {}
        }
        let borrowed = Borrowed::From { state: before, grace_ends: self.grace_ends.take() };
        self.epoch = self.epoch.next();
        self.state = LeaseState::Held { owner: client.clone() };
        self.record(LeaseCause::Borrow, Some(client.clone()));
        Ok(borrowed)
    }

    /// Gives a borrowed lease back, under a new epoch.
    pub fn return_borrowed(&mut self, borrowed: Borrowed) {
        let Borrowed::From { state, grace_ends } = borrowed else { return };
        let borrower = self.owner().cloned();
        self.epoch = self.epoch.next();
        self.state = state;
        self.grace_ends = grace_ends;
        self.record(LeaseCause::Returned, borrower);
    }

    /// Whether an input of this client under this epoch may be written.
    ///
    /// # Errors
    /// Who owns the session instead.
    pub fn check_input(&self, client: ClientId, epoch: Epoch) -> Result<(), LeaseRefusal> {
        match &self.state {
            LeaseState::Held { owner } if owner.client == client && self.epoch == epoch => Ok(()),
            LeaseState::Held { .. }
            | LeaseState::Grace { .. }
            | LeaseState::Free
            | LeaseState::Unknown => Err(self.not_owner()),
        }
    }

    /// The owner's name card, if the caller is the owner.
    ///
    /// # Errors
    /// Who owns the session instead.
    pub fn require_owner(&self, client: ClientId) -> Result<Owner, LeaseRefusal> {
        match self.owner() {
            Some(owner) if owner.client == client => Ok(owner.clone()),
            Some(_) | None => Err(self.not_owner()),
        }
    }

    /// The client that owns the session, in its grace too.
    #[must_use]
    pub const fn owner(&self) -> Option<&Owner> {
        match &self.state {
            LeaseState::Held { owner } | LeaseState::Grace { owner } => Some(owner),
            LeaseState::Free | LeaseState::Unknown => None,
        }
    }

    /// Whether the owner's client is there: it answers the program's queries.
    #[must_use]
    pub const fn is_held(&self) -> bool {
        matches!(self.state, LeaseState::Held { .. })
    }

    /// The current epoch.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The lease as everyone may see it.
    #[must_use]
    pub fn view(&self) -> LeaseView {
        let requested_by = self.requests.clone();
        LeaseView { epoch: self.epoch, state: self.state.clone(), requested_by }
    }

    fn not_owner(&self) -> LeaseRefusal {
        LeaseRefusal::NotOwner { owner: self.owner().cloned(), epoch: self.epoch }
    }

    /// The owner is back within its grace: same epoch.
    fn come_back(&mut self) {
        if let LeaseState::Grace { owner } = &self.state {
            let owner = owner.clone();
            self.grace_ends = None;
            self.state = LeaseState::Held { owner: owner.clone() };
            self.record(LeaseCause::Return, Some(owner));
        }
    }

    fn begin_grace(&mut self, owner: Owner, why: LeaseCause, now: Duration) {
        self.state = LeaseState::Grace { owner };
        self.grace_ends = Some(now + self.grace);
        self.record(why, None);
    }

    fn set_owner(&mut self, owner: Owner, why: LeaseCause, by: Option<Owner>) {
        if let Some(former) = self.owner().map(|former| former.client) {
            self.remember(former, Role::Follower);
        }
        self.requests.retain(|asker| asker.client != owner.client);
        self.remember(owner.client, Role::Owner);
        self.epoch = self.epoch.next();
        self.grace_ends = None;
        self.state = LeaseState::Held { owner };
        self.record(why, by);
    }

    fn set_free(&mut self, why: LeaseCause, by: Option<Owner>) {
        self.epoch = self.epoch.next();
        self.grace_ends = None;
        self.state = LeaseState::Free;
        self.record(why, by);
    }

    fn record(&mut self, why: LeaseCause, by: Option<Owner>) {
        if self.changes.len() >= MAX_UNRECORDED_CHANGES {
            // each change tells the whole lease, so the newest are the ones that matter
            self.changes.remove(0);
        }
        self.changes.push(LeaseRecord { epoch: self.epoch, state: self.state.clone(), why, by });
    }

    fn remember(&mut self, client: ClientId, role: Role) {
        if self.known.len() >= MAX_KNOWN_CLIENTS && !self.known.contains_key(&client) {
            let forgotten =
                self.known.keys().find(|id| self.owner().is_none_or(|o| o.client != **id));
            if let Some(forgotten) = forgotten.copied() {
                self.known.remove(&forgotten);
            }
        }
        self.known.insert(client, role);
    }
}

/// Where a borrowed lease goes back to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a borrowed lease must be given back"]
pub enum Borrowed {
    /// The borrower is the owner; nothing changed.
    OwnedAnyway,
    /// It was like this.
    From {
        /// The state before.
        state: LeaseState,
        /// When a grace before would have ended.
        grace_ends: Option<Duration>,
    },
}

#[cfg(test)]
mod tests;
