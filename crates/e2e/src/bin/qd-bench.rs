//! Measures keystroke echo and bulk output; see `quarterdeck_e2e::bench`. Build it with `--release`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its output is its purpose")]

use std::{io, path::PathBuf, process::ExitCode};

use quarterdeck_e2e::{
    bench::{
        quarterdeck::{Over, Quarterdeck},
        reference, report,
        rounds::{self, Plan},
        systems::{RawPty, RawTcp, RawWs, RefWs, System, Tmux},
    },
    harness::tools::find_program,
};

const USAGE: &str = "\
usage: qd-bench [--rounds N] [--keys N] [--lines-mb N] [--short-mb N] [--only WORD,WORD] [--write PAGE]

  --only WORDS   only systems whose name has one of the words; ref-ws is always measured
  --write PAGE   put the table between the marks of this page, as well as on stdout";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.first().map(String::as_str) {
        Some("serve-echo") => serve(reference::serve_echo()),
        Some("serve-terminal") => serve(reference::serve_terminal(&words[1..])),
        Some(_) | None => match Options::parse(&words) {
            Some(options) => bench(&options),
            None => {
                eprintln!("{USAGE}");
                return ExitCode::from(2);
            }
        },
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("qd-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(server: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    let threads = 2;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(threads).enable_all().build()?.block_on(server)
}

struct Options {
    plan: Plan,
    only: Vec<String>,
    page: Option<PathBuf>,
}

impl Options {
    fn parse(words: &[String]) -> Option<Self> {
        let plan = Plan { rounds: 8, keys: 250, lines_bytes: 60_000_000, short_bytes: 8_000_000 };
        let mut options = Self { plan, only: Vec::new(), page: None };
        let mut words = words.iter();
        while let Some(flag) = words.next() {
            let value = words.next()?;
            match flag.as_str() {
                "--rounds" => options.plan.rounds = value.parse().ok()?,
                "--keys" => options.plan.keys = value.parse().ok()?,
                "--lines-mb" => options.plan.lines_bytes = megabytes(value)?,
                "--short-mb" => options.plan.short_bytes = megabytes(value)?,
                "--only" => options.only = value.split(',').map(str::to_owned).collect(),
                "--write" => options.page = Some(PathBuf::from(value)),
                _ => return None,
            }
        }
        Some(options)
    }
    fn wants(&self, system: &dyn System) -> bool {
        let name = system.name();
        let listed = self.only.iter().any(|word| name.contains(word.as_str()));
        self.only.is_empty() || listed || name == "ref-ws"
    }
}

fn megabytes(text: &str) -> Option<u64> {
    text.parse::<u64>().ok()?.checked_mul(1_000_000)
}

fn bench(options: &Options) -> io::Result<()> {
    if cfg!(debug_assertions) {
        eprintln!("qd-bench: this is not a release build; its figures mean nothing");
    }
    let machine = report::machine();
    let mut systems = systems()?;
    systems.retain(|system| options.wants(system.as_ref()));
    let program = std::env::current_exe()?.with_file_name("e2e-program");
    let mut progress = |what: &str| eprintln!("{what}");
    let rows = rounds::run(&mut systems, options.plan, &program, &mut progress)?;
    let table = report::table(&rows, options.plan, &machine);
    println!("{table}");
    options.page.as_deref().map_or(Ok(()), |page| report::write(page, &table))
}

fn systems() -> io::Result<Vec<Box<dyn System>>> {
    let mut systems: Vec<Box<dyn System>> = vec![
        Box::new(RawTcp),
        Box::new(RawWs::default()),
        Box::new(RawPty),
        Box::new(RefWs::default()),
        Box::new(Quarterdeck::new(Over::Ws)),
        Box::new(Quarterdeck::new(Over::Wss)),
        Box::new(Quarterdeck::new(Over::Unix)),
    ];
    match Tmux::find()? {
        Some(tmux) => systems.push(Box::new(tmux)),
        None => eprintln!("qd-bench: tmux is NOT measured: it is not installed"),
    }
    if find_program("ttyd").is_none() {
        eprintln!("qd-bench: ttyd is NOT measured: it is not installed");
    }
    Ok(systems)
}
