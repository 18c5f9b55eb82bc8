//! `qd relay --stdio`: bytes between the standard streams and the relay's socket, so that
//! `ssh HOST qd relay --stdio` is a way to it. Nothing else may appear on standard output.

use std::io;

use tokio::{
    io::{AsyncWriteExt, copy, stdin, stdout},
    net::UnixStream,
    time::{Duration, Instant, sleep},
};

use crate::{
    Exit, background,
    config::Settings,
    connection::no_relay,
    error::{CliError, Kind},
    sys,
};

/// How long a relay that was just started may take to open its socket.
const SOCKET_LIMIT: Duration = Duration::from_secs(15);
/// Pause between two tries.
const SOCKET_PAUSE: Duration = Duration::from_millis(50);

/// Copies until the relay closes, or until the other side has gone.
pub(super) async fn run(settings: &Settings) -> Result<Exit, CliError> {
    let socket = match connect(settings) {
        Ok(socket) => socket,
        Err(error) if is_absent(&error) => {
            background::start(settings, &[]).await?;
            first_connect(settings).await?
        }
        Err(error) => return Err(failed(settings, &error)),
    };
    let (mut from_relay, mut to_relay) = socket.into_split();
    let up = async {
        let copied = copy(&mut stdin(), &mut to_relay).await;
        // the relay sees the end of what the other side says
        let _ = to_relay.shutdown().await;
        copied
    };
    let mut out = stdout();
    let down = async {
        copy(&mut from_relay, &mut out).await?;
        out.flush().await
    };
    tokio::pin!(up, down);
    // the end of standard input is not the end of the answers; the end of the answers is the end
    tokio::select! {
        ended = &mut down => return finish(ended),
        ended = &mut up => { ended.map_err(|error| lost(&error))?; }
    }
    finish(down.await)
}

fn finish(ended: io::Result<()>) -> Result<Exit, CliError> {
    match ended {
        Ok(()) => Ok(Exit::OK),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            Err(CliError::new(Kind::ReaderGone, "the other side has gone"))
        }
        Err(error) => Err(lost(&error)),
    }
}

fn lost(error: &io::Error) -> CliError {
    CliError::new(Kind::Unreachable, "the pipe to the relay broke").caused_by(error)
}

fn connect(settings: &Settings) -> io::Result<UnixStream> {
    let socket = sys::connect_unix(&settings.directory.socket())?;
    socket.set_nonblocking(true)?;
    UnixStream::from_std(socket)
}

async fn first_connect(settings: &Settings) -> Result<UnixStream, CliError> {
    let deadline = Instant::now() + SOCKET_LIMIT;
    loop {
        match connect(settings) {
            Ok(socket) => return Ok(socket),
            Err(error) if is_absent(&error) && Instant::now() < deadline => {
                sleep(SOCKET_PAUSE).await;
            }
            Err(error) => return Err(failed(settings, &error)),
        }
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

fn failed(settings: &Settings, error: &io::Error) -> CliError {
    no_relay(settings).caused_by(error)
}
