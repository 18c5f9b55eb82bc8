//! Where a relay or hub is, and how one gets there. Only this differs between local and remote.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    path::PathBuf,
    str::FromStr,
};

use quarterdeck_protocol::limits::MAX_PATH_BYTES;

/// The port of a relay or hub that names none.
pub const DEFAULT_PORT: u16 = 7717;
/// The path of the WebSocket.
pub const DEFAULT_PATH: &str = "/v1/ws";
/// Characters of a host name (RFC 1035).
const MAX_HOST_CHARS: usize = 253;

/// An address of a relay or hub. Its text form parses back to it; it never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A socket of this machine: `unix:/run/user/1000/…/relay.sock`, or an absolute path.
    Unix {
        /// An absolute path of any length.
        path: PathBuf,
    },
    /// `wss://host[:port][/path]` or `ws://…`.
    Tcp {
        /// Name or literal.
        host: Host,
        /// Port.
        port: u16,
        /// Request path of the WebSocket.
        path: String,
        /// Whether the bytes are protected.
        security: Security,
    },
    /// `ssh://[user@]host[:port]`: the standard streams of a command on that machine.
    Ssh(SshEndpoint),
}

/// Whether the bytes of a TCP connection are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// `wss://`
    Tls,
    /// `ws://`: for loopback, and elsewhere only if a person says so.
    Plain,
}

/// The host of a TCP endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A name for DNS, in lower case.
    Name(String),
    /// An address.
    Address(IpAddr),
}

impl Host {
    /// Whether this can only be this machine. A name other than `localhost` is not believed.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Name(name) => name == "localhost" || name.ends_with(".localhost"),
            Self::Address(address) => address.to_canonical().is_loopback(),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// A machine that ssh reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshEndpoint {
    /// `[user@]host`, where host may be an alias of the ssh configuration. Never begins with `-`.
    destination: String,
    /// When the ssh configuration does not say it.
    port: Option<u16>,
    /// Further arguments for ssh, before the destination: `-J`, `jump`.
    pub options: Vec<String>,
    /// The command on that machine, word by word; each is quoted for the remote shell.
    pub command: Vec<String>,
}

impl SshEndpoint {
    /// `[user@]host`.
    #[must_use]
    pub fn destination(&self) -> &str {
        &self.destination
    }
    /// The port, if the endpoint names one.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.port
    }
}

/// Why a text is no endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseEndpointError {
    /// Neither a path nor a known scheme.
    #[error("an endpoint is wss://HOST, ws://HOST, ssh://HOST or an absolute path of a socket")]
    Scheme,
    /// `http://` or `https://`.
    #[error("a relay is reached by WebSocket: write {instead}")]
    Http {
        /// The same address with the right scheme.
        instead: String,
    },
    /// The host is missing or has characters that no host has.
    #[error("\"{0}\" is not a host name or address")]
    Host(String),
    /// The port is no number from 1 to 65535.
    #[error("\"{0}\" is not a port")]
    Port(String),
    /// A user, a query or a fragment: secrets do not belong into addresses.
    #[error("an address has no user, query or fragment; give a token by file or environment")]
    Extra,
    /// The path has characters that a request line cannot have, or is too long.
    #[error("the path has spaces or unprintable characters, or is too long")]
    Path,
}

impl FromStr for Endpoint {
    type Err = ParseEndpointError;

    fn from_str(text: &str) -> Result<Self, ParseEndpointError> {
        let text = text.trim();
        if let Some(path) = text.strip_prefix("unix:") {
            return parse_unix(path.strip_prefix("//").unwrap_or(path));
        }
        if text.starts_with('/') {
            return parse_unix(text);
        }
        let (scheme, rest) = text.split_once("://").ok_or(ParseEndpointError::Scheme)?;
        match scheme.to_ascii_lowercase().as_str() {
            "wss" => parse_tcp(rest, Security::Tls),
            "ws" => parse_tcp(rest, Security::Plain),
            "ssh" => parse_ssh(rest),
            "https" => Err(ParseEndpointError::Http { instead: format!("wss://{rest}") }),
            "http" => Err(ParseEndpointError::Http { instead: format!("ws://{rest}") }),
            _ => Err(ParseEndpointError::Scheme),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix { path } => write!(f, "unix:{}", path.display()),
            Self::Tcp { host, port, path, security } => {
                let scheme = match security {
                    Security::Tls => "wss",
                    Security::Plain => "ws",
                };
                let path = if path == DEFAULT_PATH { "" } else { path };
                write!(f, "{scheme}://{host}:{port}{path}")
            }
            Self::Ssh(ssh) => {
                let (at, host) = ssh
                    .destination
                    .rsplit_once('@')
                    .map_or((None, &*ssh.destination), |(user, host)| (Some(user), host));
                f.write_str("ssh://")?;
                at.map_or(Ok(()), |user| write!(f, "{user}@"))?;
                if host.contains(':') { write!(f, "[{host}]") } else { f.write_str(host) }?;
                ssh.port.map_or(Ok(()), |port| write!(f, ":{port}"))
            }
        }
    }
}

fn parse_unix(path: &str) -> Result<Endpoint, ParseEndpointError> {
    let fits = path.starts_with('/') && path.len() <= MAX_PATH_BYTES && !path.contains('\0');
    if !fits || path.ends_with('/') {
        return Err(ParseEndpointError::Path);
    }
    // one leading slash, else the text form would be read as a host
    let path = format!("/{}", path.trim_start_matches('/'));
    Ok(Endpoint::Unix { path: path.into() })
}

fn parse_tcp(rest: &str, security: Security) -> Result<Endpoint, ParseEndpointError> {
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    if authority.contains(['@', '?', '#']) || path.contains(['?', '#']) {
        return Err(ParseEndpointError::Extra);
    }
    let path = if path.is_empty() || path == "/" { DEFAULT_PATH } else { path };
    if path.len() > MAX_PATH_BYTES || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(ParseEndpointError::Path);
    }
    let (host, port) = split_port(authority)?;
    let host = parse_host(host)?;
    Ok(Endpoint::Tcp { host, port: port.unwrap_or(DEFAULT_PORT), path: path.to_owned(), security })
}

fn parse_ssh(rest: &str) -> Result<Endpoint, ParseEndpointError> {
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.contains(['/', '?', '#']) {
        return Err(ParseEndpointError::Extra);
    }
    let (user, authority) = rest.rsplit_once('@').map_or((None, rest), |(u, a)| (Some(u), a));
    let (host, port) = split_port(authority)?;
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    let address = bare.split_once('%').map_or(bare, |(address, _zone)| address);
    // ssh takes a literal without brackets, and aliases with any character that no shell minds
    let is_literal = address.parse::<Ipv6Addr>().is_ok();
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-%+".contains(c);
    let fits = |word: &str, colons: bool| {
        let allowed = word.chars().all(|c| plain(c) || (colons && c == ':'));
        allowed && !word.is_empty() && word.len() <= MAX_HOST_CHARS && !word.starts_with('-')
    };
    let host = if is_literal { bare } else { host };
    if !fits(host, is_literal) {
        return Err(ParseEndpointError::Host(host.to_owned()));
    }
    if let Some(user) = user.filter(|user| !fits(user, false)) {
        return Err(ParseEndpointError::Host(user.to_owned()));
    }
    let destination = user.map_or_else(|| host.to_owned(), |user| format!("{user}@{host}"));
    let command = ["qd", "relay", "--stdio"].map(str::to_owned).into();
    Ok(Endpoint::Ssh(SshEndpoint { destination, port, options: Vec::new(), command }))
}

/// Splits `host:port` and `[v6]:port`; a bare IPv6 address has no port.
fn split_port(authority: &str) -> Result<(&str, Option<u16>), ParseEndpointError> {
    let (host, port) = match authority.rfind(']') {
        Some(end) => (&authority[..=end], authority[end + 1..].strip_prefix(':')),
        None if authority.matches(':').count() > 1 => (authority, None),
        None => authority.split_once(':').map_or((authority, None), |(h, p)| (h, Some(p))),
    };
    if authority.contains(']') && port.is_none() && !authority.ends_with(']') {
        return Err(ParseEndpointError::Host(authority.to_owned()));
    }
    let Some(digits) = port else { return Ok((host, None)) };
    let number = digits.parse().ok().filter(|port| *port != 0);
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    match number {
        Some(number) if plain => Ok((host, Some(number))),
        Some(_) | None => Err(ParseEndpointError::Port(digits.to_owned())),
    }
}

fn parse_host(text: &str) -> Result<Host, ParseEndpointError> {
    let bad = || ParseEndpointError::Host(text.to_owned());
    if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return inner.parse::<Ipv6Addr>().map(|v6| Host::Address(v6.into())).map_err(|_| bad());
    }
    if let Ok(address) = text.parse() {
        return Ok(Host::Address(address));
    }
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let label_fits =
        |label: &str| !label.is_empty() && label.len() <= 63 && label.chars().all(plain);
    // what looks like a number is a mistyped address, not a name
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit());
    if name.len() > MAX_HOST_CHARS || !name.split('.').all(label_fits) || is_number {
        return Err(bad());
    }
    Ok(Host::Name(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Endpoint, ParseEndpointError> {
        text.parse()
    }
    fn check(text: &str, canonical: &str) {
        let endpoint = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(endpoint.to_string(), canonical, "{text}");
        assert_eq!(parse(canonical), Ok(endpoint), "{text}");
    }

    #[test]
    fn what_people_write_has_one_canonical_form() {
        for (text, canonical) in [
            ("wss://Dev.Example.org", "wss://dev.example.org:7717"),
            (" wss://dev.example.org.:443/ ", "wss://dev.example.org:443"),
            ("WSS://dev/v1/ws", "wss://dev:7717"),
            ("wss://dev/team/qd/v1/ws", "wss://dev:7717/team/qd/v1/ws"),
            ("ws://127.0.0.1:80", "ws://127.0.0.1:80"),
            ("ws://[::1]", "ws://[::1]:7717"),
            ("wss://2001:db8::1", "wss://[2001:db8::1]:7717"),
            ("wss://[2001:db8::1]:9/x", "wss://[2001:db8::1]:9/x"),
            ("ssh://dev", "ssh://dev"),
            ("ssh://me@dev.example.org:2222/", "ssh://me@dev.example.org:2222"),
            ("ssh://me@[fe80::1%eth0]:22", "ssh://me@[fe80::1%eth0]:22"),
            ("ssh://::1", "ssh://[::1]"),
            ("unix:/run/qd/relay.sock", "unix:/run/qd/relay.sock"),
            ("unix:///run/qd/relay.sock", "unix:/run/qd/relay.sock"),
            ("/run/qd/relay.sock", "unix:/run/qd/relay.sock"),
            ("unix:////run//qd.sock", "unix:/run//qd.sock"),
        ] {
            check(text, canonical);
        }
    }

    #[test]
    fn what_is_no_endpoint_is_refused_with_what_to_write() {
        use ParseEndpointError as E;
        let instead = "wss://dev:1/x".to_owned();
        for (text, error) in [
            ("", E::Scheme),
            ("dev", E::Scheme),
            ("ftp://dev", E::Scheme),
            ("https://dev:1/x", E::Http { instead }),
            ("wss://", E::Host(String::new())),
            ("wss://de v", E::Host("de v".to_owned())),
            ("wss://a..b", E::Host("a..b".to_owned())),
            ("wss://1.2.3.400", E::Host("1.2.3.400".to_owned())),
            ("wss://[::1", E::Host("[:".to_owned())),
            ("wss://[::1]x", E::Host("[::1]x".to_owned())),
            ("wss://dev:0", E::Port("0".to_owned())),
            ("wss://dev:+1", E::Port("+1".to_owned())),
            ("wss://dev:70000", E::Port("70000".to_owned())),
            ("wss://dev:", E::Port(String::new())),
            ("wss://user:secret@dev", E::Extra),
            ("wss://dev/?token=x", E::Extra),
            ("wss://dev/a b", E::Path),
            ("wss://dev/\u{e9}", E::Path),
            ("unix:relative", E::Path),
            ("/run/", E::Path),
            ("ssh://dev/path", E::Extra),
            ("ssh://-oProxyCommand=id", E::Host("-oProxyCommand=id".to_owned())),
            ("ssh://-l@dev", E::Host("-l".to_owned())),
            ("ssh://dev;id", E::Host("dev;id".to_owned())),
            ("ssh://:]", E::Host(":]".to_owned())),
            ("ssh://[dev]", E::Host("[dev]".to_owned())),
            ("ssh://@dev", E::Host(String::new())),
        ] {
            let found = parse(text);
            match (&found, &error) {
                // which part of a half address is blamed does not matter
                (Err(E::Host(_) | E::Port(_)), E::Host(_)) => {}
                _ => assert_eq!(found, Err(error), "{text}"),
            }
        }
    }

    #[test]
    fn only_this_machine_is_loopback() {
        let loopback = |text: &str| match parse(text) {
            Ok(Endpoint::Tcp { host, .. }) => host.is_loopback(),
            other => panic!("{text}: {other:?}"),
        };
        for text in ["ws://localhost", "ws://127.3.2.1", "ws://[::1]", "ws://[::ffff:127.0.0.1]"] {
            assert!(loopback(text), "{text}");
        }
        for text in [
            "ws://10.0.0.1",
            "ws://localhost.example.org",
            "ws://notlocalhost",
            "ws://0.0.0.0",
            "ws://[::]",
        ] {
            assert!(!loopback(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_parses_prints_what_parses_to_the_same(
            text in "(wss|ws|ssh|unix|)(://|:|)[a-z@\\[\\]:/.0-9_?#-]{0,24}",
        ) {
            if let Ok(endpoint) = parse(&text) {
                prop_assert_eq!(parse(&endpoint.to_string()), Ok(endpoint));
            }
        }
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,60}") {
            let _ = parse(&text);
        }
    }
}
