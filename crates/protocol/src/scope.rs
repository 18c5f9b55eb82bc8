//! What a credential may do.

use alloc::{string::String, vec::Vec};
use core::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// One right. No scope implies another: a credential names all it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// See sessions, their output and events.
    Read,
    /// Answer prompts with the offered once-options or a denial.
    Answer,
    /// Start sessions.
    Create,
    /// Own a session: input, size, signals, stop; edited answers, rules, modes.
    Drive,
    /// Take a lease from another principal, read recorded input, manage tokens and the relay.
    Admin,
}

impl Scope {
    /// Every scope, weakest first.
    pub const ALL: [Self; 5] = [Self::Read, Self::Answer, Self::Create, Self::Drive, Self::Admin];

    /// The word on the wire and on the command line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Answer => "answer",
            Self::Create => "create",
            Self::Drive => "drive",
            Self::Admin => "admin",
        }
    }
    const fn bit(self) -> u8 {
        match self {
            Self::Read => 1,
            Self::Answer => 2,
            Self::Create => 4,
            Self::Drive => 8,
            Self::Admin => 16,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A word that is no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a scope; scopes are read, answer, create, drive, admin")]
pub struct UnknownScope(pub String);

impl FromStr for Scope {
    type Err = UnknownScope;
    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        let found = Self::ALL.into_iter().find(|scope| scope.word() == text);
        found.ok_or_else(|| UnknownScope(text.into()))
    }
}

/// A set of scopes. In JSON: an array of words, in the order of [`Scope::ALL`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// No right at all.
    pub const NONE: Self = Self(0);
    /// Every right.
    pub const ALL: Self = Self(31);

    /// Whether the set has `scope`.
    #[must_use]
    pub const fn has(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }
    /// What both sets have.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
    /// The scopes of the set, weakest first.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.has(*scope))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

impl Serialize for Scopes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}
impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<Scope>::deserialize(deserializer)?.into_iter().collect())
    }
}
#[cfg(feature = "schema")]
impl schemars::JsonSchema for Scopes {
    fn schema_name() -> alloc::borrow::Cow<'static, str> {
        "Scopes".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Vec::<Scope>::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_it_was_made_of_and_nothing_else() {
        let set: Scopes = [Scope::Drive, Scope::Read].into_iter().collect();
        assert!(set.has(Scope::Read) && set.has(Scope::Drive) && !set.has(Scope::Admin));
        assert_eq!(serde_json::to_string(&set).expect("serialises"), r#"["read","drive"]"#);
        assert_eq!(Scopes::ALL.iter().count(), Scope::ALL.len());
        assert_eq!(set.and(Scopes::NONE), Scopes::NONE);
    }
}
