use quarterdeck_access::tokens::SessionLimit;
use quarterdeck_protocol::error::{ErrorCode, ErrorDetail};

use super::{
    testing::{machine_row, session},
    *,
};

fn fleet() -> Fleet {
    let fleet = Fleet::default();
    fleet.add(machine_row(1, "desk"), vec![session(1, "sh:1"), session(2, "build")]).expect("adds");
    fleet.add(machine_row(2, "dev"), vec![session(3, "sh:1")]).expect("adds");
    fleet
}

fn changes(fleet: &Fleet, told: Rev) -> (usize, usize, usize) {
    let Changes::Since(_, all) = fleet.changes_since(told, None) else { panic!("everything") };
    let count = |is: fn(&Change) -> bool| all.iter().filter(|it| is(it)).count();
    (
        count(|it| matches!(it, Change::Machine(_))),
        count(|it| matches!(it, Change::Session { .. })),
        count(|it| matches!(it, Change::Gone(_))),
    )
}

#[test]
fn a_session_is_found_by_machine_and_label_by_id_and_by_a_label_that_one_machine_has() {
    let fleet = fleet();
    let dev = machine_row(2, "dev").machine;
    let found = fleet.resolve(None, "dev/sh:1", &SessionLimit::All).expect("found");
    assert_eq!(found, Place { machine: dev, session: "sh:1".into() });
    let found =
        fleet.resolve(Some("dev"), "anything", &SessionLimit::All).expect("its relay knows");
    assert_eq!(found.session, "anything");
    assert_eq!(fleet.resolve(None, "s_0303", &SessionLimit::All).expect("found").machine, dev);
    assert_eq!(
        fleet.resolve(None, "build", &SessionLimit::All).expect("found").machine,
        machine_row(1, "x").machine
    );
    let ambiguous = fleet.resolve(None, "sh:1", &SessionLimit::All).expect_err("on both");
    assert_eq!(ambiguous.code(), ErrorCode::Ambiguous);
    let names = vec!["desk/sh:1".to_owned(), "dev/sh:1".to_owned()];
    assert_eq!(ambiguous.detail(), Some(&ErrorDetail::Matches { matches: names }));
    let unknown =
        fleet.resolve(None, "mars/sh:1", &SessionLimit::All).expect_err("no such machine");
    assert_eq!(unknown.code(), ErrorCode::NotFound);
}

#[test]
fn a_machine_without_a_link_keeps_its_sessions_marked_unreachable() {
    let fleet = fleet();
    let dev = machine_row(2, "dev").machine;
    let refused = fleet.link(dev).expect_err("no link");
    assert_eq!(refused.code(), ErrorCode::Unreachable);
    let sessions = fleet.sessions(None);
    assert_eq!(sessions.len(), 3);
    let on = sessions[0].on.as_ref().expect("a hub says where");
    assert_eq!((on.machine, on.label.as_str()), (dev, "dev"));
}

#[test]
fn a_watcher_is_told_what_changed_and_nothing_else() {
    let fleet = fleet();
    let told = fleet.rev();
    assert_eq!(changes(&fleet, told), (0, 0, 0));
    let dev = machine_row(2, "dev").machine;
    fleet.put_session(dev, session(4, "new"));
    assert_eq!(changes(&fleet, told), (1, 1, 0));
    let told = fleet.rev();
    fleet.replace_sessions(dev, vec![session(4, "new")]);
    assert_eq!(changes(&fleet, told), (1, 0, 1), "one of them is gone, the other is as it was");
    let told = fleet.rev();
    fleet.edit(dev, |row| row.label = "far".parse().expect("a label"));
    assert_eq!(changes(&fleet, told), (1, 1, 0), "a session shows its machine's name");
    let told = fleet.rev();
    fleet.remove(dev);
    assert_eq!(changes(&fleet, told), (0, 0, 2));
}

#[test]
fn a_watcher_that_is_far_behind_gets_everything() {
    let fleet = fleet();
    let told = fleet.rev();
    let dev = machine_row(2, "dev").machine;
    for _ in 0..300 {
        fleet.put_session(dev, session(9, "x"));
        fleet.remove_session(dev, session(9, "x").session);
    }
    assert!(matches!(fleet.changes_since(told, None), Changes::Everything));
}

#[test]
fn only_what_changed_is_given_to_the_store_and_once() {
    let fleet = fleet();
    assert!(fleet.take_dirty().is_empty(), "what was loaded is known there");
    let dev = machine_row(2, "dev").machine;
    fleet.put_session(dev, session(3, "sh:1"));
    assert!(fleet.take_dirty().is_empty(), "nothing is different");
    fleet.put_session(dev, session(3, "other"));
    fleet.remove_session(dev, session(3, "other").session);
    fleet.put_session(dev, session(4, "new"));
    let dirty = fleet.take_dirty();
    assert_eq!(dirty.len(), 1);
    assert_eq!((dirty[0].1.len(), &dirty[0].2[..]), (1, &[session(3, "x").session][..]));
    assert!(fleet.take_dirty().is_empty());
}

#[test]
fn a_label_that_is_taken_gets_a_number() {
    let fleet = fleet();
    let free = |label: &str| fleet.free_label(&label.parse().expect("a label")).to_string();
    assert_eq!(free("dev"), "dev-2");
    assert_eq!(free("new"), "new");
}
