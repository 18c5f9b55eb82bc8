//! The checks of this machine, this instance and its relay.

use std::{
    fs::File,
    io,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use quarterdeck_protocol::method::{Empty, RelayStatus};
use quarterdeck_relay::environment::{Account, BaseEnvironment, own_environment};
use rustix::process::{Resource, getrlimit};
use tokio::time::Instant;

use quarterdeck_relay::catalogue::is_running;

use super::Check;
use crate::{
    config::{Settings, relay_config},
    connection::{Connection, Missing},
    error::Kind,
    output::{escape::plain, time::bytes},
    sys::SOCKET_NAME_BYTES,
};

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Below this, logs of a busy machine fill the disk within a day.
const LOW_DISK_BYTES: u64 = 1024 * 1024 * 1024;
/// Below this, sessions stall.
const FULL_DISK_BYTES: u64 = 64 * 1024 * 1024;
/// Each session takes a few descriptors of the relay.
const FEW_OPEN_FILES: u64 = 1024;
/// Clocks before the first of January 2024 are not set.
const CLOCK_NOT_SET_BEFORE: u64 = 1_704_067_200;
/// A login shell that takes longer delays the first session noticeably.
const SLOW_SHELL: Duration = Duration::from_secs(1);
/// How long the login shell may take here; the relay has its own limit.
const SHELL_LIMIT: Duration = Duration::from_secs(10);

pub(super) fn version() -> Check {
    Check::ok("version", format!("qd {VERSION}"))
}

/// The instance's directory, or the place where it will be.
pub(super) fn directory(settings: &Settings) -> Check {
    const NAME: &str = "directory";
    let path = settings.directory.path();
    let Some(existing) = path.ancestors().find(|ancestor| ancestor.exists()) else {
        return Check::fail(NAME, format!("{} has no parent", path.display()), "--base-dir DIR");
    };
    if existing == path
        && let Err(error) = quarterdeck_access::files::private_directory(path)
    {
        let advice = "the text says how, or choose another one: --base-dir DIR";
        return Check::fail(NAME, error.to_string(), advice);
    }
    match try_write(existing) {
        Ok(()) => Check::ok(NAME, path.display().to_string()),
        Err(error) => Check::fail(
            NAME,
            format!("{} cannot be written: {error}", existing.display()),
            "make it writable, or choose another one: --base-dir DIR",
        ),
    }
}

fn try_write(directory: &Path) -> io::Result<()> {
    let path = directory.join(format!(".qd-doctor-{}", std::process::id()));
    let made = File::options().write(true).create_new(true).open(&path);
    let removed = std::fs::remove_file(&path);
    made.map(drop).and(removed)
}

pub(super) fn configuration(settings: &Settings) -> Check {
    const NAME: &str = "configuration";
    match relay_config(&settings.directory) {
        Ok(_) if settings.directory.config().exists() => {
            Check::ok(NAME, settings.directory.config().display().to_string())
        }
        Ok(_) => Check::ok(NAME, "defaults: everything is allowed to you"),
        Err(error) => {
            let causes = error.causes.join("; ");
            Check::fail(NAME, format!("{}: {causes}", error.message), "correct the file")
        }
    }
}

/// Who holds the instance's lock; looking does not take it from anyone.
pub(super) fn lock(settings: &Settings) -> Check {
    const NAME: &str = "lock";
    let Ok(lock) = File::open(settings.directory.lock()) else {
        return Check::ok(NAME, "free: no relay has run here");
    };
    match lock.try_lock_shared() {
        Ok(()) => Check::ok(NAME, "free: no relay runs"),
        Err(std::fs::TryLockError::WouldBlock) => Check::ok(NAME, "held by a running relay"),
        Err(std::fs::TryLockError::Error(error)) => Check::fail(
            NAME,
            format!("the file system does not lock files: {error}"),
            "put the state on a local file system: --base-dir DIR",
        ),
    }
}

pub(super) async fn relay(settings: &Settings) -> Check {
    const NAME: &str = "relay";
    let asked = async {
        let connection = Connection::open(settings, Missing::Fail).await?;
        connection.call::<RelayStatus>(&Empty {}, None).await
    };
    match asked.await {
        Ok(status) if status.version != VERSION => Check::warn(
            NAME,
            format!("version {} runs, this is {VERSION}", plain(&status.version)),
            "restart it, its sessions live on: qd down, then qd relay --background",
        ),
        Ok(status) => {
            Check::ok(NAME, format!("pid {}, {} sessions running", status.pid, status.live))
        }
        Err(error) if error.kind == Kind::Unreachable && settings.is_local() => {
            match is_running(&settings.directory).unwrap_or(false) {
                true => Check::fail(
                    NAME,
                    "one holds the lock and does not answer",
                    format!("see {}", settings.directory.diagnostics().display()),
                ),
                false => Check::ok(NAME, "none runs; qd run starts one"),
            }
        }
        Err(error) => {
            let causes = error.causes.join("; ");
            let advice = error.hints.first().cloned().unwrap_or_else(|| "qd status".to_owned());
            Check::fail(NAME, format!("{}: {causes}", error.message), advice)
        }
    }
}

pub(super) fn socket_path(settings: &Settings) -> Check {
    const NAME: &str = "socket path";
    let length = settings.directory.socket().as_os_str().len();
    if length < SOCKET_NAME_BYTES {
        return Check::ok(NAME, format!("{length} bytes"));
    }
    Check::warn(
        NAME,
        format!("{length} bytes: other programs reach only {}", SOCKET_NAME_BYTES - 1),
        "qd itself reaches it; for other programs choose a shorter --base-dir",
    )
}

pub(super) fn disk(settings: &Settings) -> Check {
    const NAME: &str = "disk";
    let path = settings.directory.path();
    let existing = path.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(path);
    let Ok(disk) = rustix::fs::statvfs(existing) else {
        return Check::warn(NAME, "its free space is not known", "df");
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    judge_disk(free, disk.f_favail, disk.f_files)
}

fn judge_disk(free: u64, free_files: u64, all_files: u64) -> Check {
    const NAME: &str = "disk";
    let finding = format!("{} free", bytes(free));
    // file systems without a fixed number of files say 0
    if all_files > 0 && free_files < 1000 {
        return Check::fail(NAME, format!("only {free_files} files can be made"), "remove files");
    }
    match free {
        0..FULL_DISK_BYTES => Check::fail(
            NAME,
            format!("{finding}: sessions will stall"),
            "make room; old logs go with: qd gc",
        ),
        FULL_DISK_BYTES..LOW_DISK_BYTES => {
            Check::warn(NAME, finding, "make room; old logs go with: qd gc --ended-before 7d")
        }
        _ => Check::ok(NAME, finding),
    }
}

pub(super) fn open_files() -> Check {
    const NAME: &str = "open files";
    let limit = getrlimit(Resource::Nofile);
    match limit.current {
        Some(soft) if soft < FEW_OPEN_FILES => Check::warn(
            NAME,
            format!("at most {soft}"),
            "raise it before the relay starts: ulimit -n 8192",
        ),
        Some(soft) => Check::ok(NAME, format!("at most {soft}")),
        None => Check::ok(NAME, "no limit"),
    }
}

pub(super) fn clock() -> Check {
    const NAME: &str = "clock";
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    if seconds < CLOCK_NOT_SET_BEFORE {
        let advice = "set it: certificates and tokens end by it";
        return Check::fail(NAME, "is not set", advice);
    }
    Check::ok(NAME, crate::output::time::utc(seconds))
}

/// The shell whose environment sessions begin with.
pub(super) async fn login_shell() -> Check {
    const NAME: &str = "login shell";
    let inherited = own_environment();
    let account = Account::of_this_user(&inherited).await;
    let begun = Instant::now();
    let captured = BaseEnvironment::capture(&account, &inherited, SHELL_LIMIT).await;
    let took = begun.elapsed();
    let shell = account.shell.display().to_string();
    let finding = format!("{shell} starts in {} ms", took.as_millis());
    match captured.note {
        Some(error) => Check::warn(
            NAME,
            format!("{shell}: {error}"),
            "sessions get only the usual variables; look at its start files",
        ),
        None if took > SLOW_SHELL => {
            Check::warn(NAME, finding, "its start files delay the relay's first session")
        }
        None => Check::ok(NAME, finding),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Level, *};

    #[test]
    fn a_disk_is_judged_by_its_room_and_its_files() {
        let level = |free, files, all| judge_disk(free, files, all).level;
        assert_eq!(level(10 * LOW_DISK_BYTES, 1_000_000, 2_000_000), Level::Ok);
        assert_eq!(level(LOW_DISK_BYTES - 1, 1_000_000, 2_000_000), Level::Warn);
        assert_eq!(level(FULL_DISK_BYTES - 1, 1_000_000, 2_000_000), Level::Fail);
        assert_eq!(level(10 * LOW_DISK_BYTES, 10, 2_000_000), Level::Fail);
        assert_eq!(level(10 * LOW_DISK_BYTES, 0, 0), Level::Ok);
    }

    #[test]
    fn a_directory_that_can_be_written_is_left_as_it_was() {
        let home = tempfile::tempdir().expect("temporary directory");
        try_write(home.path()).expect("writable");
        assert_eq!(home.path().read_dir().expect("readable").count(), 0);
        assert!(try_write(&home.path().join("missing")).is_err());
    }
}
