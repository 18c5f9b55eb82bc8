//! Git of a session's directory, and agents in working trees of their own.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use quarterdeck_e2e::harness::{agent, client::Peer, files::until_file};
use quarterdeck_protocol::{
    error::ErrorCode,
    method::{
        AgentParams, CreateParams, GitChange, GitParams, GitResult, SessionCreate, SessionGit,
        WorktreeParams,
    },
    session::SessionInfo,
};

use super::Stage;

/// Runs git as the user does.
fn git(directory: &Path, words: &[&str]) {
    let settings = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"];
    let mut command = std::process::Command::new("git");
    command.args(settings).args(words).current_dir(directory).env_clear();
    command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", directory);
    let output = command.output().expect("git runs");
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A repository with a commit: `kept`, `changed`, `gone` and `sub/below`.
fn repository(at: &Path) {
    fs::create_dir_all(at.join("sub")).expect("makes a directory");
    for name in ["kept", "changed", "gone", "sub/below"] {
        fs::write(at.join(name), format!("{name} of the first commit\n")).expect("writes");
    }
    git(at, &["init", "-q", "-b", "main"]);
    git(at, &["add", "."]);
    git(at, &["commit", "-q", "-m", "first"]);
}

async fn start(peer: &Peer, cwd: &Path, worktree: Option<&str>) -> SessionInfo {
    let params = CreateParams {
        agent: Some(AgentParams { name: "claude".to_owned(), ..AgentParams::default() }),
        cwd: Some(cwd.display().to_string()),
        worktree: worktree.map(|name| WorktreeParams { name: Some(name.to_owned()) }),
        ..CreateParams::default()
    };
    peer.call::<SessionCreate>(&params).await.session
}

async fn looked(peer: &Peer, session: &SessionInfo) -> GitResult {
    let session = session.session.to_string();
    peer.call::<SessionGit>(&GitParams { session, diff: true }).await
}

fn told(found: &GitResult) -> Vec<(&str, GitChange)> {
    found.files.iter().map(|file| (file.path.as_str(), file.change)).collect()
}

#[tokio::test]
async fn what_changed_where_a_session_works_is_shown_and_nothing_is_touched() {
    let stage = Stage::new().await;
    let project = stage.instance.path("project");
    repository(&project);
    let session = start(&stage.peer, &project, None).await;
    let clean = looked(&stage.peer, &session).await;
    assert_eq!((told(&clean), clean.branch.as_deref()), (vec![], Some("main")));
    assert_eq!(clean.diff.as_ref().map(|diff| diff.text.as_str()), Some(""));

    fs::write(project.join("changed"), "changed by hand\n").expect("writes");
    // as long as before, and in the same second: only its text is different
    fs::write(project.join("kept"), "kept of the other commit\n").expect("writes");
    fs::remove_file(project.join("gone")).expect("removes");
    fs::write(project.join("sub/new"), "a new file\n").expect("writes");
    let index = fs::read(project.join(".git/index")).expect("is readable");
    let found = looked(&stage.peer, &session).await;
    let expected = [
        ("changed", GitChange::Modified),
        ("gone", GitChange::Deleted),
        ("kept", GitChange::Modified),
        ("sub/new", GitChange::Untracked),
    ];
    assert_eq!(told(&found), expected);
    assert_eq!(found.root, fs::canonicalize(&project).expect("is there").display().to_string());
    let diff = found.diff.expect("was asked for");
    for line in ["-changed of the first commit", "+changed by hand", "-gone of", "+a new file"] {
        assert!(diff.text.contains(line), "{line}: {}", diff.text);
    }
    assert_eq!(fs::read(project.join(".git/index")).expect("is readable"), index);

    // a session below sees what is below it
    let below = start(&stage.peer, &project.join("sub"), None).await;
    assert_eq!(told(&looked(&stage.peer, &below).await), [("sub/new", GitChange::Untracked)]);
    let shown = stage.instance.qd(["diff", &below.session.to_string()]).await.ok().text();
    assert!(shown.contains("? sub/new") && shown.contains("+a new file"), "{shown}");
    assert!(!shown.contains("changed by hand"), "{shown}");

    let params = GitParams { session: stage.session.clone(), diff: false };
    let nowhere = stage.peer.try_call::<SessionGit>(&params).await.map(drop);
    assert_eq!(nowhere.map_err(|error| error.code()), Err(ErrorCode::NotFound));
}

#[tokio::test]
async fn nothing_that_an_agent_put_into_its_repository_runs_when_it_is_looked_at() {
    let stage = Stage::new().await;
    let project = stage.instance.path("project");
    repository(&project);
    let (trap, sprung) = (stage.instance.path("trap"), stage.instance.path("sprung"));
    let script = format!("#!/bin/sh\necho \"$@\" >>{}\ncat\n", sprung.display());
    fs::write(&trap, script).expect("writes");
    fs::set_permissions(&trap, fs::Permissions::from_mode(0o755)).expect("is ours");
    let path = trap.display().to_string();
    for (name, value) in [
        ("filter.trap.clean", path.as_str()),
        ("filter.trap.smudge", &path),
        ("filter.trap.process", &path),
        ("diff.trap.command", &path),
        ("diff.trap.textconv", &path),
        ("diff.external", &path),
        ("core.fsmonitor", &path),
        ("core.pager", &path),
        ("core.alternateRefsCommand", &path),
    ] {
        git(&project, &["config", name, value]);
    }
    fs::write(project.join(".git/info/attributes"), "* filter=trap diff=trap\n").expect("writes");
    for hook in ["post-checkout", "post-index-change", "reference-transaction", "pre-auto-gc"] {
        fs::copy(&trap, project.join(".git/hooks").join(hook)).expect("copies");
    }
    fs::write(project.join("changed"), "changed by the agent\n").expect("writes");
    fs::write(project.join(".gitattributes"), "* filter=trap diff=trap\n").expect("writes");

    let session = start(&stage.peer, &project, None).await;
    let found = looked(&stage.peer, &session).await;
    assert!(told(&found).contains(&("changed", GitChange::Modified)), "{found:?}");
    let apart = start(&stage.peer, &project, Some("apart")).await;
    let tree = Path::new(&apart.cwd);
    let kept = fs::read_to_string(tree.join("changed")).expect("it is checked out");
    assert_eq!(kept, "changed of the first commit\n");
    looked(&stage.peer, &apart).await;
    let ran = || fs::read_to_string(&sprung).unwrap_or_default();
    assert_eq!(ran(), "", "it was run by the relay");
    // the trap is one: whoever looks with the repository's own configuration is caught
    fs::write(project.join("changed"), "changed by the agent again\n").expect("writes");
    let mut status = std::process::Command::new("git");
    status.args(["diff", "--no-ext-diff"]).current_dir(&project).output().expect("git runs");
    assert_ne!(ran(), "");
}

#[tokio::test]
async fn an_agent_in_a_working_tree_of_its_own_leaves_the_others_files_alone() {
    let stage = Stage::new().await;
    let project = stage.instance.path("project");
    repository(&project);
    let session = start(&stage.peer, &project.join("sub"), Some("fix-1")).await;
    let tree = project.join(".quarterdeck/worktrees/fix-1");
    let expected = fs::canonicalize(tree.join("sub")).expect("is there");
    assert_eq!(session.cwd, expected.display().to_string());
    let name = session.session.to_string();
    agent::say(&stage.peer, &name, "sh echo mine > new; echo done > ../done").await;
    until_file(&tree.join("done"), |bytes| bytes == b"done\n").await;
    let found = looked(&stage.peer, &session).await;
    assert_eq!(found.branch.as_deref(), Some("qd/fix-1"));
    assert_eq!(told(&found), [("sub/new", GitChange::Untracked)]);
    let of_project = start(&stage.peer, &project, None).await;
    let clean = looked(&stage.peer, &of_project).await;
    assert_eq!((told(&clean), clean.branch.as_deref()), (vec![], Some("main")));

    // the same name is the same working tree, with what is in it
    let again = start(&stage.peer, &project.join("sub"), Some("fix-1")).await;
    assert_eq!(again.cwd, session.cwd);
    assert_eq!(fs::read_to_string(expected.join("new")).expect("is kept"), "mine\n");
    for bad in ["../out", "-b", ""] {
        let params = CreateParams {
            agent: Some(AgentParams { name: "claude".to_owned(), ..AgentParams::default() }),
            cwd: Some(project.display().to_string()),
            worktree: Some(WorktreeParams { name: Some(bad.to_owned()) }),
            ..CreateParams::default()
        };
        let refused = stage.peer.try_call::<SessionCreate>(&params).await.map(drop);
        assert_eq!(refused.map_err(|error| error.code()), Err(ErrorCode::InvalidParams), "{bad:?}");
    }
}
