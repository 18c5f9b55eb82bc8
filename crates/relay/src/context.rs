//! What every task of a relay shares.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use quarterdeck_access::{door::Door, pairings::Pairings};
use quarterdeck_core::invitations::Invitations;
use quarterdeck_crypto::{RelayKey, TicketKey};
use quarterdeck_holder::zygote::Zygote;
use quarterdeck_hooks::Hooks as HooksOut;
use quarterdeck_protocol::{
    dialect::Dialect,
    ids::{Generation, RelayId},
    method::HubTerms,
};
use quarterdeck_transport::dial::Proxy;
use rustix::process::{Pid, Resource, Rlimit};
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    ceiling::CheckedCeiling,
    config::RelayConfig,
    dialect::{myagent::room::Rooms, places::Places},
    hubs::Hubs,
    instance::InstanceDir,
    journal::Event,
    mail::{Claims, Mail},
    metrics::Metrics,
    options::ZygoteCommand,
    program::Home,
    registry::Registry,
    screens::Screens,
    uploads::Uploads,
};

/// Shared by all tasks; what changes in it guards itself.
pub(crate) struct Context {
    /// Where everything is.
    pub directory: InstanceDir,
    /// Where relays announce their instances.
    pub announcements: Option<PathBuf>,
    /// Ceiling and limits.
    pub config: RelayConfig,
    /// How long an owner may be away.
    pub grace: Duration,
    /// Who this relay is.
    pub relay_id: RelayId,
    /// What its clients' tickets are made with.
    pub ticket_key: TicketKey,
    /// Its key: what it is to hubs.
    pub key: RelayKey,
    /// Hubs that are paired with it.
    pub pairings: Pairings,
    /// Codes by which others may be, with what each gives.
    pub invitations: Mutex<Invitations<HubTerms>>,
    /// The way out to hubs that it dials.
    pub proxy: Option<Proxy>,
    /// Links of hubs, and those that this relay dials.
    pub hubs: Hubs,
    /// Its life.
    pub generation: Generation,
    /// Host name.
    pub machine: String,
    /// Name of the user it runs as: the principal of local callers.
    pub user: String,
    /// When it started, in microseconds since 1970.
    pub started_at: u64,
    /// Addresses it listens on.
    pub listening: Vec<String>,
    /// Pin of its certificate, if it has one.
    pub pin: Option<String>,
    /// What is told to programs outside.
    pub hooks: HooksOut,
    /// Its sessions.
    pub registry: Registry,
    /// Their mail.
    pub mail: Mail,
    /// Agents outside that have a label.
    pub claims: Claims,
    /// The command by which an agent gets the tools to write to others; empty = none does.
    pub mail_tools: Vec<String>,
    /// Their terminal models.
    pub screens: Screens,
    /// Who is let in.
    pub door: Door,
    /// Counters.
    pub metrics: Metrics,
    /// What sessions may be.
    pub ceiling: CheckedCeiling,
    /// What clients of a dialect may start besides; none = no less than everyone.
    pub dialect_ceilings: BTreeMap<Dialect, CheckedCeiling>,
    /// Streams of events over HTTP that there may be.
    pub streams: Arc<Semaphore>,
    /// Files that are on their way.
    pub uploads: Uploads,
    /// Which connections of the dialect `myagent` may write.
    pub rooms: Rooms,
    /// How far clients of dialects have seen conversations.
    pub dialect_places: Places,
    /// The user that programs run as, found out at first need.
    pub home: tokio::sync::OnceCell<Arc<Home>>,
    /// Starts holders.
    pub launcher: Launcher,
    /// All tasks.
    pub tasks: TaskTracker,
    /// Cancelled when the relay stops.
    pub shutdown: CancellationToken,
}

/// The zygote, started anew when it is gone.
pub(crate) struct Launcher {
    command: ZygoteCommand,
    /// Open files that programs may have: what the relay had before it raised its own limit.
    open_files: Rlimit,
    zygote: Mutex<Option<Arc<Zygote>>>,
}

impl Launcher {
    /// A launcher; nothing is started before the first launch.
    #[must_use]
    pub(crate) fn new(command: ZygoteCommand) -> Self {
        Self { command, open_files: raise_open_files(), zygote: Mutex::new(None) }
    }

    /// The zygote that runs, or a new one.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn zygote(&self) -> std::io::Result<Arc<Zygote>> {
        let mut current = self.zygote.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(zygote) = current.as_ref() {
            return Ok(Arc::clone(zygote));
        }
        let mut command = std::process::Command::new(&self.command.program);
        command.args(&self.command.args).env_clear().envs(self.command.env.iter().cloned());
        let zygote = Arc::new(Zygote::start(command)?);
        let pid = i32::try_from(zygote.pid()).ok().and_then(Pid::from_raw);
        // programs that use select(2) break above 1024, so they get what they would have had
        let _ = rustix::process::prlimit(pid, Resource::Nofile, self.open_files);
        *current = Some(Arc::clone(&zygote));
        Ok(zygote)
    }

    /// Forgets a zygote that does not answer; the next launch starts another.
    pub(crate) fn forget(&self) {
        *self.zygote.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// A session takes three descriptors of its relay, and the usual limit is 1024. The limit before.
fn raise_open_files() -> Rlimit {
    let before = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit { current: before.maximum, maximum: before.maximum };
    if let Err(error) = rustix::process::setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of open files stays");
    }
    before
}

impl Context {
    /// Writes to the journal.
    pub(crate) fn record(&self, event: &Event) {
        self.door.record(event);
    }

    /// A token was revoked or rotated.
    pub(crate) fn credentials_changed(&self) {
        self.door.credentials_changed();
    }
}
