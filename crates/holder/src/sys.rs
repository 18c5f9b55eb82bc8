//! The few operating-system calls that neither `std` nor `rustix` offers as safe functions. The only
//! file of this crate with unsafe code; each block says why it is sound.
#![expect(
    unsafe_code,
    reason = "fork, exit without handlers, signal masks and signalfd have no safe form"
)]

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
};

use rustix::{
    io::{Errno, retry_on_intr},
    process::Pid,
};

/// Which of the two processes after a [`fork`] this is.
pub(crate) enum Forked {
    /// The one that called, with the pid of the new one.
    Parent(Pid),
    /// The new one.
    Child,
}

/// Why a process was not forked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ForkError {
    /// Another thread may hold a lock that its copy would never release.
    #[error("a process with {0} threads cannot be forked")]
    Threads(usize),
    /// The kernel refused.
    #[error("the system cannot start another process")]
    System(#[from] io::Error),
}

/// Splits this process in two. Refused unless it has exactly one thread: only then is the copy an
/// ordinary process and not one that may only make async-signal-safe calls.
pub(crate) fn fork() -> Result<Forked, ForkError> {
    let threads = std::fs::read_dir("/proc/self/task")?.count();
    if threads != 1 {
        return Err(ForkError::Threads(threads));
    }
    // SAFETY: no other thread exists (counted above, and only this thread could start one), so no
    // lock and no half-changed state of another thread is copied.
    match unsafe { libc::fork() } {
        0 => Ok(Forked::Child),
        pid if pid > 0 => Ok(Forked::Parent(Pid::from_raw(pid).expect("a pid above 0"))),
        _ => Err(io::Error::last_os_error().into()),
    }
}

/// Ends this process at once: a forked copy must not run its original's exit handlers.
pub(crate) fn exit_now(code: u8) -> ! {
    // SAFETY: `_exit` has no preconditions.
    unsafe { libc::_exit(i32::from(code)) }
}

/// Closes every file descriptor above the standard three, except `kept`: what a process inherited
/// without knowing.
///
/// Only for a process at its beginning: other descriptors in that range may still be owned by values
/// on frames below, and these are never returned to (a forked copy ends by [`exit_now`]) or do not
/// exist yet.
pub(crate) fn close_all_but(kept: BorrowedFd<'_>) {
    let Ok(kept) = libc::c_uint::try_from(kept.as_raw_fd()) else { return };
    // by its number: a C library may have no function for it (musl)
    // SAFETY: see above; callers leave `kept` out.
    let close = |first: libc::c_uint, last: libc::c_uint| unsafe {
        let (first, last) = (libc::c_ulong::from(first), libc::c_ulong::from(last));
        libc::syscall(libc::SYS_close_range, first, last, libc::c_ulong::MIN) == 0
    };
    let closed = (kept <= 3 || close(3, kept - 1)) && close(kept.max(2) + 1, libc::c_uint::MAX);
    if !closed {
        close_listed_but(kept);
    }
}

/// For kernels before 5.9, which cannot close a range.
fn close_listed_but(kept: libc::c_uint) {
    let listed = std::fs::read_dir("/proc/self/fd").into_iter().flatten();
    let numbers = listed.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    // collected first: the list itself is read through one of them
    let numbers: Vec<libc::c_uint> = numbers.filter(|number| *number > 2).collect();
    for number in numbers.into_iter().filter(|number| *number != kept) {
        // SAFETY: as in `close_all_but`; one that is closed already is an error without effect.
        unsafe { libc::close(number.cast_signed()) };
    }
}

/// Lets both threads of a holder allocate from one arena: a second one costs pages for nothing.
pub(crate) fn use_one_allocation_arena() {
    #[cfg(target_env = "gnu")]
    // SAFETY: `mallopt` may be called at any time before the second thread exists.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Gives freed memory back to the system: what a launch used (the request, the environment, the
/// command) or a dropped screen is not needed again soon.
pub fn return_free_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: `malloc_trim` has no preconditions.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Undoes what a parent may have left behind: every ignored signal gets its default action again
/// and none is blocked, because a program inherits both. `SIGPIPE` stays ignored as `std` set it;
/// `std` resets it in each program that it starts.
pub(crate) fn reset_signals() {
    /// The kernel's form of an action; all zeros is the default one.
    type Action = [u64; 4];
    static DEFAULT: Action = [0; 4];
    const MASK_BYTES: usize = 8;
    // SAFETY: the calls get pointers to live values at least as large as the kernel's structures.
    // The library's own wrapper would leave out the two signals that it keeps to itself.
    unsafe {
        for signal in (1..=64).filter(|signal| *signal != libc::SIGPIPE) {
            let mut action = DEFAULT;
            let none = std::ptr::null::<Action>();
            let call = libc::SYS_rt_sigaction;
            let known = libc::syscall(call, signal, none, &raw mut action, MASK_BYTES) == 0;
            if known && action[0] == libc::SIG_IGN as u64 {
                let none = std::ptr::null_mut::<Action>();
                libc::syscall(call, signal, &raw const DEFAULT, none, MASK_BYTES);
            }
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// Signals that arrive as data instead of interrupting.
pub(crate) struct SignalFd(OwnedFd);

impl SignalFd {
    /// Blocks `signals` in this thread and every later one, and collects them here.
    pub(crate) fn block(signals: &[libc::c_int]) -> io::Result<Self> {
        // SAFETY: the set is plain data, initialised by `sigemptyset`; the new descriptor is owned
        // by nobody else.
        unsafe {
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut set);
            for signal in signals {
                libc::sigaddset(&raw mut set, *signal);
            }
            let error =
                libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
            if error != 0 {
                return Err(io::Error::from_raw_os_error(error));
            }
            let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
            match libc::signalfd(-1, &raw const set, flags) {
                -1 => Err(io::Error::last_os_error()),
                fd => Ok(Self(OwnedFd::from_raw_fd(fd))),
            }
        }
    }

    /// The next signal that has arrived, if one has.
    pub(crate) fn try_next(&self) -> io::Result<Option<libc::c_int>> {
        let mut info = [0_u8; size_of::<libc::signalfd_siginfo>()];
        match retry_on_intr(|| rustix::io::read(&self.0, &mut info)) {
            Ok(_) => {
                let number = info.first_chunk().map_or(0, |number| i32::from_ne_bytes(*number));
                Ok(Some(number))
            }
            Err(Errno::AGAIN) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for SignalFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
