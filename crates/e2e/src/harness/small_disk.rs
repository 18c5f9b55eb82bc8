//! A small file system of its own, which a test can fill up, empty again, or break. Needs root.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};

use super::tools;
use crate::processes;

/// A file system, mounted over a directory. Dropping it kills what uses it and unmounts it; so it must
/// be dropped before the instance whose directory it covers.
#[derive(Debug)]
pub struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    /// Mounts one in memory over a directory. Where that must work (`QD_REQUIRE_ROOT=1`, as in CI) anything in the
    /// way fails the test; elsewhere the test says loudly that it checks nothing.
    ///
    /// # Panics
    /// When it must work and does not.
    #[must_use]
    pub fn mount(at: &Path, bytes: u64) -> Option<Self> {
        let size = format!("size={bytes},mode=700");
        let mounted = run("mount", &["-t", "tmpfs", "-o", size.as_str(), "qd-test"], at);
        if mounted {
            return Some(Self { at: at.to_owned() });
        }
        say_unchecked();
        None
    }
    /// Mounts one that is on a device over a directory, where it can fail as devices do; as with
    /// [`mount`](Self::mount), a test says loudly when it cannot be had.
    ///
    /// # Panics
    /// When it must work and does not.
    #[must_use]
    pub fn mount_device(at: &Path, bytes: u64) -> Option<Self> {
        tools::require("mkfs.ext4")?;
        let image = at.with_extension("image");
        File::create(&image).and_then(|file| file.set_len(bytes)).expect("makes the image");
        assert!(run("mkfs.ext4", &["-q"], &image), "makes a file system");
        let image = image.display().to_string();
        if !run("mount", &["-o", "loop,errors=remount-ro", &image], at) {
            say_unchecked();
            return None;
        }
        fs::set_permissions(at, fs::Permissions::from_mode(0o700)).expect("is its root");
        Some(Self { at: at.to_owned() })
    }
    /// An error of the device: the kernel stops all writes at once, for good.
    ///
    /// # Panics
    /// When the file system is not on a device of its own.
    pub fn break_down(&self) {
        let mounts = fs::read_to_string("/proc/mounts").expect("reads");
        let here = format!(" {} ", self.at.display());
        let line = mounts.lines().rfind(|line| line.contains(&here)).expect("is mounted");
        let device = line.split_once(' ').and_then(|(device, _)| device.strip_prefix("/dev/"));
        let device = device.expect("is on a device");
        let trigger = format!("/sys/fs/ext4/{device}/trigger_fs_error");
        fs::write(trigger, "by a test").expect("the kernel takes it");
    }
    /// Fills it: nobody can write a further block.
    ///
    /// # Panics
    /// When it cannot be filled.
    pub fn fill(&self) {
        let mut ballast = File::create(self.ballast()).expect("makes the ballast");
        for size in [1 << 20, 4096, 1] {
            let piece = vec![0; size];
            loop {
                match ballast.write(&piece) {
                    Ok(0) => break,
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => panic!("the disk cannot be filled: {error}"),
                }
            }
        }
    }
    /// Makes room again.
    ///
    /// # Panics
    /// When it was not full.
    pub fn empty(&self) {
        fs::remove_file(self.ballast()).expect("the ballast is there");
    }
    /// Lets nobody write any more. No process may have a file of it open for writing.
    ///
    /// # Panics
    /// When one has.
    pub fn make_read_only(&self) {
        assert!(run("mount", &["-o", "remount,ro"], &self.at), "nobody writes there");
    }
    /// Lets everybody write again.
    ///
    /// # Panics
    /// When the system refuses.
    pub fn make_writable(&self) {
        assert!(run("mount", &["-o", "remount,rw"], &self.at), "can be written to again");
    }

    fn ballast(&self) -> PathBuf {
        self.at.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // once it is unmounted, its files have no path by which their users could be found
        processes::kill_naming(&self.at);
        run("umount", &["-l"], &self.at);
    }
}

/// Lets nobody write to a file any more, whoever has it open, or everybody again. Only on a device.
///
/// # Panics
/// When the file system has no such mark.
pub fn set_immutable(file: &Path, immutable: Immutable) {
    let file = File::open(file).expect("is there");
    let flags = ioctl_getflags(&file).expect("has marks");
    let flags = match immutable {
        Immutable::Yes => flags | IFlags::IMMUTABLE,
        Immutable::No => flags - IFlags::IMMUTABLE,
    };
    ioctl_setflags(&file, flags).expect("can be marked");
}

/// Whether a file can be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Immutable {
    /// By nobody.
    Yes,
    /// By who may write to it.
    No,
}

fn run(program: &str, words: &[&str], at: &Path) -> bool {
    let status = Command::new(program).args(words).arg(at).status();
    status.is_ok_and(|status| status.success())
}

#[expect(
    clippy::print_stderr,
    reason = "a test that checks nothing must not look like one that does"
)]
fn say_unchecked() {
    let required = std::env::var_os("QD_REQUIRE_ROOT").is_some_and(|value| value == "1");
    assert!(!required, "a file system cannot be mounted");
    eprintln!("NOT CHECKED: a file system cannot be mounted; run the tests as root");
}
