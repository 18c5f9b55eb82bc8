//! Sealing and opening, with one peer.
//!
//! Usually there is one ratchet. There are more when both sides begin at once, or one side lost its state;
//! the one by which the peer was heard last is used to write, so both come to use the same. The oldest are
//! forgotten.
//!
//! A letter that was opened once does not open again. A letter that cannot be opened changes nothing, so
//! it can be told, and another ratchet be begun.

use serde::{Deserialize, Serialize};
use vodozemac::olm::{
    DecryptionError, OlmMessage, Session, SessionConfig, SessionCreationError, SessionPickle,
};
use zeroize::Zeroizing;

use crate::{
    card::Card,
    identity::Identity,
    key::{IdentityKey, Purpose, RatchetKey, SignedKey},
    letter::{Letter, LetterError},
    sealed::{Head, Sealed},
};

/// Ratchets that are kept with one peer.
const MAX_RATCHETS: usize = 5;

/// The ratchets with one peer.
#[derive(Default)]
pub struct Ratchets {
    /// The one to write with first.
    sessions: Vec<Session>,
}

/// How they are stored.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Stored(Vec<SessionPickle>);

/// What is stored are no ratchets.
#[derive(Debug, thiserror::Error)]
#[error("the stored ratchets cannot be read")]
pub struct StoredRatchetsError(#[source] serde_json::Error);

/// Why a letter was not sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// There is no ratchet yet: begin one with a key that the peer published.
    #[error("there is no ratchet with this peer")]
    NoRatchet,
    /// The key is not the peer's.
    #[error("the key is not signed by the peer")]
    ForeignKey,
    /// The key is one of the few that give no secret.
    #[error("the peer's key gives no secret")]
    WeakKey,
}

/// Why a letter was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It was opened before. Acknowledge it again; nothing is wrong.
    #[error("the letter was opened before")]
    Repeated,
    /// No ratchet fits: state was lost, or too many letters were. Begin another ratchet.
    #[error("no ratchet fits the letter")]
    Unreadable,
    /// It claims a sender whose key did not seal it.
    #[error("the letter is not from whom it says")]
    Forged,
    /// It opened, and is no letter.
    #[error(transparent)]
    Letter(#[from] LetterError),
}

/// A key that a peer published, to begin a ratchet with.
#[derive(Debug, Clone, Copy)]
pub struct ClaimedKey {
    /// The key.
    pub key: SignedKey,
    /// What it was published as.
    pub purpose: Purpose,
}

impl Ratchets {
    /// Reads what was stored.
    ///
    /// # Errors
    /// When it is something else.
    pub fn from_stored(bytes: &[u8]) -> Result<Self, StoredRatchetsError> {
        let Stored(pickles) = serde_json::from_slice(bytes).map_err(StoredRatchetsError)?;
        Ok(Self { sessions: pickles.into_iter().map(Session::from_pickle).collect() })
    }

    /// What is to be stored. It holds secrets.
    ///
    /// # Panics
    /// Never: keys serialise.
    #[must_use]
    pub fn to_stored(&self) -> Zeroizing<Vec<u8>> {
        let pickles = Stored(self.sessions.iter().map(Session::pickle).collect());
        Zeroizing::new(serde_json::to_vec(&pickles).expect("keys serialise"))
    }

    /// Whether there is one to write with.
    #[must_use]
    pub fn is_begun(&self) -> bool {
        !self.sessions.is_empty()
    }

    /// Begins a ratchet with a key that the peer published. The next letter is sealed with it.
    ///
    /// # Errors
    /// When the key is not the peer's, or gives no secret.
    pub fn begin(
        &mut self,
        identity: &Identity,
        peer: &IdentityKey,
        ratchet: RatchetKey,
        claimed: &ClaimedKey,
    ) -> Result<(), SealError> {
        if !claimed.key.is_of(peer, claimed.purpose) {
            return Err(SealError::ForeignKey);
        }
        let begun = identity.account().create_outbound_session(
            SessionConfig::version_1(),
            ratchet.to_curve(),
            claimed.key.key.to_curve(),
        );
        self.put_first(begun.map_err(|_| SealError::WeakKey)?);
        Ok(())
    }

    /// Seals a letter. Store the ratchets before it leaves: a key must not be used twice.
    ///
    /// # Errors
    /// When there is no ratchet.
    pub fn seal(&mut self, from: &Card, letter: &Letter) -> Result<Sealed, SealError> {
        let session = self.sessions.first_mut().ok_or(SealError::NoRatchet)?;
        let sealed = session.encrypt(letter.encode()).map_err(|_| SealError::WeakKey)?;
        let head = match sealed {
            OlmMessage::Normal(message) => Head::Known(message),
            OlmMessage::PreKey(message) => Head::First(Box::new(from.clone()), Box::new(message)),
        };
        Ok(Sealed { from: from.identity, head })
    }

    /// Opens a letter. Store the ratchets and the identity with what it says, before it is acknowledged.
    /// `sender` is the key that the contact was accepted with; for a stranger the one of its card.
    ///
    /// # Errors
    /// When it does not open; then nothing has changed.
    pub fn open(
        &mut self,
        identity: &mut Identity,
        sender: RatchetKey,
        sealed: &Sealed,
    ) -> Result<Letter, OpenError> {
        let bytes = match &sealed.head {
            Head::Known(message) => self.open_known(message)?,
            Head::First(card, message) => {
                let is_theirs = card.identity == sealed.from
                    && card.verify().is_ok()
                    && RatchetKey::of(message.identity_key()) == sender;
                if !is_theirs {
                    return Err(OpenError::Forged);
                }
                self.open_first(identity, message)?
            }
        };
        Ok(Letter::decode(&bytes)?)
    }

    fn open_known(&mut self, message: &vodozemac::olm::Message) -> Result<Vec<u8>, OpenError> {
        let message = OlmMessage::Normal(message.clone());
        let mut verdict = OpenError::Unreadable;
        for at in 0..self.sessions.len() {
            match self.sessions[at].decrypt(&message) {
                Ok(bytes) => {
                    self.sessions[..=at].rotate_right(1);
                    return Ok(bytes);
                }
                Err(DecryptionError::MissingMessageKey(_)) => verdict = OpenError::Repeated,
                // a ratchet that does not fit says so in one of several ways
                Err(_) => {}
            }
        }
        Err(verdict)
    }

    fn open_first(
        &mut self,
        identity: &mut Identity,
        message: &vodozemac::olm::PreKeyMessage,
    ) -> Result<Vec<u8>, OpenError> {
        let id = message.session_id();
        if let Some(at) = self.sessions.iter().position(|session| session.session_id() == id) {
            let opened = self.sessions[at].decrypt(&OlmMessage::PreKey(message.clone()));
            return match opened {
                Ok(bytes) => {
                    self.sessions[..=at].rotate_right(1);
                    Ok(bytes)
                }
                Err(DecryptionError::MissingMessageKey(_)) => Err(OpenError::Repeated),
                Err(_) => Err(OpenError::Unreadable),
            };
        }
        let begun = identity.account_mut().create_inbound_session(
            SessionConfig::version_1(),
            message.identity_key(),
            message,
        );
        match begun {
            Ok(begun) => {
                self.put_first(begun.session);
                Ok(begun.plaintext)
            }
            Err(
                SessionCreationError::MissingOneTimeKey(_)
                | SessionCreationError::MismatchedIdentityKey(..)
                | SessionCreationError::MismatchedSessionConfig { .. }
                | SessionCreationError::NonContributoryKey
                | SessionCreationError::Decryption(_),
            ) => Err(OpenError::Unreadable),
        }
    }

    fn put_first(&mut self, session: Session) {
        self.sessions.insert(0, session);
        self.sessions.truncate(MAX_RATCHETS);
    }
}

impl std::fmt::Debug for Ratchets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ratchets({}, [redacted])", self.sessions.len())
    }
}

#[cfg(test)]
mod tests;
