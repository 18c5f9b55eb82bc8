//! Whom `NO_PROXY` names: hosts that are reached without the proxy.
//!
//! There is no standard. Understood is what curl and Go's library both do: words between commas, each `*`, a
//! domain with all below it (with or without a leading dot), an address, or a network (`10.0.0.0/8`), and
//! perhaps a port behind it. A word that is none of these spares nobody.

use std::net::IpAddr;

use crate::endpoint::Host;

/// Hosts that are reached without the proxy.
#[derive(Debug, Clone, Default)]
pub(super) struct Spared(Vec<Word>);

#[derive(Debug, Clone)]
struct Word {
    who: Who,
    /// Only on this port.
    port: Option<u16>,
}

#[derive(Debug, Clone)]
enum Who {
    Everyone,
    Domain(String),
    /// An address, and how many of its bits count.
    Network(IpAddr, u32),
}

impl Spared {
    pub(super) fn parse(list: &str) -> Self {
        Self(list.split(',').map(str::trim).filter_map(Word::parse).collect())
    }

    pub(super) fn has(&self, host: &Host, port: u16) -> bool {
        let fits = |word: &Word| word.port.is_none_or(|only| only == port) && word.who.is(host);
        self.0.iter().any(fits)
    }
}

impl Word {
    fn parse(word: &str) -> Option<Self> {
        if let Some(who) = Who::parse(word) {
            return Some(Self { who, port: None });
        }
        let (who, port) = word.rsplit_once(':')?;
        Some(Self { who: Who::parse(who)?, port: Some(port.parse().ok()?) })
    }
}

impl Who {
    fn parse(word: &str) -> Option<Self> {
        if word == "*" {
            return Some(Self::Everyone);
        }
        if let Some((address, bits)) = word.split_once('/') {
            let (address, bits) = (address.parse().ok()?, bits.parse().ok()?);
            return (bits <= width(address)).then_some(Self::Network(address, bits));
        }
        let bare = word.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(word);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Some(Self::Network(address, width(address)));
        }
        let domain = word.strip_prefix("*.").or_else(|| word.strip_prefix('.')).unwrap_or(word);
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        let fits = !domain.is_empty() && domain.chars().all(is_name);
        fits.then(|| Self::Domain(domain.to_ascii_lowercase()))
    }

    fn is(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Everyone, _) => true,
            (Self::Domain(domain), Host::Name(name)) => {
                let below = name.strip_suffix(domain.as_str());
                below.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            (Self::Network(network, bits), Host::Address(address)) => {
                let (network, address) = (network.to_canonical(), address.to_canonical());
                width(network) == width(address) && prefix(network, *bits) == prefix(address, *bits)
            }
            (Self::Domain(_), Host::Address(_)) | (Self::Network(..), Host::Name(_)) => false,
        }
    }
}

const fn width(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The first `bits` bits.
fn prefix(address: IpAddr, bits: u32) -> u128 {
    let whole = match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    };
    whole.checked_shr(128 - bits).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spares(list: &str, host: &str, port: u16) -> bool {
        let host = host.parse().map_or_else(|_| Host::Name(host.to_owned()), Host::Address);
        Spared::parse(list).has(&host, port)
    }

    #[test]
    fn domains_addresses_networks_and_ports_are_understood() {
        for (list, host) in [
            ("*", "dev.example"),
            ("example.org, dev.example", "dev.example"),
            ("EXAMPLE", "dev.example"),
            (".example", "dev.example"),
            ("*.example", "a.b.example"),
            ("10.0.0.7", "10.0.0.7"),
            ("10.0.0.0/8", "10.200.3.4"),
            ("0.0.0.0/0", "192.0.2.1"),
            ("fd00::/8", "fd12::1"),
            ("[fd12::1]", "fd12::1"),
            ("dev.example:7717", "dev.example"),
            ("10.0.0.0/8:7717", "10.1.1.1"),
        ] {
            assert!(spares(list, host, 7717), "{list} {host}");
        }
        for (list, host) in [
            ("", "dev.example"),
            ("ample", "dev.example"),
            ("dev.example.org", "dev.example"),
            ("dev.example:80", "dev.example"),
            ("10.0.0.0/8", "11.0.0.1"),
            ("10.0.0.0/33", "10.0.0.1"),
            ("0.0.0.0/0", "fd12::1"),
            ("fd00::/8", "fe00::1"),
            ("not a name", "not a name"),
        ] {
            assert!(!spares(list, host, 7717), "{list} {host}");
        }
    }
}
