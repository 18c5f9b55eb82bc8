//! Lenient reading of a vendor's JSON: a member that is absent, null or of another type is not there.

use alloc::{borrow::ToOwned, string::String, string::ToString as _, vec::Vec};

use bytes::Bytes;
use serde_json::Value;

/// Reading members of a value that may be anything.
pub(crate) trait Json {
    /// A text.
    fn str_at(&self, key: &str) -> Option<&str>;
    /// A text of one's own.
    fn text_at(&self, key: &str) -> Option<String> {
        self.str_at(key).map(ToOwned::to_owned)
    }
    /// A whole number that is not negative.
    fn u64_at(&self, key: &str) -> Option<u64>;
    /// Whether the member is `true`.
    fn is(&self, key: &str) -> bool;
    /// A list; empty when there is none.
    fn list(&self, key: &str) -> &[Value];
    /// Any member that is there and not null.
    fn some(&self, key: &str) -> Option<&Value>;
    /// The member, or null.
    fn at(&self, key: &str) -> &Value;
}

impl Json for Value {
    fn str_at(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_str()
    }
    fn u64_at(&self, key: &str) -> Option<u64> {
        self.get(key)?.as_u64()
    }
    fn is(&self, key: &str) -> bool {
        self.get(key).and_then(Value::as_bool) == Some(true)
    }
    fn list(&self, key: &str) -> &[Value] {
        self.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }
    fn some(&self, key: &str) -> Option<&Value> {
        self.get(key).filter(|value| !value.is_null())
    }
    fn at(&self, key: &str) -> &Value {
        self.get(key).unwrap_or(&Value::Null)
    }
}

/// A value as one line, without its line feed.
pub(crate) fn line(value: &Value) -> Bytes {
    Bytes::from(value.to_string())
}

/// Bytes of a value's JSON, counted no further than `limit`; a look that builds no text.
pub(crate) fn fits(value: &Value, limit: usize) -> bool {
    fn size(value: &Value, left: usize) -> Option<usize> {
        let own = match value {
            Value::Null | Value::Bool(_) => 4,
            Value::Number(_) => 8,
            Value::String(text) => text.len() + 2,
            Value::Array(items) => {
                return items.iter().try_fold(left.checked_sub(2)?, |left, item| size(item, left));
            }
            Value::Object(members) => {
                return members.iter().try_fold(left.checked_sub(2)?, |left, (key, item)| {
                    size(item, left.checked_sub(key.len() + 3)?)
                });
            }
        };
        left.checked_sub(own)
    }
    size(value, limit).is_some()
}

/// Every text in a value, keys included, until `stop` says yes.
pub(crate) fn any_text(value: &Value, stop: &dyn Fn(&str) -> bool) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
        Value::String(text) => stop(text),
        Value::Array(items) => items.iter().any(|item| any_text(item, stop)),
        Value::Object(members) => {
            members.iter().any(|(key, item)| stop(key) || any_text(item, stop))
        }
    }
}

/// Money as millionths; `None` for what is no amount.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range is checked before the cast"
)]
pub(crate) fn micros(amount: &Value) -> Option<u64> {
    let micros = amount.as_f64()? * 1e6 + 0.5;
    (0.0..1e18).contains(&micros).then_some(micros as u64)
}
