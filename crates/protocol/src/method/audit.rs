//! The journal of an instance, as it is read from elsewhere.

use alloc::{collections::BTreeMap, string::String, vec::Vec};

use serde::{Deserialize, Serialize};

#[expect(unused_imports, reason = "the docs lead to it")]
use super::AuditList;

/// [`AuditList`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuditListParams {
    /// `next` of the page before; none = the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Events of a page; none = 100, more than 500 are 500.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// A page of the journal.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuditListResult {
    /// Newest first.
    pub entries: Vec<AuditEntry>,
    /// Where the next, older page begins; none = there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Something that happened to the instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuditEntry {
    /// When, in microseconds since 1970.
    pub at: u64,
    /// What: `login_ok`, `token_created` and so on. Words are only added.
    pub event: String,
    /// What belongs to it, by name.
    #[serde(flatten)]
    pub fields: BTreeMap<String, serde_json::Value>,
}
