//! What a credential may do: the total table of methods and scopes, and what guessing one costs.

use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    time::Duration,
};

use quarterdeck_e2e::{
    harness::{
        canary::Canary,
        client::{ConnectError, Peer, Way},
        instance::Instance,
        ordinary_or_long,
    },
    proxy::FaultProxy,
};
use quarterdeck_protocol::{
    error::{ErrorCode, ErrorDetail, RpcError},
    method::{
        Access, AttachParams, Empty, HelloParams, Method, MethodName, SessionAttach, SessionList,
        TokenCreate, TokenCreateParams, TokenNameParams, TokenRevoke,
    },
    scope::{Scope, Scopes},
};
use quarterdeck_transport::{CallError, DialError};
use serde_json::{Value, json};

/// Any method, with parameters as JSON.
macro_rules! raw_methods {
    ($($name:ident),*) => {
        $(
            enum $name {}
            impl Method for $name {
                const NAME: &'static str = quarterdeck_protocol::method::$name::NAME;
                type Params = Value;
                type Result = Value;
            }
        )*
        async fn call(peer: &Peer, method: MethodName, params: Value) -> Result<Value, RpcError> {
            let client = &peer.client;
            let outcome = match method {
                $(MethodName::$name => client.call::<$name>(&params).await,)*
            };
            match outcome {
                Ok(result) => Ok(result),
                Err(CallError::Rpc(error)) => Err(error),
                Err(other) => panic!("{}: {other}", method.word()),
            }
        }
    };
}

mod raw {
    use super::*;
    raw_methods!(
        Hello,
        SessionList,
        SessionCreate,
        SessionAttach,
        SessionDetach,
        SessionInput,
        SessionResize,
        SessionSignal,
        SessionStop,
        SessionRemove,
        SessionRename,
        SessionResume,
        SessionScrollback,
        SessionLog,
        LeaseRequest,
        LeaseOffer,
        LeaseRelease,
        LeaseTake,
        TokenCreate,
        TokenList,
        TokenRotate,
        TokenRevoke,
        DeviceInvite,
        DeviceList,
        DeviceRevoke,
        AuditList,
        RelayStatus,
        RelayShutdown,
        RelayGc,
        InstanceList,
        InstanceCreate,
        InstanceOpen,
        SessionGit,
        SessionUpload,
        RelayDirectories,
        AgentView,
        AgentPrompt,
        AgentInterrupt,
        AgentSetMode,
        AgentSetModel,
        AgentWithdraw,
        PromptList,
        PromptAnswerMethod,
        RemotePreflight,
        MailWhoami,
        MailSend,
        MailInbox,
        MailHistory,
        MailRead,
        MailWait,
        MailStatus,
        MailContacts,
        MailContactDecide,
        MailPolicy,
        MailDecide,
        MailContactAdd,
        MailReset,
        MailAutorespond,
        MailSetStatus,
        MailNotify,
        MailClaim,
        MailLeave,
        MailNext,
        MailFetch,
        MailBring,
        MailHome,
        MailIdentities,
        MailIdentityAdd,
        MailIdentityUse,
        PairingInvite,
        PairingJoin,
        PairingList,
        PairingRevoke,
        MachineList,
        MachineAdd,
        MachineRemove,
        MachineRename,
        MachineUpdate,
        MachineConnect,
        MachineDisconnect,
        MachineInvite,
        HttpOpen,
        HookList,
        HookTest,
        HookTold,
        HubStatus,
        HubShutdown
    );
    pub(super) async fn ask(peer: &Peer, method: MethodName) -> Result<Value, RpcError> {
        call(peer, method, params(method)).await
    }
}

/// Parameters that fit the method and do no harm: the session is not there.
#[expect(clippy::too_many_lines, reason = "a flat table: one arm per method")]
fn params(method: MethodName) -> Value {
    let session = "nowhere";
    match method {
        MethodName::Hello => json!({ "name": "again" }),
        MethodName::SessionCreate => json!({ "argv": ["/nonexistent/program"] }),
        MethodName::SessionDetach => json!({ "channel": 999 }),
        MethodName::SessionInput => json!({ "session": session, "text": "" }),
        MethodName::SessionResize => {
            json!({ "session": session, "size": { "cols": 9, "rows": 9 } })
        }
        MethodName::SessionSignal => {
            json!({ "session": session, "signal": "INT", "to": "foreground" })
        }
        MethodName::SessionRename => json!({ "session": session, "label": "other" }),
        MethodName::SessionScrollback => json!({ "session": session, "before": 0, "lines": 1 }),
        MethodName::TokenCreate => json!({ "name": "", "scopes": [] }),
        MethodName::TokenRotate | MethodName::TokenRevoke => json!({ "name": "nobody" }),
        MethodName::SessionUpload => {
            json!({ "session": session, "upload": "u", "name": "a", "offset": 0, "data": "" })
        }
        MethodName::RelayDirectories => json!({ "directory": "/nonexistent" }),
        MethodName::RelayGc => json!({ "dry_run": true }),
        MethodName::PairingInvite => json!({ "scopes": ["admin"] }),
        MethodName::PairingJoin => json!({ "line": "none", "scopes": ["admin"] }),
        MethodName::PairingRevoke | MethodName::DeviceRevoke => {
            json!({ "hub": "nobody", "device": "nobody" })
        }
        MethodName::MachineAdd => json!({ "by": "line", "line": "none" }),
        MethodName::MachineRename => json!({ "machine": "mars", "label": "moon" }),
        MethodName::MachineRemove
        | MethodName::MachineUpdate
        | MethodName::MachineConnect
        | MethodName::MachineDisconnect => {
            json!({ "machine": "mars" })
        }
        MethodName::InstanceCreate | MethodName::InstanceOpen => json!({ "name": "No Name" }),
        MethodName::HookTest => json!({ "name": "nobody" }),
        MethodName::HookTold => json!({ "key": "nothing" }),
        MethodName::HookList
        | MethodName::HttpOpen
        | MethodName::PairingList
        | MethodName::PromptList
        | MethodName::MachineList
        | MethodName::MachineInvite
        | MethodName::HubStatus
        | MethodName::HubShutdown
        | MethodName::SessionList
        | MethodName::TokenList
        | MethodName::DeviceInvite
        | MethodName::DeviceList
        | MethodName::AuditList
        | MethodName::RelayStatus
        | MethodName::RelayShutdown
        | MethodName::InstanceList => json!({}),
        MethodName::AgentPrompt => json!({ "session": session, "content": [] }),
        MethodName::AgentSetMode => json!({ "session": session, "mode": "plan" }),
        MethodName::AgentSetModel => json!({ "session": session, "model": "big" }),
        MethodName::AgentWithdraw => json!({ "session": session, "message_id": "m" }),
        MethodName::PromptAnswerMethod => {
            let prompt = "s_00000000000000000000.1";
            json!({ "prompt": prompt, "answer": "option", "option_id": "allow" })
        }
        MethodName::RemotePreflight => json!({ "remote": { "profile": "nobody" } }),
        MethodName::MailSend
        | MethodName::MailContactDecide
        | MethodName::MailPolicy
        | MethodName::MailDecide
        | MethodName::MailContactAdd
        | MethodName::MailReset
        | MethodName::MailAutorespond
        | MethodName::MailSetStatus
        | MethodName::MailNotify
        | MethodName::MailClaim
        | MethodName::MailLeave
        | MethodName::MailNext
        | MethodName::MailFetch
        | MethodName::MailBring
        | MethodName::MailIdentityAdd
        | MethodName::MailIdentityUse
        | MethodName::MailWhoami
        | MethodName::MailInbox
        | MethodName::MailHistory
        | MethodName::MailRead
        | MethodName::MailWait
        | MethodName::MailStatus
        | MethodName::MailContacts
        | MethodName::MailHome
        | MethodName::MailIdentities => mail_params(method),
        MethodName::AgentView
        | MethodName::SessionGit
        | MethodName::AgentInterrupt
        | MethodName::SessionAttach
        | MethodName::SessionStop
        | MethodName::SessionRemove
        | MethodName::SessionResume
        | MethodName::SessionLog
        | MethodName::LeaseRequest
        | MethodName::LeaseOffer
        | MethodName::LeaseRelease
        | MethodName::LeaseTake => json!({ "session": session }),
    }
}

fn mail_params(method: MethodName) -> Value {
    match method.word() {
        "mail.send" => json!({ "to": "nobody", "body": "x" }),
        "mail.contact" => json!({ "contact": "nobody", "decision": "block" }),
        "mail.contact_add" | "mail.reset" => json!({ "contact": "nobody" }),
        "mail.read" => json!({ "numbers": [] }),
        "mail.home" => json!({ "hub": "nobody" }),
        "mail.decide" => json!({ "number": 1, "decision": "deliver" }),
        "mail.set_status" => json!({ "status": "" }),
        "mail.notify" => json!({ "session": "nobody" }),
        "mail.claim" => json!({ "client": "", "cwd": "none" }),
        "mail.fetch" => json!({ "link": "l", "wait_ms": 0 }),
        "mail.bring" => json!({ "link": "l", "news": [] }),
        "mail.identity_add" => json!({ "name": "" }),
        "mail.identity_use" => json!({ "name": "nobody" }),
        _ => json!({}),
    }
}

#[tokio::test]
async fn every_method_needs_exactly_its_scope() {
    let instance = Instance::new();
    let relay = instance.start_relay(&["--listen", "127.0.0.1:0", "--insecure"]).await;
    check_every_scope(&Way::unix(&instance), relay.address()).await;
}

#[tokio::test]
async fn every_method_needs_exactly_its_scope_at_a_hub_too() {
    let instance = Instance::new();
    let _relay = instance.start_relay(&[]).await;
    let hub = instance.start_hub(&[]).await;
    let address = hub.address().parse().expect("an address");
    check_every_scope(&Way::hub(&instance), address).await;
}

async fn check_every_scope(local: &Way, address: SocketAddr) {
    let admin = local.connect("admin").await;
    for scope in Scope::ALL {
        let token = admin.token(scope.word(), [scope].into_iter().collect()).await;
        let peer = Way::ws(address, &token).connect(scope.word()).await;
        for method in MethodName::ALL.iter().copied() {
            // what would end the test is only tried by who may not
            let ends = matches!(method, MethodName::RelayShutdown | MethodName::HubShutdown);
            if ends && scope == Scope::Admin {
                continue;
            }
            let answer = raw::ask(&peer, method).await;
            let forbidden = answer.as_ref().err().filter(|it| it.code() == ErrorCode::Forbidden);
            let word = method.word();
            match method.access() {
                Access::Needs(needed) if needed != scope => {
                    let error =
                        forbidden.unwrap_or_else(|| panic!("{word} by {scope}: {answer:?}"));
                    assert_eq!(error.detail(), Some(&ErrorDetail::Scope { needed }), "{word}");
                }
                Access::Open | Access::Needs(_) => {
                    assert_eq!(forbidden, None, "{word} by {scope}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_credential_of_some_sessions_sees_no_others() {
    let instance = Instance::new();
    let relay = instance.start_relay(&["--listen", "127.0.0.1:0", "--insecure"]).await;
    let admin = Way::unix(&instance).connect("admin").await;
    let mine = admin.create(["/bin/cat"]).await;
    let other = admin.create(["/bin/cat"]).await;
    let params = TokenCreateParams {
        name: "narrow".to_owned(),
        principal: None,
        scopes: Scopes::ALL,
        sessions: vec![mine.session],
        expires_in_s: None,
        dialect: None,
    };
    let token = admin.call::<TokenCreate>(&params).await.token;
    let peer = Way::ws(relay.address(), &token).connect("narrow").await;
    let seen = peer.call::<SessionList>(&Empty {}).await.sessions;
    assert_eq!(seen.iter().map(|info| info.session).collect::<Vec<_>>(), [mine.session]);
    let foreign = AttachParams {
        session: other.session.to_string(),
        ..quarterdeck_e2e::harness::client::recording("", None)
    };
    let refused = peer.try_call::<SessionAttach>(&foreign).await.expect_err("is not its session");
    assert!(matches!(refused.code(), ErrorCode::NotFound | ErrorCode::Forbidden), "{refused:?}");
}

#[tokio::test]
async fn a_revoked_token_ends_its_connections_and_opens_no_new_one() {
    let instance = Instance::new();
    let relay = instance.start_relay(&["--listen", "127.0.0.1:0", "--insecure"]).await;
    let admin = Way::unix(&instance).connect("admin").await;
    let way = Way::ws(relay.address(), &admin.token("ada", Scopes::ALL).await);
    let peer = way.connect("phone").await;
    admin.call::<TokenRevoke>(&TokenNameParams { name: "ada-0".to_owned() }).await;
    let ended = tokio::time::timeout(Duration::from_secs(20), peer.client.closed()).await;
    ended.expect("the connection ends");
    let refused = way.try_connect(&HelloParams::default()).await.expect_err("the token is void");
    assert!(matches!(refused, ConnectError::Dial(DialError::BadCredential)), "{refused:?}");
}

/// A token of the right form that nobody made.
fn guess(number: u64) -> String {
    let bytes: Vec<u8> =
        (0..4).flat_map(|i| quarterdeck_e2e::streams::mix(number * 4 + i).to_le_bytes()).collect();
    let token = quarterdeck_crypto::Token::from_bytes(bytes.try_into().expect("32 bytes"));
    token.to_text().to_string()
}

#[tokio::test]
async fn guesses_from_loopback_are_slowed_and_a_right_token_still_passes() {
    let instance = Instance::new();
    let relay = instance.start_relay(&["--listen", "127.0.0.1:0", "--insecure"]).await;
    let local = Way::unix(&instance);
    let token = local.connect("admin").await.token("ada", Scopes::ALL).await;
    let mut canary = Canary::start(&local).await;
    // through a proxy, as behind any forwarder: it is loopback, which many share
    let proxy = FaultProxy::start(relay.address()).expect("starts");
    for number in 0..ordinary_or_long(6, 14) {
        let wrong = Way::ws(proxy.address(), &guess(number));
        let refused = wrong.try_connect(&HelloParams::default()).await.expect_err("is a guess");
        assert!(matches!(refused, ConnectError::Dial(DialError::BadCredential)), "{refused:?}");
        canary.sings().await;
    }
    let right = Way::ws(proxy.address(), &token).connect("ada").await;
    assert_eq!(right.hello.principal.name(), "ada");
}

/// An address of this machine that is not loopback; nothing is sent to find it out.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|address| !address.is_loopback())
}

#[tokio::test]
async fn ten_guesses_from_elsewhere_lock_the_address_out_and_not_the_right_token() {
    let Some(address) = own_address() else {
        quarterdeck_e2e::harness::tools::not_checked("this machine has no address but loopback");
        return;
    };
    let instance = Instance::new();
    let relay = instance.start_relay(&["--listen", &format!("{address}:0")]).await;
    let pin = relay.status.pin.clone().expect("a relay with TLS has a pin");
    let local = Way::unix(&instance);
    let token = local.connect("admin").await.token("ada", Scopes::ALL).await;
    let mut canary = Canary::start(&local).await;
    // the tenth is told of it
    for number in 0..9 {
        let wrong = Way::wss(relay.address(), &guess(number), &pin);
        let refused = wrong.try_connect(&HelloParams::default()).await.expect_err("is a guess");
        assert!(matches!(refused, ConnectError::Dial(DialError::BadCredential)), "{refused:?}");
    }
    let wrong = Way::wss(relay.address(), &guess(99), &pin);
    let refused = wrong.try_connect(&HelloParams::default()).await.expect_err("is locked out");
    let ConnectError::Dial(DialError::LockedOut { retry_after }) = refused else {
        panic!("{refused:?}");
    };
    assert!((280..=300).contains(&retry_after.as_secs()), "{retry_after:?}");
    let right = Way::wss(relay.address(), &token, &pin).connect("ada").await;
    assert_eq!(right.hello.principal.name(), "ada");
    canary.sings().await;
}
