//! The way out of a network that lets only a proxy out: HTTP `CONNECT`. What goes through is TLS, so the
//! proxy sees the name and sizes and nothing else.

mod spared;

use std::{fmt, io, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::{
    endpoint::{Endpoint, Host},
    limits::MAX_PROXY_ANSWER_BYTES,
};

use spared::Spared;

/// Port of a proxy that names none, as other programs have it.
const DEFAULT_PROXY_PORT: u16 = 80;

/// A proxy: `http://[user:password@]host[:port]`, as `HTTPS_PROXY` has it.
#[derive(Clone)]
pub struct Proxy {
    pub(super) host: Host,
    pub(super) port: u16,
    /// Value of `Proxy-Authorization`. A secret.
    authorization: Option<String>,
    /// Whom it is not asked for.
    spared: Spared,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy(http://{}:{})", self.host, self.port)
    }
}

/// A text that is no proxy. The text is not repeated: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseProxyError {
    /// Another scheme than `http://`.
    #[error("a proxy is http://[user:password@]host[:port]; other kinds are not supported")]
    Scheme,
    /// The host, the port or the escapes are wrong.
    #[error("the proxy's host, port or user is not well-formed")]
    Form,
}

/// Why a proxy opened no way.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// It answered, and not with 2xx.
    #[error("it answers {status}{}", if *.status == 407 { ": it wants a user and a password" } else { "" })]
    Status {
        /// The HTTP status.
        status: u16,
    },
    /// It does not speak HTTP, or too much of it.
    #[error("it does not answer as a proxy does")]
    Answer,
    /// The connection to it failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl FromStr for Proxy {
    type Err = ParseProxyError;

    fn from_str(text: &str) -> Result<Self, ParseProxyError> {
        let text = text.trim();
        let rest = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some(_) => return Err(ParseProxyError::Scheme),
            None => text,
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (user, address) = rest.rsplit_once('@').map_or((None, rest), |(u, a)| (Some(u), a));
        // an address without a port parses to our own default, which no proxy has by chance
        let with_port = address.rsplit(']').next().is_some_and(|tail| tail.contains(':'));
        let address =
            if with_port { address.to_owned() } else { format!("{address}:{DEFAULT_PROXY_PORT}") };
        let Ok(Endpoint::Tcp { host, port, .. }) = format!("ws://{address}").parse() else {
            return Err(ParseProxyError::Form);
        };
        let authorization = match user {
            None => None,
            Some(user) => {
                let secret = unescape(user).ok_or(ParseProxyError::Form)?;
                let secret =
                    if secret.contains(&b':') { secret } else { [&secret[..], b":"].concat() };
                Some(format!("Basic {}", STANDARD.encode(secret)))
            }
        };
        Ok(Self { host, port, authorization, spared: Spared::default() })
    }
}

/// Percent escapes of a user or password.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            let value = digit(rest.next())? * 16 + digit(rest.next())?;
            bytes.push(u8::try_from(value).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    Some(bytes)
}

impl Proxy {
    /// The same, but not for the hosts of a list as `NO_PROXY` has it.
    #[must_use]
    pub fn sparing(self, list: &str) -> Self {
        Self { spared: Spared::parse(list), ..self }
    }

    /// Whether the way to a host leads through it. This machine is always reached directly.
    pub(super) fn is_for(&self, host: &Host, port: u16) -> bool {
        !host.is_loopback() && !self.spared.has(host, port)
    }

    /// Asks for a way to `target` (`host:port`) and takes the answer, and no byte after it.
    pub(super) async fn open_tunnel<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        target: &str,
    ) -> Result<(), ProxyError> {
        let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
        if let Some(authorization) = &self.authorization {
            request.push_str("Proxy-Authorization: ");
            request.push_str(authorization);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await?;
        let status = read_status(stream).await?;
        if (200..300).contains(&status) { Ok(()) } else { Err(ProxyError::Status { status }) }
    }
}

/// Byte by byte: what follows the blank line belongs to the tunnel. It is one answer per connection.
async fn read_status<S: AsyncRead + Unpin>(stream: &mut S) -> Result<u16, ProxyError> {
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() == MAX_PROXY_ANSWER_BYTES {
            return Err(ProxyError::Answer);
        }
        answer.push(stream.read_u8().await?);
        let expected = b"HTTP/1.";
        let start = answer.len().min(expected.len());
        if answer[..start] != expected[..start] {
            return Err(ProxyError::Answer);
        }
    }
    let status = answer.split(|byte| *byte == b' ').nth(1).and_then(|word| word.get(..3));
    let status = status.and_then(|word| core::str::from_utf8(word).ok()?.parse().ok());
    status.ok_or(ProxyError::Answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::duplex;

    #[test]
    fn what_other_programs_take_is_understood() {
        for (text, shown, authorization) in [
            ("http://proxy:3128", "Proxy(http://proxy:3128)", None),
            ("http://proxy/", "Proxy(http://proxy:80)", None),
            ("proxy:3128", "Proxy(http://proxy:3128)", None),
            ("http://[::1]", "Proxy(http://[::1]:80)", None),
            // base64 of "me:p@ss" and of "me:"
            ("http://me:p%40ss@10.0.0.1:1", "Proxy(http://10.0.0.1:1)", Some("Basic bWU6cEBzcw==")),
            ("http://me@10.0.0.1:1", "Proxy(http://10.0.0.1:1)", Some("Basic bWU6")),
        ] {
            let proxy: Proxy = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(format!("{proxy:?}"), shown);
            assert_eq!(proxy.authorization.as_deref(), authorization, "{text}");
        }
        for (text, error) in [
            ("socks5://proxy", ParseProxyError::Scheme),
            ("https://proxy", ParseProxyError::Scheme),
            ("http://", ParseProxyError::Form),
            ("http://a%zz@proxy", ParseProxyError::Form),
            ("http://proxy:x", ParseProxyError::Form),
        ] {
            assert_eq!(text.parse::<Proxy>().map(|_| ()), Err(error), "{text}");
        }
    }

    #[test]
    fn this_machine_and_whom_the_list_names_are_reached_without_it() {
        let proxy: Proxy = "http://proxy:3128".parse().expect("a proxy");
        let dev = Host::Name("dev.corp".into());
        assert!(proxy.is_for(&dev, 7717));
        assert!(!proxy.is_for(&Host::Name("localhost".into()), 7717));
        let sparing = proxy.sparing("corp, 10.0.0.0/8");
        assert!(!sparing.is_for(&dev, 7717));
        assert!(sparing.is_for(&Host::Name("dev.example".into()), 7717));
        assert!(format!("{sparing:?}").contains("proxy:3128"));
    }

    /// What the client makes of an answer, what it sent, and what is left for the tunnel.
    async fn ask(answer: &[u8]) -> (Result<(), ProxyError>, String, Vec<u8>) {
        let (mut ours, mut theirs) = duplex(16 * 1024);
        theirs.write_all(answer).await.expect("fits");
        let proxy: Proxy = "http://me:x@proxy:1".parse().expect("a proxy");
        let opened = proxy.open_tunnel(&mut ours, "dev:7717").await;
        theirs.shutdown().await.expect("shuts down");
        let mut left = Vec::new();
        ours.read_to_end(&mut left).await.expect("reads");
        drop(ours);
        let mut sent = String::new();
        theirs.read_to_string(&mut sent).await.expect("reads");
        (opened, sent, left)
    }

    #[tokio::test]
    async fn the_request_has_its_golden_bytes_and_the_tunnel_keeps_its_first_bytes() {
        let answer = b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\nhello";
        let (opened, sent, left) = ask(answer).await;
        opened.expect("opens");
        let golden = "CONNECT dev:7717 HTTP/1.1\r\nHost: dev:7717\r\n\
                      Proxy-Authorization: Basic bWU6eA==\r\n\r\n";
        assert_eq!(sent, golden);
        assert_eq!(left, b"hello");
    }

    #[tokio::test]
    async fn a_proxy_that_refuses_or_babbles_is_an_error() {
        let status = |opened| match opened {
            Err(ProxyError::Status { status }) => Some(status),
            Err(ProxyError::Answer) => None,
            other => panic!("{other:?}"),
        };
        let refusal = b"HTTP/1.0 407 Proxy Authentication Required\r\n\r\n";
        assert_eq!(status(ask(refusal).await.0), Some(407));
        assert_eq!(status(ask(b"SSH-2.0-OpenSSH_9\r\n").await.0), None);
        assert_eq!(status(ask(b"HTTP/1.1 what\r\n\r\n").await.0), None);
        let endless = [b"HTTP/1.1 200 OK\r\n".as_slice(), &[b'x'; 9000]].concat();
        assert_eq!(status(ask(&endless).await.0), None);
    }
}
