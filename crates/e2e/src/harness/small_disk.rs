//! A small file system of its own, which a test can fill up and empty again. Needs root.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::Command,
};

use crate::processes;

/// A file system in memory, mounted over a directory. Dropping it kills what uses it and unmounts it;
/// so it must be dropped before the instance whose directory it covers.
#[derive(Debug)]
pub struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    /// Mounts it over a directory. Where that must work (`QD_REQUIRE_ROOT=1`, as in CI) anything in the
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
