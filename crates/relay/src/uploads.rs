//! Files that clients put beside a session's log, or into the directory that its program works in.
//!
//! - [`Receiving`]: a file on its way; however its bytes come, it ends up whole or not at all;
//! - [`names`]: what it is called; [`pieces`]: files that come over the wire, piece by piece;
//! - [`attached`]: those that go with a message to an agent.

mod attached;
mod names;
mod pieces;

use std::{fs, io, path::PathBuf, sync::Arc};

pub(crate) use attached::attached;
pub(crate) use pieces::{Piece, Uploads};
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    http::UploadTo,
    limits::{MAX_SESSION_UPLOAD_BYTES, MAX_SESSION_UPLOADS, MAX_UPLOAD_BYTES},
    method::UploadedFile,
};
use tokio::{fs::File, io::AsyncWriteExt as _};

use crate::{files, session::SessionHandle};

/// Where uploads are kept, in a session's directory.
const DIRECTORY: &str = "uploads";
/// Bytes that say what an image is.
const MAGIC_BYTES: usize = 12;

/// Why a file is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UploadError {
    /// It is too large.
    #[error("a file has at most {MAX_UPLOAD_BYTES} bytes")]
    TooLarge,
    /// The session has too many.
    #[error("too much was uploaded to this session")]
    TooMuch,
    /// Its place has a name that cannot be told.
    #[error("the file's place has a name that is no text")]
    NotText,
    /// The disk.
    #[error("the file could not be written")]
    Io(#[from] io::Error),
    /// The directory.
    #[error("the directory of uploads could not be made")]
    Directory(#[from] files::FileError),
}

impl UploadError {
    pub(crate) fn to_rpc(&self) -> RpcError {
        let code = match self {
            Self::TooLarge => ErrorCode::InvalidRequest,
            Self::TooMuch => ErrorCode::Overloaded,
            Self::NotText | Self::Io(_) | Self::Directory(_) => {
                tracing::warn!(error = self as &dyn std::error::Error, "upload");
                ErrorCode::Storage
            }
        };
        RpcError::new(code, self.to_string())
    }
}

/// The directory that a file of a session goes to, if there is room for one more.
pub(crate) async fn directory(
    session: &Arc<SessionHandle>,
    to: UploadTo,
) -> Result<PathBuf, UploadError> {
    match to {
        UploadTo::Directory => Ok(PathBuf::from(&session.published().cwd)),
        UploadTo::Agent => {
            let directory = session.directory.join(DIRECTORY);
            blocking(move || with_room(directory)).await
        }
    }
}

fn with_room(directory: PathBuf) -> Result<PathBuf, UploadError> {
    files::private_directory(&directory)?;
    let (mut count, mut bytes) = (0, MAX_UPLOAD_BYTES as u64);
    for entry in fs::read_dir(&directory)? {
        count += 1;
        bytes += entry?.metadata()?.len();
    }
    if count >= MAX_SESSION_UPLOADS || bytes > MAX_SESSION_UPLOAD_BYTES {
        return Err(UploadError::TooMuch);
    }
    Ok(directory)
}

/// A file on its way. It goes again unless it is finished.
#[derive(Debug)]
pub(crate) struct Receiving {
    file: File,
    path: Unfinished,
    bytes: usize,
    /// Its first bytes.
    magic: Vec<u8>,
}

impl Receiving {
    /// Makes the file. Nothing that is there is replaced.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) async fn begin(directory: PathBuf, name: &str) -> Result<Self, UploadError> {
        let name = names::safe_name(name);
        blocking(move || {
            let (file, path) = names::create(&directory, &name)?;
            let path = Unfinished(Some(path));
            Ok(Self { file: File::from_std(file), path, bytes: 0, magic: Vec::new() })
        })
        .await
    }

    /// Bytes that it has.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Writes its next bytes.
    ///
    /// # Errors
    /// When there are too many by now, or the disk does not take them.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), UploadError> {
        self.bytes += bytes.len();
        if self.bytes > MAX_UPLOAD_BYTES {
            return Err(UploadError::TooLarge);
        }
        let missing = MAGIC_BYTES.saturating_sub(self.magic.len()).min(bytes.len());
        self.magic.extend_from_slice(&bytes[..missing]);
        Ok(self.file.write_all(bytes).await?)
    }

    /// It is whole, and stays.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub(crate) async fn finish(mut self) -> Result<UploadedFile, UploadError> {
        self.file.flush().await?;
        let path = self.path.0.as_ref().and_then(|path| path.to_str()).map(str::to_owned);
        let path = path.ok_or(UploadError::NotText)?;
        self.path.keep();
        Ok(UploadedFile { path, mime_type: image_type(&self.magic).map(str::to_owned) })
    }
}

/// A file that goes again unless it is kept.
#[derive(Debug)]
struct Unfinished(Option<PathBuf>);

impl Unfinished {
    fn keep(&mut self) {
        self.0 = None;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            // what stays is seen in its directory
            let _ = fs::remove_file(path);
        }
    }
}

/// File work, where it may wait for a disk.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, UploadError> + Send + 'static,
) -> Result<T, UploadError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(io::Error::other(error).into()))
}

/// What sort of image these first bytes begin, of those that agents take.
fn image_type(magic: &[u8]) -> Option<&'static str> {
    match magic {
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}
