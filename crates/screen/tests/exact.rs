//! Whether snapshots are exact, with xterm.js as the referee: bytes fed directly against the
//! snapshot replayed, compared at once and after further output that exposes hidden state.

#[path = "exact/cases.rs"]
mod cases;
#[path = "exact/referee.rs"]
mod referee;
#[path = "exact/soup.rs"]
mod soup;

use std::sync::OnceLock;

use referee::{Unavailable, Verdict};

/// Cases in which the two viewers differ. docs/adr/002-terminal-model.md says why, for each.
const OPEN: [&str; 10] = [
    "a full reset that ends line feed mode",
    "a full reset that shows the cursor",
    "an underline colour that is reset",
    "a saved curly underline",
    "relative moves in origin mode",
    "a saved cursor and then scrolling",
    "true colour without a colour space",
    "half a wide character after an insertion",
    "a wide character overwritten without autowrap",
    "a mark after a wide character without room",
];

/// Pots of random output.
const SOUPS: u64 = 300;

/// One referee judges everything at once. Without Node there is no verdict; `QD_REQUIRE_NODE=1` makes
/// that a failure.
#[expect(clippy::print_stderr, reason = "a test that did not run must say so")]
fn verdicts() -> Option<&'static [Verdict]> {
    static VERDICTS: OnceLock<Result<Vec<Verdict>, Unavailable>> = OnceLock::new();
    let all = || cases::all().into_iter().chain((0..SOUPS).map(soup::case)).collect::<Vec<_>>();
    let unavailable = match VERDICTS.get_or_init(|| referee::judge(&all())) {
        Ok(verdicts) => return Some(verdicts),
        Err(unavailable) => unavailable,
    };
    eprintln!("\n*** SNAPSHOTS WERE NOT REFEREED: {unavailable} ***\n");
    let required = std::env::var_os("QD_REQUIRE_NODE").is_some_and(|value| value == "1");
    assert!(!required, "QD_REQUIRE_NODE=1, and {unavailable}");
    None
}

fn differ(verdicts: &[Verdict]) -> Vec<&Verdict> {
    verdicts.iter().filter(|verdict| !verdict.differences.is_empty()).collect()
}

#[test]
fn snapshots_are_exact_but_for_the_known_cases() {
    let Some(verdicts) = verdicts() else { return };
    let cases = &verdicts[..cases::all().len()];
    let failed = differ(cases);
    let names: Vec<_> = failed.iter().map(|verdict| verdict.name.as_str()).collect();
    assert_eq!(names, OPEN, "of {} cases; the differences: {failed:#?}", cases.len());
    assert!(cases.iter().all(|verdict| verdict.claims_exact), "a case is not claimed to be exact");
}

#[test]
fn snapshots_of_random_output_are_exact_if_they_say_so() {
    let Some(verdicts) = verdicts() else { return };
    let soups = &verdicts[cases::all().len()..];
    let claimed = soups.iter().filter(|verdict| verdict.claims_exact).count();
    assert!(claimed * 100 >= soups.len() * 99, "only {claimed} of {} claim it", soups.len());
    let failed: Vec<_> = differ(soups).into_iter().filter(|verdict| verdict.claims_exact).collect();
    assert!(failed.is_empty(), "{} of {} differ: {failed:#?}", failed.len(), soups.len());
}
