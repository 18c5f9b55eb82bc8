//! Where an identity lives, signed by itself.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::key::{IdentityKey, Purpose, RatchetKey, SignatureBytes};

/// Bytes of a home's address.
pub const MAX_HOME_BYTES: usize = 512;
const FINGERPRINT_DOMAIN: &[u8] = b"quarterdeck mail fingerprint v1\0";
/// Groups of five digits: about 199 bits, and what people still read to each other.
const FINGERPRINT_GROUPS: usize = 12;

/// An identity's own word about itself. There is one home at a time: of two cards the one with the greater
/// generation holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// Whose.
    pub identity: IdentityKey,
    /// What ratchets with it begin from.
    pub ratchet: RatchetKey,
    /// Where its mailbox is; empty = nowhere.
    pub home: String,
    /// Greater for each new card.
    pub generation: u64,
    /// By the identity.
    pub signature: SignatureBytes,
}

/// A card that is not its identity's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CardError {
    /// The signature is another's, or for something else.
    #[error("the card is not signed by its identity")]
    Signature,
    /// The home's address is too long.
    #[error("a home has at most {MAX_HOME_BYTES} bytes")]
    Home,
}

impl Card {
    pub(crate) fn unsigned(
        identity: IdentityKey,
        ratchet: RatchetKey,
        home: &str,
        generation: u64,
    ) -> Self {
        let signature = SignatureBytes::from_bytes([0; 64]);
        Self { identity, ratchet, home: home.to_owned(), generation, signature }
    }

    /// All but the signature; fields of fixed length first, so that no two cards have the same bytes.
    pub(crate) fn signed_bytes(&self) -> Vec<u8> {
        let Self { identity, ratchet, home, generation, signature: _ } = self;
        let generation = generation.to_le_bytes();
        [identity.as_bytes(), ratchet.as_bytes(), &generation[..], home.as_bytes()].concat()
    }

    /// Checks that the identity itself says so.
    ///
    /// # Errors
    /// When it does not.
    pub fn verify(&self) -> Result<(), CardError> {
        if self.home.len() > MAX_HOME_BYTES {
            return Err(CardError::Home);
        }
        let signed = self.identity.verify(Purpose::Card, &self.signed_bytes(), &self.signature);
        if signed { Ok(()) } else { Err(CardError::Signature) }
    }
}

/// What people compare, on another way than the one they do not trust yet: twelve groups of five digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u32; FINGERPRINT_GROUPS]);

impl Fingerprint {
    /// The fingerprint of an identity with the key that its ratchets begin from.
    #[must_use]
    pub fn new(identity: &IdentityKey, ratchet: &RatchetKey) -> Self {
        let hash = |half: u8| -> [u8; 32] {
            let hash = Sha256::new()
                .chain_update(FINGERPRINT_DOMAIN)
                .chain_update([half])
                .chain_update(identity.as_bytes())
                .chain_update(ratchet.as_bytes());
            hash.finalize().into()
        };
        let bytes = [hash(0), hash(1)].concat();
        let group = |at: usize| {
            let bits = bytes[5 * at..5 * at + 5].iter().fold(0u64, |n, b| n << 8 | u64::from(*b));
            u32::try_from(bits % 100_000).expect("five digits")
        };
        Self(std::array::from_fn(group))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, group) in self.0.iter().enumerate() {
            write!(f, "{}{group:05}", if at == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Identity;

    #[test]
    fn a_card_holds_only_as_its_identity_signed_it() {
        let (ada, eve) = (Identity::generate(), Identity::generate());
        let card = ada.card("hub.example:7443#pin", 3);
        assert_eq!(card.verify(), Ok(()));
        let moved = Card { home: "eve.example".into(), ..card.clone() };
        assert_eq!(moved.verify(), Err(CardError::Signature));
        let swapped = Card { ratchet: eve.ratchet_key(), ..card.clone() };
        assert_eq!(swapped.verify(), Err(CardError::Signature));
        let newer = Card { generation: 4, ..card.clone() };
        assert_eq!(newer.verify(), Err(CardError::Signature));
        let taken = Card { identity: eve.key(), ..card };
        assert_eq!(taken.verify(), Err(CardError::Signature));
    }

    #[test]
    fn a_fingerprint_is_twelve_groups_of_five_digits_and_depends_on_both_keys() {
        let (ada, eve) = (Identity::generate(), Identity::generate());
        let text = Fingerprint::new(&ada.key(), &ada.ratchet_key()).to_string();
        let groups: Vec<&str> = text.split(' ').collect();
        assert_eq!(groups.len(), 12);
        assert!(groups.iter().all(|group| group.len() == 5 && group.parse::<u32>().is_ok()));
        assert_ne!(text, Fingerprint::new(&ada.key(), &eve.ratchet_key()).to_string());
        assert_ne!(text, Fingerprint::new(&eve.key(), &ada.ratchet_key()).to_string());
    }
}
