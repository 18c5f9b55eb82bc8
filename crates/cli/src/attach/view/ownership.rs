//! Who owns the session, and what its changes mean to this terminal.

use quarterdeck_protocol::{
    method::Role,
    record::{LeaseCause, LeaseRecord, LeaseState, Owner},
    session::LeaseView,
};

use super::{Action, Ask, LeaseMove, LinkState, Notice, Question, View};
use crate::output::escape::plain;

impl View {
    /// The lease changed, in its place in the session's stream.
    pub(crate) fn handle_lease(&mut self, record: &LeaseRecord) -> Vec<Action> {
        let before = self.role();
        self.lease.epoch = record.epoch;
        self.lease.state = record.state.clone();
        let owner = self.owner().cloned();
        self.lease
            .requested_by
            .retain(|asker| Some(asker.client) != owner.as_ref().map(|o| o.client));
        let mine = owner.is_some_and(|owner| owner.client == self.identity.client);
        if matches!(record.why, LeaseCause::Borrow) && before == Role::Owner && !mine {
            self.lent = true;
            return vec![Action::Lease(LeaseMove::Lent)];
        }
        // the loan itself may have gone unheard: the screen was drawn anew meanwhile
        let came_back = before == Role::Owner && mine && matches!(record.why, LeaseCause::Returned);
        self.lent = false;
        if came_back {
            return vec![Action::Lease(LeaseMove::Returned(record.epoch))];
        }
        let mut actions = vec![Action::Lease(LeaseMove::Settled(self.epoch()))];
        if self.question == Question::TakeOver || before != self.role() {
            self.question = Question::None;
        }
        actions.extend(self.lease_words(before, record).map(Notice::moment));
        actions
    }
    /// Who has asked for the lease; the rest of it comes in the session's stream.
    pub(crate) fn handle_requests(&mut self, lease: &LeaseView) -> Vec<Action> {
        let known = |asker: &Owner| {
            self.lease.requested_by.iter().any(|before| before.client == asker.client)
        };
        let new = lease.requested_by.iter().find(|asker| !known(asker)).cloned();
        self.lease.requested_by.clone_from(&lease.requested_by);
        match new {
            Some(asker) if self.role() == Role::Owner => {
                let (who, prefix) = (self.name(&asker), self.identity.prefix);
                vec![Notice::moment(format!(
                    "{who} asks for this session \u{b7} {prefix} o hands it over"
                ))]
            }
            Some(_) | None => Vec::new(),
        }
    }

    /// Takes the lease where that needs no reason; else asks its owner.
    pub(super) fn take(&self) -> Vec<Action> {
        match self.owner() {
            Some(owner) if owner.client == self.identity.client => {
                vec![Notice::moment("you own this session already")]
            }
            Some(owner) if owner.principal != self.identity.principal => {
                let words = format!("asked {} for this session", self.name(owner));
                vec![Action::Ask(Ask::Request), Notice::moment(words)]
            }
            Some(_) | None => vec![Action::Ask(Ask::Take)],
        }
    }

    /// A key was pressed where nothing can be typed.
    pub(super) fn offer_takeover(&mut self) -> Action {
        let prefix = self.identity.prefix;
        let other = self.owner().filter(|owner| owner.principal != self.identity.principal);
        if let Some(owner) = other {
            let who = self.name(owner);
            return Notice::moment(format!(
                "{who} owns this session \u{b7} {prefix} t asks for it"
            ));
        }
        self.question = Question::TakeOver;
        let words = self.follower_words();
        Notice::moment(format!("{words} \u{b7} press Enter to take over"))
    }

    /// Why this terminal cannot type.
    pub(super) fn follower_words(&self) -> String {
        match self.owner() {
            Some(owner) => format!("you follow; {} owns this session", self.name(owner)),
            None => "you follow; nobody owns this session".to_owned(),
        }
    }

    pub(super) const fn owner(&self) -> Option<&Owner> {
        match &self.lease.state {
            LeaseState::Held { owner } | LeaseState::Grace { owner } => Some(owner),
            LeaseState::Free | LeaseState::Unknown => None,
        }
    }

    /// `ada (qd on laptop)`, or only the client's name when it is our own principal's.
    pub(super) fn name(&self, owner: &Owner) -> String {
        let client = plain(&owner.name);
        if owner.principal == self.identity.principal {
            format!("your {client}")
        } else {
            format!("{} ({client})", plain(owner.principal.name()))
        }
    }

    /// What a change of this terminal's role means, when nothing says why it changed.
    pub(super) fn role_words(&self, before: Role) -> Option<Notice> {
        let LeaseView { epoch, state, .. } = self.lease.clone();
        let record = LeaseRecord { epoch, state, why: LeaseCause::Unknown, by: None };
        self.lease_words(before, &record).map(Notice::short)
    }

    fn lease_words(&self, before: Role, record: &LeaseRecord) -> Option<String> {
        let prefix = self.identity.prefix;
        let owner = self.owner().map(|owner| self.name(owner));
        let now = self.role();
        Some(match (&record.state, before, now) {
            // back within the grace: nobody needs to know
            (_, Role::Owner, Role::Owner) => return None,
            (_, Role::Follower, Role::Owner) => "you own this session now".to_owned(),
            (LeaseState::Free, Role::Owner, _) => {
                format!("you let go of this session \u{b7} {prefix} t takes it back")
            }
            (LeaseState::Free, Role::Follower, _) => {
                format!("nobody owns this session now \u{b7} {prefix} t takes it")
            }
            (LeaseState::Grace { .. }, ..) if self.link == LinkState::Up => {
                format!("{} is gone for now", owner?)
            }
            (LeaseState::Held { .. }, Role::Owner, _) => self.taken_words(&record.why)?,
            (LeaseState::Held { .. }, Role::Follower, _) => match record.why {
                LeaseCause::Borrow | LeaseCause::Returned => return None,
                LeaseCause::Attach
                | LeaseCause::Return
                | LeaseCause::Takeover
                | LeaseCause::Offer
                | LeaseCause::Release
                | LeaseCause::Take { .. }
                | LeaseCause::GraceExpired
                | LeaseCause::LinkLost
                | LeaseCause::RelayRestart
                | LeaseCause::Unknown => format!("{} owns this session now", owner?),
            },
            (LeaseState::Grace { .. } | LeaseState::Unknown, ..) => return None,
        })
    }

    /// How this terminal has just lost the session to somebody.
    fn taken_words(&self, why: &LeaseCause) -> Option<String> {
        let owner = self.owner()?;
        let (who, prefix) = (self.name(owner), self.identity.prefix);
        let own = owner.principal == self.identity.principal;
        let way_back = if own { "takes it back" } else { "asks for it" };
        Some(match why {
            LeaseCause::Take { reason } => format!("{who} took over: {}", plain(reason)),
            LeaseCause::Offer => format!("you handed this session to {who}"),
            LeaseCause::Attach
            | LeaseCause::Return
            | LeaseCause::Takeover
            | LeaseCause::Release
            | LeaseCause::Borrow
            | LeaseCause::Returned
            | LeaseCause::GraceExpired
            | LeaseCause::LinkLost
            | LeaseCause::RelayRestart
            | LeaseCause::Unknown => format!("{who} took over \u{b7} {prefix} t {way_back}"),
        })
    }
}
