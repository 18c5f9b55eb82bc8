//! `qd down`: stop the relay. Its sessions live on.

use std::{
    fs::{File, TryLockError},
    path::Path,
};

use quarterdeck_protocol::method::{
    Empty, HubShutdown, RelayShutdown, RelayStatus, RelayStatusResult,
};
use tokio::time::{Duration, Instant, sleep};

use crate::{
    Exit,
    config::{Settings, Target},
    connection::{Connection, Missing},
    error::{CliError, Kind},
};

/// How long a relay may take to go: it tells its clients and waits for its tasks.
const GONE_LIMIT: Duration = Duration::from_secs(15);
/// Pause between two looks at its lock.
const GONE_PAUSE: Duration = Duration::from_millis(20);

/// Flags of `qd down`.
#[derive(Debug, clap::Args)]
pub(crate) struct DownArgs {}

/// Stops the hub and the relay and says so; with `--hub` only the hub.
pub(crate) async fn run(settings: &Settings) -> Result<Exit, CliError> {
    if matches!(settings.target, Target::Hub | Target::Local) && settings.machine.is_none() {
        stop_hub(settings).await?;
        if settings.target == Target::Hub {
            return Ok(Exit::OK);
        }
    }
    if let Some(status) = stop(settings).await? {
        settings.output.result(&status, |_| down_text(status.live))?;
    }
    Ok(Exit::OK)
}

/// Stops the relay and waits until its lock is free. What it was; none = none ran.
pub(crate) async fn stop(settings: &Settings) -> Result<Option<RelayStatusResult>, CliError> {
    let connection = match Connection::open(settings, Missing::Fail).await {
        // that is what was wanted
        Err(error) if error.kind == Kind::Unreachable && settings.is_local() => {
            settings.output.note(&error.message);
            return Ok(None);
        }
        other => other?,
    };
    let status = connection.call::<RelayStatus>(&Empty {}, None).await?;
    connection.call::<RelayShutdown>(&Empty {}, None).await?;
    if settings.is_local() {
        let directory = &settings.directory;
        wait_until_gone(&directory.lock(), &directory.diagnostics()).await?;
    }
    Ok(Some(status))
}

/// Stops the hub, if one runs.
async fn stop_hub(settings: &Settings) -> Result<(), CliError> {
    let directory = &settings.directory;
    if !is_locked(&directory.hub_lock()) {
        return Ok(());
    }
    let hub = Connection::open(&settings.at_hub(), Missing::Fail).await?;
    // it may end before its answer is out
    match hub.call::<HubShutdown>(&Empty {}, None).await {
        Err(error) if error.kind != Kind::Unreachable => return Err(error),
        Ok(_) | Err(_) => {}
    }
    wait_until_gone(&directory.hub_lock(), &directory.hub_diagnostics()).await?;
    settings.output.note("the hub stops; relays and sessions live on");
    Ok(())
}

/// A daemon that has gone has let go of the instance's lock, so that the next one can start at once.
async fn wait_until_gone(lock: &Path, diagnostics: &Path) -> Result<(), CliError> {
    let deadline = Instant::now() + GONE_LIMIT;
    while is_locked(lock) {
        if Instant::now() >= deadline {
            return Err(CliError::new(Kind::Timeout, "it was asked to stop and still runs")
                .hint(format!("see {}", diagnostics.display())));
        }
        sleep(GONE_PAUSE).await;
    }
    Ok(())
}

/// Whether somebody holds the lock; looking does not take it from anyone.
fn is_locked(path: &Path) -> bool {
    File::open(path)
        .is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

fn down_text(live: u32) -> String {
    match live {
        0 => "the relay stops; no session was running\n".to_owned(),
        1 => "the relay stops; 1 session lives on, and qd run or qd relay finds it again\n".into(),
        many => format!(
            "the relay stops; {many} sessions live on, and qd run or qd relay finds them again\n"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_how_many_live_on() {
        assert!(down_text(0).contains("no session"));
        assert!(down_text(1).contains("1 session lives on"));
        assert!(down_text(3).contains("3 sessions live on"));
    }
}
