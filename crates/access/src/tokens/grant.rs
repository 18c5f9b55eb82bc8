//! What a credential gives, and to which sessions.

use std::collections::BTreeSet;

use quarterdeck_crypto::TokenHash;
use quarterdeck_protocol::{
    dialect::Dialect,
    ids::{DeviceId, Principal, SessionId},
    method::DeviceInfo,
    scope::Scopes,
};

/// Which sessions a credential reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionLimit {
    /// All, and those to come.
    All,
    /// Only these. None at all is a limit too: what two credentials have in common.
    Only(BTreeSet<SessionId>),
}

impl SessionLimit {
    /// The wire's form, in which an empty list means all.
    #[must_use]
    pub fn from_list(sessions: &[SessionId]) -> Self {
        if sessions.is_empty() {
            return Self::All;
        }
        Self::Only(sessions.iter().copied().collect())
    }
    /// Whether `session` is reached.
    #[must_use]
    pub fn allows(&self, session: SessionId) -> bool {
        match self {
            Self::All => true,
            Self::Only(sessions) => sessions.contains(&session),
        }
    }
    /// What both reach.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::All, limit) | (limit, Self::All) => limit.clone(),
            (Self::Only(mine), Self::Only(theirs)) => {
                Self::Only(mine.intersection(theirs).copied().collect())
            }
        }
    }
    /// The wire's form; none for a limit that reaches nothing, which it cannot say.
    #[must_use]
    pub fn to_list(&self) -> Option<Vec<SessionId>> {
        match self {
            Self::All => Some(Vec::new()),
            Self::Only(sessions) if sessions.is_empty() => None,
            Self::Only(sessions) => Some(sessions.iter().copied().collect()),
        }
    }
    /// Whether everything that `other` reaches is reached.
    pub(super) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (Self::Only(_), Self::All) => false,
            (Self::Only(mine), Self::Only(theirs)) => theirs.is_subset(mine),
        }
    }
}

/// What a credential gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Name of the credential, for the journal.
    pub name: String,
    /// Who is behind it.
    pub principal: Principal,
    /// What it may do.
    pub scopes: Scopes,
    /// Where it may do it.
    pub sessions: SessionLimit,
    /// The only wire on which it counts; none = `quarterdeck.v1`.
    pub dialect: Option<Dialect>,
    /// When it ends, in seconds since 1970.
    pub expires_at: Option<u64>,
    /// The browser that it is, where a key proved it.
    pub device: Option<DeviceId>,
    /// The secret that was presented; none for a grant that no token gave.
    pub(super) secret: Option<TokenHash>,
}

impl Grant {
    /// The grant of a caller that is known without a token: everything, everywhere.
    #[must_use]
    pub fn unlimited(name: &str, principal: Principal) -> Self {
        Self {
            name: name.to_owned(),
            principal,
            scopes: Scopes::ALL,
            sessions: SessionLimit::All,
            dialect: None,
            expires_at: None,
            device: None,
            secret: None,
        }
    }
    /// The grant of a browser that proved its key.
    #[must_use]
    pub fn of_device(info: &DeviceInfo) -> Self {
        Self {
            scopes: info.scopes,
            expires_at: info.expires_at,
            device: Some(info.device),
            ..Self::unlimited(&info.name, info.principal.clone())
        }
    }
    /// The same with fewer rights, for somebody else.
    #[must_use]
    pub fn narrowed(&self, principal: Principal, scopes: Scopes) -> Self {
        Self { principal, scopes: self.scopes.and(scopes), ..self.clone() }
    }
    /// The same for fewer sessions.
    #[must_use]
    pub fn limited(self, sessions: &SessionLimit) -> Self {
        Self { sessions: self.sessions.and(sessions), ..self }
    }
}
