//! Mailboxes: cards, keys for new ratchets, and sealed letters until they are stored where they are for.
//!
//! A mailbox is bounded as a whole and for each sender, so that nobody can fill another one's.

use quarterdeck_protocol::method::{CarryRest, MailKey};
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use crate::limits::{
    MAX_MAILBOX_BYTES, MAX_MAILBOX_KEYS, MAX_MAILBOX_LETTERS, MAX_MAILBOX_LETTERS_PER_SENDER,
    MAX_MAILBOXES, MAX_PULLED_BYTES, MAX_PULLED_LETTERS,
};

/// The bytes of an identity's key.
pub(crate) type Mailbox = [u8; 32];

/// One checked order.
#[derive(Debug)]
pub(crate) enum MailOrder {
    /// An identity has its mailbox here.
    Register {
        /// Whose.
        identity: Mailbox,
        /// Of the card: an older one changes nothing.
        generation: u64,
        /// The card as JSON.
        card: String,
    },
    /// An identity that lives elsewhere writes from here.
    Visit {
        /// Whose.
        identity: Mailbox,
        /// Of the card.
        generation: u64,
        /// The card as JSON, which says where it lives.
        card: String,
    },
    /// Its keys.
    Publish {
        /// Whose.
        identity: Mailbox,
        /// Each for one peer.
        one_time: Vec<MailKey>,
        /// For whoever comes when those are used up.
        fallback: Option<MailKey>,
    },
    /// Somebody wants to write to it.
    Claim {
        /// Whose.
        peer: Mailbox,
    },
    /// Letters for it.
    Send {
        /// Whose they are.
        from: Mailbox,
        /// For whom.
        to: Mailbox,
        /// The sealed letters.
        letters: Vec<Vec<u8>>,
    },
    /// It has everything up to here.
    Done {
        /// Whose.
        identity: Mailbox,
        /// The last letter.
        item: u64,
    },
}

/// What an order came to.
#[derive(Debug, PartialEq)]
pub(crate) enum MailOutcome {
    /// It has a mailbox, with so many one-time keys.
    Registered(u32),
    /// There is no room, or a newer card.
    NotRegistered,
    /// Nothing that is told.
    Kept,
    /// The card as JSON, and a key.
    Claimed {
        /// None = there is no such mailbox.
        card: Option<String>,
        /// One that nobody else gets.
        one_time: Option<MailKey>,
        /// Where there is none.
        fallback: Option<MailKey>,
    },
    /// How many letters were taken.
    Taken(usize, CarryRest),
}

/// Carries orders out, all or none of them.
pub(super) fn carry(
    db: &mut Connection,
    orders: &[MailOrder],
    now: u64,
) -> rusqlite::Result<Vec<MailOutcome>> {
    let transaction = db.transaction()?;
    let outcomes = orders.iter().map(|order| carry_one(&transaction, order, now));
    let outcomes = outcomes.collect::<rusqlite::Result<Vec<_>>>()?;
    transaction.commit()?;
    Ok(outcomes)
}

fn carry_one(db: &Transaction<'_>, order: &MailOrder, now: u64) -> rusqlite::Result<MailOutcome> {
    match order {
        MailOrder::Register { identity, generation, card } => {
            register(db, identity, *generation, card)
        }
        MailOrder::Visit { identity, generation, card } => visit(db, identity, *generation, card),
        MailOrder::Publish { identity, one_time, fallback } => {
            publish(db, identity, one_time, fallback.as_ref())
        }
        MailOrder::Claim { peer } => claim(db, peer),
        MailOrder::Send { from, to, letters } => send(db, from, to, letters, now),
        MailOrder::Done { identity, item } => {
            done(db, identity, *item)?;
            Ok(MailOutcome::Kept)
        }
    }
}

fn register(
    db: &Transaction<'_>,
    identity: &Mailbox,
    generation: u64,
    card: &str,
) -> rusqlite::Result<MailOutcome> {
    let known: Option<i64> = db
        .prepare_cached("SELECT generation FROM mailbox WHERE identity = ?1")?
        .query_row([identity], |row| row.get(0))
        .optional()?;
    let full = || -> rusqlite::Result<bool> {
        let count: i64 = db.query_row("SELECT count(*) FROM mailbox", [], |row| row.get(0))?;
        Ok(unsigned(count) >= MAX_MAILBOXES)
    };
    let refused = match known {
        Some(known) => unsigned(known) > generation,
        None => full()?,
    };
    if refused {
        return Ok(MailOutcome::NotRegistered);
    }
    db.prepare_cached(
        "INSERT INTO mailbox (identity, card, generation) VALUES (?1, ?2, ?3)
         ON CONFLICT (identity) DO UPDATE SET card = excluded.card, generation = excluded.generation",
    )?
    .execute(params![identity, card, signed(generation)])?;
    let keys = count_keys(db, identity)?;
    Ok(MailOutcome::Registered(u32::try_from(keys).unwrap_or(u32::MAX)))
}

/// Whoever asks a hub where it lived before hears where it lives now.
fn visit(
    db: &Transaction<'_>,
    identity: &Mailbox,
    generation: u64,
    card: &str,
) -> rusqlite::Result<MailOutcome> {
    db.prepare_cached(
        "UPDATE mailbox SET card = ?2, generation = ?3 WHERE identity = ?1 AND generation < ?3",
    )?
    .execute(params![identity, card, signed(generation)])?;
    Ok(MailOutcome::Kept)
}

fn count_keys(db: &Transaction<'_>, identity: &Mailbox) -> rusqlite::Result<u64> {
    db.prepare_cached("SELECT count(*) FROM mailbox_key WHERE identity = ?1")?
        .query_row([identity], |row| row.get(0))
        .map(unsigned)
}

fn publish(
    db: &Transaction<'_>,
    identity: &Mailbox,
    one_time: &[MailKey],
    fallback: Option<&MailKey>,
) -> rusqlite::Result<MailOutcome> {
    // a guest's are at its home
    if !db.prepare_cached("SELECT 1 FROM mailbox WHERE identity = ?1")?.exists([identity])? {
        return Ok(MailOutcome::Kept);
    }
    let room = MAX_MAILBOX_KEYS.saturating_sub(count_keys(db, identity)?);
    let room = usize::try_from(room).unwrap_or(usize::MAX);
    for MailKey { key, signature } in one_time.iter().take(room) {
        db.prepare_cached(
            "INSERT OR IGNORE INTO mailbox_key (identity, key, signature) VALUES (?1, ?2, ?3)",
        )?
        .execute(params![identity, key, signature])?;
    }
    if let Some(fallback) = fallback {
        let text = json(fallback);
        db.prepare_cached("UPDATE mailbox SET fallback = ?2 WHERE identity = ?1")?
            .execute(params![identity, text])?;
    }
    Ok(MailOutcome::Kept)
}

fn claim(db: &Transaction<'_>, peer: &Mailbox) -> rusqlite::Result<MailOutcome> {
    let found: Option<(String, Option<String>)> = db
        .prepare_cached("SELECT card, fallback FROM mailbox WHERE identity = ?1")?
        .query_row([peer], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((card, fallback)) = found else {
        return Ok(MailOutcome::Claimed { card: None, one_time: None, fallback: None });
    };
    // given away once
    let one_time = db
        .prepare_cached(
            "DELETE FROM mailbox_key WHERE identity = ?1 AND key =
             (SELECT key FROM mailbox_key WHERE identity = ?1 LIMIT 1) RETURNING key, signature",
        )?
        .query_row([peer], |row| Ok(MailKey { key: row.get(0)?, signature: row.get(1)? }))
        .optional()?;
    let fallback = fallback.filter(|_| one_time.is_none());
    let fallback = fallback.and_then(|text| serde_json::from_str(&text).ok());
    Ok(MailOutcome::Claimed { card: Some(card), one_time, fallback })
}

fn send(
    db: &Transaction<'_>,
    from: &Mailbox,
    to: &Mailbox,
    letters: &[Vec<u8>],
    now: u64,
) -> rusqlite::Result<MailOutcome> {
    let mailbox: Option<(i64, i64, i64)> = db
        .prepare_cached("SELECT next_item, letters, bytes FROM mailbox WHERE identity = ?1")?
        .query_row([to], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((mut next, mut count, mut bytes)) = mailbox else {
        return Ok(MailOutcome::Taken(0, CarryRest::NoMailbox));
    };
    let of_sender: Option<i64> = db
        .prepare_cached("SELECT letters FROM mailbox_sender WHERE identity = ?1 AND sender = ?2")?
        .query_row([to, from], |row| row.get(0))
        .optional()?;
    let mut of_sender = of_sender.unwrap_or_default();
    let mut insert = db.prepare_cached(
        "INSERT INTO letter (identity, item, sender, sealed, at) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    let mut taken = 0;
    for sealed in letters {
        let length = signed(sealed.len() as u64);
        let fits = unsigned(count) < MAX_MAILBOX_LETTERS
            && unsigned(of_sender) < MAX_MAILBOX_LETTERS_PER_SENDER
            && unsigned(bytes + length) <= MAX_MAILBOX_BYTES;
        if !fits {
            break;
        }
        insert.execute(params![to, next, from, sealed, signed(now)])?;
        (next, count, bytes, of_sender) = (next + 1, count + 1, bytes + length, of_sender + 1);
        taken += 1;
    }
    db.prepare_cached(
        "UPDATE mailbox SET next_item = ?2, letters = ?3, bytes = ?4 WHERE identity = ?1",
    )?
    .execute(params![to, next, count, bytes])?;
    set_of_sender(db, to, from, of_sender)?;
    let rest = if taken == letters.len() { CarryRest::None } else { CarryRest::Later };
    Ok(MailOutcome::Taken(taken, rest))
}

fn set_of_sender(
    db: &Transaction<'_>,
    identity: &Mailbox,
    sender: &[u8],
    letters: i64,
) -> rusqlite::Result<()> {
    if letters <= 0 {
        db.prepare_cached("DELETE FROM mailbox_sender WHERE identity = ?1 AND sender = ?2")?
            .execute(params![identity, sender])?;
    } else {
        db.prepare_cached(
            "INSERT INTO mailbox_sender (identity, sender, letters) VALUES (?1, ?2, ?3)
             ON CONFLICT (identity, sender) DO UPDATE SET letters = excluded.letters",
        )?
        .execute(params![identity, sender, letters])?;
    }
    Ok(())
}

/// Removes letters up to one, and their room from the counts.
fn done(db: &Transaction<'_>, identity: &Mailbox, item: u64) -> rusqlite::Result<()> {
    let item = signed(item);
    let removed: Vec<(Vec<u8>, i64, i64)> = {
        let mut statement = db.prepare_cached(
            "SELECT sender, count(*), sum(length(sealed)) FROM letter
             WHERE identity = ?1 AND item <= ?2 GROUP BY sender",
        )?;
        let rows = statement
            .query_map(params![identity, item], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        rows?.collect::<rusqlite::Result<_>>()?
    };
    if removed.is_empty() {
        return Ok(());
    }
    db.prepare_cached("DELETE FROM letter WHERE identity = ?1 AND item <= ?2")?
        .execute(params![identity, item])?;
    for (sender, letters, bytes) in removed {
        let of_sender: Option<i64> = db
            .prepare_cached(
                "SELECT letters FROM mailbox_sender WHERE identity = ?1 AND sender = ?2",
            )?
            .query_row(params![identity, sender], |row| row.get(0))
            .optional()?;
        set_of_sender(db, identity, &sender, of_sender.unwrap_or_default() - letters)?;
        db.prepare_cached(
            "UPDATE mailbox SET letters = letters - ?2, bytes = bytes - ?3 WHERE identity = ?1",
        )?
        .execute(params![identity, letters, bytes])?;
    }
    Ok(())
}

/// Letters after one, as many as are brought at a time.
pub(super) fn letters(
    db: &Connection,
    identity: &Mailbox,
    after: u64,
) -> rusqlite::Result<Vec<(u64, Vec<u8>)>> {
    let mut statement = db.prepare_cached(
        "SELECT item, sealed FROM letter WHERE identity = ?1 AND item > ?2 ORDER BY item LIMIT ?3",
    )?;
    let limit = signed(MAX_PULLED_LETTERS as u64);
    let mut rows = statement.query(params![identity, signed(after), limit])?;
    let (mut found, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let sealed: Vec<u8> = row.get(1)?;
        bytes += sealed.len();
        if bytes > MAX_PULLED_BYTES && !found.is_empty() {
            break;
        }
        found.push((unsigned(row.get(0)?), sealed));
    }
    Ok(found)
}

/// Gives up letters that nobody has fetched for too long.
pub(super) fn prune(db: &mut Connection, before: u64) -> rusqlite::Result<()> {
    let transaction = db.transaction()?;
    let old: Vec<(Mailbox, i64)> = {
        let mut statement = transaction
            .prepare("SELECT identity, max(item) FROM letter WHERE at < ?1 GROUP BY identity")?;
        let rows = statement.query_map([signed(before)], |row| Ok((row.get(0)?, row.get(1)?)));
        rows?.collect::<rusqlite::Result<_>>()?
    };
    for (identity, item) in old {
        done(&transaction, &identity, unsigned(item))?;
    }
    transaction.commit()
}

fn json(key: &MailKey) -> String {
    serde_json::to_string(key).expect("keys serialise")
}

/// SQLite counts in signed numbers; none of ours comes near their end.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: Mailbox = [1; 32];
    const BOB: Mailbox = [2; 32];
    const EVE: Mailbox = [3; 32];

    struct Bench {
        db: Connection,
        _directory: tempfile::TempDir,
    }

    impl Bench {
        fn new() -> Self {
            let directory = tempfile::tempdir().expect("a directory");
            let db = super::super::schema::open(&directory.path().join("hub.db")).expect("opens");
            let mut bench = Self { db, _directory: directory };
            bench.register(BOB, 1);
            bench
        }

        fn carry(&mut self, order: MailOrder) -> MailOutcome {
            carry(&mut self.db, &[order], 1000).expect("is stored").remove(0)
        }

        fn register(&mut self, identity: Mailbox, generation: u64) -> MailOutcome {
            let card = format!("{generation}");
            self.carry(MailOrder::Register { identity, generation, card })
        }

        fn send(&mut self, from: Mailbox, to: Mailbox, letters: &[&[u8]]) -> MailOutcome {
            let letters = letters.iter().map(|it| it.to_vec()).collect();
            self.carry(MailOrder::Send { from, to, letters })
        }

        fn held(&self, after: u64) -> Vec<(u64, Vec<u8>)> {
            letters(&self.db, &BOB, after).expect("reads")
        }
    }

    #[test]
    fn letters_wait_in_order_until_they_are_stored_where_they_are_for() {
        let mut bench = Bench::new();
        assert_eq!(bench.send(ADA, BOB, &[b"a", b"b"]), MailOutcome::Taken(2, CarryRest::None));
        bench.send(EVE, BOB, &[b"c"]);
        let all = vec![(1, b"a".to_vec()), (2, b"b".to_vec()), (3, b"c".to_vec())];
        assert_eq!(bench.held(0), all);
        assert_eq!(bench.held(2), all[2..]);
        bench.carry(MailOrder::Done { identity: BOB, item: 2 });
        assert_eq!(bench.held(0), all[2..]);
        bench.carry(MailOrder::Done { identity: BOB, item: 9 });
        let counts: (i64, i64, i64) = bench
            .db
            .query_row(
                "SELECT letters, bytes, (SELECT count(*) FROM mailbox_sender) FROM mailbox",
                [],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .expect("reads");
        assert_eq!(counts, (0, 0, 0));
    }

    #[test]
    fn nothing_is_taken_for_who_has_no_mailbox() {
        let mut bench = Bench::new();
        let refused = MailOutcome::Taken(0, CarryRest::NoMailbox);
        assert_eq!(bench.send(BOB, ADA, &[b"a"]), refused);
        let unknown = MailOutcome::Claimed { card: None, one_time: None, fallback: None };
        assert_eq!(bench.carry(MailOrder::Claim { peer: ADA }), unknown);
    }

    #[test]
    fn one_sender_cannot_fill_a_mailbox() {
        let mut bench = Bench::new();
        let many = vec![
            b"x".as_slice();
            usize::try_from(MAX_MAILBOX_LETTERS_PER_SENDER).expect("fits") + 1
        ];
        let taken = many.len() - 1;
        assert_eq!(bench.send(EVE, BOB, &many), MailOutcome::Taken(taken, CarryRest::Later));
        assert_eq!(bench.send(ADA, BOB, &[b"a"]), MailOutcome::Taken(1, CarryRest::None));
        bench.carry(MailOrder::Done { identity: BOB, item: 10 });
        assert_eq!(bench.send(EVE, BOB, &[b"x"]), MailOutcome::Taken(1, CarryRest::None));
    }

    #[test]
    fn a_one_time_key_is_given_away_once_and_the_fallback_key_then() {
        let mut bench = Bench::new();
        let key = |key: &str| MailKey { key: key.into(), signature: "s".into() };
        let (one_time, fallback) = (vec![key("a"), key("b")], Some(key("f")));
        bench.carry(MailOrder::Publish { identity: BOB, one_time, fallback });
        let mut given = Vec::new();
        for _ in 0..3 {
            let claimed = bench.carry(MailOrder::Claim { peer: BOB });
            let MailOutcome::Claimed { one_time, fallback, .. } = claimed else {
                panic!("{claimed:?}")
            };
            given.push(one_time.or(fallback).expect("a key").key);
        }
        given.sort();
        assert_eq!(given, ["a", "b", "f"]);
    }

    #[test]
    fn an_older_card_does_not_replace_a_newer_one() {
        let mut bench = Bench::new();
        assert_eq!(bench.register(BOB, 3), MailOutcome::Registered(0));
        assert_eq!(bench.register(BOB, 2), MailOutcome::NotRegistered);
        assert_eq!(bench.register(BOB, 3), MailOutcome::Registered(0));
    }

    #[test]
    fn who_moved_away_is_found_where_it_lives_now_and_a_guest_gets_no_mailbox() {
        let mut bench = Bench::new();
        let visit = |identity, generation, card: &str| MailOrder::Visit {
            identity,
            generation,
            card: card.into(),
        };
        bench.carry(visit(BOB, 9, "lives elsewhere"));
        bench.carry(visit(BOB, 8, "an older word"));
        let MailOutcome::Claimed { card, .. } = bench.carry(MailOrder::Claim { peer: BOB }) else {
            panic!("is known")
        };
        assert_eq!(card.as_deref(), Some("lives elsewhere"));
        bench.carry(visit(EVE, 1, "a guest"));
        assert_eq!(
            bench.send(ADA, EVE, &[b"a"]),
            MailOutcome::Taken(0, CarryRest::NoMailbox),
            "it has no mailbox here"
        );
        let key = MailKey { key: "k".into(), signature: "s".into() };
        bench.carry(MailOrder::Publish { identity: EVE, one_time: vec![key], fallback: None });
        let keys: i64 = bench
            .db
            .query_row("SELECT count(*) FROM mailbox_key WHERE identity = ?1", [EVE], |row| {
                row.get(0)
            })
            .expect("reads");
        assert_eq!(keys, 0, "nor keys");
    }

    #[test]
    fn what_nobody_fetched_for_long_is_given_up() {
        let mut bench = Bench::new();
        bench.send(ADA, BOB, &[b"a"]);
        prune(&mut bench.db, 1000).expect("prunes");
        assert_eq!(bench.held(0).len(), 1);
        prune(&mut bench.db, 1001).expect("prunes");
        assert_eq!(bench.held(0), []);
    }
}
