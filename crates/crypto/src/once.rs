//! Secrets that are good once: the code of a login link, a challenge, a ticket for one WebSocket.
//!
//! 192 random bits each, so that guessing needs no bound of its own. What a server keeps is the hash,
//! and a secret made for one purpose hashes to nothing known for another.

use alloc::string::String;
use core::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::text;

/// Bytes of such a secret.
pub const ONCE_BYTES: usize = 24;
const DOMAIN: &[u8] = b"quarterdeck once v1\0";

/// What a secret is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OncePurpose {
    /// The code of a login link.
    LoginCode,
    /// The random part of a challenge.
    Challenge,
    /// A ticket for one WebSocket.
    WebTicket,
}

impl OncePurpose {
    const fn tag(self) -> u8 {
        match self {
            Self::LoginCode => 1,
            Self::Challenge => 2,
            Self::WebTicket => 3,
        }
    }
}

/// A secret that is good once.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct OnceSecret([u8; ONCE_BYTES]);

impl OnceSecret {
    /// A secret of bytes that the caller drew at random.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; ONCE_BYTES]) -> Self {
        Self(bytes)
    }
    /// Reads the text form; none when it is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text::from_base64url(text).map(Self)
    }
    /// The text form: 32 characters of base64url.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(text::to_base64url(&self.0))
    }
    /// What is kept in its place.
    #[must_use]
    pub fn hash(&self, purpose: OncePurpose) -> OnceHash {
        let hash = Sha256::new().chain_update(DOMAIN).chain_update([purpose.tag()]);
        OnceHash(hash.chain_update(self.0).finalize().into())
    }
}

impl fmt::Debug for OnceSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnceSecret([redacted])")
    }
}

/// The hash of such a secret; compared in constant time.
#[derive(Debug, Clone, Copy)]
pub struct OnceHash([u8; 32]);

impl PartialEq for OnceHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}
impl Eq for OnceHash {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn a_secret_of_one_purpose_is_worthless_for_another() {
        let secret = OnceSecret::from_bytes([7; ONCE_BYTES]);
        let again = OnceSecret::parse(&secret.to_text()).expect("parses");
        assert!(again.hash(OncePurpose::LoginCode) == secret.hash(OncePurpose::LoginCode));
        assert!(secret.hash(OncePurpose::LoginCode) != secret.hash(OncePurpose::WebTicket));
        assert!(secret.hash(OncePurpose::Challenge) != secret.hash(OncePurpose::WebTicket));
        let other = OnceSecret::from_bytes([8; ONCE_BYTES]);
        assert!(other.hash(OncePurpose::LoginCode) != secret.hash(OncePurpose::LoginCode));
    }

    #[test]
    fn debug_output_does_not_show_a_once_secret_and_broken_ones_do_not_parse() {
        let secret = OnceSecret::from_bytes([7; ONCE_BYTES]);
        assert_eq!(format!("{secret:?}"), "OnceSecret([redacted])");
        for broken in ["", "abc", "A A", &format!("{}=", secret.to_text().as_str())] {
            assert!(OnceSecret::parse(broken).is_none(), "{broken}");
        }
    }
}
