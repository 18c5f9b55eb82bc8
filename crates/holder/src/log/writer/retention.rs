//! Dropping what is old.

use quarterdeck_protocol::{ids::Seq, record::Position};

use super::{LogWriter, WriteError};

/// What was dropped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Trimmed {
    /// Segments.
    pub segments: u32,
    /// Their bytes.
    pub bytes: u64,
}

impl LogWriter {
    /// The oldest record that is kept.
    #[must_use]
    pub fn base(&self) -> Position {
        self.segments.base()
    }

    /// Bytes of all segments.
    #[must_use]
    pub fn log_bytes(&self) -> u64 {
        self.segments.closed_bytes() + self.end
    }

    /// Drops oldest segments until at most `keep_bytes` are left, but never the last segment and
    /// never one that holds a record from `pinned_from` on: an open prompt must stay readable.
    ///
    /// # Errors
    /// When a file cannot be removed; those before it are gone.
    pub fn trim(
        &mut self,
        keep_bytes: u64,
        pinned_from: Option<Seq>,
    ) -> Result<Trimmed, WriteError> {
        let mut trimmed = Trimmed::default();
        while self.log_bytes() > keep_bytes {
            let Some(oldest) = self.segments.closed.front() else { break };
            let bytes = oldest.bytes;
            let after = self.segments.closed.get(1).map_or(self.segments.last, |next| next.first);
            if pinned_from.is_some_and(|pinned| pinned < after.seq) {
                break;
            }
            self.segments.drop_oldest()?;
            trimmed.segments += 1;
            trimmed.bytes += bytes;
        }
        Ok(trimmed)
    }
}
