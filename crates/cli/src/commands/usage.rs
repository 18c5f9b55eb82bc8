//! A command line that does not parse, in our own form: what is wrong, and what to type.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::error::CliError;

/// The parser's error as ours.
pub(crate) fn explain(error: &clap::Error) -> CliError {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return CliError::usage("a subcommand is missing").hint("see them: qd COMMAND --help");
    }
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let message: Vec<&str> = text
        .lines()
        .take_while(|line| !line.is_empty())
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let mut failure = CliError::usage(message.join(" "));
    if let Some(suggestion) = suggestion(error) {
        failure = failure.hint(format!("did you mean {suggestion}?"));
    }
    let usage = text.lines().find_map(|line| line.strip_prefix("Usage: "));
    match usage {
        Some(usage) => failure.hint(format!("usage: {usage}; more: --help")),
        None => failure.hint("see: qd --help"),
    }
}

fn suggestion(error: &clap::Error) -> Option<String> {
    let kinds =
        [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue];
    let value = kinds.into_iter().find_map(|kind| error.get(kind))?;
    if let ContextValue::Strings(texts) = value {
        return texts.first().cloned();
    }
    if let ContextValue::String(text) = value { Some(text.clone()) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Args;
    use clap::{CommandFactory, Parser};

    fn explained(words: &[&str]) -> String {
        let words = ["qd"].iter().chain(words);
        let error = Args::try_parse_from(words).expect_err("does not parse");
        let failure = explain(&error);
        format!("{}\n{}", failure.message, failure.hints.join("\n"))
    }

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_misspelt_command_is_guessed() {
        insta::assert_snapshot!(explained(&["atach"]));
    }

    #[test]
    fn a_missing_word_and_a_bad_value_are_named() {
        insta::assert_snapshot!(explained(&["rename", "a"]));
        insta::assert_snapshot!(explained(&["run", "--size", "wide"]));
        insta::assert_snapshot!(explained(&["ls", "--instance", "a", "--url", "wss://b"]));
    }

    #[test]
    fn the_help_shows_every_command() {
        let mut command = Args::command().term_width(100);
        insta::assert_snapshot!(command.render_help());
    }

    #[test]
    fn the_help_of_each_command_shows_its_own_flags() {
        let mut command = Args::command().term_width(100);
        command.build();
        let mut text = String::new();
        for command in command.get_subcommands_mut().filter(|command| !command.is_hide_set()) {
            text += &own_help(command);
            for nested in command.get_subcommands_mut().filter(|nested| nested.get_name() != "help")
            {
                text += &own_help(nested);
            }
        }
        insta::assert_snapshot!(text);
    }

    /// The help without the flags that every command has.
    fn own_help(command: &mut clap::Command) -> String {
        let help = command.render_help().to_string();
        let own = help.split("\nGlobal options:").next().unwrap_or_default();
        format!("==== {}\n{own}\n", command.get_bin_name().unwrap_or_default())
    }
}
