//! Programs of the system that some tests need.

use std::path::PathBuf;

/// The first program of this name in `PATH`.
#[must_use]
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|path| path.is_file())
}

/// A program that a test needs. Where everything must be there (`QD_REQUIRE_TOOLS=1`, as in CI) a missing
/// one fails the test; elsewhere the test says loudly that it checks nothing.
///
/// # Panics
/// When it must be there and is not.
#[must_use]
pub fn require(name: &str) -> Option<PathBuf> {
    let found = find_program(name);
    if found.is_none() {
        not_checked(&format!("{name} is not installed; scripts/test.sh installs it"));
    }
    found
}

/// Says that a test checks nothing, and why.
///
/// # Panics
/// Where everything must be there.
#[expect(
    clippy::print_stderr,
    reason = "a test that checks nothing must not look like one that does"
)]
pub fn not_checked(why: &str) {
    let required = std::env::var_os("QD_REQUIRE_TOOLS").is_some_and(|value| value == "1");
    assert!(!required, "{why}");
    eprintln!("NOT CHECKED: {why}");
}
