//! A daemon's diagnostics: on standard error, or in its log file, which stays bounded.

use std::{
    fs::File,
    io::{self, Write},
    path::PathBuf,
    sync::Mutex,
};

use tracing_subscriber::EnvFilter;

use crate::{
    background::{MAX_LOG_BYTES, open_log},
    config::Settings,
};

/// Where diagnostics go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// Standard error: the daemon runs in the foreground.
    StandardError,
    /// This file: it runs in the background.
    File(PathBuf),
}

/// Begins to write diagnostics; which ones, `QD_LOG` says.
pub(crate) fn begin(settings: &Settings, place: Place) {
    let wanted = settings.environment.text("QD_LOG").unwrap_or_else(|| "info".to_owned());
    let filter = EnvFilter::try_new(wanted).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false);
    // a second subscriber in one process is no reason not to serve
    let _ = match place {
        Place::StandardError => lines.with_writer(io::stderr).try_init(),
        Place::File(path) => {
            lines.with_writer(Mutex::new(BoundedLog { path, open: None })).try_init()
        }
    };
}

/// A file that is put aside when it has become too long; the one that was put aside before goes.
struct BoundedLog {
    path: PathBuf,
    /// The file and its length.
    open: Option<(File, u64)>,
}

impl Write for BoundedLog {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let (mut file, length) = match self.open.take() {
            Some((file, length)) if length <= MAX_LOG_BYTES => (file, length),
            Some(_) | None => {
                let file = open_log(&self.path)?;
                let length = file.metadata()?.len();
                (file, length)
            }
        };
        let written = file.write(line)?;
        self.open = Some((file, length + written as u64));
        Ok(written)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_put_aside_when_it_is_long() {
        let home = tempfile::tempdir().expect("temporary directory");
        let path = home.path().join("relay.log");
        let mut log = BoundedLog { path: path.clone(), open: None };
        let line = vec![b'x'; 1024 * 1024];
        for _ in 0..7 {
            log.write_all(&line).expect("writes");
        }
        let length = |name: &str| home.path().join(name).metadata().expect("exists").len();
        assert_eq!((length("relay.log.old"), length("relay.log")), (5 << 20, 2 << 20));
    }
}
