//! Browsers that are known by a key: the public half of a P-256 pair whose private half cannot be taken
//! out of the browser, and what a browser signs to come in.
//!
//! A browser signs only texts that begin with [`CHALLENGE_PREFIX`], so that a signature made for a login
//! says nothing anywhere else.

use alloc::{string::String, vec::Vec};
use core::fmt;

use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

use crate::text;

/// What every text begins with that a browser signs to come in.
pub const CHALLENGE_PREFIX: &str = "quarterdeck web login v1 ";
/// Bytes of a public key: an uncompressed point.
pub const POINT_BYTES: usize = 65;
/// Bytes of a signature: r and s.
pub const SIGNATURE_BYTES: usize = 64;

/// DER of a `SubjectPublicKeyInfo` for a P-256 key (RFC 5480), up to the point: everything in it is fixed.
const SPKI_HEAD: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// First byte of an uncompressed point (SEC 1, 2.3.3).
const UNCOMPRESSED: u8 = 4;

/// A browser's public key. Whether the point lies on the curve is seen when a signature is checked: a
/// key that does not has no signature.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DeviceKey([u8; POINT_BYTES]);

/// Bytes that are no key of the kind that browsers make here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a device's key is P-256, as SPKI in base64url")]
pub struct ParseDeviceKeyError;

impl DeviceKey {
    /// Reads what the browser's `exportKey("spki")` gives, in base64url.
    ///
    /// # Errors
    /// When it is another kind of key, or none.
    pub fn from_spki(text: &str) -> Result<Self, ParseDeviceKeyError> {
        let bytes: [u8; SPKI_HEAD.len() + POINT_BYTES] =
            text::from_base64url(text).ok_or(ParseDeviceKeyError)?;
        let point = bytes.strip_prefix(&SPKI_HEAD).ok_or(ParseDeviceKeyError)?;
        Self::from_point(point)
    }
    /// The key of a point, as [`Self::as_point`] gave it.
    ///
    /// # Errors
    /// When it is not an uncompressed point.
    pub fn from_point(point: &[u8]) -> Result<Self, ParseDeviceKeyError> {
        let point: [u8; POINT_BYTES] = point.try_into().map_err(|_| ParseDeviceKeyError)?;
        if point[0] == UNCOMPRESSED { Ok(Self(point)) } else { Err(ParseDeviceKeyError) }
    }
    /// The point, to be kept.
    #[must_use]
    pub const fn as_point(&self) -> &[u8; POINT_BYTES] {
        &self.0
    }
    /// Whether `signature` (r and s, in base64url) is this key's over `text`: ECDSA with SHA-256.
    #[must_use]
    pub fn signed(&self, text: &str, signature: &str) -> bool {
        let Some(signature) = text::from_base64url::<SIGNATURE_BYTES>(signature) else {
            return false;
        };
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.0);
        key.verify(text.as_bytes(), &signature).is_ok()
    }
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceKey({}…)", text::to_base64url(&self.0[1..7]))
    }
}

/// The SPKI of a point, in base64url: what a browser sends.
#[must_use]
pub fn spki_of(point: &[u8; POINT_BYTES]) -> String {
    let whole: Vec<u8> = [SPKI_HEAD.as_slice(), point].concat();
    text::to_base64url(&whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    // made with Node's WebCrypto: generateKey, exportKey("spki"), sign
    const SPKI: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEpjmmwJHzARaJNUajLIYZI8HY2F9yY0-9I-oKXemFM2XJgxMa8ubYSyfdIvQ1-S2svqdamsbI2DI6R6fKfC3MUA";
    const TEXT: &str = "quarterdeck web login v1 example";
    const SIGNATURE: &str =
        "ZZL9kFKf4S4I_jRYxZcLi--fCebRtnLqktFrssmZmbhkOm28scvtFqqgB-cHwPECrVizrEPQvtsNcYfkQbnF3Q";

    #[test]
    fn what_a_browser_signed_is_recognised_and_nothing_else_is() {
        let key = DeviceKey::from_spki(SPKI).expect("is a key");
        assert!(key.signed(TEXT, SIGNATURE));
        assert!(!key.signed("quarterdeck web login v1 exampla", SIGNATURE));
        let mut point = *key.as_point();
        point[64] ^= 1;
        let off_the_curve = DeviceKey::from_point(&point).expect("has the form");
        assert!(!off_the_curve.signed(TEXT, SIGNATURE));
        for broken in ["", "AA", &SIGNATURE[1..], &format!("{SIGNATURE}="), &"A".repeat(86)] {
            assert!(!key.signed(TEXT, broken), "{broken}");
        }
    }

    #[test]
    fn a_key_has_one_spelling() {
        let key = DeviceKey::from_spki(SPKI).expect("is a key");
        assert_eq!(spki_of(key.as_point()), SPKI);
        assert_eq!(DeviceKey::from_point(key.as_point()), Ok(key));
    }

    #[test]
    fn another_kind_of_key_is_refused() {
        let mut compressed = String::from(SPKI);
        // the first byte of the point follows the 26 of the head
        compressed.replace_range(34..36, "AD");
        for broken in [
            "",
            "MFkw",
            &SPKI[..120],
            &format!("{SPKI}AA"),
            &SPKI.replacen('M', "N", 1),
            &compressed,
        ] {
            assert_eq!(DeviceKey::from_spki(broken), Err(ParseDeviceKeyError), "{broken}");
        }
        assert_eq!(DeviceKey::from_point(&[4; 64]), Err(ParseDeviceKeyError));
        assert_eq!(DeviceKey::from_point(&[2; 65]), Err(ParseDeviceKeyError));
    }
}
