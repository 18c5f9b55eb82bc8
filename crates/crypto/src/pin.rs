//! Pins: the SHA-256 of a certificate's public key (its DER `SubjectPublicKeyInfo`).
//!
//! A pin names a key, not a certificate: a renewed certificate over the same key keeps it. It takes the
//! place of a certificate authority between machines that know each other.

use alloc::{string::String, vec::Vec};
use core::{fmt, str::FromStr};

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::text;

/// What the text form begins with.
const PREFIX: &str = "sha256:";
/// Pins of one peer: its key, the next one, and room for a fleet behind one name.
pub const MAX_PINS: usize = 16;

/// A text that is no pin, with what it seems to be instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParsePinError {
    /// It names another hash.
    #[error("a pin is a SHA-256: it begins with \"{PREFIX}\"")]
    OtherHash,
    /// It has the length of a SHA-1.
    #[error(
        "this is a SHA-1 fingerprint; a pin is the SHA-256 of the public key, \"{PREFIX}\" and 43 characters"
    )]
    Sha1,
    /// It is PEM.
    #[error("this is a certificate or key, not its pin; a pin is \"{PREFIX}\" and 43 characters")]
    Pem,
    /// It is neither base64 nor hex of 32 bytes.
    #[error("a pin is \"{PREFIX}\" and 43 characters of base64url, or 64 hex digits")]
    Form,
    /// A list of pins is too long.
    #[error("at most {MAX_PINS} pins")]
    TooMany,
}

/// The SHA-256 of a public key. Canonical text: `sha256:` and base64url without padding.
#[derive(Clone, Copy)]
pub struct Pin([u8; 32]);

impl Pin {
    /// The pin of a DER `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn of_spki(der: &[u8]) -> Self {
        Self(Sha256::digest(der).into())
    }
    /// A pin of a hash computed elsewhere.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
    /// The hash.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
    fn same(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl PartialEq for Pin {
    fn eq(&self, other: &Self) -> bool {
        self.same(other).into()
    }
}
impl Eq for Pin {}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", text::to_base64url(&self.0))
    }
}
impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Pin {
    type Err = ParsePinError;

    /// Takes the canonical form and what other tools print: `sha256//` (curl), standard base64 with
    /// padding (openssl), and hex in either case with or without colons.
    fn from_str(text: &str) -> Result<Self, ParsePinError> {
        let text = text.trim_ascii();
        if text.starts_with("-----BEGIN") {
            return Err(ParsePinError::Pem);
        }
        let body = strip_prefix(text)?;
        let colons = body.bytes().filter(|byte| *byte == b':').count();
        let hex: String = body.chars().filter(|c| *c != ':').collect();
        let is_hex = !hex.is_empty() && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_hex && hex.len() == 40 {
            return Err(ParsePinError::Sha1);
        }
        if is_hex && hex.len() == 64 && (colons == 0 || colons == 31) {
            return text::from_hex(&hex).map(Self).ok_or(ParsePinError::Form);
        }
        from_any_base64(body).map(Self).ok_or(ParsePinError::Form)
    }
}

/// Without a prefix the text is taken as SHA-256; with another hash's name it is refused.
fn strip_prefix(text: &str) -> Result<&str, ParsePinError> {
    for prefix in [PREFIX, "sha256//", "SHA256:", "sha256="] {
        if let Some(body) = text.strip_prefix(prefix) {
            return Ok(body);
        }
    }
    let names_a_hash = ["sha1", "sha512", "sha384", "md5", "SHA1", "SHA512", "MD5"]
        .into_iter()
        .any(|name| text.strip_prefix(name).is_some_and(|rest| rest.starts_with([':', '/', '='])));
    if names_a_hash { Err(ParsePinError::OtherHash) } else { Ok(text) }
}

/// Either alphabet, with or without padding.
fn from_any_base64(body: &str) -> Option<[u8; 32]> {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    [&alphabet::URL_SAFE, &alphabet::STANDARD].into_iter().find_map(|alphabet| {
        let bytes = GeneralPurpose::new(alphabet, config).decode(body).ok()?;
        bytes.try_into().ok()
    })
}

impl Serialize for Pin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Pin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The pins by which one peer is known: any of them will do. Empty: the peer is not pinned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PinSet(Vec<Pin>);

impl PinSet {
    /// The set of these pins.
    ///
    /// # Errors
    /// When there are more than [`MAX_PINS`].
    pub fn new(pins: impl IntoIterator<Item = Pin>) -> Result<Self, ParsePinError> {
        let mut set = Self::default();
        for pin in pins {
            if set.contains(&pin) {
                continue;
            }
            if set.0.len() == MAX_PINS {
                return Err(ParsePinError::TooMany);
            }
            set.0.push(pin);
        }
        Ok(set)
    }
    /// Whether `pin` is one of them; takes the same time whichever it is.
    #[must_use]
    pub fn contains(&self, pin: &Pin) -> bool {
        self.0.iter().fold(Choice::from(0), |found, known| found | known.same(pin)).into()
    }
    /// Whether the peer is not pinned.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// The pins, in the order in which they were given.
    pub fn iter(&self) -> impl Iterator<Item = &Pin> {
        self.0.iter()
    }
}

impl From<Pin> for PinSet {
    fn from(pin: Pin) -> Self {
        Self([pin].into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;
    use std::format;

    // SHA-256 of the four bytes "spki", computed with Python's hashlib
    const CANONICAL: &str = "sha256:b-7MjBbFVR2f6z61934tp3O_aL2e-cUpJ86yyG5WiSs";
    const HEX: &str = "6feecc8c16c5551d9feb3eb5f77e2da773bf68bd9ef9c52927ceb2c86e56892b";

    fn parse(text: &str) -> Result<Pin, ParsePinError> {
        text.parse()
    }

    #[test]
    fn a_known_key_has_its_pin() {
        assert_eq!(Pin::of_spki(b"spki").to_string(), CANONICAL);
        assert_eq!(format!("{:?}", Pin::of_spki(b"spki")), CANONICAL);
    }

    #[test]
    fn what_other_tools_print_is_understood() {
        let colons: Vec<_> =
            HEX.as_bytes().chunks(2).map(|c| core::str::from_utf8(c).expect("ascii")).collect();
        for text in [
            CANONICAL,
            "b-7MjBbFVR2f6z61934tp3O_aL2e-cUpJ86yyG5WiSs",
            "sha256:b-7MjBbFVR2f6z61934tp3O_aL2e-cUpJ86yyG5WiSs=",
            "sha256//b+7MjBbFVR2f6z61934tp3O/aL2e+cUpJ86yyG5WiSs=",
            " b+7MjBbFVR2f6z61934tp3O/aL2e+cUpJ86yyG5WiSs\n",
            HEX,
            &HEX.to_uppercase(),
            &format!("sha256:{HEX}"),
            &colons.join(":"),
        ] {
            assert_eq!(parse(text), Ok(Pin::of_spki(b"spki")), "{text}");
        }
    }

    #[test]
    fn what_is_no_pin_is_refused_with_what_it_seems_to_be() {
        let sha1 = "AA:".repeat(20);
        for (text, error) in [
            ("", ParsePinError::Form),
            ("sha256:", ParsePinError::Form),
            ("sha256:AAAA", ParsePinError::Form),
            ("sha256:b-7MjBbFVR2f6z61934tp3O_aL2e-cUpJ86yyG5WiSt", ParsePinError::Form),
            ("sha512:AAAA", ParsePinError::OtherHash),
            ("sha1//AAAA", ParsePinError::OtherHash),
            (sha1.trim_end_matches(':'), ParsePinError::Sha1),
            ("-----BEGIN CERTIFICATE-----", ParsePinError::Pem),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_set_knows_its_pins_and_has_a_bound() {
        let pins: Vec<_> = (0..=16u8).map(|n| Pin::of_spki(&[n])).collect();
        let set = PinSet::new(pins[..16].iter().copied()).expect("fits");
        assert!(set.contains(&pins[0]) && set.contains(&pins[15]) && !set.contains(&pins[16]));
        assert_eq!(PinSet::new(pins.iter().copied()), Err(ParsePinError::TooMany));
        let twice = PinSet::new(pins[..16].iter().chain(&pins[..16]).copied());
        assert_eq!(twice, Ok(set));
        assert!(PinSet::default().is_empty() && !PinSet::default().contains(&pins[0]));
    }

    proptest! {
        #[test]
        fn every_pin_round_trips_in_text_and_json(bytes: [u8; 32]) {
            let pin = Pin::from_bytes(bytes);
            prop_assert_eq!(parse(&pin.to_string()), Ok(pin));
            let json = serde_json::to_string(&pin).expect("serialises");
            prop_assert_eq!(serde_json::from_str::<Pin>(&json).expect("reads"), pin);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,80}") {
            let _ = parse(&text);
        }
    }
}
