//! Simulated relays for a hub; see `quarterdeck_e2e::simulated`.

use std::{io, path::Path, process::ExitCode};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match serve(&words).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write as _;
            let _ = writeln!(io::stderr(), "usage: RELAYS SESSIONS DIRECTORY: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(words: &[String]) -> io::Result<()> {
    let [relays, sessions, directory] = words else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let number = |word: &String| word.parse().map_err(io::Error::other);
    quarterdeck_e2e::simulated::serve(number(relays)?, number(sessions)?, Path::new(directory))
        .await
}
