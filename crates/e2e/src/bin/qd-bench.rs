//! Measures Quarterdeck beside other systems; see `quarterdeck_e2e::bench`. Build it with `--release`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its output is its purpose")]

use std::{io, path::PathBuf, process::ExitCode};

use quarterdeck_e2e::bench::{
    client::Over,
    goals::{self, Extent, Goal},
    holder::HolderAlone,
    others::{self, Found},
    quarterdeck::Quarterdeck,
    reference,
    report::{self, Place},
    rounds::{self, Plan, Row},
    systems::{RawPty, RawTcp, RawWs, RefWs, RefWss, System},
    wan,
};

const USAGE: &str = "\
usage: qd-bench [--quick] [--parts WORDS] [--only WORDS] [--write PAGE]
                [--rounds N] [--others N] [--keys N] [--lines-mb N] [--short-mb N]

  --quick        a little of everything, to see that it works
  --parts WORDS  only these parts: systems, goals, instances, hub, mail, wan
  --only WORDS   only systems whose name has one of the words; ref-ws is always measured
  --others N     the systems of others take part in the first N rounds only
  --write PAGE   put the tables between the marks of this page, as well as on stdout

Words are separated by commas. It takes about a quarter of an hour.";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.first().map(String::as_str) {
        Some("serve-echo") => serve(reference::serve_echo()),
        Some("serve-terminal") => serve(reference::serve_terminal(&words[1..])),
        Some("serve-terminal-tls") => serve(reference::serve_terminal_tls(&words[1..])),
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
    extent: Extent,
    parts: Vec<String>,
    only: Vec<String>,
    page: Option<PathBuf>,
}

/// What a full run measures in its rounds, and a quick one.
const FULL: Plan =
    Plan { rounds: 8, others: 4, keys: 250, lines_bytes: 60_000_000, short_bytes: 8_000_000 };
const QUICK: Plan =
    Plan { rounds: 2, others: 1, keys: 100, lines_bytes: 10_000_000, short_bytes: 2_000_000 };

impl Options {
    fn parse(words: &[String]) -> Option<Self> {
        let quick = words.iter().any(|word| word == "--quick");
        let (extent, plan) = if quick { (Extent::Quick, QUICK) } else { (Extent::Full, FULL) };
        let (parts, only) = (Vec::new(), Vec::new());
        let mut options = Self { plan, extent, parts, only, page: None };
        let mut words = words.iter().filter(|word| *word != "--quick");
        let list = |value: &String| value.split(',').map(str::to_owned).collect();
        while let Some(flag) = words.next() {
            let value = words.next()?;
            match flag.as_str() {
                "--rounds" => options.plan.rounds = value.parse().ok()?,
                "--others" => options.plan.others = value.parse().ok()?,
                "--keys" => options.plan.keys = value.parse().ok()?,
                "--lines-mb" => options.plan.lines_bytes = megabytes(value)?,
                "--short-mb" => options.plan.short_bytes = megabytes(value)?,
                "--parts" => options.parts = list(value),
                "--only" => options.only = list(value),
                "--write" => options.page = Some(PathBuf::from(value)),
                _ => return None,
            }
        }
        Some(options)
    }
    fn wants(&self, name: &str) -> bool {
        let listed = self.only.iter().any(|word| name.contains(word.as_str()));
        self.only.is_empty() || listed || name == "ref-ws"
    }
    fn wants_part(&self, name: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|part| part == name)
    }
}

fn megabytes(text: &str) -> Option<u64> {
    text.parse::<u64>().ok()?.checked_mul(1_000_000)
}

/// A part with a table of its own.
type Measure = fn(Extent, &str, &mut dyn FnMut(&str)) -> io::Result<Vec<Goal>>;

fn bench(options: &Options) -> io::Result<()> {
    if cfg!(debug_assertions) {
        eprintln!("qd-bench: this is not a release build; its figures mean nothing");
    }
    let program = std::env::current_exe()?.with_file_name("e2e-program");
    let program = program.display().to_string();
    let mut progress = |what: &str| eprintln!("{what}");
    let mut text = String::new();
    let mut rows = Vec::new();
    if options.wants_part("systems") {
        let table = systems(options, &program, &mut rows, &mut progress)?;
        text.push_str(&format!("### Side by side\n\n{table}"));
    }
    if options.wants_part("goals") {
        let mut all = goals::of_rounds(&rows);
        all.extend(goals::measure(options.extent, &program, &mut progress));
        text.push_str(&format!("\n### What is to be reached\n\n{}", report::goals(&all)));
    }
    // the goals have them too
    if options.parts.iter().any(|part| part == "instances") && !options.wants_part("goals") {
        let instances = goals::instances::measure(options.extent, &program)?;
        text.push_str(&format!("\n### Instances\n\n{}", report::goals(&instances)));
    }
    if options.wants_part("wan") {
        let table = wan::table(options.extent, &program, &mut progress)?;
        text.push_str(&format!("\n### Over a wide network\n\n{table}"));
    }
    let mut part = |name: &str, measure: Measure| -> io::Result<String> {
        if !options.wants_part(name) {
            return Ok(String::new());
        }
        let machine = report::machine();
        let all = measure(options.extent, &program, &mut progress)?;
        Ok(format!("{machine}.\n\n{}", report::goals(&all)))
    };
    let hub = part("hub", goals::fleet::measure)?;
    let mail = part("mail", goals::mail::measure)?;
    println!("{text}{hub}{mail}");
    let Some(page) = options.page.as_deref() else { return Ok(()) };
    for (place, text) in [(Place::Main, text), (Place::Hub, hub), (Place::Mail, mail)] {
        // what was not measured stays
        if !text.is_empty() {
            report::write(page, place, &text)?;
        }
    }
    Ok(())
}

/// Measures all systems that are there, into `rows`, and gives their table.
fn systems(
    options: &Options,
    program: &str,
    rows: &mut Vec<Row>,
    progress: &mut dyn FnMut(&str),
) -> io::Result<String> {
    let machine = report::machine();
    let mut systems: Vec<Box<dyn System>> = vec![
        Box::new(RawTcp),
        Box::new(RawWs::default()),
        Box::new(RawPty),
        Box::new(RefWs::default()),
        Box::new(RefWss::default()),
        Box::new(HolderAlone::default()),
        Box::new(Quarterdeck::new(Over::Ws)),
        Box::new(Quarterdeck::new(Over::Wss)),
        Box::new(Quarterdeck::new(Over::Unix)),
        Box::new(Quarterdeck::new(Over::Hub)),
    ];
    let mut missing = Vec::new();
    for found in others::find_all()? {
        match found {
            Found::Here(system) => systems.push(system),
            Found::Missing(name, why) => missing.push((name, why)),
        }
    }
    systems.retain(|system| options.wants(system.name()));
    missing.retain(|(name, _)| options.wants(name));
    for (name, why) in &missing {
        eprintln!("qd-bench: {name} is NOT measured: {why}");
    }
    *rows = rounds::run(&mut systems, options.plan, program, progress)?;
    Ok(report::table(rows, &missing, options.plan, &machine))
}
