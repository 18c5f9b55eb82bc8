//! The zygote of the tests: what `qd holder-zygote` does, without the rest of `qd`.

use std::{io, path::PathBuf, process::ExitCode};

use quarterdeck_holder::{launch::Surroundings, zygote};

/// Arguments: a runtime directory and a `busctl`, or nothing.
fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let surroundings = Surroundings {
        runtime_directory: arguments.next().map(PathBuf::from),
        busctl: arguments.next().map(PathBuf::from).unwrap_or_default(),
    };
    match zygote::run(io::stdin(), &surroundings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
