//! Who is let in: what becomes of the credential that somebody on the network presents, and of a process
//! of this machine that calls.
//!
//! A [`Door`] checks, writes who came and who was refused into the [journal](crate::journal), counts, and
//! slows down whoever guesses. What someone who is in may then do is the daemon's to say.

#[cfg(test)]
mod tests;

use std::{
    fmt::Display,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use quarterdeck_core::lockout::{Lockout, WrongCredential};
use quarterdeck_crypto::{PairingRefusal, pairing::REFUSAL_HEADER};
use quarterdeck_protocol::{dialect::Dialect, ids::Principal};
use tokio::sync::watch;

use crate::{
    clock,
    count::Counter,
    http::PING_INTERVAL,
    journal::{Event, Journal},
    peer,
    tokens::{AuthFailure, Grant, TokenStore},
};

/// The door of a daemon.
#[derive(Debug)]
pub struct Door {
    /// Bearer tokens.
    pub tokens: TokenStore,
    /// Who came in, who was refused, and what else happened.
    pub journal: Journal,
    /// Who presented wrong credentials.
    lockout: Mutex<Lockout>,
    /// Raised when a credential was revoked or rotated.
    credentials: watch::Sender<u64>,
    /// How often somebody was not.
    pub refused: Refused,
}

/// How often somebody was not let in.
#[derive(Debug, Default)]
pub struct Refused {
    /// Credentials that were presented and wrong.
    pub credentials: Counter,
    /// Lockouts that began.
    pub lockouts: Counter,
}

/// Why somebody is not let in, as they are told. It is an HTTP response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// There is no credential, or it is wrong: 401.
    Unauthorized(String),
    /// Whoever calls may not come in, whatever they know: 403.
    Forbidden(String),
    /// There were too many wrong ones: 429, for so many seconds.
    LockedOut {
        /// Until the lockout ends.
        seconds: u64,
    },
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Unauthorized(why) => {
                let headers = [(header::WWW_AUTHENTICATE, "Bearer realm=\"quarterdeck\"")];
                (StatusCode::UNAUTHORIZED, headers, format!("{why}\n")).into_response()
            }
            Self::Forbidden(why) => (StatusCode::FORBIDDEN, format!("{why}\n")).into_response(),
            Self::LockedOut { seconds } => {
                let headers = [(header::RETRY_AFTER, seconds.to_string())];
                let text = format!("too many wrong credentials: wait {seconds} s\n");
                (StatusCode::TOO_MANY_REQUESTS, headers, text).into_response()
            }
        }
    }
}

impl Door {
    /// A door behind which nobody is yet. Addresses of `proxies` stand for many callers.
    #[must_use]
    pub fn new(
        tokens: TokenStore,
        journal: Journal,
        proxies: impl IntoIterator<Item = IpAddr>,
    ) -> Self {
        Self {
            tokens,
            journal,
            lockout: Mutex::new(Lockout::new(proxies)),
            credentials: watch::Sender::new(0),
            refused: Refused::default(),
        }
    }

    /// Writes to the journal.
    pub fn record(&self, event: &Event) {
        self.journal.record(event, Duration::from_micros(clock::wall_micros()));
    }

    /// A credential was revoked or rotated: connections look whether theirs still holds.
    pub fn credentials_changed(&self) {
        self.credentials.send_modify(|count| *count += 1);
    }

    /// Returns when a credential was revoked, replaced or has expired: when `remaining`, the seconds for
    /// which it holds, is none.
    pub async fn until_ended(&self, remaining: impl Fn() -> Option<u64>) {
        let mut changed = self.credentials.subscribe();
        while let Some(left) = remaining() {
            // not all at once: the clock may be set meanwhile
            let pause = PING_INTERVAL.min(Duration::from_secs(left));
            tokio::select! {
                _ = changed.changed() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Somebody came in by a credential.
    pub fn came_in(&self, address: IpAddr, principal: &Principal, token: &str) {
        let (peer, principal) = (address.to_string().into(), principal.clone());
        let token = Some(token.into());
        self.record(&Event::LoginOk { peer, principal, token, device: None, name: None });
    }

    /// Whoever presents a token that counts on this wire; none = `quarterdeck.v1`.
    ///
    /// # Errors
    /// A wrong token is answered late to whoever guesses, and not at all during a lockout.
    pub async fn by_token(
        &self,
        wire: Option<Dialect>,
        address: IpAddr,
        headers: &HeaderMap,
    ) -> Result<Grant, Refusal> {
        let Some(presented) = headers.get(header::AUTHORIZATION) else {
            return Err(Refusal::Unauthorized("a bearer token is needed".into()));
        };
        let secret = presented.to_str().ok().and_then(|text| text.strip_prefix("Bearer "));
        let outcome = secret.map_or(Err(AuthFailure::Malformed), |secret| {
            self.tokens.authenticate_on(wire, secret.trim(), clock::wall_seconds())
        });
        match outcome {
            Ok(grant) => {
                self.came_in(address, &grant.principal, &grant.name);
                Ok(grant)
            }
            Err(failure) => {
                let name = match &failure {
                    AuthFailure::Expired { name } => Some(name.as_str()),
                    AuthFailure::Malformed | AuthFailure::Wrong | AuthFailure::OtherWire => None,
                };
                Err(self.refuse_named(address, name, &failure).await)
            }
        }
    }

    /// What is answered to a wrong credential of any kind; it is counted and written down.
    pub async fn refuse(&self, address: IpAddr, why: &(impl Display + Sync)) -> Refusal {
        self.refuse_named(address, None, why).await
    }

    /// What is answered to a key or code that does not count, with the reason's word in a header, unless
    /// the caller is locked out.
    pub async fn refuse_key(&self, address: IpAddr, why: PairingRefusal) -> Response {
        let refusal = self.refuse(address, &why).await;
        let is_named = matches!(refusal, Refusal::Unauthorized(_));
        let mut response = refusal.into_response();
        if is_named {
            response.headers_mut().insert(REFUSAL_HEADER, HeaderValue::from_static(why.word()));
        }
        response
    }

    async fn refuse_named(
        &self,
        address: IpAddr,
        token: Option<&str>,
        why: &(impl Display + Sync),
    ) -> Refusal {
        self.refused.credentials.increment();
        let (peer, why) = (address.to_string(), why.to_string());
        self.turned_away(&peer, token, &why);
        match self.count_wrong(address) {
            WrongCredential::Refuse => Refusal::Unauthorized(why),
            WrongCredential::RefuseAfter(delay) => {
                tokio::time::sleep(delay).await;
                Refusal::Unauthorized(why)
            }
            WrongCredential::LockedOut { retry_after } => {
                self.refused.lockouts.increment();
                let seconds = retry_after.as_secs().max(1);
                self.record(&Event::Lockout { peer: peer.into(), seconds });
                Refusal::LockedOut { seconds }
            }
        }
    }

    fn count_wrong(&self, address: IpAddr) -> WrongCredential {
        let mut lockout = self.lockout.lock().unwrap_or_else(PoisonError::into_inner);
        lockout.handle_wrong(address, clock::boot())
    }

    /// The process of this machine that calls, if the daemon's own user runs it.
    ///
    /// # Errors
    /// When somebody else does.
    pub fn by_user(&self, uid: u32, pid: Option<i32>) -> Result<u32, Refusal> {
        let pid = pid.and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0);
        match (peer::Peer { pid, uid }).check_user() {
            Ok(()) => Ok(pid),
            Err(foreign) => Err(self.refuse_local(&foreign)),
        }
    }

    /// What is answered to a process of this machine that may not come in; it is written down.
    pub fn refuse_local(&self, why: &impl Display) -> Refusal {
        let why = why.to_string();
        self.turned_away("unix", None, &why);
        Refusal::Forbidden(why)
    }

    /// Writes down that somebody was not let in.
    pub fn turned_away(&self, peer: &str, token: Option<&str>, why: &str) {
        let token = token.map(Into::into);
        self.record(&Event::LoginFailed { peer: peer.into(), token, why: why.into() });
    }
}
