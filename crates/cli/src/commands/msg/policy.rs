//! `qd msg policy`, `deliver` and `discard`.

use std::time::Duration;

use quarterdeck_protocol::method::{
    MailDecide, MailDecideParams, MailDecision, MailPolicy, MailPolicyParams, Unaddressed,
};

use super::{Caller, text};
use crate::{Exit, error::CliError, output::time::parse_duration};

/// Flags of `qd msg policy`.
#[derive(Debug, clap::Args)]
pub(super) struct PolicyArgs {
    /// What is done with mail that names no session
    #[arg(long, value_name = "WHAT")]
    unaddressed: Option<UnaddressedWord>,
    /// Which session is primary while it lives [default: the first one]
    #[arg(long, value_name = "LABEL", conflicts_with = "no_primary")]
    primary: Option<String>,
    /// No session is made primary
    #[arg(long)]
    no_primary: bool,
    /// How long mail waits for its session
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    hold: Option<Duration>,
}

/// What is done with mail that names no session.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum UnaddressedWord {
    /// The primary session gets it
    Primary,
    /// All live sessions get it
    Broadcast,
    /// It waits until you decide
    Hold,
    /// It goes nowhere; its sender is told
    Drop,
}

impl From<UnaddressedWord> for Unaddressed {
    fn from(word: UnaddressedWord) -> Self {
        match word {
            UnaddressedWord::Primary => Self::Primary,
            UnaddressedWord::Broadcast => Self::Broadcast,
            UnaddressedWord::Hold => Self::Hold,
            UnaddressedWord::Drop => Self::Drop,
        }
    }
}

impl Caller<'_> {
    pub(super) async fn policy(&self, args: PolicyArgs) -> Result<Exit, CliError> {
        let params = MailPolicyParams {
            identity: self.identity.clone(),
            unaddressed: args.unaddressed.map(Unaddressed::from),
            primary: if args.no_primary { Some(String::new()) } else { args.primary },
            hold_s: args.hold.map(|hold| hold.as_secs()),
        };
        let found = self.connection.call::<MailPolicy>(&params, None).await?;
        self.settings.output.result(&found, |_| text::policy(&found))?;
        Ok(Exit::OK)
    }

    pub(super) async fn decide_message(
        &self,
        message: &str,
        decision: MailDecision,
    ) -> Result<Exit, CliError> {
        let number = message.strip_prefix('#').unwrap_or(message).parse();
        let number = number.map_err(|_| {
            CliError::usage("a message has a number here, such as '#12'")
                .hint("see what is held: qd msg inbox --all --peek")
        })?;
        let params = MailDecideParams { identity: self.identity.clone(), number, decision };
        let done = self.connection.call::<MailDecide>(&params, None).await?;
        self.settings.output.result(&done, |_| match decision {
            MailDecision::Deliver => format!("#{number} goes to its session\n"),
            MailDecision::Discard => format!("#{number} is discarded; its sender is told\n"),
        })?;
        Ok(Exit::OK)
    }
}
