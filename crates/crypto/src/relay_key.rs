//! The Ed25519 key that a relay or a hub *is*: its id follows from it, and it signs with a purpose.

use alloc::vec::Vec;
use core::{fmt, str::FromStr};

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{text, ticket::TicketKey};

const SIGNATURE_DOMAIN: &[u8] = b"quarterdeck signature v1\0";
const TICKET_KEY_DOMAIN: &[u8] = b"quarterdeck client ticket key v1\0";

/// The 32 secret bytes behind a key, as they are stored.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Seed([u8; 32]);

impl Seed {
    /// A seed of bytes that the caller drew at random or read from its file.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
    /// The bytes, to be stored.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed([redacted])")
    }
}

/// What a signature is for. A signature made for one purpose never verifies for another: a hub cannot
/// play a relay's proof back to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A relay proves its key on a link.
    RelayLink,
    /// A hub proves its key on a link.
    HubLink,
}

impl Purpose {
    /// Never reused, and without a NUL, which ends it.
    const fn tag(self) -> &'static [u8] {
        match self {
            Self::RelayLink => b"relay link",
            Self::HubLink => b"hub link",
        }
    }
    fn frame(self, message: &[u8]) -> Vec<u8> {
        [SIGNATURE_DOMAIN, self.tag(), b"\0", message].concat()
    }
}

/// A relay's (or hub's) secret key.
#[derive(Clone)]
pub struct RelayKey(SigningKey);

impl RelayKey {
    /// The key of a seed.
    #[must_use]
    pub fn from_seed(seed: &Seed) -> Self {
        Self(SigningKey::from_bytes(&seed.0))
    }
    /// Its seed, to be stored.
    #[must_use]
    pub fn to_seed(&self) -> Seed {
        Seed(self.0.to_bytes())
    }
    /// Its public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }
    /// Signs `message` for a purpose.
    #[must_use]
    pub fn sign(&self, purpose: Purpose, message: &[u8]) -> Signature {
        Signature(self.0.sign(&purpose.frame(message)).to_bytes())
    }
    /// The key that issues this relay's client tickets: it needs no file of its own.
    #[must_use]
    pub fn ticket_key(&self) -> TicketKey {
        let mac = Hmac::<Sha256>::new_from_slice(self.0.as_bytes());
        let mac = mac.expect("HMAC takes keys of any length").chain_update(TICKET_KEY_DOMAIN);
        TicketKey::from_bytes(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for RelayKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RelayKey({:?}, [redacted])", self.public())
    }
}

/// The public half of a [`RelayKey`]. Text and JSON: base64url.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

/// A text or bytes that are no Ed25519 public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a public key is 43 characters of base64url that name a point of the curve")]
pub struct ParsePublicKeyError;

impl PublicKey {
    /// Reads the 32 bytes of a public key.
    ///
    /// # Errors
    /// When they are no point of the curve, or one of the few weak ones for which anybody can sign.
    pub fn parse(bytes: &[u8; 32]) -> Result<Self, ParsePublicKeyError> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| ParsePublicKeyError)?;
        if key.is_weak() { Err(ParsePublicKeyError) } else { Ok(Self(key)) }
    }
    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
    /// The bytes of the relay's id: the first 16 of the SHA-256 of the public key.
    #[must_use]
    pub fn relay_id(&self) -> [u8; 16] {
        let hash: [u8; 32] = Sha256::digest(self.as_bytes()).into();
        core::array::from_fn(|i| hash[i])
    }
    /// Whether this key made `signature` over `message` for this purpose.
    #[must_use]
    pub fn verify(&self, purpose: Purpose, message: &[u8], signature: &Signature) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        self.0.verify_strict(&purpose.frame(message), &signature).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::to_base64url(self.as_bytes()))
    }
}
impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl FromStr for PublicKey {
    type Err = ParsePublicKeyError;
    fn from_str(text: &str) -> Result<Self, ParsePublicKeyError> {
        Self::parse(&text::from_base64url(text).ok_or(ParsePublicKeyError)?)
    }
}
impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = alloc::string::String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// An Ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

impl Signature {
    /// A signature of bytes from a peer; whether it is right is asked of the key.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }
    /// The 64 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::to_base64url(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;
    use std::format;

    fn known() -> RelayKey {
        let bytes = core::array::from_fn(|i| u8::try_from(i).expect("below 32"));
        RelayKey::from_seed(&Seed::from_bytes(bytes))
    }
    fn hex(bytes: &[u8]) -> alloc::string::String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    // all three computed with the OpenSSL behind Python's "cryptography"
    #[test]
    fn a_known_seed_has_its_key_id_and_signature() {
        let public = known().public();
        let key = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8";
        assert_eq!(hex(public.as_bytes()), key);
        assert_eq!(hex(&public.relay_id()), "56475aa75463474c0285df5dbf2bcab7");
        let signature = known().sign(Purpose::RelayLink, b"hello");
        let golden = concat!(
            "50371662c552f59519e01b8925edcddcb6016e14ad8dc2f7df28aea18054e027",
            "640b84223e7918dec954ad92193e6ec5bff7e5af6c5311d3a184531e173d680f"
        );
        assert_eq!(hex(signature.as_bytes()), golden);
        assert!(public.verify(Purpose::RelayLink, b"hello", &signature));
    }

    #[test]
    fn a_signature_for_one_purpose_is_worthless_for_another() {
        let signature = known().sign(Purpose::RelayLink, b"hello");
        assert!(!known().public().verify(Purpose::HubLink, b"hello", &signature));
        assert!(!known().public().verify(Purpose::RelayLink, b"hell", &signature));
    }

    #[test]
    fn a_weak_or_broken_public_key_is_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(PublicKey::parse(&identity), Err(ParsePublicKeyError));
        for text in ["", "AAAA", "!", &"A".repeat(44)] {
            assert!(text.parse::<PublicKey>().is_err(), "{text}");
        }
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let seed = hex(known().to_seed().as_bytes());
        let shown = format!("{:?} {:?}", known(), known().to_seed());
        assert!(shown.contains("[redacted]"));
        assert!(!shown.contains(&seed) && !shown.contains("0, 1, 2, 3"), "{shown}");
    }

    #[test]
    fn seed_and_public_key_round_trip() {
        let again = RelayKey::from_seed(&known().to_seed());
        assert_eq!(again.public(), known().public());
        let public = known().public();
        assert_eq!(public.to_string().parse(), Ok(public));
        let json = serde_json::to_string(&public).expect("serialises");
        assert_eq!(serde_json::from_str::<PublicKey>(&json).expect("reads"), public);
    }

    proptest! {
        // an unoptimised curve is slow
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn a_changed_message_or_signature_does_not_verify(
            message in proptest::collection::vec(any::<u8>(), 1..64),
            at in any::<proptest::sample::Index>(),
            bit in 0u8..8,
        ) {
            let signature = known().sign(Purpose::HubLink, &message);
            let public = known().public();
            prop_assert!(public.verify(Purpose::HubLink, &message, &signature));
            let mut other = message.clone();
            let place = at.index(other.len());
            other[place] ^= 1 << bit;
            prop_assert!(!public.verify(Purpose::HubLink, &other, &signature));
            let mut bytes = *signature.as_bytes();
            bytes[at.index(64)] ^= 1 << bit;
            prop_assert!(!public.verify(Purpose::HubLink, &message, &Signature::from_bytes(bytes)));
        }
    }
}
