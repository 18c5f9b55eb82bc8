//! Secrets on the disk, sealed with a key that is kept elsewhere.
//!
//! ```text
//! magic "qdk1" | nonce, 12 bytes | ChaCha20-Poly1305 of the secret, with its tag
//! ```
//!
//! What a secret is for is authenticated with it: one does not open in another's place.

use alloc::vec::Vec;

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

/// Bytes of the key.
pub const STORAGE_KEY_BYTES: usize = 32;
/// What sealed bytes begin with. No JSON does.
pub const SEALED_MAGIC: [u8; 4] = *b"qdk1";

/// The key that seals secrets on the disk.
pub struct StorageKey(LessSafeKey);

/// What was given is no storage key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a storage key has exactly {STORAGE_KEY_BYTES} bytes")]
pub struct BadStorageKey;

/// What was sealed does not open: another key sealed it, it is for something else, or it is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it was not sealed with this key, or is damaged")]
pub struct NotOpened;

impl StorageKey {
    /// Reads a key.
    ///
    /// # Errors
    /// When it has another length.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadStorageKey> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, bytes).map_err(|_| BadStorageKey)?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// Seals a secret. The nonce is random: it must not be used twice with one key.
    ///
    /// # Panics
    /// Never: a secret is shorter than the cipher's limit.
    #[must_use]
    pub fn seal(&self, nonce: [u8; NONCE_LEN], purpose: &[u8], secret: &[u8]) -> Vec<u8> {
        let mut bytes = Zeroizing::new(secret.to_vec());
        let unique = Nonce::assume_unique_for_key(nonce);
        self.0
            .seal_in_place_append_tag(unique, Aad::from(purpose), &mut *bytes)
            .expect("is shorter than the limit");
        [&SEALED_MAGIC, &nonce[..], bytes.as_slice()].concat()
    }

    /// Opens what [`StorageKey::seal`] made for this purpose.
    ///
    /// # Errors
    /// See [`NotOpened`].
    pub fn open(&self, purpose: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, NotOpened> {
        let rest = sealed.strip_prefix(&SEALED_MAGIC).ok_or(NotOpened)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>().ok_or(NotOpened)?;
        let mut bytes = Zeroizing::new(sealed.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self.0.open_in_place(nonce, Aad::from(purpose), &mut bytes);
        let length = opened.map_err(|_| NotOpened)?.len();
        bytes.truncate(length);
        Ok(bytes)
    }
}

impl core::fmt::Debug for StorageKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("StorageKey([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> StorageKey {
        StorageKey::from_bytes(&[byte; STORAGE_KEY_BYTES]).expect("a key")
    }

    #[test]
    fn what_is_sealed_opens_with_its_key_for_its_purpose_only() {
        let sealed = key(1).seal([7; 12], b"account", b"a secret");
        assert!(sealed.starts_with(&SEALED_MAGIC));
        assert!(!sealed.windows(6).any(|it| it == b"secret"));
        assert_eq!(key(1).open(b"account", &sealed).expect("opens").as_slice(), b"a secret");
        assert_eq!(key(2).open(b"account", &sealed), Err(NotOpened));
        assert_eq!(key(1).open(b"ratchets", &sealed), Err(NotOpened));
    }

    #[test]
    fn whatever_is_changed_or_cut_does_not_open() {
        let sealed = key(1).seal([7; 12], b"account", b"a secret");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(key(1).open(b"account", &changed), Err(NotOpened), "byte {at}");
            assert_eq!(key(1).open(b"account", &sealed[..at]), Err(NotOpened), "up to {at}");
        }
    }

    #[test]
    fn a_key_of_another_length_is_none_and_none_is_shown() {
        for length in [0, 31, 33, 64] {
            assert_eq!(StorageKey::from_bytes(&[1; 64][..length]).err(), Some(BadStorageKey));
        }
        assert!(!alloc::format!("{:?}", key(200)).contains("200"));
    }
}
