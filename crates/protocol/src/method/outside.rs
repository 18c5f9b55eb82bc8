//! `mail.claim`, `mail.leave`, `mail.next`: agents that Quarterdeck did not start.
//!
//! Such an agent claims a label on its connection, and has it as long as that connection, or one that
//! comes back in time, lives.

use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};

#[expect(unused_imports, reason = "the docs lead to them")]
use super::{MailClaim, MailNext};
use crate::ids::Label;

/// [`MailClaim`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailClaimParams {
    /// What the agent calls itself: `claude-code`. The label begins with its first word.
    pub client: String,
    /// Where it works: which identity is its.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// The label that it had before its connection broke.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<MailClaimAgain>,
}

/// A label that an agent had, and what shows that it is the same agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailClaimAgain {
    /// The label.
    pub label: Label,
    /// What came with it.
    pub secret: ClaimSecret,
}

/// [`MailClaim`]'s answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailClaimResult {
    /// The label: the agent is written to by it, and its messages are from it.
    pub label: Label,
    /// What it stands for.
    pub kind: SpeakerKind,
    /// Shown to get the same label again; only for [`SpeakerKind::Outside`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<ClaimSecret>,
}

/// What a label stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SpeakerKind {
    /// A session whose program is an agent: messages are put to it.
    Agent,
    /// A session whose program is anything else: whoever is attached is told of messages.
    Terminal,
    /// An agent that was started outside: messages wait until it reads them.
    Outside,
}

impl SpeakerKind {
    /// What a relay means that does not say it.
    pub(super) const fn agent() -> Self {
        Self::Agent
    }
}

/// [`MailNext`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailNextParams {
    /// The last message that was shown: it counts as delivered, and what is asked for comes after it.
    #[serde(default)]
    pub shown: i64,
    /// How long to wait, in milliseconds; at most 25 000.
    #[serde(default)]
    pub wait_ms: u32,
}

/// [`MailNext`]'s answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailNextResult {
    /// The message, if there is one. It stays unread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MailToShow>,
}

/// A message as an agent is to see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailToShow {
    /// Its number here.
    pub number: i64,
    /// The sender's id of it.
    pub id: String,
    /// The name by which the sender is known here, or the address.
    pub from: String,
    /// The session that sent it, as claimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_session: Option<String>,
    /// What it says, behind words that say whose it is and that it permits nothing.
    pub text: String,
}

/// Shows that a claim comes from whoever had the label before. Printed by nothing.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct ClaimSecret(pub String);

impl fmt::Debug for ClaimSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClaimSecret([redacted])")
    }
}
