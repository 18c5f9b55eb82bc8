//! What an agent's work costs, and how much is left.

use alloc::string::String;

use serde::{Deserialize, Serialize};

/// Tokens by what they were used for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenUsage {
    /// Read by the model, cached ones not counted.
    pub input: u64,
    /// Written by the model.
    pub output: u64,
    /// Read from the cache.
    #[serde(default)]
    pub cached_read: u64,
    /// Written to the cache.
    #[serde(default)]
    pub cached_write: u64,
    /// Of the output: spent on thinking.
    #[serde(default)]
    pub thought: u64,
}

impl TokenUsage {
    /// Adds other tokens to these.
    pub fn add(&mut self, other: Self) {
        let Self { input, output, cached_read, cached_write, thought } = other;
        self.input = self.input.saturating_add(input);
        self.output = self.output.saturating_add(output);
        self.cached_read = self.cached_read.saturating_add(cached_read);
        self.cached_write = self.cached_write.saturating_add(cached_write);
        self.thought = self.thought.saturating_add(thought);
    }
}

/// An amount of money as the vendor's own estimate says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Cost {
    /// Millionths of the currency's unit.
    pub amount_micros: u64,
    /// Such as `USD`.
    pub currency: String,
}

/// What a turn or a session has used. Members that the vendor does not tell are absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Usage {
    /// Tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<TokenUsage>,
    /// Money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// Tokens in the context window now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_used: Option<u64>,
    /// Size of the context window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_size: Option<u64>,
}

/// One of the vendor's limits over time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RateWindow {
    /// The vendor's name of it: `five_hour`, `primary`.
    pub name: String,
    /// How much of it is used, in thousandths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_permille: Option<u32>,
    /// When it begins anew, seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resets_at: Option<u64>,
    /// What the vendor says about it: `allowed`, `allowed_warning`, `rejected`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}
