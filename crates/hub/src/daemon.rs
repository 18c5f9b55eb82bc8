//! A hub's life.
//!
//! Start: lock, key, tokens, database, listeners, machines, record, ready.
//! Stop: no new connections, tell the peers, wait for the tasks, keep the sessions, release the lock.

use std::{
    fs::File,
    io,
    sync::{Arc, Mutex},
};

use quarterdeck_access::{
    clock,
    door::Door,
    files,
    journal::{Event, Journal},
    keys,
    lock::{self, DaemonRecord},
    tokens::TokenStore,
};
use quarterdeck_hooks::{Hooks, HooksOptions};
use quarterdeck_protocol::{
    ids::{HubId, MachineId, MachineLabel},
    method::HubStatusResult,
};
use quarterdeck_transport::server::{Listener, Listening};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    HubError, HubOptions,
    context::Context,
    devices::Devices,
    fleet::Fleet,
    hooks,
    limits::{DRAIN_LIMIT, KEEP_INTERVAL},
    machine::{self, Machines},
    mail::{self, PostOffice},
    metrics::Metrics,
    store::{Access, Loaded, MachineRow, Store},
    web::{
        self,
        names::{self, Names},
    },
};

/// Serves an instance's hub until `shutdown` is cancelled. `ready` is called once, when clients are
/// accepted.
///
/// # Errors
/// When it cannot start.
pub async fn run(
    options: HubOptions,
    shutdown: CancellationToken,
    ready: impl FnOnce(&HubStatusResult) + Send,
) -> Result<(), HubError> {
    // what is started from inside a session is not ended with it; the holders know it by this name
    let _ = rustix::thread::set_name(c"qd-hub");
    let directory = options.directory.clone();
    let lock: File = lock::acquire(&directory.hub_lock(), &directory.hub_record()).await?;
    let listeners = bind(&options).await?;
    let (context, loaded) = build_context(options, &listeners, shutdown.clone())?;
    for machine in adopt(&context, loaded).await? {
        machine::start(&context, machine);
    }
    let record = DaemonRecord { pid: std::process::id(), listening: context.listening.clone() };
    if let Err(error) = lock::write_record(&directory.hub_record(), &record) {
        tracing::warn!(%error, "hub.json not written");
    }
    for listener in listeners.all {
        context.tasks.spawn(web::accept(Arc::clone(&context), listener));
    }
    context.tasks.spawn(keep_sessions(Arc::clone(&context)));
    context.tasks.spawn(mail::prune_daily(Arc::clone(&context)));
    let hooks = Arc::clone(&context);
    context.tasks.spawn(async move { hooks.hooks.run(hooks.shutdown.clone()).await });
    context.tasks.spawn(hooks::confirm(Arc::clone(&context)));
    context.record(&Event::Started {
        generation: context.generation(),
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").into(),
    });
    ready(&context.status());
    shutdown.cancelled().await;
    stop(&context).await;
    drop(lock);
    Ok(())
}

async fn stop(context: &Context) {
    context.tasks.close();
    if tokio::time::timeout(DRAIN_LIMIT, context.tasks.wait()).await.is_err() {
        tracing::warn!("some tasks did not end in time");
    }
    flush(context).await;
    for machine in context.fleet.machines() {
        let Some(row) = context.fleet.row(machine.machine) else { continue };
        if let Err(error) = context.store.put_machine(row).await {
            tracing::debug!(%error, "when it was last seen is not kept");
        }
    }
    if let Err(error) = context.store.settle().await {
        tracing::debug!(%error, "the database stays in two files");
    }
    if let Err(error) = context.door.tokens.save_last_used(clock::wall_seconds()) {
        tracing::debug!(%error, "last uses of tokens not saved");
    }
    context.record(&Event::Stopped { why: "asked to".into() });
    // a leftover record is recognised by the free lock
    let _ = std::fs::remove_file(context.directory().hub_record());
    let _ = std::fs::remove_file(context.directory().hub_socket());
}

/// Writes last known sessions now and then, for the time when their machine cannot be reached.
async fn keep_sessions(context: Arc<Context>) {
    loop {
        tokio::select! {
            () = context.shutdown.cancelled() => return,
            () = tokio::time::sleep(KEEP_INTERVAL) => flush(&context).await,
        }
    }
}

async fn flush(context: &Context) {
    for (machine, changed, removed) in context.fleet.take_dirty() {
        if let Err(error) = context.store.put_sessions(machine, changed, removed).await {
            context.metrics.store_failures.increment();
            tracing::warn!(%machine, %error, "last known sessions not kept");
        }
    }
}

struct Listeners {
    all: Vec<Listener>,
    names: Vec<String>,
    pin: Option<String>,
}

async fn bind(options: &HubOptions) -> Result<Listeners, HubError> {
    let path = options.directory.hub_socket();
    let unix = Listener::bind_unix(&path).map_err(|error| HubError::Socket {
        path: path.clone(),
        source: io::Error::other(error),
    })?;
    let names = vec![format!("unix:{}", path.display())];
    let mut listeners = Listeners { all: vec![unix], names, pin: None };
    if let Some(listen) = &options.listen {
        let directory = options.directory.hub_tls();
        if listen.uses_own_certificate() {
            files::private_directory(&directory)?;
        }
        let Listening { listener, url, pin } = listen.bind(&directory.join("own.pem")).await?;
        listeners.pin = pin.map(|pin| pin.to_string());
        listeners.names.push(url);
        listeners.all.push(listener);
    }
    Ok(listeners)
}

fn build_context(
    options: HubOptions,
    listeners: &Listeners,
    shutdown: CancellationToken,
) -> Result<(Arc<Context>, Loaded), HubError> {
    let directory = options.directory.clone();
    let key = keys::load_or_make(&directory.hub_key())?;
    let hub = HubId::from_bytes(key.public().relay_id());
    let tokens = TokenStore::open(&directory.hub_tokens(), hub)?;
    let door = Door::new(tokens, Journal::new(&directory.hub_journal()), []);
    let (store, mut loaded) = Store::open(&directory.hub_database())?;
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let names = Names::new(options.public_url.clone(), own_names(&options, listeners, &machine));
    let hooks_options =
        HooksOptions { ledger: directory.hub_hooks_told(), proxy: options.proxy.clone() };
    let context = Context {
        hooks: Hooks::new(options.hooks.clone(), hooks_options),
        options,
        hub,
        ticket_key: key.ticket_key(),
        key,
        machine,
        user: quarterdeck_access::user_name(),
        started_at: clock::wall_micros(),
        listening: listeners.names.clone(),
        pin: listeners.pin.clone(),
        fleet: Fleet::default(),
        machines: Machines::default(),
        pace: Arc::default(),
        store,
        door,
        devices: Devices::new(std::mem::take(&mut loaded.devices)),
        names,
        invitations: Mutex::default(),
        post: PostOffice::default(),
        starting: tokio::sync::Mutex::default(),
        metrics: Metrics::default(),
        tasks: TaskTracker::new(),
        shutdown,
    };
    Ok((Arc::new(context), loaded))
}

/// Further names by which browsers may come: those that were given, and the machine's own where others
/// reach it.
fn own_names(options: &HubOptions, listeners: &Listeners, machine: &str) -> Vec<String> {
    let given = options.public_address.iter().filter_map(|it| names::host_of(it));
    let mut all: Vec<_> = given.map(str::to_owned).collect();
    let reached = listeners.all.iter().filter_map(Listener::local_address);
    if reached.into_iter().any(|address| !address.ip().to_canonical().is_loopback()) {
        all.extend([machine.to_owned(), format!("{machine}.local")]);
    }
    all
}

/// Takes over the machines that are known, and adds the hub's own if it is not.
async fn adopt(context: &Context, loaded: Loaded) -> Result<Vec<MachineId>, HubError> {
    let mut machines = Vec::new();
    for (row, sessions) in loaded.machines {
        let machine = row.machine;
        match context.fleet.add(row, sessions) {
            Ok(()) => machines.push(machine),
            Err(error) => tracing::warn!(%machine, %error, "machine left out"),
        }
    }
    if !context.fleet.machines().iter().any(|machine| machine.local) {
        let wanted = MachineLabel::near(&context.machine);
        let mut id = [0; 8];
        // a second hub of the same key cannot be; a fixed number is as good as a drawn one
        let _ = getrandom::fill(&mut id);
        let row = MachineRow {
            machine: MachineId::from_bytes(id),
            label: context.fleet.free_label(&wanted),
            access: Access::Local,
            relay_id: None,
            auto_connect: true,
            relay: None,
            ticket: None,
            last_seen_at: None,
            created_at: clock::wall_micros(),
        };
        context.store.put_machine(row.clone()).await?;
        machines.push(row.machine);
        if let Err(error) = context.fleet.add(row, Vec::new()) {
            tracing::warn!(%error, "the hub's own machine is left out");
        }
    }
    Ok(machines)
}
