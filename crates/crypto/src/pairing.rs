//! Pairing: the line that a person carries from one daemon to another, the code in it, and the proof of a
//! key that is bound to a channel.
//!
//! ```text
//! dev.example.org:7717#sha256:…#7Q4K-M2XW-9TPB
//!  where                whose key  that somebody was asked
//! ```
//!
//! Whoever dials checks the pin inside the TLS handshake and sends the code after it, so the code reaches
//! only who has the pinned key. In the same request it proves its own Ed25519 key by a signature over
//! secret material of this very channel (the TLS exporter), and the other side answers with its own: a
//! signature that was seen on one channel is worthless on every other.

use alloc::string::String;
use core::{fmt, str::FromStr};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{
    pin::{ParsePinError, Pin},
    relay_key::{PublicKey, Purpose, RelayKey, Signature},
    text,
};

/// Letters of a code: 32 that are not taken for one another.
const LETTERS: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
/// Letters of a code: 60 bits, guessed at most five times.
pub const CODE_LETTERS: usize = 12;
/// Letters between two dashes.
const GROUP: usize = 4;
/// Scheme of the `Authorization` header.
pub const SCHEME: &str = "Quarterdeck-Key";
/// Header in which the other side proves its key.
pub const PROOF_HEADER: &str = "quarterdeck-proof";
/// Header that says why a key or code was refused: a [`crate::pairing::PairingRefusal`]'s word.
pub const REFUSAL_HEADER: &str = "quarterdeck-refusal";
/// Label of the TLS exporter (RFC 8446 §7.5).
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-quarterdeck-link-v1";

const CODE_DOMAIN: &[u8] = b"quarterdeck pairing code v1\0";
/// Characters of `host:port` in a line.
const MAX_ADDRESS_CHARS: usize = 262;

/// A one-use code. Whoever has it in time is paired.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct PairingCode([u8; CODE_LETTERS]);

/// A text that is no code; the text is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a pairing code has {CODE_LETTERS} letters and digits, without 0, 1, I and O")]
pub struct ParseCodeError;

impl PairingCode {
    /// A code of bytes that the caller drew at random; five bits of each count.
    #[must_use]
    pub fn from_random(bytes: [u8; CODE_LETTERS]) -> Self {
        Self(bytes.map(|byte| LETTERS[usize::from(byte & 31)]))
    }
    /// Reads a code; dashes, spaces and lower case are welcome.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, ParseCodeError> {
        let mut letters = [0; CODE_LETTERS];
        let mut given = text.bytes().filter(|byte| !matches!(byte, b'-' | b' '));
        for place in &mut letters {
            let letter = given.next().ok_or(ParseCodeError)?.to_ascii_uppercase();
            *place = Some(letter).filter(|it| LETTERS.contains(it)).ok_or(ParseCodeError)?;
        }
        if given.next().is_some() { Err(ParseCodeError) } else { Ok(Self(letters)) }
    }
    /// The text form, in groups of four.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(CODE_LETTERS + CODE_LETTERS / GROUP));
        for (i, letter) in self.0.iter().enumerate() {
            if i > 0 && i % GROUP == 0 {
                text.push('-');
            }
            text.push(char::from(*letter));
        }
        text
    }
    /// What is kept in its place.
    #[must_use]
    pub fn hash(&self) -> CodeHash {
        CodeHash(Sha256::new().chain_update(CODE_DOMAIN).chain_update(self.0).finalize().into())
    }
}

impl fmt::Debug for PairingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PairingCode([redacted])")
    }
}

/// The hash of a code; compared in constant time.
#[derive(Debug, Clone, Copy)]
pub struct CodeHash([u8; 32]);

impl PartialEq for CodeHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}
impl Eq for CodeHash {}

/// The line that pairs two daemons.
#[derive(Debug, Clone)]
pub struct PairingLine {
    /// `host:port` of the one that made it.
    pub address: String,
    /// Pin of its certificate.
    pub pin: Pin,
    /// The code.
    pub code: PairingCode,
}

/// A text that is no pairing line; the code in it is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseLineError {
    /// Not three parts.
    #[error("a pairing line is HOST:PORT#PIN#CODE, in one piece")]
    Form,
    /// The first part.
    #[error("a pairing line begins with HOST:PORT")]
    Address,
    /// The second.
    #[error("the pin of the pairing line: {0}")]
    Pin(ParsePinError),
    /// The third.
    #[error("the code of the pairing line: {0}")]
    Code(ParseCodeError),
}

impl PairingLine {
    /// The line, as it is shown once.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let pin = alloc::string::ToString::to_string(&self.pin);
        let code = self.code.to_text();
        let mut line = Zeroizing::new(String::new());
        for part in [self.address.as_str(), "#", &pin, "#", &code] {
            line.push_str(part);
        }
        line
    }
}

impl FromStr for PairingLine {
    type Err = ParseLineError;
    fn from_str(line: &str) -> Result<Self, ParseLineError> {
        let mut parts = line.trim().split('#');
        let (Some(address), Some(pin), Some(code), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(ParseLineError::Form);
        };
        let has_port = address.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0)
        });
        let plain = address.bytes().all(|byte| byte.is_ascii_graphic());
        if !has_port || !plain || address.len() > MAX_ADDRESS_CHARS {
            return Err(ParseLineError::Address);
        }
        Ok(Self {
            address: address.into(),
            pin: pin.parse().map_err(ParseLineError::Pin)?,
            code: PairingCode::parse(code).map_err(ParseLineError::Code)?,
        })
    }
}

/// Secret material of one channel, the same on both of its ends and on no other channel.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ChannelBinding([u8; 32]);

impl ChannelBinding {
    /// What the TLS exporter gave.
    #[must_use]
    pub const fn from_exporter(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
    /// For a channel that the system itself vouches for: a Unix socket of one user, or ssh. Who could
    /// repeat a proof there is that user already.
    #[must_use]
    pub const fn vouched_for() -> Self {
        Self([0; 32])
    }
}

impl fmt::Debug for ChannelBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChannelBinding([redacted])")
    }
}

/// A key and the proof that its owner is on the other end of this channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyProof {
    /// The key.
    pub key: PublicKey,
    signature: Signature,
}

/// A text that is no proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a proof of a key")]
pub struct ParseProofError;

impl KeyProof {
    /// Proves a key on a channel.
    #[must_use]
    pub fn make(key: &RelayKey, purpose: Purpose, binding: &ChannelBinding) -> Self {
        Self { key: key.public(), signature: key.sign(purpose, &binding.0) }
    }
    /// Whether it was made for this channel and purpose.
    #[must_use]
    pub fn holds(&self, purpose: Purpose, binding: &ChannelBinding) -> bool {
        self.key.verify(purpose, &binding.0, &self.signature)
    }
    fn of_texts(key: &str, signature: &str) -> Result<Self, ParseProofError> {
        let key = key.parse().map_err(|_| ParseProofError)?;
        let bytes = text::from_base64url(signature).ok_or(ParseProofError)?;
        Ok(Self { key, signature: Signature::from_bytes(bytes) })
    }
    /// The text form, for a header.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = alloc::string::ToString::to_string(&self.key);
        text.push('.');
        text.push_str(&text::to_base64url(self.signature.as_bytes()));
        text
    }
}

impl FromStr for KeyProof {
    type Err = ParseProofError;
    fn from_str(text: &str) -> Result<Self, ParseProofError> {
        let (key, signature) = text.split_once('.').ok_or(ParseProofError)?;
        Self::of_texts(key, signature)
    }
}

/// What a daemon shows when it dials another: its key, and on the first link the code.
#[derive(Debug, Clone)]
pub struct KeyCredential {
    /// The proof of its key.
    pub proof: KeyProof,
    /// The code of a pairing line.
    pub code: Option<PairingCode>,
}

impl KeyCredential {
    /// What stands behind [`SCHEME`] in the header.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(self.proof.to_text());
        if let Some(code) = &self.code {
            text.push('.');
            text.push_str(&code.to_text());
        }
        text
    }
}

impl FromStr for KeyCredential {
    type Err = ParseProofError;
    fn from_str(text: &str) -> Result<Self, ParseProofError> {
        let mut parts = text.trim().splitn(3, '.');
        let (Some(key), Some(signature)) = (parts.next(), parts.next()) else {
            return Err(ParseProofError);
        };
        let code = parts.next().map(PairingCode::parse).transpose();
        let code = code.map_err(|_| ParseProofError)?;
        let proof = KeyProof::of_texts(key, signature)?;
        Ok(Self { proof, code })
    }
}

/// Why a key or a code was not accepted. The words go over the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PairingRefusal {
    /// Nobody is paired with this key.
    #[error("this key is not paired, or was revoked")]
    Unknown,
    /// No invitation has this code.
    #[error("the pairing code is wrong")]
    WrongCode,
    /// Its time is over.
    #[error("the pairing code has expired")]
    ExpiredCode,
    /// It was used, or guessed at too often.
    #[error("the pairing code was used already, or too many wrong ones were tried")]
    UsedCode,
    /// The proof is not for this channel: somebody stands between.
    #[error("the proof of the key does not belong to this connection")]
    NotThisChannel,
}

impl PairingRefusal {
    const ALL: [Self; 5] =
        [Self::Unknown, Self::WrongCode, Self::ExpiredCode, Self::UsedCode, Self::NotThisChannel];
    /// The word in the header.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::WrongCode => "wrong_code",
            Self::ExpiredCode => "expired_code",
            Self::UsedCode => "used_code",
            Self::NotThisChannel => "not_this_channel",
        }
    }
    /// The refusal of a word; none for one of a newer version.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.word() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay_key::Seed;
    use proptest::prelude::*;
    use std::{format, string::ToString as _};

    fn key(byte: u8) -> RelayKey {
        RelayKey::from_seed(&Seed::from_bytes([byte; 32]))
    }
    fn code() -> PairingCode {
        PairingCode::from_random(core::array::from_fn(|i| u8::try_from(i * 21).unwrap_or(9)))
    }

    #[test]
    fn a_code_is_read_as_people_write_it() {
        let text = code().to_text();
        assert_eq!(text.len(), 14);
        let spoken = text.to_lowercase().replace('-', " ");
        assert!(PairingCode::parse(&spoken).is_ok_and(|it| it.hash() == code().hash()));
        for bad in ["", "2345-6789-ABC", "2345-6789-ABCDE", "2345-6789-ABC0", "2345-6789-ABCI"] {
            assert!(PairingCode::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(format!("{:?}", code()), "PairingCode([redacted])");
    }

    #[test]
    fn a_line_has_three_parts_and_its_errors_do_not_repeat_the_code() {
        let line = PairingLine {
            address: "dev.example.org:7717".into(),
            pin: Pin::from_bytes([7; 32]),
            code: code(),
        };
        let read: PairingLine = line.to_text().parse().expect("is a line");
        assert_eq!((read.address.as_str(), read.pin), ("dev.example.org:7717", line.pin));
        assert!(read.code.hash() == line.code.hash());
        let pin = line.pin.to_string();
        for bad in ["x", "a:1#b", "a#b#c", ":1#p#c", "a:0#p#c", "a b:1#p#c", "a:1#p#c#d"] {
            assert!(bad.parse::<PairingLine>().is_err(), "{bad}");
        }
        let mistyped = format!("a:1#{pin}#SECRETSECRE");
        let error = mistyped.parse::<PairingLine>().expect_err("one letter is missing");
        assert!(!error.to_string().contains("SECRET"), "{error}");
    }

    #[test]
    fn a_proof_is_worthless_on_another_channel_and_for_another_purpose() {
        let here = ChannelBinding::from_exporter([1; 32]);
        let proof = KeyProof::make(&key(1), Purpose::HubLink, &here);
        assert!(proof.holds(Purpose::HubLink, &here));
        assert!(!proof.holds(Purpose::RelayLink, &here), "a hub's proof is not a relay's");
        let elsewhere = ChannelBinding::from_exporter([2; 32]);
        assert!(!proof.holds(Purpose::HubLink, &elsewhere));
        let other = KeyProof { key: key(2).public(), ..proof };
        assert!(!other.holds(Purpose::HubLink, &here), "nor another key's");
    }

    #[test]
    fn a_credential_comes_back_from_its_header_with_and_without_a_code() {
        let binding = ChannelBinding::from_exporter([1; 32]);
        let proof = KeyProof::make(&key(1), Purpose::HubLink, &binding);
        for code in [None, Some(code())] {
            let credential = KeyCredential { proof, code };
            let read: KeyCredential = credential.to_text().parse().expect("is one");
            assert_eq!(read.proof, proof);
            let hash = |it: &KeyCredential| it.code.as_ref().map(PairingCode::hash);
            assert_eq!(hash(&read), hash(&credential));
        }
    }

    proptest! {
        #[test]
        fn no_header_makes_the_parser_panic(text in "\\PC{0,200}") {
            let _ = text.parse::<KeyCredential>();
            let _ = text.parse::<PairingLine>();
        }
    }
}
