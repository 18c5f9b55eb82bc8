//! Where a bearer token comes from.

use std::{
    io::{self, Read},
    path::PathBuf,
};

use quarterdeck_crypto::Token;

use crate::error::{CliError, Kind};

/// Bytes of a token file that are read: a token has 256 bits, its text less than 100 characters.
const MAX_TOKEN_FILE_BYTES: u64 = 4096;

/// Where to find the token; it is read when a connection needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TokenSource {
    /// `QD_TOKEN`.
    Environment(Secret),
    /// A file with nothing but the token.
    File(PathBuf),
    /// Standard input, up to its end.
    StandardInput,
}

impl TokenSource {
    /// What `QD_TOKEN` says.
    pub(crate) fn from_text(text: String) -> Self {
        Self::Environment(Secret(text))
    }
    /// What `--token-file` says.
    pub(crate) fn from_path(path: PathBuf) -> Self {
        if path.as_os_str() == "-" { Self::StandardInput } else { Self::File(path) }
    }

    /// Reads the token.
    pub(crate) fn read(&self) -> Result<Token, CliError> {
        let (text, from) = match self {
            Self::Environment(token) => return parse(&token.0, "QD_TOKEN"),
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
        parse(&text, &from)
    }
}

fn read_bounded(from: impl Read) -> io::Result<String> {
    let mut text = String::new();
    from.take(MAX_TOKEN_FILE_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

fn parse(text: &str, from: &str) -> Result<Token, CliError> {
    Token::parse(text).map_err(|error| {
        CliError::usage(format!("{from} holds no token"))
            .caused_by(&error)
            .hint("make one on the relay's machine: qd token create NAME")
    })
}

/// Text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_without_the_space_around_it_and_is_never_printed() {
        let token = Token::from_bytes([7; 32]);
        let text = token.to_text();
        let source = TokenSource::from_text(format!(" {} \n", text.as_str()));
        let read = source.read().expect("a token");
        assert_eq!(read.to_text().as_str(), text.as_str());
        assert!(!format!("{source:?}").contains(text.as_str()));
        for bad in ["", "  ", "two words"] {
            let error = TokenSource::from_text(bad.to_owned()).read().expect_err("no token");
            assert_eq!(error.kind, Kind::Usage);
            assert_eq!(error.message, "QD_TOKEN holds no token");
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
