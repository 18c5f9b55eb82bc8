//! The zygote of the tests: what `qd holder-zygote` does, without the rest of `qd`. And a relay that
//! only says hello, for programs inside a session that try to drive one.
#![expect(clippy::print_stdout, reason = "what the hello brought is its output")]

use std::{
    env,
    error::Error,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use quarterdeck_holder::{launch::Surroundings, socket, zygote};
use quarterdeck_protocol::{
    holder::{HelloRequest, Message, op},
    ids::Generation,
};

/// Arguments: a runtime directory and a `busctl`, or nothing; or `hello` and a session's directory.
fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let done = match &arguments[..] {
        [hello, session] if hello == Path::new("hello") => say_hello(session),
        [runtime, busctl] => serve(Some(runtime.clone()), busctl.clone()),
        _ => serve(None, PathBuf::new()),
    };
    if done.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn serve(runtime_directory: Option<PathBuf>, busctl: PathBuf) -> Result<(), Box<dyn Error>> {
    Ok(zygote::run(&io::stdin(), &Surroundings { runtime_directory, busctl })?)
}

fn say_hello(session: &Path) -> Result<(), Box<dyn Error>> {
    let mut stream = socket::connect(session)?;
    let hello = serde_json::to_vec(&HelloRequest { generation: Generation(9), protocol: 1 })?;
    let mut bytes = Vec::new();
    Message { op: op::HELLO, request: 1, body: &hello }.encode(&mut bytes);
    // a holder that refuses this process closes without reading
    let _ = stream.write_all(&bytes);
    let welcomed = stream.read(&mut [0; 1]).is_ok_and(|count| count > 0);
    println!("{}", if welcomed { "welcomed" } else { "refused" });
    Ok(())
}
