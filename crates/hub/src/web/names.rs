//! By which names a hub may be spoken to, and whose pages may connect to it.
//!
//! A page that a browser fetched under another name can reach a hub that listens on loopback, by making
//! that name lead there (DNS rebinding). It cannot choose its `Host` and `Origin`: so a browser is served
//! under addresses, which no name hides, and under names that a person gave; and only the hub's own page
//! connects.

use std::{fmt, net::IpAddr, str::FromStr};

use axum::http::{HeaderMap, HeaderValue, header};
use quarterdeck_protocol::limits::MAX_TEXT_FIELD_BYTES;

use crate::options::PublicUrl;

/// How a listener is reached by browsers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// Without TLS.
    Http,
    /// With TLS.
    Https,
}

impl Scheme {
    const fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// Why a browser is not served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NameRefusal {
    /// The hub has no such name.
    #[error(
        "this hub does not answer to the name \"{0}\". Open it by its address, or give it that name: qd up --public-url https://{0}"
    )]
    Host(ShownName),
    /// No name at all.
    #[error("the request names no host")]
    NoHost,
    /// The page came from elsewhere.
    #[error("connections from web pages of {0} are not accepted; open the hub's own page")]
    Origin(ShownName),
}

/// A name from outside, as it is shown: bounded, and of harmless letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShownName(String);

impl ShownName {
    fn of(value: &HeaderValue) -> Self {
        let harmless = |byte: &&u8| byte.is_ascii_alphanumeric() || b".:-_[]/".contains(byte);
        let bytes = value.as_bytes().iter().filter(harmless).take(MAX_TEXT_FIELD_BYTES / 4);
        Self(bytes.map(|byte| char::from(*byte)).collect())
    }
}

impl fmt::Display for ShownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The names of a hub.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    /// Where people open it, if that is not where it listens.
    public: Option<PublicUrl>,
    /// Further hosts, without port.
    hosts: Vec<String>,
}

impl Names {
    /// `hosts` are names without ports.
    pub(crate) fn new(public: Option<PublicUrl>, hosts: impl IntoIterator<Item = String>) -> Self {
        let hosts = hosts.into_iter().map(|host| host.to_ascii_lowercase()).collect();
        Self { public, hosts }
    }

    /// Checks what a browser says of where it is: the name by which it came, and whose page asks.
    ///
    /// # Errors
    /// When it is not one of the hub's names, or not the hub's page.
    pub(crate) fn check(&self, scheme: Scheme, headers: &HeaderMap) -> Result<(), NameRefusal> {
        let host = headers.get(header::HOST).ok_or(NameRefusal::NoHost)?;
        let Some(authority) = host.to_str().ok().filter(|it| self.is_own(it)) else {
            return Err(NameRefusal::Host(ShownName::of(host)));
        };
        let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
        let own = origin.to_str().is_ok_and(|origin| {
            let same = origin.strip_prefix(scheme.word()).and_then(|it| it.strip_prefix("://"));
            same.is_some_and(|it| it.eq_ignore_ascii_case(authority))
                || self.public.as_ref().is_some_and(|public| origin == public.origin())
        });
        if own { Ok(()) } else { Err(NameRefusal::Origin(ShownName::of(origin))) }
    }

    fn is_own(&self, authority: &str) -> bool {
        let authority = authority.to_ascii_lowercase();
        if self.public.as_ref().is_some_and(|public| authority == public.authority()) {
            return true;
        }
        let Some(host) = host_of(&authority) else { return false };
        is_address(host)
            || host == "localhost"
            || host.ends_with(".localhost")
            || self.hosts.iter().any(|own| own == host)
    }
}

/// The host of `host[:port]`; none when it is not of that form.
pub(crate) fn host_of(authority: &str) -> Option<&str> {
    let end = match authority.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at_checked(end)?;
    let is_port = |text: &str| text.strip_prefix(':').is_some_and(|it| u16::from_str(it).is_ok());
    (!host.is_empty() && (port.is_empty() || is_port(port))).then_some(host)
}

/// An address leads where it says: no name server has a part in it.
fn is_address(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(host);
    IpAddr::from_str(bare).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let public = "https://Deck.example.org".parse().expect("a URL");
        Names::new(Some(public), ["Desk".to_owned()])
    }

    fn check(scheme: Scheme, host: &str, origin: Option<&str>) -> Result<(), String> {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().expect("a header"));
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().expect("a header"));
        }
        names().check(scheme, &headers).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn a_browser_is_served_under_addresses_and_given_names_and_no_others() {
        for host in [
            "127.0.0.1:7718",
            "[::1]:7718",
            "192.168.1.9",
            "localhost:7718",
            "hub.localhost:1",
            "desk:7718",
            "DESK",
            "deck.example.org",
        ] {
            assert_eq!(check(Scheme::Http, host, None), Ok(()), "{host}");
        }
        for host in [
            "evil.example:7718",
            "127.0.0.1.evil.example",
            "deck.example.org:81",
            "",
            ":7718",
            "localhost.evil.example",
            "desk.evil.example",
            "[::1",
            "127.0.0.1:x",
            "a@127.0.0.1",
        ] {
            assert!(check(Scheme::Http, host, None).is_err(), "{host}");
        }
        let said = check(Scheme::Http, "evil.example:7718", None).expect_err("is foreign");
        assert_eq!(
            said,
            "this hub does not answer to the name \"evil.example:7718\". Open it by its address, \
             or give it that name: qd up --public-url https://evil.example:7718"
        );
    }

    #[test]
    fn only_the_hubs_own_page_connects() {
        let own = Some("http://127.0.0.1:7718");
        assert_eq!(check(Scheme::Http, "127.0.0.1:7718", own), Ok(()));
        let public = Some("https://deck.example.org");
        assert_eq!(check(Scheme::Http, "127.0.0.1:7718", public), Ok(()));
        assert_eq!(check(Scheme::Http, "deck.example.org", public), Ok(()));
        for origin in [
            "https://127.0.0.1:7718",
            "http://127.0.0.1:7719",
            "http://localhost:7718",
            "null",
            "http://evil.example",
            "http://127.0.0.1:7718.evil.example",
            "127.0.0.1:7718",
            "",
        ] {
            let refused = check(Scheme::Http, "127.0.0.1:7718", Some(origin));
            assert!(refused.is_err(), "{origin}");
        }
        let rebound = check(Scheme::Http, "evil.example", Some("http://evil.example"));
        assert!(rebound.expect_err("is foreign").contains("does not answer to the name"));
    }

    #[test]
    fn what_is_shown_of_a_foreign_name_is_harmless_and_short() {
        let name = format!("<script>{}\u{202e}", "x".repeat(10_000));
        let said = check(Scheme::Http, &name, None).expect_err("is no name");
        assert!(!said.contains('<') && said.len() < 600, "{said}");
    }

    #[test]
    fn a_request_without_a_host_is_refused() {
        let refused = names().check(Scheme::Http, &HeaderMap::new());
        assert_eq!(refused, Err(NameRefusal::NoHost));
    }
}
