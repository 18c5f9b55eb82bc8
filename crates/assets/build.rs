//! Builds `web/` into `web/dist` by npm, and writes the table of its files for `src/lib.rs`.
//!
//! npm runs only when the page's sources have changed since `web/dist` was built; where it stands already
//! neither Node nor a network is needed. Nothing is written into the tree but `web/dist` and
//! `web/node_modules`. Where no page can be built there is none, and a warning says why; with
//! `QD_REQUIRE_WEB=1` that is an error.

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};

/// What the page is built from, below `web/`.
const INPUTS: [&str; 8] = [
    "src",
    "public",
    "dev",
    "index.html",
    "package.json",
    "package-lock.json",
    "tsconfig.json",
    "vite.config.ts",
];
/// The oldest Node that the page's tools run on.
const NODE: (u32, u32) = (20, 19);
/// In `web/dist`: the hash of what it was built from.
const STAMP: &str = ".inputs";
/// Lines of npm's words that are repeated.
const SAID_LINES: usize = 12;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=QD_REQUIRE_WEB");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo names no OUT_DIR")?);
    let table = out.join("files.rs");
    if env::var_os("CARGO_FEATURE_WEB").is_none() {
        fs::write(table, "&[]")?;
        return Ok(());
    }
    let manifest = env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo names no manifest")?;
    let web = Path::new(&manifest).join("../../web");
    match page(&web) {
        Ok(dist) => fs::write(table, table_of(&dist, &out)?)?,
        Err(why) if env::var_os("QD_REQUIRE_WEB").is_some_and(|it| it != "0") => return Err(why),
        Err(why) => {
            println!("cargo:warning=qd is built WITHOUT its page: {why}");
            println!(
                "cargo:warning=install Node {}.{} or newer and build again, or leave the page out: --no-default-features",
                NODE.0, NODE.1
            );
            // never there: so that the next build tries again
            println!("cargo:rerun-if-changed={}", out.join("no-page").display());
            fs::write(table, "&[]")?;
        }
    }
    Ok(())
}

/// The directory of the built page, which is built if it has to be.
fn page(web: &Path) -> Outcome<PathBuf> {
    if !web.join("package.json").exists() {
        return Err("the sources of the page are not here".into());
    }
    for input in INPUTS {
        println!("cargo:rerun-if-changed={}", web.join(input).display());
    }
    // two builds at once would write the same files
    let lock = File::open(web)?;
    lock.lock()?;
    let dist = web.join("dist");
    let inputs = hash_of_inputs(web)?;
    if is_current(&dist, &inputs, web)? {
        return Ok(dist);
    }
    match npm(web) {
        Ok(()) => {
            fs::write(dist.join(STAMP), inputs)?;
            Ok(dist)
        }
        Err(why) if dist.join("index.html").exists() => {
            println!("cargo:warning=web/dist may be older than its sources: {why}");
            Ok(dist)
        }
        Err(why) => Err(why),
    }
}

/// Whether what stands in `dist` was built from these inputs: its stamp says so, or, where npm was run by
/// hand and left none, it is newer than all of them.
fn is_current(dist: &Path, inputs: &str, web: &Path) -> Outcome<bool> {
    let Ok(built) = fs::metadata(dist.join("index.html")).and_then(|it| it.modified()) else {
        return Ok(false);
    };
    if let Ok(stamp) = fs::read_to_string(dist.join(STAMP)) {
        return Ok(stamp == inputs);
    }
    for path in files(web, &INPUTS)? {
        if fs::metadata(path)?.modified()? > built {
            return Ok(false);
        }
    }
    Ok(true)
}

fn npm(web: &Path) -> Outcome<()> {
    check_node()?;
    let installed = web.join("node_modules/.package-lock.json");
    let wanted = fs::metadata(web.join("package-lock.json"))?.modified()?;
    let has = fs::metadata(installed).and_then(|it| it.modified()).is_ok_and(|at| at >= wanted);
    if !has {
        let quiet = ["--no-audit", "--no-fund", "--prefer-offline"];
        run(web, &[&["ci", "--fetch-timeout=60000", "--fetch-retries=1"], &quiet[..]].concat())?;
    }
    run(web, &["run", "build"])
}

fn check_node() -> Outcome<()> {
    let said = Command::new("node").arg("--version").output();
    let said = said.map_err(|error| format!("there is no Node ({error})"))?;
    let text = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    let mut numbers = text.trim_start_matches('v').split('.').map(|it| it.parse::<u32>());
    let version = match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor),
        _ => return Err(format!("node --version says \"{text}\"").into()),
    };
    if version < NODE {
        return Err(format!("Node {text} is older than {}.{}", NODE.0, NODE.1).into());
    }
    Ok(())
}

fn run(web: &Path, words: &[&str]) -> Outcome<()> {
    let what = format!("npm {}", words[..words.len().min(2)].join(" "));
    let ran = Command::new("npm").args(words).current_dir(web).output();
    let ran = ran.map_err(|error| format!("{what}: {error}"))?;
    if ran.status.success() {
        return Ok(());
    }
    let said = [ran.stdout, ran.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<_> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    for line in &lines[lines.len().saturating_sub(SAID_LINES)..] {
        println!("cargo:warning={line}");
    }
    Err(format!("{what} failed ({})", ran.status).into())
}

/// All files below these, in a fixed order; tests are no part of the page.
fn files(web: &Path, below: &[&str]) -> Outcome<Vec<PathBuf>> {
    let mut waiting: Vec<_> = below.iter().map(|name| web.join(name)).collect();
    let mut found = Vec::new();
    while let Some(path) = waiting.pop() {
        let name = path.to_string_lossy();
        if path.is_dir() {
            for entry in fs::read_dir(&path)? {
                waiting.push(entry?.path());
            }
        } else if path.exists() && !name.ends_with(".test.ts") && !name.ends_with(".test.mjs") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn hash_of_inputs(web: &Path) -> Outcome<String> {
    let mut hash = Sha256::new();
    for path in files(web, &INPUTS)? {
        let content = fs::read(&path)?;
        hash.update(path.strip_prefix(web)?.to_string_lossy().as_bytes());
        hash.update(content.len().to_le_bytes());
        hash.update(content);
    }
    Ok(hex(&hash.finalize()))
}

/// The table, whose bytes are copied to `out`: what stands in `web/dist` may change while rustc reads.
fn table_of(dist: &Path, out: &Path) -> Outcome<String> {
    let mut table = String::from("&[\n");
    let mut all = files(dist, &[""])?;
    all.retain(|path| !path.ends_with(STAMP));
    let mut named = Vec::new();
    for path in all {
        named.push((format!("/{}", path.strip_prefix(dist)?.to_string_lossy()), path));
    }
    named.sort();
    for (number, (name, path)) in named.iter().enumerate() {
        let body = fs::read(path)?;
        let version = &hex(&Sha256::digest(&body))[..24];
        let content_type = content_type(name)?;
        let immutable = name.starts_with("/assets/");
        let copy = out.join(format!("{number}.raw"));
        fs::write(&copy, &body)?;
        let gzip = gzip(&body)?;
        let packed = if gzip.len() * 10 < body.len() * 9 {
            let copy = out.join(format!("{number}.gz"));
            fs::write(&copy, gzip)?;
            format!("Some(include_bytes!({copy:?}))")
        } else {
            "None".to_owned()
        };
        writeln!(
            table,
            "File {{ path: {name:?}, content_type: {content_type:?}, immutable: {immutable}, \
             version: {version:?}, body: include_bytes!({copy:?}), gzip: {packed} }},"
        )?;
    }
    table.push(']');
    Ok(table)
}

fn gzip(body: &[u8]) -> Outcome<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body)?;
    Ok(encoder.finish()?)
}

fn content_type(name: &str) -> Outcome<&'static str> {
    let (_, end) = name.rsplit_once('.').ok_or_else(|| format!("{name} has no type"))?;
    Ok(match end {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "woff2" => "font/woff2",
        "webmanifest" => "application/manifest+json",
        "json" => "application/json",
        "txt" => "text/plain; charset=utf-8",
        _ => return Err(format!("{name}: no media type is known for it").into()),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
