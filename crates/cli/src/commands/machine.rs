//! `qd machine`: the machines of the hub.

mod install;

use quarterdeck_protocol::{
    ids::MachineLabel,
    method::{
        Empty, MachineAccess, MachineAdd, MachineAddParams, MachineConnect, MachineDisconnect,
        MachineInfo, MachineInvite, MachineInviteParams, MachineList, MachineParams, MachineRemove,
        MachineRename, MachineRenameParams, MachineState, MachineUpdate, MachineUpdateParams,
    },
    scope::Scopes,
};

use crate::{
    Exit,
    addressing::only_here,
    commands::{line, relay::invitation_note},
    config::{Settings, Target, TokenSource},
    connection::{Connection, Missing},
    error::CliError,
    output::{
        escape::plain,
        style::Styles,
        table::{Cell, Table},
        time::{ago, now_micros},
    },
};

/// What to do about machines.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum MachineCommand {
    /// List the machines
    Ls,
    /// Add one: by the line of `qd relay pair` there, or by an address
    Add(AddArgs),
    /// Print a one-use line by which a machine joins that cannot be reached: qd join
    Invite {
        /// Its name [default: its host's]
        #[arg(long)]
        label: Option<MachineLabel>,
        /// HOST:PORT by which it reaches this hub [default: where it listens]
        #[arg(long, value_name = "HOST:PORT")]
        address: Option<String>,
    },
    /// Forget one; its sessions live on
    Rm {
        /// Which machine
        machine: String,
    },
    /// Change its name
    Rename {
        /// Which machine
        machine: String,
        /// The new name
        label: MachineLabel,
    },
    /// Change how it is reached; what is not named stays
    Set(SetArgs),
    /// Link it now, and by itself from now on
    Connect {
        /// Which machine
        machine: String,
    },
    /// Unlink it until it is connected again
    Disconnect {
        /// Which machine
        machine: String,
    },
}

/// Flags of `qd machine set`.
#[derive(Debug, clap::Args)]
pub(crate) struct SetArgs {
    /// Which machine
    machine: String,
    /// Link it by itself when the hub starts; the link that is there stays as it is
    #[arg(long, value_name = "YES|NO", value_enum)]
    auto_connect: Option<YesNo>,
    /// Its certificate has this key from now on
    #[arg(long, value_name = "PIN")]
    machine_pin: Option<String>,
    /// File with another bearer token of that relay, - for standard input
    #[arg(long, value_name = "FILE")]
    machine_token: Option<std::path::PathBuf>,
}

impl SetArgs {
    fn params(self) -> Result<MachineUpdateParams, CliError> {
        let read = |file| TokenSource::from_path(file).read();
        let token = self.machine_token.map(read).transpose()?;
        Ok(MachineUpdateParams {
            machine: self.machine,
            auto_connect: self.auto_connect.map(|it| it == YesNo::Yes),
            pin: self.machine_pin,
            token: token.map(|token| token.to_text().as_str().to_owned()),
        })
    }
}

/// A choice that is said in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum YesNo {
    /// It is so
    Yes,
    /// It is not so
    No,
}

/// Flags of `qd machine add`.
#[derive(Debug, clap::Args)]
pub(crate) struct AddArgs {
    /// ssh://[USER@]HOST, or wss://HOST:PORT with a token; without it a pairing line is read from
    /// standard input
    #[arg(value_name = "ADDRESS")]
    address: Option<String>,
    /// Its name [default: its host's]
    #[arg(long)]
    label: Option<MachineLabel>,
    /// For wss://: file with a bearer token of that relay, - for standard input
    #[arg(long, value_name = "FILE", requires = "address")]
    machine_token: Option<std::path::PathBuf>,
    /// For wss://: its certificate must have this key
    #[arg(long, value_name = "PIN", requires = "machine_token")]
    machine_pin: Option<String>,
    /// For ssh://: copy this program to ~/.local/bin/qd there first
    #[arg(long, requires = "address")]
    install: bool,
    /// Keep it although it cannot be reached now
    #[arg(long, requires = "address")]
    offline: bool,
}

impl AddArgs {
    fn params(self) -> Result<MachineAddParams, CliError> {
        let access = match (self.address, self.machine_token) {
            (None, _) => {
                let line = line::read("the line that qd relay pair printed on that machine")?;
                MachineAccess::Line { line }
            }
            (Some(url), None) if url.starts_with("ssh://") => MachineAccess::Ssh { url },
            (Some(url), Some(file)) => {
                let token = TokenSource::from_path(file).read()?;
                let token = token.to_text().as_str().to_owned();
                MachineAccess::Token { url, token, pin: self.machine_pin }
            }
            (Some(_), None) => {
                return Err(CliError::usage("that address needs a token: --machine-token FILE")
                    .hint("or pair: qd relay pair there, and qd machine add here with its line"));
            }
        };
        Ok(MachineAddParams { label: self.label, access, offline: self.offline })
    }
}

/// Lists or changes machines.
pub(crate) async fn run(settings: &Settings, command: MachineCommand) -> Result<Exit, CliError> {
    only_here(settings, "qd machine")?;
    let output = settings.output;
    let show = |machine: &MachineInfo| {
        output.result(machine, |styles| table(std::slice::from_ref(machine), now_micros(), styles))
    };
    match command {
        MachineCommand::Ls => {
            let list = open(settings).await?.call::<MachineList>(&Empty {}, None).await?;
            output.result(&list, |styles| table(&list.machines, now_micros(), styles))?;
        }
        MachineCommand::Add(args) => {
            if let (true, Some(address)) = (args.install, &args.address) {
                output.note(&format!("installed {}", install::run(address).await?));
            }
            // read before anything is dialled: a person may take a while
            let params = args.params()?;
            show(&open(settings).await?.call::<MachineAdd>(&params, None).await?.machine)?;
        }
        MachineCommand::Invite { label, address } => {
            let params = MachineInviteParams { label, address };
            let made = open(settings).await?.call::<MachineInvite>(&params, None).await?;
            output.note(&invitation_note(&made, "qd join"));
            output.result(&made, |_| format!("{}\n", plain(&made.line)))?;
        }
        MachineCommand::Rm { machine } => {
            let params = MachineParams { machine };
            open(settings).await?.call::<MachineRemove>(&params, None).await?;
        }
        MachineCommand::Rename { machine, label } => {
            let params = MachineRenameParams { machine, label };
            show(&open(settings).await?.call::<MachineRename>(&params, None).await?.machine)?;
        }
        MachineCommand::Set(args) => {
            let params = args.params()?;
            show(&open(settings).await?.call::<MachineUpdate>(&params, None).await?.machine)?;
        }
        MachineCommand::Connect { machine } => {
            let params = MachineParams { machine };
            show(&open(settings).await?.call::<MachineConnect>(&params, None).await?.machine)?;
        }
        MachineCommand::Disconnect { machine } => {
            let params = MachineParams { machine };
            show(&open(settings).await?.call::<MachineDisconnect>(&params, None).await?.machine)?;
        }
    }
    Ok(Exit::OK)
}

/// The hub that is meant: the instance's own, or one that a URL names.
async fn open(settings: &Settings) -> Result<Connection, CliError> {
    match settings.target {
        Target::Hub | Target::Remote(_) => Connection::open(settings, Missing::Fail).await,
        Target::Local => Connection::open(&settings.at_hub(), Missing::Fail).await,
    }
}

fn table(machines: &[MachineInfo], now: u64, styles: Styles) -> String {
    let head = ["MACHINE", "LINK", "RUNNING", "PROMPTS", "ADDRESS", "VERSION", "SEEN"];
    let mut table = Table::new(head);
    for machine in machines {
        let address = match (&machine.url, machine.local) {
            (Some(url), _) => plain(url),
            (None, true) => "this machine".to_owned(),
            (None, false) => "it dials".to_owned(),
        };
        let seen = match (&machine.state, machine.unreachable_since) {
            (MachineState::Connected, _) => "now".to_owned(),
            (_, Some(since)) => ago(since, now),
            (_, None) => "never".to_owned(),
        };
        table.push([
            plain(machine.label.as_str()).into(),
            link_cell(machine, now, styles),
            machine.live.to_string().into(),
            machine.prompts.to_string().into(),
            address.into(),
            machine.relay.as_ref().map_or_else(|| "-".to_owned(), |it| plain(&it.version)).into(),
            seen.into(),
        ]);
    }
    table.render(None, styles)
}

fn link_cell(machine: &MachineInfo, now: u64, styles: Styles) -> Cell {
    let mail_only = machine.relay.as_ref().is_some_and(|relay| relay.scopes == Scopes::NONE);
    match &machine.state {
        MachineState::Connected if mail_only => {
            Cell::styled("connected, for mail only", styles.good)
        }
        MachineState::Connected => Cell::styled("connected", styles.good),
        MachineState::Connecting => Cell::styled("connecting", styles.warn),
        MachineState::Disconnected => Cell::styled("disconnected", styles.dim),
        MachineState::Awaited => Cell::styled("awaited", styles.warn),
        MachineState::Reconnecting { at, why } => {
            let seconds = at.saturating_sub(now).div_ceil(1_000_000);
            let why = why.as_deref().map(|why| format!(": {}", plain(why))).unwrap_or_default();
            Cell::styled(format!("reconnecting in {seconds} s{why}"), styles.warn)
        }
        MachineState::Refused { why } => {
            Cell::styled(format!("refused: {}", plain(why)), styles.error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarterdeck_protocol::ids::MachineId;

    fn machine(label: &str, state: MachineState) -> MachineInfo {
        MachineInfo {
            machine: MachineId::from_bytes([1; 8]),
            label: label.parse().expect("a label"),
            url: None,
            way: None,
            relay_id: None,
            local: label == "desk",
            auto_connect: true,
            state,
            unreachable_since: None,
            relay: None,
            pin: None,
            live: 2,
            prompts: 1,
        }
    }

    #[test]
    fn each_link_says_where_it_is_and_why() {
        let why = Some("nothing listens there".to_owned());
        let machines = [
            machine("desk", MachineState::Connected),
            machine("dev", MachineState::Reconnecting { at: 7_200_000, why }),
            machine("nat", MachineState::Awaited),
            machine("old", MachineState::Refused { why: "another key".into() }),
        ];
        let text = table(&machines, 5_000_000, Styles::PLAIN);
        insta::assert_snapshot!(text, @r"
        MACHINE  LINK                                        RUNNING  PROMPTS  ADDRESS       VERSION  SEEN
        desk     connected                                   2        1        this machine  -        now
        dev      reconnecting in 3 s: nothing listens there  2        1        it dials      -        never
        nat      awaited                                     2        1        it dials      -        never
        old      refused: another key                        2        1        it dials      -        never
        ");
    }
}
