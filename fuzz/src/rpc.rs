//! Text frames: any text gets a message or the error to answer it with, and any parameters get a
//! method's parameters or `invalid_params`.

use quarterdeck_protocol::{
    error::ErrorCode,
    method::{self, Method, MethodName},
    rpc::{self, Message, RequestId},
};
use serde_json::value::RawValue;

/// Parses a text, and its parameters as those of every method.
///
/// # Panics
/// When the property is broken.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Message::parse(text) {
        Ok(Message::Request { id, params, .. }) => {
            // any JSON can be a result; what no method here gives is null
            if let Some(result) = &params {
                let answer = rpc::response(&id, result).expect("parameters are JSON");
                let parsed = Message::parse(&answer);
                assert!(matches!(parsed, Ok(Message::Response { .. })), "{answer}");
            }
            parse_as_all(params.as_deref());
        }
        Ok(Message::Notification { params, .. }) => parse_as_all(params.as_deref()),
        Ok(Message::Response { id, outcome }) => {
            if let Err(error) = outcome {
                let answer = rpc::error_response(id.as_ref(), &error);
                assert!(Message::parse(&answer).is_ok(), "{answer}");
            }
        }
        Err(error) => {
            let known = [ErrorCode::ParseError, ErrorCode::InvalidRequest];
            assert!(known.contains(&error.code()), "{error:?}");
            assert!(Message::parse(&rpc::error_response(None, &error)).is_ok());
        }
    }
}

fn parse_as_all(params: Option<&RawValue>) {
    parse_as::<method::Hello>(params);
    parse_as::<method::SessionCreate>(params);
    parse_as::<method::SessionAttach>(params);
    parse_as::<method::SessionInput>(params);
    parse_as::<method::SessionResize>(params);
    parse_as::<method::SessionSignal>(params);
    parse_as::<method::SessionStop>(params);
    parse_as::<method::SessionRename>(params);
    parse_as::<method::SessionResume>(params);
    parse_as::<method::SessionScrollback>(params);
    parse_as::<method::SessionLog>(params);
    parse_as::<method::LeaseOffer>(params);
    parse_as::<method::LeaseTake>(params);
    parse_as::<method::TokenCreate>(params);
    parse_as::<method::TokenRotate>(params);
    parse_as::<method::RelayGc>(params);
}

/// What can be read can be written, and read again to the same text.
fn parse_as<M: Method>(params: Option<&RawValue>) {
    let Ok(parsed) = rpc::parse_params::<M::Params>(params) else { return };
    let text = rpc::request(&RequestId::Number(1), M::NAME, &parsed).expect("serialises");
    let Ok(Message::Request { params, .. }) = Message::parse(&text) else {
        panic!("{text}");
    };
    let again = rpc::parse_params::<M::Params>(params.as_deref()).expect("reads what was written");
    let again = rpc::request(&RequestId::Number(1), M::NAME, &again).expect("serialises");
    assert_eq!(text, again);
}

/// A request of some methods, an answer, an error.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        r#"{"jsonrpc":"2.0","id":1,"method":"hello","params":{"name":"x","watch":true}}"#,
        r#"{"jsonrpc":"2.0","id":"a","method":"session.create","params":{"argv":["sh"],"env":{"A":"b"},"label":"a:1","size":{"cols":80,"rows":24}}}"#,
        r#"{"jsonrpc":"2.0","id":2,"method":"session.attach","params":{"session":"x","role":"take","from":{"at":"out","out":5,"log_id":"l_0011223344556677"},"behind":"replay","window":65536}}"#,
        r#"{"jsonrpc":"2.0","id":3,"method":"session.input","params":{"session":"x","text":"ls\r","n":7}}"#,
        r#"{"jsonrpc":"2.0","id":4,"method":"lease.offer","params":{"session":"x","to":"c_00112233445566778899aabbccddeeff"}}"#,
        r#"{"jsonrpc":"2.0","id":5,"method":"token.create","params":{"name":"t","scopes":["read","drive"],"expires_in_s":60}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":null}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32010,"message":"m","data":{"error":"not_owner","detail":{"kind":"owner","owner":null,"epoch":3}}}}"#,
        r#"{"jsonrpc":"2.0","method":"sync","params":[]}"#,
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// The names of methods and members.
#[must_use]
pub fn words() -> Vec<Vec<u8>> {
    let members = [
        "jsonrpc",
        "2.0",
        "id",
        "method",
        "params",
        "result",
        "error",
        "code",
        "message",
        "data",
        "session",
        "role",
        "from",
        "at",
        "snapshot",
        "out",
        "tail",
        "head",
        "log_id",
        "behind",
        "window",
        "scopes",
        "read",
        "answer",
        "create",
        "drive",
        "admin",
        "signal",
        "foreground",
    ];
    let methods = MethodName::ALL.iter().map(|method| method.word());
    members.into_iter().chain(methods).map(|word| format!("\"{word}\"").into_bytes()).collect()
}
