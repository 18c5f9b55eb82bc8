//! What travels. Whoever carries it sees who wrote it, how long it is and when it passed; not what it says.

use vodozemac::olm::OlmMessage;

use quarterdeck_protocol::limits::MAX_MAIL_BODY_BYTES;

use crate::{
    card::{Card, MAX_HOME_BYTES},
    key::{IdentityKey, RatchetKey, SignatureBytes},
};

/// Bytes of a sealed letter: the longest body, its ratchet's header, a card.
pub const MAX_SEALED_BYTES: usize = MAX_MAIL_BODY_BYTES + 4096;
const VERSION: u8 = 1;

/// A sealed letter. The first letters of a ratchet carry their sender's card, so that whoever has never
/// heard of it knows whose key it is.
#[derive(Debug, Clone)]
pub struct Sealed {
    /// Who says that it wrote it. Certain only when the letter opens with a key of its card.
    pub from: IdentityKey,
    pub(crate) head: Head,
}

#[derive(Debug, Clone)]
pub(crate) enum Head {
    /// By a ratchet that the recipient has.
    Known(vodozemac::olm::Message),
    /// By a ratchet that it may have to begin.
    First(Box<Card>, Box<vodozemac::olm::PreKeyMessage>),
}

/// Bytes that are no sealed letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealedError {
    /// There are more than any letter has.
    #[error("the sealed letter has {0} bytes; at most {MAX_SEALED_BYTES} are read")]
    Long(usize),
    /// They end too early, or do not fit together.
    #[error("the sealed letter is damaged")]
    Damaged,
    /// A later version wrote it.
    #[error("a sealed letter of version {0} is not understood")]
    Version(u8),
}

impl Sealed {
    /// The sender's card, where the letter carries it.
    #[must_use]
    pub fn card(&self) -> Option<&Card> {
        match &self.head {
            Head::First(card, _) => Some(card),
            Head::Known(_) => None,
        }
    }

    /// The bytes that travel: version, form, sender, then the card if there is one, then the ratchet's.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        match &self.head {
            Head::Known(message) => {
                bytes.push(1);
                bytes.extend(self.from.as_bytes());
                bytes.extend(message.to_bytes());
            }
            Head::First(card, message) => {
                bytes.push(0);
                bytes.extend(self.from.as_bytes());
                write_card(card, &mut bytes);
                bytes.extend(message.to_bytes());
            }
        }
        bytes
    }

    /// Reads what came.
    ///
    /// # Errors
    /// When it is no sealed letter.
    pub fn decode(bytes: &[u8]) -> Result<Self, SealedError> {
        use SealedError::Damaged;
        if bytes.len() > MAX_SEALED_BYTES {
            return Err(SealedError::Long(bytes.len()));
        }
        let (&version, rest) = bytes.split_first().ok_or(Damaged)?;
        if version != VERSION {
            return Err(SealedError::Version(version));
        }
        let (&form, rest) = rest.split_first().ok_or(Damaged)?;
        let (from, rest) = rest.split_first_chunk().ok_or(Damaged)?;
        let from = IdentityKey::parse(from).map_err(|_| Damaged)?;
        let (card, rest) = match form {
            0 => read_card(from, rest).map(|(card, rest)| (Some(card), rest)).ok_or(Damaged)?,
            1 => (None, rest),
            _ => return Err(Damaged),
        };
        let message = OlmMessage::from_parts(usize::from(form), rest).map_err(|_| Damaged)?;
        let head = match (message, card) {
            (OlmMessage::PreKey(message), Some(card)) => {
                Head::First(Box::new(card), Box::new(message))
            }
            (OlmMessage::Normal(message), None) => Head::Known(message),
            (OlmMessage::PreKey(_) | OlmMessage::Normal(_), _) => return Err(Damaged),
        };
        Ok(Self { from, head })
    }
}

/// Without the identity, which stands before it.
fn write_card(card: &Card, bytes: &mut Vec<u8>) {
    let Card { identity: _, ratchet, home, generation, signature } = card;
    let length = u16::try_from(home.len()).expect("homes are short");
    bytes.extend(ratchet.as_bytes());
    bytes.extend(generation.to_le_bytes());
    bytes.extend(signature.as_bytes());
    bytes.extend(length.to_le_bytes());
    bytes.extend(home.as_bytes());
}

fn read_card(identity: IdentityKey, bytes: &[u8]) -> Option<(Card, &[u8])> {
    let (ratchet, rest) = bytes.split_first_chunk()?;
    let (generation, rest) = rest.split_first_chunk()?;
    let (signature, rest) = rest.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let length = usize::from(u16::from_le_bytes(*length));
    if length > MAX_HOME_BYTES {
        return None;
    }
    let (home, rest) = rest.split_at_checked(length)?;
    let card = Card {
        identity,
        ratchet: RatchetKey::parse(ratchet).ok()?,
        home: str::from_utf8(home).ok()?.to_owned(),
        generation: u64::from_le_bytes(*generation),
        signature: SignatureBytes::parse(signature).ok()?,
    };
    Some((card, rest))
}
