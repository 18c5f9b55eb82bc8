//! What `claude remote-control` and `claude --remote-control` print.
//!
//! Every line names its source: a version of the program and whether it printed the line here, without
//! an account, or only has it in its text.

use super::table::{
    Line,
    Means::{Asks, Connected, GivesUp, Reconnecting, Refuses, Starting, Up, Waiting},
    Modes,
    Source::{self, InProgram, Printed},
    Stands::{self, AfterMark, Anywhere, First},
};

const PRINTED: Source = Printed("Claude Code 2.1.329, as printed");
const IN_PROGRAM: Source = InProgram("Claude Code 2.1.329, in the program's text");

const LOG_IN: &str = "claude auth login";
const UNSET: &str = "qd rc --strip NAME, with the variable that the sentence names";

/// The lines, more special ones first.
pub(super) const LINES: &[Line] = &[
    refusal("You must be logged in to use Remote Control", LOG_IN, PRINTED),
    refusal("requires a full-scope login token", LOG_IN, PRINTED),
    refusal("Unable to determine your organization for Remote Control", LOG_IN, PRINTED),
    refusal("so this session is using a custom endpoint", UNSET, PRINTED),
    refusal("so this session is using API-key auth", UNSET, PRINTED),
    refusal("Remote Control is only available when using Claude via", UNSET, PRINTED),
    refusal("Remote Control requires claude.ai subscription auth", LOG_IN, PRINTED),
    refusal("Remote Control requires a claude.ai subscription", LOG_IN, IN_PROGRAM),
    refusal("Remote Control is only available with claude.ai subscriptions", LOG_IN, IN_PROGRAM),
    refusal("Remote Control requires feature-flag evaluation", UNSET, IN_PROGRAM),
    refusal(
        "Remote Control isn't enabled for this account",
        "claude auth logout, then claude auth login",
        IN_PROGRAM,
    ),
    refusal("Remote Control is disabled by your organization's policy", ASK_ADMIN, IN_PROGRAM),
    refusal("Remote Control was turned off by your organization's policy", ASK_ADMIN, IN_PROGRAM),
    refusal("Remote Control may not be available for this organization", ASK_ADMIN, IN_PROGRAM),
    refusal("requires Trusted Devices for Remote Control", ASK_ADMIN, IN_PROGRAM),
    refusal("is too old for Remote Control", "claude update", IN_PROGRAM),
    refusal("Workspace not trusted", "claude, in that directory, and accept the question", PRINTED),
    refusal("No recent session found in this directory", "qd rc without --continue", IN_PROGRAM),
    refusal("Remote Control base URL uses HTTP", UNSET, IN_PROGRAM),
    refusal("Remote Control is not available inside a cloud session", "", IN_PROGRAM),
    passing("Couldn't verify your organization's Remote Control policy", "claude doctor"),
    // its apostrophe is a typographic one in some versions
    passing("t verify Remote Control eligibility", "claude doctor"),
    passing("Remote Control session expired", "qd resume"),
    passing("Remote Control stopped:", "qd resume"),
    passing("could not reach the Remote Control server", "qd resume"),
    asks("Enable Remote Control? (y/n)"),
    asks("Quick safety check: is this a project you created or one you trust?"),
    asks("Trust this directory?"),
    asks("Choose [1/2] (default: 1)"),
    Line { has_url: true, ..state("Code anywhere with the Claude mobile app or", First, Waiting) },
    Line { has_url: true, ..state("Continue coding in the Claude mobile app or", First, Up) },
    state("Connecting", AfterMark, Starting),
    state("Reconnecting", AfterMark, Reconnecting),
    state("Reconnected", AfterMark, Up),
    state("Attached", AfterMark, Connected),
    state("Connected", AfterMark, Up),
    state("Capacity: 0/", AfterMark, Waiting),
    below("/rc connecting", Starting),
    below("/rc reconnecting", Reconnecting),
    Line { has_url: true, ..below("/rc active", Up) },
    below("/rc failed", GivesUp { advice: "/remote-control, typed there" }),
    below("Remote Control disconnected", GivesUp { advice: "/remote-control, typed there" }),
];

const ASK_ADMIN: &str = "ask whoever administers your organisation at claude.ai/admin-settings";

const fn refusal(text: &'static str, advice: &'static str, source: Source) -> Line {
    let means = Refuses { advice };
    Line { text, stands: Anywhere, modes: Modes::Server, means, has_url: false, source }
}

const fn passing(text: &'static str, advice: &'static str) -> Line {
    let (means, source) = (GivesUp { advice }, IN_PROGRAM);
    Line { text, stands: Anywhere, modes: Modes::Server, means, has_url: false, source }
}

const fn asks(text: &'static str) -> Line {
    let (means, source) = (Asks, IN_PROGRAM);
    Line { text, stands: First, modes: Modes::Both, means, has_url: false, source }
}

const fn state(text: &'static str, stands: Stands, means: super::table::Means) -> Line {
    let source = IN_PROGRAM;
    Line { text, stands, modes: Modes::Server, means, has_url: false, source }
}

const fn below(text: &'static str, means: super::table::Means) -> Line {
    let source = IN_PROGRAM;
    Line { text, stands: Anywhere, modes: Modes::Interactive, means, has_url: false, source }
}

/// The address of a session or of a machine's environment in a text, at the vendor's own host.
pub(super) fn url(text: &str) -> Option<&str> {
    const HOST: &str = "https://claude.ai/code";
    let from = &text[text.find(HOST)?..];
    let end = from.find(|c: char| c.is_whitespace() || !c.is_ascii_graphic());
    let url = &from[..end.unwrap_or(from.len())];
    let rest = &url[HOST.len()..];
    let known = ["/session_", "/cse_", "?environment=", "?bridge="];
    let value = known.iter().find_map(|prefix| rest.strip_prefix(prefix))?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-&=%.".contains(c);
    (!value.is_empty() && value.chars().all(plain)).then_some(url)
}
