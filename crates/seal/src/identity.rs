//! The secret side of an identity.

use std::fmt;

use serde::{Deserialize, Serialize};
use vodozemac::olm::{Account, AccountPickle};
use zeroize::Zeroizing;

use crate::{
    card::Card,
    key::{IdentityKey, Purpose, RatchetKey, SignatureBytes, SignedKey},
};

/// One-time keys that a mailbox should hold: one is used up by every peer that begins to write.
pub const ONE_TIME_KEYS: usize = 50;

/// An identity with its secrets. It lives in one relay and is never copied: two copies would use the same
/// keys twice.
pub struct Identity(Account);

/// What is stored is no identity.
#[derive(Debug, thiserror::Error)]
#[error("the stored identity cannot be read")]
pub struct StoredIdentityError(#[source] serde_json::Error);

/// What an identity publishes at its mailbox, for peers that want to write while it is away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    /// Each for one peer, once.
    pub one_time: Vec<SignedKey>,
    /// For whoever comes when those are used up.
    pub fallback: Option<SignedKey>,
}

impl Identity {
    /// A new one, with keys that nobody has seen.
    #[must_use]
    pub fn generate() -> Self {
        Self(Account::new())
    }

    /// Reads what was stored.
    ///
    /// # Errors
    /// When it is something else.
    pub fn from_stored(bytes: &[u8]) -> Result<Self, StoredIdentityError> {
        let pickle: AccountPickle = serde_json::from_slice(bytes).map_err(StoredIdentityError)?;
        Ok(Self(Account::from_pickle(pickle)))
    }

    /// What is to be stored. It holds the secrets.
    ///
    /// # Panics
    /// Never: keys serialise.
    #[must_use]
    pub fn to_stored(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(serde_json::to_vec(&self.0.pickle()).expect("keys serialise"))
    }

    /// What others know it by.
    #[must_use]
    pub fn key(&self) -> IdentityKey {
        IdentityKey::of(&self.0.ed25519_key())
    }

    /// What ratchets with it begin from.
    #[must_use]
    pub fn ratchet_key(&self) -> RatchetKey {
        RatchetKey::of(self.0.curve25519_key())
    }

    /// Its card, signed. `generation` is raised at every change of `home`.
    #[must_use]
    pub fn card(&self, home: &str, generation: u64) -> Card {
        let unsigned = Card::unsigned(self.key(), self.ratchet_key(), home, generation);
        let signature = self.sign(Purpose::Card, &unsigned.signed_bytes());
        Card { signature, ..unsigned }
    }

    /// Signs a message for a purpose.
    #[must_use]
    pub fn sign(&self, purpose: Purpose, message: &[u8]) -> SignatureBytes {
        SignatureBytes::of(&self.0.sign(purpose.frame(message)))
    }

    /// Makes as many new one-time keys as a mailbox lacks, and a first or a new fallback key. Store the
    /// identity before the bundle leaves; [`Identity::mark_published`] when it has arrived.
    pub fn bundle(&mut self, held_by_mailbox: usize, fallback: NewFallback) -> Bundle {
        // what was made and did not arrive is published again before more is made
        let unpublished = self.0.one_time_keys().len();
        let lacking = ONE_TIME_KEYS.saturating_sub(held_by_mailbox + unpublished);
        self.0.generate_one_time_keys(lacking);
        if fallback == NewFallback::Make {
            self.0.generate_fallback_key();
        }
        let signed = |key, purpose| {
            let key = RatchetKey::of(key);
            SignedKey { key, signature: self.sign(purpose, key.as_bytes()) }
        };
        let mut one_time: Vec<SignedKey> = self
            .0
            .one_time_keys()
            .into_values()
            .map(|key| signed(key, Purpose::OneTimeKey))
            .collect();
        one_time.sort_by_key(|signed| signed.key);
        let fallback = self.0.fallback_key().into_values().next();
        Bundle { one_time, fallback: fallback.map(|key| signed(key, Purpose::FallbackKey)) }
    }

    /// The bundle has arrived: its keys are not published again.
    pub fn mark_published(&mut self) {
        self.0.mark_keys_as_published();
    }

    /// Forgets the fallback key before the last: whoever fetched it has had time to use it.
    pub fn forget_old_fallback(&mut self) {
        self.0.forget_fallback_key();
    }

    pub(crate) const fn account(&self) -> &Account {
        &self.0
    }

    pub(crate) const fn account_mut(&mut self) -> &mut Account {
        &mut self.0
    }
}

/// Whether a bundle gets a new fallback key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewFallback {
    /// The last one is young enough.
    Keep,
    /// There is none, or it is old.
    Make,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({}, [redacted])", self.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_identity_is_the_same_one() {
        let identity = Identity::generate();
        let again = Identity::from_stored(&identity.to_stored()).expect("was stored");
        assert_eq!((identity.key(), identity.ratchet_key()), (again.key(), again.ratchet_key()));
        assert!(Identity::from_stored(b"{}").is_err());
        assert!(!format!("{identity:?}").contains("signing"), "{identity:?}");
    }

    #[test]
    fn a_bundle_is_signed_and_tops_up_what_lacks() {
        let mut identity = Identity::generate();
        let bundle = identity.bundle(0, NewFallback::Make);
        assert_eq!(bundle.one_time.len(), ONE_TIME_KEYS);
        let key = identity.key();
        assert!(bundle.one_time.iter().all(|it| it.is_of(&key, Purpose::OneTimeKey)));
        let fallback = bundle.fallback.expect("has one");
        assert!(fallback.is_of(&key, Purpose::FallbackKey));
        assert!(!fallback.is_of(&key, Purpose::OneTimeKey), "a purpose is not another one");
        // it did not arrive: the same keys once more
        assert_eq!(identity.bundle(0, NewFallback::Keep), bundle);
        identity.mark_published();
        let more = identity.bundle(48, NewFallback::Keep);
        assert_eq!((more.one_time.len(), more.fallback), (2, None));
    }

    #[test]
    fn nobody_else_can_sign() {
        let (ada, eve) = (Identity::generate(), Identity::generate());
        let signature = eve.sign(Purpose::Mailbox, b"drain");
        assert!(eve.key().verify(Purpose::Mailbox, b"drain", &signature));
        assert!(!ada.key().verify(Purpose::Mailbox, b"drain", &signature));
        assert!(!eve.key().verify(Purpose::Mailbox, b"drain!", &signature));
    }
}
