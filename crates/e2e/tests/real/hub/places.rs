//! Through the hub to a machine's disk: files for its sessions, and directories to start some in.

use std::{fs, os::unix::fs::PermissionsExt as _};

use quarterdeck_e2e::harness::{
    client::Way,
    hub::{Fleet, until_machine},
};
use quarterdeck_protocol::{
    error::ErrorCode,
    limits::MAX_UPLOAD_CHUNK_BYTES,
    method::{
        CreateParams, DirectoriesParams, MachineInfo, MachineState, MachineUpdate,
        MachineUpdateParams, RelayDirectories, SessionCreate,
    },
};

#[tokio::test]
async fn a_file_goes_to_a_session_of_another_machine_in_pieces() {
    let fleet = Fleet::start().await;
    let peer = fleet.way(Fleet::FAR).connect("starter").await;
    let label = Some("far:1".parse().expect("a label"));
    let cwd = fleet.there.path("work");
    fs::create_dir_all(&cwd).expect("makes it");
    let cwd = cwd.canonicalize().expect("is there");
    let cwd_text = Some(cwd.display().to_string());
    let params =
        CreateParams { argv: vec!["/bin/cat".into()], label, cwd: cwd_text, ..Default::default() };
    peer.call::<SessionCreate>(&params).await;
    let content: Vec<u8> = (0..2 * MAX_UPLOAD_CHUNK_BYTES + 17).map(|n| (n % 251) as u8).collect();
    let file = fleet.here.path("some notes.txt");
    fs::write(&file, &content).expect("writes");
    let file = file.to_str().expect("text");
    let printed = fleet.here.qd(["upload", "far/far:1", file]).await.ok().text();
    let path = std::path::Path::new(printed.trim());
    assert_eq!(path.file_name().and_then(|name| name.to_str()), Some("some_notes.txt"));
    assert_eq!(fs::read(path).expect("is there"), content);
    let mode =
        |path: &std::path::Path| fs::metadata(path).expect("is there").permissions().mode() & 0o777;
    assert_eq!((mode(path), mode(path.parent().expect("a directory"))), (0o600, 0o700));
    let printed = fleet.here.qd(["upload", "--here", "far/far:1", file]).await.ok().text();
    assert_eq!(printed.trim(), cwd.join("some_notes.txt").display().to_string());
}

#[tokio::test]
async fn directories_of_a_chosen_machine_are_told() {
    let fleet = Fleet::start().await;
    let place = fleet.there.path("work");
    fs::create_dir_all(place.join("project/.git")).expect("makes it");
    let far = fleet.way(Fleet::FAR).connect("somebody").await;
    let directory = Some(place.display().to_string());
    let asked = DirectoriesParams { directory, prefix: "PRO".to_owned() };
    let told = far.call::<RelayDirectories>(&asked).await.directories;
    let told: Vec<_> = told.iter().map(|it| (it.name.as_str(), it.project)).collect();
    assert_eq!(told, [("project", true)]);
    let missing = Some(place.join("missing").display().to_string());
    let asked = DirectoriesParams { directory: missing, prefix: String::new() };
    let refused = far.try_call::<RelayDirectories>(&asked).await;
    assert_eq!(refused.map_err(|error| error.code()).map(drop), Err(ErrorCode::InvalidParams));
    // and a session that starts there belongs to the project
    let cwd = Some(place.join("project").display().to_string());
    let params = CreateParams { argv: vec!["/bin/cat".into()], cwd, ..Default::default() };
    let made = far.call::<SessionCreate>(&params).await.session;
    let project = place.join("project").canonicalize().expect("is there");
    assert_eq!(made.project, Some(project.display().to_string()));
}

#[tokio::test]
async fn a_machine_that_is_not_linked_by_itself_stays_unlinked_after_a_restart_only() {
    let fleet = Fleet::start().await;
    let way = Way::hub(&fleet.here);
    fleet.here.qd(["machine", "set", Fleet::FAR, "--auto-connect", "no"]).await.ok();
    let linked = |it: &MachineInfo| it.state == MachineState::Connected && !it.auto_connect;
    until_machine(&way, Fleet::FAR, "its link stays", linked).await;
    let admin = way.connect("admin").await;
    let token = MachineUpdateParams {
        machine: Fleet::FAR.to_owned(),
        token: Some("qdt_x".to_owned()),
        ..MachineUpdateParams::default()
    };
    let refused = admin.try_call::<MachineUpdate>(&token).await.map(drop);
    let refused = refused.map_err(|error| error.code());
    assert_eq!(refused, Err(ErrorCode::InvalidParams), "a paired machine has no token");
    let Fleet { hub, near: _near, far: _far, here, there: _there } = fleet;
    assert!(hub.terminate().await.success());
    let _hub = here.start_hub(&[]).await;
    let unlinked = |it: &MachineInfo| it.state == MachineState::Disconnected;
    until_machine(&Way::hub(&here), Fleet::FAR, "nobody links it", unlinked).await;
}

#[tokio::test]
async fn a_machine_with_another_pin_is_dialled_anew() {
    let fleet = Fleet::start().await;
    let way = Way::hub(&fleet.here);
    let known = until_machine(&way, Fleet::FAR, "it has a pin", |it| it.pin.is_some()).await;
    let pin = known.pin.expect("it has one");
    let wrong = format!("sha256:{}", "A".repeat(43));
    fleet.here.qd(["machine", "set", Fleet::FAR, "--machine-pin", &wrong]).await;
    let refused = |it: &MachineInfo| matches!(it.state, MachineState::Refused { .. });
    until_machine(&way, Fleet::FAR, "its key is another", refused).await;
    fleet.here.qd(["machine", "set", Fleet::FAR, "--machine-pin", &pin]).await.ok();
    let linked = |it: &MachineInfo| it.state == MachineState::Connected;
    until_machine(&way, Fleet::FAR, "it is the right one again", linked).await;
}
