//! Whether the kernel killed for want of memory: cgroups count that, in two forms.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The counter of this process's memory cgroup, which its program shares. A program that was moved
/// elsewhere is not seen; its end is then a plain SIGKILL.
#[derive(Debug, Default)]
pub(crate) struct MemoryWatch {
    counter: Option<PathBuf>,
    before: u64,
}

impl MemoryWatch {
    /// Begins to watch; `root` is `/` but in tests.
    pub(crate) fn start(root: &Path) -> Self {
        let counter = find_counter(root);
        let before = counter.as_deref().and_then(read_counter).unwrap_or(0);
        Self { counter, before }
    }

    /// The kernel has killed a process of the cgroup since the start.
    pub(crate) fn kernel_has_killed(&self) -> bool {
        self.counter.as_deref().and_then(read_counter).is_some_and(|now| now > self.before)
    }
}

fn find_counter(root: &Path) -> Option<PathBuf> {
    let cgroups = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let mounted = root.join("sys/fs/cgroup");
    let candidates = cgroups.lines().filter_map(|line| {
        let (_, line) = line.split_once(':')?;
        let (controllers, path) = line.split_once(':')?;
        let path = path.trim_start_matches('/');
        if controllers.is_empty() {
            return Some(vec![mounted.join(path).join("memory.events")]);
        }
        let memory = controllers.split(',').any(|controller| controller == "memory");
        // inside a container the path is the host's, and the mount's root is the own cgroup
        let places = [mounted.join("memory").join(path), mounted.join("memory")];
        memory.then(|| places.map(|place| place.join("memory.oom_control")).to_vec())
    });
    candidates.flatten().find(|path| read_counter(path).is_some())
}

/// The `oom_kill` line of `memory.events` (v2) or `memory.oom_control` (v1).
fn read_counter(path: &Path) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(cgroup_line: &str, counter: &str, before: &str, after: &str) {
        let root = tempfile::tempdir().expect("temp dir");
        let counter = root.path().join(counter);
        fs::create_dir_all(counter.parent().expect("a parent")).expect("dirs");
        fs::create_dir_all(root.path().join("proc/self")).expect("dirs");
        fs::write(root.path().join("proc/self/cgroup"), cgroup_line).expect("written");
        fs::write(&counter, before).expect("written");

        let watch = MemoryWatch::start(root.path());
        assert!(!watch.kernel_has_killed());
        fs::write(&counter, after).expect("written");
        assert!(watch.kernel_has_killed(), "{cgroup_line}");
    }

    #[test]
    fn both_forms_of_cgroups_are_read() {
        let (before, after) = ("low 0\noom 1\noom_kill 1\n", "low 0\noom 2\noom_kill 2\n");
        check(
            "0::/user.slice/x.scope\n",
            "sys/fs/cgroup/user.slice/x.scope/memory.events",
            before,
            after,
        );
        let (before, after) = ("under_oom 0\noom_kill 0\n", "under_oom 0\noom_kill 3\n");
        let lines = "5:cpu:/y\n4:memory:/a/b\n0::/\n";
        check(lines, "sys/fs/cgroup/memory/a/b/memory.oom_control", before, after);
        check(lines, "sys/fs/cgroup/memory/memory.oom_control", before, after);
    }

    #[test]
    fn without_cgroups_nothing_is_claimed() {
        let root = tempfile::tempdir().expect("temp dir");
        assert!(!MemoryWatch::start(root.path()).kernel_has_killed());
    }
}
