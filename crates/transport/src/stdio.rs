//! The far side of `ssh://`: a byte pipe between a process's standard streams and the relay's Unix socket.
//! It knows nothing of what it carries, so any version of either side may stand on its ends.

use std::{io, path::Path};

use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional_with_sizes, join};

use crate::{dial, dial::DialError};

/// Bytes on their way in each direction.
const PIPE_BYTES: usize = 64 * 1024;

/// Carries bytes both ways until both sides have ended. The end of one is passed on to the other.
///
/// # Errors
/// When nothing listens on the socket, or a side breaks.
pub async fn pipe_to_socket(
    socket: &Path,
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin,
) -> Result<(), DialError> {
    let mut far = dial::connect_unix(socket).await?;
    let mut near = join(input, output);
    match copy_bidirectional_with_sizes(&mut near, &mut far, PIPE_BYTES, PIPE_BYTES).await {
        Ok(_) => Ok(()),
        // the side that wanted no more is a normal end
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
            ) =>
        {
            Ok(())
        }
        Err(error) => Err(DialError::Io(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{private_directory, raw_socket};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex, split};

    #[tokio::test]
    async fn bytes_and_ends_are_carried_both_ways() {
        let directory = private_directory();
        let (listener, path) = raw_socket(&directory);
        let (mut ssh, streams) = duplex(16);
        let (input, output) = split(streams);
        let relay = async {
            let (mut relay, _) = listener.accept().await.expect("accepts");
            let mut asked = [0; 5];
            relay.read_exact(&mut asked).await.expect("reads");
            relay.write_all(b"answer that is longer than the pipe").await.expect("writes");
            // the near side's end arrives, then ours is passed on
            assert_eq!(relay.read(&mut asked).await.expect("ends"), 0);
        };
        let near = async {
            ssh.write_all(b"hello").await.expect("writes");
            let mut answer = [0; 35];
            ssh.read_exact(&mut answer).await.expect("reads");
            assert!(answer.starts_with(b"answer"));
            ssh.shutdown().await.expect("shuts down");
            assert_eq!(ssh.read(&mut answer).await.expect("ends"), 0);
        };
        let (piped, (), ()) = tokio::join!(pipe_to_socket(&path, input, output), relay, near);
        piped.expect("a normal end");
    }

    #[tokio::test]
    async fn without_a_relay_it_is_an_error_at_once() {
        let piped = pipe_to_socket(Path::new("/nonexistent/relay.sock"), &[][..], Vec::new()).await;
        assert!(matches!(piped, Err(DialError::Refused)), "{piped:?}");
    }
}
