//! What the relay's owner allows: checked here for every request, whoever asks and by whatever way.
//!
//! The ceiling says which programs may be *started by a request*. It is not a sandbox: a shell that may
//! be started starts what it likes.

mod command;
mod refusal;
#[cfg(test)]
mod tests;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use quarterdeck_agents::remote::command::unsupervised_word;
use quarterdeck_protocol::{
    limits::{
        MAX_ARGV_ENV_BYTES, MAX_ARGV_WORDS, MAX_PATH_BYTES, MAX_SESSIONS,
        MAX_TERMINAL_CELLS_PER_SIDE,
    },
    method::CreateParams,
    record::TerminalSize,
};

pub use refusal::{BadCeiling, Refusal};

use crate::{
    agent::{self, Agent, ChosenBy},
    config::Ceiling,
    environment::{self, Account, Variables},
    git,
};
use command::Allowed;

/// Bytes of one word or variable with its end: the kernel refuses longer ones (`MAX_ARG_STRLEN`).
pub const MAX_STRING_BYTES: usize = 128 * 1024 - 1;
/// Characters of a request id: a dialect puts a client, and what its user calls a session, into one.
pub const MAX_REQUEST_ID_CHARS: usize = 128;
/// Size of a terminal that nobody gave one.
pub const DEFAULT_SIZE: TerminalSize = TerminalSize { cols: 80, rows: 24, xpixel: 0, ypixel: 0 };

/// Variables that make a program run code of the caller's. They pass from callers only where callers
/// may run any program anyway.
const CODE_CARRIERS: [&str; 6] =
    ["BASH_ENV", "DYLD_*", "ENV", "GCONV_PATH", "GLIBC_TUNABLES", "LD_*"];

/// A ceiling that was read and understood.
#[derive(Debug)]
pub struct CheckedCeiling {
    terminals: bool,
    commands: Allowed,
    agents: Vec<String>,
    models: Vec<String>,
    unsupervised: bool,
    roots: Vec<PathBuf>,
    sessions: usize,
    filter: EnvFilter,
}

/// Which variables reach a program.
#[derive(Debug, Clone)]
pub struct EnvFilter {
    /// Names, or prefixes that end in `*`.
    deny: Vec<String>,
    callers: Callers,
}

/// What the variables of callers may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Callers {
    /// Any command may be run, so any variable may carry code.
    RunAnything,
    /// Only some commands may be run, and only as they are.
    RunListed,
}

impl EnvFilter {
    /// What passes both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let callers = match (self.callers, other.callers) {
            (Callers::RunAnything, Callers::RunAnything) => Callers::RunAnything,
            (Callers::RunListed, _) | (_, Callers::RunListed) => Callers::RunListed,
        };
        Self { deny: [&self.deny[..], &other.deny[..]].concat(), callers }
    }
    /// Whether the variable may reach a program at all.
    #[must_use]
    pub fn allows(&self, name: &str) -> bool {
        !self.deny.iter().any(|pattern| environment::fits(pattern, name))
    }
    /// Whether a client or a request may set it.
    #[must_use]
    pub fn allows_from_callers(&self, name: &str) -> bool {
        let carrier = CODE_CARRIERS.iter().any(|pattern| environment::fits(pattern, name));
        match self.callers {
            Callers::RunAnything => true,
            Callers::RunListed => !carrier,
        }
    }
}

/// Whether a caller's own environment counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// It is on this machine, as the relay's user.
    Local,
    /// It is elsewhere: its environment means nothing here.
    Remote,
}

/// What a check needs to know of the relay.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The relay's user.
    pub account: &'a Account,
    /// The base environment; its `PATH` says what a bare command name means to the ceiling.
    pub base: &'a Variables,
    /// Sessions that live now.
    pub live_sessions: usize,
    /// Who asks.
    pub caller: Caller,
}

/// What may be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// Command line; never empty.
    pub argv: Vec<String>,
    /// First word that the program sees, where it differs from the command.
    pub argv0: Option<String>,
    /// Where it starts: absolute, without links.
    pub cwd: String,
    /// The same directory as it was asked for.
    pub pwd: String,
    /// The project that the directory is in.
    pub project: Option<String>,
    /// First size of the terminal.
    pub size: TerminalSize,
}

impl CheckedCeiling {
    /// Checks the ceiling itself: an entry that could never fit anything is a mistake, and a mistake
    /// must not be taken for a permission.
    ///
    /// # Errors
    /// When an entry cannot mean anything.
    pub fn new(ceiling: &Ceiling) -> Result<Self, BadCeiling> {
        for root in &ceiling.cwd_roots {
            if !root.is_absolute() {
                return Err(BadCeiling::Root(root.clone()));
            }
        }
        for pattern in &ceiling.env_deny {
            let name = pattern.strip_suffix('*').unwrap_or(pattern);
            if pattern.is_empty() || name.contains(['*', '=', '\0']) {
                return Err(BadCeiling::Variable(pattern.clone()));
            }
        }
        let commands = Allowed::parse(&ceiling.commands)?;
        let callers = match commands {
            Allowed::Any => Callers::RunAnything,
            Allowed::Listed(_) => Callers::RunListed,
        };
        Ok(Self {
            terminals: ceiling.terminals,
            commands,
            agents: ceiling.agents.clone(),
            models: ceiling.models.clone(),
            unsupervised: ceiling.unsupervised,
            roots: ceiling.cwd_roots.clone(),
            sessions: ceiling.sessions.min(MAX_SESSIONS),
            filter: EnvFilter { deny: ceiling.env_deny.clone(), callers },
        })
    }

    /// Which variables reach a program.
    #[must_use]
    pub const fn filter(&self) -> &EnvFilter {
        &self.filter
    }

    /// Decides about a terminal. Looks at the file system, so a dead network mount can make it wait.
    ///
    /// # Errors
    /// The first thing that is not allowed or cannot be.
    pub fn check_terminal(
        &self,
        params: &CreateParams,
        around: Surroundings<'_>,
    ) -> Result<Launch, Refusal> {
        check_form(params)?;
        if !self.terminals {
            return Err(Refusal::TerminalsOff);
        }
        if around.live_sessions >= self.sessions {
            return Err(Refusal::TooManySessions { limit: self.sessions });
        }
        let size = params.size.unwrap_or(DEFAULT_SIZE);
        let (cwd, pwd) = self.check_directory(params.cwd.as_deref(), around.account)?;
        let (mut argv, login) = if params.argv.is_empty() {
            let client = (around.caller == Caller::Local).then_some(&params.client_env);
            let shell = environment::login_shell(client, around.account);
            (vec![shell.program], Some(shell.argv0))
        } else {
            (params.argv.clone(), None)
        };
        let search = around.base.get("PATH").map_or("", String::as_str);
        let typed = argv[0].clone();
        argv[0] = self.commands.resolve(&typed, Path::new(&cwd), search)?;
        let argv0 = login.or_else(|| (argv[0] != typed).then_some(typed));
        let project = git::project::of(Path::new(&cwd));
        Ok(Launch { argv, argv0, cwd, project, pwd, size })
    }

    /// Decides about an agent. Looks at the file system, as for a terminal.
    ///
    /// # Errors
    /// The first thing that is not allowed or cannot be.
    pub(crate) fn check_agent(
        &self,
        agent: &Agent,
        params: &CreateParams,
        around: Surroundings<'_>,
    ) -> Result<Launch, Refusal> {
        check_form(params)?;
        if !params.argv.is_empty() {
            return Err(Refusal::AgentWithCommand);
        }
        if !self.agents.is_empty() && !self.agents.contains(&agent.name) {
            return Err(Refusal::Agent { name: agent.name.clone() });
        }
        let asked = params.agent.as_ref();
        let model = asked.and_then(|asked| asked.model.as_ref());
        model.map_or(Ok(()), |model| self.check_model(model))?;
        let mode = asked.and_then(|asked| asked.mode.as_ref());
        // the configuration's own mode counts as said there
        mode.map_or(Ok(()), |mode| self.check_mode(mode))?;
        if around.live_sessions >= self.sessions {
            return Err(Refusal::TooManySessions { limit: self.sessions });
        }
        let size = params.size.unwrap_or(DEFAULT_SIZE);
        let (cwd, pwd) = self.check_directory(params.cwd.as_deref(), around.account)?;
        let mut argv = agent.command.clone();
        if agent.chosen_by == ChosenBy::Caller {
            let search = around.base.get("PATH").map_or("", String::as_str);
            argv[0] = self.commands.resolve(&agent.command[0], Path::new(&cwd), search)?;
        }
        let project = git::project::of(Path::new(&cwd));
        Ok(Launch { argv, argv0: None, cwd, project, pwd, size })
    }

    /// Decides about a vendor's Remote Control. What it then asks is asked in the vendor's app; further
    /// words and another account's directory bring settings that can run anything, so they need a
    /// ceiling that lists no commands.
    ///
    /// # Errors
    /// The first thing that is not allowed or cannot be.
    pub(crate) fn check_remote(
        &self,
        agent: &Agent,
        params: &CreateParams,
        around: Surroundings<'_>,
    ) -> Result<Launch, Refusal> {
        check_form(params)?;
        let asked = params.remote_control.as_ref();
        if !params.argv.is_empty() || params.agent.is_some() {
            return Err(Refusal::AgentWithCommand);
        }
        if !self.agents.is_empty() && !self.agents.contains(&agent.name) {
            return Err(Refusal::Agent { name: agent.name.clone() });
        }
        let words = asked.map_or(&[][..], |asked| &asked.args);
        let own = asked.is_some_and(|asked| asked.account.is_some()) || !words.is_empty();
        if own && matches!(self.commands, Allowed::Listed(_)) {
            return Err(Refusal::RemoteWords);
        }
        unsupervised_word(words).map_or(Ok(()), |word| {
            let mode = word.to_owned();
            if self.unsupervised { Ok(()) } else { Err(Refusal::Unsupervised { mode }) }
        })?;
        if around.live_sessions >= self.sessions {
            return Err(Refusal::TooManySessions { limit: self.sessions });
        }
        let account = asked.and_then(|asked| asked.account.as_deref());
        account.map_or(Ok(()), |account| {
            self.check_directory(Some(account), around.account).map(|_| ()).or_else(|refusal| {
                // roots are about where work is done
                if matches!(refusal, Refusal::OutsideRoots { .. }) { Ok(()) } else { Err(refusal) }
            })
        })?;
        let size = params.size.unwrap_or(DEFAULT_SIZE);
        let (cwd, pwd) = self.check_directory(params.cwd.as_deref(), around.account)?;
        let project = git::project::of(Path::new(&cwd));
        Ok(Launch { argv: agent.command.clone(), argv0: None, cwd, project, pwd, size })
    }

    /// Whether an agent may be put into this mode.
    ///
    /// # Errors
    /// When it would ask nobody, and the ceiling does not say that it may.
    pub(crate) fn check_mode(&self, mode: &str) -> Result<(), Refusal> {
        if self.unsupervised || !agent::is_unsupervised(mode) {
            return Ok(());
        }
        Err(Refusal::Unsupervised { mode: mode.to_owned() })
    }

    /// Whether an agent may have this model.
    ///
    /// # Errors
    /// When the ceiling lists others.
    pub(crate) fn check_model(&self, model: &str) -> Result<(), Refusal> {
        if self.models.is_empty() || self.models.iter().any(|allowed| allowed == model) {
            return Ok(());
        }
        Err(Refusal::Model { model: model.to_owned() })
    }

    /// The directory without links, and as it was asked for.
    fn check_directory(
        &self,
        asked: Option<&str>,
        account: &Account,
    ) -> Result<(String, String), Refusal> {
        let home = account.home.to_str().unwrap_or("/");
        let pwd = asked.unwrap_or(home);
        if pwd.starts_with('~') {
            return Err(Refusal::HomeShorthand);
        }
        if !pwd.starts_with('/') {
            return Err(Refusal::RelativeDirectory { asked: pwd.to_owned() });
        }
        let cannot =
            |error: io::Error| Refusal::Directory { asked: pwd.to_owned(), kind: error.kind() };
        let real = fs::canonicalize(pwd).map_err(cannot)?;
        if !real.is_dir() {
            return Err(cannot(io::ErrorKind::NotADirectory.into()));
        }
        if !self.is_under_a_root(&real) {
            return Err(Refusal::OutsideRoots { asked: pwd.to_owned() });
        }
        let not_text = || cannot(io::ErrorKind::InvalidFilename.into());
        let cwd = real.to_str().ok_or_else(not_text)?;
        Ok((cwd.to_owned(), pwd.to_owned()))
    }

    /// Decides about looking into a directory, which is for those who may start a session there; none asks
    /// for the first that may be looked into.
    ///
    /// # Errors
    /// As for a session.
    pub fn check_look(&self, asked: Option<&str>, account: &Account) -> Result<PathBuf, Refusal> {
        let looked = self.check_directory(asked, account);
        let outside = asked.is_none() && matches!(looked, Err(Refusal::OutsideRoots { .. }));
        let (real, _) = match self.roots.first().and_then(|root| root.to_str()) {
            Some(root) if outside => self.check_directory(Some(root), account)?,
            Some(_) | None => looked?,
        };
        Ok(PathBuf::from(real))
    }

    fn is_under_a_root(&self, real: &Path) -> bool {
        // a root that does not exist allows nothing; one that is a link allows what it leads to
        let allows =
            |root: &PathBuf| fs::canonicalize(root).is_ok_and(|root| real.starts_with(root));
        self.roots.is_empty() || self.roots.iter().any(allows)
    }
}

/// What can be said of a request without looking at anything else.
fn check_form(params: &CreateParams) -> Result<(), Refusal> {
    let id_chars = params.request_id.as_ref().map_or(0, |id| id.chars().count());
    if id_chars > MAX_REQUEST_ID_CHARS {
        return Err(Refusal::TooLong { what: "a request id", limit: MAX_REQUEST_ID_CHARS });
    }
    check_size(params.size.unwrap_or(DEFAULT_SIZE))?;
    if params.argv.len() > MAX_ARGV_WORDS {
        return Err(Refusal::TooLong { what: "words of a command line", limit: MAX_ARGV_WORDS });
    }
    if params.argv.first().is_some_and(String::is_empty) {
        return Err(Refusal::EmptyCommand);
    }
    if params.cwd.as_ref().is_some_and(|cwd| cwd.len() > MAX_PATH_BYTES) {
        return Err(Refusal::TooLong { what: "bytes of a directory", limit: MAX_PATH_BYTES });
    }
    if params.argv.iter().chain(&params.cwd).any(|text| text.contains('\0')) {
        return Err(Refusal::Nul);
    }
    if params.argv.iter().any(|word| word.len() > MAX_STRING_BYTES) {
        return Err(Refusal::TooLong { what: "bytes of a word", limit: MAX_STRING_BYTES });
    }
    if let Some(name) = params.env.keys().find(|name| environment::is_own(name)) {
        return Err(Refusal::OwnVariable { name: name.clone() });
    }
    let variables = || params.env.iter().chain(&params.client_env);
    variables().try_for_each(|(name, value)| check_variable(name, value))?;
    let bytes = params.argv.iter().map(|word| word.len() + 1).sum::<usize>()
        + variables().map(|(name, value)| name.len() + value.len() + 2).sum::<usize>();
    if bytes > MAX_ARGV_ENV_BYTES {
        let what = "bytes of a command line with its environment";
        return Err(Refusal::TooLong { what, limit: MAX_ARGV_ENV_BYTES });
    }
    Ok(())
}

/// Whether a terminal may have this size; also for `session.resize`.
///
/// # Errors
/// When a side is 0 or larger than any screen.
pub const fn check_size(size: TerminalSize) -> Result<(), Refusal> {
    let TerminalSize { cols, rows, xpixel: _, ypixel: _ } = size;
    let fits = cols >= 1
        && rows >= 1
        && cols <= MAX_TERMINAL_CELLS_PER_SIDE
        && rows <= MAX_TERMINAL_CELLS_PER_SIDE;
    if fits { Ok(()) } else { Err(Refusal::Size { cols, rows }) }
}

fn check_variable(name: &str, value: &str) -> Result<(), Refusal> {
    if name.is_empty() || name.contains('=') {
        return Err(Refusal::VariableName);
    }
    if name.contains('\0') || value.contains('\0') {
        return Err(Refusal::Nul);
    }
    if name.len() + value.len() + 1 > MAX_STRING_BYTES {
        return Err(Refusal::TooLong { what: "bytes of a variable", limit: MAX_STRING_BYTES });
    }
    Ok(())
}
