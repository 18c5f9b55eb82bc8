//! JSON objects whose members are passed on without being read: what a hub does not need to understand, it
//! cannot get wrong, and members of newer versions come through.

use std::collections::BTreeMap;

use quarterdeck_protocol::error::{ErrorCode, RpcError};
use serde::Serialize;
use serde_json::value::RawValue;

/// The members of an object, each as it came.
#[derive(Debug, Default)]
pub(crate) struct Members(BTreeMap<String, Box<RawValue>>);

impl Members {
    /// Reads an object; absent parameters are an empty one.
    ///
    /// # Errors
    /// `invalid_params`, when it is none.
    pub(crate) fn parse(text: Option<&RawValue>) -> Result<Self, RpcError> {
        let Some(text) = text else { return Ok(Self::default()) };
        serde_json::from_str(text.get()).map(Self).map_err(|error| {
            RpcError::new(ErrorCode::InvalidParams, format!("not an object: {error}"))
        })
    }
    /// A member that is a text; one that is something else is its reader's to refuse.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.0.get(name)?.get()).ok()
    }
    /// A member of whatever type.
    pub(crate) fn read<T: serde::de::DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_str(self.0.get(name)?.get()).ok()
    }
    /// The member as it came.
    pub(crate) fn raw(&self, name: &str) -> Option<&RawValue> {
        self.0.get(name).map(AsRef::as_ref)
    }
    /// Takes a member out.
    pub(crate) fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }
    /// Puts a member in.
    pub(crate) fn set(&mut self, name: &str, value: &impl Serialize) {
        // what this crate puts in always has a JSON form
        if let Ok(raw) = serde_json::value::to_raw_value(value) {
            self.0.insert(name.to_owned(), raw);
        }
    }
    /// The object again.
    pub(crate) fn to_raw(&self) -> Box<RawValue> {
        serde_json::value::to_raw_value(&self.0).unwrap_or_default()
    }
}

impl Serialize for Members {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_that_nobody_knows_come_through_as_they_were() {
        let text = r#"{"new":{"b":1.50,"a":[]},"session":"x","machine":"dev"}"#;
        let raw: Box<RawValue> = serde_json::from_str(text).expect("is JSON");
        let mut members = Members::parse(Some(&raw)).expect("is an object");
        assert_eq!(members.text("machine").as_deref(), Some("dev"));
        members.remove("machine");
        members.set("session", &"y");
        assert_eq!(members.to_raw().get(), r#"{"new":{"b":1.50,"a":[]},"session":"y"}"#);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        let raw: Box<RawValue> = serde_json::from_str("[1]").expect("is JSON");
        assert!(Members::parse(Some(&raw)).is_err());
        assert!(Members::parse(None).is_ok());
    }
}
