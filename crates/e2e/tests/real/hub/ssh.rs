//! Machines that ssh reaches.

use quarterdeck_e2e::harness::{client::Way, hub::until_machine, instance::Instance};
use quarterdeck_protocol::{
    method::{Empty, MachineInfo, MachineState, SessionCreate, SessionList},
    session::SessionInfo,
};

use crate::remote::{qd_with, remote_environment, with_ssh};

/// What ssh does: its options, `--`, the destination, and the rest to the user's shell over there.
fn ssh_to(there: &Instance) -> String {
    let environment = remote_environment(there);
    format!(
        "#!/bin/sh\nwhile [ \"$1\" != -- ]; do shift; done\nshift 2\n\
         exec env -i {environment} /bin/sh -c \"$*\"\n"
    )
}

#[tokio::test]
async fn a_machine_is_added_by_ssh_where_no_relay_runs_yet_and_knows_the_hubs_people() {
    let (here, there) = (Instance::new(), Instance::new());
    let path = with_ssh(&here, &ssh_to(&there));
    qd_with(&here, &path, &["up", "--listen", "127.0.0.1:0"]).await.ok();
    let words = ["machine", "add", "ssh://elsewhere", "--label", "far", "--json"];
    let added: MachineInfo = here.qd(words).await.ok().json();
    assert_eq!(added.state, MachineState::Connected, "{added:?}");
    assert!(added.relay.expect("it was reached").delegate);
    let peer = Way::hub(&here).on("far").connect("laptop").await;
    let create = quarterdeck_protocol::method::CreateParams {
        argv: vec!["/bin/cat".into()],
        ..Default::default()
    };
    let made: SessionInfo = peer.call::<SessionCreate>(&create).await.session;
    let seen = Way::unix(&there).connect("x").await.call::<SessionList>(&Empty {}).await.sessions;
    assert_eq!(seen.iter().map(|it| it.session).collect::<Vec<_>>(), [made.session]);
    // the relay over there goes, and ssh starts the next one
    there.qd(["down"]).await.ok();
    let linked = |it: &MachineInfo| it.state == MachineState::Connected && it.live == 1;
    until_machine(&Way::hub(&here), "far", "it is linked again", linked).await;
    here.qd(["down"]).await.ok();
}

#[tokio::test]
async fn a_machine_without_the_program_gets_it_by_ssh_and_a_broken_copy_replaces_nothing() {
    let (here, there) = (Instance::new(), Instance::new());
    // a machine on which there is no qd to be found
    let bare = |environment: String| {
        let words = environment.split(' ').filter(|word| !word.starts_with("PATH="));
        words.map(str::to_owned).chain(["PATH=/usr/bin:/bin".to_owned()]).collect::<Vec<_>>()
    };
    let environment = bare(remote_environment(&there)).join(" ");
    let script = ssh_to(&there).replace(&remote_environment(&there), &environment);
    let path = with_ssh(&here, &script);
    qd_with(&here, &path, &["up", "--listen", "127.0.0.1:0"]).await.ok();
    let add = ["machine", "add", "ssh://elsewhere", "--label", "far"];
    let missing = qd_with(&here, &path, &add).await;
    assert!(!missing.status.success(), "{missing:?}");
    let added = qd_with(&here, &path, &[&add[..], &["--install"]].concat()).await.ok();
    assert!(added.text().contains("connected"), "{added:?}");
    let installed = there.path(".local/bin/qd");
    let before = std::fs::metadata(&installed).expect("was copied").len();
    // what arrives is no program: the one that is there stays
    let broken = script.replace("exec env", "head -c 100 | env");
    let path = with_ssh(&here, &broken);
    let again = ["machine", "add", "ssh://other", "--install"];
    let failed = qd_with(&here, &path, &again).await;
    assert!(failed.stderr.contains("does not run on that machine"), "{failed:?}");
    assert_eq!(std::fs::metadata(&installed).expect("is there").len(), before);
    let left = std::fs::read_dir(there.path(".local/bin")).expect("lists").count();
    assert_eq!(left, 1, "nothing is left beside it");
    there.qd(["down"]).await.ok();
    here.qd(["down"]).await.ok();
}

#[tokio::test]
async fn an_ssh_that_fails_is_told_and_not_tried_for_ever() {
    let here = Instance::new();
    let script = "#!/bin/sh\necho 'Permission denied (publickey).' >&2\nexit 255\n";
    let path = with_ssh(&here, script);
    qd_with(&here, &path, &["up", "--listen", "127.0.0.1:0"]).await.ok();
    let refused = here.qd(["machine", "add", "ssh://elsewhere"]).await;
    assert_eq!(refused.code(), Some(6), "{refused:?}");
    assert!(refused.stderr.contains("Permission denied"), "quotes it: {refused:?}");
    here.qd(["down"]).await.ok();
}
