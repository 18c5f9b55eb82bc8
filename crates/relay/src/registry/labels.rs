//! Labels of live sessions and of agents outside: each is given once at a time.

use quarterdeck_core::names;
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    ids::Label,
};

use super::{Entry, Inner, Registry};

/// Which label a session would like.
#[derive(Debug, Clone, Copy)]
pub(crate) enum LabelWish<'a> {
    /// This one or none.
    Exactly(&'a Label),
    /// The one it had; another one when it has been given away.
    Again(&'a Label),
    /// The lowest free number of this name.
    Lowest {
        /// The program, or what the agent is called.
        name: &'a str,
    },
}

/// A label that no other session can get until this is dropped.
#[derive(Debug)]
pub(crate) struct ReservedLabel<'a> {
    registry: &'a Registry,
    /// The label.
    pub label: Label,
}

impl ReservedLabel<'_> {
    /// Gives the label to an agent outside, until [`Registry::free_outside`].
    pub(crate) fn give_outside(self) {
        self.registry.keep_outside(self.label.clone());
    }
}

impl Drop for ReservedLabel<'_> {
    fn drop(&mut self) {
        let label = &self.label;
        self.registry.lock().reserved.retain(|reserved| reserved != label);
    }
}

impl Registry {
    /// Reserves a label, at once for all who ask at the same time.
    ///
    /// # Errors
    /// `label_taken` when another live session has the only one that will do.
    pub(crate) fn reserve_label(&self, wish: LabelWish<'_>) -> Result<ReservedLabel<'_>, RpcError> {
        let mut inner = self.lock();
        let label = match wish {
            LabelWish::Exactly(label) if inner.is_taken(label) => {
                let message = format!("the label {label} belongs to another live session");
                return Err(RpcError::new(ErrorCode::LabelTaken, message));
            }
            LabelWish::Exactly(label) => label.clone(),
            LabelWish::Again(prior) => {
                names::allocate_label_again(prior, |label| inner.is_taken(label))
            }
            LabelWish::Lowest { name } => {
                names::allocate_label(name, |label| inner.is_taken(label))
            }
        };
        inner.reserved.push(label.clone());
        drop(inner);
        Ok(ReservedLabel { registry: self, label })
    }

    /// An agent outside has this label, and no session gets it.
    pub(crate) fn keep_outside(&self, label: Label) {
        self.lock().outside.insert(label);
    }

    /// An agent outside is gone; its label is free.
    pub(crate) fn free_outside(&self, label: &Label) {
        self.lock().outside.remove(label);
    }
}

impl Inner {
    fn is_taken(&self, label: &Label) -> bool {
        let live = |entry: &Entry| {
            let view = entry.handle.published();
            view.label == *label && view.state.is_live()
        };
        self.reserved.contains(label)
            || self.outside.contains(label)
            || self.sessions.values().any(live)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLAIMERS: usize = 50;

    #[test]
    fn labels_claimed_at_once_are_all_distinct_and_the_lowest_there_are() {
        let registry = Registry::default();
        let start = std::sync::Barrier::new(CLAIMERS);
        let claim = || {
            start.wait();
            registry.reserve_label(LabelWish::Lowest { name: "claude" }).expect("a label")
        };
        let claimed: Vec<ReservedLabel<'_>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..CLAIMERS).map(|_| scope.spawn(claim)).collect();
            threads.into_iter().map(|thread| thread.join().expect("claims")).collect()
        });
        let mut labels: Vec<Label> = claimed.iter().map(|it| it.label.clone()).collect();
        labels.sort_by(names::natural_order);
        let expected: Vec<String> = (1..=CLAIMERS).map(|n| format!("claude:{n}")).collect();
        assert_eq!(labels.iter().map(Label::as_str).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_label_of_an_agent_outside_is_no_sessions() {
        let registry = Registry::default();
        let lowest = || registry.reserve_label(LabelWish::Lowest { name: "claude" }).expect("one");
        let given = lowest();
        let label = given.label.clone();
        given.give_outside();
        assert_eq!(lowest().label.as_str(), "claude:2");
        let refused = registry.reserve_label(LabelWish::Exactly(&label)).expect_err("is held");
        assert_eq!(refused.code(), ErrorCode::LabelTaken);
        registry.free_outside(&label);
        assert_eq!(lowest().label, label);
    }

    #[test]
    fn a_label_is_free_again_when_its_claim_is_dropped() {
        let registry = Registry::default();
        let lowest = || registry.reserve_label(LabelWish::Lowest { name: "claude" }).expect("one");
        let first = lowest();
        assert_eq!(lowest().label.as_str(), "claude:2");
        let wanted = first.label.clone();
        let refused = registry.reserve_label(LabelWish::Exactly(&wanted)).expect_err("is held");
        assert_eq!(refused.code(), ErrorCode::LabelTaken);
        drop(first);
        assert_eq!(lowest().label, wanted);
    }
}
