//! The environment, read once at the start.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use quarterdeck_transport::dial::Proxy;

use crate::{error::CliError, output::Surroundings};

/// Every variable that begins so is Quarterdeck's own and reaches no session from here.
const OWN_PREFIX: &str = "QD_";

/// The environment as it was at the start. Prints names only: values may be secrets.
#[derive(Clone, Default)]
pub(crate) struct Environment {
    variables: BTreeMap<OsString, OsString>,
    current_dir: Option<PathBuf>,
    host_name: String,
}

impl Environment {
    /// Reads the process's environment.
    pub(crate) fn capture() -> Self {
        let host_name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let current_dir = std::env::current_dir().ok();
        Self { variables: std::env::vars_os().collect(), current_dir, host_name }
    }
    /// An environment of these variables, in `/work`, on `host`.
    #[cfg(test)]
    pub(crate) fn of(variables: &[(&str, &str)]) -> Self {
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { variables, current_dir: Some("/work".into()), host_name: "host".to_owned() }
    }

    /// A variable that is set and not empty.
    pub(crate) fn var(&self, name: &str) -> Option<&OsStr> {
        let value = self.variables.get(OsStr::new(name))?;
        Some(value.as_os_str()).filter(|value| !value.is_empty())
    }
    /// A variable as text, undecodable bytes replaced.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.var(name).map(|value| value.to_string_lossy().into_owned())
    }
    /// The way out of this network: `HTTPS_PROXY`, but not for those whom `NO_PROXY` names.
    pub(crate) fn proxy(&self) -> Result<Option<Proxy>, CliError> {
        let either = |name: &str| self.text(name).or_else(|| self.text(&name.to_lowercase()));
        let Some(proxy) = either("HTTPS_PROXY") else { return Ok(None) };
        let proxy: Proxy = proxy
            .parse()
            .map_err(|error| CliError::usage("HTTPS_PROXY is not usable").caused_by(&error))?;
        Ok(Some(proxy.sparing(&either("NO_PROXY").unwrap_or_default())))
    }
    /// Where the command was started.
    pub(crate) fn current_dir(&self) -> Option<&Path> {
        self.current_dir.as_deref()
    }
    /// The machine's name.
    pub(crate) fn host_name(&self) -> &str {
        &self.host_name
    }
    /// The session that this process runs inside, by its marker.
    pub(crate) fn inside(&self) -> Option<String> {
        self.text("QD_SESSION")
    }
    /// Where an XDG directory is: absolute paths only, as its specification says.
    pub(crate) fn xdg(&self, variable: &str, below_home: &str) -> Option<PathBuf> {
        let given = self.var(variable).map(PathBuf::from).filter(|path| path.is_absolute());
        given.or_else(|| Some(PathBuf::from(self.var("HOME")?).join(below_home)))
    }
    /// Whether the terminal understands no control sequences.
    pub(crate) fn is_dumb(&self) -> bool {
        self.var("TERM") == Some(OsStr::new("dumb"))
    }
    /// What the environment says about colours.
    pub(crate) fn surroundings(&self) -> Surroundings {
        if self.is_dumb() || self.var("NO_COLOR").is_some() {
            Surroundings::Plain
        } else {
            Surroundings::Capable
        }
    }
    /// The names of Quarterdeck's own variables, which no child gets: one of them is a secret.
    pub(crate) fn own_names(&self) -> impl Iterator<Item = &OsStr> {
        let own = |name: &&OsString| name.as_encoded_bytes().starts_with(OWN_PREFIX.as_bytes());
        self.variables.keys().filter(own).map(OsString::as_os_str)
    }
    /// What a session started from here gets: everything that is text, but nothing of Quarterdeck's.
    pub(crate) fn for_session(&self) -> BTreeMap<String, String> {
        let pairs = self.variables.iter().filter_map(|(name, value)| {
            let (name, value) = (name.to_str()?, value.to_str()?);
            (!name.starts_with(OWN_PREFIX)).then(|| (name.to_owned(), value.to_owned()))
        });
        pairs.collect()
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment").field("names", &self.variables.keys()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_gets_no_variable_of_quarterdecks_own() {
        let environment = Environment::of(&[
            ("PATH", "/bin"),
            ("QD_TOKEN", "secret"),
            ("QD_SESSION", "s_00112233445566778899"),
        ]);
        assert_eq!(environment.for_session().into_keys().collect::<Vec<_>>(), ["PATH"]);
    }

    #[test]
    fn values_are_never_printed() {
        let environment = Environment::of(&[("QD_TOKEN", "secret")]);
        assert!(!format!("{environment:?}").contains("secret"));
    }

    #[test]
    fn relative_xdg_directories_are_ignored_and_empty_variables_are_unset() {
        let home = ("HOME", "/home/ada");
        let dir = |vars: &[_]| Environment::of(vars).xdg("XDG_DATA_HOME", ".local/share");
        assert_eq!(dir(&[home]), Some("/home/ada/.local/share".into()));
        assert_eq!(dir(&[home, ("XDG_DATA_HOME", "/d")]), Some("/d".into()));
        assert_eq!(dir(&[home, ("XDG_DATA_HOME", "d")]), Some("/home/ada/.local/share".into()));
        assert_eq!(dir(&[("HOME", "")]), None);
    }
}
