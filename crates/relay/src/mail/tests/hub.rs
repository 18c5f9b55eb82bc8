//! Two relays and a hub between them that does what it likes.

use std::collections::{BTreeMap, BTreeSet};

use quarterdeck_protocol::{
    ids::HubId,
    method::{
        CarriedLetter, CarryNews, CarryOrder, CarryRest, MailBringParams, MailCard, MailContact,
        MailContactAddParams, MailFetchParams, MailFetchResult, MailKey,
    },
};

use super::*;

const HUB: HubId = HubId::from_bytes([7; 16]);

/// What the hub does to letters.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mischief {
    None,
    /// Says that it took them, and forgets them.
    Drop,
    /// Brings each twice, the second time behind later ones.
    Repeat,
    /// Brings the latest first.
    Reverse,
}

/// A relay at the hub.
struct End {
    bench: Bench,
    link: String,
    fetch: Option<oneshot::Receiver<Result<MailFetchResult, RpcError>>>,
    homes: BTreeSet<String>,
    news: Vec<CarryNews>,
}

struct Net {
    ends: Vec<End>,
    mischief: Mischief,
    cards: BTreeMap<String, MailCard>,
    keys: BTreeMap<String, Vec<MailKey>>,
    fallbacks: BTreeMap<String, MailKey>,
    letters: BTreeMap<String, Vec<CarriedLetter>>,
    seen: Vec<String>,
    item: u64,
}

impl Net {
    /// Ada's relay with session `claude:1` and Bob's with `claude:2`, strangers to each other.
    fn new() -> Self {
        let end = |at: usize| {
            let mut bench = Bench::new();
            let (session, label) = [(S1, "claude:1"), (S2, "claude:2")][at];
            bench.live(&[(session, label, "/a")]);
            let link = format!("link-{at}");
            End { bench, link, fetch: None, homes: BTreeSet::new(), news: Vec::new() }
        };
        let mut net = Self {
            ends: vec![end(0), end(1)],
            mischief: Mischief::None,
            cards: BTreeMap::new(),
            keys: BTreeMap::new(),
            fallbacks: BTreeMap::new(),
            letters: BTreeMap::new(),
            seen: Vec::new(),
            item: 0,
        };
        net.pump();
        net
    }

    /// The same, and they know each other as `ada` and `bob`.
    fn of_contacts() -> Self {
        let mut net = Self::new();
        let mut asked = net.add(0, 1, "bob");
        net.pump();
        asked.try_recv().expect("is answered").expect("is found");
        net.decide(1, ContactDecision::Accept);
        net.pump();
        net
    }

    fn ada(&mut self) -> &mut Bench {
        &mut self.ends[0].bench
    }

    fn bob(&mut self) -> &mut Bench {
        &mut self.ends[1].bench
    }

    fn address(&mut self, at: usize) -> String {
        let bench = &mut self.ends[at].bench;
        bench.ask(|reply| Ask::Whoami(Who::default(), reply)).expect("somebody").address
    }

    fn add(
        &mut self,
        by: usize,
        peer: usize,
        name: &str,
    ) -> oneshot::Receiver<Result<MailContact, RpcError>> {
        let contact = self.address(peer);
        let name = Some(name.to_owned());
        let p = MailContactAddParams { contact, name, note: "hello".into(), identity: None };
        let (reply, answer) = oneshot::channel();
        self.ends[by].bench.owner.handle(Ask::Add(Who::default(), p, reply));
        answer
    }

    fn contacts(&mut self, at: usize) -> Vec<MailContact> {
        let bench = &mut self.ends[at].bench;
        let found = bench.ask(|reply| Ask::Contacts(Who::default(), reply));
        found.expect("are known").contacts
    }

    fn decide(&mut self, at: usize, decision: ContactDecision) {
        let contact = self.address(1 - at);
        let p = MailContactParams { identity: None, contact, decision };
        let bench = &mut self.ends[at].bench;
        bench.ask(|reply| Ask::Decide(p, reply)).expect("is decided");
    }

    /// Everything that Bob's session is put, in order; its log says that it has it.
    fn taken(&mut self) -> Vec<String> {
        let mut texts = Vec::new();
        loop {
            self.pump();
            if self.bob().deliveries.is_empty() {
                return texts;
            }
            texts.push(self.bob().take(Outcome::Delivered).1);
        }
    }

    /// Carries until there is nothing more to carry.
    fn pump(&mut self) {
        let mut idle = 0;
        while idle < 3 {
            let mut moved = false;
            for at in 0..self.ends.len() {
                moved |= self.fetch(at);
            }
            for at in 0..self.ends.len() {
                moved |= self.bring(at);
            }
            idle = if moved { 0 } else { idle + 1 };
        }
    }

    fn fetch(&mut self, at: usize) -> bool {
        let end = &mut self.ends[at];
        if end.fetch.is_none() {
            let p = MailFetchParams { link: end.link.clone(), wait_ms: 25_000 };
            let (reply, answer) = oneshot::channel();
            end.bench.owner.handle(Ask::Fetch(HUB, p, reply));
            end.fetch = Some(answer);
        }
        // whatever waits is told at the end of a turn
        end.bench.owner.turn(|_| {});
        let Some(answer) = &mut end.fetch else { return false };
        let Ok(fetched) = answer.try_recv() else { return false };
        end.fetch = None;
        let orders = fetched.expect("is answered").orders;
        let moved = !orders.is_empty();
        orders.into_iter().for_each(|order| self.carry(at, order));
        moved
    }

    fn carry(&mut self, at: usize, order: CarryOrder) {
        let news = match order {
            CarryOrder::Register { card, .. } => {
                let identity = card.identity.clone();
                self.cards.insert(identity.clone(), card);
                self.ends[at].homes.insert(identity.clone());
                let keys = self.keys.get(&identity).map_or(0, Vec::len);
                CarryNews::Registered { identity, keys: u32::try_from(keys).expect("few") }
            }
            CarryOrder::Publish { identity, one_time, fallback } => {
                self.fallbacks.extend(fallback.map(|key| (identity.clone(), key)));
                return self.keys.entry(identity).or_default().extend(one_time);
            }
            CarryOrder::Claim { by, peer } => {
                let one_time = self.keys.get_mut(&peer).and_then(Vec::pop);
                let fallback = self.fallbacks.get(&peer).cloned();
                let card = self.cards.get(&peer).cloned();
                CarryNews::Claimed { by, peer, card, one_time, fallback }
            }
            CarryOrder::Send { from, to, letters } => {
                let taken = u32::try_from(letters.len()).expect("few");
                self.seen.extend(letters.iter().cloned());
                if self.mischief != Mischief::Drop {
                    for sealed in letters {
                        self.item += 1;
                        let letter = CarriedLetter { item: self.item, sealed };
                        self.letters.entry(to.clone()).or_default().push(letter);
                    }
                }
                CarryNews::Taken { from, to, taken, rest: CarryRest::None }
            }
            CarryOrder::Done { .. } => return,
        };
        self.ends[at].news.push(news);
    }

    fn bring(&mut self, at: usize) -> bool {
        let end = &mut self.ends[at];
        let mut news = std::mem::take(&mut end.news);
        for identity in &end.homes {
            let mut letters = self.letters.remove(identity).unwrap_or_default();
            match self.mischief {
                Mischief::None | Mischief::Drop => {}
                Mischief::Repeat => letters.extend(letters.clone()),
                Mischief::Reverse => letters.reverse(),
            }
            if !letters.is_empty() {
                news.push(CarryNews::Letters { identity: identity.clone(), letters });
            }
        }
        if news.is_empty() {
            return false;
        }
        let p = MailBringParams { link: end.link.clone(), news };
        end.bench.ask(|reply| Ask::Bring(HUB, p, reply)).expect("is taken");
        true
    }
}

#[test]
fn strangers_ask_are_accepted_and_write_to_each_other() {
    let mut net = Net::new();
    let mut asked = net.add(0, 1, "bob");
    net.pump();
    let found = asked.try_recv().expect("is answered").expect("is found");
    assert_eq!((found.name.as_str(), found.standing.as_str()), ("bob", "asked"));
    let sent = net.ada().send(S1, to_identity("bob", "are you there?")).expect("is taken");
    net.pump();
    assert_eq!(net.ada().state(S1, &sent.id), word("queued"), "nobody has accepted");
    let asking = net.contacts(1);
    assert_eq!(asking.len(), 1);
    assert_eq!(asking[0].standing, "asking");
    assert_eq!(asking[0].note.as_deref(), Some("hello"));
    let fingerprint = net.ada().ask(|reply| Ask::Whoami(Who::default(), reply));
    assert_eq!(asking[0].fingerprint, fingerprint.expect("somebody").fingerprint);
    net.decide(1, ContactDecision::Accept);
    assert_eq!(net.taken(), ["are you there?"]);
    assert_eq!(net.contacts(0)[0].standing, "accepted");
    assert_eq!(net.ada().state(S1, &sent.id), word("delivered"));
    let answer = MailSendParams {
        in_reply_to: Some("#1".into()),
        body: "yes".into(),
        ..MailSendParams::default()
    };
    net.bob().send(S2, answer).expect("is taken");
    net.pump();
    assert_eq!(net.ada().take(Outcome::Delivered), (S1, "yes".to_owned()));
    assert_eq!(net.ada().state(S1, &sent.id), word("read"), "who answers has read");
}

#[test]
fn an_agent_accepts_nobody_who_asks_and_lets_nobody_back_in() {
    let mut net = Net::new();
    let _asked = net.add(0, 1, "bob");
    net.pump();
    let ada = net.address(0);
    let accept = |net: &mut Net| {
        let contact = ada.clone();
        let p = MailContactAddParams { contact, ..MailContactAddParams::default() };
        let who = Who { session: Some(S2), identity: None, label: None };
        net.bob().ask(|reply| Ask::Add(who, p, reply)).expect_err("a person decides").code()
    };
    assert_eq!(accept(&mut net), ErrorCode::OwnSession);
    assert_eq!(net.contacts(1)[0].standing, "asking");
    net.decide(1, ContactDecision::Block);
    assert_eq!(accept(&mut net), ErrorCode::OwnSession);
    assert_eq!(net.contacts(1)[0].standing, "blocked");
}

#[test]
fn a_person_gives_a_contact_another_name_that_nobody_else_has() {
    let mut net = Net::of_contacts();
    let contact = net.address(1);
    let rename = |net: &mut Net, who: Who, name: &str| {
        let (contact, name) = (contact.clone(), Some(name.to_owned()));
        let p = MailContactAddParams { contact, name, ..MailContactAddParams::default() };
        net.ada().ask(|reply| Ask::Add(who, p, reply))
    };
    let renamed = rename(&mut net, Who::default(), "robert").expect("is renamed");
    assert_eq!((renamed.name.as_str(), renamed.standing.as_str()), ("robert", "accepted"));
    let agent = Who { session: Some(S1), identity: None, label: None };
    assert_eq!(rename(&mut net, agent, "rob").expect("is known").name, "robert");
    net.ada().send(S1, to_identity("robert", "hello")).expect("is taken");
    assert_eq!(net.taken(), ["hello"]);
    net.ada().add_identity("work", "/w");
    let refused = rename(&mut net, Who::default(), "work").expect_err("is another's");
    assert_eq!(refused.code(), ErrorCode::LabelTaken);
}

#[test]
fn two_who_ask_each_other_have_agreed() {
    let mut net = Net::new();
    let (_first, _second) = (net.add(0, 1, "bob"), net.add(1, 0, "ada"));
    net.pump();
    let standings = [net.contacts(0).remove(0).standing, net.contacts(1).remove(0).standing];
    assert_eq!(standings, ["accepted", "accepted"]);
}

#[test]
fn a_contact_that_was_blocked_is_not_heard_and_not_told() {
    let mut net = Net::of_contacts();
    net.decide(1, ContactDecision::Block);
    let sent = net.ada().send(S1, to_identity("bob", "hello?")).expect("is taken");
    assert_eq!(net.taken(), Vec::<String>::new());
    assert_eq!(net.ada().state(S1, &sent.id), word("sent"));
    let name = net.contacts(1).remove(0).name;
    let refused = net.bob().send(S2, to_identity(&name, "x"));
    assert_eq!(refused.expect("is taken").state.state, "failed");
}

#[test]
fn an_address_that_no_hub_knows_is_said_to_have_no_route() {
    let mut net = Net::new();
    let stranger = quarterdeck_seal::Identity::generate().key().to_string();
    let p = MailContactAddParams { contact: stranger, ..MailContactAddParams::default() };
    let (reply, mut answer) = oneshot::channel();
    net.ada().owner.handle(Ask::Add(Who::default(), p, reply));
    net.pump();
    let refused = answer.try_recv().expect("is answered").expect_err("nobody knows it");
    assert_eq!(refused.code(), ErrorCode::NotFound);
}

#[test]
fn a_hub_that_repeats_or_reorders_changes_nothing() {
    for mischief in [Mischief::Repeat, Mischief::Reverse] {
        let mut net = Net::of_contacts();
        net.mischief = mischief;
        let texts: Vec<String> = (0..30).map(|n| format!("message {n}")).collect();
        for text in &texts {
            net.ada().send(S1, to_identity("bob", text)).expect("is taken");
        }
        assert_eq!(net.taken(), texts);
    }
}

#[test]
fn after_two_thousand_lost_letters_another_ratchet_carries_the_next_ones() {
    let mut net = Net::of_contacts();
    net.mischief = Mischief::Drop;
    for n in 0..2_100 {
        net.ada().send(S1, to_identity("bob", &format!("lost {n}"))).expect("is taken");
        if n % 50 == 0 {
            net.pump();
        }
    }
    net.pump();
    net.mischief = Mischief::None;
    net.ada().send(S1, to_identity("bob", "unreadable")).expect("is taken");
    net.pump();
    net.ada().send(S1, to_identity("bob", "readable")).expect("is taken");
    assert_eq!(net.taken(), Vec::<String>::new(), "it waits for what is missing");
    let later = super::super::mailbox::now() + std::time::Duration::from_secs(1);
    net.bob().owner.turn(|owner| owner.skip_missing_since(later).expect("is stored"));
    assert_eq!(net.taken(), ["readable"]);
}

#[test]
fn a_link_that_breaks_costs_a_repetition_and_nothing_else() {
    let mut net = Net::of_contacts();
    let mut sent = Vec::new();
    for round in 0..20 {
        let text = format!("round {round}");
        net.ada().send(S1, to_identity("bob", &text)).expect("is taken");
        sent.push(text);
        // what was fetched or brought on the old link may or may not have got through
        let at = round % 2;
        if round % 3 == 0 {
            net.fetch(at);
        }
        let end = &mut net.ends[at];
        (end.link, end.fetch) = (format!("link-{at}-{round}"), None);
        end.news.clear();
    }
    assert_eq!(net.taken(), sent);
}

#[test]
fn what_was_sent_survives_the_relays_that_die_with_it() {
    let mut net = Net::of_contacts();
    let mut sent = Vec::new();
    let mut got = Vec::new();
    for round in 0..20 {
        let text = format!("round {round}");
        net.ada().send(S1, to_identity("bob", &text)).expect("is taken");
        sent.push(text);
        let at = round % 2;
        if round % 3 == 0 {
            net.fetch(at);
        }
        let (session, label) = [(S1, "claude:1"), (S2, "claude:2")][at];
        net.ends[at].bench.restart(&[(session, label, "/a")]);
        (net.ends[at].link, net.ends[at].fetch) = (format!("link-{at}-{round}"), None);
        got.extend(net.taken());
    }
    got.extend(net.taken());
    assert_eq!(got, sent);
}

#[test]
fn what_passes_the_hub_says_nothing() {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let mut net = Net::of_contacts();
    net.ada().send(S1, to_identity("bob", "the key is under the mat")).expect("is taken");
    assert_eq!(net.taken(), ["the key is under the mat"]);
    assert!(!net.seen.is_empty());
    for sealed in &net.seen {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).expect("is sealed");
        for word in ["under the mat", "claude:1", "hello", "tinyplace"] {
            assert!(!bytes.windows(word.len()).any(|it| it == word.as_bytes()), "{word}");
        }
    }
}

#[test]
fn whoever_asks_something_publishes_no_key_and_begins_no_ratchet() {
    let mut net = Net::of_contacts();
    let (keys, seen) = (net.keys.clone(), net.seen.len());
    for _ in 0..20 {
        for who in [Who::default(), Who { session: Some(S1), identity: None, label: None }] {
            let inbox = MailInboxParams::default();
            net.ada().ask(|reply| Ask::Whoami(who.clone(), reply)).expect("somebody");
            net.ada().ask(|reply| Ask::Contacts(who.clone(), reply)).expect("are known");
            net.ada().ask(|reply| Ask::Inbox(who, inbox, None, reply)).expect("an inbox");
        }
        net.ada().live(&[(S1, "claude:1", "/a"), (S3, "claude:3", "/a")]);
        net.ada().live(&[(S1, "claude:1", "/a")]);
        net.pump();
    }
    assert_eq!((net.keys, net.seen.len()), (keys, seen));
}

#[test]
fn a_ratchet_is_begun_anew_by_its_owner_and_nothing_under_way_is_lost_by_it() {
    let mut net = Net::of_contacts();
    let texts: Vec<String> = (0..8).map(|n| format!("message {n}")).collect();
    for (at, text) in texts.iter().enumerate() {
        net.ada().send(S1, to_identity("bob", text)).expect("is taken");
        if at % 2 == 0 {
            let who = Who { session: Some(S1), identity: None, label: None };
            net.ada().ask(|reply| Ask::Reset(who, "bob".to_owned(), reply)).expect("is begun");
        }
        if at % 3 == 0 {
            net.pump();
        }
    }
    assert_eq!(net.taken(), texts);
}

#[test]
fn a_contact_that_is_asked_by_its_name_and_by_its_address_is_one() {
    let mut net = Net::new();
    let _first = net.add(0, 1, "bob");
    net.pump();
    let address = net.address(1);
    for contact in ["bob".to_owned(), address.clone()] {
        let p = MailContactAddParams { contact, ..MailContactAddParams::default() };
        let known = net.ada().ask(|reply| Ask::Add(Who::default(), p, reply)).expect("is known");
        assert_eq!((known.name.as_str(), known.address.as_str()), ("bob", address.as_str()));
    }
    net.pump();
    assert_eq!((net.contacts(0).len(), net.contacts(1).len()), (1, 1));
}

#[test]
fn a_message_that_is_not_wanted_asks_nobody_to_be_a_contact() {
    let mut net = Net::of_contacts();
    for (decision, standing) in
        [(ContactDecision::Refuse, "accepted"), (ContactDecision::Block, "blocked")]
    {
        net.decide(1, decision);
        net.ada().send(S1, to_identity("bob", "let me in")).expect("is taken");
        assert_eq!(net.taken(), Vec::<String>::new());
        assert_eq!(net.contacts(1).remove(0).standing, standing, "nothing was asked again");
        assert_eq!(net.contacts(0).remove(0).standing, "accepted");
    }
}
