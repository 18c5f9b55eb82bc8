//! Keys, tokens, pins and tickets of Quarterdeck: pure functions over bytes.
//!
//! - [`at_rest`]: secrets on the disk, sealed with a key that is kept elsewhere;
//! - [`delivery`]: the name under which a message is delivered;
//! - [`token`]: bearer tokens, and the hash of one that is kept at rest;
//! - [`pin`]: the hash of a certificate's public key, by which a peer is known without an authority;
//! - [`relay_key`]: the key that a relay (or a hub) is, its id, and signatures with a purpose;
//! - [`pairing`]: the line that pairs two daemons, and the proof of a key on a channel;
//! - [`device`]: the key of a browser, and what it signs to come in;
//! - [`once`]: secrets that are good once: login codes, challenges, tickets of a WebSocket;
//! - [`ticket`]: lets a client come back under its id after the relay forgot it.
//!
//! Every hash and signature begins with a sentence of its own (domain separation), so that bytes made
//! for one purpose are worthless for another. Secrets are compared in constant time, wiped on drop,
//! and print as `[redacted]`.
//!
//! Deliberately not here: randomness, time and storage. The caller draws bytes and passes them in.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod at_rest;
pub mod delivery;
pub mod device;
pub mod once;
pub mod pairing;
pub mod pin;
pub mod relay_key;
mod text;
pub mod ticket;
pub mod token;

pub use at_rest::StorageKey;
pub use delivery::DeliveryKey;
pub use device::DeviceKey;
pub use once::{OnceHash, OncePurpose, OnceSecret};
pub use pairing::{
    ChannelBinding, KeyCredential, KeyProof, PairingCode, PairingLine, PairingRefusal,
};
pub use pin::{ParsePinError, Pin, PinSet};
pub use relay_key::{PublicKey, Purpose, RelayKey, Seed, Signature};
pub use ticket::{ClientTicket, TicketKey};
pub use token::{ParseTokenError, Token, TokenHash};
