//! One link of a proxy: a client's connection and the connection to the server that belongs to it.

use std::{io, sync::Arc, time::Duration};

use rustix::net::sockopt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{Cut, Shared};

/// Runs until both sides are done or the link is cut.
pub(super) async fn run(mut client: TcpStream, shared: Arc<Shared>) {
    let mut cuts = shared.cuts.subscribe();
    let Ok(mut server) = TcpStream::connect(shared.target()).await else {
        reset(&client);
        return;
    };
    // the proxy must add no delay of its own
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    shared.open.send_modify(|open| *open += 1);
    let cut = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let up = shared.up.pump(from_client, to_server);
        let down = shared.down.pump(from_server, to_client);
        tokio::select! {
            biased;
            Ok(()) = cuts.changed() => Some(*cuts.borrow()),
            cut = until_done(up, down) => cut,
        }
    };
    match cut {
        Some(Cut::Reset) => {
            reset(&client);
            reset(&server);
        }
        Some(Cut::Finish) => {
            tokio::join!(finish(client), finish(server));
        }
        None => {}
    }
    shared.open.send_modify(|open| *open -= 1);
}

/// Waits for both directions, or for the first that breaks or is cut.
async fn until_done(
    up: impl Future<Output = io::Result<Option<Cut>>>,
    down: impl Future<Output = io::Result<Option<Cut>>>,
) -> Option<Cut> {
    // an error stands for a cut as well, so that `try_join` ends at the first of either
    let ended = |end: io::Result<Option<Cut>>| match end {
        Ok(None) => Ok(()),
        Ok(Some(cut)) => Err(cut),
        Err(_) => Err(Cut::Reset),
    };
    let up = async { ended(up.await) };
    let down = async { ended(down.await) };
    tokio::try_join!(up, down).err()
}

/// Makes the socket send RST when it is closed.
pub(super) fn reset(stream: &TcpStream) {
    // fails only on a socket that is gone already
    let _ = sockopt::set_socket_linger(stream, Some(Duration::ZERO));
}

/// Sends FIN and throws away what the peer still sends: closing with unread bytes would send RST.
async fn finish(mut stream: TcpStream) {
    let _ = stream.shutdown().await;
    let mut sink = vec![0; 4096];
    while matches!(stream.read(&mut sink).await, Ok(1..)) {}
}
