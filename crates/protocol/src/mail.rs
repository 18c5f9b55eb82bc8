//! The bodies of messages between agents.
//!
//! A body is what stands inside a sealed message: the JSON of an *envelope*
//! (`tinyplace.harness.session.v1` with its `tp` block), the older form with sentinels, or plain text.
//! [`encode`](Envelope::encode) writes the first, [`Body::decode`] reads all three.
//!
//! Everything in a body is a claim of whoever wrote it. Only the key that sealed it is known for certain,
//! so ids in it are data, never names of files or keys by themselves: storage is keyed by a hash over the
//! sender and the id.

mod body;
mod envelope;
mod note;

pub use body::{Body, BodyTooLong, Form, PeerLabel, encode_legacy_auto};
pub use envelope::{EncodeError, Envelope, Marking, Provider, Role};
pub use note::{MAIL_TOPIC, MailNote};

#[cfg(test)]
mod tests;
