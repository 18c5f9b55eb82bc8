//! One attempt to tell one hook.

use std::time::Duration;

use hyper::{StatusCode, header, http::HeaderMap};
use hyper_util::rt::TokioIo;
use quarterdeck_access::files::{self, FileError};
use quarterdeck_core::{hooks::Outcome, link::DialFailure};
use quarterdeck_protocol::error::{ErrorCode, RpcError};
use quarterdeck_transport::{
    DialError, DialLimits, DialOptions,
    dial::{self, Proxy},
};
use zeroize::Zeroizing;

use crate::{
    config::{CheckedHook, Target, UrlError},
    notice::Notice,
    request::{Secrets, request},
};

/// An attempt, from the first packet to the answer's status.
const SEND_LIMIT: Duration = Duration::from_secs(15);
/// Bytes of an answer's head.
const MAX_ANSWER_BYTES: usize = 16 * 1024;
/// Bytes of a hook's private file.
const MAX_SECRET_FILE_BYTES: u64 = 16 * 1024;

/// Why an attempt failed. Nothing of an address but its host is in here, and no secret.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The private file cannot be used.
    #[error("its secret_file cannot be used: {0}")]
    SecretFile(#[from] FileError),
    /// The private file is not there.
    #[error("its secret_file is not there")]
    NoSecretFile,
    /// A line of the private file cannot be used.
    #[error(
        "its secret_file has a line that is none of secret=, token=, topic=, url=, or a value that cannot be sent"
    )]
    SecretLine,
    /// ntfy without a topic.
    #[error("its secret_file has no topic= line")]
    NoTopic,
    /// No address, or none that can be used.
    #[error("its secret_file has no url= line, or: {0}")]
    Url(UrlError),
    /// The request cannot be made.
    #[error("the request cannot be made")]
    Request,
    /// The server is not reached, or not trusted.
    #[error("{0}")]
    Dial(#[source] DialError),
    /// No answer in time.
    #[error("no answer within {} s", SEND_LIMIT.as_secs())]
    Timeout,
    /// The connection broke, or it does not speak HTTP.
    #[error("the connection broke before the answer")]
    Http(#[source] hyper::Error),
    /// It leads elsewhere.
    #[error("it answers {0}, a redirect; that is not followed: write the address that it leads to")]
    Redirect(u16),
    /// It refuses.
    #[error("it answers {status}")]
    Status {
        /// Its HTTP status.
        status: u16,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// There is no such hook.
    #[error("no hook is called \"{0}\"")]
    Unknown(String),
}

impl SendError {
    /// What a client is told.
    #[must_use]
    pub fn to_rpc(&self) -> RpcError {
        if matches!(self, Self::Unknown(_)) {
            return RpcError::new(ErrorCode::NotFound, self.to_string()).hint("see them: qd hooks");
        }
        RpcError::new(ErrorCode::Unreachable, format!("not told: {self}"))
    }
    /// What follows.
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Dial(error) => match error.failure() {
                DialFailure::Retry => Outcome::Retry(Duration::ZERO),
                DialFailure::RetryNotBefore(wait) => Outcome::Retry(wait),
                DialFailure::Refused(_) => Outcome::Never,
            },
            Self::Timeout | Self::Http(_) => Outcome::Retry(Duration::ZERO),
            Self::Status { status: 408 | 425 | 429 | 500..=599, retry_after } => {
                Outcome::Retry(retry_after.unwrap_or_default())
            }
            Self::SecretFile(_)
            | Self::NoSecretFile
            | Self::SecretLine
            | Self::NoTopic
            | Self::Url(_)
            | Self::Request
            | Self::Redirect(_)
            | Self::Unknown(_)
            | Self::Status { .. } => Outcome::Never,
        }
    }
}

/// Tells a hook, once.
pub(crate) async fn send(
    hook: &CheckedHook,
    proxy: Option<&Proxy>,
    notice: &Notice,
    public_url: Option<&str>,
) -> Result<(), SendError> {
    let secrets = read_secrets(hook).await?;
    let target = match (&hook.url, &secrets.url) {
        (_, Some(url)) => Target::parse(url).map_err(SendError::Url)?,
        (Some(target), None) => target.clone(),
        (None, None) => return Err(SendError::Url(UrlError::Form)),
    };
    let request = request(hook, &target, &secrets, notice, public_url)?;
    let exchange = async {
        let options =
            DialOptions { tls: hook.tls.clone(), proxy: proxy.cloned(), ..DialOptions::default() };
        let limits = DialLimits::default();
        let stream =
            dial::open_stream(&target.host, target.port, target.security, &options, &limits);
        let stream = stream.await.map_err(SendError::Dial)?;
        exchange(stream, request).await
    };
    tokio::time::timeout(SEND_LIMIT, exchange).await.unwrap_or(Err(SendError::Timeout))
}

async fn exchange(
    stream: quarterdeck_transport::stream::ByteStream,
    request: hyper::Request<String>,
) -> Result<(), SendError> {
    let mut http = hyper::client::conn::http1::Builder::new();
    http.max_buf_size(MAX_ANSWER_BYTES);
    let (mut sender, connection) =
        http.handshake(TokioIo::new(stream)).await.map_err(SendError::Http)?;
    // the answer's body is of no interest: the connection ends with its head
    let answer = tokio::select! {
        biased;
        answer = sender.send_request(request) => answer.map_err(SendError::Http)?,
        Err(error) = connection => return Err(SendError::Http(error)),
    };
    judge(answer.status(), answer.headers())
}

fn judge(status: StatusCode, headers: &HeaderMap) -> Result<(), SendError> {
    let number = status.as_u16();
    if status.is_success() {
        return Ok(());
    }
    if status.is_redirection() {
        return Err(SendError::Redirect(number));
    }
    let seconds =
        headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Err(SendError::Status { status: number, retry_after: seconds.map(Duration::from_secs) })
}

/// Read at each attempt, so that a new secret counts at once.
async fn read_secrets(hook: &CheckedHook) -> Result<Secrets, SendError> {
    let Some(path) = hook.secret_file.clone() else { return Ok(Secrets::default()) };
    let read =
        tokio::task::spawn_blocking(move || files::read_private(&path, MAX_SECRET_FILE_BYTES));
    let bytes = read.await.map_err(|_| SendError::Request)??.ok_or(SendError::NoSecretFile)?;
    let bytes = Zeroizing::new(bytes);
    Secrets::parse(std::str::from_utf8(&bytes).map_err(|_| SendError::SecretLine)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, retry_after: Option<&str>) -> Option<Outcome> {
        let mut headers = HeaderMap::new();
        if let Some(text) = retry_after {
            headers.insert(header::RETRY_AFTER, text.parse().expect("a value"));
        }
        let status = StatusCode::from_u16(status).expect("a status");
        judge(status, &headers).err().map(|error| error.outcome())
    }

    #[test]
    fn what_a_status_means_for_the_next_attempt() {
        let soon = Some(Outcome::Retry(Duration::ZERO));
        assert_eq!(judged(204, None), None);
        assert_eq!(judged(302, None), Some(Outcome::Never));
        assert_eq!(judged(404, None), Some(Outcome::Never));
        assert_eq!(judged(500, None), soon);
        assert_eq!(judged(429, Some("7")), Some(Outcome::Retry(Duration::from_secs(7))));
        assert_eq!(judged(503, Some("Wed, 21 Oct 2015 07:28:00 GMT")), soon);
    }
}
