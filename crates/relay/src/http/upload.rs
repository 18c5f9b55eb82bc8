//! Files for an agent: taken, named, kept beside its log or put into its directory, and sent with a message.

use std::{
    fs, io,
    path::{Path as FilePath, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::{
    Json,
    extract::{
        FromRequest as _, Multipart, Path, Query, Request,
        multipart::{Field, MultipartError},
    },
    response::IntoResponse as _,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use quarterdeck_protocol::{
    agent::ContentBlock,
    error::{ErrorCode, RpcError},
    http::{POST_UPLOAD, UploadQuery, UploadTo, Uploaded},
    limits::{MAX_ATTACHMENTS, MAX_SESSION_UPLOAD_BYTES, MAX_SESSION_UPLOADS, MAX_UPLOAD_BYTES},
};
use tokio::{fs::File, io::AsyncWriteExt as _};

use super::{Visitor, find_agent, refusal::Refused};
use crate::{
    files,
    session::{Command, SessionHandle},
};

/// Where uploads are kept, in a session's directory.
const DIRECTORY: &str = "uploads";
/// How long a file may take to come.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(300);
/// Characters of a file's name that are kept.
const MAX_NAME_CHARS: usize = 100;
/// Files of one name; the next gets another number.
const MAX_SAME_NAMES: usize = 1000;
/// Bytes that say what an image is.
const MAGIC_BYTES: usize = 12;
/// Bytes of images that fit into one message as base64.
const MAX_IMAGE_BYTES: usize = 8 * 1024 * 1024;

pub(super) async fn post_upload(
    Visitor(c): Visitor,
    Path(session): Path<String>,
    query: Result<Query<UploadQuery>, axum::extract::rejection::QueryRejection>,
    request: Request,
) -> Result<Json<Uploaded>, Refused> {
    let directory = c.guard(POST_UPLOAD.method, async {
        let session = find_agent(&c, &session)?;
        let Ok(Query(UploadQuery { to })) = query else {
            let message = "\"to\" is \"agent\" or \"directory\"";
            return Err(RpcError::new(ErrorCode::InvalidParams, message));
        };
        destination(&session, to)
    });
    let directory = directory.await?;
    match tokio::time::timeout(UPLOAD_TIMEOUT, take(request, &directory)).await {
        Ok(taken) => taken.map(Json),
        Err(_) => Err(RpcError::new(ErrorCode::InvalidRequest, "the file does not come").into()),
    }
}

/// The directory that a file goes to.
fn destination(session: &Arc<SessionHandle>, to: UploadTo) -> Result<PathBuf, RpcError> {
    match to {
        UploadTo::Directory => Ok(PathBuf::from(&session.published().cwd)),
        UploadTo::Agent => {
            let directory = session.directory.join(DIRECTORY);
            files::private_directory(&directory).map_err(|error| storage(&error))?;
            let (count, bytes) = usage(&directory).map_err(|error| storage(&error))?;
            if count >= MAX_SESSION_UPLOADS
                || bytes + MAX_UPLOAD_BYTES as u64 > MAX_SESSION_UPLOAD_BYTES
            {
                let message = "too much was uploaded to this session";
                return Err(RpcError::new(ErrorCode::Overloaded, message));
            }
            Ok(directory)
        }
    }
}

/// How many files are there, and how large they are together.
fn usage(directory: &FilePath) -> io::Result<(usize, u64)> {
    let mut sum = (0, 0);
    for entry in fs::read_dir(directory)? {
        sum = (sum.0 + 1, sum.1 + entry?.metadata()?.len());
    }
    Ok(sum)
}

/// Takes the file of a form.
async fn take(request: Request, directory: &FilePath) -> Result<Uploaded, Refused> {
    let form = Multipart::from_request(request, &()).await;
    let mut form = form.map_err(|refused| Refused::Below(Box::new(refused.into_response())))?;
    while let Some(field) = form.next_field().await.map_err(below)? {
        if field.name() == Some("file") {
            return take_file(field, directory).await;
        }
    }
    Err(RpcError::new(ErrorCode::InvalidParams, "the form has no \"file\"").into())
}

async fn take_file(mut field: Field<'_>, directory: &FilePath) -> Result<Uploaded, Refused> {
    let name = safe_name(field.file_name().unwrap_or_default());
    let (file, path) = create(directory, &name).map_err(|error| storage(&error))?;
    let unfinished = Unfinished(Some(path));
    let mut file = File::from_std(file);
    let (mut bytes, mut magic) = (0, Vec::new());
    while let Some(chunk) = field.chunk().await.map_err(below)? {
        bytes += chunk.len();
        if bytes > MAX_UPLOAD_BYTES {
            let message = format!("a file has at most {MAX_UPLOAD_BYTES} bytes");
            let error = RpcError::new(ErrorCode::InvalidRequest, message);
            let answer = (axum::http::StatusCode::PAYLOAD_TOO_LARGE, Json(error));
            return Err(Refused::Below(Box::new(answer.into_response())));
        }
        let missing = MAGIC_BYTES.saturating_sub(magic.len()).min(chunk.len());
        magic.extend_from_slice(&chunk[..missing]);
        file.write_all(&chunk).await.map_err(|error| storage(&error))?;
    }
    file.flush().await.map_err(|error| storage(&error))?;
    let path = unfinished.keep();
    let file_path = path.to_str().map(str::to_owned).ok_or_else(|| {
        RpcError::new(ErrorCode::Storage, "the file's place has a name that is no text")
    })?;
    Ok(Uploaded { ok: true, file_path, mime_type: image_type(&magic).map(str::to_owned) })
}

/// A file that goes again unless it is kept.
struct Unfinished(Option<PathBuf>);

impl Unfinished {
    fn keep(mut self) -> PathBuf {
        self.0.take().unwrap_or_default()
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

/// Makes a file that was not there, whose name says as much of the wanted one as is safe.
fn create(directory: &FilePath, name: &str) -> io::Result<(fs::File, PathBuf)> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => (stem, format!(".{extension}")),
        Some(_) | None => (name, String::new()),
    };
    for number in 1..MAX_SAME_NAMES {
        let name = match number {
            1 => name.to_owned(),
            _ => format!("{stem}-{number}{extension}"),
        };
        let path = directory.join(name);
        // neither follows a link nor replaces anything
        match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => return Ok((file, path)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// A name that is one component of a path, hides nothing, and can be typed.
fn safe_name(asked: &str) -> String {
    let last = asked.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain = |c: char| match c {
        c if c.is_ascii_alphanumeric() => c,
        '.' | '-' | '_' => c,
        _ => '_',
    };
    let name: String = last.trim_start_matches('.').chars().map(plain).collect();
    // an extension outlives a long name
    let skipped = name.len().saturating_sub(MAX_NAME_CHARS);
    let name = name[skipped..].trim_start_matches(['.', '-']);
    if name.is_empty() { "file".to_owned() } else { name.to_owned() }
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

/// What goes with a message: images as they are, other files and what an agent cannot be shown by name.
pub(super) async fn attached(
    session: &Arc<SessionHandle>,
    paths: Vec<String>,
) -> Result<Vec<ContentBlock>, RpcError> {
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    if paths.len() > MAX_ATTACHMENTS {
        let message = format!("a message has at most {MAX_ATTACHMENTS} attachments");
        return Err(RpcError::new(ErrorCode::InvalidParams, message));
    }
    let conversation = session.ask(|reply| Command::Conversation { reply }).await?;
    let sees_images = conversation.view().features.images;
    let places = [session.directory.join(DIRECTORY), PathBuf::from(&session.published().cwd)];
    let read = move || {
        let mut room = if sees_images { MAX_IMAGE_BYTES } else { 0 };
        paths.iter().map(|path| attach(path, &places, &mut room)).collect()
    };
    let read = tokio::task::spawn_blocking(read).await;
    read.map_err(|_| RpcError::new(ErrorCode::Internal, "reading the files failed"))?
}

fn attach(path: &str, places: &[PathBuf], room: &mut usize) -> Result<ContentBlock, RpcError> {
    let unknown = || {
        let message = "an attachment is named by the path that its upload was answered with";
        RpcError::new(ErrorCode::InvalidParams, message)
    };
    let file = FilePath::new(path);
    let known = file.parent().is_some_and(|parent| places.iter().any(|place| place == parent));
    let name = file.file_name().and_then(|name| name.to_str()).filter(|_| known);
    let name = name.ok_or_else(unknown)?.to_owned();
    // anything else might make the reader wait
    if !fs::metadata(file).is_ok_and(|found| found.is_file()) {
        return Err(unknown());
    }
    let bytes = files::read_bounded(file, MAX_UPLOAD_BYTES as u64).ok().flatten();
    let bytes = bytes.ok_or_else(unknown)?;
    match image_type(&bytes) {
        Some(mime_type) if bytes.len() <= *room => {
            *room -= bytes.len();
            let data = STANDARD.encode(&bytes);
            Ok(ContentBlock::Image { mime_type: mime_type.to_owned(), data })
        }
        Some(_) | None => Ok(ContentBlock::ResourceLink { uri: format!("file://{path}"), name }),
    }
}

fn below(error: MultipartError) -> Refused {
    Refused::Below(Box::new(error.into_response()))
}

fn storage(error: &(impl std::error::Error + ?Sized)) -> RpcError {
    tracing::warn!(%error, "upload");
    RpcError::new(ErrorCode::Storage, "the file could not be written")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_safe_component_and_keeps_its_extension() {
        let check = |asked: &str, expected: &str| assert_eq!(safe_name(asked), expected, "{asked}");
        check("photo.png", "photo.png");
        check("../../etc/passwd", "passwd");
        check("C:\\files\\a b.txt", "a_b.txt");
        check(".bashrc", "bashrc");
        check("...", "file");
        check("-rf", "rf");
        check("", "file");
        check("a\u{202e}b\n\u{1b}[m.txt", "a_b___m.txt");
        let long = format!("{}.png", "x".repeat(300));
        assert!(safe_name(&long).ends_with(".png") && safe_name(&long).len() <= MAX_NAME_CHARS);
    }

    #[test]
    fn nothing_is_replaced_and_no_link_is_followed() {
        let directory = tempfile::tempdir().expect("a directory");
        let elsewhere = directory.path().join("elsewhere");
        std::os::unix::fs::symlink(&elsewhere, directory.path().join("a.txt")).expect("links");
        let names: Vec<_> = (0..2)
            .map(|_| create(directory.path(), "a.txt").expect("a file").1)
            .map(|path| path.file_name().expect("a name").to_string_lossy().into_owned())
            .collect();
        assert_eq!(names, ["a-2.txt", "a-3.txt"]);
        assert!(!elsewhere.exists());
    }

    #[test]
    fn only_what_was_uploaded_can_be_attached() {
        let directory = tempfile::tempdir().expect("a directory");
        let places = [directory.path().to_owned()];
        let path = |name: &str| directory.path().join(name).display().to_string();
        fs::write(path("a.txt"), "text").expect("writes");
        fs::write(path("b.bin"), [&[0x89][..], b"PNG", &[0; 100]].concat()).expect("writes");
        let mut room = 150;
        let text = attach(&path("a.txt"), &places, &mut room).expect("is there");
        let name = "a.txt".to_owned();
        let uri = format!("file://{}", path("a.txt"));
        assert_eq!(text, ContentBlock::ResourceLink { uri, name });
        let image = attach(&path("b.bin"), &places, &mut room).expect("is there");
        assert!(
            matches!(image, ContentBlock::Image { ref mime_type, .. } if mime_type == "image/png")
        );
        let again = attach(&path("b.bin"), &places, &mut room).expect("is there");
        assert!(matches!(again, ContentBlock::ResourceLink { .. }), "there is no room for it");
        for bad in ["/etc/passwd", "a.txt", "", &path("../x"), &path("missing")] {
            let refused = attach(bad, &places, &mut room).map_err(|error| error.code());
            assert_eq!(refused, Err(ErrorCode::InvalidParams), "{bad}");
        }
    }
}
