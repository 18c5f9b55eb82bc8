//! Mail of both directions, and how much of it waits for people.

use quarterdeck_protocol::method::{
    IdentityMail, MailDecideParams, MailDecision, MailDirection, MailEntry, MailHistoryParams,
    MailHistoryResult,
};

use super::{
    Ask, Bench, ContactDecision, ErrorCode, MailContactParams, Outcome, S1, S2, Who, to_identity,
    to_session,
};

impl Bench {
    fn history(&mut self, who: Who, p: MailHistoryParams) -> MailHistoryResult {
        self.ask(|reply| Ask::History(who, p, reply)).expect("a history")
    }

    /// Everything of the default identity, newest first.
    fn all(&mut self) -> Vec<MailEntry> {
        self.history(Who::default(), MailHistoryParams::default()).messages
    }

    fn counts(&mut self) -> Vec<IdentityMail> {
        self.ask(Ask::Counts).expect("counts")
    }

    fn change(&self) -> u64 {
        *self.owner.changes().borrow()
    }

    fn decide_about(&mut self, contact: &str, decision: ContactDecision) {
        let p = MailContactParams {
            identity: Some("bob".into()),
            contact: contact.to_owned(),
            decision,
        };
        self.ask(|reply| Ask::Decide(p, reply)).expect("is decided");
    }
}

fn of(session: super::SessionId) -> Who {
    Who { session: Some(session), identity: None, label: None }
}

fn as_identity(name: &str) -> Who {
    Who { session: None, identity: Some(name.to_owned()), label: None }
}

fn texts(entries: &[MailEntry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.text.as_str()).collect()
}

#[test]
fn what_came_and_what_was_sent_is_one_list_newest_first() {
    let mut bench = Bench::with_identities();
    let sent = bench.send(S1, to_identity("bob", "a question")).expect("is taken");
    bench.take(Outcome::Delivered);
    let answer = super::MailSendParams {
        in_reply_to: Some(sent.id.clone()),
        ..to_identity("default", "an answer")
    };
    let answer = bench.send(S2, answer).expect("is taken");
    bench.take(Outcome::Delivered);

    let all = bench.all();
    assert_eq!(texts(&all), ["an answer", "a question"]);
    let [came, asked] = all.as_slice() else { panic!("two messages") };
    assert_eq!((came.direction, asked.direction), (MailDirection::Came, MailDirection::Sent));
    assert_eq!((came.name.as_str(), asked.name.as_str()), ("bob", "bob"));
    assert_eq!(came.peer, asked.peer);
    assert_eq!((came.id.as_str(), asked.id.as_str()), (answer.id.as_str(), sent.id.as_str()));
    assert_eq!(came.in_reply_to.as_ref(), Some(&sent.id));
    assert_eq!((came.number, asked.number), (Some(2), None));
    assert_eq!(came.from_session.as_deref(), Some("claude:2"));
    assert_eq!(asked.from_session.as_deref(), Some("claude:1"));
    assert_eq!((asked.state.state.as_str(), asked.read), ("read", true), "who answers has read");
    assert_eq!((came.state.state.as_str(), came.read), ("delivered", false));
    // the other identity sees the same from its side
    let theirs = bench.history(as_identity("bob"), MailHistoryParams::default()).messages;
    assert_eq!(texts(&theirs), ["an answer", "a question"]);
    assert_eq!(theirs[0].direction, MailDirection::Sent);
}

#[test]
fn mail_between_sessions_of_one_identity_is_in_the_list_once() {
    let mut bench = Bench::with_two();
    bench.send(S1, to_session("claude:2", "for two")).expect("is taken");
    bench.send(S1, to_session("codex:1", "for nobody")).expect("is taken");
    bench.take(Outcome::Delivered);
    let all = bench.all();
    assert_eq!(texts(&all), ["for nobody", "for two"]);
    assert!(all.iter().all(|entry| entry.direction == MailDirection::Own));
    let state = |entry: &MailEntry| (entry.state.state.clone(), entry.state.why.clone());
    assert_eq!(state(&all[0]), ("held".to_owned(), Some("no_session".to_owned())));
    assert_eq!(state(&all[1]), ("delivered".to_owned(), None));
    let own = MailHistoryParams { contact: Some("self".into()), ..MailHistoryParams::default() };
    assert_eq!(bench.history(Who::default(), own).messages, all);
}

#[test]
fn pages_follow_each_other_without_a_gap_and_without_a_repetition() {
    let mut bench = Bench::with_identities();
    for n in 0..12 {
        // all three ways, many within one millisecond
        bench.send(S1, to_identity("bob", &format!("{n} there"))).expect("is taken");
        bench.send(S2, to_identity("default", &format!("{n} back"))).expect("is taken");
        bench.send(S1, to_session("claude:1", &format!("{n} own"))).expect("is taken");
    }
    let p = MailHistoryParams { limit: Some(200), ..MailHistoryParams::default() };
    let whole = bench.history(Who::default(), p);
    assert_eq!((whole.messages.len(), &whole.before), (36, &None));
    for limit in [1, 5, 7, 36] {
        let (mut pages, mut before) = (Vec::new(), None);
        loop {
            let p = MailHistoryParams { before, limit: Some(limit), ..Default::default() };
            let page = bench.history(Who::default(), p);
            assert!(page.messages.len() <= limit as usize);
            pages.extend(page.messages);
            before = page.before;
            if before.is_none() {
                break;
            }
        }
        assert_eq!(pages, whole.messages, "by pages of {limit}");
    }
    let before = Some("yesterday".to_owned());
    let p = MailHistoryParams { before, ..MailHistoryParams::default() };
    let refused = bench.ask(|reply| Ask::History(Who::default(), p, reply)).expect_err("is none");
    assert_eq!(refused.code(), ErrorCode::InvalidParams);
}

#[test]
fn a_page_of_long_messages_is_a_short_one() {
    let mut bench = Bench::with_two();
    let long = "x".repeat(32 * 1024);
    for _ in 0..40 {
        bench.send(S1, to_session("claude:2", &long)).expect("is taken");
    }
    let p = MailHistoryParams { limit: Some(200), ..MailHistoryParams::default() };
    let page = bench.history(Who::default(), p);
    assert_eq!(page.messages.len(), 32);
    let rest = MailHistoryParams { before: page.before, ..MailHistoryParams::default() };
    assert_eq!(bench.history(Who::default(), rest).messages.len(), 8);
}

#[test]
fn an_agents_process_sees_only_the_history_of_its_session() {
    let mut bench = Bench::with_identities();
    bench.live(&[(S1, "claude:1", "/a"), (S2, "claude:2", "/a")]);
    bench.send(S1, to_session("person", "from one")).expect("is taken");
    bench.send(S1, to_identity("bob", "out of one")).expect("is taken");
    bench.send(S2, to_session("person", "from two")).expect("is taken");
    bench.send(S2, to_session("claude:1", "two to one")).expect("is taken");
    let p = MailHistoryParams::default;
    assert_eq!(
        texts(&bench.history(of(S1), p()).messages),
        ["two to one", "out of one", "from one"]
    );
    assert_eq!(texts(&bench.history(of(S2), p()).messages), ["two to one", "from two"]);
    let asked = Who { identity: Some("bob".into()), ..of(S1) };
    let refused = bench.ask(|reply| Ask::History(asked, p(), reply)).expect_err("not its own");
    assert_eq!(refused.code(), ErrorCode::OwnSession);
}

#[test]
fn only_what_waits_is_listed_when_that_is_asked_for() {
    let mut bench = Bench::with_identities();
    bench.decide_about("default", ContactDecision::Hold);
    bench.send(S1, to_identity("bob", "wait for it")).expect("is taken");
    let held = || MailHistoryParams { held: true, ..MailHistoryParams::default() };
    let waits = bench.history(as_identity("bob"), held()).messages;
    assert_eq!(texts(&waits), ["wait for it"]);
    assert_eq!(waits[0].state.why.as_deref(), Some("contact"));
    assert_eq!(bench.history(Who::default(), held()).messages, []);
    bench.decide_about("default", ContactDecision::Accept);
    bench.take(Outcome::Delivered);
    assert_eq!(bench.history(as_identity("bob"), held()).messages, []);
}

#[test]
fn what_people_have_read_is_not_counted_and_what_agents_have_is_theirs() {
    let mut bench = Bench::with_two();
    bench.send(S1, to_session("person", "look")).expect("is taken");
    bench.send(S1, to_session("person", "and here")).expect("is taken");
    bench.send(S1, to_session("claude:2", "not a person's")).expect("is taken");
    bench.send(S1, to_session("codex:1", "waits")).expect("is taken");
    let counts = bench.counts();
    assert_eq!(counts.len(), 1);
    assert_eq!((counts[0].unread, counts[0].held, counts[0].asking), (2, 1, 0));
    let all = bench.all();
    let numbers: Vec<i64> = all.iter().filter_map(|entry| entry.number).collect();
    let [held, agents, here, look] = numbers.as_slice() else { panic!("four messages") };
    let read = |bench: &mut Bench, numbers: Vec<i64>| {
        bench.ask(|reply| Ask::Read(Who::default(), numbers, reply))
    };
    read(&mut bench, vec![*look, *held, *agents, 999]).expect("is read");
    let counts = bench.counts();
    assert_eq!((counts[0].unread, counts[0].held), (1, 1), "only the person's");
    let is_read =
        |bench: &mut Bench| -> Vec<bool> { bench.all().iter().map(|entry| entry.read).collect() };
    assert_eq!(is_read(&mut bench), [false, false, false, true]);
    let before = bench.change();
    read(&mut bench, vec![*look]).expect("is read");
    assert_eq!(bench.change(), before, "nothing has changed by that");
    read(&mut bench, vec![*here]).expect("is read");
    assert_eq!(bench.counts()[0].unread, 0);
    assert_eq!(bench.take(Outcome::Delivered).0, S2, "an agent's mail still comes to it");
    let refused = read(&mut bench, vec![0; 201]).expect_err("too many");
    assert_eq!(refused.code(), ErrorCode::InvalidParams);
}

#[test]
fn who_watches_is_told_when_mail_changes_and_not_when_somebody_looks() {
    let mut bench = Bench::with_two();
    let before = bench.change();
    bench.all();
    bench.counts();
    assert_eq!(bench.change(), before);
    let sent = bench.send(S1, to_session("claude:2", "news")).expect("is taken");
    let after = bench.change();
    assert!(after > before);
    bench.take(Outcome::Delivered);
    assert!(bench.change() > after, "how far it came is news too: {}", sent.id);
}

#[test]
fn who_does_not_want_a_message_is_not_told_of_it_as_unread() {
    let mut bench = Bench::with_identities();
    let unread = |bench: &mut Bench| bench.counts().iter().map(|it| it.unread).collect::<Vec<_>>();
    bench.decide_about("default", ContactDecision::Hold);
    bench.send(S1, to_identity("bob", "held")).expect("is taken");
    assert_eq!(bench.counts()[0].held, 1, "of bob, the first by name");
    let p = MailDecideParams {
        identity: Some("bob".into()),
        number: 1,
        decision: MailDecision::Discard,
    };
    bench.ask(|reply| Ask::DecideMessage(as_identity("bob"), p, reply)).expect("is discarded");
    bench.decide_about("default", ContactDecision::Refuse);
    bench.send(S1, to_identity("bob", "not wanted")).expect("is taken");
    assert_eq!(unread(&mut bench), [0, 0]);
    let all = bench.history(as_identity("bob"), MailHistoryParams::default()).messages;
    let why: Vec<_> = all.iter().map(|entry| entry.state.why.as_deref()).collect();
    assert_eq!(why, [Some("refused"), Some("discarded")]);
}
