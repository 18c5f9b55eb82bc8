//! `qd msg`: mail between agents, and with people.

mod policy;
mod text;

use std::{io::Read as _, time::Duration};

use quarterdeck_protocol::{
    ids::Label,
    limits::MAX_MAIL_TEXT_BYTES,
    mail::Role,
    method::{
        ContactDecision, Empty, MailAutorespond, MailAutorespondParams, MailContactAdd,
        MailContactAddParams, MailContactDecide, MailContactParams, MailContacts,
        MailContactsResult, MailDecision, MailHome, MailHomeParams, MailIdentities,
        MailIdentityAdd, MailIdentityAddParams, MailIdentityParams, MailIdentityUse,
        MailIdentityUseParams, MailInbox, MailInboxParams, MailReset, MailResetParams, MailSend,
        MailSendParams, MailStatus, MailStatusParams, MailWait, MailWaitParams, MailWhoami,
        SessionList,
    },
};

use crate::{
    Exit,
    config::Settings,
    connection::{Connection, Missing},
    error::{CliError, Kind},
    output::time::parse_duration,
};

/// One call of a wait, in milliseconds: well below the limit of a call.
const WAIT_STEP_MS: u32 = 10_000;

/// What to do about mail.
#[derive(Debug, clap::Args)]
pub(crate) struct MsgArgs {
    /// As which identity [default: the session's, or the default one]
    #[arg(long, value_name = "NAME", global = true)]
    identity: Option<String>,
    #[command(subcommand)]
    command: MsgCommand,
}

#[derive(Debug, clap::Subcommand)]
enum MsgCommand {
    /// Show who you are, and which sessions can be written to
    Whoami,
    /// Send a message to a session or a contact
    Send(SendArgs),
    /// Answer a message
    Reply {
        /// Which: its number, such as '#12', or its id
        message: String,
        /// What you say; - or nothing reads it from standard input
        text: Vec<String>,
    },
    /// Show what came; it is read then
    Inbox {
        /// Of which session [default: all of the identity's]
        session: Option<String>,
        /// Leave it unread
        #[arg(long)]
        peek: bool,
        /// Also what was read before
        #[arg(long)]
        all: bool,
    },
    /// Show what comes, as it comes
    Watch {
        /// End after this time [default: never]
        #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
        limit: Option<Duration>,
    },
    /// Show how far what was sent came
    Status {
        /// Which message [default: the latest]
        id: Option<String>,
    },
    /// Show whom the identity knows
    Contacts,
    /// Ask somebody to be a contact; accept who asked
    Add {
        /// The address, which they see with: qd msg whoami
        contact: String,
        /// What to call it here [default: what it calls itself]
        #[arg(long)]
        name: Option<String>,
        /// A word to it
        #[arg(long, default_value = "", hide_default_value = true)]
        note: String,
    },
    /// Answer messages while their session does not live, or say whether that is done
    Autorespond {
        /// Turn it on or off [default: say which it is]
        state: Option<OnOff>,
    },
    /// Begin to seal anew with a contact, after its mail could not be opened
    Reset {
        /// Its name or address
        contact: String,
    },
    /// Let a contact's mail through, with the key that it has now
    Accept {
        /// Its name or address
        contact: String,
    },
    /// Keep a contact's mail until you decide
    Hold {
        /// Its name or address
        contact: String,
    },
    /// Let no mail of a contact through, and tell it so
    Refuse {
        /// Its name or address
        contact: String,
    },
    /// Take nothing of a contact any more, without telling it
    Block {
        /// Its name or address
        contact: String,
    },
    /// Show what the identity does with its mail, or change it
    Policy(policy::PolicyArgs),
    /// Let a held message through, whatever is decided about its sender
    Deliver {
        /// Its number, such as '#12'
        message: String,
    },
    /// Discard a held message; its sender is told
    Discard {
        /// Its number, such as '#12'
        message: String,
    },
    /// Make, list or assign identities
    #[command(subcommand)]
    Identity(IdentityCommand),
}

/// A switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum OnOff {
    /// Do it
    On,
    /// Do it no more
    Off,
}

/// Flags of `qd msg send`.
#[derive(Debug, clap::Args)]
struct SendArgs {
    /// To whom: a session's label, a contact, or CONTACT/LABEL
    to: String,
    /// What you say; - or nothing reads it from standard input
    text: Vec<String>,
    /// Wait for the answer
    #[arg(long)]
    wait: bool,
    /// How long to wait [default: 2m]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, requires = "wait")]
    timeout: Option<Duration>,
}

#[derive(Debug, clap::Subcommand)]
enum IdentityCommand {
    /// Make an identity
    Add {
        /// What it is called
        name: String,
    },
    /// List the identities
    Ls,
    /// Choose the hub that has an identity's mailbox [default: the first one it met]
    Home {
        /// Its name on this relay, or its id; qd relay hubs shows both
        #[arg(id = "which", value_name = "HUB")]
        hub: String,
    },
    /// Use an identity for a session, for those of a project, or for all that have no other
    Use(UseArgs),
}

/// Flags of `qd msg identity use`.
#[derive(Debug, clap::Args)]
struct UseArgs {
    /// Which
    #[arg(required_unless_present = "none")]
    name: Option<String>,
    /// The project's directory
    #[arg(long, value_name = "DIRECTORY")]
    project: Option<String>,
    /// The session: its label or id
    #[arg(long, conflicts_with = "project")]
    session: Option<String>,
    /// Take back what was chosen for the project or the session
    #[arg(long, conflicts_with = "name")]
    none: bool,
}

/// Sends, reads and decides.
pub(crate) async fn run(settings: &Settings, args: MsgArgs) -> Result<Exit, CliError> {
    let connection = Connection::open(settings, Missing::StartForSessions).await?;
    let MsgArgs { identity, command } = args;
    let c = Caller { settings, connection, identity };
    match command {
        MsgCommand::Whoami => c.whoami().await,
        MsgCommand::Send(args) => c.send(args).await,
        MsgCommand::Reply { message, text } => c.reply(message, &text).await,
        MsgCommand::Inbox { session, peek, all } => c.inbox(session, peek, all).await,
        MsgCommand::Watch { limit } => c.watch(limit).await,
        MsgCommand::Status { id } => c.status(id).await,
        MsgCommand::Contacts => c.contacts().await,
        MsgCommand::Add { contact, name, note } => c.add(contact, name, note).await,
        MsgCommand::Autorespond { state } => c.autorespond(state).await,
        MsgCommand::Reset { contact } => c.reset(contact).await,
        MsgCommand::Accept { contact } => c.decide(contact, ContactDecision::Accept).await,
        MsgCommand::Hold { contact } => c.decide(contact, ContactDecision::Hold).await,
        MsgCommand::Refuse { contact } => c.decide(contact, ContactDecision::Refuse).await,
        MsgCommand::Block { contact } => c.decide(contact, ContactDecision::Block).await,
        MsgCommand::Policy(args) => c.policy(args).await,
        MsgCommand::Deliver { message } => c.decide_message(&message, MailDecision::Deliver).await,
        MsgCommand::Discard { message } => c.decide_message(&message, MailDecision::Discard).await,
        MsgCommand::Identity(command) => c.identities(command).await,
    }
}

struct Caller<'a> {
    settings: &'a Settings,
    connection: Connection,
    identity: Option<String>,
}

impl Caller<'_> {
    async fn whoami(&self) -> Result<Exit, CliError> {
        let params = MailIdentityParams { identity: self.identity.clone() };
        let found = self.connection.call::<MailWhoami>(&params, None).await?;
        self.settings.output.result(&found, |styles| text::whoami(&found, styles))?;
        Ok(Exit::OK)
    }

    async fn send(&self, args: SendArgs) -> Result<Exit, CliError> {
        let (to, to_session) = self.recipient(&args.to).await?;
        let params = MailSendParams {
            to,
            to_session,
            body: body(&args.text)?,
            role: Role::User,
            identity: self.identity.clone(),
            ..MailSendParams::default()
        };
        let sent = self.connection.call::<MailSend>(&params, Some(&args.to)).await?;
        if !args.wait {
            self.settings.output.result(&sent, |_| text::sent(&sent))?;
            return Ok(Exit::OK);
        }
        let params = MailWaitParams {
            identity: self.identity.clone(),
            from: Some(sent.to.clone()),
            from_session: sent.to_session.clone(),
            in_reply_to: Some(sent.id.clone()),
            wait_ms: 0,
        };
        let limit = args.timeout.unwrap_or(Duration::from_secs(120));
        match self.wait(&params, Some(limit)).await? {
            Some(message) => {
                self.settings.output.result(&message, |styles| text::message(&message, styles))?;
                Ok(Exit::OK)
            }
            None => Err(CliError::new(Kind::Timeout, "no answer came in time")
                .hint(format!("see how far it came: qd msg status {}", sent.id))),
        }
    }

    /// A word is a session's label, unless it is a contact's name or address; a slash joins both.
    async fn recipient(&self, word: &str) -> Result<(Option<String>, Option<Label>), CliError> {
        let label = |text: &str| {
            let parsed = text.parse::<Label>();
            parsed.map_err(|error| CliError::usage("this is no label").caused_by(&error))
        };
        if let Some((contact, session)) = word.split_once('/') {
            return Ok((Some(contact.to_owned()), Some(label(session)?)));
        }
        let params = MailIdentityParams { identity: self.identity.clone() };
        let known = self.connection.call::<MailContacts>(&params, None).await?.contacts;
        if known.iter().any(|contact| contact.name == word || contact.address == word) {
            return Ok((Some(word.to_owned()), None));
        }
        Ok((None, Some(label(word)?)))
    }

    async fn reply(&self, message: String, words: &[String]) -> Result<Exit, CliError> {
        let (to, to_session) = if message.starts_with('#') {
            (None, None)
        } else {
            let params = MailInboxParams {
                identity: self.identity.clone(),
                peek: true,
                all: true,
                session: None,
            };
            let inbox = self.connection.call::<MailInbox>(&params, None).await?;
            let found = inbox.messages.into_iter().rev().find(|it| it.id == message);
            let unknown = || {
                CliError::new(Kind::NotFound, "there is no such message")
                    .hint("see what came: qd msg inbox --all --peek")
            };
            let found = found.ok_or_else(unknown)?;
            (Some(found.from), found.from_session.and_then(|label| label.parse().ok()))
        };
        let params = MailSendParams {
            to,
            to_session,
            body: body(words)?,
            role: Role::User,
            in_reply_to: Some(message),
            identity: self.identity.clone(),
            auto: false,
            request_id: None,
        };
        let sent = self.connection.call::<MailSend>(&params, None).await?;
        self.settings.output.result(&sent, |_| text::sent(&sent))?;
        Ok(Exit::OK)
    }

    async fn inbox(
        &self,
        session: Option<String>,
        peek: bool,
        all: bool,
    ) -> Result<Exit, CliError> {
        let name = session.clone();
        let params = MailInboxParams { identity: self.identity.clone(), session, peek, all };
        let found = self.connection.call::<MailInbox>(&params, name.as_deref()).await?;
        self.settings.output.result(&found, |styles| {
            found.messages.iter().map(|message| text::message(message, styles)).collect()
        })?;
        if found.messages.is_empty() {
            self.settings.output.note("there is no new mail");
        }
        Ok(Exit::OK)
    }

    async fn watch(&self, limit: Option<Duration>) -> Result<Exit, CliError> {
        let params =
            MailWaitParams { identity: self.identity.clone(), ..MailWaitParams::default() };
        let until = limit.map(|limit| tokio::time::Instant::now() + limit);
        loop {
            let left = until.map(|at| at.saturating_duration_since(tokio::time::Instant::now()));
            match self.wait(&params, left).await? {
                Some(message) => self
                    .settings
                    .output
                    .result(&message, |styles| text::message(&message, styles))?,
                None => return Ok(Exit::OK),
            }
        }
    }

    /// Waits by short calls.
    async fn wait(
        &self,
        params: &MailWaitParams,
        limit: Option<Duration>,
    ) -> Result<Option<quarterdeck_protocol::method::MailMessage>, CliError> {
        let until = limit.map(|limit| tokio::time::Instant::now() + limit);
        loop {
            let left = until.map(|at| at.saturating_duration_since(tokio::time::Instant::now()));
            let left_ms = left.map_or(WAIT_STEP_MS, |left| {
                u32::try_from(left.as_millis()).unwrap_or(u32::MAX).min(WAIT_STEP_MS)
            });
            let params = MailWaitParams { wait_ms: left_ms, ..params.clone() };
            let came = self.connection.call::<MailWait>(&params, None).await?.message;
            if came.is_some() || left_ms == 0 {
                return Ok(came);
            }
        }
    }

    async fn status(&self, id: Option<String>) -> Result<Exit, CliError> {
        let params = MailStatusParams { identity: self.identity.clone(), id };
        let found = self.connection.call::<MailStatus>(&params, None).await?;
        self.settings.output.result(&found, |styles| text::status(&found, styles))?;
        Ok(Exit::OK)
    }

    async fn contacts(&self) -> Result<Exit, CliError> {
        let params = MailIdentityParams { identity: self.identity.clone() };
        let found = self.connection.call::<MailContacts>(&params, None).await?;
        self.settings.output.result(&found, |styles| text::contacts(&found, styles))?;
        Ok(Exit::OK)
    }

    async fn add(
        &self,
        contact: String,
        name: Option<String>,
        note: String,
    ) -> Result<Exit, CliError> {
        let identity = self.identity.clone();
        let params = MailContactAddParams { identity, contact, name, note };
        let added = self.connection.call::<MailContactAdd>(&params, None).await?;
        let shown = MailContactsResult { contacts: vec![added.clone()] };
        self.settings.output.result(&added, |styles| text::contacts(&shown, styles))?;
        if added.standing == "asked" {
            self.settings.output.note("it is asked; what you send waits until it accepts");
        }
        Ok(Exit::OK)
    }

    async fn autorespond(&self, state: Option<OnOff>) -> Result<Exit, CliError> {
        let on = state.map(|state| state == OnOff::On);
        let params = MailAutorespondParams { identity: self.identity.clone(), on };
        let found = self.connection.call::<MailAutorespond>(&params, None).await?;
        self.settings.output.result(&found, |_| text::autorespond(&found))?;
        Ok(Exit::OK)
    }

    async fn reset(&self, contact: String) -> Result<Exit, CliError> {
        let params = MailResetParams { identity: self.identity.clone(), contact };
        let found = self.connection.call::<MailReset>(&params, None).await?;
        self.settings.output.result(&found, |styles| text::contacts(&found, styles))?;
        Ok(Exit::OK)
    }

    async fn decide(&self, contact: String, decision: ContactDecision) -> Result<Exit, CliError> {
        let params = MailContactParams { identity: self.identity.clone(), contact, decision };
        let found = self.connection.call::<MailContactDecide>(&params, None).await?;
        self.settings.output.result(&found, |styles| text::contacts(&found, styles))?;
        Ok(Exit::OK)
    }

    async fn identities(&self, command: IdentityCommand) -> Result<Exit, CliError> {
        let c = &self.connection;
        let found = match command {
            IdentityCommand::Ls => c.call::<MailIdentities>(&Empty {}, None).await?,
            IdentityCommand::Home { hub } => {
                let params = MailHomeParams { identity: self.identity.clone(), hub };
                c.call::<MailHome>(&params, None).await?
            }
            IdentityCommand::Add { name } => {
                c.call::<MailIdentityAdd>(&MailIdentityAddParams { name }, None).await?
            }
            IdentityCommand::Use(UseArgs { name, project, session, none: _ }) => {
                let project = project.map(|path| absolute(&path)).transpose()?;
                let params = MailIdentityUseParams { name, project, session };
                c.call::<MailIdentityUse>(&params, None).await?
            }
        };
        let sessions = if found.identities.iter().any(|it| !it.sessions.is_empty()) {
            c.call::<SessionList>(&Empty {}, None).await?.sessions
        } else {
            Vec::new()
        };
        self.settings
            .output
            .result(&found, |styles| text::identities(&found, &sessions, styles))?;
        Ok(Exit::OK)
    }
}

/// The words, or what standard input has.
fn body(words: &[String]) -> Result<String, CliError> {
    if !(words.is_empty() || words == ["-"]) {
        return Ok(words.join(" "));
    }
    let mut text = String::new();
    let limit = u64::try_from(MAX_MAIL_TEXT_BYTES + 1).unwrap_or(u64::MAX);
    let read = std::io::stdin().take(limit).read_to_string(&mut text);
    read.map_err(|error| CliError::usage("standard input is no text").caused_by(&error))?;
    Ok(text)
}

fn absolute(path: &str) -> Result<String, CliError> {
    let unusable = |error| CliError::usage("the directory is not usable").caused_by(&error);
    let path = std::fs::canonicalize(path).map_err(unusable)?;
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| CliError::usage("the directory's name is not UTF-8"))
}
