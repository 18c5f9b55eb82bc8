//! A database that cannot be used stops the hub with a sentence, and is left as it is.

use std::{fs, os::unix::fs::PermissionsExt as _};

use quarterdeck_e2e::harness::{instance::Instance, small_disk::SmallDisk};

#[tokio::test]
async fn a_damaged_or_newer_database_is_named_with_what_to_do_and_left_alone() {
    let here = Instance::new();
    assert!(here.start_hub(&[]).await.terminate().await.success());
    let path = here.directory().join("hub.db");
    // after a clean end everything is in this file
    for beside in ["hub.db-wal", "hub.db-shm"] {
        let _ = fs::remove_file(here.directory().join(beside));
    }
    let good = fs::read(&path).expect("reads");
    let damaged = vec![0x5a; 16 * 1024];
    // SQLite keeps the number of the schema at this place of its header
    let mut newer = good.clone();
    newer[60..64].copy_from_slice(&99u32.to_be_bytes());
    let name = path.display();
    let of_damaged = [
        format!("{name} is damaged; move it away, and add the machines again"),
        format!("move {name} away; relays and sessions are not touched by that"),
    ];
    let of_newer = [
        format!("{name} is of a newer version of this program. Use the newer program"),
        "install the newer version again, or use another instance".to_owned(),
    ];
    for (content, [cause, hint]) in [(damaged, of_damaged), (newer, of_newer)] {
        fs::write(&path, &content).expect("writes");
        let failed = here.try_start_hub(&[]).await.expect_err("cannot start");
        let line = failed.stderr.lines().last().unwrap_or_default();
        let error: serde_json::Value = serde_json::from_str(line).expect("an error");
        assert_eq!(error["error"]["message"], "the hub cannot start");
        assert_eq!(error["error"]["causes"][0], cause);
        assert_eq!(error["error"]["hints"][0], hint);
        assert_eq!(fs::read(&path).expect("reads"), content, "it is left alone");
    }
    fs::remove_file(&path).expect("removes");
    let _hub = here.start_hub(&[]).await;
}

#[tokio::test]
async fn a_database_on_a_read_only_disk_is_said_to_be_so() {
    let here = Instance::new();
    assert!(here.start_hub(&[]).await.terminate().await.success());
    let before = fs::read(here.directory().join("hub.db")).expect("reads");
    let Some(disk) = SmallDisk::mount(&here.directory(), 16 << 20) else { return };
    fs::write(here.directory().join("hub.db"), &before).expect("writes");
    let private = fs::Permissions::from_mode(0o600);
    fs::set_permissions(here.directory().join("hub.db"), private).expect("protects");
    // the lock and the socket are on the same disk, and the first to fail; the sentence names the file
    disk.make_read_only();
    let failed = here.try_start_hub(&[]).await.expect_err("cannot start");
    assert!(failed.stderr.to_lowercase().contains("read-only"), "{failed:?}");
    disk.make_writable();
    let _hub = here.start_hub(&[]).await;
}
