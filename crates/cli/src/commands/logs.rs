//! `qd logs`.
use crate::{Exit, config::Settings, error::CliError};
#[derive(Debug, clap::Args)]
pub(crate) struct LogsArgs {}
pub(crate) async fn run(settings: &Settings, args: &LogsArgs) -> Result<Exit, CliError> {
    let _ = (settings, args);
    std::future::ready(()).await;
    Ok(Exit::OK)
}
