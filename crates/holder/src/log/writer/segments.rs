//! The files of a log as its writer sees them: some closed ones, and the last.

use std::{
    collections::VecDeque,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, IoSlice},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use quarterdeck_protocol::record::Position;
use rustix::io::Errno;

use crate::log::files::{UNFINISHED_SEGMENT, segment_path};

/// Whether something would survive a power failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durable {
    Yes,
    No,
}

/// A segment that never changes again.
#[derive(Debug)]
pub(super) struct ClosedSegment {
    pub(super) first: Position,
    pub(super) bytes: u64,
    durable: Durable,
}

/// All segments of a log.
#[derive(Debug)]
pub(super) struct Segments {
    directory: PathBuf,
    /// Oldest first. At most what retention keeps, divided by the size of a segment.
    pub(super) closed: VecDeque<ClosedSegment>,
    /// First position of the last one.
    pub(super) last: Position,
    /// The directory's entries.
    names: Durable,
}

impl Segments {
    /// Makes the directory of a new log and its first segment.
    pub(super) fn create(directory: PathBuf, first: &NewSegment<'_>) -> io::Result<(Self, File)> {
        make_directory(&directory)?;
        let file = first.write(&directory)?;
        let closed = VecDeque::new();
        Ok((Self { directory, closed, last: first.at, names: Durable::No }, file))
    }

    /// The segments at these positions, the last one opened for writing.
    pub(super) fn open(directory: PathBuf, firsts: &[Position]) -> io::Result<(Self, File)> {
        let (last, earlier) = firsts.split_last().ok_or(io::ErrorKind::NotFound)?;
        let mut closed = VecDeque::with_capacity(earlier.len());
        for first in earlier {
            let bytes = fs::metadata(segment_path(&directory, *first))?.len();
            closed.push_back(ClosedSegment { first: *first, bytes, durable: Durable::No });
        }
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).open(segment_path(&directory, *last))?;
        Ok((Self { directory, closed, last: *last, names: Durable::No }, file))
    }

    /// The directory they are in.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// First position of the oldest.
    pub(super) fn base(&self) -> Position {
        self.closed.front().map_or(self.last, |segment| segment.first)
    }

    /// Bytes of all closed ones.
    pub(super) fn closed_bytes(&self) -> u64 {
        self.closed.iter().map(|segment| segment.bytes).sum()
    }

    /// Closes the last segment, which has grown to `last_bytes`, and begins the next.
    pub(super) fn begin(&mut self, next: &NewSegment<'_>, last_bytes: u64) -> io::Result<File> {
        let file = next.write(&self.directory)?;
        let closed = ClosedSegment { first: self.last, bytes: last_bytes, durable: Durable::No };
        self.closed.push_back(closed);
        self.last = next.at;
        self.names = Durable::No;
        Ok(file)
    }

    /// Removes the oldest closed segment.
    pub(super) fn drop_oldest(&mut self) -> io::Result<()> {
        let Some(oldest) = self.closed.front() else { return Ok(()) };
        match fs::remove_file(segment_path(&self.directory, oldest.first)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        self.closed.pop_front();
        self.names = Durable::No;
        Ok(())
    }

    /// Makes everything written so far survive a power failure. `last` is the last segment's file.
    pub(super) fn sync(&mut self, last: &File) -> io::Result<()> {
        for segment in &mut self.closed {
            if segment.durable == Durable::No {
                File::open(segment_path(&self.directory, segment.first))?.sync_data()?;
                segment.durable = Durable::Yes;
            }
        }
        last.sync_data()?;
        if self.names == Durable::No {
            File::open(&self.directory)?.sync_all()?;
            self.names = Durable::Yes;
        }
        Ok(())
    }
}

/// A segment that is to begin.
pub(super) struct NewSegment<'a> {
    pub(super) at: Position,
    /// Segment header, record header and payload of the checkpoint.
    pub(super) pieces: [&'a [u8]; 3],
}

impl NewSegment<'_> {
    /// Bytes it begins with.
    pub(super) fn bytes(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.len() as u64).sum()
    }

    /// Writes it under another name first, so that no reader sees one without its checkpoint.
    fn write(&self, directory: &Path) -> io::Result<File> {
        let unfinished = directory.join(UNFINISHED_SEGMENT);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).mode(0o600);
        let file = options.open(&unfinished)?;
        let mut pieces = self.pieces.map(IoSlice::new);
        let written = match write_at(&file, &mut pieces, 0) {
            (_, None) => fs::rename(&unfinished, segment_path(directory, self.at)),
            (_, Some(error)) => Err(error),
        };
        if written.is_err() {
            // worthless, and in the way of nothing but the disk's space
            let _ = fs::remove_file(&unfinished);
        }
        written.map(|()| file)
    }
}

fn make_directory(directory: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Writes all pieces at an offset, in one call unless the system takes only a part. Returns how many
/// bytes were written and why not more.
pub(super) fn write_at(
    file: &File,
    mut pieces: &mut [IoSlice<'_>],
    offset: u64,
) -> (u64, Option<io::Error>) {
    let mut written: u64 = 0;
    IoSlice::advance_slices(&mut pieces, 0);
    while !pieces.is_empty() {
        match rustix::io::pwritev(file, pieces, offset + written) {
            Ok(0) => return (written, Some(io::ErrorKind::WriteZero.into())),
            Ok(count) => {
                written += count as u64;
                IoSlice::advance_slices(&mut pieces, count);
            }
            Err(Errno::INTR) => {}
            Err(errno) => return (written, Some(errno.into())),
        }
    }
    (written, None)
}
