//! What a hub remembers: its machines, their last known sessions, and browsers. The only place that knows SQL.
//!
//! SQLite with a write-ahead log, on a thread of its own: no request waits for the disk on the event
//! loop. A machine is on the disk before it is in force; sessions are the relays' truth and are only kept
//! so that a machine that cannot be reached is not an empty one.

mod devices;
mod mail;
mod rows;
mod schema;
#[cfg(test)]
mod tests;

use std::{
    path::{Path, PathBuf},
    thread,
};

use quarterdeck_protocol::{
    ids::{DeviceId, MachineId, SessionId},
    session::SessionInfo,
};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

pub(crate) use mail::{MailOrder, MailOutcome, Mailbox};
pub(crate) use rows::{Access, BadChange, MachineRow};

use crate::{devices::DeviceRow, limits::STORE_QUEUE};

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It was written by a newer version of the program, which an older one must not touch.
    #[error("{path} is of a newer version of this program. Use the newer program", path = path.display())]
    Newer {
        /// Which file.
        path: PathBuf,
    },
    /// It is not a database, or damaged. It is left alone.
    #[error("{path} is damaged; move it away, and add the machines again", path = path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// It cannot be written.
    #[error("{path} cannot be written: its disk is full, or it or its directory is read-only", path = path.display())]
    ReadOnly {
        /// Which file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// Anything else that SQLite says.
    #[error("{path}: {source}", path = path.display())]
    Sql {
        /// Which file.
        path: PathBuf,
        /// What it says.
        source: rusqlite::Error,
    },
    /// The thread of the database could not be started, or is gone.
    #[error("the database's thread is gone")]
    Gone,
}

/// What was there at the start.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    /// Machines with their last known sessions.
    pub(crate) machines: Vec<(MachineRow, Vec<SessionInfo>)>,
    /// Browsers.
    pub(crate) devices: Vec<DeviceRow>,
}

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// A handle to the database's thread, which ends with the last of them.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    path: PathBuf,
    /// When it is full, whoever writes waits.
    jobs: mpsc::Sender<Job>,
}

impl Store {
    /// Opens the database, or makes it, and reads everything.
    ///
    /// # Errors
    /// When it cannot be used. It is not changed then.
    pub(crate) fn open(path: &Path) -> Result<(Self, Loaded), StoreError> {
        let mut db = schema::open(path)?;
        let loaded = rows::load(&db).map_err(|source| schema::classify(path, source))?;
        let (jobs, mut inbox) = mpsc::channel::<Job>(STORE_QUEUE);
        let run = move || {
            while let Some(job) = inbox.blocking_recv() {
                job(&mut db);
            }
        };
        thread::Builder::new().name("qd-store".into()).spawn(run).map_err(|_| StoreError::Gone)?;
        Ok((Self { path: path.to_owned(), jobs }, loaded))
    }

    /// Writes a machine, new or changed.
    ///
    /// # Errors
    /// When it cannot be written; then it is as it was.
    pub(crate) async fn put_machine(&self, row: MachineRow) -> Result<(), StoreError> {
        self.run(move |db| rows::put_machine(db, &row)).await
    }

    /// Forgets a machine and its sessions.
    ///
    /// # Errors
    /// When it cannot be written; then it is as it was.
    pub(crate) async fn remove_machine(&self, machine: MachineId) -> Result<(), StoreError> {
        self.run(move |db| rows::remove_machine(db, machine)).await
    }

    /// Writes what changed of a machine's sessions.
    ///
    /// # Errors
    /// When it cannot be written; then nothing of it is.
    pub(crate) async fn put_sessions(
        &self,
        machine: MachineId,
        changed: Vec<SessionInfo>,
        removed: Vec<SessionId>,
    ) -> Result<(), StoreError> {
        self.run(move |db| rows::put_sessions(db, machine, &changed, &removed)).await
    }

    /// Writes a browser, new or changed.
    ///
    /// # Errors
    /// When it cannot be written; then it is as it was.
    pub(crate) async fn put_device(&self, row: DeviceRow) -> Result<(), StoreError> {
        self.run(move |db| devices::put(db, &row)).await
    }

    /// Writes when a browser was last used. One that was revoked meanwhile stays away.
    ///
    /// # Errors
    /// When it cannot be written; then it is as it was.
    pub(crate) async fn touch_device(&self, row: DeviceRow) -> Result<(), StoreError> {
        self.run(move |db| devices::touch(db, &row)).await
    }

    /// Forgets a browser.
    ///
    /// # Errors
    /// When it cannot be written; then it is as it was.
    pub(crate) async fn remove_device(&self, device: DeviceId) -> Result<(), StoreError> {
        self.run(move |db| devices::remove(db, device)).await
    }

    /// Brings everything into the one file that people copy and look at.
    ///
    /// # Errors
    /// When it cannot be written; it is complete all the same, in two files.
    pub(crate) async fn settle(&self) -> Result<(), StoreError> {
        self.run(|db| db.pragma_update(None, "wal_checkpoint", "truncate")).await
    }

    /// Carries a relay's orders about mail out, all or none of them.
    ///
    /// # Errors
    /// When they cannot be written; then nothing of it is.
    pub(crate) async fn carry(
        &self,
        orders: Vec<MailOrder>,
        now: u64,
    ) -> Result<Vec<MailOutcome>, StoreError> {
        self.run(move |db| mail::carry(db, &orders, now)).await
    }

    /// Letters of a mailbox after one, as many as are brought at a time.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) async fn letters(
        &self,
        mailbox: Mailbox,
        after: u64,
    ) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        self.run(move |db| mail::letters(db, &mailbox, after)).await
    }

    /// Gives up letters that are older than this second.
    ///
    /// # Errors
    /// When that cannot be written.
    pub(crate) async fn prune_letters(&self, before: u64) -> Result<(), StoreError> {
        self.run(move |db| mail::prune(db, before)).await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(move |db: &mut Connection| {
            // whoever asked may be gone
            let _ = answer.send(work(db));
        });
        self.jobs.send(job).await.map_err(|_| StoreError::Gone)?;
        let outcome = answered.await.map_err(|_| StoreError::Gone)?;
        outcome.map_err(|source| schema::classify(&self.path, source))
    }
}
