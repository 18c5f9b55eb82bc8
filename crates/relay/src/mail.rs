//! The relay's mail: its identities, and the one actor that owns them.
//!
//! ```text
//! callers ──▶ ┌───────┐ ◀──▶ transport: sealed letters
//!  (wire)     │ owner │ ──▶ store: one SQLite file, synced at each commit
//! registry ─▶ └───────┘ ──▶ courier ──▶ sessions: one keyed operation per message
//!  (who lives)     ▲────────────┘ (how it ended)
//! ```
//!
//! The owner runs on a thread of its own, because it waits for the disk; it does one thing after the other,
//! so nothing about a ratchet is ever done twice at a time. What came is acknowledged, and what was sealed
//! leaves, only after it is on the disk. A delivery is noted before it is tried; after a crash it is tried
//! again under the same key, and the session's log says whether it has it.

mod answering;
mod asking;
mod carrying;
mod claims;
mod courier;
mod dispatch;
mod drafting;
mod framing;
mod history;
mod identities;
mod listing;
mod mailbox;
mod news;
mod notice;
mod outside;
mod owner;
mod policies;
mod post;
mod presence;
mod receiving;
mod sending;
mod store;
#[cfg(test)]
mod tests;
mod transport;
mod turn;
mod writing;

use std::{path::Path, sync::mpsc};

use quarterdeck_core::mail::{MailNumber, routing::Outcome};
use quarterdeck_crypto::StorageKey;
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    ids::{HubId, Label, SessionId},
    mail::MailNote,
    method::{
        Empty, IdentityMail, MailAutorespondResult, MailBringParams, MailContact,
        MailContactAddParams, MailContactParams, MailContactsResult, MailDecideParams,
        MailFetchParams, MailFetchResult, MailHistoryParams, MailHistoryResult,
        MailIdentitiesResult, MailInboxParams, MailInboxResult, MailJob, MailNextParams,
        MailNextResult, MailPolicyParams, MailPolicyResult, MailSendParams, MailSetStatusParams,
        MailStatusResult, MailWaitParams, MailWaitResult, MailWhoamiResult,
    },
    record::SessionKind,
};
use tokio::sync::oneshot;

use crate::config::ResponderConfig;

pub(crate) use answering::Draft;
pub(crate) use claims::{Claimed, Claims, Hold, OutsideAgent, claim, leave, run as run_claims};
pub(crate) use courier::run as run_courier;
pub(crate) use drafting::run as run_drafting;
pub(crate) use news::run as run_news;
pub(crate) use store::{CREDENTIAL, StoreError};

/// Requests that may wait for the owner; one more is refused.
const MAX_ASKS: usize = 1024;

/// Answers that may wait to be written.
const MAX_DRAFTS: usize = 64;

/// The session label under which people write, and are written to.
pub(crate) const PERSON: &str = "person";

/// Who asks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Who {
    /// The session inside which the caller runs, or the agent outside that it is: it speaks for that one
    /// only.
    pub session: Option<SessionId>,
    /// The identity that it names.
    pub identity: Option<String>,
    /// The label under which it writes, where it is neither a session nor a person.
    pub label: Option<Label>,
}

/// What an identity is assigned to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Assignee {
    /// All that have no other.
    Others,
    /// Whoever works in this directory or below it.
    Project(String),
    /// One session, wherever it works.
    Session(SessionId),
}

/// A session as far as mail goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LiveSession {
    /// Its id.
    pub id: SessionId,
    /// Its label.
    pub label: Label,
    /// Where it works.
    pub cwd: String,
    /// A terminal's mail is read in the inbox; an agent's is put to it.
    pub kind: SessionKind,
    /// Whether its agent has nothing to do.
    pub is_idle: bool,
}

/// Answered when it is on the disk.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, RpcError>>;

/// What is asked of the owner.
#[derive(Debug)]
pub(crate) enum Ask {
    /// Send a message.
    Send(Who, MailSendParams, Reply<MailJob>),
    /// What came; with the session that is meant.
    Inbox(Who, MailInboxParams, Option<Label>, Reply<MailInboxResult>),
    /// What came and what was sent.
    History(Who, MailHistoryParams, Reply<MailHistoryResult>),
    /// Messages for people were read.
    Read(Who, Vec<i64>, Reply<Empty>),
    /// How much waits for people.
    Counts(Reply<Vec<IdentityMail>>),
    /// Wait for what comes.
    Wait(Who, MailWaitParams, Reply<MailWaitResult>),
    /// How far what was sent came.
    Status(Who, Option<String>, Reply<MailStatusResult>),
    /// Who the caller is.
    Whoami(Who, Reply<MailWhoamiResult>),
    /// Whom it knows.
    Contacts(Who, Reply<MailContactsResult>),
    /// Ask somebody to be one.
    Add(Who, MailContactAddParams, Reply<MailContact>),
    /// Begin another ratchet with one.
    Reset(Who, String, Reply<MailContactsResult>),
    /// Decide about a contact.
    Decide(MailContactParams, Reply<MailContactsResult>),
    /// What an identity does with its mail, and change it.
    Policy(Who, MailPolicyParams, Reply<MailPolicyResult>),
    /// Decide about a message.
    DecideMessage(Who, MailDecideParams, Reply<Empty>),
    /// The identities.
    Identities(Reply<MailIdentitiesResult>),
    /// Make one.
    IdentityAdd(String, Reply<MailIdentitiesResult>),
    /// Choose where its mailbox is.
    Home(Who, HubId, Reply<MailIdentitiesResult>),
    /// Assign one; none takes back what was assigned.
    IdentityUse(Option<String>, Assignee, Reply<MailIdentitiesResult>),
    /// A session is removed, or was never started.
    Forget(SessionId),
    /// Answer by itself, or not.
    Autorespond(Who, Option<bool>, Reply<MailAutorespondResult>),
    /// The program that answers has ended.
    Drafted {
        /// Whose answer it is.
        number: MailNumber,
        /// What it says.
        text: Option<String>,
    },
    /// A session says what it does.
    SetStatus(Who, MailSetStatusParams, Reply<Empty>),
    /// A session waits until another one has nothing to do.
    Notify(Who, Label, Reply<Empty>),
    /// An agent outside has a label.
    Claimed(OutsideAgent, Reply<()>),
    /// An agent outside is gone.
    Left(SessionId, Option<Reply<()>>),
    /// What an agent is to be shown.
    Next(Who, MailNextParams, Reply<MailNextResult>),
    /// A hub fetches what is to be carried.
    Fetch(HubId, MailFetchParams, Reply<MailFetchResult>),
    /// A hub brings what came.
    Bring(HubId, MailBringParams, Reply<Empty>),
    /// These sessions live.
    Live(Vec<LiveSession>),
    /// A delivery ended.
    Delivered {
        /// Which message.
        number: MailNumber,
        /// To which session.
        session: SessionId,
        /// How.
        outcome: Outcome,
    },
}

/// A message that a session is to get.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// Which.
    pub number: MailNumber,
    /// To which session.
    pub session: SessionId,
    /// The key of the operation: it is done once.
    pub key: String,
    /// The sender's address.
    pub address: String,
    /// What is put to an agent.
    pub text: String,
    /// What a terminal's viewers are told.
    pub note: MailNote,
    /// Whether it may have been done before.
    pub earlier: Earlier,
}

/// Whether a delivery may have been done, without anybody knowing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Earlier {
    /// It is the first try.
    Never,
    /// It was tried, and how that ended is not known.
    Tried,
}

/// The owner's other ends.
pub(crate) struct Started {
    /// The way to it.
    pub mail: Mail,
    /// What is to be put to sessions.
    pub deliveries: tokio::sync::mpsc::Receiver<Delivery>,
    /// What is to be answered.
    pub drafts: tokio::sync::mpsc::Receiver<Draft>,
    /// Agents outside that an earlier relay gave labels.
    pub outside: Vec<OutsideAgent>,
    /// Raised when anything that is stored has changed.
    pub changes: tokio::sync::watch::Receiver<u64>,
}

/// The way to the owner. When the last one is dropped the owner ends.
#[derive(Debug, Clone)]
pub(crate) struct Mail(mpsc::SyncSender<Ask>);

impl Mail {
    /// Opens the store and starts the owner. The instance lock is held.
    ///
    /// # Errors
    /// When the store cannot be opened or read.
    pub(crate) fn start(
        path: &Path,
        key: Option<StorageKey>,
        responder: Option<ResponderConfig>,
    ) -> Result<Started, StoreError> {
        let (sender, receiver) = mpsc::sync_channel(MAX_ASKS);
        // a session has at most one delivery under way, so the queue is never full
        let (courier, deliveries) =
            tokio::sync::mpsc::channel(quarterdeck_protocol::limits::MAX_SESSIONS);
        let (drafter, drafts) = tokio::sync::mpsc::channel(MAX_DRAFTS);
        let writing = responder.map(|config| answering::Writing::new(config, drafter));
        let owner = owner::Owner::open(path, key, courier, writing)?;
        let (outside, changes) = (owner.outside.clone(), owner.changes());
        let run = std::thread::Builder::new().name("qd-mail".to_owned());
        run.spawn(move || owner.run(&receiver))
            .map_err(|_| StoreError::Damaged("no thread for it"))?;
        Ok(Started { mail: Self(sender), deliveries, drafts, outside, changes })
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// The answer's, or that the owner cannot be asked.
    pub(crate) async fn ask<T>(&self, ask: impl FnOnce(Reply<T>) -> Ask) -> Result<T, RpcError> {
        let (reply, answer) = oneshot::channel();
        self.tell(ask(reply))?;
        let ended = || RpcError::new(ErrorCode::ShuttingDown, "the relay is shutting down");
        answer.await.map_err(|_| ended())?
    }

    /// Tells without an answer.
    ///
    /// # Errors
    /// When too much waits, or the owner has ended.
    pub(crate) fn tell(&self, ask: Ask) -> Result<(), RpcError> {
        self.0.try_send(ask).map_err(|error| match error {
            mpsc::TrySendError::Full(_) => {
                RpcError::new(ErrorCode::Overloaded, "too much waits for the mail")
            }
            mpsc::TrySendError::Disconnected(_) => {
                RpcError::new(ErrorCode::Storage, "the mail has stopped")
                    .hint("see the relay's log")
            }
        })
    }
}
