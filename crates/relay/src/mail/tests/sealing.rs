//! Secrets on the disk, with a key for them and without.

use std::{fs, path::Path};

use quarterdeck_crypto::StorageKey;
use tokio::sync::mpsc;

use super::{Ask, Bench, Owner, Who, to_identity};
use crate::mail::store::StoreError;

/// What stands in an identity and in a ratchet as they are stored, and in nothing else.
const SECRET_WORDS: [&[u8]; 2] = [b"signing_key", b"sending_ratchet"];

fn key(byte: u8) -> Option<StorageKey> {
    Some(StorageKey::from_bytes(&[byte; 32]).expect("a key"))
}

fn reopen(bench: &mut Bench, key: Option<StorageKey>) -> Result<(), StoreError> {
    let (courier, deliveries) = mpsc::channel(64);
    let path = bench.directory.path().join("mail.sqlite");
    bench.owner = Owner::open(&path, key, courier, None)?;
    bench.deliveries = deliveries;
    Ok(())
}

/// How often secrets stand in the files of the store as they are.
fn secrets_in(directory: &Path) -> usize {
    let files = fs::read_dir(directory).expect("is readable");
    let bytes = files.map(|it| fs::read(it.expect("an entry").path()).expect("is readable"));
    let times = |bytes: Vec<u8>| {
        let at = |word: &[u8]| bytes.windows(word.len()).filter(|it| *it == word).count();
        SECRET_WORDS.into_iter().map(at).sum::<usize>()
    };
    bytes.map(times).sum()
}

fn address(bench: &mut Bench) -> String {
    bench.ask(|reply| Ask::Whoami(Who::default(), reply)).expect("is told").address
}

/// Two identities with a ratchet between them, which nothing has sealed.
fn written() -> Bench {
    let mut bench = Bench::with_identities();
    bench.send(super::S1, to_identity("bob", "one")).expect("is taken");
    bench
}

#[test]
fn what_was_stored_without_a_key_is_sealed_with_the_first_one_and_nothing_is_left_behind() {
    let mut bench = written();
    assert!(secrets_in(bench.directory.path()) >= 2, "the words are the right ones");
    let before = address(&mut bench);
    reopen(&mut bench, key(1)).expect("opens");
    assert_eq!(secrets_in(bench.directory.path()), 0);
    assert_eq!(address(&mut bench), before);
    bench.live(&[(super::S1, "claude:1", "/a"), (super::S2, "claude:2", "/b/project")]);
    bench.send(super::S1, to_identity("bob", "two")).expect("is taken");
    bench.add_identity("eve", "/e");
    assert_eq!(secrets_in(bench.directory.path()), 0, "also what came since");
    reopen(&mut bench, key(1)).expect("opens again");
    assert_eq!(address(&mut bench), before);
}

#[test]
fn without_its_key_or_with_another_one_the_store_says_so_and_stays_as_it_is() {
    let mut bench = written();
    let before = address(&mut bench);
    reopen(&mut bench, key(1)).expect("opens");
    assert!(matches!(reopen(&mut bench, None), Err(StoreError::NoKey)));
    assert!(matches!(reopen(&mut bench, key(2)), Err(StoreError::WrongKey)));
    reopen(&mut bench, key(1)).expect("opens again");
    assert_eq!(address(&mut bench), before);
}
