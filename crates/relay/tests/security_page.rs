//! `docs/security.md` names the tests that hold its promises; this holds the page to them.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Names in backticks that are written as tests are: at least three words joined by `_`.
fn named_tests(page: &str) -> BTreeSet<&str> {
    let is_test = |word: &&str| {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        word.matches('_').count() >= 2 && word.chars().all(plain)
    };
    page.split('`').skip(1).step_by(2).filter(is_test).collect()
}

fn functions(directory: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).expect("can be listed").flatten() {
        let path = entry.path();
        if path.is_dir() {
            functions(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("can be read");
            let names = text.lines().filter_map(|line| {
                let signature = line.trim_start().trim_start_matches("async ");
                signature.strip_prefix("fn ")?.split_once('(').map(|(name, _)| name.to_owned())
            });
            found.extend(names);
        }
    }
}

#[test]
fn every_test_that_the_security_page_names_exists() {
    let page = fs::read_to_string(root().join("docs/security.md")).expect("the page is there");
    let mut existing = BTreeSet::new();
    functions(&root().join("crates"), &mut existing);
    let named = named_tests(&page);
    assert!(named.len() > 40, "the page names {} tests", named.len());
    let missing: Vec<_> = named.iter().filter(|name| !existing.contains(**name)).collect();
    assert!(missing.is_empty(), "named in docs/security.md, but nowhere in crates/: {missing:#?}");
}

#[test]
fn rows_of_the_page_name_a_test_or_say_that_there_is_none() {
    let page = fs::read_to_string(root().join("docs/security.md")).expect("the page is there");
    let rows = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| Threat"));
    for row in rows {
        let last = row.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
        assert!(!named_tests(last).is_empty() || last.trim() == "no test yet", "{row}");
    }
}
