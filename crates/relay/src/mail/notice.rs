//! Mail for a terminal: whoever is attached is told that it came, and reads it in the inbox.
//!
//! The notice is a note in the session's log, so it comes to every viewer in its place, and to who was
//! away for a moment. A note has no key at the holder; whether one was recorded before the relay, or its
//! answer, was lost is looked up in the log.

use std::path::Path;

use quarterdeck_core::mail::routing::Outcome;
use quarterdeck_holder::log::{LogReader, Next, ReadError};
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    mail::{MAIL_TOPIC, MailNote},
    record::{Note, RawJson, RecordKind},
};

use super::{Delivery, Earlier};
use crate::session::{Command, SessionHandle};

/// Tells the session's viewers; how that ended.
///
/// # Errors
/// When it is not known whether it is recorded: to be tried again, as tried before.
pub(super) async fn tell(
    session: &SessionHandle,
    delivery: &Delivery,
    earlier: Earlier,
) -> Result<Outcome, RpcError> {
    if earlier == Earlier::Tried && is_recorded(session, &delivery.note.key).await? {
        return Ok(Outcome::Delivered);
    }
    let body = RawJson::from_value(&delivery.note)
        .map_err(|_| RpcError::new(ErrorCode::Internal, "a notice cannot be written"))?;
    let note = Note { topic: MAIL_TOPIC.to_owned(), body };
    match session.ask(|reply| Command::Note { note, reply }).await {
        Ok(()) => Ok(Outcome::Delivered),
        Err(error) if error.code() == ErrorCode::Ended => Ok(Outcome::Gone),
        Err(error) => Err(error),
    }
}

async fn is_recorded(session: &SessionHandle, key: &str) -> Result<bool, RpcError> {
    let (directory, key) = (session.directory.clone(), key.to_owned());
    let found = tokio::task::spawn_blocking(move || find(&directory, &key)).await;
    let unreadable = |error: ReadError| {
        tracing::warn!(%error, "a session's log cannot be read");
        RpcError::new(ErrorCode::Storage, "the session's log cannot be read")
    };
    let ended = |_| RpcError::new(ErrorCode::ShuttingDown, "the relay is shutting down");
    found.map_err(ended)?.map_err(unreadable)
}

fn find(directory: &Path, key: &str) -> Result<bool, ReadError> {
    let mut reader = LogReader::open(directory)?;
    loop {
        let record = match reader.next()? {
            Next::Record(record) => record,
            Next::Gap(_) => continue,
            Next::AwaitMore => return Ok(false),
        };
        if record.header.kind != RecordKind::Note {
            continue;
        }
        let note = serde_json::from_slice::<Note>(&record.payload).ok();
        let note = note.filter(|note| note.topic == MAIL_TOPIC);
        let mail = note.and_then(|note| serde_json::from_str::<MailNote>(note.body.as_str()).ok());
        if mail.is_some_and(|mail| mail.key == key) {
            return Ok(true);
        }
    }
}
