//! What those who watch all sessions are told of agents: prompts that are open, and what happened lately,
//! prompts that were settled and turns that ended.
//!
//! Relay and hub keep one each. A state (a prompt is open) is told to whoever comes later too; an event
//! only to who was there, so only the latest are kept.

use alloc::collections::{BTreeMap, VecDeque};

use quarterdeck_protocol::{
    agent::{PromptId, PromptState, StopReason},
    ids::{Rev, SessionId},
};

/// Events that are remembered for watchers; one that is further behind gets a new `sync`.
pub const MAX_PAST: usize = 256;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Past {
    /// A prompt cannot be answered any more: somebody has answered, or nobody will.
    Settled(PromptId, PromptState),
    /// An agent's turn has ended.
    TurnEnded(TurnEnd),
}

/// The end of a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnEnd {
    /// Whose.
    pub session: SessionId,
    /// Which, counted from 1.
    pub turn: u64,
    /// Why it ended.
    pub stop_reason: StopReason,
    /// When it was told, in microseconds since 1970.
    pub at: u64,
}

impl Past {
    const fn session(&self) -> SessionId {
        match self {
            Self::Settled(prompt, _) => prompt.session,
            Self::TurnEnded(end) => end.session,
        }
    }
}

/// See the module. `P` is what is kept of an open prompt.
#[derive(Debug)]
pub struct News<P> {
    open: BTreeMap<PromptId, (Rev, P)>,
    past: VecDeque<(Rev, Past)>,
}

impl<P> Default for News<P> {
    fn default() -> Self {
        Self { open: BTreeMap::new(), past: VecDeque::new() }
    }
}

impl<P> News<P> {
    /// A human is asked. One that is known stays as it was told.
    pub fn handle_opened(&mut self, rev: Rev, id: PromptId, prompt: P) {
        self.open.entry(id).or_insert((rev, prompt));
    }

    /// A prompt is settled; false when it was before, or is not known.
    pub fn handle_settled(&mut self, rev: Rev, id: PromptId, state: PromptState) -> bool {
        // an answer that is applied was told when it was given
        let was_open = self.open.remove(&id).is_some();
        if was_open {
            self.remember(rev, Past::Settled(id, state));
        }
        was_open
    }

    /// A turn has ended.
    pub fn handle_turn_ended(&mut self, rev: Rev, end: TurnEnd) {
        self.remember(rev, Past::TurnEnded(end));
    }

    /// A session is gone, and its prompts with it.
    pub fn forget(&mut self, session: SessionId) {
        self.open.retain(|prompt, _| prompt.session != session);
        self.past.retain(|(_, past)| past.session() != session);
    }

    /// Whether something that happened after `rev` is not remembered any more.
    #[must_use]
    pub fn has_forgotten(&self, rev: Rev) -> bool {
        let oldest = self.past.front().filter(|_| self.past.len() >= MAX_PAST);
        oldest.is_some_and(|(oldest, _)| *oldest > rev)
    }

    /// The prompts that are open.
    pub fn open(&self) -> impl Iterator<Item = (PromptId, &P)> {
        self.open.iter().map(|(id, (_, prompt))| (*id, prompt))
    }

    /// Prompts that were opened after `rev` and still are.
    pub fn opened_since(&self, rev: Rev) -> impl Iterator<Item = (Rev, &P)> {
        let all = self.open.values().filter(move |(at, _)| *at > rev);
        all.map(|(at, prompt)| (*at, prompt))
    }

    /// What happened after `rev`.
    pub fn past_since(&self, rev: Rev) -> impl Iterator<Item = (Rev, &Past)> {
        let all = self.past.iter().filter(move |(at, _)| *at > rev);
        all.map(|(at, past)| (*at, past))
    }

    fn remember(&mut self, rev: Rev, past: Past) {
        if self.past.len() >= MAX_PAST {
            self.past.pop_front();
        }
        self.past.push_back((rev, past));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarterdeck_protocol::ids::Seq;
    use std::vec::Vec;

    const SESSION: SessionId = SessionId::from_bytes([1; 10]);

    fn id(seq: u64) -> PromptId {
        PromptId { session: SESSION, seq: Seq(seq), index: 0 }
    }

    #[test]
    fn a_prompt_is_told_as_open_or_once_as_settled() {
        let mut news = News::default();
        news.handle_opened(Rev(1), id(1), "one");
        news.handle_opened(Rev(2), id(2), "two");
        assert_eq!(news.opened_since(Rev(0)).count(), 2);
        assert_eq!(news.opened_since(Rev(1)).count(), 1);
        assert!(news.handle_settled(Rev(3), id(1), PromptState::Withdrawn));
        assert!(!news.handle_settled(Rev(4), id(1), PromptState::Expired));
        let past: Vec<_> = news.past_since(Rev(0)).collect();
        assert_eq!(past, [(Rev(3), &Past::Settled(id(1), PromptState::Withdrawn))]);
        assert_eq!((news.opened_since(Rev(0)).count(), news.past_since(Rev(3)).count()), (1, 0));
    }

    #[test]
    fn a_prompt_that_is_told_again_is_not_new() {
        let mut news = News::default();
        news.handle_opened(Rev(1), id(1), "first");
        news.handle_opened(Rev(5), id(1), "again");
        assert_eq!(news.opened_since(Rev(1)).count(), 0);
        assert_eq!(news.open().collect::<Vec<_>>(), [(id(1), &"first")]);
    }

    #[test]
    fn a_session_that_is_gone_takes_its_news_along() {
        let mut news = News::default();
        news.handle_opened(Rev(1), id(1), ());
        let end = TurnEnd { session: SESSION, turn: 1, stop_reason: StopReason::EndTurn, at: 0 };
        news.handle_turn_ended(Rev(2), end);
        assert_eq!(news.past_since(Rev(1)).count(), 1);
        news.forget(SESSION);
        assert_eq!((news.open().count(), news.past_since(Rev(0)).count()), (0, 0));
    }

    #[test]
    fn who_is_too_far_behind_gets_everything_anew() {
        let mut news = News::default();
        for n in 1..=MAX_PAST as u64 + 1 {
            news.handle_opened(Rev(2 * n - 1), id(n), ());
            news.handle_settled(Rev(2 * n), id(n), PromptState::Expired);
        }
        assert!(news.has_forgotten(Rev(2)));
        assert!(!news.has_forgotten(Rev(4)));
    }
}
