//! `qd service`: this instance's daemons as services of the user's own service manager, so that they are
//! there after a reboot.

mod manager;
mod unit;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use quarterdeck_protocol::method::{Empty, RelayStatus};
use serde::Serialize;
use tokio::time::{sleep, timeout};

use crate::{
    Exit,
    addressing::only_here,
    config::{Settings, Target},
    connection::{Connection, Missing},
    error::{CliError, Kind},
};
use manager::{Manager, State};
use unit::{Daemon, Service};

/// How long a service's relay may take to serve.
const SERVE_LIMIT: Duration = Duration::from_secs(30);
/// How often it is asked meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Subcommands of `qd service`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum ServiceCommand {
    /// Write the service's file, and start it now and at every boot
    Install(InstallArgs),
    /// Stop the service and delete its file; sessions live on
    Uninstall(UninstallArgs),
    /// Show what is installed and whether it runs
    Status(StatusArgs),
    /// Print what the service has said
    Logs(LogsArgs),
}

/// Flags of `qd service install`.
#[derive(Debug, clap::Args)]
pub(crate) struct InstallArgs {
    /// The hub too
    #[arg(long)]
    hub: bool,
    /// Only print the files
    #[arg(long)]
    print: bool,
    /// The user's service manager [default: the system's own]
    #[arg(long, value_enum)]
    manager: Option<Manager>,
    /// Flags of `qd relay`, such as --listen ADDR
    #[arg(last = true, value_name = "FLAGS")]
    flags: Vec<String>,
}

/// Flags of `qd service uninstall`.
#[derive(Debug, clap::Args)]
pub(crate) struct UninstallArgs {
    /// The user's service manager [default: the system's own]
    #[arg(long, value_enum)]
    manager: Option<Manager>,
}

/// Flags of `qd service status`.
#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    /// The user's service manager [default: the system's own]
    #[arg(long, value_enum)]
    manager: Option<Manager>,
}

/// Flags of `qd service logs`.
#[derive(Debug, clap::Args)]
pub(crate) struct LogsArgs {
    /// The user's service manager [default: the system's own]
    #[arg(long, value_enum)]
    manager: Option<Manager>,
    /// Lines from the end
    #[arg(short = 'n', long, default_value_t = 100)]
    lines: u32,
    /// Go on with what is said from now on
    #[arg(short, long)]
    follow: bool,
    /// The hub's instead of the relay's
    #[arg(long)]
    hub: bool,
}

/// What is known of one service.
#[derive(Debug, Serialize)]
struct Installed {
    /// Its name for the service manager.
    service: String,
    /// Its file.
    file: PathBuf,
    /// How it is.
    #[serde(flatten)]
    state: State,
}

/// What `qd service` gives with `--json`.
#[derive(Debug, Serialize)]
struct Report {
    /// Which manager.
    manager: Manager,
    /// The services of this instance.
    services: Vec<Installed>,
    /// Whether the user's services run without a login; absent where that is no question.
    #[serde(skip_serializing_if = "Option::is_none")]
    linger: Option<bool>,
}

/// Runs a subcommand.
pub(crate) async fn run(settings: &Settings, command: ServiceCommand) -> Result<Exit, CliError> {
    only_here(settings, "qd service")?;
    if matches!(settings.target, Target::Remote(_)) {
        return Err(CliError::usage("a service is this machine's; --url names another one"));
    }
    match command {
        ServiceCommand::Install(args) => install(settings, args).await,
        ServiceCommand::Uninstall(args) => uninstall(settings, of(args.manager)).await,
        ServiceCommand::Status(args) => status(settings, of(args.manager)).await,
        ServiceCommand::Logs(args) => {
            let daemon = if args.hub { Daemon::Hub } else { Daemon::Relay };
            let service = service(settings, daemon, Vec::new())?;
            let (lines, follow) = (args.lines, args.follow);
            let wanted = manager::Wanted { lines, follow };
            of(args.manager).logs(settings, &service, wanted).await
        }
    }
}

fn of(given: Option<Manager>) -> Manager {
    given.unwrap_or(Manager::OF_SYSTEM)
}

fn service(settings: &Settings, daemon: Daemon, flags: Vec<String>) -> Result<Service, CliError> {
    let program = std::env::current_exe().map_err(|error| {
        CliError::new(Kind::Failed, "the program's own path is not known").caused_by(&error)
    })?;
    let text = |path: &Path| {
        path.to_str().map(str::to_owned).ok_or_else(|| {
            CliError::new(Kind::Failed, format!("the path {} is not UTF-8", path.display()))
        })
    };
    Ok(Service {
        daemon,
        instance: settings.directory.name().to_string(),
        program: text(&program)?,
        base: text(&settings.base)?,
        log: text(&settings.directory.diagnostics())?,
        flags,
    })
}

async fn install(settings: &Settings, args: InstallArgs) -> Result<Exit, CliError> {
    let manager = of(args.manager);
    let mut services = vec![service(settings, Daemon::Relay, args.flags)?];
    if args.hub {
        services.push(service(settings, Daemon::Hub, Vec::new())?);
    }
    if args.print {
        let texts: Vec<String> = services.iter().map(|service| manager.text(service)).collect();
        settings.output.result(&texts, |_| texts.join("\n"))?;
        return Ok(Exit::OK);
    }
    for service in &services {
        let file = manager.file(settings, service)?;
        write(&file, &manager.text(service))?;
        manager.enable(settings, service, &file).await?;
    }
    if timeout(SERVE_LIMIT, until_it_serves(settings, manager, &services[0])).await.is_err() {
        settings.output.note("the relay does not answer yet; see what it says: qd service logs");
    }
    let report = report(settings, manager).await?;
    settings.output.result(&report, |_| words(&report))?;
    if report.linger == Some(false) {
        settings.output.note(LINGER);
    }
    Ok(Exit::OK)
}

/// Waits until the process that the manager has started is the one that answers: a relay that was there
/// before may answer for a moment.
async fn until_it_serves(settings: &Settings, manager: Manager, service: &Service) {
    loop {
        let started = manager.state(settings, service).await.ok().and_then(|state| state.pid);
        if let Ok(connection) = Connection::open(settings, Missing::Fail).await
            && let Ok(status) = connection.call::<RelayStatus>(&Empty {}, None).await
            && started == Some(status.pid)
        {
            return;
        }
        sleep(LOOK_AGAIN).await;
    }
}

const LINGER: &str = "lingering is off: the services run while you are logged in, and start when you \
                      log in\nto have them from boot to shutdown: loginctl enable-linger";

fn write(file: &Path, text: &str) -> Result<(), CliError> {
    let failed = |error: std::io::Error| {
        CliError::new(Kind::Failed, format!("{} cannot be written", file.display()))
            .caused_by(&error)
    };
    if let Some(directory) = file.parent() {
        std::fs::create_dir_all(directory).map_err(failed)?;
    }
    // a service manager that reads it half-written would start half of it
    let fresh = file.with_extension("new");
    std::fs::write(&fresh, text).and_then(|()| std::fs::rename(&fresh, file)).map_err(failed)
}

async fn uninstall(settings: &Settings, manager: Manager) -> Result<Exit, CliError> {
    let mut removed = Vec::new();
    for daemon in [Daemon::Hub, Daemon::Relay] {
        let service = service(settings, daemon, Vec::new())?;
        let file = manager.file(settings, &service)?;
        if !file.exists() {
            continue;
        }
        manager.disable(settings, &service, &file).await?;
        std::fs::remove_file(&file).map_err(|error| {
            CliError::new(Kind::Failed, format!("{} cannot be deleted", file.display()))
                .caused_by(&error)
        })?;
        removed.push(service.name());
    }
    if removed.is_empty() {
        return Err(CliError::new(Kind::NotFound, "no service of this instance is installed"));
    }
    manager.reload(settings).await?;
    settings
        .output
        .result(&removed, |_| removed.iter().map(|name| format!("{name} removed\n")).collect())?;
    settings.output.note("its sessions live on: qd ls");
    Ok(Exit::OK)
}

async fn status(settings: &Settings, manager: Manager) -> Result<Exit, CliError> {
    let report = report(settings, manager).await?;
    if report.services.is_empty() {
        let error = CliError::new(Kind::NotFound, "no service of this instance is installed");
        return Err(error.hint("qd service install"));
    }
    settings.output.result(&report, |_| words(&report))?;
    Ok(Exit::OK)
}

async fn report(settings: &Settings, manager: Manager) -> Result<Report, CliError> {
    let mut services = Vec::new();
    for daemon in [Daemon::Relay, Daemon::Hub] {
        let service = service(settings, daemon, Vec::new())?;
        let file = manager.file(settings, &service)?;
        if file.exists() {
            let state = manager.state(settings, &service).await?;
            services.push(Installed { service: service.name(), file, state });
        }
    }
    Ok(Report { manager, services, linger: manager.linger(settings) })
}

fn words(report: &Report) -> String {
    let mut text = String::new();
    for Installed { service, file, state: State { state, pid } } in &report.services {
        let pid = pid.map_or_else(String::new, |pid| format!(", pid {pid}"));
        text += &format!("{service}  {state}{pid}\n  {}\n", file.display());
    }
    match report.linger {
        Some(true) => text += "lingering is on: it runs from boot to shutdown\n",
        Some(false) => text += "lingering is off: it runs while you are logged in\n",
        None => {}
    }
    text
}
