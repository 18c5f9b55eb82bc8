//! Cards and keys as they travel between relay and hub, and what an identity signs on such a link.

use quarterdeck_protocol::method::{MailCard, MailKey};

use crate::{
    Card, IdentityKey, SignedKey,
    key::{ParseKeyError, Purpose, SignatureBytes},
};

/// What an identity says to a hub on one link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statement {
    /// Its mail goes to this link, by the card of this generation.
    Register {
        /// Of the card.
        generation: u64,
    },
    /// It has all letters up to this one.
    Done {
        /// The last of them.
        item: u64,
    },
}

impl Statement {
    /// What is signed: a statement to one hub on one link is worth nothing to another one.
    #[must_use]
    pub fn bytes(self, hub: &str, link: &str) -> Vec<u8> {
        let (word, number) = match self {
            Self::Register { generation } => ("register", generation),
            Self::Done { item } => ("done", item),
        };
        format!("{word}\0{number}\0{}\0{hub}\0{link}", hub.len()).into_bytes()
    }

    /// Whether the identity says it.
    #[must_use]
    pub fn is_of(self, identity: &IdentityKey, hub: &str, link: &str, signature: &str) -> bool {
        let signature: Result<SignatureBytes, _> = signature.parse();
        let bytes = self.bytes(hub, link);
        signature.is_ok_and(|it| identity.verify(Purpose::Mailbox, &bytes, &it))
    }
}

impl From<&Card> for MailCard {
    fn from(card: &Card) -> Self {
        let Card { identity, ratchet, home, generation, signature } = card;
        Self {
            identity: identity.to_string(),
            ratchet: ratchet.to_string(),
            home: home.clone(),
            generation: *generation,
            signature: signature.to_string(),
        }
    }
}

impl TryFrom<&MailCard> for Card {
    type Error = ParseKeyError;

    fn try_from(card: &MailCard) -> Result<Self, ParseKeyError> {
        let MailCard { identity, ratchet, home, generation, signature } = card;
        Ok(Self {
            identity: identity.parse()?,
            ratchet: ratchet.parse()?,
            home: home.clone(),
            generation: *generation,
            signature: signature.parse()?,
        })
    }
}

impl From<&SignedKey> for MailKey {
    fn from(signed: &SignedKey) -> Self {
        Self { key: signed.key.to_string(), signature: signed.signature.to_string() }
    }
}

impl TryFrom<&MailKey> for SignedKey {
    type Error = ParseKeyError;

    fn try_from(signed: &MailKey) -> Result<Self, ParseKeyError> {
        Ok(Self { key: signed.key.parse()?, signature: signed.signature.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Identity;

    #[test]
    fn a_statement_holds_for_one_hub_one_link_and_one_thing() {
        let ada = Identity::generate();
        let done = Statement::Done { item: 7 };
        let signature = ada.sign(Purpose::Mailbox, &done.bytes("h_a", "l1")).to_string();
        let key = ada.key();
        assert!(done.is_of(&key, "h_a", "l1", &signature));
        assert!(!done.is_of(&key, "h_b", "l1", &signature));
        assert!(!done.is_of(&key, "h_a", "l2", &signature));
        assert!(!Statement::Done { item: 8 }.is_of(&key, "h_a", "l1", &signature));
        let register = Statement::Register { generation: 7 };
        assert!(!register.is_of(&key, "h_a", "l1", &signature));
        assert!(!done.is_of(&Identity::generate().key(), "h_a", "l1", &signature));
        assert!(!done.is_of(&key, "h_a", "l1", "nonsense"));
    }

    #[test]
    fn a_card_and_a_key_come_back_as_they_went() {
        let mut ada = Identity::generate();
        let card = ada.card("h_a", 3);
        assert_eq!(Card::try_from(&MailCard::from(&card)), Ok(card));
        let bundle = ada.bundle(49, crate::identity::NewFallback::Keep);
        let key = bundle.one_time[0];
        assert_eq!(SignedKey::try_from(&MailKey::from(&key)), Ok(key));
        let nonsense = MailKey { key: "x".into(), signature: "y".into() };
        assert_eq!(SignedKey::try_from(&nonsense), Err(ParseKeyError));
    }
}
