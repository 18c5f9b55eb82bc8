//! What stands between a private network and the rest: it passes connections on, outwards only.

use std::{
    io,
    net::{Shutdown, TcpListener, TcpStream},
    thread,
};

/// Accepts at the first address and passes everything on to the second, for `FROM>TO`, until it is killed.
///
/// # Errors
/// When it cannot listen, or the words are none.
pub fn serve(words: &str) -> io::Result<()> {
    let (from, to) = words.split_once('>').ok_or(io::ErrorKind::InvalidInput)?;
    let listener = TcpListener::bind(from)?;
    for accepted in listener.incoming() {
        let inside = accepted?;
        // nobody there: the caller sees its connection end
        let Ok(outside) = TcpStream::connect(to) else { continue };
        let ways = [(inside.try_clone()?, outside.try_clone()?), (outside, inside)];
        for (from, to) in ways {
            thread::Builder::new().spawn(move || pass(from, to))?;
        }
    }
    Ok(())
}

/// Passes on what comes until it ends, and then the end.
fn pass(mut from: TcpStream, mut to: TcpStream) {
    // both ends learn of a broken one by its end
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
