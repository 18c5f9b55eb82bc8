//! What the journal tells.

use quarterdeck_protocol::{
    ids::{DeviceId, Generation, HubId, Label, Principal, SessionId},
    limits::MAX_TEXT_FIELD_BYTES,
    method::MethodName,
    scope::Scopes,
};
use serde::{Serialize, Serializer};

/// Something that happened to the instance. In JSON: `event` and the fields beside it. Names are only
/// added; a reader skips what it does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The relay accepts clients.
    Started {
        /// Which life of it.
        generation: Generation,
        /// Its pid.
        pid: u32,
        /// Its version.
        version: Text,
    },
    /// The relay ends as it should.
    Stopped {
        /// Why.
        why: Text,
    },
    /// A caller was let in.
    LoginOk {
        /// Where it came from: an address, or `unix`.
        peer: Text,
        /// Who it is.
        principal: Principal,
        /// Name of its token; none for the local user.
        #[serde(skip_serializing_if = "Option::is_none")]
        token: Option<Text>,
        /// The browser that it is, by its key.
        #[serde(skip_serializing_if = "Option::is_none")]
        device: Option<DeviceId>,
        /// What that browser is called.
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<Text>,
    },
    /// A credential was presented and was wrong.
    LoginFailed {
        /// Where it came from.
        peer: Text,
        /// Name of the token, if an expired one was presented.
        #[serde(skip_serializing_if = "Option::is_none")]
        token: Option<Text>,
        /// Why.
        why: Text,
    },
    /// More failed logins than are written one by one.
    LoginsSuppressed {
        /// How many are missing here.
        count: u64,
    },
    /// A source presented too many wrong credentials.
    Lockout {
        /// Address, or prefix of IPv6.
        peer: Text,
        /// For how long it is refused.
        seconds: u64,
    },
    /// A token was made.
    TokenCreated {
        /// Which.
        token: Text,
        /// By whom.
        by: Principal,
        /// Who is behind it.
        principal: Principal,
        /// What it may do.
        scopes: Scopes,
        /// When it ends.
        #[serde(flatten)]
        expiry: Expiry,
    },
    /// A token has a new secret.
    TokenRotated {
        /// Which.
        token: Text,
        /// By whom.
        by: Principal,
    },
    /// A token was ended.
    TokenRevoked {
        /// Which.
        token: Text,
        /// By whom.
        by: Principal,
    },
    /// A one-time login link was made.
    DeviceInvited {
        /// What the browser will be called, if that was said.
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<Text>,
        /// By whom.
        by: Principal,
        /// Who is behind the browser.
        principal: Principal,
        /// What it may do.
        scopes: Scopes,
    },
    /// A browser opened such a link and is known from now on.
    DeviceAdded {
        /// Which.
        device: DeviceId,
        /// What it is called.
        name: Text,
        /// Where it came from.
        peer: Text,
        /// Who is behind it.
        principal: Principal,
        /// What it may do.
        scopes: Scopes,
        /// When it ends.
        #[serde(flatten)]
        expiry: Expiry,
    },
    /// A browser was logged out for good.
    DeviceRevoked {
        /// Which.
        device: DeviceId,
        /// What it was called.
        name: Text,
        /// By whom.
        by: Principal,
    },
    /// A hub was paired.
    HubPaired {
        /// Which.
        hub: HubId,
        /// Its name here.
        name: Text,
        /// What it may do.
        scopes: Scopes,
        /// Where it came from, or where it was dialled.
        peer: Text,
    },
    /// A pairing was ended.
    HubRevoked {
        /// Which.
        hub: HubId,
        /// By whom.
        by: Principal,
    },
    /// A machine was added to a hub, changed or removed.
    Machine {
        /// Its label.
        label: Text,
        /// What was done: a word of the wire, or `refused`.
        what: Text,
        /// By whom; none = the hub itself.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<Principal>,
        /// More about it.
        #[serde(skip_serializing_if = "Option::is_none")]
        why: Option<Text>,
    },
    /// A hub did something with another instance of its machine.
    Instance {
        /// Its name.
        name: Text,
        /// Its state directory.
        directory: Text,
        /// What was done: `create`, `start` or `open`.
        what: Text,
        /// By whom.
        by: Principal,
    },
    /// A lease was taken from another principal.
    LeaseTaken {
        /// Of which session.
        session: SessionId,
        /// By whom.
        by: Principal,
        /// From whom.
        from: Principal,
        /// The reason that was given.
        reason: Text,
    },
    /// A session was started.
    SessionCreated {
        /// Which.
        session: SessionId,
        /// Its name then.
        label: Label,
        /// By whom.
        by: Principal,
        /// The program; arguments may hold secrets and are left out.
        program: Text,
    },
    /// A session and its log were deleted.
    SessionRemoved {
        /// Which.
        session: SessionId,
        /// By whom; none = age or quota.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<Principal>,
    },
    /// Someone asked for what the ceiling, a scope or their place inside a session forbids.
    Refused {
        /// Who.
        by: Principal,
        /// What for.
        #[serde(serialize_with = "method_word")]
        method: MethodName,
        /// Why not.
        why: Text,
    },
    /// Events are missing here: the journal could not be written.
    Dropped {
        /// How many.
        count: u64,
    },
}

/// When something ends, in seconds since 1970; absent = never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Expiry {
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
}

/// Text from outside: at most [`MAX_TEXT_FIELD_BYTES`], cut at a character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(Box<str>);

impl<T: AsRef<str>> From<T> for Text {
    fn from(text: T) -> Self {
        let text = text.as_ref();
        Self(text[..text.floor_char_boundary(MAX_TEXT_FIELD_BYTES)].into())
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

fn method_word<S: Serializer>(method: &MethodName, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(method.word())
}
