//! The program's life: signals to it, the ladder that stops it, its end and what it leaves behind.

use std::{
    io,
    time::{Duration, Instant},
};

use quarterdeck_protocol::{
    holder::{SignalRequest, SignalTarget, StopRequest},
    record::{Exit, ExitStatus},
};
use rustix::{
    io::Errno,
    process::{Pid, Signal, WaitOptions, WaitStatus},
};

use crate::{
    memory::MemoryWatch,
    processes::{self, Process, Spare},
    scope::ProgramGroup,
    stdio::Stdio,
    stop::{Ladder, Rung},
};

/// How long processes that got the terminal's hang-up may take to go before they count as left.
const SETTLE: Duration = Duration::from_millis(250);
/// Left processes that an exit record names.
const MAX_LEFT_LISTED: usize = 32;

/// Why a signal was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignalError {
    #[error("signal {0} is none that can be sent")]
    Number(i32),
    #[error("the program has ended")]
    Ended,
}

/// Where the program is in its life.
#[derive(Debug)]
enum Phase {
    Running,
    /// It has ended; others that it started may be on their way out.
    Settling {
        status: ExitStatus,
        until: Instant,
    },
    /// Its end was told.
    Told,
}

/// The program and everything below it.
#[derive(Debug)]
pub(crate) struct Program {
    leader: Pid,
    phase: Phase,
    ladder: Option<Ladder>,
    memory: MemoryWatch,
    group: Option<ProgramGroup>,
    spare: Spare,
}

impl Program {
    pub(crate) fn new(leader: Pid, memory: MemoryWatch, spare: Spare) -> Self {
        Self { leader, phase: Phase::Running, ladder: None, memory, group: None, spare }
    }

    /// With a group that holds the program and what it starts.
    pub(crate) fn in_group(self, group: Option<ProgramGroup>) -> Self {
        Self { group, ..self }
    }

    pub(crate) fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running)
    }

    /// Whether its end was told.
    pub(crate) fn is_told(&self) -> bool {
        matches!(self.phase, Phase::Told)
    }

    /// Collects every child that has ended: the program, and orphans that came to this process.
    pub(crate) fn handle_child_signal(&mut self, now: Instant) {
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            if pid == self.leader && self.is_running() {
                let status = self.exit_status(status);
                self.phase = Phase::Settling { status, until: now + SETTLE };
            }
        }
    }

    /// Begins or hurries a stop.
    pub(crate) fn stop(&mut self, request: StopRequest, now: Instant) {
        match &mut self.ladder {
            Some(ladder) => ladder.hurry(request, now),
            None => self.ladder = Some(Ladder::start(request, now)),
        }
    }

    /// Sends a signal to the program's group, or to the terminal's foreground.
    pub(crate) fn signal(&self, request: SignalRequest, stdio: &Stdio) -> Result<(), SignalError> {
        let number = SignalError::Number(request.signal);
        let signal = Signal::from_named_raw(request.signal).ok_or(number)?;
        if !self.is_running() {
            return Err(SignalError::Ended);
        }
        let group = match request.to {
            SignalTarget::Foreground => stdio.foreground().unwrap_or(self.leader),
            SignalTarget::Program => self.leader,
        };
        match rustix::process::kill_process_group(group, signal) {
            Ok(()) => Ok(()),
            // the job ended between the question and the signal: nobody is there to get it
            Err(Errno::SRCH) if group != self.leader => Ok(()),
            Err(_) => Err(SignalError::Ended),
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let settled = match &self.phase {
            Phase::Settling { until, .. } if self.ladder.is_none() => Some(*until),
            Phase::Running | Phase::Settling { .. } | Phase::Told => None,
        };
        let rung = self.ladder.as_ref().filter(|_| !self.is_told()).map(Ladder::poll_timeout);
        settled.into_iter().chain(rung).min()
    }

    /// Takes the rung that is due, and tells the end when nothing more is to be expected. It is told
    /// once.
    pub(crate) fn handle_timeout(&mut self, now: Instant, stdio: &Stdio) -> Option<Exit> {
        if self.is_told() {
            return None;
        }
        let rung = self.ladder.as_mut().and_then(|ladder| ladder.handle_timeout(now));
        if let Some(rung) = rung {
            self.take_rung(rung, stdio);
        }
        if rung == Some(Rung::GiveUp) && self.is_running() {
            // not even SIGKILL ends it; another stop may try again
            self.ladder = None;
        }
        let Phase::Settling { status, until } = &self.phase else { return None };
        let left = below(self.spare).unwrap_or_default();
        let waits = match (&self.ladder, rung) {
            (Some(_), Some(Rung::GiveUp)) => false,
            (Some(_), _) => true,
            (None, _) => now < *until,
        };
        if waits && !left.is_empty() {
            return None;
        }
        let exit = Exit { status: status.clone(), left: processes::left(&left, MAX_LEFT_LISTED) };
        self.phase = Phase::Told;
        Some(exit)
    }

    /// Signals that fail find nobody, which is what they are for.
    fn take_rung(&self, rung: Rung, stdio: &Stdio) {
        match rung {
            Rung::HangUp => match stdio {
                Stdio::Terminal(_) => self.signal_groups(Signal::HUP, stdio),
                Stdio::Pipes { shared, .. } => shared.inbox.close_input(),
            },
            Rung::Terminate => self.signal_groups(Signal::TERM, stdio),
            Rung::Kill => self.kill(),
            Rung::GiveUp => {}
        }
    }

    fn kill(&self) {
        let count = |spare| below(spare).map_or(0, |below| below.len());
        // one who is spared may be in the group
        if let Some(group) = &self.group
            && count(Spare::Nobody) == count(self.spare)
        {
            let _ = group.kill();
        }
        let _ = processes::signal_descendants(own_pid(), Signal::KILL, self.spare);
    }

    /// To the program's group and the foreground group; when the program has ended, to each process
    /// that it left. Stopped ones are woken, so that they notice.
    fn signal_groups(&self, signal: Signal, stdio: &Stdio) {
        if !self.is_running() {
            for signal in [signal, Signal::CONT] {
                let _ = processes::signal_descendants(own_pid(), signal, self.spare);
            }
            return;
        }
        let foreground = stdio.foreground().filter(|group| *group != self.leader);
        for group in [Some(self.leader), foreground].into_iter().flatten() {
            for signal in [signal, Signal::CONT] {
                let _ = rustix::process::kill_process_group(group, signal);
            }
        }
    }

    fn exit_status(&self, status: WaitStatus) -> ExitStatus {
        let Some(signal) = status.terminating_signal() else {
            return ExitStatus::Code { code: status.exit_status().unwrap_or(-1) };
        };
        let ours = self.ladder.as_ref().is_some_and(Ladder::has_killed);
        if signal == libc::SIGKILL && !ours && self.memory.kernel_has_killed() {
            return ExitStatus::Oom;
        }
        ExitStatus::Signal { signal, core: libc::WCOREDUMP(status.as_raw()) }
    }
}

fn own_pid() -> i32 {
    rustix::process::getpid().as_raw_nonzero().get()
}

fn below(spare: Spare) -> io::Result<Vec<Process>> {
    processes::descendants(own_pid(), spare)
}
