//! Prompts for those who watch all sessions: which are open, and which were settled lately.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use quarterdeck_protocol::{
    agent::{Prompt, PromptId, PromptState, Update},
    ids::{Rev, SessionId},
};

/// Settled prompts that are remembered for watchers; one that is further behind gets a new `sync`.
const MAX_SETTLED: usize = 256;

/// What became of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PromptNews {
    /// A human is asked.
    Opened(Arc<Prompt>),
    /// It cannot be answered any more: somebody has answered, or nobody will.
    Settled(PromptId, PromptState),
}

impl PromptNews {
    /// What an event says about a prompt.
    pub(crate) fn of(update: &Update) -> Option<Self> {
        if let Update::PromptOpened { prompt } = update {
            return Some(Self::Opened(Arc::new((**prompt).clone())));
        }
        let Update::PromptUpdate { prompt, state } = update else { return None };
        (*state != PromptState::Open).then(|| Self::Settled(*prompt, state.clone()))
    }
}

/// All open prompts, and the latest that were settled.
#[derive(Debug, Default)]
pub(super) struct Prompts {
    open: BTreeMap<PromptId, (Rev, Arc<Prompt>)>,
    settled: VecDeque<(Rev, PromptId, PromptState)>,
}

impl Prompts {
    pub(super) fn note(&mut self, rev: Rev, news: PromptNews) {
        match news {
            PromptNews::Opened(prompt) => {
                self.open.insert(prompt.id, (rev, prompt));
            }
            PromptNews::Settled(prompt, state) => {
                // an answer that is applied was told when it was given
                if self.open.remove(&prompt).is_none() {
                    return;
                }
                if self.settled.len() >= MAX_SETTLED {
                    self.settled.pop_front();
                }
                self.settled.push_back((rev, prompt, state));
            }
        }
    }

    /// A session is gone, and its prompts with it.
    pub(super) fn forget(&mut self, session: SessionId) {
        self.open.retain(|prompt, _| prompt.session != session);
    }

    /// Whether something that was settled after `rev` is not remembered any more.
    pub(super) fn has_forgotten(&self, rev: Rev) -> bool {
        let oldest = self.settled.front().filter(|_| self.settled.len() >= MAX_SETTLED);
        oldest.is_some_and(|(oldest, _, _)| *oldest > rev)
    }

    /// Prompts that were opened after `rev` and still are.
    pub(super) fn opened_since(&self, rev: Rev) -> impl Iterator<Item = (Rev, &Arc<Prompt>)> {
        let all = self.open.values().filter(move |(at, _)| *at > rev);
        all.map(|(at, prompt)| (*at, prompt))
    }

    /// Prompts that were settled after `rev`.
    pub(super) fn settled_since(
        &self,
        rev: Rev,
    ) -> impl Iterator<Item = &(Rev, PromptId, PromptState)> {
        self.settled.iter().filter(move |(at, _, _)| *at > rev)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarterdeck_protocol::{agent::Ask, ids::Seq};

    fn prompt(seq: u64) -> Arc<Prompt> {
        let session = SessionId::from_bytes([1; 10]);
        Arc::new(Prompt {
            id: PromptId { session, seq: Seq(seq), index: 0 },
            asked_at_micros: 0,
            turn: None,
            title: "t".to_owned(),
            reason: None,
            cautions: Vec::new(),
            ask: Ask::Unknown,
            state: PromptState::Open,
        })
    }

    #[test]
    fn a_prompt_is_told_as_open_or_once_as_settled() {
        let mut prompts = Prompts::default();
        let (one, two) = (prompt(1), prompt(2));
        prompts.note(Rev(1), PromptNews::Opened(Arc::clone(&one)));
        prompts.note(Rev(2), PromptNews::Opened(two));
        assert_eq!(prompts.opened_since(Rev(0)).count(), 2);
        assert_eq!(prompts.opened_since(Rev(1)).count(), 1);
        prompts.note(Rev(3), PromptNews::Settled(one.id, PromptState::Withdrawn));
        prompts.note(Rev(4), PromptNews::Settled(one.id, PromptState::Expired));
        let settled: Vec<_> = prompts.settled_since(Rev(0)).cloned().collect();
        assert_eq!(settled, [(Rev(3), one.id, PromptState::Withdrawn)]);
        assert_eq!(
            (prompts.opened_since(Rev(0)).count(), prompts.settled_since(Rev(3)).count()),
            (1, 0)
        );
    }

    #[test]
    fn who_is_too_far_behind_gets_everything_anew() {
        let mut prompts = Prompts::default();
        for n in 1..=MAX_SETTLED as u64 + 1 {
            let prompt = prompt(n);
            let id = prompt.id;
            prompts.note(Rev(2 * n - 1), PromptNews::Opened(prompt));
            prompts.note(Rev(2 * n), PromptNews::Settled(id, PromptState::Expired));
        }
        assert!(prompts.has_forgotten(Rev(2)));
        assert!(!prompts.has_forgotten(Rev(4)));
    }
}
