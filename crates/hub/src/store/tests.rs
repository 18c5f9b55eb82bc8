use std::{fs, os::unix::fs::PermissionsExt as _};

use super::*;
use crate::fleet::testing::{device_row, machine_row, session};

fn path(directory: &tempfile::TempDir) -> PathBuf {
    directory.path().join("hub.db")
}

#[tokio::test]
async fn machines_and_their_sessions_are_there_again_after_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let (store, loaded) = Store::open(&path(&directory)).expect("opens");
    assert!(loaded.machines.is_empty());
    let mut row = machine_row(1, "dev");
    store.put_machine(row.clone()).await.expect("writes");
    let (one, two) = (session(1, "a"), session(2, "b"));
    store.put_sessions(row.machine, vec![one.clone(), two.clone()], vec![]).await.expect("writes");
    store.put_sessions(row.machine, vec![], vec![one.session]).await.expect("writes");
    row.label = "renamed".parse().expect("a label");
    store.put_machine(row.clone()).await.expect("writes");
    drop(store);
    let (store, loaded) = Store::open(&path(&directory)).expect("opens again");
    assert_eq!(loaded.machines, [(row.clone(), vec![two])]);
    store.remove_machine(row.machine).await.expect("removes");
    drop(store);
    let (_, loaded) = Store::open(&path(&directory)).expect("opens again");
    assert!(loaded.machines.is_empty());
}

#[tokio::test]
async fn sessions_of_a_removed_machine_are_not_kept() {
    let directory = tempfile::tempdir().expect("a directory");
    let (store, _) = Store::open(&path(&directory)).expect("opens");
    let nobody = machine_row(9, "gone").machine;
    store.put_sessions(nobody, vec![session(1, "a")], vec![]).await.expect("is no error");
}

#[tokio::test]
async fn two_machines_cannot_be_one_relay_or_have_one_label() {
    let directory = tempfile::tempdir().expect("a directory");
    let (store, _) = Store::open(&path(&directory)).expect("opens");
    store.put_machine(machine_row(1, "dev")).await.expect("writes");
    let mut other = machine_row(2, "other");
    other.relay_id = machine_row(1, "dev").relay_id;
    assert!(store.put_machine(other).await.is_err());
    assert!(store.put_machine(machine_row(3, "dev")).await.is_err());
}

#[test]
fn a_damaged_database_is_named_and_left_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = path(&directory);
    let garbage = vec![0x5a; 8192];
    fs::write(&path, &garbage).expect("writes");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("protects");
    let refused = Store::open(&path).expect_err("is no database");
    assert!(matches!(refused, StoreError::Damaged { .. }), "{refused}");
    assert_eq!(fs::read(&path).expect("reads"), garbage);
}

#[test]
fn a_database_of_a_newer_version_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = path(&directory);
    drop(Store::open(&path).expect("makes it"));
    let db = Connection::open(&path).expect("opens");
    db.pragma_update(None, "user_version", 99).expect("writes");
    drop(db);
    let refused = Store::open(&path).expect_err("is newer");
    assert!(matches!(refused, StoreError::Newer { .. }), "{refused}");
    let db = Connection::open(&path).expect("opens");
    let version: i64 =
        db.pragma_query_value(None, "user_version", |row| row.get(0)).expect("reads");
    assert_eq!(version, 99);
}

#[test]
fn the_database_is_private_and_one_that_others_can_read_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = path(&directory);
    drop(Store::open(&path).expect("makes it"));
    let mode = fs::metadata(&path).expect("is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("opens it to others");
    assert!(Store::open(&path).is_err());
}

#[tokio::test]
async fn browsers_are_there_again_after_a_restart_until_they_are_removed() {
    let directory = tempfile::tempdir().expect("a directory");
    let (store, loaded) = Store::open(&path(&directory)).expect("opens");
    assert!(loaded.devices.is_empty());
    let (one, two) = (device_row(1, "phone"), device_row(2, "phone"));
    for row in [&one, &two] {
        store.put_device(row.clone()).await.expect("writes");
    }
    let used = DeviceRow { last_used_at: Some(99), ..one.clone() };
    store.touch_device(used.clone()).await.expect("writes");
    store.remove_device(two.device).await.expect("removes");
    store.touch_device(two).await.expect("is no error, and brings nothing back");
    drop(store);
    let (_, loaded) = Store::open(&path(&directory)).expect("opens again");
    assert_eq!(loaded.devices, [used]);
}

#[test]
fn a_database_without_browsers_is_brought_up_to_date() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = path(&directory);
    drop(Store::open(&path).expect("makes it"));
    let db = Connection::open(&path).expect("opens");
    db.execute_batch("DROP TABLE device; PRAGMA user_version = 2").expect("goes back");
    drop(db);
    let (_, loaded) = Store::open(&path).expect("opens an older one");
    assert!(loaded.devices.is_empty());
}
