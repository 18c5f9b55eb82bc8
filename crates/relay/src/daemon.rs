//! A relay's life.
//!
//! Start: lock, generation, key, tokens, models, sessions, listeners, record, ready.
//! Stop: no new connections, tell the peers, wait for the tasks, cache the screens, release the lock.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    sync::{Arc, Mutex},
    time::Duration,
};

use quarterdeck_access::{door::Door, pairings::Pairings};
use quarterdeck_crypto::StorageKey;
use quarterdeck_hooks::HooksOptions;
use quarterdeck_protocol::{
    dialect::Dialect,
    ids::{Generation, RelayId, SessionId},
    limits::MAX_EVENT_STREAMS,
    method::RelayStatusResult,
};
use quarterdeck_transport::server::{Listen, Listener, Listening};
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    RelayError, RelayOptions, api, catalogue,
    ceiling::CheckedCeiling,
    clock, collector,
    config::{Ceiling, DialectConfig},
    context::{Context, Launcher},
    dialect::{myagent::room::Rooms, places::Places},
    files,
    hubs::{self, Hubs},
    instance::{InstanceDir, RelayRecord, record::RECORD_SCHEMA},
    journal::{Event, Journal},
    keys, lock,
    mail::{self, Claims, Mail, OutsideAgent},
    metrics::Metrics,
    program,
    registry::Registry,
    revive,
    screens::Screens,
    session::launch,
    tokens::TokenStore,
    uploads::Uploads,
    web,
};

/// How long tasks may take to end before the relay ends without them.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Serves an instance until `shutdown` is cancelled. `ready` is called once, when clients are
/// accepted.
///
/// # Errors
/// When it cannot start.
pub async fn run(
    options: RelayOptions,
    shutdown: CancellationToken,
    ready: impl FnOnce(&RelayStatusResult) + Send,
) -> Result<(), RelayError> {
    // the holders know their relay by this name; see `quarterdeck_holder`'s process table
    let _ = rustix::thread::set_name(c"qd-relay");
    let lock = acquire(&options.directory).await?;
    let listeners = bind(&options).await?;
    let mail::Started { mail, deliveries, drafts, outside, changes } = open_mail(&options)?;
    let context = build_context(&options, &listeners, (mail, outside), shutdown.clone())?;
    adopt_sessions(&context);
    write_record(&context, &options);
    for (listener, wire) in listeners.all {
        context.tasks.spawn(web::accept(Arc::clone(&context), listener, wire));
    }
    let hooks = Arc::clone(&context);
    context.tasks.spawn(async move { hooks.hooks.run(hooks.shutdown.clone()).await });
    hubs::dial_all(&context);
    context.tasks.spawn(program::warm_up(Arc::clone(&context)));
    context.tasks.spawn(collector::run(Arc::clone(&context)));
    context.tasks.spawn(revive::run(Arc::clone(&context)));
    context.tasks.spawn(mail::run_news(Arc::clone(&context), changes));
    context.tasks.spawn(mail::run_courier(Arc::clone(&context), deliveries));
    context.tasks.spawn(mail::run_claims(Arc::clone(&context)));
    if let Some(responder) = options.config.mail.responder.clone() {
        context.tasks.spawn(mail::run_drafting(Arc::clone(&context), responder, drafts));
    }
    context.record(&Event::Started {
        generation: context.generation,
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").into(),
    });
    ready(&api::status(&context));
    shutdown.cancelled().await;
    stop(&context).await;
    drop(lock);
    Ok(())
}

async fn stop(context: &Context) {
    context.tasks.close();
    if tokio::time::timeout(DRAIN_TIMEOUT, context.tasks.wait()).await.is_err() {
        tracing::warn!("some tasks did not end in time");
    }
    context.screens.stop();
    if let Err(error) = context.door.tokens.save_last_used(clock::wall_seconds()) {
        tracing::debug!(%error, "last uses of tokens not saved");
    }
    context.record(&Event::Stopped { why: "asked to".into() });
    // a leftover record is recognised by the free lock
    let _ = std::fs::remove_file(context.directory.record());
    let _ = std::fs::remove_file(context.directory.socket());
}

async fn acquire(directory: &InstanceDir) -> Result<File, RelayError> {
    let lock = lock::acquire(&directory.lock(), &directory.record()).await;
    let lock = lock.map_err(|error| RelayError::of_lock(error, directory.name()))?;
    files::private_directory(&directory.sessions())
        .map_err(|error| RelayError::Files(Box::new(error)))?;
    Ok(lock)
}

fn write_record(context: &Context, options: &RelayOptions) {
    let record = RelayRecord {
        schema: RECORD_SCHEMA,
        id: Some(context.relay_id),
        pid: std::process::id(),
        listening: context.listening.clone(),
        flags: options.flags.clone(),
        cwd: options.started_in.as_ref().map(|directory| directory.display().to_string()),
        started_at: Some(context.started_at),
        version: Some(env!("CARGO_PKG_VERSION").to_owned()),
    };
    let written = serde_json::to_vec(&record).map(|text| {
        if let Err(error) = files::write_private(&context.directory.record(), &text) {
            tracing::warn!(%error, "relay.json not written");
        }
    });
    if written.is_err() {
        tracing::warn!("relay.json not written");
    }
    if let Some(announcements) = &context.announcements
        && let Err(error) = catalogue::announce(announcements, &context.directory, context.relay_id)
    {
        tracing::warn!(%error, "other base directories will not find this instance");
    }
}

/// Raises and syncs the generation: the holders' fence against an older relay.
fn raise_generation(options: &RelayOptions) -> Result<Generation, RelayError> {
    let path = options.directory.generation();
    let raise = || -> io::Result<Generation> {
        let mut open = File::options();
        open.create(true).truncate(false).read(true).write(true).mode(0o600);
        let file = open.open(&path)?;
        let mut text = String::new();
        (&file).take(32).read_to_string(&mut text)?;
        let last = match text.trim() {
            "" => 0,
            number => number.parse().map_err(|_| {
                io::Error::new(io::ErrorKind::InvalidData, "the generation is not a number")
            })?,
        };
        let next = Generation(last).next();
        // fixed width: the number is replaced in place and never seen half-written
        (&file).rewind()?;
        (&file).write_all(format!("{:020}\n", next.0).as_bytes())?;
        file.sync_all()?;
        Ok(next)
    };
    raise().map_err(|source| RelayError::Storage { path: path.clone(), source })
}

struct Listeners {
    /// Each with the wire that it speaks; none = `quarterdeck.v1`.
    all: Vec<(Listener, Option<Dialect>)>,
    names: Vec<String>,
    pin: Option<String>,
}

async fn bind(options: &RelayOptions) -> Result<Listeners, RelayError> {
    let path = options.directory.socket();
    let unix = Listener::bind_unix(&path).map_err(|error| RelayError::Storage {
        path: path.clone(),
        source: io::Error::other(error),
    })?;
    let names = vec![format!("unix:{}", path.display())];
    let mut listeners = Listeners { all: vec![(unix, None)], names, pin: None };
    let native = options.listen.iter().map(|listen| (None, listen));
    let dialects = options.dialects.iter().map(|(dialect, listen)| (Some(*dialect), listen));
    for (wire, listen) in native.chain(dialects) {
        listeners.bind_tcp(options, wire, listen).await?;
    }
    Ok(listeners)
}

impl Listeners {
    async fn bind_tcp(
        &mut self,
        options: &RelayOptions,
        wire: Option<Dialect>,
        listen: &Listen,
    ) -> Result<(), RelayError> {
        let directory = options.directory.tls();
        if listen.uses_own_certificate() {
            files::private_directory(&directory)
                .map_err(|error| RelayError::Files(Box::new(error)))?;
        }
        let Listening { listener, url, pin } = listen.bind(&directory.join("own.pem")).await?;
        if let Some(pin) = pin {
            self.pin = Some(pin.to_string());
        }
        let prefix = wire.map(|dialect| format!("{dialect}+")).unwrap_or_default();
        self.names.push(format!("{prefix}{url}"));
        self.all.push((listener, wire));
        Ok(())
    }
}

/// The file is private before anything is in it.
fn open_mail(options: &RelayOptions) -> Result<mail::Started, RelayError> {
    let path = options.directory.mail();
    let mut open = File::options();
    open.create(true).truncate(false).write(true).mode(0o600);
    let made = open.open(&path).map(drop);
    made.map_err(|source| RelayError::Storage { path: path.clone(), source })?;
    let key = mail_key(options)?;
    Mail::start(&path, key, options.config.mail.responder.clone())
        .map_err(|error| RelayError::Storage { path, source: io::Error::other(error) })
}

/// The key for secrets on the disk, where a service manager gives one.
fn mail_key(options: &RelayOptions) -> Result<Option<StorageKey>, RelayError> {
    let Some(directory) = &options.credentials else { return Ok(None) };
    let path = directory.join(mail::CREDENTIAL);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => zeroize::Zeroizing::new(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(RelayError::Storage { path, source }),
    };
    let key = StorageKey::from_bytes(&bytes);
    key.map(Some).map_err(|error| RelayError::Storage { path, source: io::Error::other(error) })
}

fn hooks_of(options: &RelayOptions) -> Result<quarterdeck_hooks::Hooks, RelayError> {
    let checked = options.config.hooks.check();
    let checked = checked.map_err(|error| RelayError::Config(error.to_string()))?;
    let (ledger, proxy) = (options.directory.hooks_told(), options.proxy.clone());
    Ok(quarterdeck_hooks::Hooks::new(checked, HooksOptions { ledger, proxy }))
}

fn build_context(
    options: &RelayOptions,
    listeners: &Listeners,
    (mail, outside): (Mail, Vec<OutsideAgent>),
    shutdown: CancellationToken,
) -> Result<Arc<Context>, RelayError> {
    let directory = &options.directory;
    let generation = raise_generation(options)?;
    let key = keys::load_or_make(&directory.key())?;
    let relay_id = RelayId::from_bytes(key.public().relay_id());
    let tokens = TokenStore::open(&directory.tokens(), relay_id)
        .map_err(|error| RelayError::Tokens(Box::new(error)))?;
    let proxies = options.config.network.proxies.iter().copied();
    let door = Door::new(tokens, Journal::new(&directory.journal()), proxies);
    let pairings =
        Pairings::open(&directory.hubs()).map_err(|error| RelayError::Pairings(Box::new(error)))?;
    let check = |ceiling: &Ceiling| {
        CheckedCeiling::new(ceiling).map_err(|error| RelayError::Config(error.to_string()))
    };
    let ceiling = check(&options.config.ceiling)?;
    let own = |(dialect, config): (&Dialect, &DialectConfig)| {
        config.ceiling.as_ref().map(|ceiling| check(ceiling).map(|checked| (*dialect, checked)))
    };
    let dialect_ceilings =
        options.config.dialects.iter().filter_map(own).collect::<Result<_, RelayError>>()?;
    let screens = Screens::start()
        .map_err(|source| RelayError::Storage { path: directory.path().to_owned(), source })?;
    let registry = Registry::default();
    Ok(Arc::new(Context {
        directory: directory.clone(),
        announcements: options.announcements.clone(),
        config: options.config.clone(),
        grace: Duration::from_secs(options.config.network.lease_grace_s),
        relay_id,
        ticket_key: key.ticket_key(),
        key,
        pairings,
        invitations: Mutex::default(),
        proxy: options.proxy.clone(),
        hubs: Hubs::default(),
        generation,
        machine: machine_name(),
        user: quarterdeck_access::user_name(),
        started_at: clock::wall_micros(),
        listening: listeners.names.clone(),
        pin: listeners.pin.clone(),
        hooks: hooks_of(options)?,
        claims: Claims::resumed(outside, &registry),
        registry,
        mail,
        mail_tools: options.mail_tools.clone(),
        screens,
        door,
        metrics: Metrics::default(),
        ceiling,
        dialect_ceilings,
        uploads: Uploads::default(),
        streams: Arc::new(Semaphore::new(MAX_EVENT_STREAMS)),
        rooms: Rooms::default(),
        dialect_places: Places::default(),
        home: tokio::sync::OnceCell::new(),
        launcher: Launcher::new(options.zygote.clone()),
        tasks: TaskTracker::new(),
        shutdown,
    }))
}

/// Takes over the sessions that are there. One that cannot be understood stays on disk and is named.
fn adopt_sessions(context: &Arc<Context>) {
    let now = std::time::SystemTime::now();
    if let Err(error) = files::sweep_leftovers(context.directory.path(), now) {
        tracing::debug!(%error, "leftovers not swept");
    }
    let Ok(entries) = std::fs::read_dir(context.directory.sessions()) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(session) = name.to_str().and_then(|name| name.parse::<SessionId>().ok()) else {
            continue;
        };
        if let Err(error) = launch::adopt(context, session) {
            tracing::warn!(%session, %error, "session not taken over; its files stay");
        }
    }
}

fn machine_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
