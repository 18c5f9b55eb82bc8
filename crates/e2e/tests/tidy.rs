//! Rules about the tree that no compiler checks.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    method::{self, Access, MethodName},
    session::{self, notify},
};
use serde_json::{Value, json};

/// Where a file must be split; two thirds of that is the aim.
const MAX_CODE_LINES: usize = 600;

/// Crates that must not be able to read a clock, a file, the environment or randomness.
const PURE: [&str; 4] = ["protocol", "crypto", "core", "agents"];

#[test]
fn no_file_is_too_long() {
    for (path, source) in rust_files() {
        let lines = code_lines(&source);
        assert!(lines <= MAX_CODE_LINES, "{}: {lines} code lines", path.display());
    }
}

#[test]
fn modules_are_named_by_their_file() {
    for (path, _) in rust_files() {
        assert!(!path.ends_with("mod.rs"), "{}: use foo.rs beside foo/", path.display());
    }
}

#[test]
fn no_test_is_ignored_and_none_sleeps() {
    // put together here, so that this file does not find itself
    let banned = [["#[igno", "re"].concat(), ["sleep", "("].concat()];
    for (path, source) in rust_files() {
        for (number, line) in test_lines(&path, &source) {
            let hit = banned.iter().find(|word| line.contains(word.as_str()));
            assert_eq!(hit, None, "{}:{number}", path.display());
        }
    }
}

#[test]
fn crates_use_each_other_only_along_the_arrows() {
    let arrows = arrows(&read(&root().join("docs/ARCHITECTURE.md")));
    for Package { name, ours, .. } in packages() {
        let allowed = arrows.get(&name).unwrap_or_else(|| panic!("{name} is not in the table"));
        assert!(ours.is_subset(allowed), "{name} uses {ours:?}, may use {allowed:?}");
    }
    assert_eq!(arrows.len(), packages().len(), "{arrows:?}");
}

/// The table of crates: name, what it is, what it may use.
fn arrows(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let table = text.lines().skip_while(|line| *line != "| crate | what it is | uses |").skip(2);
    let mut arrows = BTreeMap::new();
    for line in table.take_while(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let allowed = match cells[2] {
            "–" => BTreeSet::new(),
            "all above" => arrows.keys().cloned().collect(),
            names => names.split(", ").map(str::to_owned).collect(),
        };
        arrows.insert(cells[0].trim_matches('`').to_owned(), allowed);
    }
    arrows
}

#[test]
fn every_crate_inherits_the_lints() {
    for package in packages() {
        let manifest = read(&package.manifest);
        assert!(manifest.contains("[lints]\nworkspace = true"), "{}", package.manifest.display());
    }
}

#[test]
fn pure_crates_have_no_standard_library() {
    for name in PURE {
        let source = read(&root().join("crates").join(name).join("src/lib.rs"));
        assert!(source.lines().any(|line| line == "#![no_std]"), "{name}");
    }
}

#[test]
fn every_dependency_has_its_line_and_every_line_its_dependency() {
    let documented: BTreeSet<String> = read(&root().join("docs/dependencies.md"))
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name.to_owned())
        .collect();
    let used: BTreeSet<String> = packages()
        .into_iter()
        .chain(packages_of(&root().join("fuzz/Cargo.toml")))
        .flat_map(|package| package.others)
        .collect();
    assert_eq!(documented, used);
}

#[test]
fn every_link_in_the_docs_leads_somewhere() {
    for path in files(&root(), "md") {
        let text = read(&path);
        for link in links(&text).filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let directory = path.parent().unwrap_or(&path);
            let target = if file.is_empty() { path.clone() } else { directory.join(file) };
            assert!(target.exists(), "{}: {link}", path.display());
            if !anchor.is_empty() {
                let known = headings(&read(&target));
                assert!(known.contains(anchor), "{}: {link} of {known:?}", path.display());
            }
        }
    }
}

#[test]
fn every_test_that_the_security_page_names_is_there() {
    let page = read(&root().join("docs/security.md"));
    // what stands between backticks and is a sentence: more than a variable's name
    let is_test = |name: &&str| {
        name.matches('_').count() >= 3
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let named: BTreeSet<&str> = page.split('`').skip(1).step_by(2).filter(is_test).collect();
    assert!(named.len() > 20, "the page names its tests: {named:?}");
    let sources: String = rust_files().into_iter().map(|(_, source)| source).collect();
    for name in named {
        assert!(sources.contains(&format!("fn {name}(")), "there is no test {name}");
    }
}

#[test]
fn the_committed_schema_is_the_one_of_the_types() {
    check_generated("quarterdeck.v1.json", &schema());
}

#[test]
fn the_committed_description_of_http_is_the_one_of_the_types() {
    check_generated("openapi.json", &quarterdeck_protocol::http::document());
}

fn check_generated(name: &str, document: &Value) {
    let path = root().join("docs/schema").join(name);
    let generated = format!("{document:#}\n");
    if std::env::var_os("QD_BLESS").is_some() {
        fs::create_dir_all(path.parent().expect("is in a directory")).expect("makes it");
        fs::write(&path, &generated).expect("writes the schema");
    }
    assert!(
        read(&path) == generated,
        "wire types have changed: run QD_BLESS=1 cargo test -p quarterdeck-e2e --test tidy"
    );
}

/// The schema of everything in text frames.
fn schema() -> Value {
    let mut generator = schemars::SchemaGenerator::default();
    let schemas = method::schemas(&mut generator);
    let methods: BTreeMap<&str, Value> = MethodName::ALL
        .iter()
        .map(|method| {
            let [params, result] = &schemas[method.word()];
            let scope = match method.access() {
                Access::Open => Value::Null,
                Access::Needs(scope) => json!(scope),
            };
            (method.word(), json!({ "scope": scope, "params": params, "result": result }))
        })
        .collect();
    let notifications = json!({
        notify::SYNC: generator.subschema_for::<session::Sync>(),
        notify::SESSION_CHANGED: generator.subschema_for::<session::SessionChanged>(),
        notify::SESSION_REMOVED: generator.subschema_for::<session::SessionRemoved>(),
        notify::LEASE_CHANGED: generator.subschema_for::<session::LeaseChanged>(),
        notify::PROMPT_OPENED: generator.subschema_for::<session::PromptOpened>(),
        notify::PROMPT_SETTLED: generator.subschema_for::<session::PromptSettled>(),
        notify::TURN_ENDED: generator.subschema_for::<session::TurnEnded>(),
        notify::MAIL_CHANGED: generator.subschema_for::<method::MailChanged>(),
        notify::AGENT_EVENTS: generator.subschema_for::<session::AgentEvents>(),
        notify::SESSION_EVENT: generator.subschema_for::<session::SessionEvent>(),
        notify::INPUT_REJECTED: generator.subschema_for::<session::InputRejected>(),
        notify::SESSION_DETACHED: generator.subschema_for::<session::Detached>(),
    });
    let codes: BTreeMap<&str, i32> =
        ErrorCode::ALL.iter().map(|code| (code.word(), code.number())).collect();
    let error = generator.subschema_for::<RpcError>();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "quarterdeck.v1",
        "description": "JSON-RPC 2.0 in the text frames of the WebSocket subprotocol quarterdeck.v1",
        "methods": methods,
        "notifications": notifications,
        "error": error,
        "errorCodes": codes,
        "$defs": generator.definitions(),
    })
}

// what is looked at

fn root() -> PathBuf {
    let crate_directory = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_directory.ancestors().nth(2).expect("crates/e2e is two levels down").to_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All files of the tree with this extension, but for what is built or fetched.
fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let skipped = ["target", "node_modules", "corpus", "artifacts"];
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("lists") {
        let entry = entry.expect("lists");
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if path.is_dir() && !name.starts_with('.') && !skipped.contains(&name.as_ref()) {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|it| it == extension) {
            found.push(path);
        }
    }
    found
}

fn rust_files() -> Vec<(PathBuf, String)> {
    let directories = ["crates", "fuzz"].map(|name| root().join(name));
    let paths = directories.iter().flat_map(|directory| files(directory, "rs"));
    paths.map(|path| (path.clone(), read(&path))).collect()
}

/// Lines that are neither blank, nor comments, nor in a module of tests.
fn code_lines(source: &str) -> usize {
    let tests: BTreeSet<usize> = inline_tests(source).map(|(number, _)| number).collect();
    let code = |(number, line): &(usize, &str)| {
        let line = line.trim_start();
        !line.is_empty() && !line.starts_with("//") && !tests.contains(number)
    };
    numbered(source).filter(code).count()
}

/// The lines of a file that are tests: all of a file of tests, the module `tests` of another.
fn test_lines<'a>(path: &Path, source: &'a str) -> Vec<(usize, &'a str)> {
    let in_tests = path.components().any(|part| part.as_os_str() == "tests");
    if in_tests || path.ends_with("tests.rs") {
        numbered(source).collect()
    } else {
        inline_tests(source).collect()
    }
}

/// From `mod … {` after `#[cfg(test)]` to the brace that ends it, both at the line's beginning.
fn inline_tests(source: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut before = "";
    let mut inside = false;
    numbered(source).filter(move |(_, line)| {
        inside |= before == "#[cfg(test)]" && line.starts_with("mod ") && line.ends_with('{');
        let counts = inside;
        inside &= *line != "}";
        before = line;
        counts
    })
}

fn numbered(source: &str) -> impl Iterator<Item = (usize, &str)> {
    source.lines().enumerate().map(|(index, line)| (index + 1, line))
}

struct Package {
    /// Without the common prefix.
    name: String,
    manifest: PathBuf,
    /// Crates of this workspace that it uses outside tests.
    ours: BTreeSet<String>,
    /// All other crates that it uses.
    others: BTreeSet<String>,
}

fn packages() -> Vec<Package> {
    packages_of(&root().join("Cargo.toml"))
}

fn packages_of(manifest: &Path) -> Vec<Package> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline", "--manifest-path"])
        .arg(manifest)
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("is JSON");
    metadata["packages"].as_array().expect("is a list").iter().map(package).collect()
}

fn package(package: &Value) -> Package {
    let text = |value: &Value| value.as_str().expect("is text").to_owned();
    let short = |name: String| name.strip_prefix("quarterdeck-").unwrap_or(&name).to_owned();
    let (mut ours, mut others) = (BTreeSet::new(), BTreeSet::new());
    for dependency in package["dependencies"].as_array().expect("is a list") {
        let name = text(&dependency["name"]);
        if dependency["path"].is_null() {
            others.insert(name);
        } else if dependency["kind"].is_null() {
            ours.insert(short(name));
        }
    }
    let manifest = PathBuf::from(text(&package["manifest_path"]));
    Package { name: short(text(&package["name"])), manifest, ours, others }
}

/// Targets of `[text](target)`, outside code.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    let prose = text.lines().filter(move |line| {
        fenced ^= line.trim_start().starts_with("```");
        !fenced
    });
    // every other part between backticks is code
    prose.flat_map(|line| line.split('`').step_by(2)).flat_map(|part| {
        part.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(link, _)| link))
    })
}

/// The anchors of a page's headings, as code hosts make them.
fn headings(text: &str) -> BTreeSet<String> {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    text.lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches('#').trim().to_lowercase())
        .map(|title| title.chars().filter(kept).collect::<String>().replace(' ', "-"))
        .collect()
}

#[test]
fn code_is_told_from_tests_and_comments() {
    let source =
        "//! Doc.\nfn f() {\n\n    // why\n    g()\n}\n#[cfg(test)]\nmod tests {\n    t()\n}\n";
    assert_eq!(code_lines(source), 4);
    assert_eq!(test_lines(Path::new("src/a.rs"), source).len(), 3);
    assert_eq!(test_lines(Path::new("tests/a.rs"), source).len(), 10);
}

#[test]
fn links_and_headings_are_read_from_markdown() {
    let text = "# A b, *c*!\n[x](y.md) `[no](code)` [z](#a-b-c)\n```\n[no](fence)\n```\n";
    assert_eq!(links(text).collect::<Vec<_>>(), ["y.md", "#a-b-c"]);
    assert!(headings(text).contains("a-b-c"));
}
