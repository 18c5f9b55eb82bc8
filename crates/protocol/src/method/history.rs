//! Mail of both directions as people read it, and how much of it waits for them.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use super::MailState;
#[expect(unused_imports, reason = "the docs lead to them")]
use super::{MailHistory, MailRead};
use crate::{
    ids::{MachineId, Rev},
    mail::Role,
};

/// [`MailHistory`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailHistoryParams {
    /// Of which identity; the caller's own, or the default one, without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Only with this contact, by name or address; `self` for what sessions of the identity wrote to each other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// What is older than a page: its `before`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Only what came and waits: for a session, a decision or another policy.
    #[serde(default)]
    pub held: bool,
    /// Messages in the page, at most 200; 50 without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Which way a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum MailDirection {
    /// It came.
    Came,
    /// It was sent.
    Sent,
    /// Both: between sessions of one identity.
    Own,
}

/// One message, whichever way it went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailEntry {
    /// Which way.
    pub direction: MailDirection,
    /// Its id, which a reply names. Of what came these are the sender's words, as everything but `peer`.
    pub id: String,
    /// Its number here, of what came: `#12` names it in a reply, whatever its id looks like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<i64>,
    /// The address of the other side; the identity's own between its sessions.
    pub peer: String,
    /// The name by which that is known here.
    pub name: String,
    /// The session that sent it; as claimed, of what came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_session: Option<String>,
    /// The session that it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_session: Option<String>,
    /// The id of the message that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_reply_to: Option<String>,
    /// Who speaks.
    pub role: Role,
    /// Whether nobody was asked to write it.
    #[serde(default)]
    pub auto: bool,
    /// What is said.
    pub text: String,
    /// When it came or was to be sent, in milliseconds since 1970.
    pub at: u64,
    /// Of what came `held`, `delivered` or `dead`; of what was sent how far it came; of both `held` while
    /// it waits, and then how far it came.
    #[serde(flatten)]
    pub state: MailState,
    /// Whether it was read: here, of what came; over there, of what was sent.
    #[serde(default)]
    pub read: bool,
}

/// A page of an identity's mail, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailHistoryResult {
    /// The messages.
    pub messages: Vec<MailEntry>,
    /// Where the next page begins, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
}

/// [`MailRead`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailReadParams {
    /// Of which identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// The messages' numbers, at most 200. Those for sessions stay as they are.
    pub numbers: Vec<i64>,
}

/// How much mail of an identity waits for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct IdentityMail {
    /// The identity.
    pub identity: String,
    /// Messages for people that nobody has read, and dead ones that nobody has looked at.
    pub unread: u32,
    /// Messages that wait for a session, a decision or another policy.
    pub held: u32,
    /// Contacts that ask, or whose key has changed.
    pub asking: u32,
}

/// `mail.changed`, and a part of `sync`: a relay's mail has changed. Numbers only, and only for who has
/// `drive` and no limit to sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailChanged {
    /// The view's number with this change.
    pub rev: Rev,
    /// Whose, as a hub says it; a relay says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<MachineId>,
    /// Another one when anything of the mail is another: then it is looked at anew.
    pub change: u64,
    /// In the order of their names.
    pub identities: Vec<IdentityMail>,
}
