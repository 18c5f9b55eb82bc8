//! Messages that a program answers: what it is given, what it may spend, and when it is not asked.

use tokio::sync::oneshot::error::TryRecvError;

use super::{super::answering::Writing, *};
use crate::{config::ResponderConfig, mail::Draft};

/// A relay with Ada's session `claude:1`, and Bob's identity that answers her by itself.
struct Office {
    bench: Bench,
    drafts: mpsc::Receiver<Draft>,
    config: ResponderConfig,
}

fn config() -> ResponderConfig {
    ResponderConfig {
        command: vec!["answer".to_owned()],
        allow: vec!["default".to_owned()],
        ..ResponderConfig::default()
    }
}

impl Office {
    fn new(config: ResponderConfig) -> Self {
        let bench = Bench::with_identities();
        let (_, drafts) = mpsc::channel(1);
        let mut office = Self { bench, drafts, config };
        office.restart();
        office.switch(Who { identity: Some("bob".to_owned()), ..Who::default() }, Some(true));
        office
    }

    /// The relay is killed, and another one comes.
    fn restart(&mut self) {
        let (courier, deliveries) = mpsc::channel(64);
        let (drafter, drafts) = mpsc::channel(64);
        let writing = Writing::new(self.config.clone(), drafter);
        let path = self.bench.directory.path().join("mail.sqlite");
        self.bench.owner = Owner::open(&path, None, courier, Some(writing)).expect("opens");
        (self.bench.deliveries, self.drafts) = (deliveries, drafts);
        self.live(&[]);
    }

    /// Ada's session lives, and these of Bob's.
    fn live(&mut self, bobs: &[(SessionId, &str)]) {
        let bobs = bobs.iter().map(|(id, label)| (*id, *label, "/b/project"));
        let sessions: Vec<_> = [(S1, "claude:1", "/a")].into_iter().chain(bobs).collect();
        self.bench.live(&sessions);
    }

    fn switch(&mut self, who: Who, on: Option<bool>) -> bool {
        self.bench.ask(|reply| Ask::Autorespond(who, on, reply)).expect("is said").on
    }

    /// Ada writes to a session of Bob's.
    fn ask(&mut self, label: &str, body: &str) -> MailJob {
        let to = MailSendParams { to: Some("bob".to_owned()), ..to_session(label, body) };
        self.bench.send(S1, to).expect("is taken")
    }

    /// The program is started and says something, or nothing.
    fn say(&mut self, text: Option<&str>) -> bool {
        let Ok(draft) = self.drafts.try_recv() else { return false };
        let (number, text) = (draft.number, text.map(ToOwned::to_owned));
        self.bench.owner.handle(Ask::Drafted { number, text });
        true
    }

    /// The answers that Ada's session is put.
    fn answers(&mut self) -> Vec<String> {
        let mut answers = Vec::new();
        while !self.bench.deliveries.is_empty() {
            let (session, text) = self.bench.take(Outcome::Delivered);
            assert_eq!(session, S1);
            answers.push(text);
        }
        answers
    }
}

#[test]
fn a_message_is_answered_as_the_session_that_was_asked_and_who_waits_for_it_gets_that() {
    let mut office = Office::new(config());
    let sent = office.ask("claude:9", "is main green?");
    let who = Who { session: Some(S1), identity: None, label: None };
    let wait = MailWaitParams {
        from: Some("bob".to_owned()),
        from_session: Some("claude:9".parse().expect("a label")),
        in_reply_to: Some(sent.id.clone()),
        wait_ms: 10_000,
        ..MailWaitParams::default()
    };
    let (reply, mut answer) = oneshot::channel();
    office.bench.owner.handle(Ask::Wait(who, wait, reply));
    let draft = office.drafts.try_recv().expect("is to be answered");
    assert!(draft.text.ends_with("\n\nis main green?\n"), "{}", draft.text);
    let text = Some(" it is\n".to_owned());
    office.bench.owner.handle(Ask::Drafted { number: draft.number, text });
    let came = answer.try_recv().expect("is answered").expect("is good").message.expect("came");
    assert_eq!((came.text.as_str(), came.from_session.as_deref()), ("it is", Some("claude:9")));
    assert!(came.auto, "it is marked");
    assert_eq!(office.bench.state(S1, &sent.id), word("read"));
}

#[test]
fn one_message_gets_one_answer_whatever_lives_or_dies_afterwards() {
    let mut office = Office::new(config());
    office.ask("claude:9", "first");
    let number = office.drafts.try_recv().expect("is to be answered").number;
    for text in ["an answer", "another one"] {
        let text = Some(text.to_owned());
        office.bench.owner.handle(Ask::Drafted { number, text });
    }
    assert_eq!(office.answers(), ["an answer"]);
    office.live(&[(S3, "claude:9")]);
    assert_eq!(office.answers(), Vec::<String>::new(), "its session does not answer as well");
    office.restart();
    office.live(&[(S3, "claude:9")]);
    assert!(!office.say(Some("a third one")));
    assert_eq!(office.answers(), Vec::<String>::new());
}

#[test]
fn a_session_that_lives_answers_for_itself_and_held_mail_waits_for_a_person() {
    let mut office = Office::new(config());
    office.live(&[(S2, "claude:2")]);
    office.ask("claude:2", "hello");
    assert!(!office.say(Some("not I")));
    assert_eq!(office.bench.take(Outcome::Delivered), (S2, "hello".to_owned()));
    let decision = ContactDecision::Hold;
    let (identity, contact) = (Some("bob".to_owned()), "default".to_owned());
    let p = MailContactParams { identity, contact, decision };
    office.bench.ask(|reply| Ask::Decide(p, reply)).expect("is decided");
    office.ask("claude:9", "held");
    assert!(!office.say(Some("not I")));
}

#[test]
fn before_it_is_known_who_lives_nothing_is_answered() {
    let mut office = Office::new(config());
    let path = office.bench.directory.path().join("mail.sqlite");
    let (courier, _deliveries) = mpsc::channel(64);
    let (drafter, drafts) = mpsc::channel(64);
    let writing = Writing::new(office.config.clone(), drafter);
    office.bench.owner = Owner::open(&path, None, courier, Some(writing)).expect("opens");
    office.drafts = drafts;
    let who = Who { identity: Some("default".to_owned()), ..Who::default() };
    let to = MailSendParams { to: Some("bob".to_owned()), ..to_session("claude:2", "hello") };
    office.bench.ask(|reply| Ask::Send(who, to, reply)).expect("is taken");
    assert!(!office.say(Some("too early")));
}

#[test]
fn a_message_that_was_not_answered_goes_to_its_session_and_not_to_the_program_again() {
    let mut office = Office::new(config());
    for (text, body) in [(None, "no answer"), (Some(" \n"), "an empty one")] {
        office.ask("claude:9", body);
        assert!(office.say(text));
        assert!(!office.say(text), "it is not asked again");
    }
    office.live(&[(S3, "claude:9")]);
    assert_eq!(office.bench.take(Outcome::Delivered), (S3, "no answer".to_owned()));
    assert_eq!(office.bench.take(Outcome::Delivered), (S3, "an empty one".to_owned()));
    assert!(!office.say(Some("late")));
}

#[test]
fn a_relay_that_dies_while_an_answer_is_written_leaves_the_message_to_its_session() {
    let mut office = Office::new(config());
    office.ask("claude:9", "hello");
    let draft = office.drafts.try_recv().expect("is to be answered");
    office.restart();
    let text = Some("from before".to_owned());
    office.bench.owner.handle(Ask::Drafted { number: draft.number, text });
    assert!(!office.say(Some("again")));
    office.live(&[(S3, "claude:9")]);
    assert_eq!(office.bench.take(Outcome::Delivered), (S3, "hello".to_owned()));
    assert!(office.bench.deliveries.is_empty(), "nothing was answered");
}

#[test]
fn an_answer_after_its_deadline_is_not_sent_and_its_program_is_ended() {
    let mut office = Office::new(ResponderConfig { deadline_s: 0, ..config() });
    office.ask("claude:9", "hello");
    let mut draft = office.drafts.try_recv().expect("is to be answered");
    assert_eq!(draft.wanted.try_recv(), Err(TryRecvError::Closed));
    let text = Some("too late".to_owned());
    office.bench.owner.handle(Ask::Drafted { number: draft.number, text });
    assert_eq!(office.answers(), Vec::<String>::new());
    office.live(&[(S3, "claude:9")]);
    assert_eq!(office.bench.take(Outcome::Delivered), (S3, "hello".to_owned()));
}

#[test]
fn turned_off_by_an_agent_it_is_off_for_all_at_once_and_only_a_person_turns_it_on() {
    let mut office = Office::new(config());
    office.live(&[(S2, "claude:2")]);
    office.ask("claude:9", "hello");
    let mut draft = office.drafts.try_recv().expect("is to be answered");
    assert_eq!(draft.wanted.try_recv(), Err(TryRecvError::Empty), "it is being written");
    let agent = Who { session: Some(S2), identity: None, label: None };
    assert!(!office.switch(agent.clone(), Some(false)));
    assert_eq!(draft.wanted.try_recv(), Err(TryRecvError::Closed), "and ended");
    let refused = office.bench.ask(|reply| Ask::Autorespond(agent, Some(true), reply));
    assert_eq!(refused.expect_err("is a person's").code(), ErrorCode::OwnSession);
    office.ask("claude:9", "anybody?");
    assert!(!office.say(Some("nobody")));
    office.restart();
    office.ask("claude:9", "and now?");
    assert!(!office.say(Some("nobody")));
}

#[test]
fn a_contact_that_is_not_listed_is_not_answered() {
    let mut office = Office::new(ResponderConfig { allow: vec!["eve".to_owned()], ..config() });
    office.ask("claude:9", "hello");
    assert!(!office.say(Some("hello")));
}

#[test]
fn one_contact_is_answered_so_often_in_an_hour() {
    let limits = ResponderConfig { per_peer_hour: 2, in_a_row: 9, ..config() };
    let mut office = Office::new(limits);
    let answered = (0..4).filter(|n| {
        office.ask("claude:9", &format!("question {n}"));
        office.say(Some("an answer"))
    });
    assert_eq!(answered.count(), 2);
}

#[test]
fn neither_a_restart_nor_another_identity_frees_the_budget_or_the_row() {
    for limits in [
        ResponderConfig { per_day: 2, in_a_row: 9, ..config() },
        ResponderConfig { in_a_row: 2, ..config() },
    ] {
        let mut office = Office::new(limits);
        let answered = (0..6).filter(|n| {
            office.ask("claude:9", &format!("question {n}"));
            let answered = office.say(Some("an answer"));
            match n % 2 {
                0 => office.restart(),
                _ => office.bench.add_identity(&format!("other-{n}"), &format!("/other-{n}")),
            }
            answered
        });
        assert_eq!(answered.count(), 2);
    }
}

#[test]
fn a_row_ends_when_somebody_writes_and_that_outlives_the_relay() {
    let mut office = Office::new(ResponderConfig { in_a_row: 1, ..config() });
    office.ask("claude:9", "one");
    assert!(office.say(Some("an answer")));
    office.ask("claude:9", "two");
    assert!(!office.say(Some("an answer")));
    let person = Who { identity: Some("bob".to_owned()), ..Who::default() };
    let p = to_identity("default", "I am here");
    office.bench.ask(|reply| Ask::Send(person, p, reply)).expect("is taken");
    office.restart();
    office.ask("claude:9", "three");
    assert!(office.say(Some("an answer")));
}

#[test]
fn two_responders_end_by_themselves_when_both_mark_and_when_one_of_them_lies() {
    // both mark: the first answer is the last one
    let allow = vec!["default".to_owned(), "bob".to_owned()];
    let mut office = Office::new(ResponderConfig { allow, ..config() });
    office.switch(Who { identity: Some("default".to_owned()), ..Who::default() }, Some(true));
    office.bench.live(&[]);
    let p = MailSendParams { to: Some("bob".to_owned()), ..to_session("claude:9", "hello") };
    let who = Who { label: Some("claude:8".parse().expect("a label")), ..Who::default() };
    office.bench.ask(|reply| Ask::Send(who, p, reply)).expect("is taken");
    assert!(office.say(Some("an answer")));
    assert!(!office.say(Some("an answer to the answer")));

    // one does not mark, and answers each answer with another id: what this side counts ends it
    let mut office = Office::new(config());
    let mut answered = 0;
    for round in 0..50 {
        let body = serde_json::json!({
            "envelope_version": "tinyplace.harness.session.v1",
            "version": 1,
            "message": { "id": format!("lie-{round}"), "role": "agent", "text": "and you?" },
            "tp": { "v": 1, "to_session": "claude:9", "auto": false },
        });
        office.bench.owner.send_raw("default", "bob", body.to_string());
        if !office.say(Some("an answer")) {
            break;
        }
        answered += 1;
    }
    assert_eq!(answered, config().in_a_row);
}
