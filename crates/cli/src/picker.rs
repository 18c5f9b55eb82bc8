//! `qd` alone.
use crate::{Exit, config::Settings, error::CliError};
pub(crate) async fn run(settings: &Settings) -> Result<Exit, CliError> {
    let _ = settings;
    std::future::ready(()).await;
    Ok(Exit::OK)
}
