//! Sealed mail.
