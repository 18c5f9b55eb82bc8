//! Other programs' protocols, which a relay speaks on listeners of their own: one file each.
//!
//! A dialect is a second way to the same sessions. It has no rights, sessions or rules of its own.

pub mod agor;
pub mod myagent;
mod text_stream;

use alloc::string::String;
use core::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

pub use text_stream::TextStream;

/// A protocol that is not `quarterdeck.v1`. Words are only added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// What controllers of BTerminal and agor say: see [`agor`].
    Agor,
    /// What clients of `myagent remote` say: see [`myagent`].
    Myagent,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 2] = [Self::Agor, Self::Myagent];

    /// The word in flags, files and addresses.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Agor => "agor",
            Self::Myagent => "myagent",
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A word that is no dialect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a dialect; there are: agor, myagent")]
pub struct UnknownDialect(pub String);

impl FromStr for Dialect {
    type Err = UnknownDialect;
    fn from_str(text: &str) -> Result<Self, UnknownDialect> {
        let found = Self::ALL.into_iter().find(|dialect| dialect.word() == text);
        found.ok_or_else(|| UnknownDialect(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialect_is_its_word_everywhere() {
        for dialect in Dialect::ALL {
            assert_eq!(dialect.word().parse(), Ok(dialect));
            let json = serde_json::to_string(&dialect).expect("serialises");
            assert_eq!(json, alloc::format!("\"{dialect}\""));
        }
        assert!("klingon".parse::<Dialect>().is_err());
    }
}
