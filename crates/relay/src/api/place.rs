//! `session.upload` and `relay.directories`: files that are put on this machine, and where sessions may start.

use std::{cmp::Reverse, collections::BinaryHeap, fs, io, path::Path, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    limits::{
        MAX_LISTED_DIRECTORIES, MAX_PATH_BYTES, MAX_SCANNED_ENTRIES, MAX_TEXT_FIELD_BYTES,
        MAX_UPLOAD_CHUNK_BYTES,
    },
    method::{DirectoriesParams, DirectoriesResult, DirectoryEntry, UploadParams, UploadResult},
};
use tokio::sync::Semaphore;

use super::{find, identity};
use crate::{
    ceiling::{CheckedCeiling, MAX_REQUEST_ID_CHARS, Refusal},
    clock,
    connection::Connection,
    environment::Account,
    git::project,
    program,
    tokens::SessionLimit,
    uploads::Piece,
};

/// How long a directory may take: one on a dead server takes for ever, and a person types on meanwhile.
const LOOK_LIMIT: Duration = Duration::from_secs(3);
/// Looks at a time; one that hangs keeps its place, so that threads do not run out.
static LOOKS: Semaphore = Semaphore::const_new(8);

pub(super) async fn upload(c: &Connection, p: UploadParams) -> Result<UploadResult, RpcError> {
    let session = find(c, &p.session)?;
    let refuse = |message: String| RpcError::new(ErrorCode::InvalidParams, message);
    let id_chars = p.upload.chars().count();
    if !(1..=MAX_REQUEST_ID_CHARS).contains(&id_chars) || p.name.len() > MAX_PATH_BYTES {
        let message = format!("an upload's id has 1 to {MAX_REQUEST_ID_CHARS} characters");
        return Err(refuse(message));
    }
    let bytes = STANDARD.decode(p.data).map_err(|_| refuse("\"data\" is not base64".to_owned()))?;
    if bytes.len() > MAX_UPLOAD_CHUNK_BYTES {
        return Err(refuse(format!("a piece has at most {MAX_UPLOAD_CHUNK_BYTES} bytes")));
    }
    let client = identity(c)?.client;
    let (name, bytes) = (p.name.as_str(), bytes.as_slice());
    let (upload, to, offset, last) = (p.upload.as_str(), p.to, p.offset, p.last);
    let piece = Piece { upload, name, to, offset, bytes, last };
    c.context.uploads.take(client, &session, piece, clock::boot()).await
}

pub(super) async fn directories(
    c: &Connection,
    p: DirectoriesParams,
) -> Result<DirectoriesResult, RpcError> {
    if let SessionLimit::Only(_) = c.caller.grant.sessions {
        let message = "this credential is limited to certain sessions and cannot start others";
        return Err(RpcError::new(ErrorCode::Forbidden, message));
    }
    let too_long = p.prefix.len() > MAX_TEXT_FIELD_BYTES
        || p.directory.as_ref().is_some_and(|it| it.len() > MAX_PATH_BYTES || it.contains('\0'));
    if too_long {
        return Err(RpcError::new(ErrorCode::InvalidParams, "that is no directory's name"));
    }
    let busy = || RpcError::new(ErrorCode::Overloaded, "other directories are being looked into");
    let place = LOOKS.try_acquire().map_err(|_| busy())?;
    let account = program::account(&c.context).await;
    let (context, dialect) = (Arc::clone(&c.context), c.caller.grant.dialect);
    let looking = tokio::task::spawn_blocking(move || {
        let _place = place;
        let own = dialect.and_then(|dialect| context.dialect_ceilings.get(&dialect));
        look(&context.ceiling, own, &account, &p)
    });
    match tokio::time::timeout(LOOK_LIMIT, looking).await {
        Ok(Ok(looked)) => looked.map_err(|refusal| refusal.to_rpc()),
        Ok(Err(_)) => Err(RpcError::new(ErrorCode::Internal, "looking into the directory failed")),
        Err(_) => Err(RpcError::new(ErrorCode::Overloaded, "the directory does not answer")),
    }
}

fn look(
    ceiling: &CheckedCeiling,
    own: Option<&CheckedCeiling>,
    account: &Account,
    p: &DirectoriesParams,
) -> Result<DirectoriesResult, Refusal> {
    let home = account.home.to_string_lossy().into_owned();
    let asked = p.directory.as_deref().map(|asked| match asked.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("{home}{rest}"),
        Some(_) | None => asked.to_owned(),
    });
    let mut directory = ceiling.check_look(asked.as_deref(), account)?;
    if let Some(own) = own {
        let asked = asked.is_some().then(|| directory.to_str()).flatten();
        directory = own.check_look(asked, account)?;
        ceiling.check_look(directory.to_str(), account)?;
    }
    let (directories, more) = list(&directory, &p.prefix).map_err(|error| {
        let asked = directory.display().to_string();
        Refusal::Directory { asked, kind: error.kind() }
    })?;
    let directory = directory.display().to_string();
    Ok(DirectoriesResult { directory, home, directories, more })
}

/// The first directories by name, and whether there are more.
fn list(directory: &Path, prefix: &str) -> io::Result<(Vec<DirectoryEntry>, bool)> {
    let wanted = prefix.to_lowercase();
    let mut first = BinaryHeap::new();
    let mut more = false;
    for (count, entry) in fs::read_dir(directory)?.enumerate() {
        if count >= MAX_SCANNED_ENTRIES {
            more = true;
            break;
        }
        // what goes away meanwhile, or cannot be typed, is left out
        let Ok(entry) = entry else { continue };
        let Ok(name) = entry.file_name().into_string() else { continue };
        let fits = name.to_lowercase().starts_with(&wanted)
            && name.starts_with('.') == wanted.starts_with('.')
            && !name.chars().any(char::is_control);
        if !fits || !is_directory(&entry) {
            continue;
        }
        first.push((name.to_lowercase(), Reverse(name)));
        if first.len() > MAX_LISTED_DIRECTORIES {
            first.pop();
            more = true;
        }
    }
    let names = first.into_sorted_vec().into_iter();
    let entries = names.map(|(_, Reverse(name))| {
        let project = project::is_top(&directory.join(&name));
        DirectoryEntry { name, project }
    });
    Ok((entries.collect(), more))
}

/// A link to a directory is one.
fn is_directory(entry: &fs::DirEntry) -> bool {
    match entry.file_type() {
        Ok(kind) if kind.is_symlink() => fs::metadata(entry.path()).is_ok_and(|it| it.is_dir()),
        Ok(kind) => kind.is_dir(),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Ceiling;

    fn names(directory: &Path, prefix: &str) -> Vec<String> {
        let (entries, _) = list(directory, prefix).expect("lists");
        entries.into_iter().map(|entry| entry.name).collect()
    }

    fn ceiling(roots: &[&Path]) -> CheckedCeiling {
        let cwd_roots = roots.iter().map(|root| root.to_path_buf()).collect();
        CheckedCeiling::new(&Ceiling { cwd_roots, ..Ceiling::default() }).expect("a ceiling")
    }

    fn params(directory: Option<&str>) -> DirectoriesParams {
        DirectoriesParams { directory: directory.map(str::to_owned), prefix: String::new() }
    }

    #[test]
    fn directories_are_listed_by_name_and_hidden_ones_only_when_asked_for() {
        let place = tempfile::tempdir().expect("a directory");
        for name in ["beta", "Alpha", ".hidden", "alphabet/.git"] {
            fs::create_dir_all(place.path().join(name)).expect("makes it");
        }
        fs::write(place.path().join("alpha.txt"), "").expect("writes");
        std::os::unix::fs::symlink(place.path().join("beta"), place.path().join("link"))
            .expect("links");
        assert_eq!(names(place.path(), ""), ["Alpha", "alphabet", "beta", "link"]);
        assert_eq!(names(place.path(), "ALPHA"), ["Alpha", "alphabet"]);
        assert_eq!(names(place.path(), "."), [".hidden"]);
        let (entries, more) = list(place.path(), "alphabet").expect("lists");
        assert!(entries[0].project && !more);
    }

    #[test]
    fn the_first_of_many_are_told_and_that_there_are_more() {
        let place = tempfile::tempdir().expect("a directory");
        for n in 0..=MAX_LISTED_DIRECTORIES {
            fs::create_dir(place.path().join(format!("d{n:04}"))).expect("makes it");
        }
        let (entries, more) = list(place.path(), "").expect("lists");
        assert_eq!((entries.len(), more), (MAX_LISTED_DIRECTORIES, true));
        assert_eq!(entries[0].name, "d0000");
    }

    #[test]
    fn nothing_outside_of_the_ceiling_s_roots_is_looked_into() {
        let place = tempfile::tempdir().expect("a directory");
        let place = place.path().canonicalize().expect("is there");
        for name in ["home", "work/inner"] {
            fs::create_dir_all(place.join(name)).expect("makes it");
        }
        std::os::unix::fs::symlink(place.join("home"), place.join("work/out")).expect("links");
        let account =
            Account { user: "me".into(), home: place.join("home"), shell: "/bin/sh".into() };
        let bound = ceiling(&[&place.join("work")]);
        let at = |directory: Option<&str>| {
            look(&bound, None, &account, &params(directory)).map(|found| found.directory)
        };
        let text = |name: &str| place.join(name).display().to_string();
        // nothing asked for: the home directory is not allowed, so the first root
        assert_eq!(at(None), Ok(text("work")));
        assert_eq!(at(Some(&text("work/inner"))), Ok(text("work/inner")));
        for outside in [&text("home"), &text("work/out"), &text("work/.."), "~"] {
            let refused = at(Some(outside));
            assert!(matches!(refused, Err(Refusal::OutsideRoots { .. })), "{outside}: {refused:?}");
        }
        let free = ceiling(&[]);
        let own = look(&free, Some(&bound), &account, &params(None)).map(|found| found.directory);
        assert_eq!(own, Ok(text("work")), "a dialect's own ceiling counts as well");
    }

    #[test]
    fn a_tilde_is_the_home_directory() {
        let home = tempfile::tempdir().expect("a directory");
        let real = home.path().canonicalize().expect("is there");
        fs::create_dir(real.join("project")).expect("makes it");
        let account = Account { user: "me".into(), home: real.clone(), shell: "/bin/sh".into() };
        let found = look(&ceiling(&[]), None, &account, &params(Some("~/project")));
        let expected = real.join("project").display().to_string();
        assert_eq!(found.map(|found| found.directory), Ok(expected));
        let other = look(&ceiling(&[]), None, &account, &params(Some("~other")));
        assert_eq!(other.map(drop), Err(Refusal::HomeShorthand));
    }
}
