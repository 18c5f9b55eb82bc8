//! What tests run inside sessions; see `quarterdeck_e2e::program`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match quarterdeck_e2e::program::run(&words) {
        Ok(code) => ExitCode::from(code),
        // the terminal is gone, or a step failed: the test sees the code
        Err(_) => ExitCode::from(101),
    }
}
