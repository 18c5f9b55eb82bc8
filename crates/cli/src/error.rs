//! What a command says when it fails: a kind, a cause, and what to type next.
//!
//! The kind decides the exit code; the table stands in `docs/cli.md` and is compared by a test.

mod rpc;

use std::fmt;

use serde::Serialize;

pub(crate) use rpc::from_rpc;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $word:literal;)*) => {
        /// What kind of failure; scripts tell them apart by exit code or by word.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Kind {
            $($(#[$doc])* $name,)*
        }

        impl Kind {
            /// Every kind, by exit code.
            #[cfg(test)]
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name),*];
            /// The process's exit code.
            pub(crate) const fn exit_code(self) -> u8 {
                match self { $(Self::$name => $code,)* }
            }
            /// The stable word in JSON errors.
            pub(crate) const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

kinds! {
    /// Anything that has no code of its own.
    Failed = 1, "failed";
    /// The command line does not make sense, or a terminal is missing.
    Usage = 2, "usage";
    /// No such session, token or client.
    NotFound = 3, "not_found";
    /// A name fits more than one session.
    Ambiguous = 4, "ambiguous";
    /// Somebody else owns the session.
    NotOwner = 5, "not_owner";
    /// The credential is wrong or lacks a scope, or the relay's ceiling forbids it.
    Forbidden = 6, "forbidden";
    /// No relay answers.
    Unreachable = 7, "unreachable";
    /// What should be started, named or removed is running already.
    AlreadyRunning = 8, "already_running";
    /// A wait ended without what was waited for.
    Timeout = 9, "timeout";
    /// The session has ended.
    Ended = 10, "ended";
    /// A bound is reached; the same command may pass later.
    Busy = 11, "busy";
    /// The relay is of a version that does not know this.
    Unsupported = 12, "unsupported";
    /// Whoever read standard output has gone (`qd ls | head`); says nothing.
    ReaderGone = 141, "reader_gone";
}

/// Why a command failed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CliError {
    /// Decides the exit code.
    pub(crate) kind: Kind,
    /// What failed: a lowercase fragment that names the thing.
    pub(crate) message: String,
    /// Why, from the outside in.
    pub(crate) causes: Vec<String>,
    /// What to type next.
    pub(crate) hints: Vec<String>,
    /// The relay's own code and typed detail, for `--json`.
    pub(crate) wire: Option<quarterdeck_protocol::error::RpcError>,
}

impl CliError {
    /// A failure with no cause and no hint.
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), causes: Vec::new(), hints: Vec::new(), wire: None }
    }
    /// The command line does not make sense.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }
    /// The same with what to type next.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
    /// The same with the error behind it and everything behind that one.
    pub(crate) fn caused_by(mut self, error: &dyn std::error::Error) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            let text = error.to_string();
            // many errors repeat their source in their own text
            if !self.causes.iter().any(|cause| cause.contains(&text)) {
                self.causes.push(text);
            }
            next = error.source();
        }
        self
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
impl std::error::Error for CliError {}

/// An error as `--json` prints it on standard error, in one line.
#[derive(Serialize)]
pub(crate) struct ErrorReport<'a> {
    error: ErrorBody<'a>,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    kind: &'static str,
    exit_code: u8,
    message: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    causes: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    hints: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    wire: Option<&'a quarterdeck_protocol::error::RpcError>,
}

impl<'a> From<&'a CliError> for ErrorReport<'a> {
    fn from(error: &'a CliError) -> Self {
        let CliError { kind, message, causes, hints, wire } = error;
        let (exit_code, kind) = (kind.exit_code(), kind.word());
        Self { error: ErrorBody { kind, exit_code, message, causes, hints, wire: wire.as_ref() } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_exit_codes_are_the_ones_that_are_used() {
        let docs = include_str!("../../../docs/cli.md");
        for kind in Kind::ALL {
            let row = format!("| {} | `{}` |", kind.exit_code(), kind.word());
            assert!(docs.contains(&row), "docs/cli.md has no row {row}");
        }
        let rows = docs.lines().filter(|line| {
            let code = line.strip_prefix("| ").and_then(|rest| rest.split(' ').next());
            code.is_some_and(|code| {
                code.parse::<u8>().is_ok_and(|code| code > 0 && !(126..=140).contains(&code))
            })
        });
        assert_eq!(rows.count(), Kind::ALL.len(), "docs/cli.md has a row too many");
    }

    #[test]
    fn causes_are_listed_once_from_the_outside_in() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot read the file")]
        struct Outer(#[source] std::io::Error);
        let error = Outer(std::io::Error::other("disk on fire"));
        let error = CliError::new(Kind::Failed, "no luck").caused_by(&error);
        assert_eq!(error.causes, ["cannot read the file", "disk on fire"]);
    }

    #[test]
    fn a_json_error_is_one_object_with_the_exit_code() {
        let error = CliError::new(Kind::NotFound, "session \"x\" not found").hint("try: qd ls");
        let text = serde_json::to_string(&ErrorReport::from(&error)).expect("serialises");
        insta::assert_snapshot!(text, @r#"{"error":{"kind":"not_found","exit_code":3,"message":"session \"x\" not found","hints":["try: qd ls"]}}"#);
    }
}
