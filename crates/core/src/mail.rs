//! What happens to messages between agents: where they go, when they are sent again, who waits for
//! which, and when nobody is asked.
//!
//! Nothing here sees a text. A message is known by its number in the owner's store; time is the time
//! since 1970, because mail outlives every process.
//!
//! - [`routing`]: which sessions a message goes to, and what is held until it can go;
//! - [`outbox`]: what was sent and how far it came;
//! - [`reply`]: which message answers which;
//! - [`responder`]: when a message may be answered without asking anybody.

pub mod outbox;
pub mod reply;
pub mod responder;
pub mod routing;

use serde::{Deserialize, Serialize};

/// Number of a message in its owner's store. It is the owner's: what a peer calls it is data beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MailNumber(pub i64);

/// The key of an identity, by which a sender or a recipient is known for certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerKey(pub [u8; 32]);
