//! Uploads that go with a message to an agent.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use quarterdeck_protocol::{
    agent::ContentBlock,
    error::{ErrorCode, RpcError},
    limits::{MAX_ATTACHMENTS, MAX_UPLOAD_BYTES},
};

use super::{DIRECTORY, image_type};
use crate::{
    files,
    session::{Command, SessionHandle},
};

/// Bytes of images that fit into one message as base64.
const MAX_IMAGE_BYTES: usize = 8 * 1024 * 1024;

/// What goes with a message: images as they are, other files and what an agent cannot be shown by name.
pub(crate) async fn attached(
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
    let file = Path::new(path);
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

#[cfg(test)]
mod tests {
    use super::*;

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
