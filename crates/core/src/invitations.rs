//! One-use pairing codes: five minutes, five tries.
//!
//! A wrong code counts against every open invitation, since nobody can say which one was meant. An
//! invitation that was used or has expired is remembered for a while, so that whoever comes late is told
//! why, and not merely that the code is wrong.

use alloc::vec::Vec;
use core::time::Duration;

use quarterdeck_crypto::{PairingRefusal, pairing::CodeHash};

/// How long a code can be used: time to copy a line to another machine.
pub const INVITATION_LIFE: Duration = Duration::from_secs(5 * 60);
/// Wrong codes that an invitation survives: 60 bits are not guessed in five.
pub const MAX_TRIES: u32 = 5;
/// How long a used or expired one is remembered.
pub const MEMORY: Duration = Duration::from_secs(60 * 60);
/// Invitations that are remembered at a time; the oldest goes.
pub const MAX_INVITATIONS: usize = 16;

/// Open invitations with what each gives.
#[derive(Debug)]
pub struct Invitations<T> {
    all: Vec<Invitation<T>>,
}

#[derive(Debug)]
struct Invitation<T> {
    code: CodeHash,
    until: Duration,
    state: State<T>,
}

#[derive(Debug)]
enum State<T> {
    Open { gives: T, tries_left: u32 },
    Closed,
}

impl<T> Default for Invitations<T> {
    fn default() -> Self {
        Self { all: Vec::new() }
    }
}

impl<T> Invitations<T> {
    /// Opens an invitation.
    pub fn add(&mut self, code: CodeHash, gives: T, now: Duration) {
        self.all.retain(|it| now < it.until + MEMORY);
        if self.all.len() >= MAX_INVITATIONS {
            self.all.remove(0);
        }
        let state = State::Open { gives, tries_left: MAX_TRIES };
        self.all.push(Invitation { code, until: now + INVITATION_LIFE, state });
    }

    /// Somebody shows a code. A right one is used up by this.
    ///
    /// # Errors
    /// Why it is worth nothing.
    pub fn redeem(&mut self, code: &CodeHash, now: Duration) -> Result<T, PairingRefusal> {
        // all are compared, so that the time says nothing of which one was near
        let mut found = None;
        for (i, it) in self.all.iter().enumerate() {
            if it.code == *code {
                found = Some(i);
            }
        }
        let Some(found) = found else {
            self.count_wrong();
            return Err(PairingRefusal::WrongCode);
        };
        let invitation = &mut self.all[found];
        match core::mem::replace(&mut invitation.state, State::Closed) {
            State::Open { .. } if now >= invitation.until => Err(PairingRefusal::ExpiredCode),
            State::Open { gives, .. } => Ok(gives),
            State::Closed if now >= invitation.until => Err(PairingRefusal::ExpiredCode),
            State::Closed => Err(PairingRefusal::UsedCode),
        }
    }

    fn count_wrong(&mut self) {
        for it in &mut self.all {
            if let State::Open { tries_left, .. } = &mut it.state {
                *tries_left -= 1;
                if *tries_left == 0 {
                    it.state = State::Closed;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarterdeck_crypto::PairingCode;

    fn hash(byte: u8) -> CodeHash {
        PairingCode::from_random([byte; 12]).hash()
    }
    const START: Duration = Duration::from_secs(1000);

    #[test]
    fn a_code_works_once() {
        let mut invitations = Invitations::default();
        invitations.add(hash(1), "gift", START);
        assert_eq!(invitations.redeem(&hash(1), START), Ok("gift"));
        assert_eq!(invitations.redeem(&hash(1), START), Err(PairingRefusal::UsedCode));
    }

    #[test]
    fn a_code_is_worth_nothing_after_five_minutes_and_says_so() {
        let mut invitations = Invitations::default();
        invitations.add(hash(1), "gift", START);
        let late = START + INVITATION_LIFE;
        assert_eq!(invitations.redeem(&hash(1), late), Err(PairingRefusal::ExpiredCode));
        assert_eq!(invitations.redeem(&hash(1), START), Err(PairingRefusal::UsedCode));
    }

    #[test]
    fn the_fifth_wrong_code_closes_every_open_invitation() {
        let mut invitations = Invitations::default();
        invitations.add(hash(1), "gift", START);
        for _ in 0..MAX_TRIES {
            assert_eq!(invitations.redeem(&hash(9), START), Err(PairingRefusal::WrongCode));
        }
        assert_eq!(invitations.redeem(&hash(1), START), Err(PairingRefusal::UsedCode));
    }

    #[test]
    fn a_flood_of_invitations_is_bounded_and_keeps_the_newest() {
        let mut invitations = Invitations::default();
        for i in 0..20 {
            invitations.add(hash(i), i, START);
        }
        assert_eq!(invitations.redeem(&hash(0), START), Err(PairingRefusal::WrongCode));
        assert_eq!(invitations.redeem(&hash(19), START), Ok(19));
    }
}
