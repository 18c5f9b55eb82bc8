//! What the fuzz targets check: one module per target, each with
//!
//! - `check`, which must neither panic nor find its property broken, whatever the bytes;
//! - `seeds`, inputs to begin with, made by the code that makes such bytes for real;
//! - `words`, pieces that a mutation cannot guess.

pub mod agor;
pub mod conversation;
pub mod corpus;
pub mod frame;
pub mod holder_message;
pub mod log_recovery;
pub mod mail_body;
pub mod record;
pub mod replay_filter;
pub mod rpc;
pub mod terminal;
