//! The seam of the web interface: the hub serves what is found here and knows nothing of it.

use bytes::Bytes;

/// One file of the web interface.
#[derive(Debug, Clone)]
pub struct Asset {
    /// Its media type, with the character set.
    pub content_type: &'static str,
    /// Its bytes.
    pub body: Bytes,
    /// The same, packed by gzip; none where that saves nothing.
    pub gzip: Option<Bytes>,
    /// Changes with its content: letters and digits.
    pub version: &'static str,
    /// Whether its name changes with its content, so that it may be kept for ever.
    pub immutable: bool,
}

/// The files of the web interface, by path.
pub trait Assets: Send + Sync {
    /// The file of a request's path, which begins with `/`; the page itself for `/`.
    fn find(&self, path: &str) -> Option<Asset>;
}
