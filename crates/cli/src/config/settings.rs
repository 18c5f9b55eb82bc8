//! What the program needs: resolved from flags, environment and file, in that order.

use std::path::{Path, PathBuf};

use quarterdeck_access::instance::{InstanceDir, InstanceName};

use super::{Environment, FileConfig, GlobalArgs, TokenSource};
use crate::{
    attach::keys::PrefixKey,
    error::{CliError, Kind},
    output::{Format, Output},
};

/// Lines of history that an attach fetches when nobody says otherwise.
const DEFAULT_HISTORY_LINES: u32 = 10_000;

/// Everything a command needs to know from outside.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The instance of this machine; also when [`Target::Remote`] is acted on.
    pub(crate) directory: InstanceDir,
    /// The base directory that the instance is in.
    pub(crate) base: PathBuf,
    /// Where relays of all base directories announce their instances.
    pub(crate) announcements: Option<PathBuf>,
    /// Which relay or hub is acted on.
    pub(crate) target: Target,
    /// Which machine of a hub is meant.
    pub(crate) machine: Option<String>,
    /// Plain text where TLS would be needed.
    pub(crate) insecure: bool,
    /// Where results go.
    pub(crate) output: Output,
    /// Key that begins a command while attached.
    pub(crate) prefix: PrefixKey,
    /// Lines of history that an attach fetches.
    pub(crate) history: u32,
    /// The environment as it was.
    pub(crate) environment: Environment,
}

/// Which relay a command acts on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// The instance's own, over its Unix socket.
    Local,
    /// The instance's own hub, over its Unix socket.
    Hub,
    /// One that a URL names.
    Remote(Remote),
}

/// How to reach a relay by its URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remote {
    /// `wss://…`, `ws://…`, `ssh://…` or `unix:…`, not parsed yet.
    pub(crate) url: String,
    /// Pin of its certificate.
    pub(crate) pin: Option<String>,
    /// Where the bearer token is.
    pub(crate) token: Option<TokenSource>,
    /// Authorities instead of the system's.
    pub(crate) ca: Option<PathBuf>,
    /// This client's own certificate and key.
    pub(crate) identity: Option<(PathBuf, PathBuf)>,
}

impl Settings {
    /// Applies the rule: flag before environment before file before default.
    pub(crate) fn resolve(
        typed: &GlobalArgs,
        environment: Environment,
        file: &FileConfig,
    ) -> Result<Self, CliError> {
        let output = output(typed, &environment, file);
        let base = base_directory(typed, &environment, file)?;
        let name = instance_name(typed, &environment, file)?;
        Ok(Self {
            directory: InstanceDir::new(&base, name),
            base,
            announcements: environment
                .xdg("XDG_STATE_HOME", ".local/state")
                .map(|state| state.join("quarterdeck/instances")),
            target: if typed.hub { Target::Hub } else { target(typed, &environment, file)? },
            machine: typed.on.clone(),
            insecure: typed.insecure,
            output,
            prefix: typed.detach_key.or(file.detach_key).unwrap_or_default(),
            history: file.history.unwrap_or(DEFAULT_HISTORY_LINES),
            environment,
        })
    }
    /// The same, for the instance's own hub.
    pub(crate) fn at_hub(&self) -> Self {
        Self { target: Target::Hub, machine: None, ..self.clone() }
    }
    /// The same, for another instance of this machine and its daemons.
    pub(crate) fn at_instance(&self, directory: InstanceDir) -> Self {
        Self {
            base: directory.base().to_owned(),
            directory,
            target: Target::Local,
            machine: None,
            // what this instance was told of its own network is no word about another's
            insecure: false,
            ..self.clone()
        }
    }
    /// Whether the relay is this machine's own.
    pub(crate) const fn is_local(&self) -> bool {
        matches!(self.target, Target::Local)
    }
}

/// Where to print; needed before the rest is known to be right.
pub(crate) fn output(typed: &GlobalArgs, environment: &Environment, file: &FileConfig) -> Output {
    let format = if typed.json { Format::Json } else { Format::Text };
    let color = typed.color.or(file.color).unwrap_or_default();
    Output::new(format, color, environment.surroundings())
}

fn base_directory(
    typed: &GlobalArgs,
    environment: &Environment,
    file: &FileConfig,
) -> Result<PathBuf, CliError> {
    let exported = environment.var("QD_HOME").map(PathBuf::from);
    let given = typed.base_dir.clone().or(exported).or_else(|| file.base_dir.clone());
    let base = given.or_else(|| {
        environment.xdg("XDG_DATA_HOME", ".local/share").map(|data| data.join("quarterdeck"))
    });
    let base = base.ok_or_else(|| {
        CliError::usage("there is no place for state: HOME is not set")
            .hint("name one: --base-dir DIR, or export QD_HOME=DIR")
    })?;
    absolute(&base, environment).ok_or_else(|| {
        let message = format!("the base directory {} is relative to nowhere", base.display());
        CliError::usage(message).hint("name it from the root on: --base-dir /…")
    })
}

fn absolute(path: &Path, environment: &Environment) -> Option<PathBuf> {
    if path.is_absolute() {
        return Some(path.to_owned());
    }
    environment.current_dir().map(|here| here.join(path))
}

fn instance_name(
    typed: &GlobalArgs,
    environment: &Environment,
    file: &FileConfig,
) -> Result<InstanceName, CliError> {
    let exported = environment.text("QD_INSTANCE");
    let given = typed.instance.clone().or(exported).or_else(|| file.instance.clone());
    let Some(given) = given else { return Ok(InstanceName::default_instance()) };
    given.parse().map_err(|error: quarterdeck_access::instance::BadInstanceName| {
        let failure = CliError::usage(error.to_string());
        match error.canonical {
            Some(name) => failure.hint(format!("did you mean: --instance {name}")),
            None => failure,
        }
    })
}

/// A URL on the command line wins; one in the file gives way to an instance that was asked for.
fn target(
    typed: &GlobalArgs,
    environment: &Environment,
    file: &FileConfig,
) -> Result<Target, CliError> {
    let asked_for_instance = typed.instance.is_some() || environment.var("QD_INSTANCE").is_some();
    let from_file = || file.url.clone().filter(|_| !asked_for_instance);
    let Some(url) = typed.url.clone().or_else(from_file) else {
        return reject_lone_remote_flags(typed).map(|()| Target::Local);
    };
    let exported = environment.text("QD_TOKEN").map(TokenSource::from_text);
    let token = typed.token_file.clone().map(TokenSource::from_path).or(exported);
    Ok(Target::Remote(Remote {
        url,
        pin: typed.pin.clone().or_else(|| file.pin.clone()),
        token: token.or_else(|| file.token_file.clone().map(TokenSource::from_path)),
        ca: typed.ca.clone().or_else(|| file.ca.clone()),
        identity: identity(typed, file)?,
    }))
}

/// A pin without a URL protects nothing; its user should know.
fn reject_lone_remote_flags(typed: &GlobalArgs) -> Result<(), CliError> {
    let given = [
        ("--pin", typed.pin.is_some()),
        ("--token-file", typed.token_file.is_some()),
        ("--ca", typed.ca.is_some()),
        ("--client-cert", typed.client_cert.is_some()),
    ];
    let Some((flag, _)) = given.into_iter().find(|(_, given)| *given) else { return Ok(()) };
    Err(CliError::new(Kind::Usage, format!("{flag} needs --url"))
        .hint("the instance's own relay is reached without a credential"))
}

fn identity(typed: &GlobalArgs, file: &FileConfig) -> Result<Option<(PathBuf, PathBuf)>, CliError> {
    let cert = typed.client_cert.clone().or_else(|| file.client_cert.clone());
    let key = typed.client_key.clone().or_else(|| file.client_key.clone());
    match (cert, key) {
        (Some(cert), Some(key)) => Ok(Some((cert, key))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(CliError::usage("--client-cert needs --client-key")),
        (None, Some(_)) => Err(CliError::usage("--client-key needs --client-cert")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: (&str, &str) = ("HOME", "/home/ada");

    fn resolve(
        typed: &GlobalArgs,
        variables: &[(&str, &str)],
        file: &FileConfig,
    ) -> Result<Settings, CliError> {
        Settings::resolve(typed, Environment::of(variables), file)
    }

    fn path_of(typed: &GlobalArgs, variables: &[(&str, &str)], file: &FileConfig) -> String {
        let settings = resolve(typed, variables, file).expect("resolves");
        settings.directory.path().display().to_string()
    }

    #[test]
    fn a_flag_beats_the_environment_beats_the_file_beats_the_default() {
        let mut typed = GlobalArgs::default();
        let mut file = FileConfig::default();
        let shared = "/home/ada/.local/share/quarterdeck/instances";
        assert_eq!(path_of(&typed, &[HOME], &file), format!("{shared}/default"));
        file.instance = Some("filed".into());
        file.base_dir = Some("/filed".into());
        assert_eq!(path_of(&typed, &[HOME], &file), "/filed/instances/filed");
        let exported = [HOME, ("QD_INSTANCE", "exported"), ("QD_HOME", "/exported")];
        assert_eq!(path_of(&typed, &exported, &file), "/exported/instances/exported");
        typed.instance = Some("typed".into());
        typed.base_dir = Some("typed".into());
        assert_eq!(path_of(&typed, &exported, &file), "/work/typed/instances/typed");
    }

    #[test]
    fn without_a_home_the_error_says_what_to_type() {
        let error = resolve(&GlobalArgs::default(), &[], &FileConfig::default()).expect_err("none");
        assert_eq!(error.hints, ["name one: --base-dir DIR, or export QD_HOME=DIR"]);
    }

    #[test]
    fn a_name_that_is_not_canonical_is_refused_with_the_nearest_one() {
        let typed = GlobalArgs { instance: Some("My App".into()), ..GlobalArgs::default() };
        let error = resolve(&typed, &[HOME], &FileConfig::default()).expect_err("refused");
        assert_eq!(error.hints, ["did you mean: --instance my-app"]);
    }

    fn remote(settings: Settings) -> Remote {
        match settings.target {
            Target::Remote(remote) => remote,
            Target::Local | Target::Hub => panic!("local"),
        }
    }

    #[test]
    fn a_url_of_the_file_gives_way_to_an_instance_that_was_asked_for() {
        let file = FileConfig { url: Some("wss://filed:1".into()), ..FileConfig::default() };
        let plain = resolve(&GlobalArgs::default(), &[HOME], &file).expect("resolves");
        assert_eq!(remote(plain).url, "wss://filed:1");
        let exported = [HOME, ("QD_INSTANCE", "x")];
        let local = resolve(&GlobalArgs::default(), &exported, &file).expect("resolves");
        assert!(local.is_local());
        let typed = GlobalArgs { url: Some("wss://typed:1".into()), ..GlobalArgs::default() };
        let both = resolve(&typed, &exported, &file).expect("resolves");
        assert_eq!(remote(both).url, "wss://typed:1");
    }

    #[test]
    fn the_token_comes_from_the_flag_then_the_environment_then_the_file() {
        let url = Some("wss://h:1".to_owned());
        let file =
            FileConfig { url: url.clone(), token_file: Some("/f".into()), ..FileConfig::default() };
        let token = |typed: &GlobalArgs, variables: &[(&str, &str)]| {
            remote(resolve(typed, variables, &file).expect("resolves")).token
        };
        let mut typed = GlobalArgs::default();
        assert_eq!(token(&typed, &[HOME]), Some(TokenSource::File("/f".into())));
        let exported = [HOME, ("QD_TOKEN", "t")];
        let from_environment = TokenSource::from_text("t".into());
        assert_eq!(token(&typed, &exported), Some(from_environment.clone()));
        assert!(matches!(from_environment, TokenSource::Environment(_)));
        typed.token_file = Some("/typed".into());
        assert_eq!(token(&typed, &exported), Some(TokenSource::File("/typed".into())));
    }

    #[test]
    fn flags_that_would_protect_nothing_are_refused() {
        let typed = GlobalArgs { pin: Some("sha256:x".into()), ..GlobalArgs::default() };
        let error = resolve(&typed, &[HOME], &FileConfig::default()).expect_err("refused");
        assert_eq!(error.message, "--pin needs --url");
        let typed = GlobalArgs {
            url: Some("wss://h:1".into()),
            client_cert: Some("/c".into()),
            ..GlobalArgs::default()
        };
        let error = resolve(&typed, &[HOME], &FileConfig::default()).expect_err("refused");
        assert_eq!(error.message, "--client-cert needs --client-key");
    }
}
