//! `qd relay pair|hubs|forget`: who may be a hub of this relay.

use quarterdeck_protocol::{
    method::{
        Empty, HubInfo, HubNameParams, HubTerms, PairingInvite, PairingInviteParams,
        PairingInviteResult, PairingList, PairingRevoke,
    },
    scope::{Scope, Scopes},
};

use crate::{
    Exit,
    config::Settings,
    connection::{Connection, Missing},
    error::CliError,
    output::{
        escape::plain,
        style::Styles,
        table::Table,
        time::{ago, now_micros},
    },
};

/// Microseconds in a second.
const MICROS: u64 = 1_000_000;

/// What to do about hubs.
#[derive(Debug, clap::Subcommand)]
pub(super) enum HubsCommand {
    /// Print a one-use line by which a hub adds this relay
    Pair {
        #[command(flatten)]
        terms: TermsArgs,
        /// HOST:PORT by which the hub reaches this relay [default: where it listens]
        #[arg(long, value_name = "HOST:PORT")]
        address: Option<String>,
    },
    /// List the hubs that are paired with this relay
    Hubs,
    /// End the pairing with a hub at once
    Forget {
        /// Its name or id
        #[arg(id = "which", value_name = "HUB")]
        hub: String,
    },
}

/// What a hub may do here.
#[derive(Debug, clap::Args)]
pub(crate) struct TermsArgs {
    /// The hub's name here [default: hub and a number]
    #[arg(long)]
    name: Option<String>,
    /// What it and its users may do at most
    #[arg(long, value_name = "SCOPES", value_delimiter = ',', default_values = ["read", "answer", "create", "drive"])]
    scope: Vec<Scope>,
    /// It carries mail, and neither sees nor does anything else: for another person's hub
    #[arg(long, conflicts_with = "scope")]
    mail_only: bool,
    /// Do not take its word for who its users are: all of them are the hub
    #[arg(long)]
    no_delegate: bool,
}

impl TermsArgs {
    /// As the wire has them.
    pub(crate) fn terms(self) -> HubTerms {
        let scopes = if self.mail_only { Scopes::NONE } else { self.scope.into_iter().collect() };
        HubTerms { name: self.name, scopes, delegate: !self.no_delegate }
    }
}

/// Prints a line, lists hubs or forgets one.
pub(super) async fn run(settings: &Settings, command: HubsCommand) -> Result<Exit, CliError> {
    let connection = Connection::open(settings, Missing::StartForSessions).await?;
    match command {
        HubsCommand::Pair { terms, address } => {
            let params = PairingInviteParams { terms: terms.terms(), address };
            let made = connection.call::<PairingInvite>(&params, None).await?;
            settings.output.note(&invitation_note(&made, "qd machine add"));
            settings.output.result(&made, |_| format!("{}\n", plain(&made.line)))?;
        }
        HubsCommand::Hubs => {
            let list = connection.call::<PairingList>(&Empty {}, None).await?;
            if list.hubs.is_empty() {
                settings.output.note("no hub is paired; pair one: qd relay pair, or qd join");
            }
            let now = now_micros();
            settings.output.result(&list, |styles| table(&list.hubs, now, styles))?;
        }
        HubsCommand::Forget { hub } => {
            connection.call::<PairingRevoke>(&HubNameParams { hub }, None).await?;
        }
    }
    Ok(Exit::OK)
}

/// What is said beside a pairing line.
pub(crate) fn invitation_note(made: &PairingInviteResult, command: &str) -> String {
    let minutes = made.expires_in_s / 60;
    format!("good once, for {minutes} minutes; give it to: {command} (it asks for the line)")
}

fn table(hubs: &[HubInfo], now: u64, styles: Styles) -> String {
    if hubs.is_empty() {
        return String::new();
    }
    let mut table = Table::new(["NAME", "SCOPES", "USERS", "LINKS", "DIALLED AT", "USED", "ID"]);
    for hub in hubs {
        let scopes: Vec<_> = hub.scopes.iter().map(Scope::word).collect();
        let used = hub.last_used_at.map_or_else(|| "never".to_owned(), |at| ago(at * MICROS, now));
        let dial = hub.dial.as_deref().map_or_else(|| "-".to_owned(), plain);
        let dial = match &hub.trouble {
            Some(trouble) => format!("{dial} ({})", plain(trouble)),
            None => dial,
        };
        table.push([
            plain(&hub.name).into(),
            if scopes.is_empty() { "mail only".to_owned() } else { scopes.join(",") }.into(),
            if hub.delegate { "by name" } else { "as the hub" }.into(),
            hub.links.to_string().into(),
            dial.into(),
            used.into(),
            hub.hub.to_string().into(),
        ]);
    }
    table.render(None, styles)
}
