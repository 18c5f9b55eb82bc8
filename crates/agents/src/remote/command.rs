//! The command line of a vendor's Remote Control. No word of a caller can become a flag or swallow one.

use alloc::{borrow::ToOwned, format, string::String, vec::Vec};

use quarterdeck_protocol::remote_control::{RemoteMode, RemoteParams, RemoteSpawn, RemoteVendor};

/// Characters of a name for the app.
pub const MAX_NAME_CHARS: usize = 128;
/// Sessions at a time that can be asked for.
pub const MAX_CAPACITY: u32 = 1024;
/// Variables that can be stripped, and further words.
pub const MAX_WORDS: usize = 64;

/// Flags that a further word would set a second time.
const OWN_FLAGS: [&str; 7] = [
    "--name",
    "--spawn",
    "--capacity",
    "--remote-control",
    "--rc",
    "--no-daemon",
    "--remote-control-session-name-prefix",
];
/// Flags that open one certain session, which cannot be one of many.
const ONE_SESSION_FLAGS: [&str; 3] = ["--session-id", "--continue", "-c"];

/// Why there is no such command line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// A name that could be taken for a flag, or that no app could show.
    #[error("the name {0:?} is empty, too long, begins with a dash or has control characters")]
    Name(String),
    /// Two wishes that exclude each other.
    #[error("{0} cannot be had together with {1}")]
    Conflict(&'static str, &'static str),
    /// A wish that this vendor does not know.
    #[error("{vendor} has no {what}")]
    Unsupported {
        /// Whose program.
        vendor: &'static str,
        /// What was wished for.
        what: &'static str,
    },
    /// A further word says again what a flag of `qd rc` says.
    #[error("{0} is a flag of its own here")]
    OwnFlag(String),
    /// A further word that would end the vendor's flags.
    #[error("a bare -- among the further words would hide the ones that follow")]
    BareDashes,
    /// A number outside of what is sensible.
    #[error("a capacity is a number from 1 to {MAX_CAPACITY}")]
    Capacity,
    /// Too many words.
    #[error("at most {MAX_WORDS} further words and variables")]
    TooMany,
    /// A vendor or mode of a newer version.
    #[error("this version does not know that kind of Remote Control")]
    Unknown,
}

/// The argument vector; `command` is the vendor's program and what always follows it.
///
/// # Errors
/// When the wishes conflict, or one of them cannot be said safely.
pub fn argv(params: &RemoteParams, command: &[String]) -> Result<Vec<String>, CommandError> {
    check(params)?;
    let mut argv = command.to_vec();
    let mut put = |word: &str| argv.push(word.to_owned());
    match (params.vendor, params.mode) {
        (RemoteVendor::Claude, RemoteMode::Server) => {
            put("remote-control");
            if let Some(name) = &params.name {
                put("--name");
                put(name);
            }
            if let Some(spawn) = params.spawn {
                put("--spawn");
                put(spawn.word());
            }
            if let Some(capacity) = params.capacity {
                put("--capacity");
                put(&format!("{capacity}"));
            }
            params.args.iter().for_each(|word| put(word));
        }
        (RemoteVendor::Claude, RemoteMode::Interactive) => {
            params.args.iter().for_each(|word| put(word));
            match &params.name {
                Some(name) => put(&format!("--remote-control={name}")),
                // its value is optional: whatever came after it would be taken for its name
                None => put("--remote-control"),
            }
        }
        (RemoteVendor::Codex, RemoteMode::Server) => {
            put("remote-control");
            // a daemon of its own would outlive the session and nobody would see it
            put("--no-daemon");
            params.args.iter().for_each(|word| put(word));
        }
        (RemoteVendor::Codex, RemoteMode::Interactive) => {
            let what = "interactive Remote Control";
            return Err(CommandError::Unsupported { vendor: "codex", what });
        }
        (RemoteVendor::Unknown, _) | (_, RemoteMode::Unknown) => return Err(CommandError::Unknown),
    }
    Ok(argv)
}

fn check(params: &RemoteParams) -> Result<(), CommandError> {
    if let Some(name) = &params.name {
        check_name(name)?;
    }
    if params.args.len() > MAX_WORDS || params.strip.len() > MAX_WORDS {
        return Err(CommandError::TooMany);
    }
    if params.capacity.is_some_and(|capacity| !(1..=MAX_CAPACITY).contains(&capacity)) {
        return Err(CommandError::Capacity);
    }
    if params.profile.is_some() && params.account.is_some() {
        return Err(CommandError::Conflict("a profile", "a directory of an account"));
    }
    if params.vendor == RemoteVendor::Codex {
        check_codex(params)?;
    }
    let of_server = params.spawn.is_some() || params.capacity.is_some();
    if params.mode == RemoteMode::Interactive && of_server {
        return Err(CommandError::Conflict("--interactive", "--spawn or --capacity"));
    }
    if params.spawn == Some(RemoteSpawn::Session) && params.capacity.is_some() {
        return Err(CommandError::Conflict("--spawn session", "--capacity"));
    }
    for word in &params.args {
        let flag = word.split_once('=').map_or(word.as_str(), |(flag, _)| flag);
        if word == "--" {
            return Err(CommandError::BareDashes);
        }
        if OWN_FLAGS.contains(&flag) {
            return Err(CommandError::OwnFlag(flag.to_owned()));
        }
        if of_server && ONE_SESSION_FLAGS.contains(&flag) {
            return Err(CommandError::Conflict(
                "--continue or --session-id",
                "--spawn or --capacity",
            ));
        }
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), CommandError> {
    let fits = !name.trim().is_empty()
        && name.chars().count() <= MAX_NAME_CHARS
        && !name.trim_start().starts_with('-')
        && crate::plain::is_plain(name)
        && !name.contains(['\n', '\t']);
    if fits { Ok(()) } else { Err(CommandError::Name(crate::plain::title(name))) }
}

fn check_codex(params: &RemoteParams) -> Result<(), CommandError> {
    let unsupported = |what| Err(CommandError::Unsupported { vendor: "codex", what });
    if params.name.is_some() {
        return unsupported("name for its Remote Control");
    }
    if params.spawn.is_some() || params.capacity.is_some() {
        return unsupported("--spawn and --capacity");
    }
    Ok(())
}

/// Whether a start asks nobody: the modes of the vendors that the ceiling knows as unsupervised, as its
/// further words would set them.
#[must_use]
pub fn unsupervised_word(args: &[String]) -> Option<&str> {
    const FLAGS: [&str; 4] = [
        "--dangerously-skip-permissions",
        "--allow-dangerously-skip-permissions",
        "--dangerously-bypass-approvals-and-sandbox",
        "--yolo",
    ];
    const MODES: [&str; 3] = ["bypassPermissions", "dontAsk", "auto"];
    args.iter().enumerate().find_map(|(at, word)| {
        let after = |flag: &str| at > 0 && args[at - 1] == flag;
        let value = word.strip_prefix("--permission-mode=");
        let mode = value.or_else(|| after("--permission-mode").then_some(word.as_str()));
        let asks_nobody = FLAGS.contains(&word.as_str())
            || mode.is_some_and(|mode| MODES.contains(&mode))
            || word.contains("approval_policy") && word.contains("never");
        asks_nobody.then_some(word.as_str())
    })
}
