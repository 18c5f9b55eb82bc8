//! Whom an identity talks to, and which keys it accepted.
//!
//! A contact is known by its identity's key. The first card that a person accepted fixes the key that
//! ratchets begin from; another one later may be a new machine or somebody in between, so it is shown, and
//! nothing is sealed for it or opened from it until a person has accepted it as well.

use serde::{Deserialize, Serialize};

use crate::{
    card::{Card, CardError, Fingerprint},
    key::{IdentityKey, RatchetKey},
};

/// Where two identities stand with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// We asked, and have no answer.
    Asked,
    /// They asked, and nobody has decided.
    Asking,
    /// Mail goes both ways.
    Accepted,
    /// Nothing of theirs is taken, and they are not told.
    Blocked,
}

/// One contact of one identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    card: Card,
    standing: Standing,
    /// A card with another key, which nobody has accepted.
    changed: Option<Card>,
}

/// What a card says beside what is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CardNews {
    /// Nothing new.
    Known,
    /// The contact lives elsewhere now.
    Moved,
    /// Its key is another one: refused until somebody accepts it.
    KeyChanged,
    /// The card is older than the one that is known.
    Outdated,
}

/// Why nothing is sealed for a contact, or opened from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ContactError {
    /// Nobody has accepted it.
    #[error("the contact is not accepted")]
    NotAccepted,
    /// It is blocked.
    #[error("the contact is blocked")]
    Blocked,
    /// Its key changed, and nobody has accepted the new one.
    #[error("the contact's key has changed; compare the fingerprints and accept it")]
    KeyChanged,
}

/// A card that belongs to somebody else, or to nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ForeignCard {
    /// It is not signed by its identity.
    #[error(transparent)]
    Card(#[from] CardError),
    /// It is another identity's.
    #[error("the card is another identity's")]
    Other,
}

impl Contact {
    /// A contact that we ask, or that asks us.
    ///
    /// # Errors
    /// When the card is not its identity's word.
    pub fn new(card: Card, standing: Standing) -> Result<Self, CardError> {
        card.verify()?;
        Ok(Self { card, standing, changed: None })
    }

    /// Whose.
    #[must_use]
    pub const fn identity(&self) -> IdentityKey {
        self.card.identity
    }
    /// The card that was accepted, or is to be.
    #[must_use]
    pub const fn card(&self) -> &Card {
        &self.card
    }
    /// Where we stand.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        self.standing
    }
    /// The card with another key, if one came.
    #[must_use]
    pub const fn changed(&self) -> Option<&Card> {
        self.changed.as_ref()
    }
    /// What people compare.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::new(&self.card.identity, &self.card.ratchet)
    }

    /// A card of this contact came, from wherever.
    ///
    /// # Errors
    /// When it is not this contact's word; it changes nothing then.
    pub fn handle_card(&mut self, card: Card) -> Result<CardNews, ForeignCard> {
        if card.identity != self.card.identity {
            return Err(ForeignCard::Other);
        }
        card.verify()?;
        let newest = self.changed.as_ref().unwrap_or(&self.card);
        if card == *newest || card == self.card {
            return Ok(CardNews::Known);
        }
        if card.generation <= newest.generation {
            return Ok(CardNews::Outdated);
        }
        if card.ratchet == self.card.ratchet {
            // the newest word holds: what another key was claimed for before is over
            self.changed = None;
            self.card = card;
            return Ok(CardNews::Moved);
        }
        self.changed = Some(card);
        Ok(CardNews::KeyChanged)
    }

    /// They asked. Who was asked by us has agreed by that.
    pub fn handle_request(&mut self) {
        self.standing = match self.standing {
            Standing::Asked | Standing::Accepted => Standing::Accepted,
            Standing::Asking => Standing::Asking,
            Standing::Blocked => Standing::Blocked,
        };
    }

    /// A person accepts the contact, with the key that it has now.
    pub fn accept(&mut self) {
        if let Some(card) = self.changed.take() {
            self.card = card;
        }
        self.standing = Standing::Accepted;
    }

    /// A person wants nothing of it any more.
    pub const fn block(&mut self) {
        self.standing = Standing::Blocked;
    }

    /// The key to seal for.
    ///
    /// # Errors
    /// When nothing may be sealed for it.
    pub fn sealing_key(&self) -> Result<RatchetKey, ContactError> {
        match self.standing {
            Standing::Blocked => Err(ContactError::Blocked),
            Standing::Asked | Standing::Asking => Err(ContactError::NotAccepted),
            Standing::Accepted if self.changed.is_some() => Err(ContactError::KeyChanged),
            Standing::Accepted => Ok(self.card.ratchet),
        }
    }

    /// Checks that what came from a key comes from this contact.
    ///
    /// # Errors
    /// When it does not, or nothing of it is taken.
    pub fn check_sender(&self, ratchet: RatchetKey) -> Result<(), ContactError> {
        match self.standing {
            Standing::Blocked => Err(ContactError::Blocked),
            Standing::Asked | Standing::Asking | Standing::Accepted => {
                let known = ratchet == self.card.ratchet;
                if known { Ok(()) } else { Err(ContactError::KeyChanged) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Identity;

    fn accepted(identity: &Identity) -> Contact {
        let mut contact = Contact::new(identity.card("a", 1), Standing::Asking).expect("signed");
        contact.accept();
        contact
    }

    /// A card of `identity` that binds it to another key, as one who copied its secrets would sign it.
    fn rebound(identity: &Identity, ratchet: RatchetKey, generation: u64) -> Card {
        let unsigned = Card::unsigned(identity.key(), ratchet, "a", generation);
        let signature = identity.sign(crate::key::Purpose::Card, &unsigned.signed_bytes());
        Card { signature, ..unsigned }
    }

    #[test]
    fn nothing_is_sealed_for_who_was_not_accepted() {
        let ada = Identity::generate();
        let mut contact = Contact::new(ada.card("a", 1), Standing::Asked).expect("signed");
        assert_eq!(contact.sealing_key(), Err(ContactError::NotAccepted));
        contact.handle_request();
        assert_eq!(contact.sealing_key(), Ok(ada.ratchet_key()), "both asked: both agreed");
        contact.block();
        assert_eq!(contact.sealing_key(), Err(ContactError::Blocked));
        contact.handle_request();
        assert_eq!(contact.standing(), Standing::Blocked, "a request does not unblock");
    }

    #[test]
    fn a_changed_key_is_refused_until_it_is_accepted() {
        let (ada, new) = (Identity::generate(), Identity::generate());
        let mut contact = accepted(&ada);
        let card = rebound(&ada, new.ratchet_key(), 2);
        assert_eq!(contact.handle_card(card.clone()), Ok(CardNews::KeyChanged));
        assert_eq!(contact.sealing_key(), Err(ContactError::KeyChanged));
        assert_eq!(contact.check_sender(new.ratchet_key()), Err(ContactError::KeyChanged));
        assert_eq!(contact.changed(), Some(&card));
        let before = contact.fingerprint();
        contact.accept();
        assert_eq!(contact.sealing_key(), Ok(new.ratchet_key()));
        assert_ne!(contact.fingerprint(), before);
    }

    #[test]
    fn a_contact_that_moves_keeps_its_standing_and_an_old_card_moves_nobody() {
        let ada = Identity::generate();
        let mut contact = accepted(&ada);
        assert_eq!(contact.handle_card(ada.card("b", 2)), Ok(CardNews::Moved));
        assert_eq!((contact.card().home.as_str(), contact.standing()), ("b", Standing::Accepted));
        assert_eq!(contact.handle_card(ada.card("a", 1)), Ok(CardNews::Outdated));
        assert_eq!(contact.handle_card(ada.card("b", 2)), Ok(CardNews::Known));
        assert_eq!(contact.card().home, "b");
    }

    #[test]
    fn a_forged_card_changes_nothing() {
        let (ada, eve) = (Identity::generate(), Identity::generate());
        let mut contact = accepted(&ada);
        let before = contact.clone();
        assert_eq!(contact.handle_card(eve.card("e", 9)), Err(ForeignCard::Other));
        let forged = Card { identity: ada.key(), ..eve.card("e", 9) };
        assert_eq!(
            contact.handle_card(forged.clone()),
            Err(ForeignCard::Card(CardError::Signature))
        );
        assert_eq!(contact, before);
        assert!(Contact::new(forged, Standing::Asking).is_err());
    }
}
