//! Everything that can be asked of a relay: one marker type per method, with the scope it needs.
//!
//! A session is named by id, label or unique id prefix; see [`SessionName`].

use alloc::{collections::BTreeMap, string::String, vec::Vec};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    dialect::Dialect,
    holder::SignalTarget,
    ids::{
        Channel, ClientId, Generation, Incarnation, InputNumber, Label, LogId, Out, Principal,
        RelayId, Seq, SessionId,
    },
    record::TerminalSize,
    scope::{Scope, Scopes},
    session::{LeaseView, SessionInfo},
};

/// A method of the wire.
pub trait Method {
    /// `session.list` and so on.
    const NAME: &'static str;
    /// What it takes.
    type Params: Serialize + DeserializeOwned;
    /// What it gives.
    type Result: Serialize + DeserializeOwned;
}

/// What a caller must be allowed to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Any credential; it is how one introduces oneself.
    Open,
    /// This scope.
    Needs(Scope),
}

macro_rules! methods {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $access:expr, $params:ty => $result:ty;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub enum $name {}
            impl Method for $name {
                const NAME: &'static str = $word;
                type Params = $params;
                type Result = $result;
            }
        )*

        /// The name of a method that this version knows.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum MethodName {
            $($(#[$doc])* $name,)*
        }

        impl MethodName {
            /// Every method.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
            /// The name on the wire.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
            /// The scope that it needs: the total table method × scope.
            #[must_use]
            pub const fn access(self) -> Access {
                match self { $(Self::$name => $access,)* }
            }
            /// The method of a name; `None` is answered `unsupported`.
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|method| method.word() == word)
            }
        }

        /// JSON Schema of every method's parameters and result, by name.
        #[cfg(feature = "schema")]
        #[must_use]
        pub fn schemas(generator: &mut schemars::SchemaGenerator) -> BTreeMap<&'static str, [schemars::Schema; 2]> {
            let mut all = BTreeMap::new();
            $(all.insert($word, [generator.subschema_for::<$params>(), generator.subschema_for::<$result>()]);)*
            all
        }
    };
}

use Access::{Needs, Open};
methods! {
    /// Who I am; must be the first request of a connection.
    Hello = "hello", Open, HelloParams => HelloResult;
    /// The sessions of the relay.
    SessionList = "session.list", Needs(Scope::Read), Empty => SessionListResult;
    /// Start a session.
    SessionCreate = "session.create", Needs(Scope::Create), CreateParams => SessionResult;
    /// Watch a session's stream, and own it where that is possible.
    SessionAttach = "session.attach", Needs(Scope::Read), AttachParams => AttachResult;
    /// End an attachment.
    SessionDetach = "session.detach", Needs(Scope::Read), ChannelParams => Empty;
    /// Type without attaching; borrows the lease where the caller may have it.
    SessionInput = "session.input", Needs(Scope::Drive), InputParams => InputResult;
    /// Set the size; owner only.
    SessionResize = "session.resize", Needs(Scope::Drive), ResizeParams => Empty;
    /// Send a signal; owner, or anyone with `drive` while nobody owns.
    SessionSignal = "session.signal", Needs(Scope::Drive), SignalParams => Empty;
    /// End the program by the stop ladder.
    SessionStop = "session.stop", Needs(Scope::Drive), StopParams => Empty;
    /// Delete an ended session with its log.
    SessionRemove = "session.remove", Needs(Scope::Drive), SessionParams => Empty;
    /// Change the label.
    SessionRename = "session.rename", Needs(Scope::Drive), RenameParams => SessionResult;
    /// Start the program of an exited or lost session again, in the same log.
    SessionResume = "session.resume", Needs(Scope::Create), ResumeParams => SessionResult;
    /// Lines that left the top of the screen, by pages, newest page first.
    SessionScrollback = "session.scrollback", Needs(Scope::Read), ScrollbackParams => ScrollbackResult;
    /// Records of the log, by pages.
    SessionLog = "session.log", Needs(Scope::Read), LogParams => LogResult;
    /// Ask the owner for the lease.
    LeaseRequest = "lease.request", Needs(Scope::Drive), SessionParams => LeaseResult;
    /// Hand the lease to a client that asked for it; owner only.
    LeaseOffer = "lease.offer", Needs(Scope::Drive), OfferParams => LeaseResult;
    /// Give the lease up; owner only.
    LeaseRelease = "lease.release", Needs(Scope::Drive), SessionParams => LeaseResult;
    /// Take the lease: a free one, or one of the same principal; with `admin` and a reason, any.
    LeaseTake = "lease.take", Needs(Scope::Drive), TakeParams => LeaseResult;
    /// Make a bearer token.
    TokenCreate = "token.create", Needs(Scope::Admin), TokenCreateParams => TokenSecret;
    /// The tokens, without their secrets.
    TokenList = "token.list", Needs(Scope::Admin), Empty => TokenListResult;
    /// Replace a token's secret; the old one works on for the overlap.
    TokenRotate = "token.rotate", Needs(Scope::Admin), TokenRotateParams => TokenSecret;
    /// End a token at once.
    TokenRevoke = "token.revoke", Needs(Scope::Admin), TokenNameParams => Empty;
    /// What runs here, and where it listens.
    RelayStatus = "relay.status", Needs(Scope::Read), Empty => RelayStatusResult;
    /// Stop the relay; sessions live on.
    RelayShutdown = "relay.shutdown", Needs(Scope::Admin), Empty => Empty;
    /// Apply quota and age limits to logs.
    RelayGc = "relay.gc", Needs(Scope::Admin), GcParams => GcResult;
    /// The instances of this machine that the relay knows: at least itself.
    InstanceList = "instance.list", Needs(Scope::Read), Empty => InstanceListResult;
}

/// No parameters, or nothing to say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Empty {}

/// How a caller names a session: its id, its label, or a prefix of its id that fits only one.
pub type SessionName = String;

/// [`Hello`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HelloParams {
    /// What people see as the client's name: `qd on laptop`.
    pub name: String,
    /// The ticket of an earlier `hello`, to come back as the same client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// Send `sync` and the notifications after it.
    #[serde(default)]
    pub watch: bool,
}

/// [`Hello`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HelloResult {
    /// The relay.
    pub relay_id: RelayId,
    /// Its life.
    pub generation: Generation,
    /// Product version.
    pub version: String,
    /// Instance name.
    pub instance: String,
    /// Host name of the machine.
    pub machine: String,
    /// The caller's client id.
    pub client_id: ClientId,
    /// Secret with which the caller can come back as this client.
    pub ticket: String,
    /// Who the caller is.
    pub principal: Principal,
    /// What the caller may do here.
    pub scopes: Scopes,
    /// Set when the caller runs inside this session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside: Option<SessionId>,
}

/// A method that takes only a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SessionParams {
    /// Which session.
    pub session: SessionName,
}

/// A method that takes only an attachment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChannelParams {
    /// Which attachment.
    pub channel: Channel,
}

/// [`SessionList`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SessionListResult {
    /// Newest first.
    pub sessions: Vec<SessionInfo>,
}

/// A method that gives a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SessionResult {
    /// The session as it is now.
    pub session: SessionInfo,
}

/// [`SessionCreate`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CreateParams {
    /// A retry with the same id gets the first session; drawn by the caller, at most 64 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Command line; empty = a login shell.
    #[serde(default)]
    pub argv: Vec<String>,
    /// Where it starts; none = the relay user's home.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// The local client's environment; ignored from callers that are not local.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub client_env: BTreeMap<String, String>,
    /// Variables asked for by name; they win over all others.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The label; none = the command's name and the lowest free number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Label>,
    /// First size; none = 80 × 24.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<TerminalSize>,
    /// Record what is typed as well.
    #[serde(default)]
    pub record_input: bool,
}

/// Which role an attachment asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum AttachRole {
    /// Own the session when it is free and the caller may drive; else follow.
    #[default]
    Auto,
    /// Only watch.
    Follow,
    /// Take the lease as `lease.take` would; fails where that fails.
    Take,
}

/// What an attachment gets first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "at", rename_all = "snake_case")]
pub enum AttachFrom {
    /// The screen as it is, then what follows.
    #[default]
    Snapshot,
    /// Every byte from `out` on, if it is this log's.
    Out {
        /// First byte wanted.
        out: Out,
        /// The log that the caller saw.
        log_id: LogId,
    },
    /// The last bytes.
    Tail {
        /// How many.
        bytes: u64,
    },
    /// Only what follows.
    Head,
}

/// What happens to a viewer that falls behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Behind {
    /// It gets a gap and a snapshot: right for people.
    #[default]
    Skip,
    /// It gets every byte that the log still has: right for recorders.
    Replay,
}

/// [`SessionAttach`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AttachParams {
    /// Which session.
    pub session: SessionName,
    /// Which role.
    #[serde(default)]
    pub role: AttachRole,
    /// What comes first.
    #[serde(default)]
    pub from: AttachFrom,
    /// What happens when the caller falls behind.
    #[serde(default)]
    pub behind: Behind,
    /// Rendered-byte credit; see `limits::CREDIT_WINDOW_RANGE_BYTES`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<u64>,
    /// The local client's agent socket, re-pointed when it owns; ignored from others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh_auth_sock: Option<String>,
}

/// How the caller's wish for a starting point was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "start", rename_all = "snake_case")]
pub enum AttachStart {
    /// Exactly as asked.
    Ok,
    /// The first bytes are gone; a `GAP` frame says the same in the stream.
    Gap {
        /// First byte asked for.
        from: Out,
        /// First byte that comes.
        to: Out,
    },
    /// The caller's offset is not of this log; a snapshot comes instead.
    Reset,
}

/// Whether an attachment may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// This client owns the session.
    Owner,
    /// It watches.
    Follower,
}

/// [`SessionAttach`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AttachResult {
    /// Number of the attachment in binary frames of this connection.
    pub channel: Channel,
    /// How the starting point was met.
    #[serde(flatten)]
    pub start: AttachStart,
    /// The log that offsets belong to.
    pub log_id: LogId,
    /// Which start of the program this is.
    pub incarnation: Incarnation,
    /// First output byte that follows.
    pub out: Out,
    /// Output bytes so far; what comes before it is replay.
    pub head: Out,
    /// Whether the caller may write.
    pub role: Role,
    /// Last input number of this client that was applied; resend what is above.
    pub input_applied: InputNumber,
    /// The session.
    pub session: SessionInfo,
}

/// [`SessionInput`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InputParams {
    /// Which session.
    pub session: SessionName,
    /// UTF-8 text to type, as it is; a carriage return is `\r`.
    pub text: String,
    /// Its number for this client; a retry keeps it. None = one more than the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<InputNumber>,
}

/// [`SessionInput`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InputResult {
    /// Its number.
    pub n: InputNumber,
    /// Output bytes before the input was written: a reader from here on sees its effect.
    pub out: Out,
}

/// [`SessionResize`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ResizeParams {
    /// Which session.
    pub session: SessionName,
    /// The new size.
    pub size: TerminalSize,
}

/// [`SessionSignal`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SignalParams {
    /// Which session.
    pub session: SessionName,
    /// `INT`, `TERM`, `HUP`, `KILL`, `QUIT`, `USR1`, `USR2`, `STOP`, `CONT`, `WINCH`.
    pub signal: String,
    /// Who gets it.
    pub to: SignalTarget,
}

/// [`SessionStop`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StopParams {
    /// Which session.
    pub session: SessionName,
    /// Milliseconds between the rungs of the ladder; none = 3000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rung_ms: Option<u32>,
    /// Begin with SIGKILL.
    #[serde(default)]
    pub now: bool,
    /// Why; needed by `admin` to stop a session that another principal owns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// [`SessionRename`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RenameParams {
    /// Which session.
    pub session: SessionName,
    /// The new label.
    pub label: Label,
}

/// [`SessionResume`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ResumeParams {
    /// Which session.
    pub session: SessionName,
    /// The local client's environment; ignored from callers that are not local.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub client_env: BTreeMap<String, String>,
    /// The terminal's size; none = as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<TerminalSize>,
}

/// [`SessionScrollback`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ScrollbackParams {
    /// Which session.
    pub session: SessionName,
    /// The page that ends here; the `out` of a snapshot, or the `from` of the page before.
    pub before: Out,
    /// How many lines are wanted in all; the page may have fewer or somewhat more.
    pub lines: u32,
}

/// A line that left the top of the screen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ScrolledLine {
    /// Text with SGR and link sequences, ending in the default pen.
    pub text: String,
    /// It continues in the next line: no line break stood there.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub wrapped: bool,
}

/// [`SessionScrollback`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ScrollbackResult {
    /// The output bytes `from..before` pushed these lines off the screen, oldest first.
    pub lines: Vec<ScrolledLine>,
    /// Where the page before this one ends.
    pub from: Out,
    /// Nothing older is in the log.
    pub oldest: bool,
    /// Whether the page began at a known screen; else its first lines may differ.
    pub exact: bool,
}

/// [`SessionLog`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LogParams {
    /// Which session.
    pub session: SessionName,
    /// First record wanted; one that is gone gives the first there is, with a gap.
    #[serde(default)]
    pub after: Option<Seq>,
    /// At most this many records; a page also ends by bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
}

/// A record of the log, for reading.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LogEntry {
    /// Its number.
    pub seq: Seq,
    /// Output bytes before it.
    pub out: Out,
    /// When, in microseconds since 1970.
    pub time: u64,
    /// Its kind.
    pub kind: String,
    /// Raw payload of output, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
    /// JSON payload of the other kinds. Recorded input is left out without `admin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<serde_json::Value>"))]
    pub body: Option<alloc::boxed::Box<serde_json::value::RawValue>>,
}

/// [`SessionLog`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LogResult {
    /// The page.
    pub entries: Vec<LogEntry>,
    /// Where the next page begins.
    pub next: Seq,
    /// Nothing more is there yet.
    pub end: bool,
}

/// [`LeaseOffer`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OfferParams {
    /// Which session.
    pub session: SessionName,
    /// To whom; none = who asked first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<ClientId>,
}

/// [`LeaseTake`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TakeParams {
    /// Which session.
    pub session: SessionName,
    /// Why; needed to take it from another principal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A method that gives a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LeaseResult {
    /// The lease as it is now.
    pub lease: LeaseView,
    /// Whether the caller owns the session now.
    pub role: Role,
}

/// [`TokenCreate`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenCreateParams {
    /// The token's own name, unique: `phone`.
    pub name: String,
    /// Name of the principal behind it; none = the caller's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// What it may do.
    pub scopes: Scopes,
    /// Only these sessions; empty = all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<SessionId>,
    /// Seconds until it expires; none = never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_s: Option<u64>,
    /// The only wire that it opens; none = `quarterdeck.v1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dialect: Option<Dialect>,
}

/// [`TokenRotate`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenRotateParams {
    /// Which token.
    pub name: String,
    /// Seconds for which the old secret works on; none = 3600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap_s: Option<u64>,
}

/// [`TokenRevoke`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenNameParams {
    /// Which token.
    pub name: String,
}

/// A new secret; shown once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenSecret {
    /// Which token.
    pub name: String,
    /// The secret.
    pub token: String,
    /// When it expires, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
}

impl core::fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("TokenSecret")
            .field("name", &self.name)
            .field("token", &"[redacted]")
            .finish()
    }
}

/// A token without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenInfo {
    /// Its name.
    pub name: String,
    /// Who is behind it.
    pub principal: Principal,
    /// What it may do.
    pub scopes: Scopes,
    /// Only these sessions; empty = all.
    pub sessions: Vec<SessionId>,
    /// The only wire that it opens; none = `quarterdeck.v1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dialect: Option<Dialect>,
    /// When it was made, in seconds since 1970.
    pub created_at: u64,
    /// When it expires.
    pub expires_at: Option<u64>,
    /// When it was last presented and right.
    pub last_used_at: Option<u64>,
    /// Until when the secret before the last rotation works.
    pub overlap_until: Option<u64>,
}

/// [`TokenList`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenListResult {
    /// By name.
    pub tokens: Vec<TokenInfo>,
}

/// [`RelayStatus`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RelayStatusResult {
    /// The relay.
    pub relay_id: RelayId,
    /// Its life.
    pub generation: Generation,
    /// Product version.
    pub version: String,
    /// Instance name.
    pub instance: String,
    /// Host name of the machine.
    pub machine: String,
    /// Pid of the relay.
    pub pid: u32,
    /// When it started, in microseconds since 1970.
    pub started_at: u64,
    /// Addresses that it accepts connections on: `wss://127.0.0.1:7717`, `unix:/…`.
    pub listening: Vec<String>,
    /// Pin of its certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
    /// Sessions whose program runs.
    pub live: u32,
    /// Sessions that have ended.
    pub ended: u32,
    /// Connections.
    pub clients: u32,
    /// Bytes of all logs.
    pub log_bytes: u64,
}

/// [`RelayGc`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GcParams {
    /// Remove sessions that ended longer ago than this many seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_before_s: Option<u64>,
    /// Bytes that all logs may take; none = the configured quota.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota_bytes: Option<u64>,
    /// Only say what would go.
    #[serde(default)]
    pub dry_run: bool,
}

/// [`RelayGc`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GcResult {
    /// Sessions that are gone.
    pub removed: Vec<SessionId>,
    /// Sessions whose oldest records are gone.
    pub trimmed: Vec<SessionId>,
    /// Bytes freed.
    pub freed_bytes: u64,
    /// Bytes that the logs take now.
    pub log_bytes: u64,
}

/// An instance of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InstanceInfo {
    /// Its name.
    pub name: String,
    /// Its state directory.
    pub directory: String,
    /// Pid of its relay, when one runs.
    pub pid: Option<u32>,
}

/// [`InstanceList`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InstanceListResult {
    /// By name.
    pub instances: Vec<InstanceInfo>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_method_has_one_name_that_leads_back_to_it() {
        let words: BTreeSet<_> = MethodName::ALL.iter().map(|m| m.word()).collect();
        assert_eq!(words.len(), MethodName::ALL.len());
        for method in MethodName::ALL {
            assert_eq!(MethodName::parse(method.word()), Some(*method));
        }
        assert_eq!(MethodName::parse("session.explode"), None);
    }

    #[test]
    fn only_hello_is_open() {
        let open: Vec<_> = MethodName::ALL.iter().filter(|m| m.access() == Open).collect();
        assert_eq!(open, [&MethodName::Hello]);
    }

    #[test]
    fn parameters_have_defaults_for_all_but_the_session() {
        let attach: AttachParams = serde_json::from_str(r#"{"session":"x"}"#).expect("parses");
        assert_eq!((attach.role, attach.from), (AttachRole::Auto, AttachFrom::Snapshot));
        assert!(serde_json::from_str::<AttachParams>("{}").is_err());
    }
}
