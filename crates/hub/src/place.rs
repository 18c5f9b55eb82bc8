//! Whether a caller sits at the hub's own machine.
//!
//! An address on loopback alone does not say so: a proxy or a tunnel on this machine has one too, whoever
//! stands behind it. So a caller from the network is here only if it also came to a name of loopback, by
//! way of nobody who says that they pass something on, and the hub was not given an address under which
//! others come. Who is in doubt is elsewhere.

use std::{convert::Infallible, net::IpAddr, str::FromStr, sync::Arc};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use quarterdeck_transport::server::Peer;

use crate::{context::Context, web::names::host_of};

/// What those add who pass requests on.
const FORWARDING: [&str; 5] =
    ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"];

/// Where a caller is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// At this machine.
    Here,
    /// Anywhere else, or nobody knows where.
    Elsewhere,
}

impl FromRequestParts<Arc<Context>> for Place {
    type Rejection = Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        context: &Arc<Context>,
    ) -> Result<Self, Infallible> {
        let options = &context.options;
        let is_public = options.public_url.is_some() || options.public_address.is_some();
        Ok(match parts.extensions.get::<Peer>() {
            Some(Peer::Unix { .. }) => Self::Here,
            Some(Peer::Tcp { address, .. }) if !is_public => {
                Self::of_network(address.ip(), &parts.headers)
            }
            Some(Peer::Tcp { .. }) | None => Self::Elsewhere,
        })
    }
}

impl Place {
    /// Of a caller at `address` who came with these headers.
    fn of_network(address: IpAddr, headers: &HeaderMap) -> Self {
        let passed_on = FORWARDING.iter().any(|name| headers.contains_key(*name));
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let is_here = address.to_canonical().is_loopback()
            && !passed_on
            && host.and_then(host_of).is_some_and(is_loopback_name);
        if is_here { Self::Here } else { Self::Elsewhere }
    }
}

/// Whether a host of a URL is this machine for whoever uses it (RFC 6761, 6.3).
fn is_loopback_name(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(&host);
    host == "localhost"
        || host.ends_with(".localhost")
        || IpAddr::from_str(bare).is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, headers: &[(&'static str, &str)]) -> Place {
        let headers = headers.iter().map(|(name, value)| {
            (header::HeaderName::from_static(name), value.parse().expect("a header"))
        });
        Place::of_network(address.parse().expect("an address"), &headers.collect())
    }

    #[test]
    fn who_comes_from_loopback_to_a_name_of_loopback_is_here() {
        for host in ["127.0.0.1:7718", "[::1]:7718", "localhost:7718", "hub.LOCALHOST", "127.9.9.9"]
        {
            assert_eq!(check("127.0.0.1", &[("host", host)]), Place::Here, "{host}");
        }
        assert_eq!(check("::1", &[("host", "localhost:1")]), Place::Here);
        assert_eq!(check("::ffff:127.0.0.1", &[("host", "localhost:1")]), Place::Here);
    }

    #[test]
    fn who_comes_from_the_network_or_through_somebody_is_elsewhere() {
        assert_eq!(check("192.0.2.7", &[("host", "127.0.0.1:7718")]), Place::Elsewhere);
        for host in ["desk:7718", "192.0.2.7", "deck.example.org", "127.0.0.1.evil.example", ""] {
            assert_eq!(check("127.0.0.1", &[("host", host)]), Place::Elsewhere, "{host}");
        }
        assert_eq!(check("127.0.0.1", &[]), Place::Elsewhere);
        for name in FORWARDING {
            let headers = [("host", "127.0.0.1:7718"), (name, "192.0.2.7")];
            assert_eq!(check("127.0.0.1", &headers), Place::Elsewhere, "{name}");
        }
    }
}
