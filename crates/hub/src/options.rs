//! What the command line decides before a hub runs.

use std::{fmt, path::PathBuf, str::FromStr, sync::Arc};

use quarterdeck_access::instance::InstanceDir;
use quarterdeck_hooks::CheckedHooks;
use quarterdeck_transport::dial::Proxy;
use quarterdeck_transport::server::Listen;

use crate::{assets::Assets, instances::Instances};

/// Everything a hub needs to know from outside.
#[derive(Clone)]
pub struct HubOptions {
    /// The instance it serves; its relay is the hub's own machine.
    pub directory: InstanceDir,
    /// Network address; none = only the Unix socket.
    pub listen: Option<Listen>,
    /// `HOST:PORT` by which machines reach it, if that is not where it listens.
    pub public_address: Option<String>,
    /// Where people open the page, if that is not where the hub listens.
    pub public_url: Option<PublicUrl>,
    /// The way out of this network.
    pub proxy: Option<Proxy>,
    /// Authorities for machines that are added by token without a pin; none = the system's.
    pub authorities: Option<PathBuf>,
    /// What is told to programs outside.
    pub hooks: CheckedHooks,
    /// The pages of the web interface; none = this build has none.
    pub assets: Option<Arc<dyn Assets>>,
    /// The instances of this machine; none = only its own is known.
    pub instances: Option<Arc<dyn Instances>>,
}

impl fmt::Debug for HubOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubOptions")
            .field("directory", &self.directory)
            .field("listen", &self.listen)
            .finish_non_exhaustive()
    }
}

/// Where people open the page: a scheme and a host, as browsers write an origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    origin: String,
    /// Where the host begins in it.
    authority: usize,
}

/// A text that is no such address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a public URL is https://HOST or https://HOST:PORT, without a path")]
pub struct ParsePublicUrlError;

impl PublicUrl {
    /// As browsers write it: `https://deck.example.org`.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }
    /// `HOST[:PORT]`.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.origin[self.authority..]
    }
}

impl FromStr for PublicUrl {
    type Err = ParsePublicUrlError;
    fn from_str(text: &str) -> Result<Self, ParsePublicUrlError> {
        let text = text.strip_suffix('/').unwrap_or(text).to_ascii_lowercase();
        let (scheme, rest) = text.split_once("://").ok_or(ParsePublicUrlError)?;
        let usual = match scheme {
            "https" => ":443",
            "http" => ":80",
            _ => return Err(ParsePublicUrlError),
        };
        let rest = rest.strip_suffix(usual).unwrap_or(rest);
        let allowed =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
        if crate::web::names::host_of(rest).is_none() || !rest.chars().all(allowed) {
            return Err(ParsePublicUrlError);
        }
        Ok(Self { origin: format!("{scheme}://{rest}"), authority: scheme.len() + 3 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_is_an_origin_as_browsers_write_it() {
        let check = |text: &str| text.parse::<PublicUrl>().map(|url| url.origin().to_owned());
        for (text, origin) in [
            ("https://Deck.Example.org/", "https://deck.example.org"),
            ("https://deck.example.org:443", "https://deck.example.org"),
            ("http://deck:8080", "http://deck:8080"),
            ("https://[2001:db8::1]:7718", "https://[2001:db8::1]:7718"),
        ] {
            assert_eq!(check(text).as_deref(), Ok(origin), "{text}");
        }
        for text in [
            "",
            "deck.example.org",
            "ftp://deck",
            "https://",
            "https://a/b",
            "https://u@a",
            "https://a?b",
        ] {
            assert_eq!(check(text), Err(ParsePublicUrlError), "{text}");
        }
        let url: PublicUrl = "https://deck:7718".parse().expect("a URL");
        assert_eq!(url.authority(), "deck:7718");
    }
}
