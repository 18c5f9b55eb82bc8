//! Sealed mail between identities: nobody on the way reads it.
//!
//! - [`key`]: the keys that an identity is known by, as bytes and as text;
//! - [`identity`]: the secret side of an identity: what it signs, what it publishes;
//! - [`card`]: where an identity lives, signed by itself; what people compare;
//! - [`carried`]: the same between relay and hub, and what is signed there;
//! - [`contact`]: whom an identity talks to, and which keys it accepted;
//! - [`letter`]: what is sealed: a numbered body, receipt or request;
//! - [`sealed`]: what travels;
//! - [`ratchets`]: sealing and opening, with one peer;
//! - [`sequence`]: letters in the order in which they were written.
//!
//! The ratchets are vodozemac's Olm. Everything is a function over stored state: the caller stores the
//! changed state before it lets anything out, and decides about time. Random bytes are drawn by the library.
//!
//! Deliberately not here: storage, transport, and what a letter's body means.

pub mod card;
pub mod carried;
pub mod contact;
pub mod identity;
pub mod key;
pub mod letter;
pub mod ratchets;
pub mod sealed;
pub mod sequence;

pub use card::{Card, Fingerprint};
pub use identity::{Bundle, Identity};
pub use key::{IdentityKey, RatchetKey, SignedKey};
pub use letter::{Letter, LetterKind};
pub use ratchets::{OpenError, Ratchets, SealError};
pub use sealed::Sealed;
