//! Where a bearer token comes from, and the token itself.

use std::{
    io::{self, Read},
    path::PathBuf,
};

use crate::error::{CliError, Kind};

/// Bytes of a token file that are read: a token has 256 bits, its text less than 100 characters.
const MAX_TOKEN_FILE_BYTES: u64 = 4096;

/// A secret that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token(String);

impl Token {
    /// The secret, for the wire only.
    pub(crate) fn secret(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token([redacted])")
    }
}

/// Where to find the token; it is read when a connection needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TokenSource {
    /// `QD_TOKEN`.
    Environment(Token),
    /// A file with nothing but the token.
    File(PathBuf),
    /// Standard input, up to its end.
    StandardInput,
}

impl TokenSource {
    /// What `QD_TOKEN` says.
    pub(crate) fn from_text(text: String) -> Self {
        Self::Environment(Token(text))
    }
    /// What `--token-file` says.
    pub(crate) fn from_path(path: PathBuf) -> Self {
        if path.as_os_str() == "-" { Self::StandardInput } else { Self::File(path) }
    }

    /// Reads the token.
    pub(crate) fn read(&self) -> Result<Token, CliError> {
        let (text, from) = match self {
            Self::Environment(token) => return trimmed(&token.0, "QD_TOKEN"),
            Self::File(path) => {
                let file = std::fs::File::open(path);
                (file.and_then(|file| read_bounded(&file)), path.display().to_string())
            }
            Self::StandardInput => (read_bounded(io::stdin()), "standard input".to_owned()),
        };
        let text = text.map_err(|error| {
            CliError::new(Kind::Usage, format!("cannot read the token from {from}"))
                .caused_by(&error)
        })?;
        trimmed(&text, &from)
    }
}

fn read_bounded(from: impl Read) -> io::Result<String> {
    let mut text = String::new();
    from.take(MAX_TOKEN_FILE_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

fn trimmed(text: &str, from: &str) -> Result<Token, CliError> {
    let token = text.trim();
    if token.is_empty() || !token.chars().all(|c| c.is_ascii_graphic()) {
        return Err(CliError::usage(format!("{from} holds no token"))
            .hint("a token is one word; make one on the relay's machine: qd token create NAME"));
    }
    Ok(Token(token.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_word_and_is_never_printed() {
        let source = TokenSource::from_text(" qd_abc \n".to_owned());
        assert_eq!(source.read().map(|token| token.secret().to_owned()), Ok("qd_abc".to_owned()));
        assert!(!format!("{source:?}").contains("abc"));
        for bad in ["", "  ", "two words"] {
            let error = TokenSource::from_text(bad.to_owned()).read().expect_err("no token");
            assert_eq!((error.kind, error.message.as_str()), (Kind::Usage, "QD_TOKEN holds no token"));
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let source = TokenSource::from_path("/nonexistent/token".into());
        let error = source.read().expect_err("not there");
        assert_eq!(error.message, "cannot read the token from /nonexistent/token");
        assert_eq!(TokenSource::from_path("-".into()), TokenSource::StandardInput);
    }
}
