//! Frames on a launch socket: `len u32 | JSON`, little endian, one in each direction.

use std::{
    io::{self, Read as _, Write as _},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use serde::{Serialize, de::DeserializeOwned};

/// Writes one frame of at most `limit_bytes`; all of it within `patience`.
pub(crate) fn write_frame(
    mut stream: &UnixStream,
    value: &impl Serialize,
    limit_bytes: usize,
    patience: Duration,
) -> io::Result<()> {
    let text = serde_json::to_vec(value)?;
    let len = u32::try_from(text.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
    if text.len() > limit_bytes {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut frame = len.to_le_bytes().to_vec();
    frame.extend_from_slice(&text);
    let deadline = Instant::now() + patience;
    let mut rest = &frame[..];
    while !rest.is_empty() {
        stream.set_write_timeout(Some(left_until(deadline)?))?;
        match stream.write(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => rest = &rest[count..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(timed_out(error)),
        }
    }
    Ok(())
}

/// Reads one frame of at most `limit_bytes`; all of it within `patience`.
pub(crate) fn read_frame<T: DeserializeOwned>(
    stream: &UnixStream,
    limit_bytes: usize,
    patience: Duration,
) -> io::Result<T> {
    let deadline = Instant::now() + patience;
    let mut len = [0; 4];
    read_exact(stream, &mut len, deadline)?;
    let len = u32::from_le_bytes(len) as usize;
    if len > limit_bytes {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut text = vec![0; len];
    read_exact(stream, &mut text, deadline)?;
    Ok(serde_json::from_slice(&text)?)
}

fn read_exact(mut stream: &UnixStream, buffer: &mut [u8], deadline: Instant) -> io::Result<()> {
    let mut filled = 0;
    while filled < buffer.len() {
        stream.set_read_timeout(Some(left_until(deadline)?))?;
        match stream.read(&mut buffer[filled..]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(timed_out(error)),
        }
    }
    Ok(())
}

fn left_until(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// A socket's timeout shows as `WouldBlock`.
fn timed_out(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock { io::ErrorKind::TimedOut.into() } else { error }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(30);

    #[test]
    fn a_frame_arrives_whole() {
        let (a, b) = UnixStream::pair().expect("a pair");
        let text = "x".repeat(100_000);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                write_frame(&a, &text, 200_000, Duration::from_secs(10)).expect("written")
            });
            let read: String = read_frame(&b, 200_000, Duration::from_secs(10)).expect("read");
            assert_eq!(read, text);
        });
    }

    #[test]
    fn silence_half_a_frame_and_a_large_one_are_errors() {
        let (mut a, b) = UnixStream::pair().expect("a pair");
        let read = |limit| read_frame::<String>(&b, limit, SOON).map_err(|error| error.kind());
        assert_eq!(read(10), Err(io::ErrorKind::TimedOut));
        a.write_all(&[3, 0, 0, 0, b'"']).expect("written");
        assert_eq!(read(10), Err(io::ErrorKind::TimedOut));
        a.write_all(&[3, 0, 0, 0]).expect("written");
        assert_eq!(read(2), Err(io::ErrorKind::FileTooLarge));
        drop(a);
        assert_eq!(read(10), Err(io::ErrorKind::UnexpectedEof));
    }
}
