//! Files that come in pieces, in order and otherwise.

use std::fs;

use quarterdeck_holder::log::{LogLock, LogOptions, LogWriter, NewLog};
use quarterdeck_protocol::{
    ids::LogId,
    limits::MAX_UPLOAD_BYTES,
    record::{SessionKind, TerminalSize},
};

use super::*;

const NOW: Duration = Duration::from_secs(1000);

const fn piece<'a>(upload: &'a str, offset: u64, bytes: &'a [u8]) -> Piece<'a> {
    Piece { upload, name: "notes.txt", to: UploadTo::Agent, offset, bytes, last: false }
}

struct Stage {
    uploads: Uploads,
    session: Arc<SessionHandle>,
    directory: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let lock = LogLock::try_acquire(directory.path()).expect("a lock").expect("it is free");
        let (log_id, session) = (LogId::from_bytes([1; 8]), SessionId::from_bytes([2; 10]));
        let size = TerminalSize { cols: 80, rows: 24, xpixel: 0, ypixel: 0 };
        let new = NewLog { log_id, session, kind: SessionKind::Terminal, size };
        let log = LogWriter::create(lock, &new, LogOptions::default(), 1).expect("a log");
        let session = SessionHandle::for_test(directory.path(), log.state());
        Self { uploads: Uploads::default(), session, directory }
    }

    async fn send(
        &self,
        upload: &str,
        offset: u64,
        bytes: &[u8],
    ) -> Result<UploadResult, ErrorCode> {
        self.take(piece(upload, offset, bytes)).await
    }

    async fn finish(
        &self,
        upload: &str,
        offset: u64,
        bytes: &[u8],
    ) -> Result<UploadResult, ErrorCode> {
        self.take(Piece { last: true, ..piece(upload, offset, bytes) }).await
    }

    async fn take(&self, piece: Piece<'_>) -> Result<UploadResult, ErrorCode> {
        let client = ClientId::from_bytes([3; 16]);
        let taken = self.uploads.take(client, &self.session, piece, NOW);
        taken.await.map_err(|error| error.code())
    }

    fn files(&self) -> Vec<(String, Vec<u8>)> {
        let entries = fs::read_dir(self.directory.path().join("uploads")).into_iter().flatten();
        let mut files: Vec<_> = entries
            .map(|entry| entry.expect("an entry"))
            .map(|entry| {
                let name = entry.file_name().to_string_lossy().into_owned();
                (name, fs::read(entry.path()).expect("is readable"))
            })
            .collect();
        files.sort();
        files
    }
}

#[tokio::test]
async fn a_file_comes_in_pieces_and_each_may_come_twice() {
    let stage = Stage::new();
    for _ in 0..2 {
        let first = stage.send("a", 0, b"one ").await;
        assert_eq!(first, Ok(UploadResult { bytes: 4, file: None }));
    }
    let whole = stage.finish("a", 4, b"two").await.expect("is taken");
    let path = stage.directory.path().join("uploads/notes.txt").display().to_string();
    assert_eq!(whole.file, Some(UploadedFile { path, mime_type: None }));
    assert_eq!(stage.finish("a", 4, b"two").await, Ok(whole));
    assert_eq!(stage.files(), [("notes.txt".to_owned(), b"one two".to_vec())]);
}

#[tokio::test]
async fn a_piece_that_does_not_follow_changes_nothing() {
    let stage = Stage::new();
    assert_eq!(stage.send("a", 4, b"two").await, Err(ErrorCode::NotFound));
    stage.send("a", 0, b"one").await.expect("is taken");
    assert_eq!(stage.send("a", 9, b"far").await, Err(ErrorCode::InvalidParams));
    assert_eq!(stage.finish("a", 2, b"over the end").await, Err(ErrorCode::InvalidParams));
    stage.finish("a", 3, b"!").await.expect("is taken");
    assert_eq!(stage.files(), [("notes.txt".to_owned(), b"one!".to_vec())]);
}

#[tokio::test]
async fn nothing_is_left_of_a_file_that_is_too_large_or_does_not_go_on() {
    let stage = Stage::new();
    let huge = vec![0; MAX_UPLOAD_BYTES];
    stage.send("huge", 0, &huge).await.expect("fits just");
    let more = stage.send("huge", huge.len() as u64, b"x").await;
    assert_eq!(more, Err(ErrorCode::InvalidRequest));
    stage.send("idle", 0, b"some").await.expect("is taken");
    stage.uploads.expire(NOW + IDLE_LIMIT);
    assert_eq!(stage.files(), []);
    assert_eq!(stage.finish("idle", 4, b"more").await, Err(ErrorCode::NotFound));
}

#[tokio::test]
async fn a_client_has_so_many_on_their_way_and_no_more() {
    let stage = Stage::new();
    for n in 0..MAX_CLIENT_UPLOADS {
        stage.send(&n.to_string(), 0, b"x").await.expect("there is room");
    }
    assert_eq!(stage.send("one more", 0, b"x").await, Err(ErrorCode::Overloaded));
    assert_eq!(stage.files().len(), MAX_CLIENT_UPLOADS);
}

#[tokio::test]
async fn an_empty_file_is_a_file() {
    let stage = Stage::new();
    let whole = stage.finish("a", 0, b"").await.expect("is taken");
    assert_eq!((whole.bytes, whole.file.is_some()), (0, true));
    assert_eq!(stage.files(), [("notes.txt".to_owned(), Vec::new())]);
}
