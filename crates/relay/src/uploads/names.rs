//! Names of uploads: a new file each, whose name says as much of the wanted one as is safe.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Characters of a file's name that are kept.
const MAX_NAME_CHARS: usize = 100;
/// Files of one name; the next gets another number.
const MAX_SAME_NAMES: usize = 1000;

/// Makes a file that was not there, whose name says as much of the wanted one as is safe.
pub(super) fn create(directory: &Path, name: &str) -> io::Result<(fs::File, PathBuf)> {
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
pub(super) fn safe_name(asked: &str) -> String {
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
}
