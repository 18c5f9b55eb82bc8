//! A pairing line from a person: it holds a code, so it is never an argument, which every user of the
//! machine can see.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};

use quarterdeck_crypto::PairingLine;

use crate::error::{CliError, Kind};

/// Bytes of a line that are read: its parts have less together.
const MAX_LINE_BYTES: u64 = 1024;

/// Reads the line from standard input, asking for it on a terminal.
pub(crate) fn read(what: &str) -> Result<String, CliError> {
    let failed = |error: &io::Error| {
        CliError::new(Kind::Usage, "cannot read the pairing line").caused_by(error)
    };
    if io::stdin().is_terminal() {
        let mut prompt = io::stderr().lock();
        // without its prompt the question is still asked
        let _ = write!(prompt, "{what}: ");
        let _ = prompt.flush();
    }
    let mut line = String::new();
    let mut input = io::stdin().lock().take(MAX_LINE_BYTES);
    input.read_line(&mut line).map_err(|error| failed(&error))?;
    let line = line.trim().to_owned();
    line.parse::<PairingLine>().map_err(|error| {
        CliError::usage("that is no pairing line").caused_by(&error).hint(format!("give {what}"))
    })?;
    Ok(line)
}
