//! Identifiers and counters. Every id is a newtype that can only be made by [`FromStr`] or from
//! random bytes that the caller supplies; every counter says what it counts.

use alloc::{borrow::ToOwned, format, string::String};
use core::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::limits::{MAX_LABEL_CHARS, MAX_PRINCIPAL_CHARS};

/// Why a text is not the id or name it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseIdError {
    /// The text does not have the form `<prefix><hex digits>`.
    #[error("{what} must be \"{prefix}\" and {digits} hex digits")]
    Form {
        /// Which kind of id was expected.
        what: &'static str,
        /// The prefix of that kind.
        prefix: &'static str,
        /// How many hex digits follow the prefix.
        digits: usize,
    },
    /// A label has a character or a length that is not allowed.
    #[error("a label has 1 to {MAX_LABEL_CHARS} characters of A-Z a-z 0-9 _ : -")]
    Label,
    /// A label would be taken for an id.
    #[error("a label must not look like a session id")]
    LabelLooksLikeId,
    /// A word that commands already give a meaning.
    #[error("\"{0}\" is reserved and cannot be a label")]
    LabelReserved(String),
    /// A machine's label has a character or a length that is not allowed, or looks like an id.
    #[error(
        "a machine's label has 1 to {MAX_LABEL_CHARS} characters of A-Z a-z 0-9 . _ : -, first a letter or digit, and does not begin with m_"
    )]
    MachineLabel,
    /// A principal is not `issuer/name`.
    #[error("a principal is issuer/name, printable, at most {MAX_PRINCIPAL_CHARS} characters")]
    Principal,
}

/// Serde by way of `Display` and `FromStr`, plus a string JSON Schema: the form every id has in JSON.
macro_rules! text_form {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> alloc::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string" })
            }
        }
    };
}

macro_rules! byte_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $prefix:literal, $bytes:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// What every text form begins with.
            pub const PREFIX: &'static str = $prefix;
            /// Length in bytes.
            pub const LEN: usize = $bytes;
            /// Makes an id from bytes that the caller drew at random or computed.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; $bytes]) -> Self {
                Self(bytes)
            }
            /// The bytes behind the text form.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
        impl FromStr for $name {
            type Err = ParseIdError;
            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let form = ParseIdError::Form { what: $what, prefix: $prefix, digits: 2 * $bytes };
                let hex = text.strip_prefix($prefix).ok_or_else(|| form.clone())?;
                parse_hex(hex).map(Self).ok_or(form)
            }
        }
        text_form!($name);
    };
}

byte_id!(
    /// One session on its relay, for ever. Text: `s_` and 20 lower-case hex digits.
    SessionId, "a session id", "s_", 10
);
byte_id!(
    /// One client, issued by the relay at its first `hello`. Text: `c_` and 32 hex digits.
    ClientId, "a client id", "c_", 16
);
byte_id!(
    /// A relay: the first 16 bytes of the SHA-256 of its public key. Text: `r_` and 32 hex digits.
    RelayId, "a relay id", "r_", 16
);
byte_id!(
    /// A hub: the first 16 bytes of the SHA-256 of its public key. Text: `h_` and 32 hex digits.
    HubId, "a hub id", "h_", 16
);
byte_id!(
    /// A machine of a hub, drawn when it is added. Text: `m_` and 16 hex digits.
    MachineId, "a machine id", "m_", 8
);
byte_id!(
    /// One log; drawn when the log is created and never changed. Text: `l_` and 16 hex digits.
    LogId, "a log id", "l_", 8
);

/// Lower-case hex only, so that one id has one spelling.
fn parse_hex<const N: usize>(hex: &str) -> Option<[u8; N]> {
    let digits = hex.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let nibble = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(bytes)
}

macro_rules! counter {
    ($(#[$doc:meta])* $name:ident, $int:ty) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(transparent)]
        pub struct $name(pub $int);

        impl $name {
            /// The one after this one.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

counter!(
    /// Number of a record in its log; the first is 0, each next one is greater by one.
    Seq, u64
);
counter!(
    /// Bytes of terminal output before a point of a log.
    Out, u64
);
counter!(
    /// Number of a lease; raised at every change of owner. 0 = nobody ever owned the session.
    Epoch, u64
);
counter!(
    /// Number of a relay's life on its instance directory; raised and synced under the instance lock.
    Generation, u64
);
counter!(
    /// How often a session's program was started; 1 is the first.
    Incarnation, u32
);
counter!(
    /// State number of a relay's view of its sessions; a jump asks for a new `sync`.
    Rev, u64
);
counter!(
    /// One attachment on one connection; allocated by the attach answer.
    Channel, u32
);
counter!(
    /// Number of an input of one client on one session; 1 is the first, each next one is greater.
    InputNumber, u64
);

/// Words that commands already give a meaning, so no session can be called so.
const RESERVED_LABELS: [&str; 6] = ["all", "last", "none", "primary", "self", "broadcast"];

/// `^[A-Za-z0-9_:-]{1,32}$` over the whole text: what every label fits, also one that a peer claims.
#[must_use]
pub fn fits_label_rule(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b':' | b'-');
    (1..=MAX_LABEL_CHARS).contains(&text.len()) && text.bytes().all(allowed)
}

/// A short routable name of a session, unique on its relay while the session lives: `claude:1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(String);

impl Label {
    /// The label as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Label {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        if !fits_label_rule(text) {
            return Err(ParseIdError::Label);
        }
        let hex_after_prefix = |rest: &str| rest.chars().all(|c| c.is_ascii_hexdigit());
        if text.strip_prefix(SessionId::PREFIX).is_some_and(hex_after_prefix) {
            return Err(ParseIdError::LabelLooksLikeId);
        }
        if RESERVED_LABELS.contains(&text.to_ascii_lowercase().as_str()) {
            return Err(ParseIdError::LabelReserved(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
text_form!(Label);

impl HubId {
    /// A client id that this hub may issue: it begins with half of the hub's own id, so that no hub can
    /// name a client of a relay or of another hub.
    #[must_use]
    pub fn client(&self, random: [u8; 8]) -> ClientId {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.0[..8]);
        bytes[8..].copy_from_slice(&random);
        ClientId(bytes)
    }
    /// Whether this hub may have issued `client`.
    #[must_use]
    pub fn issued(&self, client: &ClientId) -> bool {
        client.0[..8] == self.0[..8]
    }
}

/// A short name of a machine, unique in its hub: `dev`, `build-1`, `host:work`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MachineLabel(String);

impl MachineLabel {
    /// The label as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// The nearest label to a text of other origin, a host name for example.
    #[must_use]
    pub fn near(text: &str) -> Self {
        let fitting = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':');
        let kept: String = text.chars().filter(|c| fitting(*c)).take(MAX_LABEL_CHARS).collect();
        kept.parse().unwrap_or_else(|_| Self("machine".to_owned()))
    }
}

impl FromStr for MachineLabel {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':');
        let fits = !text.is_empty() && text.len() <= MAX_LABEL_CHARS && text.chars().all(allowed);
        let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        if !fits || !begins || text.starts_with(MachineId::PREFIX) {
            return Err(ParseIdError::MachineLabel);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for MachineLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
text_form!(MachineLabel);

/// The person or script behind clients: `issuer/name`. The issuer is the relay or hub that
/// authenticated it, so two issuers can never name one principal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Principal(String);

impl Principal {
    /// Joins an issuer's id and a name that the issuer vouches for.
    ///
    /// # Errors
    /// When the result would not be a principal.
    pub fn new(issuer: &str, name: &str) -> Result<Self, ParseIdError> {
        format!("{issuer}/{name}").parse()
    }
    /// The relay or hub that authenticated it.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.0.split_once('/').map_or("", |(issuer, _)| issuer)
    }
    /// The name within the issuer.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, name)| name)
    }
}

impl FromStr for Principal {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let fits = text.chars().count() <= MAX_PRINCIPAL_CHARS;
        let printable = text.chars().all(|c| c.is_ascii_graphic() || (c.is_alphanumeric()));
        match text.split_once('/') {
            Some((issuer, name)) if fits && printable && !issuer.is_empty() && !name.is_empty() => {
                Ok(Self(text.to_owned()))
            }
            Some(_) | None => Err(ParseIdError::Principal),
        }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
text_form!(Principal);

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn an_id_has_one_spelling() {
        let id = SessionId::from_bytes([0xab, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(id.to_string(), "s_ab010203040506070809");
        assert_eq!(id.to_string().parse(), Ok(id));
        for wrong in
            ["", "s_", "s_AB010203040506070809", "c_ab010203040506070809", "s_ab0102030405060708"]
        {
            assert!(wrong.parse::<SessionId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_label_is_short_plain_and_not_an_id_or_a_reserved_word() {
        for good in ["claude:1", "a", "build_2-x", "s_notes"] {
            assert_eq!(good.parse::<Label>().map(|l| l.to_string()).as_deref(), Ok(good));
        }
        for bad in ["", "a b", "..", "a/b", "\u{e9}", "x\n", "s_ab01", "All", &"x".repeat(33)] {
            assert!(bad.parse::<Label>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_principal_keeps_issuer_and_name_apart() {
        let p = Principal::new("r_00", "ada").expect("valid");
        assert_eq!((p.issuer(), p.name()), ("r_00", "ada"));
        for bad in ["", "/", "a/", "/b", "ab", "a/b c", "a/\u{202e}x"] {
            assert!(bad.parse::<Principal>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_machines_label_is_plain_and_host_names_come_near_one() {
        for good in ["dev", "dev.example.org", "host:work", "1"] {
            assert!(good.parse::<MachineLabel>().is_ok(), "{good}");
        }
        for bad in ["", "a/b", "-x", "m_0011223344556677", "a b", &"x".repeat(33)] {
            assert!(bad.parse::<MachineLabel>().is_err(), "{bad}");
        }
        assert_eq!(MachineLabel::near("my host!").as_str(), "myhost");
        assert_eq!(MachineLabel::near("???").as_str(), "machine");
    }

    #[test]
    fn a_hub_issues_only_client_ids_that_begin_as_its_own() {
        let hub = HubId::from_bytes([7; 16]);
        let client = hub.client([1; 8]);
        assert!(hub.issued(&client));
        assert!(!HubId::from_bytes([8; 16]).issued(&client));
        assert!(!hub.issued(&ClientId::from_bytes([1; 16])));
    }
}
