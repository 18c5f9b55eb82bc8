//! What the user typed, exported and wrote down, and what the program needs of it. The only place
//! that reads the environment and configuration files.
//!
//! Two stages: [`GlobalArgs`], [`Environment`] and [`FileConfig`] are what was given, each as it
//! stands; [`Settings`] is what follows from them, by one rule: flag before environment before file
//! before default. The second stage reads nothing and is tested without a process.

mod environment;
mod file;
mod settings;
mod token;

pub(crate) use environment::Environment;
pub(crate) use file::{FileConfig, relay_config};
pub(crate) use settings::{Remote, Settings, Target};
pub(crate) use token::TokenSource;

use std::path::PathBuf;

use crate::{
    attach::keys::PrefixKey,
    output::{ColorChoice, Output},
};

/// Flags that every command takes.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArgs {
    /// Which instance to act on [env: QD_INSTANCE] [default: default]
    #[arg(long, global = true, value_name = "NAME", conflicts_with = "url")]
    pub(crate) instance: Option<String>,
    /// Where instances are kept [env: QD_HOME] [default: $XDG_DATA_HOME/quarterdeck]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) base_dir: Option<PathBuf>,
    /// Act on a relay elsewhere: wss://HOST:PORT, ssh://HOST, unix:PATH
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// The relay's certificate must have this key: sha256:…
    #[arg(long, global = true, value_name = "PIN")]
    pub(crate) pin: Option<String>,
    /// File with the bearer token, - for standard input [env: QD_TOKEN, the token itself]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Trust the authorities of this PEM file instead of the system's
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Certificate with which this client proves itself
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) client_cert: Option<PathBuf>,
    /// Private key of --client-cert
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) client_key: Option<PathBuf>,
    /// Act on this machine of the hub
    #[arg(long, global = true, value_name = "MACHINE", conflicts_with = "hub")]
    pub(crate) on: Option<String>,
    /// Act on the hub itself: all its machines, its own tokens
    #[arg(long, global = true, conflicts_with = "url")]
    pub(crate) hub: bool,
    /// Without TLS: speak ws:// to a relay elsewhere, or serve it (qd relay)
    #[arg(long, global = true)]
    pub(crate) insecure: bool,
    /// Print results and errors as JSON, one value per line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// When to use colours
    #[arg(long, global = true, value_name = "WHEN")]
    pub(crate) color: Option<ColorChoice>,
    /// Key that begins a command while attached: ctrl-], ctrl-a, …
    #[arg(long, global = true, value_name = "KEY")]
    pub(crate) detach_key: Option<PrefixKey>,
}

/// Where errors go that come before the configuration file was read.
pub(crate) fn early_output(typed: &GlobalArgs, environment: &Environment) -> Output {
    settings::output(typed, environment, &FileConfig::default())
}

/// What holders' zygote needs of the relay's environment; the rest may hold secrets.
pub(crate) fn holder_environment() -> Vec<(std::ffi::OsString, std::ffi::OsString)> {
    let kept = ["PATH", "XDG_RUNTIME_DIR"];
    kept.iter().filter_map(|name| Some(((*name).into(), std::env::var_os(name)?))).collect()
}

/// What a holder's zygote must know of its surroundings; reads two variables and nothing else, since
/// the process is to stay small.
pub(crate) fn holder_surroundings() -> quarterdeck_holder::launch::Surroundings {
    quarterdeck_holder::launch::Surroundings {
        runtime_directory: std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from),
        busctl: "busctl".into(),
    }
}
