//! The keys that an identity is known by.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use vodozemac::{Curve25519PublicKey, Ed25519PublicKey, Ed25519Signature};

/// What stands before everything that an identity signs, with the purpose behind it: a signature made for
/// one is worthless for another.
const SIGNATURE_DOMAIN: &[u8] = b"quarterdeck mail v1\0";

/// What a signature is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A card: where an identity lives.
    Card,
    /// A key for one new ratchet.
    OneTimeKey,
    /// A key for new ratchets when there are no others.
    FallbackKey,
    /// A request to a mailbox: publish, fetch, acknowledge.
    Mailbox,
}

impl Purpose {
    /// What is signed for a message of this purpose.
    #[must_use]
    pub fn frame(self, message: &[u8]) -> Vec<u8> {
        let tag: &[u8] = match self {
            Self::Card => b"card",
            Self::OneTimeKey => b"one-time key",
            Self::FallbackKey => b"fallback key",
            Self::Mailbox => b"mailbox",
        };
        [SIGNATURE_DOMAIN, tag, b"\0", message].concat()
    }
}

/// A text or bytes that are no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key is 43 characters of base64url")]
pub struct ParseKeyError;

/// Serde by way of `Display` and `FromStr`.
macro_rules! text_form {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&URL_SAFE_NO_PAD.encode(self.as_bytes()))
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
        impl FromStr for $name {
            type Err = ParseKeyError;
            fn from_str(text: &str) -> Result<Self, ParseKeyError> {
                Self::parse(&decode(text)?)
            }
        }
    };
}

/// Only the one canonical spelling.
fn decode<const N: usize>(text: &str) -> Result<[u8; N], ParseKeyError> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| ParseKeyError)?;
    bytes.try_into().map_err(|_| ParseKeyError)
}

/// The key that an identity is: others know it by this and nothing else. Text: 43 characters of base64url.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdentityKey([u8; 32]);

impl IdentityKey {
    /// Reads the 32 bytes of a key.
    ///
    /// # Errors
    /// When they are no point of the curve.
    pub fn parse(bytes: &[u8; 32]) -> Result<Self, ParseKeyError> {
        Ed25519PublicKey::from_slice(bytes).map_err(|_| ParseKeyError)?;
        // the few points for which anybody can sign are refused where a relay's key is read
        quarterdeck_crypto::PublicKey::parse(bytes).map_err(|_| ParseKeyError)?;
        Ok(Self(*bytes))
    }
    pub(crate) fn of(key: &Ed25519PublicKey) -> Self {
        Self(*key.as_bytes())
    }
    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
    /// Whether this identity signed a message for a purpose.
    #[must_use]
    pub fn verify(&self, purpose: Purpose, message: &[u8], signature: &SignatureBytes) -> bool {
        let Ok(key) = Ed25519PublicKey::from_slice(&self.0) else { return false };
        let Ok(signature) = Ed25519Signature::from_slice(&signature.0) else { return false };
        key.verify(&purpose.frame(message), &signature).is_ok()
    }
}
text_form!(IdentityKey);

/// The key that ratchets with an identity begin from. Which one belongs to an identity, its card says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RatchetKey([u8; 32]);

impl RatchetKey {
    /// Takes the 32 bytes of a key.
    ///
    /// # Errors
    /// Never so far; a key that gives no secret is found when it is used.
    pub const fn parse(bytes: &[u8; 32]) -> Result<Self, ParseKeyError> {
        Ok(Self(*bytes))
    }
    pub(crate) fn of(key: Curve25519PublicKey) -> Self {
        Self(key.to_bytes())
    }
    pub(crate) fn to_curve(self) -> Curve25519PublicKey {
        Curve25519PublicKey::from_bytes(self.0)
    }
    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}
text_form!(RatchetKey);

/// The 64 bytes of a signature. Text: base64url.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SignatureBytes([u8; 64]);

impl SignatureBytes {
    /// Takes the bytes of a signature; whether it holds, [`IdentityKey::verify`] says.
    ///
    /// # Errors
    /// Never: any 64 bytes may be one.
    pub const fn parse(bytes: &[u8; 64]) -> Result<Self, ParseKeyError> {
        Ok(Self(*bytes))
    }
    pub(crate) const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }
    pub(crate) fn of(signature: &Ed25519Signature) -> Self {
        Self(signature.to_bytes())
    }
    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}
text_form!(SignatureBytes);

/// A key for new ratchets, signed by the identity that published it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedKey {
    /// The key.
    pub key: RatchetKey,
    /// By its identity, for its purpose.
    pub signature: SignatureBytes,
}

impl SignedKey {
    /// Whether the identity published it for this purpose.
    #[must_use]
    pub fn is_of(&self, identity: &IdentityKey, purpose: Purpose) -> bool {
        identity.verify(purpose, self.key.as_bytes(), &self.signature)
    }
}
