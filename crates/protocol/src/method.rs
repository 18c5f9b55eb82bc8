//! Everything that can be asked of a relay: one marker type per method, with the scope it needs.
//!
//! What the methods take and give stands by family in the files below. A session is named by id, label
//! or unique id prefix; see [`SessionName`].

mod agent;
mod attach;
mod audit;
mod carry;
mod device;
mod git;
mod hello;
mod history;
mod hook;
mod instance;
mod lease;
mod log;
mod machine;
mod mail;
mod outside;
mod pairing;
mod place;
mod relay;
mod session;
mod token;

#[cfg(feature = "schema")]
use alloc::collections::BTreeMap;
use alloc::string::String;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub use agent::{
    AgentCommandResult, AgentInterruptParams, AgentParams, AgentPromptParams, AgentSetModeParams,
    AgentSetModelParams, AgentViewResult, AgentWithdrawParams, PromptAnswerParams,
    PromptAnswerResult, PromptInfo, PromptListParams, PromptListResult,
};
pub use attach::{
    AttachFrom, AttachParams, AttachResult, AttachRole, AttachStart, Behind, ChannelParams, Role,
};
pub use audit::{AuditEntry, AuditListParams, AuditListResult};
pub use carry::{
    CarriedLetter, CarryNews, CarryOrder, CarryRest, MailBringParams, MailCard, MailFetchParams,
    MailFetchResult, MailKey,
};
pub use device::{
    DeviceInfo, DeviceInviteParams, DeviceInviteResult, DeviceListResult, DeviceParams,
};
pub use git::{GitChange, GitDiff, GitFile, GitParams, GitResult, WorktreeParams};
pub use hello::{Acting, HelloParams, HelloResult};
pub use history::{
    IdentityMail, MailChanged, MailDirection, MailEntry, MailHistoryParams, MailHistoryResult,
    MailReadParams,
};
pub use hook::{
    HookEvent, HookInfo, HookKind, HookListResult, HookTestParams, HookTestResult, HookToldParams,
};
pub use instance::{
    InstanceCreateParams, InstanceHub, InstanceInfo, InstanceListResult, InstanceOpenParams,
    InstanceResult, InstanceState,
};
pub use lease::{LeaseResult, OfferParams, TakeParams};
pub use log::{LogEntry, LogParams, LogResult, ScrollbackParams, ScrollbackResult, ScrolledLine};
pub use machine::{
    HubStatusResult, MachineAccess, MachineAddParams, MachineInfo, MachineInviteParams,
    MachineListResult, MachineParams, MachineRelay, MachineRenameParams, MachineResult,
    MachineState, MachineUpdateParams, MachineWay,
};
pub use mail::{
    ContactDecision, MailAutorespondParams, MailAutorespondResult, MailContact,
    MailContactAddParams, MailContactParams, MailContactsResult, MailDecideParams, MailDecision,
    MailHomeParams, MailIdentitiesResult, MailIdentity, MailIdentityAddParams, MailIdentityParams,
    MailIdentityUseParams, MailInboxParams, MailInboxResult, MailJob, MailMessage,
    MailNotifyParams, MailPolicyParams, MailPolicyResult, MailResetParams, MailSendParams,
    MailSession, MailSetStatusParams, MailState, MailStatusParams, MailStatusResult,
    MailWaitParams, MailWaitResult, MailWhoamiResult, Unaddressed,
};
pub use outside::{
    ClaimSecret, MailClaimAgain, MailClaimParams, MailClaimResult, MailNextParams, MailNextResult,
    MailToShow, SpeakerKind,
};
pub use pairing::{
    HubInfo, HubNameParams, HubTerms, PairingInviteParams, PairingInviteResult, PairingJoinParams,
    PairingListResult,
};
pub use place::{
    DirectoriesParams, DirectoriesResult, DirectoryEntry, UploadParams, UploadResult, UploadedFile,
};
pub use relay::{GcParams, GcResult, RelayStatusResult};
pub use session::{
    CreateParams, InputParams, InputResult, RenameParams, ResizeParams, ResumeParams,
    SessionListResult, SessionParams, SessionResult, SignalParams, StopParams,
};
pub use token::{
    TokenCreateParams, TokenInfo, TokenListResult, TokenNameParams, TokenRotateParams, TokenSecret,
};

use crate::{
    remote_control::{RemotePreflightParams, RemotePreflightResult},
    scope::Scope,
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
    /// Set the size; owner, or anyone with `drive` while nobody owns.
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
    /// What changed in a session's directory, as git sees it.
    SessionGit = "session.git", Needs(Scope::Read), GitParams => GitResult;
    /// Put a file where a session's program can read it, piece by piece.
    SessionUpload = "session.upload", Needs(Scope::Drive), UploadParams => UploadResult;
    /// What a conversation adds up to.
    AgentView = "agent.view", Needs(Scope::Read), SessionParams => AgentViewResult;
    /// A message to an agent.
    AgentPrompt = "agent.prompt", Needs(Scope::Drive), AgentPromptParams => AgentCommandResult;
    /// Stop an agent's turn.
    AgentInterrupt = "agent.interrupt", Needs(Scope::Drive), AgentInterruptParams => AgentCommandResult;
    /// Change an agent's mode.
    AgentSetMode = "agent.set_mode", Needs(Scope::Drive), AgentSetModeParams => AgentCommandResult;
    /// Change an agent's model.
    AgentSetModel = "agent.set_model", Needs(Scope::Drive), AgentSetModelParams => AgentCommandResult;
    /// Take back a message that waits.
    AgentWithdraw = "agent.withdraw", Needs(Scope::Drive), AgentWithdrawParams => AgentCommandResult;
    /// What humans are asked.
    PromptList = "prompt.list", Needs(Scope::Read), PromptListParams => PromptListResult;
    /// Answer a prompt; lasting rules and changed inputs need `drive`.
    PromptAnswerMethod = "prompt.answer", Needs(Scope::Answer), PromptAnswerParams => PromptAnswerResult;
    /// Whether a vendor's Remote Control can work, and what stands in its way.
    RemotePreflight = "remote.preflight", Needs(Scope::Create), RemotePreflightParams => RemotePreflightResult;
    /// Ask the owner for the lease.
    LeaseRequest = "lease.request", Needs(Scope::Drive), SessionParams => LeaseResult;
    /// Hand the lease to a client that asked for it; owner only.
    LeaseOffer = "lease.offer", Needs(Scope::Drive), OfferParams => LeaseResult;
    /// Give the lease up; owner only.
    LeaseRelease = "lease.release", Needs(Scope::Drive), SessionParams => LeaseResult;
    /// Take the lease: a free one, or one of the same principal; with `admin` and a reason, any.
    LeaseTake = "lease.take", Needs(Scope::Drive), TakeParams => LeaseResult;
    /// Who the caller is as far as mail goes, and whom it can write to here.
    MailWhoami = "mail.whoami", Needs(Scope::Read), MailIdentityParams => MailWhoamiResult;
    /// Send a message.
    MailSend = "mail.send", Needs(Scope::Drive), MailSendParams => MailJob;
    /// What came.
    MailInbox = "mail.inbox", Needs(Scope::Drive), MailInboxParams => MailInboxResult;
    /// What came and what was sent as one list, newest first, by pages.
    MailHistory = "mail.history", Needs(Scope::Drive), MailHistoryParams => MailHistoryResult;
    /// Messages for people were read.
    MailRead = "mail.read", Needs(Scope::Drive), MailReadParams => Empty;
    /// Wait for what comes, such as a reply.
    MailWait = "mail.wait", Needs(Scope::Drive), MailWaitParams => MailWaitResult;
    /// How far what was sent came.
    MailStatus = "mail.status", Needs(Scope::Read), MailStatusParams => MailStatusResult;
    /// Whom an identity knows.
    MailContacts = "mail.contacts", Needs(Scope::Read), MailIdentityParams => MailContactsResult;
    /// Decide about a contact.
    MailContactDecide = "mail.contact", Needs(Scope::Admin), MailContactParams => MailContactsResult;
    /// What an identity does with its mail, and change it.
    MailPolicy = "mail.policy", Needs(Scope::Admin), MailPolicyParams => MailPolicyResult;
    /// Let a held message through, or discard it.
    MailDecide = "mail.decide", Needs(Scope::Admin), MailDecideParams => Empty;
    /// Ask somebody to be a contact.
    MailContactAdd = "mail.contact_add", Needs(Scope::Drive), MailContactAddParams => MailContact;
    /// Begin another ratchet with a contact: what no ratchet opens is over.
    MailReset = "mail.reset", Needs(Scope::Drive), MailResetParams => MailContactsResult;
    /// Whether messages are answered while their session does not live.
    MailAutorespond = "mail.autorespond", Needs(Scope::Drive), MailAutorespondParams => MailAutorespondResult;
    /// Say what the caller's own session does.
    MailSetStatus = "mail.set_status", Needs(Scope::Drive), MailSetStatusParams => Empty;
    /// Send the caller's own session a message when another one has nothing to do.
    MailNotify = "mail.notify", Needs(Scope::Drive), MailNotifyParams => Empty;
    /// Give the agent on this connection a label of its own, as long as it lives; or say which one it has.
    MailClaim = "mail.claim", Needs(Scope::Drive), MailClaimParams => MailClaimResult;
    /// Give up what `mail.claim` gave.
    MailLeave = "mail.leave", Needs(Scope::Drive), Empty => Empty;
    /// Wait for a message that the agent on this connection is to be shown.
    MailNext = "mail.next", Needs(Scope::Drive), MailNextParams => MailNextResult;
    /// What a hub is to carry; only a hub asks.
    MailFetch = "mail.fetch", Open, MailFetchParams => MailFetchResult;
    /// What a hub has carried; only a hub brings.
    MailBring = "mail.bring", Open, MailBringParams => Empty;
    /// The relay's identities.
    MailIdentities = "mail.identities", Needs(Scope::Read), Empty => MailIdentitiesResult;
    /// Make an identity.
    MailIdentityAdd = "mail.identity_add", Needs(Scope::Admin), MailIdentityAddParams => MailIdentitiesResult;
    /// Assign an identity to sessions.
    MailIdentityUse = "mail.identity_use", Needs(Scope::Admin), MailIdentityUseParams => MailIdentitiesResult;
    /// Choose the hub that has an identity's mailbox.
    MailHome = "mail.home", Needs(Scope::Admin), MailHomeParams => MailIdentitiesResult;
    /// Make a bearer token.
    TokenCreate = "token.create", Needs(Scope::Admin), TokenCreateParams => TokenSecret;
    /// The tokens, without their secrets.
    TokenList = "token.list", Needs(Scope::Admin), Empty => TokenListResult;
    /// Replace a token's secret; the old one works on for the overlap.
    TokenRotate = "token.rotate", Needs(Scope::Admin), TokenRotateParams => TokenSecret;
    /// End a token at once.
    TokenRevoke = "token.revoke", Needs(Scope::Admin), TokenNameParams => Empty;
    /// Make a one-time link by which a browser logs in to a hub.
    DeviceInvite = "device.invite", Needs(Scope::Admin), DeviceInviteParams => DeviceInviteResult;
    /// The browsers that a hub knows.
    DeviceList = "device.list", Needs(Scope::Admin), Empty => DeviceListResult;
    /// Log a browser out for good, at once.
    DeviceRevoke = "device.revoke", Needs(Scope::Admin), DeviceParams => Empty;
    /// The instance's journal, newest first, by pages.
    AuditList = "audit.list", Needs(Scope::Admin), AuditListParams => AuditListResult;
    /// What runs here, and where it listens.
    RelayStatus = "relay.status", Needs(Scope::Read), Empty => RelayStatusResult;
    /// Directories in which a session could start.
    RelayDirectories = "relay.directories", Needs(Scope::Create), DirectoriesParams => DirectoriesResult;
    /// Stop the relay; sessions live on.
    RelayShutdown = "relay.shutdown", Needs(Scope::Admin), Empty => Empty;
    /// Apply quota and age limits to logs.
    RelayGc = "relay.gc", Needs(Scope::Admin), GcParams => GcResult;
    /// The instances of this machine that are known: at least that of whoever answers.
    InstanceList = "instance.list", Needs(Scope::Read), Empty => InstanceListResult;
    /// Make an instance beside a hub's own, and start its relay and hub.
    InstanceCreate = "instance.create", Needs(Scope::Admin), InstanceCreateParams => InstanceResult;
    /// Make a one-time link to the page of an instance beside a hub's own, whose daemons are started
    /// where they do not run. Only for a caller of the hub's own machine.
    InstanceOpen = "instance.open", Needs(Scope::Admin), InstanceOpenParams => DeviceInviteResult;
    /// Make a one-use line that pairs a hub with this relay.
    PairingInvite = "pairing.invite", Needs(Scope::Admin), PairingInviteParams => PairingInviteResult;
    /// Pair with a hub by the line that it made, and dial it from now on.
    PairingJoin = "pairing.join", Needs(Scope::Admin), PairingJoinParams => HubInfo;
    /// The hubs that are paired with this relay.
    PairingList = "pairing.list", Needs(Scope::Admin), Empty => PairingListResult;
    /// End a pairing at once.
    PairingRevoke = "pairing.revoke", Needs(Scope::Admin), HubNameParams => Empty;
    /// The machines of a hub.
    MachineList = "machine.list", Needs(Scope::Read), Empty => MachineListResult;
    /// Add a machine to a hub.
    MachineAdd = "machine.add", Needs(Scope::Admin), MachineAddParams => MachineResult;
    /// Forget a machine; its sessions live on.
    MachineRemove = "machine.remove", Needs(Scope::Admin), MachineParams => Empty;
    /// Change a machine's label.
    MachineRename = "machine.rename", Needs(Scope::Admin), MachineRenameParams => MachineResult;
    /// Change how a machine is reached: its pin, its token, whether it is linked by itself.
    MachineUpdate = "machine.update", Needs(Scope::Admin), MachineUpdateParams => MachineResult;
    /// Link a machine now, and by itself from now on.
    MachineConnect = "machine.connect", Needs(Scope::Admin), MachineParams => MachineResult;
    /// Unlink a machine until `machine.connect`.
    MachineDisconnect = "machine.disconnect", Needs(Scope::Admin), MachineParams => MachineResult;
    /// Make a one-use line by which a machine joins that cannot be reached.
    MachineInvite = "machine.invite", Needs(Scope::Admin), MachineInviteParams => PairingInviteResult;
    /// A channel that carries plain HTTP to this relay; what is asked there has the asker's rights.
    HttpOpen = "http.open", Open, Empty => ChannelParams;
    /// What is told to programs outside, and how that fares.
    HookList = "hook.list", Needs(Scope::Read), Empty => HookListResult;
    /// Tell a hook something now, and say how that went.
    HookTest = "hook.test", Needs(Scope::Admin), HookTestParams => HookTestResult;
    /// A hub that tells for a relay is through with an event.
    HookTold = "hook.told", Needs(Scope::Read), HookToldParams => Empty;
    /// What the hub is, and where it listens.
    HubStatus = "hub.status", Needs(Scope::Read), Empty => HubStatusResult;
    /// Stop the hub; relays and sessions live on.
    HubShutdown = "hub.shutdown", Needs(Scope::Admin), Empty => Empty;
}

/// No parameters, or nothing to say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Empty {}

/// How a caller names a session: its id, its label, or a prefix of its id that fits only one.
pub type SessionName = String;

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeSet, vec::Vec};

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
    fn only_what_gives_nothing_by_itself_is_open() {
        let open: Vec<_> = MethodName::ALL.iter().filter(|m| m.access() == Open).collect();
        // a hub that was paired shows its key; nobody else may carry mail
        let mail = [&MethodName::MailFetch, &MethodName::MailBring];
        assert_eq!(open, [&[&MethodName::Hello], &mail[..], &[&MethodName::HttpOpen]].concat());
    }

    #[test]
    fn parameters_have_defaults_for_all_but_the_session() {
        let attach: AttachParams = serde_json::from_str(r#"{"session":"x"}"#).expect("parses");
        assert_eq!((attach.role, attach.from), (AttachRole::Auto, AttachFrom::Snapshot));
        assert!(serde_json::from_str::<AttachParams>("{}").is_err());
    }
}
