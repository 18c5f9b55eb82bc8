//! `qd doctor`.
use crate::{Exit, config::Settings, error::CliError};
#[derive(Debug, clap::Args)]
pub(crate) struct DoctorArgs {}
pub(crate) async fn run(settings: &Settings) -> Result<Exit, CliError> {
    let _ = settings;
    std::future::ready(()).await;
    Ok(Exit::OK)
}
