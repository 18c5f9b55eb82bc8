//! Why a relay cannot be reached, and what to type about it.

use quarterdeck_core::link::Refusal;
use quarterdeck_transport::{
    DialError,
    reconnect::{HelloError, ReconnectError},
    tls::TlsFailure,
};

use crate::{
    config::{Settings, Target},
    error::{CliError, Kind, from_rpc},
    output::escape::plain,
};

/// The instance has no running relay.
pub(crate) fn no_relay(settings: &Settings) -> CliError {
    let instance = settings.directory.name();
    CliError::new(Kind::Unreachable, format!("no relay runs for instance {instance}"))
        .hint("qd run starts one with the first session; qd relay --background starts it alone")
}

/// The instance has no running hub.
pub(crate) fn no_hub(settings: &Settings) -> CliError {
    let instance = settings.directory.name();
    CliError::new(Kind::Unreachable, format!("no hub runs for instance {instance}"))
        .hint("start it: qd up")
}

/// Why a dial failed.
pub(crate) fn dial_failed(error: &ReconnectError, settings: &Settings) -> CliError {
    let place = match &settings.target {
        Target::Local => format!("the relay of instance {}", settings.directory.name()),
        Target::Hub => format!("the hub of instance {}", settings.directory.name()),
        Target::Remote(remote) => plain(&remote.url),
    };
    match error {
        ReconnectError::Hello(HelloError::Refused(error)) => from_rpc(error.clone(), None),
        ReconnectError::Hello(HelloError::Failed(_)) | ReconnectError::RelayChanged { .. } => {
            CliError::new(Kind::Unreachable, format!("cannot talk to {place}")).caused_by(error)
        }
        ReconnectError::Dial(dial) => {
            let failure = CliError::new(kind(dial), format!("cannot reach {place}"));
            // what the other side says is text, not terminal control
            let mut failure = failure.caused_by(dial);
            failure.causes = failure.causes.iter().map(|cause| plain(cause)).collect();
            match hint(dial) {
                Some(hint) => failure.hint(hint),
                None => failure,
            }
        }
    }
}

/// Why a link that stood before does not come back by itself.
pub(crate) fn refused(
    why: Refusal,
    cause: Option<&ReconnectError>,
    settings: &Settings,
) -> CliError {
    match cause {
        Some(cause) => dial_failed(cause, settings),
        None => {
            CliError::new(Kind::Unreachable, "the relay cannot be reached any more").caused_by(&why)
        }
    }
}

const fn kind(error: &DialError) -> Kind {
    match error {
        DialError::BadCredential
        | DialError::Forbidden
        | DialError::LockedOut { .. }
        | DialError::Pairing(_)
        | DialError::Unproved
        | DialError::Unbound
        | DialError::Tls(TlsFailure::ClientCertificate) => Kind::Forbidden,
        DialError::PlainOffLoopback | DialError::Setup(_) | DialError::Name { .. } => Kind::Usage,
        DialError::Busy { .. } => Kind::Busy,
        DialError::Version => Kind::Unsupported,
        DialError::Refused
        | DialError::Timeout { .. }
        | DialError::Dns { .. }
        | DialError::Tls(_)
        | DialError::NotARelay { .. }
        | DialError::SshStart { .. }
        | DialError::Ssh { .. }
        | DialError::SshNoise
        | DialError::Proxy(_)
        | DialError::Io(_) => Kind::Unreachable,
    }
}

fn hint(error: &DialError) -> Option<String> {
    Some(match error {
        DialError::Refused => {
            "is a relay running there? on its machine: qd relay --listen ADDRESS".to_owned()
        }
        DialError::Timeout { .. } | DialError::Dns { .. } => {
            "check the address and the network between here and there".to_owned()
        }
        DialError::PlainOffLoopback => {
            "wss:// protects it; --insecure says that you know what ws:// means".to_owned()
        }
        DialError::BadCredential => {
            "give a token: --token-file FILE; make one there: qd token create NAME".to_owned()
        }
        DialError::LockedOut { .. } => "wait, and check the token meanwhile".to_owned(),
        DialError::Tls(
            TlsFailure::Untrusted { seen }
            | TlsFailure::WrongName { seen }
            | TlsFailure::NotValidNow { seen },
        ) => format!(
            "compare with what qd relay printed on that machine; if it is the same: --pin {seen}"
        ),
        DialError::Tls(TlsFailure::PinMismatch { .. }) => {
            "somebody may be in between; compare with what qd status prints on that machine"
                .to_owned()
        }
        DialError::Tls(TlsFailure::ClientCertificate) => {
            "prove yourself: --client-cert FILE --client-key FILE".to_owned()
        }
        DialError::Tls(TlsFailure::NotTls) => {
            "if the relay serves without TLS: ws:// and --insecure".to_owned()
        }
        DialError::Version => {
            "compare versions: qd --version, and qd --version on its machine".to_owned()
        }
        DialError::SshStart { .. } => "install ssh, or use wss://".to_owned(),
        DialError::Ssh { status: Some(127), .. } => {
            "install qd on that machine, where its login shell finds it".to_owned()
        }
        DialError::Ssh { .. } => "try the same with ssh alone".to_owned(),
        DialError::SshNoise => {
            "the shell there must print nothing when it is not interactive".to_owned()
        }
        DialError::Forbidden
        | DialError::Pairing(_)
        | DialError::Unproved
        | DialError::Unbound
        | DialError::Busy { .. }
        | DialError::NotARelay { .. }
        | DialError::Name { .. }
        | DialError::Setup(_)
        | DialError::Tls(TlsFailure::Other(_))
        | DialError::Proxy(_)
        | DialError::Io(_) => return None,
    })
}
