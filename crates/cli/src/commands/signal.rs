//! `qd signal`: a signal for a session's program.

use quarterdeck_protocol::{
    holder::SignalTarget,
    method::{Empty, SessionSignal, SignalParams},
};

use crate::{
    Exit,
    config::Settings,
    connection::{Connection, Missing},
    error::CliError,
};

/// Flags of `qd signal`.
#[derive(Debug, clap::Args)]
pub(crate) struct SignalArgs {
    /// Which session
    pub(crate) session: String,
    /// INT, TERM, HUP, KILL, QUIT, USR1, USR2, STOP, CONT or WINCH
    signal: String,
    /// Who gets it
    #[arg(long, value_enum, default_value_t = To::Foreground)]
    to: To,
}

/// Who gets a signal.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum To {
    /// What ^C reaches: the terminal's foreground
    Foreground,
    /// The session's own program
    Program,
}

/// Sends a signal.
pub(crate) async fn run(settings: &Settings, args: &SignalArgs) -> Result<Exit, CliError> {
    let connection = Connection::open(settings, Missing::StartForSessions).await?;
    let to = match args.to {
        To::Foreground => SignalTarget::Foreground,
        To::Program => SignalTarget::Program,
    };
    let params =
        SignalParams { session: args.session.clone(), signal: signal_word(&args.signal), to };
    connection.call::<SessionSignal>(&params, Some(&args.session)).await?;
    settings.output.result(&Empty {}, |_| String::new())?;
    Ok(Exit::OK)
}

/// `SIGINT` and `int` are `INT`; the relay knows which ones there are.
fn signal_word(typed: &str) -> String {
    let word = typed.to_ascii_uppercase();
    word.strip_prefix("SIG").map_or_else(|| word.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_named_with_or_without_sig() {
        assert_eq!(["SIGINT", "int", "Hup"].map(signal_word), ["INT", "INT", "HUP"]);
    }
}
