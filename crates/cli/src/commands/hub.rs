//! `qd hub`: only the hub, in the foreground or in the background.

mod beside;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use quarterdeck_hub::{HubError, HubOptions, error::StoreError, options::PublicUrl};
use quarterdeck_protocol::method::{Empty, HubStatus, HubStatusResult};
use quarterdeck_transport::server::{Listen, ListenError, Security};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::{
    Exit,
    addressing::only_here,
    background::{self, Started},
    commands::daemon::{self, log},
    config::{Settings, Target, relay_config},
    connection::{Connection, Missing},
    error::{CliError, Kind},
    output::{
        escape::plain,
        style::{Styles, paint},
    },
    sys,
};

/// Where a hub is found unless somebody says otherwise.
const DEFAULT_LISTEN: &str = "127.0.0.1:7718";

/// Flags of `qd hub`, which `qd up` has too.
#[derive(Debug, clap::Args)]
pub(crate) struct NetworkArgs {
    /// Where the hub listens (port 0 = a free one); without TLS on 127.0.0.1 and [::1] only
    #[arg(long, value_name = "ADDR", default_value = DEFAULT_LISTEN)]
    listen: SocketAddr,
    /// With TLS on loopback too, so that machines can join: qd machine invite
    #[arg(long)]
    tls: bool,
    /// Certificate chain (PEM) instead of the hub's own
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Private key of --cert (PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// HOST:PORT by which machines reach this hub, if that is not where it listens
    #[arg(long, value_name = "HOST:PORT")]
    public_address: Option<String>,
    /// Where people open the page, if that is not where the hub listens: behind a tunnel or a proxy
    #[arg(long, value_name = "URL")]
    public_url: Option<PublicUrl>,
    /// Authorities (PEM) for machines that are added by a token without a pin [default: the system's]
    #[arg(long, value_name = "FILE")]
    machine_ca: Option<PathBuf>,
}

impl NetworkArgs {
    /// For a hub that only this machine reaches, on whatever port is free.
    pub(crate) fn free_port() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            tls: false,
            cert: None,
            key: None,
            public_address: None,
            public_url: None,
            machine_ca: None,
        }
    }
}

/// Flags of `qd hub`.
#[derive(Debug, clap::Args)]
pub(crate) struct HubArgs {
    #[command(flatten)]
    network: NetworkArgs,
    /// Start it in the background and return when it serves
    #[arg(short, long)]
    background: bool,
    /// Started in the background: report readiness on standard output
    #[arg(long, hide = true, conflicts_with = "background")]
    as_daemon: bool,
}

/// Serves, or starts what serves.
pub(crate) async fn run(settings: &Settings, args: HubArgs) -> Result<Exit, CliError> {
    only_here(settings, "qd hub")?;
    if matches!(settings.target, Target::Remote(_)) {
        return Err(CliError::usage("a hub serves this machine; --url names another one"));
    }
    if args.background {
        let status = start(settings, &args.network).await?;
        settings.output.result(&status, |styles| words(&status, styles))?;
        return Ok(Exit::OK);
    }
    if args.as_daemon {
        sys::leave_terminal();
    }
    let mode = if args.as_daemon { Mode::Daemon } else { Mode::Foreground };
    match serve(settings, args.network, mode, None).await {
        // the starter says it; the log is for a hub that ran
        Err(error) if mode == Mode::Daemon => {
            daemon::report_failure(settings.output, &error)?;
            Ok(Exit::code(error.kind.exit_code()))
        }
        other => other,
    }
}

/// How a hub runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// For who looks.
    Foreground,
    /// For who waits on a pipe until it serves.
    Daemon,
}

/// Starts the hub in the background, unless one runs; what it says of itself.
pub(crate) async fn start(
    settings: &Settings,
    network: &NetworkArgs,
) -> Result<HubStatusResult, CliError> {
    let diagnostics = settings.directory.hub_diagnostics();
    let flags = flags(settings, network)?;
    match background::start_daemon(settings, "hub", &diagnostics, &flags).await? {
        Started::Ready(status) => Ok(*status),
        Started::AlreadyRunning => {
            let hub = Connection::open(&settings.at_hub(), Missing::Fail).await?;
            hub.call::<HubStatus>(&Empty {}, None).await
        }
    }
}

/// The flags again, for the process that serves. Paths are absolute: it runs elsewhere.
fn flags(settings: &Settings, network: &NetworkArgs) -> Result<Vec<String>, CliError> {
    let mut flags = vec!["--listen".to_owned(), network.listen.to_string()];
    let files =
        [("--cert", &network.cert), ("--key", &network.key), ("--machine-ca", &network.machine_ca)];
    for (flag, path) in files {
        let Some(path) = path else { continue };
        let here = settings.environment.current_dir();
        let path = here.map_or_else(|| path.clone(), |here| here.join(path));
        let text = path.to_str().ok_or_else(|| {
            CliError::usage(format!("{flag}: the path {} is not UTF-8", path.display()))
        })?;
        flags.extend([flag.to_owned(), text.to_owned()]);
    }
    if let Some(address) = &network.public_address {
        flags.extend(["--public-address".to_owned(), address.clone()]);
    }
    if let Some(url) = &network.public_url {
        flags.extend(["--public-url".to_owned(), url.origin().to_owned()]);
    }
    if network.tls {
        flags.push("--tls".to_owned());
    }
    if settings.insecure {
        flags.push("--insecure".to_owned());
    }
    Ok(flags)
}

/// Is the hub until somebody asks it to end. `tell` hears when it serves.
pub(crate) async fn serve(
    settings: &Settings,
    network: NetworkArgs,
    mode: Mode,
    tell: Option<oneshot::Sender<()>>,
) -> Result<Exit, CliError> {
    let options = options(settings, network)?;
    log::begin(
        settings,
        match mode {
            Mode::Daemon => log::Place::File(settings.directory.hub_diagnostics()),
            Mode::Foreground => log::Place::StandardError,
        },
    );
    let shutdown = CancellationToken::new();
    let signals = daemon::wait_for_signal()?;
    let output = settings.output;
    let ready = move |status: &HubStatusResult| {
        // a starter that has gone, or a closed standard output, does not stop a hub
        let _ = match mode {
            Mode::Daemon => daemon::report_ready(output, status),
            Mode::Foreground => output.result(status, |styles| words(status, styles)),
        };
        if let Some(tell) = tell {
            let _ = tell.send(());
        }
    };
    let stop = shutdown.clone();
    let serving = quarterdeck_hub::run(options, shutdown, ready);
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

fn options(settings: &Settings, network: NetworkArgs) -> Result<HubOptions, CliError> {
    let NetworkArgs { listen, tls, cert, key, public_address, public_url, machine_ca } = network;
    let loopback = listen.ip().to_canonical().is_loopback();
    let security = match (cert.zip(key), settings.insecure) {
        (Some(_), true) => return Err(CliError::usage("--insecure and --cert exclude each other")),
        (Some((cert, key)), false) => Security::Certificate { cert, key, client_ca: None },
        (None, true) => Security::Insecure,
        (None, false) if loopback && !tls => Security::PlainLoopback,
        (None, false) => Security::OwnCertificate { client_ca: None },
    };
    let hooks = relay_config(&settings.directory)?.hooks.check();
    let hooks = hooks.map_err(|error| CliError::usage("hooks").caused_by(&error))?;
    Ok(HubOptions {
        directory: settings.directory.clone(),
        listen: Some(Listen { address: listen, security }),
        public_address,
        public_url,
        proxy: settings.environment.proxy()?,
        authorities: machine_ca,
        hooks,
        assets: quarterdeck_assets::page(),
        instances: Some(Arc::new(beside::Beside(settings.clone()))),
    })
}

fn failed(error: &HubError, settings: &Settings) -> CliError {
    let cannot = || CliError::new(Kind::Failed, "the hub cannot start").caused_by(error);
    match error {
        HubError::Lock(quarterdeck_access::lock::LockError::Held { .. }) => {
            let instance = settings.directory.name();
            let message = format!("instance {instance} has a running hub");
            CliError::new(Kind::AlreadyRunning, message)
                .caused_by(error)
                .hint("see it: qd status; stop it: qd down; another one beside it: --instance NAME")
        }
        HubError::Listen(ListenError::Bind { .. }) => {
            cannot().hint("another program may use that address: --listen ADDR, or port 0")
        }
        HubError::Listen(ListenError::PlainOffLoopback(_)) => cannot().hint("leave --insecure out"),
        HubError::Store(StoreError::Newer { .. }) => {
            cannot().hint("install the newer version again, or use another instance")
        }
        HubError::Store(StoreError::Damaged { path, .. }) => cannot().hint(format!(
            "move {} away; relays and sessions are not touched by that",
            path.display()
        )),
        HubError::Store(_)
        | HubError::Lock(_)
        | HubError::Socket { .. }
        | HubError::Listen(ListenError::Tls(_))
        | HubError::Files(_)
        | HubError::Key(_)
        | HubError::Tokens(_) => cannot().hint("see what is wrong: qd doctor"),
    }
}

/// Where the hub is, and what to do with it.
pub(crate) fn words(status: &HubStatusResult, styles: Styles) -> String {
    let mut text = format!(
        "{} instance {} on {}\n",
        paint(styles.good, "hub"),
        plain(&status.instance),
        plain(&status.machine)
    );
    for address in &status.listening {
        let address = plain(address);
        let page = address.strip_prefix("ws://").map(|rest| format!("http://{rest}/"));
        let page =
            page.or_else(|| address.strip_prefix("wss://").map(|it| format!("https://{it}/")));
        text += &format!("  {}\n", page.unwrap_or(address));
    }
    if let Some(pin) = &status.pin {
        text += &format!("  pin {}\n", plain(pin));
    }
    text + "another machine: qd machine add ssh://HOST, or qd relay pair there and qd machine add here\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarterdeck_protocol::ids::HubId;

    #[test]
    fn a_hub_says_where_its_page_is_and_how_to_add_a_machine() {
        let status = HubStatusResult {
            hub: HubId::from_bytes([1; 16]),
            version: "0.1.0".into(),
            instance: "default".into(),
            machine: "desk".into(),
            pid: 1,
            started_at: 0,
            listening: vec!["unix:/run/hub.sock".into(), "ws://127.0.0.1:7718".into()],
            pin: None,
            machines: 1,
            connected: 1,
            clients: 0,
        };
        insta::assert_snapshot!(words(&status, Styles::PLAIN), @r"
        hub instance default on desk
          unix:/run/hub.sock
          http://127.0.0.1:7718/
        another machine: qd machine add ssh://HOST, or qd relay pair there and qd machine add here
        ");
    }
}
