//! `qd token`: bearer tokens for scripts and devices.

use std::{
    fs::OpenOptions,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use quarterdeck_protocol::{
    dialect::Dialect,
    ids::SessionId,
    method::{
        Empty, TokenCreate, TokenCreateParams, TokenInfo, TokenList, TokenNameParams, TokenRevoke,
        TokenRotate, TokenRotateParams, TokenSecret,
    },
    scope::Scope,
};

use crate::{
    Exit,
    config::Settings,
    connection::{Connection, Missing},
    error::{CliError, Kind},
    output::{
        Format,
        escape::plain,
        style::Styles,
        table::Table,
        time::{ago, now_micros, parse_duration, utc},
    },
};

/// What to do about tokens.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token; it is shown once
    Create(CreateArgs),
    /// List the tokens, without their secrets
    Ls,
    /// Give a token a new secret; the old one works on for a while
    Rotate {
        /// Which token
        name: String,
        /// How long the old secret works on [default: 1h]
        #[arg(long, value_name = "TIME", value_parser = parse_duration)]
        overlap: Option<Duration>,
        /// Write the secret into this new file, readable by you alone
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// End a token at once
    Revoke {
        /// Which token
        name: String,
    },
}

/// Flags of `qd token create`.
#[derive(Debug, clap::Args)]
pub(crate) struct CreateArgs {
    /// Its name
    name: String,
    /// What it may do: read, answer, create, drive, admin
    #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',', default_value = "read")]
    scopes: Vec<Scope>,
    /// Who is behind it [default: you]
    #[arg(long, value_name = "NAME")]
    principal: Option<String>,
    /// Only these sessions, by id
    #[arg(long = "session", value_name = "ID")]
    sessions: Vec<SessionId>,
    /// Only for this listener of `qd relay --dialect`: agor, myagent
    #[arg(long, value_name = "DIALECT")]
    dialect: Option<Dialect>,
    /// When it ends [default: never]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    expires: Option<Duration>,
    /// Write the secret into this new file, readable by you alone
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Makes, lists, rotates or revokes tokens.
pub(crate) async fn run(settings: &Settings, command: TokenCommand) -> Result<Exit, CliError> {
    let connection = Connection::open(settings, Missing::Fail).await?;
    match command {
        TokenCommand::Create(args) => create(settings, &connection, args).await,
        TokenCommand::Rotate { name, overlap, out } => {
            let overlap_s = overlap.map(|time| time.as_secs());
            let file = out.as_deref().map(new_file).transpose()?;
            let params = TokenRotateParams { name, overlap_s };
            let secret = connection.call::<TokenRotate>(&params, None).await?;
            deliver(settings, &secret, None, file)
        }
        TokenCommand::Ls => {
            let listed = connection.call::<TokenList>(&Empty {}, None).await?;
            let now = now_micros();
            settings.output.result(&listed, |styles| table(&listed.tokens, now, styles))?;
            Ok(Exit::OK)
        }
        TokenCommand::Revoke { name } => {
            connection.call::<TokenRevoke>(&TokenNameParams { name }, None).await?;
            settings.output.result(&Empty {}, |_| String::new())?;
            Ok(Exit::OK)
        }
    }
}

async fn create(
    settings: &Settings,
    connection: &Connection,
    args: CreateArgs,
) -> Result<Exit, CliError> {
    let CreateArgs { name, scopes, principal, sessions, dialect, expires, out } = args;
    // the file first: a secret that cannot be kept should not be made
    let file = out.as_deref().map(new_file).transpose()?;
    let params = TokenCreateParams {
        name,
        principal,
        scopes: scopes.into_iter().collect(),
        sessions,
        expires_in_s: expires.map(|time| time.as_secs()),
        dialect,
    };
    let secret = connection.call::<TokenCreate>(&params, None).await?;
    deliver(settings, &secret, dialect, file)
}

struct SecretFile {
    path: PathBuf,
    file: std::fs::File,
}

fn new_file(path: &Path) -> Result<SecretFile, CliError> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let file = opened.map_err(|error| {
        CliError::new(Kind::Failed, format!("cannot write {}", path.display()))
            .caused_by(&error)
            .hint("name a file that does not exist yet")
    })?;
    Ok(SecretFile { path: path.to_owned(), file })
}

/// The secret goes into the file, or to standard output; never to both.
fn deliver(
    settings: &Settings,
    secret: &TokenSecret,
    dialect: Option<Dialect>,
    file: Option<SecretFile>,
) -> Result<Exit, CliError> {
    let output = settings.output;
    let Some(SecretFile { path, mut file }) = file else {
        output.result(secret, |_| format!("{}\n", secret.token))?;
        output.note(match dialect {
            None => "this is shown once; use it with --token-file FILE or QD_TOKEN",
            Some(_) => "this is shown once; it goes into the other program's settings",
        });
        return Ok(Exit::OK);
    };
    file.write_all(format!("{}\n", secret.token).as_bytes()).map_err(|error| {
        CliError::new(Kind::Failed, format!("cannot write {}", path.display())).caused_by(&error)
    })?;
    match output.format() {
        Format::Json => output.json(&TokenSecret { token: String::new(), ..secret.clone() })?,
        Format::Text => output.note(&format!("use it with --token-file {}", path.display())),
    }
    Ok(Exit::OK)
}

fn table(tokens: &[TokenInfo], now: u64, styles: Styles) -> String {
    if tokens.is_empty() {
        return String::new();
    }
    let mut table = Table::new(["NAME", "PRINCIPAL", "SCOPES", "SESSIONS", "EXPIRES", "LAST USED"]);
    for token in tokens {
        let sessions = token.sessions.len();
        table.push([
            plain(&token.name).into(),
            plain(&token.principal.to_string()).into(),
            rights(token).into(),
            if sessions == 0 { "all".to_owned() } else { sessions.to_string() }.into(),
            token.expires_at.map_or_else(|| "never".to_owned(), utc).into(),
            token
                .last_used_at
                .map_or_else(|| "never".to_owned(), |at| ago(at.saturating_mul(1_000_000), now))
                .into(),
        ]);
    }
    table.render(None, styles)
}

/// The scopes, and the one wire on which they count.
fn rights(token: &TokenInfo) -> String {
    let scopes = token.scopes.iter().map(Scope::word).collect::<Vec<_>>().join(",");
    match token.dialect {
        Some(dialect) => format!("{scopes} on {dialect}"),
        None => scopes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarterdeck_protocol::ids::Principal;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_table_shows_what_a_token_may_do_and_no_secret() {
        let token = TokenInfo {
            name: "phone".into(),
            principal: Principal::new("r_00", "ada").expect("valid"),
            scopes: [Scope::Read, Scope::Drive].into_iter().collect(),
            sessions: Vec::new(),
            dialect: None,
            created_at: 0,
            expires_at: Some(1_800_000_000),
            last_used_at: Some(1_700_000_000),
            overlap_until: None,
        };
        let dialect = Some(Dialect::Agor);
        let tower = TokenInfo { name: "tower".into(), dialect, ..token.clone() };
        insta::assert_snapshot!(table(&[token, tower], 1_700_000_300_000_000, Styles::PLAIN), @r"
        NAME   PRINCIPAL  SCOPES              SESSIONS  EXPIRES               LAST USED
        phone  r_00/ada   read,drive          all       2027-01-15 08:00:00Z  5m
        tower  r_00/ada   read,drive on agor  all       2027-01-15 08:00:00Z  5m
        ");
    }

    #[test]
    fn a_secret_goes_only_into_a_new_private_file() {
        let home = tempfile::tempdir().expect("temporary directory");
        let path = home.path().join("token");
        let SecretFile { file, .. } = new_file(&path).expect("creates");
        assert_eq!(file.metadata().expect("exists").permissions().mode() & 0o777, 0o600);
        assert!(new_file(&path).is_err());
    }
}
