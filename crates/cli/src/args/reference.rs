//! `docs/reference.md` is the help of every command, and must be what the program says.

use clap::{Command, CommandFactory as _};

use super::Args;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference.md");
/// As wide as a page shows without scrolling.
const COLUMNS: usize = 96;

fn reference() -> String {
    let mut text =
        "# Every command\n\nGenerated from the program; a test compares it. What scripts \
                    rely on stands in [the command line](cli.md).\n"
            .to_owned();
    let mut root = Args::command().term_width(COLUMNS);
    root.build();
    section(&mut text, &mut root, "qd");
    text
}

fn section(text: &mut String, command: &mut Command, name: &str) {
    let help = command.render_long_help().to_string();
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    *text += &format!("\n## {name}\n\n```text\n{}\n```\n", help.join("\n").trim_end());
    let shown = command.get_subcommands_mut().filter(|command| !command.is_hide_set());
    for command in shown {
        let name = format!("{name} {}", command.get_name());
        section(text, command, &name);
    }
}

#[test]
fn the_reference_is_what_the_program_says() {
    let fresh = reference();
    let bless = std::env::var_os("QD_BLESS").is_some()
        || std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always");
    if bless {
        std::fs::write(FILE, &fresh).expect("docs can be written");
    }
    let kept = std::fs::read_to_string(FILE).unwrap_or_default();
    let differs = fresh.lines().zip(kept.lines()).find(|(fresh, kept)| fresh != kept);
    assert!(
        fresh == kept,
        "docs/reference.md is not what the program says (QD_BLESS=1 rewrites it); first: {differs:?}"
    );
}
