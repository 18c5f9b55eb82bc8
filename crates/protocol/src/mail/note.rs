//! That mail came for a terminal, as its log tells it.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::ids::Label;

/// The topic of a [`crate::record::Note`] whose body is a [`MailNote`].
pub const MAIL_TOPIC: &str = "mail";

/// Mail came for a terminal's session. What it says is read in the inbox and stands in no log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailNote {
    /// What is recorded once: made of the sender and its id of the message.
    pub key: String,
    /// Its number: `#12`.
    pub number: i64,
    /// The name by which the sender is known here, or the address.
    pub from: String,
    /// The session that sent it, as claimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_session: Option<String>,
    /// The label whose inbox has it.
    pub inbox: Label,
}
