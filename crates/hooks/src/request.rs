//! A notice as a request.

use hmac::{Hmac, KeyInit, Mac};
use hyper::{Request, header};
use quarterdeck_protocol::method::{HookEvent, HookKind};
use serde::Serialize;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{
    config::{CheckedHook, Target},
    notice::Notice,
    send::SendError,
};

/// The webhook's signature: `sha256=` and the HMAC-SHA256 of the body in hexadecimal digits.
const SIGNATURE_HEADER: &str = "quarterdeck-signature";
/// The event's word.
const EVENT_HEADER: &str = "quarterdeck-event";
/// The event's key: whoever gets it twice knows by it.
const ID_HEADER: &str = "quarterdeck-id";

/// What a hook's private file has.
#[derive(Default)]
pub(crate) struct Secrets {
    pub(crate) secret: Option<Zeroizing<String>>,
    pub(crate) token: Option<Zeroizing<String>>,
    pub(crate) topic: Option<Zeroizing<String>>,
    pub(crate) url: Option<Zeroizing<String>>,
}

impl Secrets {
    /// Reads `NAME=VALUE` lines; those beginning with `#` are remarks.
    pub(crate) fn parse(text: &str) -> Result<Self, SendError> {
        let mut secrets = Self::default();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if line.starts_with('#') {
                continue;
            }
            let (name, value) = line.split_once('=').ok_or(SendError::SecretLine)?;
            let place = match name.trim().to_ascii_lowercase().as_str() {
                "secret" => &mut secrets.secret,
                "token" => &mut secrets.token,
                "topic" => &mut secrets.topic,
                "url" => &mut secrets.url,
                _ => return Err(SendError::SecretLine),
            };
            *place = Some(Zeroizing::new(value.trim().to_owned()));
        }
        Ok(secrets)
    }
}

/// What a webhook gets.
#[derive(Serialize)]
struct Body<'a> {
    event: &'static str,
    #[serde(flatten)]
    notice: &'a Notice,
    /// For people.
    title: String,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

/// A message for ntfy: <https://docs.ntfy.sh/publish/#publish-as-json>. So neither topic nor words stand in
/// an address or a header.
#[derive(Serialize)]
struct Ntfy<'a> {
    topic: &'a str,
    title: String,
    message: String,
    priority: u8,
    tags: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    click: Option<String>,
}

/// The request that tells a notice.
pub(crate) fn request(
    hook: &CheckedHook,
    target: &Target,
    secrets: &Secrets,
    notice: &Notice,
    public_url: Option<&str>,
) -> Result<Request<String>, SendError> {
    let (title, text) = notice.words();
    let url = notice.click(public_url);
    let body = match hook.kind {
        HookKind::Webhook => {
            serde_json::to_string(&Body { event: notice.word(), notice, title, text, url })
        }
        HookKind::Ntfy => {
            let topic = secrets.topic.as_deref().ok_or(SendError::NoTopic)?;
            let (priority, tag) = match notice.event() {
                Some(HookEvent::PromptOpened) => (4, "raising_hand"),
                Some(HookEvent::TurnEnded) => (3, "white_check_mark"),
                Some(HookEvent::MachineUnreachable) => (4, "warning"),
                None => (3, "wave"),
            };
            let priority = hook.priority.unwrap_or(priority);
            let message = text;
            serde_json::to_string(&Ntfy {
                topic,
                title,
                message,
                priority,
                tags: [tag],
                click: url,
            })
        }
    };
    let body = body.map_err(|_| SendError::Request)?;
    let mut request = Request::post(&target.path)
        .header(header::HOST, &target.authority)
        .header(header::USER_AGENT, concat!("quarterdeck/", env!("CARGO_PKG_VERSION")))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONNECTION, "close");
    if hook.kind == HookKind::Webhook {
        request = request.header(EVENT_HEADER, notice.word()).header(ID_HEADER, &notice.id);
        if let Some(secret) = &secrets.secret {
            request = request.header(SIGNATURE_HEADER, sign(secret, &body)?);
        }
    }
    if let Some(token) = &secrets.token {
        let value = format!("Bearer {}", token.as_str());
        let mut value: header::HeaderValue = value.parse().map_err(|_| SendError::SecretLine)?;
        value.set_sensitive(true);
        request = request.header(header::AUTHORIZATION, value);
    }
    request.body(body).map_err(|_| SendError::Request)
}

fn sign(secret: &str, body: &str) -> Result<String, SendError> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret.as_bytes())
        .map_err(|_| SendError::SecretLine)?;
    mac.update(body.as_bytes());
    let digest = mac.finalize().into_bytes();
    let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("sha256={digits}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::HooksConfig, notice::AtMachine};

    fn hook(line: &str) -> CheckedHook {
        let text = format!("[[to]]\nname = \"x\"\nurl = \"https://x/p\"\n{line}\n");
        let config: HooksConfig = toml::from_str(&text).expect("parses");
        config.check().expect("is right").to.remove(0)
    }

    fn notice() -> Notice {
        Notice::test(AtMachine { machine: None, label: "dev".into() }, 7)
    }

    fn make(hook: &CheckedHook, secrets: &str) -> Result<Request<String>, SendError> {
        let secrets = Secrets::parse(secrets)?;
        let target = hook.url.as_ref().expect("has one");
        request(hook, target, &secrets, &notice(), Some("https://desk"))
    }

    #[test]
    fn a_webhook_is_signed_over_its_exact_body() {
        let request = make(&hook("kind = \"webhook\""), "secret = key\n# remark\n").expect("makes");
        let body = r#"{"event":"test","id":"test:7","at":7,"machine":{"label":"dev"},"title":"Quarterdeck","text":"a test from dev","url":"https://desk/"}"#;
        assert_eq!(request.body(), body);
        assert_eq!(request.uri(), "/p");
        // RFC 4231's shape of the key; computed with: openssl dgst -sha256 -hmac key
        assert_eq!(
            sign("key", "The quick brown fox jumps over the lazy dog").expect("signs"),
            "sha256=f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"
        );
        assert_eq!(request.headers()[SIGNATURE_HEADER], sign("key", body).expect("signs"));
        assert_eq!(request.headers()[EVENT_HEADER], "test");
    }

    #[test]
    fn ntfy_gets_its_topic_in_the_body_and_its_token_in_a_header() {
        let hook = hook("kind = \"ntfy\"\npriority = 5");
        let request = make(&hook, "topic=alarms\ntoken=tk_1\n").expect("makes");
        let body = r#"{"topic":"alarms","title":"Quarterdeck","message":"a test from dev","priority":5,"tags":["wave"],"click":"https://desk/"}"#;
        assert_eq!(request.body(), body);
        assert_eq!(request.headers()[header::AUTHORIZATION], "Bearer tk_1");
        assert!(!format!("{request:?}").contains("tk_1"));
        assert!(matches!(make(&hook, ""), Err(SendError::NoTopic)));
    }

    #[test]
    fn a_line_that_nobody_understands_is_an_error_and_not_repeated() {
        for text in ["s3cret", "secrt=s3cret"] {
            let error = make(&hook("kind = \"webhook\""), text).expect_err(text);
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }
}
