//! Sessions of other machines: `machine/session` on the command line means the same as `--on machine` with
//! the session alone.

use crate::{
    args::Command,
    config::{Settings, Target},
    error::{CliError, Kind},
};

/// Takes the machine out of the names of sessions, so that each command knows sessions only.
pub(crate) fn settle(
    mut settings: Settings,
    command: &mut Option<Command>,
) -> Result<Settings, CliError> {
    for name in command.as_mut().map(names).unwrap_or_default() {
        let Some((machine, session)) = name.split_once('/') else { continue };
        if machine.is_empty() || session.is_empty() {
            return Err(CliError::usage(format!("\"{}\" is no session", name.escape_debug()))
                .hint("a session of another machine is MACHINE/SESSION"));
        }
        match &settings.machine {
            Some(other) if other != machine => {
                return Err(CliError::usage("one command acts on one machine")
                    .hint("run it once for each machine"));
            }
            Some(_) | None => settings.machine = Some(machine.to_owned()),
        }
        *name = session.to_owned();
    }
    // a machine is reached through the instance's hub, or the one that a URL names
    if settings.machine.is_some() && settings.target == Target::Local {
        settings.target = Target::Hub;
    }
    Ok(settings)
}

/// Everything in a command that names a session.
fn names(command: &mut Command) -> Vec<&mut String> {
    match command {
        Command::Attach(args) => args.session.iter_mut().collect(),
        Command::Send(args) => vec![&mut args.session],
        Command::Logs(args) => args.session.iter_mut().collect(),
        Command::Wait(args) => args.session.iter_mut().collect(),
        Command::Stop(args) => args.sessions.iter_mut().collect(),
        Command::Rm(args) => args.sessions.iter_mut().collect(),
        Command::Rename(args) => vec![&mut args.session],
        Command::Resume(args) => vec![&mut args.session],
        Command::Prompts(args) => args.names(),
        Command::Lease(command) => command.names(),
        Command::Signal(args) => vec![&mut args.session],
        Command::Diff(args) => vec![&mut args.session],
        Command::Rc(args) => args.show.iter_mut().collect(),
        Command::Upload(args) => vec![&mut args.session],
        Command::Run(_)
        | Command::Ls(_)
        | Command::Relay(_)
        | Command::Up(_)
        | Command::Hub(_)
        | Command::Join(_)
        | Command::Machine(_)
        | Command::Service(_)
        | Command::Status(_)
        | Command::Down(_)
        | Command::Instances(_)
        | Command::Token(_)
        | Command::Hooks(_)
        | Command::Msg(_)
        | Command::Mcp(_)
        | Command::Gc(_)
        | Command::Doctor(_)
        | Command::Completions(_)
        | Command::HolderZygote => Vec::new(),
    }
}

/// A command that is about the hub or the relay itself was given a machine.
pub(crate) fn only_here(settings: &Settings, command: &str) -> Result<(), CliError> {
    match &settings.machine {
        None => Ok(()),
        Some(_) => {
            Err(CliError::new(Kind::Usage, format!("{command} is about this machine's own"))
                .hint("leave --on out"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Args;
    use crate::config::{Environment, FileConfig, GlobalArgs};
    use clap::Parser as _;

    fn check(words: &[&str]) -> Result<(Option<String>, Vec<String>), Kind> {
        let words = std::iter::once("qd").chain(words.iter().copied());
        let mut args = Args::try_parse_from(words).expect("parses");
        let environment = Environment::of(&[("HOME", "/home/ada")]);
        let global = std::mem::take(&mut args.global);
        let settings = Settings::resolve(&global, environment, &FileConfig::default());
        let settings = settle(settings.expect("resolves"), &mut args.command);
        let settings = settings.map_err(|error| error.kind)?;
        assert_eq!(settings.machine.is_some(), settings.target == Target::Hub);
        let mut command = args.command.expect("a command");
        Ok((settings.machine, names(&mut command).into_iter().map(|name| name.clone()).collect()))
    }

    #[test]
    fn a_machine_before_a_session_is_the_machine_of_the_command() {
        let dev = Some("dev".to_owned());
        assert_eq!(check(&["attach", "dev/sh:1"]), Ok((dev.clone(), vec!["sh:1".to_owned()])));
        assert_eq!(check(&["--on", "dev", "send", "x", "hi"]), Ok((dev, vec!["x".to_owned()])));
        assert_eq!(check(&["attach", "sh:1"]), Ok((None, vec!["sh:1".to_owned()])));
    }

    #[test]
    fn two_machines_in_one_command_are_refused() {
        assert_eq!(check(&["stop", "dev/a", "desk/b"]), Err(Kind::Usage));
        assert_eq!(check(&["--on", "desk", "stop", "dev/a"]), Err(Kind::Usage));
        assert_eq!(check(&["stop", "/a"]), Err(Kind::Usage));
    }

    #[test]
    fn a_prompt_of_another_machine_is_named_like_its_session() {
        let found = check(&["prompts", "allow", "dev/claude:1"]).expect("settles");
        assert_eq!(found.1, ["claude:1"]);
    }

    #[test]
    fn on_and_instance_are_two_things() {
        let typed = GlobalArgs { on: Some("dev".into()), ..GlobalArgs::default() };
        let environment = Environment::of(&[("HOME", "/home/ada"), ("QD_INSTANCE", "work")]);
        let settings = Settings::resolve(&typed, environment, &FileConfig::default());
        let settings = settings.expect("resolves");
        assert_eq!(settings.directory.name().as_str(), "work");
    }
}
