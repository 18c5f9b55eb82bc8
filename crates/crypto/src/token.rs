//! Bearer tokens: 256 random bits for scripts. Only the hash of one is ever stored.

use alloc::string::{String, ToString};
use core::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::text;

/// What every token begins with, so that a leaked one is recognised by scanners and by people.
pub const TOKEN_PREFIX: &str = "qdt_";

const HASH_DOMAIN: &[u8] = b"quarterdeck token hash v1\0";

/// A text that is no token. The text is not repeated: it may be a token with a typing error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseTokenError {
    /// It does not begin as a token does.
    #[error("a token begins with \"{TOKEN_PREFIX}\"")]
    Prefix,
    /// What follows the prefix are not 32 bytes.
    #[error("a token has 43 characters of A-Z a-z 0-9 - _ after \"{TOKEN_PREFIX}\"")]
    Body,
}

/// A bearer token. Whoever knows it has its scopes.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Token([u8; 32]);

impl Token {
    /// Makes a token of bytes that the caller drew at random.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads a token. White space around it is ignored: tokens come from files that end in a newline.
    ///
    /// # Errors
    /// When it is none; the error does not repeat the text.
    pub fn parse(text: &str) -> Result<Self, ParseTokenError> {
        let body = text.trim_ascii().strip_prefix(TOKEN_PREFIX).ok_or(ParseTokenError::Prefix)?;
        text::from_base64url(body).map(Self).ok_or(ParseTokenError::Body)
    }

    /// The text form: shown once to its maker and sent in `Authorization` headers. Wiped on drop.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let body = Zeroizing::new(text::to_base64url(&self.0));
        let mut whole = Zeroizing::new(String::with_capacity(TOKEN_PREFIX.len() + body.len()));
        whole.push_str(TOKEN_PREFIX);
        whole.push_str(&body);
        whole
    }

    /// What is stored in its place. One fast hash is enough: 256 random bits cannot be guessed.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::new().chain_update(HASH_DOMAIN).chain_update(self.0).finalize().into())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token([redacted])")
    }
}

/// The hash of a token. Not a secret, but compared in constant time all the same. Text and JSON: hex.
#[derive(Clone, Copy)]
pub struct TokenHash([u8; 32]);

impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}
impl Eq for TokenHash {}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::write_hex(f, &self.0)
    }
}
impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no token hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a token hash is 64 hex digits")]
pub struct ParseTokenHashError;

impl FromStr for TokenHash {
    type Err = ParseTokenHashError;
    fn from_str(text: &str) -> Result<Self, ParseTokenHashError> {
        text::from_hex(text).map(Self).ok_or(ParseTokenHashError)
    }
}
impl Serialize for TokenHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_string())
    }
}
impl<'de> Deserialize<'de> for TokenHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::format;

    // computed with Python's hashlib and base64
    const TEXT: &str = "qdt_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    const HASH: &str = "fab5f5b5af27e8f3777acd7046448aacc36d537ac368d6540288e6a43850e2b6";

    fn known() -> Token {
        Token::from_bytes(core::array::from_fn(|i| u8::try_from(i).expect("below 32")))
    }

    #[test]
    fn a_known_token_has_its_text_and_its_hash() {
        assert_eq!(known().to_text().as_str(), TEXT);
        assert_eq!(known().hash().to_string(), HASH);
        let parsed = Token::parse(&format!("  {TEXT}\r\n")).expect("parses");
        assert_eq!(parsed.hash(), known().hash());
    }

    #[test]
    fn a_text_that_is_no_token_is_refused_and_not_repeated() {
        let other_bits = "qdt_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9";
        let padded = format!("{TEXT}=");
        for (text, error) in [
            ("", ParseTokenError::Prefix),
            ("qdx_AAEC", ParseTokenError::Prefix),
            ("qdt_", ParseTokenError::Body),
            ("qdt_AAEC", ParseTokenError::Body),
            (other_bits, ParseTokenError::Body),
            (&padded, ParseTokenError::Body),
        ] {
            assert_eq!(Token::parse(text).map(|_| ()), Err(error), "{text}");
            assert!(text.len() < 8 || !format!("{error} {error:?}").contains(text));
        }
    }

    #[test]
    fn debug_output_does_not_show_the_token() {
        let shown = format!("{:?} {:#?}", known(), known());
        assert_eq!(shown, "Token([redacted]) Token([redacted])");
    }

    #[test]
    fn the_hash_is_hex_in_json_and_a_broken_one_is_refused() {
        let json = serde_json::to_string(&known().hash()).expect("serialises");
        assert_eq!(json, format!("\"{HASH}\""));
        let read: TokenHash = serde_json::from_str(&json).expect("reads");
        assert_eq!(read, known().hash());
        for broken in ["\"\"", "\"00\"", "7", &json[..40]] {
            assert!(serde_json::from_str::<TokenHash>(broken).is_err(), "{broken}");
        }
    }

    proptest! {
        #[test]
        fn every_token_round_trips_and_hashes_apart(a: [u8; 32], b: [u8; 32]) {
            let token = Token::from_bytes(a);
            let again = Token::parse(&token.to_text()).expect("parses");
            prop_assert_eq!(again.hash(), token.hash());
            prop_assert_eq!(token.hash() == Token::from_bytes(b).hash(), a == b);
        }

        #[test]
        fn what_parses_has_one_spelling(text in "qdt_[A-Za-z0-9_=+/-]{42,44}") {
            if let Ok(token) = Token::parse(&text) {
                prop_assert!(token.to_text().as_str() == text);
            }
        }
    }
}
