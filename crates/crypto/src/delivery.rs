//! The name under which a message is delivered: at most once, whatever its sender calls it.

use core::fmt;

use sha2::{Digest, Sha256};

use crate::text;

const DOMAIN: &[u8] = b"quarterdeck mail delivery v1\0";

/// A hash over a sender and the id that the sender gave to a message. The id is foreign: any length, any
/// characters, and two senders may choose the same. This is what storage and holders know it by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryKey([u8; 32]);

impl DeliveryKey {
    /// The key of a sender's message.
    #[must_use]
    pub fn new(sender: &[u8; 32], id: &str) -> Self {
        // the sender has a fixed length, so no two pairs have the same bytes
        let hash = Sha256::new().chain_update(DOMAIN).chain_update(sender).chain_update(id);
        Self(hash.finalize().into())
    }
    /// A key that was stored.
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

impl fmt::Display for DeliveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::write_hex(f, &self.0)
    }
}
impl fmt::Debug for DeliveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString as _;

    #[test]
    fn the_same_id_from_two_senders_is_two_messages() {
        let (a, b) = (DeliveryKey::new(&[1; 32], "m"), DeliveryKey::new(&[2; 32], "m"));
        assert_ne!(a, b);
        assert_eq!(a, DeliveryKey::new(&[1; 32], "m"));
    }

    #[test]
    fn a_key_has_one_length_whatever_the_id() {
        for id in ["", "../..", "a\0b\nc", &"x".repeat(400)] {
            let key = DeliveryKey::new(&[7; 32], id).to_string();
            assert_eq!(key.len(), 64);
            assert!(key.bytes().all(|b| b.is_ascii_hexdigit()), "{key}");
        }
    }
}
