use super::*;
use crate::{
    identity::NewFallback,
    letter::{LetterKind, Stream},
    sealed::{MAX_SEALED_BYTES, SealedError},
};

/// One side of a conversation.
struct Side {
    identity: Identity,
    ratchets: Ratchets,
    written: u64,
}

impl Side {
    fn new() -> Self {
        Self { identity: Identity::generate(), ratchets: Ratchets::default(), written: 0 }
    }

    /// A key as a mailbox hands it out.
    fn claim(&mut self) -> ClaimedKey {
        let bundle = self.identity.bundle(0, NewFallback::Keep);
        self.identity.mark_published();
        ClaimedKey { key: bundle.one_time[0], purpose: Purpose::OneTimeKey }
    }

    fn begin(&mut self, peer: &mut Self) {
        let claimed = peer.claim();
        let (key, ratchet) = (peer.identity.key(), peer.identity.ratchet_key());
        self.ratchets.begin(&self.identity, &key, ratchet, &claimed).expect("begins");
    }

    fn write(&mut self, text: &str) -> Sealed {
        self.written += 1;
        let (stream, number) = (Stream([1; 8]), self.written);
        let letter = Letter { kind: LetterKind::Mail, stream, number, body: text.into() };
        let card = self.identity.card("home", 1);
        let sealed = self.ratchets.seal(&card, &letter).expect("seals");
        // as it travels
        Sealed::decode(&sealed.encode()).expect("is read again")
    }

    fn read(&mut self, from: &Self, sealed: &Sealed) -> Result<String, OpenError> {
        let letter = self.ratchets.open(&mut self.identity, from.identity.ratchet_key(), sealed)?;
        Ok(String::from_utf8(letter.body).expect("text"))
    }

    /// The process ends and comes back.
    fn restart(&mut self) {
        let identity = Identity::from_stored(&self.identity.to_stored());
        self.identity = identity.expect("was stored");
        let ratchets = Ratchets::from_stored(&self.ratchets.to_stored());
        self.ratchets = ratchets.expect("were stored");
    }
}

fn pair() -> (Side, Side) {
    let (mut ada, mut bob) = (Side::new(), Side::new());
    ada.begin(&mut bob);
    let first = ada.write("hello");
    assert_eq!(bob.read(&ada, &first).as_deref(), Ok("hello"));
    (ada, bob)
}

fn check(reader: &mut Side, writer: &Side, sealed: &Sealed, expected: Result<&str, OpenError>) {
    assert_eq!(reader.read(writer, sealed), expected.map(str::to_owned));
}

#[test]
fn a_conversation_goes_on_over_restarts_of_both_sides() {
    let (mut ada, mut bob) = pair();
    for round in 0..5 {
        let text = format!("round {round}");
        let sealed = bob.write(&text);
        bob.restart();
        check(&mut ada, &bob, &sealed, Ok(&text));
        ada.restart();
        let sealed = ada.write(&text);
        check(&mut bob, &ada, &sealed, Ok(&text));
    }
}

#[test]
fn many_letters_before_the_first_answer_need_no_order() {
    let (mut ada, mut bob) = (Side::new(), Side::new());
    ada.begin(&mut bob);
    // each of them carries what the ratchet begins from: the first may be lost
    let letters = ["1", "2", "3"].map(|text| ada.write(text));
    check(&mut bob, &ada, &letters[2], Ok("3"));
    check(&mut bob, &ada, &letters[1], Ok("2"));
    check(&mut bob, &ada, &letters[0], Ok("1"));
}

#[test]
fn a_repeated_letter_is_known_as_one_and_starts_no_reset() {
    let (mut ada, mut bob) = pair();
    let sealed = bob.write("a");
    check(&mut ada, &bob, &sealed, Ok("a"));
    check(&mut ada, &bob, &sealed, Err(OpenError::Repeated));
    let (mut eve, mut ann) = (Side::new(), Side::new());
    eve.begin(&mut ann);
    let first = eve.write("first");
    check(&mut ann, &eve, &first, Ok("first"));
    check(&mut ann, &eve, &first, Err(OpenError::Repeated));
}

#[test]
fn a_letter_that_does_not_open_changes_nothing() {
    let (mut ada, mut bob) = pair();
    let (sealed, mut bytes) = (bob.write("a"), bob.write("b").encode());
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let before = ada.ratchets.to_stored();
    let damaged = Sealed::decode(&bytes).expect("has the form");
    check(&mut ada, &bob, &damaged, Err(OpenError::Unreadable));
    assert_eq!(*ada.ratchets.to_stored(), *before);
    check(&mut ada, &bob, &sealed, Ok("a"));
}

#[test]
fn a_one_time_key_is_used_up_only_by_a_letter_that_opens() {
    let (mut ada, mut bob) = (Side::new(), Side::new());
    ada.begin(&mut bob);
    let mut bytes = ada.write("x").encode();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let damaged = Sealed::decode(&bytes).expect("has the form");
    check(&mut bob, &ada, &damaged, Err(OpenError::Unreadable));
    let sealed = ada.write("y");
    check(&mut bob, &ada, &sealed, Ok("y"));
}

#[test]
fn after_two_thousand_lost_letters_another_ratchet_is_begun() {
    let (mut ada, mut bob) = pair();
    let sealed = bob.write("answer");
    check(&mut ada, &bob, &sealed, Ok("answer"));
    for _ in 0..2_100 {
        ada.write("lost");
    }
    let sealed = ada.write("after");
    check(&mut bob, &ada, &sealed, Err(OpenError::Unreadable));
    bob.begin(&mut ada);
    let handshake = bob.write("");
    check(&mut ada, &bob, &handshake, Ok(""));
    // who was heard by the new one writes by the new one
    let sealed = ada.write("again");
    check(&mut bob, &ada, &sealed, Ok("again"));
}

#[test]
fn a_side_that_lost_its_ratchets_is_heard_again() {
    let (mut ada, mut bob) = pair();
    bob.ratchets = Ratchets::default();
    let sealed = ada.write("unreadable");
    check(&mut bob, &ada, &sealed, Err(OpenError::Unreadable));
    bob.begin(&mut ada);
    let sealed = bob.write("say it again");
    check(&mut ada, &bob, &sealed, Ok("say it again"));
    let sealed = ada.write("again");
    check(&mut bob, &ada, &sealed, Ok("again"));
}

#[test]
fn both_may_begin_at_once() {
    let (mut ada, mut bob) = (Side::new(), Side::new());
    ada.begin(&mut bob);
    bob.begin(&mut ada);
    let (from_ada, from_bob) = (ada.write("a"), bob.write("b"));
    check(&mut bob, &ada, &from_ada, Ok("a"));
    check(&mut ada, &bob, &from_bob, Ok("b"));
    for round in 0..4 {
        let text = format!("{round}");
        let sealed = ada.write(&text);
        check(&mut bob, &ada, &sealed, Ok(&text));
        let sealed = bob.write(&text);
        check(&mut ada, &bob, &sealed, Ok(&text));
    }
    // and no more ratchets are kept than are needed, whoever begins how often
    for _ in 0..20 {
        ada.begin(&mut bob);
        let sealed = ada.write("new");
        check(&mut bob, &ada, &sealed, Ok("new"));
    }
    assert!(bob.ratchets.sessions.len() <= MAX_RATCHETS);
}

#[test]
fn a_forged_sender_is_refused() {
    let (mut eve, mut bob, ada) = (Side::new(), Side::new(), Side::new());
    eve.begin(&mut bob);
    let sealed = eve.write("it is me, ada");
    // under her own card, as if she were ada
    let named = Sealed { from: ada.identity.key(), head: sealed.head.clone() };
    check(&mut bob, &ada, &named, Err(OpenError::Forged));
    // under ada's card, which everyone has
    let Head::First(_, message) = sealed.head else { panic!("is the first") };
    let card = Box::new(ada.identity.card("home", 1));
    let stolen = Sealed { from: ada.identity.key(), head: Head::First(card, message) };
    check(&mut bob, &ada, &stolen, Err(OpenError::Forged));
}

#[test]
fn a_key_that_the_peer_did_not_sign_begins_nothing() {
    let (mut ada, mut bob, mut eve) = (Side::new(), Side::new(), Side::new());
    let claimed = eve.claim();
    let (key, ratchet) = (bob.identity.key(), bob.identity.ratchet_key());
    let refused = ada.ratchets.begin(&ada.identity, &key, ratchet, &claimed);
    assert!(matches!(refused, Err(SealError::ForeignKey)));
    let claimed = ClaimedKey { purpose: Purpose::FallbackKey, ..bob.claim() };
    let refused = ada.ratchets.begin(&ada.identity, &key, ratchet, &claimed);
    assert!(matches!(refused, Err(SealError::ForeignKey)), "a one-time key is no fallback key");
    let weak = SignedKey {
        key: RatchetKey::parse(&[0; 32]).expect("bytes"),
        signature: bob.identity.sign(Purpose::OneTimeKey, &[0; 32]),
    };
    let claimed = ClaimedKey { key: weak, purpose: Purpose::OneTimeKey };
    let refused = ada.ratchets.begin(&ada.identity, &key, ratchet, &claimed);
    assert!(matches!(refused, Err(SealError::WeakKey)));
}

#[test]
fn who_carries_a_letter_reads_nothing_of_it() {
    let (mut ada, mut bob) = pair();
    let text = "the key is under the mat, the very long secret key is under the mat";
    for sealed in [ada.write(text), bob.write(text)] {
        let bytes = sealed.encode();
        assert!(!bytes.windows(8).any(|window| text.as_bytes().windows(8).any(|w| w == window)));
    }
}

#[test]
fn any_bytes_are_refused_without_a_panic() {
    let (mut ada, _) = pair();
    let good = ada.write("x").encode();
    for cut in 0..good.len() {
        // a shorter one may have the form still; it is refused when it is opened
        let _ = Sealed::decode(&good[..cut]);
    }
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 0x80;
        let _ = Sealed::decode(&bytes);
    }
    let huge = vec![1; MAX_SEALED_BYTES + 1];
    assert_eq!(Sealed::decode(&huge).expect_err("too long"), SealedError::Long(huge.len()));
    assert_eq!(Sealed::decode(&[7]).expect_err("newer"), SealedError::Version(7));
}
