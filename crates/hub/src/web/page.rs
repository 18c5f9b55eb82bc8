//! The page: the files of the web interface, with what a browser is told to allow them.

use std::sync::Arc;

use axum::{
    Extension,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};

use super::names::Scheme;
use crate::{assets::Asset, context::Context};

/// Only the page's own files run or are asked for. Styles may stand in the page: the terminal draws by
/// style elements and attributes; nothing else may. `web/vite.config.ts` has the same, and a test of the
/// suite compares them.
pub(crate) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; \
    style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self'; \
    connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// What every file comes with.
const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY)),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

const NO_PAGE: &str = "this build of qd has no page: it was built without Node, or without the \
                       feature \"web\". Build it again with Node 20.19 or newer, or use the command \
                       line: qd ls\n";

/// Serves a file.
pub(crate) async fn serve(
    State(context): State<Arc<Context>>,
    scheme: Option<Extension<Scheme>>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let Some(Extension(scheme)) = scheme else {
        return (StatusCode::NOT_FOUND, "no page is served here\n").into_response();
    };
    if let Err(refusal) = context.names.check(scheme, &headers) {
        return (StatusCode::FORBIDDEN, HEADERS, format!("{refusal}\n")).into_response();
    }
    let Some(assets) = &context.options.assets else {
        return (StatusCode::NOT_FOUND, HEADERS, NO_PAGE).into_response();
    };
    match assets.find(uri.path()) {
        Some(asset) => file(asset, &headers),
        None => (StatusCode::NOT_FOUND, HEADERS, "no such page\n").into_response(),
    }
}

fn file(asset: Asset, asked: &HeaderMap) -> Response {
    let cache = if asset.immutable { "public, max-age=31536000, immutable" } else { "no-cache" };
    let tag = format!("\"{}\"", asset.version);
    let always = [(header::CACHE_CONTROL, cache), (header::ETAG, tag.as_str())];
    if has(asked, header::IF_NONE_MATCH, &tag) {
        return (StatusCode::NOT_MODIFIED, HEADERS, always).into_response();
    }
    let mut response = (HEADERS, always).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    let body = match asset.gzip {
        Some(gzip) => {
            headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
            if has(asked, header::ACCEPT_ENCODING, "gzip") {
                headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                gzip
            } else {
                asset.body
            }
        }
        None => asset.body,
    };
    *response.body_mut() = body.into();
    response
}

/// Whether a header that lists words has this one, and does not refuse it by `;q=0`.
fn has(asked: &HeaderMap, name: HeaderName, word: &str) -> bool {
    let values = asked.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|part| {
        let (found, weight) = part.split_once(';').unwrap_or((part, ""));
        let zero = weight.trim().strip_prefix("q=").is_some_and(|it| it.parse() == Ok(0.0_f32));
        found.trim().trim_start_matches("W/") == word && !zero
    })
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use bytes::Bytes;

    use super::*;

    fn script() -> Asset {
        Asset {
            content_type: "text/javascript; charset=utf-8",
            body: Bytes::from_static(b"plain"),
            gzip: Some(Bytes::from_static(b"packed")),
            version: "v1",
            immutable: true,
        }
    }

    async fn get(asset: Asset, asked: &[(HeaderName, &str)]) -> (StatusCode, HeaderMap, Bytes) {
        let mut headers = HeaderMap::new();
        for (name, value) in asked {
            headers.insert(name, value.parse().expect("a header"));
        }
        let response = file(asset, &headers);
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 1024).await.expect("a body");
        (parts.status, parts.headers, body)
    }

    #[tokio::test]
    async fn a_file_is_packed_for_who_can_unpack_it() {
        for (accepts, packed) in [
            ("gzip, deflate, br", true),
            ("br;q=1.0, gzip;q=0.8", true),
            ("identity", false),
            ("gzip;q=0", false),
            ("x-gzip-not", false),
        ] {
            let (_, headers, body) = get(script(), &[(header::ACCEPT_ENCODING, accepts)]).await;
            assert_eq!(headers.contains_key(header::CONTENT_ENCODING), packed, "{accepts}");
            assert_eq!(body == "packed", packed, "{accepts}");
            assert_eq!(headers[header::VARY], "accept-encoding");
        }
    }

    #[tokio::test]
    async fn names_with_a_hash_are_kept_for_ever_and_the_page_is_asked_for_anew() {
        let (_, headers, _) = get(script(), &[]).await;
        assert_eq!(headers[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
        let page = Asset { immutable: false, gzip: None, ..script() };
        let (status, headers, body) = get(page.clone(), &[]).await;
        assert_eq!(
            (status, headers[header::CACHE_CONTROL].as_bytes()),
            (StatusCode::OK, &b"no-cache"[..])
        );
        assert_eq!(body, "plain");
        let (status, headers, body) = get(
            page.clone(),
            &[(header::IF_NONE_MATCH, headers[header::ETAG].to_str().expect("text"))],
        )
        .await;
        assert_eq!((status, body.len()), (StatusCode::NOT_MODIFIED, 0));
        assert!(headers.contains_key(header::CONTENT_SECURITY_POLICY));
        let (status, ..) = get(page, &[(header::IF_NONE_MATCH, "\"older\"")]).await;
        assert_eq!(status, StatusCode::OK);
    }

    #[test]
    fn the_page_is_developed_under_the_same_policy() {
        let config = include_str!("../../../../web/vite.config.ts");
        let list = config.split("CONTENT_SECURITY_POLICY = [").nth(1).expect("the policy");
        let list = list.split("].join").next().expect("its end");
        let lines = list.lines().map(|line| line.trim().trim_end_matches(',').trim_matches('"'));
        let same: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
        assert_eq!(same.join("; "), CONTENT_SECURITY_POLICY);
    }

    #[tokio::test]
    async fn no_script_stands_in_a_page_and_nothing_comes_from_elsewhere() {
        let (_, headers, _) = get(script(), &[]).await;
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().expect("text");
        let directive =
            |name: &str| policy.split("; ").find(|it| it.starts_with(name)).expect("is set");
        assert_eq!(directive("script-src"), "script-src 'self'");
        assert_eq!(directive("connect-src"), "connect-src 'self'");
        assert_eq!(directive("default-src"), "default-src 'none'");
        assert_eq!(directive("frame-ancestors"), "frame-ancestors 'none'");
        assert!(!policy.contains("http") && !policy.contains('*') && !policy.contains("eval"));
    }
}
