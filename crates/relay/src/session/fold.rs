//! An agent's conversation from its session's files alone.

use std::path::Path;

use quarterdeck_agents::Conversation;
use quarterdeck_holder::log::{LogReader, Next, ReadError};
use quarterdeck_protocol::{agent::Vendor, ids::SessionId, record::LogState};

/// Folds a log to its end. Begins with what a relay kept in the newest checkpoint, where the log still
/// has what follows it; else with the oldest record that is there.
///
/// # Errors
/// When the log cannot be read.
pub(super) fn conversation(
    directory: &Path,
    session: SessionId,
    vendor: Vendor,
    log: &LogState,
) -> Result<Conversation, ReadError> {
    let mut reader = LogReader::open(directory)?;
    let kept =
        log.facts().extra.as_ref().and_then(|extra| Conversation::from_checkpoint(extra).ok());
    let kept = kept.filter(|kept| kept.next() >= reader.position().seq);
    let mut conversation = match kept {
        Some(kept) => {
            reader.seek_seq(kept.next())?;
            kept
        }
        None => Conversation::new(session, vendor),
    };
    loop {
        match reader.next()? {
            Next::Record(record) => conversation.apply_record(&record),
            Next::Gap(missing) => {
                tracing::warn!(%session, ?missing, "gap in an agent's log");
            }
            Next::AwaitMore => return Ok(conversation),
        }
        while conversation.poll_event().is_some() {}
    }
}
