//! Files that come over the wire, piece by piece. A piece may be sent again: after a lost connection the
//! client does not know whether it came.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    http::UploadTo,
    ids::{ClientId, SessionId},
    limits::{MAX_CLIENT_UPLOADS, MAX_RELAY_UPLOADS},
    method::{UploadResult, UploadedFile},
};

use super::{Receiving, UploadError, directory};
use crate::session::SessionHandle;

/// How long an upload is waited for; also how long it is remembered when it is complete.
const IDLE_LIMIT: Duration = Duration::from_secs(120);
/// How long a disk may take for one piece.
const WRITE_LIMIT: Duration = Duration::from_secs(30);

/// Whose upload, to what, and what the client calls it.
type Key = (ClientId, SessionId, String);

/// All uploads over the wire.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    entries: Mutex<BTreeMap<Key, Entry>>,
}

#[derive(Debug, Clone)]
struct Entry {
    touched: Duration,
    state: Arc<tokio::sync::Mutex<State>>,
}

#[derive(Debug)]
enum State {
    /// Nothing came yet.
    New,
    Receiving(Receiving),
    Done(u64, UploadedFile),
    /// A piece was being written when its request ended: nobody knows how much of it there is.
    Torn,
}

/// The next bytes of a file.
#[derive(Debug)]
pub(crate) struct Piece<'a> {
    /// What the client calls the upload.
    pub(crate) upload: &'a str,
    pub(crate) name: &'a str,
    pub(crate) to: UploadTo,
    pub(crate) offset: u64,
    pub(crate) bytes: &'a [u8],
    pub(crate) last: bool,
}

impl Piece<'_> {
    const fn end(&self) -> u64 {
        self.offset + self.bytes.len() as u64
    }
}

impl Uploads {
    /// Takes a piece; what it says of an earlier one is the same as the first time.
    ///
    /// # Errors
    /// When it does not follow what is there, or cannot be written; then the file is gone.
    pub(crate) async fn take(
        &self,
        client: ClientId,
        session: &Arc<SessionHandle>,
        piece: Piece<'_>,
        now: Duration,
    ) -> Result<UploadResult, RpcError> {
        let key = (client, session.id, piece.upload.to_owned());
        let state = self.entry(&key, piece.offset, now)?;
        let Ok(mut state) = state.try_lock() else {
            let message = "the piece before this one is still being written";
            return Err(RpcError::new(ErrorCode::Overloaded, message));
        };
        let taken = tokio::time::timeout(WRITE_LIMIT, state.take(session, &piece)).await;
        let taken = taken.unwrap_or_else(|_| {
            Err(RpcError::new(ErrorCode::Storage, "the disk takes too long for it"))
        });
        if taken.is_err() && matches!(*state, State::New | State::Torn) {
            self.lock().remove(&key);
        }
        taken
    }

    /// Forgets what did not go on.
    pub(crate) fn expire(&self, now: Duration) {
        self.lock().retain(|_, entry| entry.touched + IDLE_LIMIT > now);
    }

    fn entry(
        &self,
        key: &Key,
        offset: u64,
        now: Duration,
    ) -> Result<Arc<tokio::sync::Mutex<State>>, RpcError> {
        self.expire(now);
        let mut entries = self.lock();
        if let Some(entry) = entries.get_mut(key) {
            entry.touched = now;
            return Ok(Arc::clone(&entry.state));
        }
        if offset > 0 {
            let message = "nothing came before these bytes, or too long ago; send the file again";
            return Err(RpcError::new(ErrorCode::NotFound, message));
        }
        let own = entries.keys().filter(|(client, _, _)| *client == key.0).count();
        if own >= MAX_CLIENT_UPLOADS || entries.len() >= MAX_RELAY_UPLOADS {
            let message = "too many files are on their way; try again in two minutes";
            return Err(RpcError::new(ErrorCode::Overloaded, message));
        }
        let state = Arc::new(tokio::sync::Mutex::new(State::New));
        entries.insert(key.clone(), Entry { touched: now, state: Arc::clone(&state) });
        Ok(state)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Key, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    async fn take(
        &mut self,
        session: &Arc<SessionHandle>,
        piece: &Piece<'_>,
    ) -> Result<UploadResult, RpcError> {
        // torn until it is written: the request may end at any wait
        let receiving = match std::mem::replace(self, Self::Torn) {
            Self::New => begin(session, piece).await.map_err(|error| error.to_rpc())?,
            Self::Receiving(receiving) => receiving,
            Self::Done(bytes, file) => {
                *self = Self::Done(bytes, file.clone());
                return if piece.end() <= bytes {
                    Ok(UploadResult { bytes, file: Some(file) })
                } else {
                    Err(does_not_follow(bytes, piece))
                };
            }
            Self::Torn => {
                let message = "a piece was cut off; send the file again";
                return Err(RpcError::new(ErrorCode::NotFound, message));
            }
        };
        let there = receiving.bytes() as u64;
        let repeats = piece.offset < there && piece.end() <= there && !piece.last;
        if piece.offset != there {
            *self = Self::Receiving(receiving);
            return if repeats {
                Ok(UploadResult { bytes: there, file: None })
            } else {
                Err(does_not_follow(there, piece))
            };
        }
        let (next, result) = write(receiving, piece).await.map_err(|error| error.to_rpc())?;
        *self = next;
        Ok(result)
    }
}

async fn begin(session: &Arc<SessionHandle>, piece: &Piece<'_>) -> Result<Receiving, UploadError> {
    Receiving::begin(directory(session, piece.to).await?, piece.name).await
}

async fn write(
    mut receiving: Receiving,
    piece: &Piece<'_>,
) -> Result<(State, UploadResult), UploadError> {
    receiving.write(piece.bytes).await?;
    let bytes = receiving.bytes() as u64;
    if !piece.last {
        return Ok((State::Receiving(receiving), UploadResult { bytes, file: None }));
    }
    let file = receiving.finish().await?;
    Ok((State::Done(bytes, file.clone()), UploadResult { bytes, file: Some(file) }))
}

fn does_not_follow(there: u64, piece: &Piece<'_>) -> RpcError {
    let message = format!("the file has {there} bytes here, and these begin at {}", piece.offset);
    RpcError::new(ErrorCode::InvalidParams, message)
}

#[cfg(test)]
mod tests;
