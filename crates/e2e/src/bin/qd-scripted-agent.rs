//! An agent for tests; see `quarterdeck_e2e::scripted`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match quarterdeck_e2e::scripted::Scripted::new(&words).and_then(|agent| agent.run()) {
        Ok(code) => ExitCode::from(code),
        // the pipes are gone: so is whoever would want to know
        Err(_) => ExitCode::from(101),
    }
}
