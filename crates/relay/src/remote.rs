//! Vendors' Remote Control: from what was asked for to what runs. What its screen says is read by
//! `quarterdeck-agents`; what stands in its way is gathered in `facts` and decided there.

mod facts;
pub(crate) mod restart;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use quarterdeck_agents::remote::{
    Screen, command,
    preflight::{self, Facts},
};
use quarterdeck_holder::log::{LogReader, Next, ReadError};
use quarterdeck_protocol::{
    agent::Vendor,
    error::{ErrorCode, RpcError},
    ids::SessionId,
    method::CreateParams,
    record::{Exit, ExitStatus, Record, RecordKind, TerminalSize},
    remote_control::{
        RemoteFinding, RemoteInfo, RemoteLevel, RemoteParams, RemotePreflightParams,
        RemotePreflightResult, RemoteReport, RemoteState, RemoteVendor,
    },
};

use crate::{
    agent::{self, Agent},
    caller::Caller,
    ceiling::{Launch, Refusal},
    config::AgentProfile,
    context::Context,
    environment::{self, Layers, SessionFacts, Variables},
    program::{self, Home, Program},
    ssh_agent,
};

/// Size of a terminal that nobody gave one: an address fits on a line.
const SIZE: (u16, u16) = (120, 40);
/// Profiles that one preflight looks at.
const MAX_REPORTS: usize = 16;

/// Decides what a Remote Control session runs.
///
/// # Errors
/// What the ceiling forbids, what conflicts, or what the preflight found in the way.
pub(crate) async fn prepare(
    context: &Arc<Context>,
    caller: &Caller,
    params: &CreateParams,
    session: SessionId,
) -> Result<Program, RpcError> {
    let start = Start::new(context, caller, params, session).await?;
    if !start.asked.anyway {
        let facts = facts::gather(&start, WithTrust::Yes).await;
        let report = preflight::decide(&facts);
        if !report.ready {
            return Err(blocked(&report));
        }
    }
    let Start { asked, launch, env, agent_socket, name, .. } = start;
    Ok(Program {
        launch,
        env,
        agent: agent_socket,
        name,
        agent_meta: None,
        notes: Vec::new(),
        remote_control: Some(asked),
        exclusive: None,
    })
}

/// Whether the directory's trust is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WithTrust {
    Yes,
    /// Nobody has said where it would start.
    No,
}

/// A start as it would be, before it is known whether it can work.
struct Start {
    asked: RemoteParams,
    agent: Agent,
    launch: Launch,
    env: Variables,
    agent_socket: Option<PathBuf>,
    name: String,
    home: Arc<Home>,
}

impl Start {
    async fn new(
        context: &Arc<Context>,
        caller: &Caller,
        params: &CreateParams,
        session: SessionId,
    ) -> Result<Self, RpcError> {
        let asked = params.remote_control.clone().unwrap_or_default();
        let home = program::home(context).await;
        let directory = home.account().home.clone();
        let expand = |path: &str| expand(path, &directory);
        let asked = RemoteParams { account: asked.account.as_deref().map(expand), ..asked };
        let cwd = params.cwd.as_deref().map(expand);
        let agent = find(&asked, &context.config.agents).map_err(|refusal| refusal.to_rpc())?;
        let argv = command::argv(&asked, &agent.command)
            .map_err(|error| Refusal::RemoteCommand { error }.to_rpc())?;
        let (cols, rows) = SIZE;
        let size = TerminalSize { cols, rows, xpixel: 0, ypixel: 0 };
        let size = Some(params.size.unwrap_or(size));
        let params =
            CreateParams { cwd, size, remote_control: Some(asked.clone()), ..params.clone() };
        let mut launch = program::check(context, caller, &params, &home, Some(&agent)).await?;
        launch.argv = argv;
        let (env, agent_socket) = compose(
            context,
            caller,
            &params,
            session,
            Composed { home: &home, agent: &agent, asked: &asked, pwd: &launch.pwd },
        )?;
        let name = format!("{}-rc", agent.name);
        Ok(Self { asked, agent, launch, env, agent_socket, name, home })
    }
}

/// What an environment is made for.
#[derive(Clone, Copy)]
struct Composed<'a> {
    home: &'a Home,
    agent: &'a Agent,
    asked: &'a RemoteParams,
    pwd: &'a str,
}

/// The environment: what the agent of the vendor would get, without what switches its telemetry and
/// updates off, since Remote Control refuses with that; and without what is to be stripped.
fn compose(
    context: &Context,
    caller: &Caller,
    params: &CreateParams,
    session: SessionId,
    of: Composed<'_>,
) -> Result<(Variables, Option<PathBuf>), RpcError> {
    let Composed { home, agent, asked, pwd } = of;
    let client = caller.is_local().then(|| agent::of_client(agent.vendor, &params.client_env));
    let layers = Layers { base: home.base(), client: client.as_ref(), request: &params.env };
    let agent_link = ssh_agent::link(&context.directory.session(session));
    let facts =
        SessionFacts { session, instance: &context.directory, pwd, agent_link: &agent_link };
    let filter = program::filter(context, caller);
    let mut env = environment::compose(layers, facts, &filter);
    let profile = agent::profile_variables(&agent.profile)?;
    env.extend(profile.into_iter().filter(|(name, _)| filter.allows(name)));
    if let Some(account) = &asked.account {
        env.insert(home_variable(asked.vendor).to_owned(), account.clone());
    }
    asked.strip.iter().for_each(|name| {
        env.remove(name);
    });
    Ok((env, environment::known_agent(layers).map(Into::into)))
}

/// The variable by which a vendor's program finds another account. The home directory stays what it is,
/// so that git and ssh find theirs.
const fn home_variable(vendor: RemoteVendor) -> &'static str {
    match vendor {
        RemoteVendor::Codex => "CODEX_HOME",
        RemoteVendor::Claude | RemoteVendor::Unknown => "CLAUDE_CONFIG_DIR",
    }
}

/// The profile of a start: its vendor must have a Remote Control.
fn find(asked: &RemoteParams, profiles: &BTreeMap<String, AgentProfile>) -> Result<Agent, Refusal> {
    let name = asked.profile.as_deref().unwrap_or(asked.vendor.word());
    let agent = agent::find(name, profiles)?;
    let fits = matches!(
        (agent.vendor, asked.vendor),
        (Vendor::Claude, RemoteVendor::Claude) | (Vendor::Codex, RemoteVendor::Codex)
    );
    if fits { Ok(agent) } else { Err(Refusal::NoRemoteControl { name: name.to_owned() }) }
}

/// `~` and `~/…` as the home directory of the relay's user.
fn expand(path: &str, home: &Path) -> String {
    let below = match path.strip_prefix('~') {
        Some("") => Some(""),
        Some(rest) => rest.strip_prefix('/'),
        None => None,
    };
    let expanded = below.and_then(|below| home.join(below).to_str().map(str::to_owned));
    expanded.map_or_else(|| path.to_owned(), |text| text.trim_end_matches('/').to_owned())
}

fn blocked(report: &RemoteReport) -> RpcError {
    let stands = |it: &&RemoteFinding| it.level == RemoteLevel::Blocked;
    let found: Vec<_> = report.findings.iter().filter(stands).collect();
    let messages: Vec<&str> = found.iter().map(|it| it.message.as_str()).collect();
    let advice: Vec<&str> = found.iter().filter_map(|it| it.advice.as_deref()).collect();
    let error = RpcError::new(ErrorCode::StartFailed, messages.join("; "));
    if advice.is_empty() { error } else { error.hint(format!("type: {}", advice.join("; then: "))) }
}

/// Looks whether Remote Control can work: one start, or every profile.
///
/// # Errors
/// When the start is not possible at all.
pub(crate) async fn preflight(
    context: &Arc<Context>,
    caller: &Caller,
    p: RemotePreflightParams,
) -> Result<RemotePreflightResult, RpcError> {
    let session = crate::api::random_session_id()?;
    let with_trust = if p.cwd.is_some() { WithTrust::Yes } else { WithTrust::No };
    let of = |remote: RemoteParams| CreateParams {
        cwd: p.cwd.clone(),
        client_env: p.client_env.clone(),
        remote_control: Some(remote),
        ..CreateParams::default()
    };
    if let Some(remote) = p.remote.clone() {
        let start = Start::new(context, caller, &of(remote), session).await?;
        let report = preflight::decide(&facts::gather(&start, with_trust).await);
        return Ok(RemotePreflightResult { reports: vec![report] });
    }
    let mut reports = Vec::new();
    for remote in profiles(&context.config.agents) {
        let (vendor, profile) = (remote.vendor, remote.profile.clone().unwrap_or_default());
        // one that the ceiling forbids has no button at all
        let Ok(start) = Start::new(context, caller, &of(remote), session).await else { continue };
        let gathered = facts::gather(&start, with_trust).await;
        reports.push(preflight::decide(&Facts { vendor, profile, ..gathered }));
    }
    Ok(RemotePreflightResult { reports })
}

/// A start for each profile whose vendor has a Remote Control, the built-in ones first.
fn profiles(configured: &BTreeMap<String, AgentProfile>) -> Vec<RemoteParams> {
    let built_in = [RemoteVendor::Claude, RemoteVendor::Codex];
    let others = configured.keys().map(String::as_str);
    let others = others.filter(|name| !built_in.iter().any(|vendor| vendor.word() == *name));
    let names = built_in.iter().map(|vendor| vendor.word()).chain(others);
    let starts = names.filter_map(|name| {
        let vendor = match agent::find(name, configured).ok()?.vendor {
            Vendor::Claude => RemoteVendor::Claude,
            Vendor::Codex => RemoteVendor::Codex,
            Vendor::Acp | Vendor::Sidecar | Vendor::Unknown => return None,
        };
        Some(RemoteParams { vendor, profile: Some(name.to_owned()), ..RemoteParams::default() })
    });
    starts.take(MAX_REPORTS).collect()
}

/// A Remote Control session as its task sees it.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    asked: RemoteParams,
    screen: Screen,
    /// How often it was started again by itself, and when it may be the next time.
    pub restarts: restart::Restarts,
}

impl Remote {
    /// A session of which nothing was read yet.
    #[must_use]
    pub(crate) fn new(asked: RemoteParams) -> Self {
        let screen = Screen::new(asked.vendor, asked.mode);
        Self { asked, screen, restarts: restart::Restarts::default() }
    }

    /// Reads a whole log.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn fold(asked: RemoteParams, directory: &Path) -> Result<Self, ReadError> {
        let mut remote = Self::new(asked);
        let mut reader = LogReader::open(directory)?;
        loop {
            match reader.next()? {
                Next::Record(record) => {
                    remote.apply(&record);
                }
                Next::Gap(_) => {}
                Next::AwaitMore => return Ok(remote),
            }
        }
    }

    /// Takes a record; whether what is shown changed by it.
    pub(crate) fn apply(&mut self, record: &Record) -> bool {
        let before = self.info();
        if record.header.kind == RecordKind::Output {
            self.screen.handle_output(&record.payload);
        } else {
            match record.header.kind {
                RecordKind::Start => {
                    self.screen = Screen::new(self.asked.vendor, self.asked.mode);
                }
                RecordKind::Exit => {
                    let exit: Option<Exit> = serde_json::from_slice(&record.payload).ok();
                    let status = exit.map_or(ExitStatus::Unknown, |exit| exit.status);
                    self.screen.handle_exit(&status);
                }
                RecordKind::Lost => self.screen.handle_loss(),
                RecordKind::Output
                | RecordKind::Input
                | RecordKind::Resize
                | RecordKind::Termios
                | RecordKind::VendorIn
                | RecordKind::VendorOut
                | RecordKind::VendorErr
                | RecordKind::Lease
                | RecordKind::Answer
                | RecordKind::Note
                | RecordKind::Gap
                | RecordKind::Checkpoint
                | RecordKind::Unknown(_) => {}
            }
        }
        self.info() != before
    }

    /// How far it is.
    #[must_use]
    pub(crate) const fn state(&self) -> &RemoteState {
        self.screen.state()
    }

    /// What it was started with.
    #[must_use]
    pub(crate) const fn asked(&self) -> &RemoteParams {
        &self.asked
    }

    /// What listings show.
    #[must_use]
    pub(crate) fn info(&self) -> RemoteInfo {
        let RemoteParams { vendor, mode, profile, account, .. } = self.asked.clone();
        RemoteInfo {
            vendor,
            mode,
            profile,
            account,
            state: self.screen.state().clone(),
            url: self.screen.url().map(str::to_owned),
            code: self.screen.code().map(str::to_owned),
            restarts: self.restarts.count(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rc_paths_are_expanded_before_a_start() {
        let home = Path::new("/home/ada");
        assert_eq!(expand("~", home), "/home/ada");
        assert_eq!(expand("~/work", home), "/home/ada/work");
        assert_eq!(expand("/src", home), "/src");
        // another user's home is a shell's matter; the ceiling names it
        assert_eq!(expand("~bob/x", home), "~bob/x");
    }

    #[test]
    fn rc_uses_the_command_and_variables_of_its_profile() {
        let configured: BTreeMap<String, AgentProfile> = toml::from_str(
            "[work]\nvendor = \"claude\"\ncommand = [\"/opt/claude\"]\n[mine]\nvendor = \"acp\"\n\
             command = [\"x\"]\n",
        )
        .expect("profiles");
        let of =
            |name: &str| RemoteParams { profile: Some(name.into()), ..RemoteParams::default() };
        assert_eq!(find(&of("work"), &configured).expect("found").command, ["/opt/claude"]);
        let none = Refusal::NoRemoteControl { name: "mine".into() };
        assert_eq!(find(&of("mine"), &configured).expect_err("refused"), none);
        let names: Vec<_> =
            profiles(&configured).into_iter().filter_map(|start| start.profile).collect();
        assert_eq!(names, ["claude", "codex", "work"]);
    }
}
