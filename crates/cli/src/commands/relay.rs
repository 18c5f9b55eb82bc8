//! `qd relay`: serve this machine's sessions, in the foreground, in the background, or as a pipe to
//! the one that does.

mod hubs;
mod pipe;
mod words;

pub(crate) use hubs::{TermsArgs, invitation_note};

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    str::FromStr,
};

use clap::Parser as _;
use quarterdeck_access::instance::RelayRecord;
use quarterdeck_protocol::{
    dialect::{Dialect, UnknownDialect},
    method::{Empty, RelayStatus, RelayStatusResult},
};
use quarterdeck_relay::{RelayError, RelayOptions, config::DialectConfig, options::ZygoteCommand};
use quarterdeck_transport::server::{Listen, ListenError, Security};
use tokio_util::sync::CancellationToken;

use crate::{
    Exit,
    background::{self, Started},
    commands::daemon::{self, log},
    config::{Settings, relay_config},
    connection::{Connection, Missing},
    error::{CliError, Kind},
    sys,
};

/// The first word of the command that becomes the holders' zygote.
pub(crate) const ZYGOTE_WORD: &str = "holder-zygote";

/// Flags of `qd relay`.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("network").multiple(true), args_conflicts_with_subcommands = true)]
pub(crate) struct RelayArgs {
    #[command(subcommand)]
    hubs: Option<hubs::HubsCommand>,
    /// Serve this address too, with TLS: 127.0.0.1:7717, [::]:7717 (port 0 = a free one)
    #[arg(long, value_name = "ADDR", conflicts_with = "stdio", group = "network")]
    listen: Option<SocketAddr>,
    /// Serve another program's protocol at an address of its own: agor=127.0.0.1:9750
    #[arg(long, value_name = "DIALECT=ADDR", conflicts_with = "stdio", group = "network")]
    dialect: Vec<DialectAddress>,
    /// Certificate chain for it (PEM) instead of the relay's own
    #[arg(long, value_name = "FILE", requires = "key", requires = "network")]
    cert: Option<PathBuf>,
    /// Private key of --cert (PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Only clients with a certificate of these authorities (PEM)
    #[arg(long, value_name = "FILE", requires = "network")]
    client_ca: Option<PathBuf>,
    /// Be a pipe between the standard streams and the relay, which is started when none runs
    #[arg(long, conflicts_with = "background")]
    stdio: bool,
    /// Start it in the background and return when it serves
    #[arg(short, long)]
    background: bool,
    /// Stop the relay that runs and serve its sessions on, at its addresses unless others are given
    #[arg(long, conflicts_with = "stdio")]
    replace: bool,
    /// Started in the background: report readiness on standard output
    #[arg(long, hide = true, conflicts_with_all = ["background", "stdio"])]
    as_daemon: bool,
    /// Where its starter was
    #[arg(long, hide = true, value_name = "DIR", requires = "as_daemon")]
    started_in: Option<PathBuf>,
    /// The global flag, or that of the relay before.
    #[arg(skip)]
    insecure: bool,
}

impl RelayArgs {
    /// Whether this process is the relay.
    pub(crate) const fn serves(&self) -> bool {
        !self.stdio && !self.background && self.hubs.is_none()
    }

    /// Every address that is served, and what is spoken there.
    fn addresses(&mut self) -> impl Iterator<Item = (&mut SocketAddr, Option<Dialect>)> {
        let dialects = self.dialect.iter_mut().map(|it| (&mut it.address, Some(it.dialect)));
        self.listen.iter_mut().map(|address| (address, None)).chain(dialects)
    }
}

/// Serves, starts or reaches the relay.
pub(crate) async fn run(settings: &Settings, args: RelayArgs) -> Result<Exit, CliError> {
    if let Some(command) = args.hubs {
        return hubs::run(settings, command).await;
    }
    if !settings.is_local() {
        return Err(CliError::usage("a relay serves this machine; --url names another one"));
    }
    if args.stdio {
        return pipe::run(settings).await;
    }
    let args = RelayArgs { insecure: settings.insecure, ..args };
    let args = if args.replace { replace(settings, args).await? } else { args };
    if args.background {
        return start(settings, &args).await;
    }
    let daemon = args.as_daemon;
    if daemon {
        sys::leave_terminal();
    }
    let ended = serve(settings, args).await;
    match ended {
        // the starter says it; the log is for a relay that ran
        Err(error) if daemon => {
            daemon::report_failure(settings.output, &error)?;
            Ok(Exit::code(error.kind.exit_code()))
        }
        other => other,
    }
}

/// Stops the relay that runs. The next one gets its flags and addresses where none were given.
async fn replace(settings: &Settings, args: RelayArgs) -> Result<RelayArgs, CliError> {
    let record = RelayRecord::read(&settings.directory).ok().flatten();
    super::down::stop(settings).await?;
    if args.listen.is_some() || !args.dialect.is_empty() {
        return Ok(args);
    }
    let Some(RelayRecord { flags, listening, .. }) = record else { return Ok(args) };
    let words = ["relay".to_owned()].into_iter().chain(flags);
    // flags that this version does not know are not worth staying down for
    let Ok(RelayFlags { insecure, mut relay }) = RelayFlags::try_parse_from(words) else {
        settings.output.note("the flags of the relay before are not known to this version");
        return Ok(args);
    };
    for (address, wire) in relay.addresses() {
        let prefix = wire.map(|dialect| format!("{dialect}+")).unwrap_or_default();
        let bound = listening.iter().find_map(|url| {
            let url = url.strip_prefix(&prefix)?;
            url.strip_prefix("wss://").or_else(|| url.strip_prefix("ws://"))?.parse().ok()
        });
        // a free port was asked for: clients know the one that was found
        if address.port() == 0 {
            *address = bound.unwrap_or(*address);
        }
    }
    let insecure = insecure || args.insecure;
    Ok(RelayArgs { background: args.background, as_daemon: args.as_daemon, insecure, ..relay })
}

/// The flags of a relay by themselves.
#[derive(Debug, clap::Parser)]
struct RelayFlags {
    #[arg(long)]
    insecure: bool,
    #[command(flatten)]
    relay: RelayArgs,
}

async fn start(settings: &Settings, args: &RelayArgs) -> Result<Exit, CliError> {
    let status = match background::start(settings, &flags(settings, args)?).await? {
        Started::Ready(status) => *status,
        Started::AlreadyRunning if args.listen.is_some() || !args.dialect.is_empty() => {
            return Err(already_running(settings));
        }
        Started::AlreadyRunning => {
            let connection = Connection::open(settings, Missing::Fail).await?;
            connection.call::<RelayStatus>(&Empty {}, None).await?
        }
    };
    settings.output.result(&status, |styles| words::serving(&status, styles))?;
    Ok(Exit::OK)
}

/// The flags again, for the process that serves. Paths are absolute: it runs elsewhere.
fn flags(settings: &Settings, args: &RelayArgs) -> Result<Vec<String>, CliError> {
    let mut flags = Vec::new();
    if let Some(listen) = args.listen {
        flags.extend(["--listen".to_owned(), listen.to_string()]);
    }
    for DialectAddress { dialect, address } in &args.dialect {
        flags.extend(["--dialect".to_owned(), format!("{dialect}={address}")]);
    }
    let files = [("--cert", &args.cert), ("--key", &args.key), ("--client-ca", &args.client_ca)];
    for (flag, path) in files {
        let Some(path) = path else { continue };
        let here = settings.environment.current_dir();
        let path = here.map_or_else(|| path.clone(), |here| here.join(path));
        let text = path.to_str().ok_or_else(|| {
            CliError::usage(format!("{flag}: the path {} is not UTF-8", path.display()))
        })?;
        flags.extend([flag.to_owned(), text.to_owned()]);
    }
    if args.insecure {
        flags.push("--insecure".to_owned());
    }
    Ok(flags)
}

async fn serve(settings: &Settings, args: RelayArgs) -> Result<Exit, CliError> {
    let daemon = args.as_daemon;
    let options = options(settings, args)?;
    let place = if daemon {
        log::Place::File(settings.directory.diagnostics())
    } else {
        log::Place::StandardError
    };
    log::begin(settings, place);
    let shutdown = CancellationToken::new();
    let signals = daemon::wait_for_signal()?;
    let output = settings.output;
    let ready = move |status: &RelayStatusResult| {
        // a starter that has gone, or a closed standard output, does not stop a relay
        let _ = if daemon {
            daemon::report_ready(output, status)
        } else {
            output.result(status, |styles| words::serving(status, styles))
        };
    };
    let stop = shutdown.clone();
    let serving = quarterdeck_relay::run(options, shutdown, ready);
    tokio::pin!(serving);
    let ended = tokio::select! {
        ended = &mut serving => ended,
        () = signals => {
            stop.cancel();
            serving.await
        }
    };
    ended.map(|()| Exit::OK).map_err(|error| failed(&error, settings))
}

fn options(settings: &Settings, args: RelayArgs) -> Result<RelayOptions, CliError> {
    let flags = flags(settings, &args)?;
    let program = std::env::current_exe().map_err(|error| {
        CliError::new(Kind::Failed, "this program's own file cannot be found").caused_by(&error)
    })?;
    let RelayArgs { listen, dialect, cert, key, client_ca, started_in, insecure, .. } = args;
    let security = match (cert.zip(key), insecure) {
        (Some(_), true) => return Err(CliError::usage("--insecure and --cert exclude each other")),
        (None, true) => Security::Insecure,
        (Some((cert, key)), false) => Security::Certificate { cert, key, client_ca },
        (None, false) => Security::OwnCertificate { client_ca },
    };
    let config = relay_config(&settings.directory)?;
    let has_hooks = !config.hooks.to.is_empty();
    let dialects = dialects(&dialect, &config.dialects, &security);
    let mail_tools = mail_tools(settings, &program);
    // one that is not understood stops no relay which may need none
    let way_out = settings.environment.proxy().ok().flatten();
    Ok(RelayOptions {
        directory: settings.directory.clone(),
        listen: listen.map(|address| Listen { address, security }),
        dialects,
        config,
        // nothing else of a relay goes out by HTTP
        proxy: if has_hooks { settings.environment.proxy()? } else { way_out },
        credentials: settings.environment.var("CREDENTIALS_DIRECTORY").map(PathBuf::from),
        started_in: started_in.or_else(|| settings.environment.current_dir().map(Into::into)),
        announcements: settings.announcements.clone(),
        flags,
        zygote: ZygoteCommand {
            program,
            args: vec![ZYGOTE_WORD.into()],
            env: crate::config::holder_environment(),
        },
        mail_tools,
    })
}

/// `qd mcp` for this instance, whatever environment an agent gives to what it starts. None when a path is
/// no text: agents take nothing else.
fn mail_tools(settings: &Settings, program: &Path) -> Vec<String> {
    let words = [
        program.to_str(),
        Some("--base-dir"),
        settings.base.to_str(),
        Some("--instance"),
        Some(settings.directory.name().as_str()),
        Some("mcp"),
    ];
    words.into_iter().map(|word| word.map(str::to_owned)).collect::<Option<_>>().unwrap_or_default()
}

/// A dialect and where it is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct DialectAddress {
    dialect: Dialect,
    address: SocketAddr,
}

/// A text that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum BadDialectAddress {
    /// No `=` in it.
    #[error("it is written DIALECT=ADDR: agor=127.0.0.1:9750")]
    Form,
    /// What stands before the `=`.
    #[error(transparent)]
    Dialect(#[from] UnknownDialect),
    /// What stands after it.
    #[error("\"{0}\" is no address with a port: 127.0.0.1:9750, [::1]:9750")]
    Address(String),
}

impl FromStr for DialectAddress {
    type Err = BadDialectAddress;
    fn from_str(text: &str) -> Result<Self, BadDialectAddress> {
        let (dialect, address) = text.split_once('=').ok_or(BadDialectAddress::Form)?;
        let no_address = |_| BadDialectAddress::Address(address.to_owned());
        Ok(Self { dialect: dialect.parse()?, address: address.parse().map_err(no_address)? })
    }
}

/// The dialects' listeners: those of the flags, and those of the file that no flag speaks of. Other
/// programs may know no pins, so on loopback there is no TLS unless a certificate is named.
fn dialects(
    flags: &[DialectAddress],
    file: &BTreeMap<Dialect, DialectConfig>,
    security: &Security,
) -> Vec<(Dialect, Listen)> {
    let flagged = |dialect: &Dialect| flags.iter().any(|flag| flag.dialect == *dialect);
    let filed = file.iter().filter(|(dialect, _)| !flagged(dialect));
    let filed = filed.filter_map(|(&dialect, config)| {
        config.listen.map(|address| DialectAddress { dialect, address })
    });
    let all = flags.iter().copied().chain(filed);
    all.map(|DialectAddress { dialect, address }| {
        let own = matches!(security, Security::OwnCertificate { client_ca: None });
        let security = if own && address.ip().to_canonical().is_loopback() {
            Security::PlainLoopback
        } else {
            security.clone()
        };
        (dialect, Listen { address, security })
    })
    .collect()
}

fn failed(error: &RelayError, settings: &Settings) -> CliError {
    match error {
        RelayError::AlreadyRunning { .. } => already_running(settings).caused_by(error),
        RelayError::Listen(ListenError::Bind { .. }) => {
            CliError::new(Kind::Failed, "the relay cannot start")
                .caused_by(error)
                .hint("another program may use that address; choose another port, or 0")
        }
        RelayError::Listen(ListenError::PlainOffLoopback(_)) => {
            CliError::usage("the relay does not start")
                .caused_by(error)
                .hint("leave --insecure out, or listen on 127.0.0.1")
        }
        RelayError::Config(_) => CliError::usage("the relay does not start")
            .caused_by(error)
            .hint(format!("correct {}", settings.directory.config().display())),
        RelayError::Storage { .. }
        | RelayError::Pairings(_)
        | RelayError::Files(_)
        | RelayError::Tokens(_)
        | RelayError::Listen(ListenError::Tls(_))
        | RelayError::Zygote(_) => CliError::new(Kind::Failed, "the relay cannot start")
            .caused_by(error)
            .hint("see what is wrong: qd doctor"),
    }
}

fn already_running(settings: &Settings) -> CliError {
    let instance = settings.directory.name();
    CliError::new(Kind::AlreadyRunning, format!("instance {instance} has a running relay"))
        .hint("see it: qd status; stop it: qd down; another one beside it: --instance NAME")
}

/// The process that holders are forked from. Nothing has happened in it before.
pub(crate) fn holder_zygote() -> ExitCode {
    let surroundings = crate::config::holder_surroundings();
    let ended = quarterdeck_holder::zygote::run(&std::io::stdin(), &surroundings);
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<DialectAddress, BadDialectAddress> {
        text.parse()
    }

    #[test]
    fn a_dialect_is_named_with_its_address() {
        let (dialect, address) = (Dialect::Agor, "[::1]:9750".parse().expect("an address"));
        assert_eq!(parse("agor=[::1]:9750"), Ok(DialectAddress { dialect, address }));
        assert_eq!(parse("agor"), Err(BadDialectAddress::Form));
        assert!(matches!(parse("klingon=127.0.0.1:1"), Err(BadDialectAddress::Dialect(_))));
        assert_eq!(parse("agor=9750"), Err(BadDialectAddress::Address("9750".into())));
    }

    #[test]
    fn a_flag_replaces_the_file_and_only_loopback_is_plain() {
        let listen = Some("127.0.0.1:1".parse().expect("an address"));
        let file =
            BTreeMap::from([(Dialect::Agor, DialectConfig { listen, ..DialectConfig::default() })]);
        let own = Security::OwnCertificate { client_ca: None };
        let check = |flags: &[&str], security: &Security| {
            let flags: Vec<_> = flags.iter().map(|flag| parse(flag).expect("parses")).collect();
            let listens = dialects(&flags, &file, security).into_iter().map(|(_, listen)| {
                let plain = matches!(listen.security, Security::PlainLoopback);
                (listen.address.to_string(), plain)
            });
            listens.collect::<Vec<_>>()
        };
        let listen = |address: &str, plain| (address.to_owned(), plain);
        assert_eq!(check(&[], &own), [listen("127.0.0.1:1", true)]);
        let both = ["agor=[::1]:2", "agor=192.0.2.1:3"];
        assert_eq!(check(&both, &own), [listen("[::1]:2", true), listen("192.0.2.1:3", false)]);
        let (cert, key) = ("c".into(), "k".into());
        let given = Security::Certificate { cert, key, client_ca: None };
        assert_eq!(check(&[], &given), [listen("127.0.0.1:1", false)]);
    }
}
