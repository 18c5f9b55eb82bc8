//! How a hub carries mail: `mail.fetch` and `mail.bring`.
//!
//! A hub is always the caller. It fetches what the relay wants carried, and brings what came of it and what
//! came for the relay's identities. Both name the link by words that the hub drew for it: with another
//! link everything that was under way is begun again. What is sealed is never looked at.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

#[expect(unused_imports, reason = "the docs lead to them")]
use super::{MailBring, MailFetch};

/// A key for new ratchets, signed by the identity that published it; both base64url.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailKey {
    /// The key.
    pub key: String,
    /// By its identity.
    pub signature: String,
}

/// Where an identity lives, signed by itself; keys and signature base64url.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailCard {
    /// Whose.
    pub identity: String,
    /// What ratchets with it begin from.
    pub ratchet: String,
    /// The hub that has its mailbox.
    pub home: String,
    /// Greater for each new card.
    pub generation: u64,
    /// By the identity.
    pub signature: String,
}

/// Fetches what is to be carried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailFetchParams {
    /// The link's own words: what an identity signs on it is worth nothing on another one.
    pub link: String,
    /// How long to wait for something, in milliseconds.
    pub wait_ms: u32,
}

/// What is to be carried, in this order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailFetchResult {
    /// The orders.
    pub orders: Vec<CarryOrder>,
}

/// What a relay wants of a hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum CarryOrder {
    /// This identity lives here; give its mail to this link.
    Register {
        /// Its card.
        card: MailCard,
        /// By the identity, over the hub, the link and this order.
        signature: String,
    },
    /// Keep these keys for whoever wants to write to it.
    Publish {
        /// Whose.
        identity: String,
        /// Each for one peer, once.
        one_time: Vec<MailKey>,
        /// For whoever comes when those are used up.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fallback: Option<MailKey>,
    },
    /// Get a key to begin a ratchet with.
    Claim {
        /// For whom.
        by: String,
        /// Whose.
        peer: String,
    },
    /// Carry these, in this order.
    Send {
        /// From whom: an identity of this link.
        from: String,
        /// To whom.
        to: String,
        /// Sealed letters, base64url.
        letters: Vec<String>,
    },
    /// All letters up to this one are stored.
    Done {
        /// Whose mailbox.
        identity: String,
        /// The last of them.
        item: u64,
        /// By the identity, over the hub, the link and this order.
        signature: String,
    },
}

/// Brings what came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailBringParams {
    /// The link's own words.
    pub link: String,
    /// What came, in this order.
    pub news: Vec<CarryNews>,
}

/// What a hub tells a relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "news", rename_all = "snake_case")]
pub enum CarryNews {
    /// The identity has its mailbox here, with so many one-time keys in it.
    Registered {
        /// Whose.
        identity: String,
        /// One-time keys that it holds.
        keys: u32,
    },
    /// The hub does not take the identity in.
    NotRegistered {
        /// Whose.
        identity: String,
    },
    /// The answer to a claim.
    Claimed {
        /// For whom.
        by: String,
        /// Whose.
        peer: String,
        /// Its card; none = it has no mailbox here.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        card: Option<MailCard>,
        /// A one-time key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        one_time: Option<MailKey>,
        /// The fallback key, where there is no one-time key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fallback: Option<MailKey>,
    },
    /// How letters were taken.
    Taken {
        /// From whom.
        from: String,
        /// To whom.
        to: String,
        /// How many of them, from the first one on.
        taken: u32,
        /// What is with the rest.
        rest: CarryRest,
    },
    /// Letters for an identity of this link, in order.
    Letters {
        /// For whom.
        identity: String,
        /// The letters.
        letters: Vec<CarriedLetter>,
    },
}

/// What is with letters that a hub did not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CarryRest {
    /// There is none.
    None,
    /// There is no room now.
    Later,
    /// The recipient has no mailbox here.
    NoMailbox,
    /// The first of them is no letter.
    Invalid,
}

/// A letter in a mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CarriedLetter {
    /// Its number in the mailbox.
    pub item: u64,
    /// Sealed, base64url.
    pub sealed: String,
}
