//! What a controller types: in order, one after the other, each answered when the program has it.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use futures_util::FutureExt as _;
use quarterdeck_protocol::{
    dialect::agor::PtyWrite,
    error::{ErrorCode, RpcError},
    limits::{MAX_INPUT_BYTES, MAX_PENDING_INPUT_BYTES},
    method::MethodName,
};

use super::{Controller, Work};
use crate::session::{Command as Ask, SessionHandle};

/// Writes of one terminal that wait; one more is refused, as more bytes than a holder keeps are.
const MAX_WRITES: usize = 1024;

/// The writes of one terminal; there is one as long as they are being carried out.
#[derive(Debug, Default)]
pub(super) struct Typing {
    writes: VecDeque<Write>,
    /// Bytes of all of them.
    bytes: usize,
}

#[derive(Debug)]
struct Write {
    command: String,
    data: Bytes,
}

impl Typing {
    /// Adds a write, or says that there are too many.
    fn add(&mut self, write: Write) -> Result<(), Write> {
        let bytes = self.bytes + write.data.len();
        if self.writes.len() >= MAX_WRITES || bytes > MAX_PENDING_INPUT_BYTES {
            return Err(write);
        }
        self.bytes = bytes;
        self.writes.push_back(write);
        Ok(())
    }

    fn next(&mut self) -> Option<Write> {
        let write = self.writes.pop_front()?;
        self.bytes -= write.data.len();
        Some(write)
    }
}

impl Controller {
    /// Queues a write; gives back the work when nothing is at it yet.
    pub(super) fn begin_write(self: &Arc<Self>, id: String, p: PtyWrite) -> Option<Work> {
        let session = match self.find(&p.id, MethodName::SessionInput) {
            Ok(session) => session,
            Err(error) => {
                self.settle(&id, &p.id, Err(error));
                return None;
            }
        };
        let mut typing = self.typing();
        let begins = !typing.contains_key(&session.id);
        let queue = typing.entry(session.id).or_default();
        let refused = queue.add(Write { command: id, data: Bytes::from(p.data) }).err();
        if begins && refused.is_some() {
            typing.remove(&session.id);
        }
        drop(typing);
        if let Some(Write { command, .. }) = refused {
            let error = RpcError::new(ErrorCode::InputFull, "the program does not read its input");
            self.settle(&command, &p.id, Err(error));
            return None;
        }
        begins.then(|| Arc::clone(self).write_all(session).boxed())
    }

    async fn write_all(self: Arc<Self>, session: Arc<SessionHandle>) {
        self.follow(&session).await;
        while let Some(Write { command, data }) = self.next_write(&session) {
            self.claim(&session).await;
            let outcome = self.write_one(&session, data).await;
            self.settle(&command, &session.id.to_string(), outcome);
        }
    }

    /// The next write; none ends the work.
    fn next_write(&self, session: &SessionHandle) -> Option<Write> {
        let mut typing = self.typing();
        let write = typing.get_mut(&session.id).and_then(Typing::next);
        if write.is_none() {
            typing.remove(&session.id);
        }
        write
    }

    /// Types as the owner, or, in a terminal of the same principal, with the lease borrowed for it.
    async fn write_one(&self, session: &SessionHandle, mut data: Bytes) -> Result<(), RpcError> {
        while !data.is_empty() {
            let text = data.split_to(data.len().min(MAX_INPUT_BYTES));
            let (caller, n) = (self.lease_caller(), None);
            session.ask(|reply| Ask::InputOnce { caller, text, n, reply }).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(bytes: usize) -> Write {
        Write { command: String::new(), data: Bytes::from(vec![b'x'; bytes]) }
    }

    #[test]
    fn writes_wait_in_order_up_to_what_a_holder_would_keep() {
        let mut typing = Typing::default();
        assert!(typing.add(write(MAX_PENDING_INPUT_BYTES - 1)).is_ok());
        assert!(typing.add(write(2)).is_err());
        assert!(typing.add(write(1)).is_ok());
        assert_eq!(typing.next().map(|w| w.data.len()), Some(MAX_PENDING_INPUT_BYTES - 1));
        assert!(typing.add(write(2)).is_ok());
        assert_eq!(typing.next().map(|w| w.data.len()), Some(1));
        assert_eq!(typing.next().map(|w| w.data.len()), Some(2));
        assert!(typing.next().is_none());
    }

    #[test]
    fn empty_writes_are_bounded_too() {
        let mut typing = Typing::default();
        for _ in 0..MAX_WRITES {
            assert!(typing.add(write(0)).is_ok());
        }
        assert!(typing.add(write(0)).is_err());
    }
}
