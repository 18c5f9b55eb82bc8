//! The two configuration files: the user's own for this command, and an instance's for its relay.

use std::{
    io,
    path::{Path, PathBuf},
};

use quarterdeck_access::instance::InstanceDir;
use quarterdeck_relay::config::RelayConfig;
use serde::{Deserialize, de::DeserializeOwned};

use super::Environment;
use crate::{
    attach::keys::PrefixKey,
    error::{CliError, Kind},
    output::ColorChoice,
};

/// `$XDG_CONFIG_HOME/quarterdeck/config.toml`: defaults for flags. A misspelt key is an error.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct FileConfig {
    /// As `--instance`.
    pub(crate) instance: Option<String>,
    /// As `--base-dir`.
    pub(crate) base_dir: Option<PathBuf>,
    /// As `--url`.
    pub(crate) url: Option<String>,
    /// As `--pin`.
    pub(crate) pin: Option<String>,
    /// As `--token-file`.
    pub(crate) token_file: Option<PathBuf>,
    /// As `--ca`.
    pub(crate) ca: Option<PathBuf>,
    /// As `--client-cert`.
    pub(crate) client_cert: Option<PathBuf>,
    /// As `--client-key`.
    pub(crate) client_key: Option<PathBuf>,
    /// As `--color`.
    pub(crate) color: Option<ColorChoice>,
    /// As `--detach-key`.
    pub(crate) detach_key: Option<PrefixKey>,
    /// As `attach --history`.
    pub(crate) history: Option<u32>,
}

impl FileConfig {
    /// Reads the user's file; one that is not there is empty.
    pub(crate) fn load(environment: &Environment) -> Result<Self, CliError> {
        let Some(directory) = environment.xdg("XDG_CONFIG_HOME", ".config") else {
            return Ok(Self::default());
        };
        load(&directory.join("quarterdeck").join("config.toml"))
    }
}

/// Reads the ceiling and limits of an instance's relay; a file that is not there allows everything.
pub(crate) fn relay_config(directory: &InstanceDir) -> Result<RelayConfig, CliError> {
    let config: RelayConfig = load(&directory.config())?;
    config.hooks.check().map_err(|error| {
        let file = directory.config();
        CliError::usage(format!("{} is not valid", file.display()))
            .caused_by(&error)
            .hint("correct the table hooks, or move the file away")
    })?;
    Ok(config)
}

fn load<T: DeserializeOwned + Default>(path: &Path) -> Result<T, CliError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(T::default()),
        Err(error) => {
            let message = format!("cannot read {}", path.display());
            return Err(CliError::new(Kind::Usage, message).caused_by(&error));
        }
    };
    toml::from_str(&text).map_err(|error| {
        let mut failure = CliError::usage(format!("{} is not valid", path.display()));
        failure.causes = error.to_string().lines().map(str::to_owned).collect();
        failure.hint("correct the file, or move it away")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_text(text: &str) -> Result<FileConfig, CliError> {
        let home = tempfile::tempdir().expect("temporary directory");
        let directory = home.path().join("quarterdeck");
        std::fs::create_dir(&directory).expect("creates");
        std::fs::write(directory.join("config.toml"), text).expect("writes");
        let config_home = home.path().to_str().expect("text");
        FileConfig::load(&Environment::of(&[("XDG_CONFIG_HOME", config_home)]))
    }

    #[test]
    fn a_file_that_is_not_there_is_empty() {
        let home = tempfile::tempdir().expect("temporary directory");
        let config_home = home.path().to_str().expect("text");
        let loaded = FileConfig::load(&Environment::of(&[("XDG_CONFIG_HOME", config_home)]));
        assert_eq!(loaded, Ok(FileConfig::default()));
    }

    #[test]
    fn a_misspelt_key_and_a_bad_value_are_named() {
        let loaded = load_text("instance = \"work\"\ndetach_key = \"ctrl-a\"\n").expect("valid");
        assert_eq!(loaded.instance.as_deref(), Some("work"));
        for (text, word) in [("instnce = \"x\"", "instnce"), ("color = \"pink\"", "pink")] {
            let error = load_text(text).expect_err("not valid");
            assert_eq!(error.kind, Kind::Usage);
            assert!(error.causes.join("\n").contains(word), "{:?}", error.causes);
        }
    }
}
