//! `qd down`: stop the relay. Its sessions live on.

use quarterdeck_protocol::method::{Empty, RelayShutdown, RelayStatus};

use crate::{
    Exit,
    config::Settings,
    connection::{Connection, Missing},
    error::{CliError, Kind},
};

/// Flags of `qd down`.
#[derive(Debug, clap::Args)]
pub(crate) struct DownArgs {}

/// Stops the relay.
pub(crate) async fn run(settings: &Settings) -> Result<Exit, CliError> {
    let connection = match Connection::open(settings, Missing::Fail).await {
        // that is what was wanted
        Err(error) if error.kind == Kind::Unreachable && settings.is_local() => {
            settings.output.note(&error.message);
            return Ok(Exit::OK);
        }
        other => other?,
    };
    let status = connection.call::<RelayStatus>(&Empty {}, None).await?;
    connection.call::<RelayShutdown>(&Empty {}, None).await?;
    settings.output.result(&status, |_| down_text(status.live))?;
    Ok(Exit::OK)
}

fn down_text(live: u32) -> String {
    match live {
        0 => "the relay stops; no session was running\n".to_owned(),
        1 => "the relay stops; 1 session lives on, and qd run or qd relay finds it again\n".into(),
        many => format!(
            "the relay stops; {many} sessions live on, and qd run or qd relay finds them again\n"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_how_many_live_on() {
        assert!(down_text(0).contains("no session"));
        assert!(down_text(1).contains("1 session lives on"));
        assert!(down_text(3).contains("3 sessions live on"));
    }
}
