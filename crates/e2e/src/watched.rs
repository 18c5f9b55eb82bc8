//! Descriptors that tokio waits on.

use std::{io, os::fd::OwnedFd};

use tokio::io::unix::AsyncFd;

/// Hands a non-blocking descriptor to the runtime.
///
/// # Errors
/// When it cannot be polled, as a plain file cannot.
#[expect(
    deprecated,
    reason = "what makes it unsound is a type whose descriptor changes; `OwnedFd` is none, and its \
              successor cannot be called without unsafe code"
)]
pub(crate) fn watch(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::new(descriptor)
}
