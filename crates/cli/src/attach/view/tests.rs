use super::*;
use quarterdeck_protocol::{
    ids::{Incarnation, LogId, Out, Seq, SessionId},
    record::{ExitStatus, LeaseCause, LeaseRecord, Owner, SessionKind},
    session::SessionState,
};

const SIZE: TerminalSize = TerminalSize { cols: 80, rows: 24, xpixel: 0, ypixel: 0 };
const LARGE: TerminalSize = TerminalSize { cols: 120, rows: 40, xpixel: 0, ypixel: 0 };

fn client(n: u8, name: &str, principal: &str) -> Owner {
    Owner {
        client: ClientId::from_bytes([n; 16]),
        principal: Principal::new("r_00", principal).expect("valid"),
        name: name.to_owned(),
    }
}
fn me() -> Owner {
    client(1, "qd on desk", "ada")
}
fn my_laptop() -> Owner {
    client(2, "qd on laptop", "ada")
}
fn bob() -> Owner {
    client(3, "phone", "bob")
}
fn held(owner: Owner) -> LeaseState {
    LeaseState::Held { owner }
}

fn session(state: LeaseState) -> SessionInfo {
    SessionInfo {
        session: SessionId::from_bytes([7; 10]),
        label: "build".parse().expect("valid"),
        kind: SessionKind::Terminal,
        state: SessionState::Running,
        argv: vec!["sh".into()],
        cwd: "/".into(),
        project: None,
        title: None,
        size: SIZE,
        lease: LeaseView { epoch: Epoch(4), state, requested_by: Vec::new() },
        attached: 1,
        created_at: 0,
        last_activity_at: 0,
        incarnation: Incarnation(1),
        log_id: LogId::from_bytes([0; 8]),
        seq: Seq(0),
        out: Out(0),
        agent: None,
        remote_control: None,
        keep: false,
        base: Out(0),
        on: None,
    }
}

fn view(state: LeaseState) -> View {
    let Owner { client, principal, .. } = me();
    let identity = Identity { client, principal, prefix: PrefixKey::default() };
    View::new(identity, &session(state), SIZE)
}
fn typed(text: &str) -> Event {
    Event::Typed(text.as_bytes().to_vec())
}
fn record(epoch: u64, state: LeaseState, why: LeaseCause) -> LeaseRecord {
    LeaseRecord { epoch: Epoch(epoch), state, why, by: None }
}
/// What is said, with `!` before every other action.
fn shown(actions: &[Action]) -> String {
    let lines = actions.iter().map(|action| {
        if let Action::Say(notice) = action { notice.text.clone() } else { format!("!{action:?}") }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn an_owner_types_and_a_follower_is_offered_the_session() {
    assert_eq!(view(held(me())).handle_key(typed("x")), [Action::Type(b"x".to_vec())]);
    let mut follower = view(held(my_laptop()));
    insta::assert_snapshot!(shown(&follower.handle_key(typed("x"))), @"you follow; your qd on laptop owns this session · press Enter to take over");
    assert_eq!(follower.handle_key(typed("\r"))[0], Action::Ask(Ask::Take));
}

#[test]
fn enter_takes_over_only_when_it_was_offered_just_before() {
    let mut follower = view(held(my_laptop()));
    assert!(matches!(follower.handle_key(typed("\r"))[..], [Action::Say(_)]));
    follower.handle_key(Event::Command(Command::Help));
    assert!(matches!(follower.handle_key(typed("\r"))[..], [Action::Say(_)]));
    follower.handle_key(typed("x"));
    follower.handle_notice_gone();
    assert!(matches!(follower.handle_key(typed("\r"))[..], [Action::Say(_)]));
    // typing on is no Enter
    assert!(matches!(follower.handle_key(typed("ls\r"))[..], [Action::Say(_)]));
}

#[test]
fn another_principals_session_is_asked_for() {
    let mut follower = view(held(bob()));
    insta::assert_snapshot!(shown(&follower.handle_key(typed("\r"))), @"bob (phone) owns this session · Ctrl-] t asks for it");
    assert!(matches!(follower.handle_key(typed("\r"))[..], [Action::Say(_)]));
    insta::assert_snapshot!(shown(&follower.handle_key(Event::Command(Command::Take))), @r"
    !Ask(Request)
    asked bob (phone) for this session
    ");
}

#[test]
fn the_terminals_own_answers_reach_the_program_only_from_its_owner() {
    let reply = || Event::Terminal(b"\x1b[0n".to_vec());
    let mut owner = view(held(me()));
    assert_eq!(owner.handle_key(reply()), [Action::Type(b"\x1b[0n".to_vec())]);
    owner.handle_connecting();
    assert_eq!(owner.handle_key(reply()), []);
    assert_eq!(view(held(bob())).handle_key(reply()), []);
}

#[test]
fn a_takeover_is_seen_by_both_sides() {
    let mut owner = view(held(me()));
    let taken = owner.handle_lease(&record(5, held(my_laptop()), LeaseCause::Takeover));
    insta::assert_snapshot!(shown(&taken), @r"
    !Lease(Settled(None))
    your qd on laptop took over · Ctrl-] t takes it back
    ");
    let back = owner.handle_lease(&record(6, held(me()), LeaseCause::Takeover));
    insta::assert_snapshot!(shown(&back), @r"
    !Lease(Settled(Some(Epoch(6))))
    you own this session now
    ");
    let taken = owner.handle_lease(&record(
        7,
        held(bob()),
        LeaseCause::Take { reason: "fire\u{7}".into() },
    ));
    insta::assert_snapshot!(shown(&taken), @r"
    !Lease(Settled(None))
    bob (phone) took over: fire\u{7}
    ");
    let offered = view(held(me())).handle_lease(&record(5, held(bob()), LeaseCause::Offer));
    insta::assert_snapshot!(shown(&offered), @r"
    !Lease(Settled(None))
    you handed this session to bob (phone)
    ");
}

#[test]
fn a_loan_is_silent_and_typing_goes_on() {
    let mut owner = view(held(me()));
    let lent = owner.handle_lease(&record(5, held(my_laptop()), LeaseCause::Borrow));
    assert_eq!(lent, [Action::Lease(LeaseMove::Lent)]);
    assert_eq!(owner.handle_key(typed("x")), [Action::Type(b"x".to_vec())]);
    assert_eq!((owner.role(), owner.epoch()), (Role::Owner, None));
    let returned = owner.handle_lease(&record(6, held(me()), LeaseCause::Returned));
    assert_eq!(returned, [Action::Lease(LeaseMove::Returned(Epoch(6)))]);
    assert_eq!(owner.epoch(), Some(Epoch(6)));
}

#[test]
fn a_request_is_shown_to_the_owner_once() {
    let mut owner = view(held(me()));
    let lease = LeaseView { epoch: Epoch(4), state: held(me()), requested_by: vec![bob()] };
    insta::assert_snapshot!(shown(&owner.handle_requests(&lease)), @"bob (phone) asks for this session · Ctrl-] o hands it over");
    assert_eq!(owner.handle_requests(&lease), []);
    assert_eq!(owner.handle_key(Event::Command(Command::Offer)), [Action::Ask(Ask::Offer)]);
}

#[test]
fn only_an_owner_releases_fits_or_kills() {
    for command in [Command::ReleaseOrRetry, Command::Fit, Command::Kill] {
        let mut follower = view(LeaseState::Free);
        let actions = follower.handle_key(Event::Command(command));
        assert_eq!(shown(&actions), "you follow; nobody owns this session", "{command:?}");
    }
}

#[test]
fn killing_needs_a_yes() {
    let mut owner = view(held(me()));
    let kill = |owner: &mut View| owner.handle_key(Event::Command(Command::Kill));
    insta::assert_snapshot!(shown(&kill(&mut owner)), @"end the program of build? y ends it, any other key does not");
    insta::assert_snapshot!(shown(&owner.handle_key(typed("n"))), @"not killed");
    assert_eq!(owner.handle_key(typed("y")), [Action::Type(b"y".to_vec())]);
    kill(&mut owner);
    assert_eq!(owner.handle_key(typed("y"))[0], Action::Ask(Ask::Kill));
}

#[test]
fn the_session_follows_its_owners_screen_when_it_fitted_or_when_nobody_else_looks() {
    assert_eq!(view(held(me())).handle_local_size(LARGE), [Action::Ask(Ask::Resize(LARGE))]);
    // it has that size already: only this screen must be drawn anew
    assert_eq!(view(held(me())).handle_local_size(SIZE), [Action::Redraw]);
    // it did not fit, and somebody else looks
    let mut crowded = view(held(me()));
    crowded.handle_size(LARGE);
    crowded.handle_info(&SessionInfo { attached: 2, ..session(held(me())) });
    let smaller = TerminalSize { cols: 60, ..SIZE };
    insta::assert_snapshot!(shown(&crowded.handle_local_size(smaller)), @r"
    !Redraw
    session 120×40, screen 60×24 · Ctrl-] f fits it
    ");
    // it did not fit, but nobody else looks
    crowded.handle_info(&session(held(me())));
    assert_eq!(crowded.handle_local_size(SIZE), [Action::Ask(Ask::Resize(SIZE))]);
}

#[test]
fn a_follower_never_resizes() {
    let mut follower = view(held(bob()));
    insta::assert_snapshot!(shown(&follower.handle_local_size(LARGE)), @r"
    !Redraw
    the session is 80×24, your screen 120×40
    ");
}

#[test]
fn without_a_link_only_leaving_and_retrying_are_possible() {
    let mut owner = view(held(me()));
    let waiting = owner.handle_waiting(Duration::from_millis(3_900));
    insta::assert_snapshot!(shown(&waiting), @"reconnecting in 4 s · press Ctrl-] r to retry now, Ctrl-] d to leave");
    let command = |view: &mut View, command| view.handle_key(Event::Command(command));
    assert_eq!(command(&mut owner, Command::ReleaseOrRetry), [Action::Retry]);
    assert_eq!(command(&mut owner, Command::Detach), [Action::Detach]);
    assert_eq!(command(&mut owner, Command::Kill), [Action::Bell]);
    assert_eq!(owner.handle_key(typed("kept")), [Action::Type(b"kept".to_vec())]);
    owner.handle_attached(&session(held(me())));
    assert_eq!(command(&mut owner, Command::ReleaseOrRetry), [Action::Ask(Ask::Release)]);
}

#[test]
fn the_headline_says_whose_it_is_and_how_to_leave() {
    insta::assert_snapshot!(headline(&view(held(me()))), @"you own build · Ctrl-] d detaches, Ctrl-] ? helps");
    let mut follower = view(held(bob()));
    follower.handle_local_size(LARGE);
    insta::assert_snapshot!(headline(&follower), @"build: you follow; bob (phone) owns this session · Ctrl-] d detaches, Ctrl-] ? helps · session 80×24, screen 120×40");
}

#[test]
fn on_a_narrow_screen_the_headline_keeps_the_sizes_and_the_key_that_fits_them() {
    let narrow = |cols| {
        let mut owner = view(held(me()));
        owner.handle_size(LARGE);
        owner.local = TerminalSize { cols, ..SIZE };
        headline(&owner)
    };
    insta::assert_snapshot!(narrow(60), @"you own build · Ctrl-] ? helps · 120×40 · Ctrl-] f fits it");
    insta::assert_snapshot!(narrow(50), @"you own build · 120×40 · Ctrl-] f fits it");
    let mut follower = view(held(bob()));
    follower.local = TerminalSize { cols: 60, ..SIZE };
    insta::assert_snapshot!(headline(&follower), @"you follow build · Ctrl-] ? helps · 80×24");
}

#[test]
fn ends_are_said_in_words() {
    assert_eq!(exit_words(&ExitStatus::Code { code: 3 }), "ended with code 3");
    let signal = ExitStatus::Signal { signal: 11, core: true };
    assert_eq!(exit_words(&signal), "was ended by signal 11, core dumped");
}

#[test]
fn a_new_attachment_that_is_ahead_of_the_lease_record_tells_of_the_change() {
    let mut follower = view(held(my_laptop()));
    follower.handle_key(typed("x"));
    follower.handle_key(typed("\r"));
    let notice = follower.handle_attached(&session(held(me()))).expect("the role changed");
    insta::assert_snapshot!(notice.text, @"you own this session now");
    assert_eq!(follower.handle_attached(&session(held(me()))), None, "nothing changed");
    let notice = follower.handle_attached(&session(held(my_laptop()))).expect("it was taken");
    insta::assert_snapshot!(notice.text, @"your qd on laptop took over · Ctrl-] t takes it back");
    follower.handle_connecting();
    assert_eq!(follower.handle_attached(&session(held(me()))), None, "the way back has its words");
}

#[test]
fn mail_is_told_once_with_its_sender_and_where_it_is_read_but_not_what_it_says() {
    let mut view = view(held(me()));
    let mail = |number| MailNote {
        key: "k".to_owned(),
        number,
        from: "bob\u{1b}[31m".to_owned(),
        from_session: Some("claude:1".to_owned()),
        inbox: "build".parse().expect("valid"),
    };
    let said = view.handle_mail(&mail(3));
    let [Action::Say(Notice { text, stay: Stay::Moment })] = said.as_slice() else {
        panic!("{said:?}");
    };
    assert!(text.contains("claude:1") && text.contains("qd msg inbox build"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    assert_eq!(view.handle_mail(&mail(3)), []);
    assert_eq!(view.handle_mail(&mail(4)).len(), 1);
}
