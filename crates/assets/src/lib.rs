//! The page inside the binary: the files that `web/` was built into.
//!
//! `build.rs` builds `web/` by npm when its sources have changed, packs every file and writes the table
//! that is read here. Without Node, or without the feature `web`, the table is empty and cargo said so.
//!
//! Deliberately not here: serving. The hub does that, and knows nothing of where files come from.

use std::sync::Arc;

use bytes::Bytes;
use quarterdeck_hub::assets::{Asset, Assets};

/// A file of the page.
struct File {
    /// As it is asked for: `/assets/…`.
    path: &'static str,
    content_type: &'static str,
    /// Its name changes with its content.
    immutable: bool,
    /// A hash of its content.
    version: &'static str,
    body: &'static [u8],
    gzip: Option<&'static [u8]>,
}

/// By path; empty in a build without a page.
static FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/files.rs"));

struct Embedded;

impl Assets for Embedded {
    fn find(&self, path: &str) -> Option<Asset> {
        let path = if path == "/" { "/index.html" } else { path };
        let found = FILES.binary_search_by(|file| file.path.cmp(path)).ok()?;
        let File { content_type, immutable, version, body, gzip, .. } = FILES.get(found)?;
        Some(Asset {
            content_type,
            body: Bytes::from_static(body),
            gzip: gzip.map(Bytes::from_static),
            version,
            immutable: *immutable,
        })
    }
}

/// The page; none in a build without one.
#[must_use]
pub fn page() -> Option<Arc<dyn Assets>> {
    if FILES.is_empty() {
        return None;
    }
    Some(Arc::new(Embedded))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page, or none where this build has none, which is said and is an error where it is required.
    fn built() -> Option<Arc<dyn Assets>> {
        let page = page();
        if page.is_none() {
            let required = std::env::var_os("QD_REQUIRE_WEB").is_some_and(|it| it != "0");
            assert!(!required, "QD_REQUIRE_WEB is set and this build has no page");
            say("LEFT OUT: this build has no page");
        }
        page
    }

    #[expect(clippy::print_stderr, reason = "a test that is left out says so")]
    fn say(text: &str) {
        eprintln!("{text}");
    }

    #[test]
    fn the_page_asks_for_files_that_are_there_and_has_no_script_of_its_own() {
        let Some(page) = built() else { return };
        let index = page.find("/").expect("the page");
        assert!(!index.immutable && index.content_type.starts_with("text/html"));
        let html = String::from_utf8(index.body.to_vec()).expect("is text");
        for name in ["src=\"", "href=\""] {
            let mut asked = html.split(name).skip(1).filter_map(|rest| rest.split('"').next());
            assert!(asked.clone().count() > 0, "{name}");
            assert!(asked.all(|path| page.find(path).is_some()), "{html}");
        }
        let scripts = html.matches("<script").count();
        assert_eq!(html.matches("<script type=\"module\" crossorigin src=\"").count(), scripts);
        assert!(!html.contains("<style") && !html.contains(" on"), "{html}");
        assert!(page.find("/nothing").is_none() && page.find("").is_none());
        assert!(page.find("/../Cargo.toml").is_none());
    }

    #[test]
    fn what_is_packed_is_smaller_and_names_with_a_hash_are_kept_for_ever() {
        if built().is_none() {
            return;
        }
        for file in FILES {
            assert!(file.gzip.is_none_or(|gzip| gzip.len() < file.body.len()), "{}", file.path);
            assert_eq!(file.immutable, file.path.starts_with("/assets/"), "{}", file.path);
            assert!(file.version.len() >= 16, "{}", file.path);
        }
        let script = FILES.iter().find(|file| file.path.ends_with(".js") && file.immutable);
        assert!(script.is_some_and(|script| script.gzip.is_some()));
    }
}
