//! `mail.*`.
//!
//! A process inside an agent's session acts as that session and sees its mail only; everyone else names
//! the identity that is meant, or means the default one.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use super::{SessionName, SpeakerKind};
use crate::{
    ids::{Label, SessionId},
    mail::Role,
};

/// How far a message came, or why it did not: `queued`, `sent`, `delivered`, `read`, or `failed` with `why`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailState {
    /// The word.
    pub state: String,
    /// With `failed`: why, in one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Sends a message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailSendParams {
    /// To whom: an identity's name or address, a contact; without it one of the own identity's sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// To which session of theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_session: Option<Label>,
    /// What is said.
    pub body: String,
    /// Who speaks.
    #[serde(default)]
    pub role: Role,
    /// The id of the message that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_reply_to: Option<String>,
    /// As which identity; the caller's own, or the default one, without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Nobody was asked to write it: it is marked so, and nobody answers it by itself.
    #[serde(default)]
    pub auto: bool,
    /// The caller's own id of this request: a retry sends nothing twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// A message that was taken to be sent. It is stored: it outlives the relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailJob {
    /// Its id, which a reply names.
    pub id: String,
    /// The address of its recipient.
    pub to: String,
    /// The session that it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_session: Option<Label>,
    /// The session that it is from.
    pub from_session: Label,
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// How far it came.
    #[serde(flatten)]
    pub state: MailState,
}

/// Which mail is looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailInboxParams {
    /// Of which identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Of which session; all of the identity's without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionName>,
    /// Leave what is shown unread.
    #[serde(default)]
    pub peek: bool,
    /// Also what was read before.
    #[serde(default)]
    pub all: bool,
}

/// A message that came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailMessage {
    /// The sender's id of it, which a reply names. The sender's words, as everything but `from`.
    pub id: String,
    /// The address of its sender: the one thing that is certain.
    pub from: String,
    /// The name by which the sender is known here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The session that sent it, as claimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_session: Option<String>,
    /// The session that it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_session: Option<String>,
    /// The id of the message that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_reply_to: Option<String>,
    /// Who speaks, as claimed.
    pub role: Role,
    /// Whether nobody was asked to write it, as claimed.
    #[serde(default)]
    pub auto: bool,
    /// What is said.
    pub text: String,
    /// When it came, in milliseconds since 1970.
    pub at: u64,
    /// Where it is: `held`, `delivered`, `dead`.
    pub state: String,
    /// Why it is held or dead, in one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Whether it was read before.
    #[serde(default)]
    pub read: bool,
    /// Its number here: `#12` names it in a reply, whatever its id looks like.
    pub number: i64,
}

/// Mail, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailInboxResult {
    /// The messages.
    pub messages: Vec<MailMessage>,
    /// There is more.
    #[serde(default)]
    pub more: bool,
}

/// Waits for a message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailWaitParams {
    /// Of which identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Whose; anybody's without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The session that was asked, for peers that name no id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_session: Option<Label>,
    /// The id of the message that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_reply_to: Option<String>,
    /// How long, in milliseconds; at most 25 000, so that a call ends before its own limit.
    #[serde(default)]
    pub wait_ms: u32,
}

/// What came, if it came in time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailWaitResult {
    /// The message; it is read now, and goes to no session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MailMessage>,
}

/// Which messages that were sent are looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailStatusParams {
    /// Of which identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// This one only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// What was sent, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailStatusResult {
    /// The messages.
    pub jobs: Vec<MailJob>,
    /// How many that came wait for a session, a decision or another policy.
    pub held: usize,
}

/// A session that can be written to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailSession {
    /// Its label.
    pub label: Label,
    /// Its id; an agent outside is no session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// What it is.
    #[serde(default = "SpeakerKind::agent")]
    pub kind: SpeakerKind,
    /// The identity that it belongs to.
    pub identity: String,
    /// Whether it is the caller's own.
    #[serde(default)]
    pub own: bool,
    /// Whether it has nothing to do; nobody knows it of an agent outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<bool>,
    /// What it says that it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

/// Who the caller is as far as mail goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailWhoamiResult {
    /// The identity's name.
    pub identity: String,
    /// Its address.
    pub address: String,
    /// What people compare.
    pub fingerprint: String,
    /// The caller's own session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Label>,
    /// All live sessions of this relay that take mail, in natural order.
    pub sessions: Vec<MailSession>,
}

/// Whose contacts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailIdentityParams {
    /// The identity; the caller's own, or the default one, without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
}

/// One contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailContact {
    /// Its address.
    pub address: String,
    /// What it is called here.
    pub name: String,
    /// `asked`, `asking`, `accepted`, `blocked`.
    pub standing: String,
    /// What is done with its mail: `accept`, `hold`, `refuse`.
    pub inbound: String,
    /// What people compare.
    pub fingerprint: String,
    /// The fingerprint of another key that it claims, which nobody has accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<String>,
    /// What it said when it asked: a stranger's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Somebody to be a contact.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailContactAddParams {
    /// Of which identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// The address; the name of one that asked.
    pub contact: String,
    /// What it is to be called here; by the rule of labels. A person gives a known contact another name by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A word to it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// A contact with which another ratchet is begun.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailResetParams {
    /// Of which identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Its address or name.
    pub contact: String,
}

/// The contacts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailContactsResult {
    /// In the order of their names.
    pub contacts: Vec<MailContact>,
}

/// What is decided about a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ContactDecision {
    /// Its mail goes to sessions, with the key that it has now.
    Accept,
    /// Its mail waits for a decision each time.
    Hold,
    /// Its mail goes nowhere.
    Refuse,
    /// Nothing of it is taken, and it is not told.
    Block,
}

/// Decides about a contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailContactParams {
    /// Of which identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Its address or name.
    pub contact: String,
    /// What is decided.
    pub decision: ContactDecision,
}

/// What is done with mail that names no session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Unaddressed {
    /// The first live session in natural order gets it, or the one that was made primary.
    #[default]
    Primary,
    /// All live sessions get it.
    Broadcast,
    /// It waits until the policy is another one.
    Hold,
    /// It goes nowhere; its sender is told.
    Drop,
}

/// Changes what an identity does with its mail; also what waits already is looked at anew. What is left
/// out stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailPolicyParams {
    /// Of which identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// For mail that names no session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unaddressed: Option<Unaddressed>,
    /// The label of the session that is primary while it lives; empty takes it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary: Option<String>,
    /// How long mail that comes from now on waits for its session, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_s: Option<u64>,
}

/// What an identity does with its mail.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailPolicyResult {
    /// For mail that names no session.
    pub unaddressed: Unaddressed,
    /// The session that is primary while it lives; otherwise the first one in natural order is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary: Option<Label>,
    /// How long mail waits for its session, in seconds.
    pub hold_s: u64,
}

/// What is decided about one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum MailDecision {
    /// It goes to its session, whatever is decided about its sender.
    Deliver,
    /// It goes nowhere; its sender is told.
    Discard,
}

/// Decides about a message that is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailDecideParams {
    /// Of which identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// The message's number.
    pub number: i64,
    /// What is decided.
    pub decision: MailDecision,
}

/// A new identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailIdentityAddParams {
    /// What it is called here; by the rule of labels.
    pub name: String,
}

/// Assigns an identity: to a project, to a session, or to all that have no other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailIdentityUseParams {
    /// Which; none takes back what was assigned to the project or the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// To the sessions that work in this directory or below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// To this session, wherever it works and however often it is started again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionName>,
}

/// Chooses the hub that has an identity's mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailHomeParams {
    /// Of which identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// The hub's name on this relay, or its id.
    pub hub: String,
}

/// One identity of the relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailIdentity {
    /// What it is called here.
    pub name: String,
    /// Its address.
    pub address: String,
    /// What people compare.
    pub fingerprint: String,
    /// Whether sessions have it that have no other.
    pub default: bool,
    /// The hub that has its mailbox, once it met one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<String>,
    /// Directories whose sessions have it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub projects: Vec<String>,
    /// Sessions that have it wherever they work.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<SessionId>,
}

/// The identities.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailIdentitiesResult {
    /// In the order of their names.
    pub identities: Vec<MailIdentity>,
}

/// What a session does, in its agent's words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailSetStatusParams {
    /// A few words; empty takes them back.
    pub status: String,
}

/// A session whose rest is awaited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailNotifyParams {
    /// Its label.
    pub session: Label,
}

/// Whether messages are answered while their session does not live.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailAutorespondParams {
    /// Of which identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Turn it on or off; without it nothing changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<bool>,
}

/// [`MailAutorespondParams`]' answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailAutorespondResult {
    /// Whether messages are answered.
    pub on: bool,
    /// Whether a program is named that would.
    pub configured: bool,
}
