//! `qd upload`: put files where a session's program can read them.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use quarterdeck_protocol::{
    http::UploadTo,
    limits::{MAX_UPLOAD_BYTES, MAX_UPLOAD_CHUNK_BYTES},
    method::{SessionUpload, UploadParams, UploadResult, UploadedFile},
};

use crate::{
    Exit,
    config::Settings,
    connection::{Connection, Missing},
    error::{CliError, Kind},
    output::escape::plain,
};

/// Flags of `qd upload`.
#[derive(Debug, clap::Args)]
pub(crate) struct UploadArgs {
    /// Which session
    pub(crate) session: String,
    /// Files of this machine
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Into the directory that the session was started in; otherwise beside its log, until it is removed
    #[arg(long)]
    here: bool,
}

/// Sends them, and prints where they are.
pub(crate) async fn run(settings: &Settings, args: UploadArgs) -> Result<Exit, CliError> {
    let UploadArgs { session, files, here } = args;
    let to = if here { UploadTo::Directory } else { UploadTo::Agent };
    let connection = Connection::open(settings, Missing::StartForSessions).await?;
    for (number, file) in files.iter().enumerate() {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let upload = format!("{}-{number}", std::process::id());
        let begun = UploadParams {
            session: session.clone(),
            upload,
            name,
            to,
            offset: 0,
            data: String::new(),
            last: false,
        };
        let sent = send(&connection, file, begun).await?;
        settings.output.result(&sent, |_| format!("{}\n", plain(&sent.path)))?;
    }
    Ok(Exit::OK)
}

/// Sends a file piece by piece: the relay takes small messages between them.
async fn send(
    connection: &Connection,
    file: &Path,
    begun: UploadParams,
) -> Result<UploadedFile, CliError> {
    let cannot = |error: io::Error| {
        CliError::new(Kind::NotFound, format!("{} cannot be read: {error}", file.display()))
    };
    let mut open = File::open(file).map_err(cannot)?;
    let length = open.metadata().map_err(cannot)?.len();
    if length > MAX_UPLOAD_BYTES as u64 {
        let message = format!("{} has more than {MAX_UPLOAD_BYTES} bytes", file.display());
        return Err(CliError::usage(message));
    }
    let session = begun.session.clone();
    let mut offset = 0;
    loop {
        let mut piece = Vec::new();
        let room = MAX_UPLOAD_CHUNK_BYTES as u64;
        (&mut open).take(room).read_to_end(&mut piece).map_err(cannot)?;
        let last = piece.len() < MAX_UPLOAD_CHUNK_BYTES;
        let params = UploadParams { offset, data: STANDARD.encode(&piece), last, ..begun.clone() };
        let sent = connection.call::<SessionUpload>(&params, Some(&session)).await?;
        let UploadResult { bytes, file } = sent;
        match file {
            Some(file) => return Ok(file),
            None => offset = bytes,
        }
    }
}
