//! The commands of a connection that were heard, so that one that comes twice is carried out once.

use std::collections::VecDeque;

/// Commands that are remembered: far more than a controller has under way.
const MAX_COMMANDS: usize = 256;
/// Repetitions of a command that wait for its reply.
const MAX_COPIES: usize = 16;

/// The newest commands with an id; those without one are never the same.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Oldest first.
    commands: VecDeque<(String, Outcome)>,
}

#[derive(Debug)]
enum Outcome {
    /// It is being carried out, and so many repetitions of it wait.
    UnderWay { copies: usize },
    /// It was answered so.
    Answered(String),
}

/// What is to be done about a command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Carry it out.
    Fresh,
    /// It was carried out: this was the reply.
    Again(String),
    /// It is being carried out; the reply will come for this one too.
    Wait,
    /// It is repeated without end.
    TooOften,
}

impl Ledger {
    /// A command came in.
    pub(super) fn begin(&mut self, id: &str) -> Heard {
        if id.is_empty() {
            return Heard::Fresh;
        }
        match self.find(id) {
            Some(Outcome::Answered(reply)) => Heard::Again(reply.clone()),
            Some(Outcome::UnderWay { copies }) if *copies >= MAX_COPIES => Heard::TooOften,
            Some(Outcome::UnderWay { copies }) => {
                *copies += 1;
                Heard::Wait
            }
            None => {
                if self.commands.len() >= MAX_COMMANDS {
                    self.commands.pop_front();
                }
                self.commands.push_back((id.to_owned(), Outcome::UnderWay { copies: 0 }));
                Heard::Fresh
            }
        }
    }

    /// A command was answered. How often the reply is to be sent.
    pub(super) fn answer(&mut self, id: &str, reply: &str) -> usize {
        let Some(outcome) = self.find(id) else { return 1 };
        let before = std::mem::replace(outcome, Outcome::Answered(reply.to_owned()));
        match before {
            Outcome::UnderWay { copies } => 1 + copies,
            Outcome::Answered(_) => 1,
        }
    }

    /// A command was answered that may as well be carried out again, with a reply as new as can be.
    pub(super) fn forget(&mut self, id: &str) {
        self.commands.retain(|(known, _)| known != id);
    }

    fn find(&mut self, id: &str) -> Option<&mut Outcome> {
        // newest first: a repetition follows soon
        let found = self.commands.iter_mut().rev().find(|(known, _)| known == id);
        found.map(|(_, outcome)| outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_command_is_carried_out_once_and_answered_each_time() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.begin("a"), Heard::Fresh);
        assert_eq!(ledger.begin("a"), Heard::Wait);
        assert_eq!(ledger.answer("a", "yes"), 2);
        assert_eq!(ledger.begin("a"), Heard::Again("yes".into()));
        assert_eq!(ledger.begin("b"), Heard::Fresh);
    }

    #[test]
    fn a_question_is_asked_again() {
        let mut ledger = Ledger::default();
        for _ in 0..2 {
            assert_eq!(ledger.begin("a"), Heard::Fresh);
            ledger.forget("a");
        }
    }

    #[test]
    fn commands_without_an_id_are_never_the_same() {
        let mut ledger = Ledger::default();
        for _ in 0..3 {
            assert_eq!(ledger.begin(""), Heard::Fresh);
            assert_eq!(ledger.answer("", "yes"), 1);
        }
    }

    #[test]
    fn neither_commands_nor_repetitions_are_kept_without_end() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.begin("a"), Heard::Fresh);
        for _ in 0..MAX_COPIES {
            assert_eq!(ledger.begin("a"), Heard::Wait);
        }
        assert_eq!(ledger.begin("a"), Heard::TooOften);
        for n in 0..2 * MAX_COMMANDS {
            ledger.begin(&n.to_string());
        }
        assert_eq!(ledger.commands.len(), MAX_COMMANDS);
        // forgotten: it is answered all the same
        assert_eq!(ledger.answer("a", "yes"), 1);
    }
}
