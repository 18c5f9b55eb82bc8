//! Mail that passes: a hub keeps sealed letters until the relay where their recipient lives has stored
//! them, and hands out the keys that identities published. It sees who writes to whom, how much and when.
//!
//! Each link to a relay has one task: it fetches orders, carries them out in one transaction, and brings
//! what came of them together with letters for the identities that registered on the link. An identity
//! registers by signing the link's own words, so nobody else can fetch or empty its mailbox, and nobody
//! can send in its name. With a new link everything begins again, so a lost answer costs a repetition that
//! the recipient's ratchet knows.

mod orders;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use quarterdeck_access::clock;
use quarterdeck_protocol::{
    error::ErrorCode,
    method::{CarriedLetter, CarryNews, MailBring, MailBringParams, MailFetch, MailFetchParams},
};
use quarterdeck_seal::IdentityKey;
use quarterdeck_transport::client::CallError;
use tokio::sync::{Notify, mpsc};

use crate::{
    context::{Context, random_bytes},
    limits::{MAIL_CALL_LIMIT, MAIL_FETCH_WAIT, MAIL_RETRY, MAX_BROUGHT_BYTES, MAX_CARRY_NEWS},
    store::{Mailbox, StoreError},
    switch::Linked,
};

/// Where each identity's mail goes now.
#[derive(Debug, Default)]
pub(crate) struct PostOffice {
    homes: Mutex<BTreeMap<Mailbox, Arc<Bell>>>,
}

/// Wakes the task of a link: these mailboxes have something.
#[derive(Debug, Default)]
struct Bell {
    rung: Notify,
    mailboxes: Mutex<BTreeSet<Mailbox>>,
}

impl Bell {
    fn ring(&self, mailbox: Mailbox) {
        self.mailboxes().insert(mailbox);
        self.rung.notify_one();
    }

    fn take(&self) -> BTreeSet<Mailbox> {
        std::mem::take(&mut *self.mailboxes())
    }

    fn mailboxes(&self) -> MutexGuard<'_, BTreeSet<Mailbox>> {
        self.mailboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PostOffice {
    /// From now on an identity's mail goes to this link, and to no other.
    fn set_home(&self, mailbox: Mailbox, bell: &Arc<Bell>) {
        self.homes().insert(mailbox, Arc::clone(bell));
        bell.ring(mailbox);
    }

    /// Something came for an identity.
    fn ring(&self, mailbox: Mailbox) {
        let bell = self.homes().get(&mailbox).cloned();
        if let Some(bell) = bell {
            bell.ring(mailbox);
        }
    }

    fn is_home(&self, mailbox: &Mailbox, bell: &Arc<Bell>) -> bool {
        self.homes().get(mailbox).is_some_and(|home| Arc::ptr_eq(home, bell))
    }

    /// An identity has no mailbox here after all.
    fn leave(&self, mailbox: &Mailbox) {
        self.homes().remove(mailbox);
    }

    fn forget(&self, bell: &Arc<Bell>) {
        self.homes().retain(|_, home| !Arc::ptr_eq(home, bell));
    }

    fn homes(&self) -> MutexGuard<'_, BTreeMap<Mailbox, Arc<Bell>>> {
        self.homes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why carrying on a link ended.
#[derive(Debug, thiserror::Error)]
enum CarryError {
    /// The relay.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system gives no random bytes.
    #[error("no random bytes")]
    Random,
}

/// Carries a link's mail until it is gone.
pub(crate) fn start(context: &Arc<Context>, linked: &Arc<Linked>) {
    let (context, linked) = (Arc::clone(context), Arc::clone(linked));
    let tasks = context.tasks.clone();
    tasks.spawn(async move {
        let gone = linked.client.clone();
        tokio::select! {
            biased;
            () = context.shutdown.cancelled() => {}
            _ = gone.closed() => {}
            () = run(&context, &linked) => {}
        }
    });
}

async fn run(context: &Arc<Context>, linked: &Arc<Linked>) {
    loop {
        let bell = Arc::new(Bell::default());
        let ended = carry(context, linked, &bell).await;
        context.post.forget(&bell);
        match ended {
            Err(CarryError::Call(CallError::Rpc(error)))
                if error.code() == ErrorCode::MethodNotFound =>
            {
                // an older relay has no mail
                return;
            }
            Err(error) => tracing::debug!(machine = %linked.machine, %error, "mail begins again"),
            Ok(()) => {}
        }
        tokio::time::sleep(MAIL_RETRY).await;
    }
}

/// One life of a link: with the next one everything begins again.
async fn carry(
    context: &Arc<Context>,
    linked: &Arc<Linked>,
    bell: &Arc<Bell>,
) -> Result<(), CarryError> {
    let words: [u8; 16] = random_bytes().map_err(|_| CarryError::Random)?;
    let link = URL_SAFE_NO_PAD.encode(words);
    let (news, told) = mpsc::channel(MAX_CARRY_NEWS);
    tokio::try_join!(
        fetch(context, linked, bell, &link, news),
        bring(context, linked, bell, &link, told)
    )?;
    Ok(())
}

async fn fetch(
    context: &Arc<Context>,
    linked: &Arc<Linked>,
    bell: &Arc<Bell>,
    link: &str,
    news: mpsc::Sender<CarryNews>,
) -> Result<(), CarryError> {
    let wait_ms = u32::try_from(MAIL_FETCH_WAIT.as_millis()).unwrap_or(u32::MAX);
    let limit = MAIL_FETCH_WAIT + MAIL_CALL_LIMIT;
    loop {
        let params = MailFetchParams { link: link.to_owned(), wait_ms };
        let fetched = linked.client.call_within::<MailFetch>(&params, limit).await?;
        if fetched.orders.is_empty() {
            continue;
        }
        for told in orders::carry_out(context, bell, link, fetched.orders).await? {
            if news.send(told).await.is_err() {
                return Ok(());
            }
        }
    }
}

async fn bring(
    context: &Arc<Context>,
    linked: &Arc<Linked>,
    bell: &Arc<Bell>,
    link: &str,
    mut told: mpsc::Receiver<CarryNews>,
) -> Result<(), CarryError> {
    // the last letter that was brought of each mailbox; what was not stored comes again on the next link
    let mut brought: BTreeMap<Mailbox, u64> = BTreeMap::new();
    loop {
        let mut news = Vec::new();
        tokio::select! {
            biased;
            count = told.recv_many(&mut news, MAX_CARRY_NEWS) => if count == 0 { return Ok(()) },
            () = bell.rung.notified() => {}
        }
        let mut bytes = 0;
        for mailbox in bell.take() {
            if bytes > MAX_BROUGHT_BYTES {
                bell.ring(mailbox);
                continue;
            }
            if !context.post.is_home(&mailbox, bell) {
                continue;
            }
            let after = brought.get(&mailbox).copied().unwrap_or_default();
            let letters = context.store.letters(mailbox, after).await?;
            let Some((last, _)) = letters.last() else { continue };
            brought.insert(mailbox, *last);
            bytes += letters.iter().map(|(_, sealed)| sealed.len()).sum::<usize>();
            // there may be more
            bell.ring(mailbox);
            news.extend(letters_of(&mailbox, letters));
        }
        if news.is_empty() {
            continue;
        }
        let params = MailBringParams { link: link.to_owned(), news };
        linked.client.call_within::<MailBring>(&params, MAIL_CALL_LIMIT).await?;
    }
}

fn letters_of(mailbox: &Mailbox, letters: Vec<(u64, Vec<u8>)>) -> Option<CarryNews> {
    let identity = IdentityKey::parse(mailbox).ok()?.to_string();
    let carried = |(item, sealed): (u64, Vec<u8>)| CarriedLetter {
        item,
        sealed: URL_SAFE_NO_PAD.encode(sealed),
    };
    Some(CarryNews::Letters { identity, letters: letters.into_iter().map(carried).collect() })
}

/// Gives up, now and daily, letters that nobody has fetched for too long.
pub(crate) async fn prune_daily(context: Arc<Context>) {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    loop {
        let before = Duration::from_micros(clock::wall_micros())
            .saturating_sub(crate::limits::LETTER_AGE)
            .as_secs();
        if let Err(error) = context.store.prune_letters(before).await {
            tracing::warn!(%error, "old letters not removed");
        }
        tokio::select! {
            () = context.shutdown.cancelled() => return,
            () = tokio::time::sleep(DAY) => {}
        }
    }
}
