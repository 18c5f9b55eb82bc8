//! Window title and icon name, each with the stack of `CSI 22 t` and `CSI 23 t`.

use crate::limits::{MAX_TITLE_BYTES, MAX_TITLE_STACK};

/// A title and those that were put aside.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Titles {
    /// Empty if there is none.
    pub(crate) current: String,
    /// Oldest first.
    pub(crate) stack: Vec<String>,
}

impl Titles {
    /// Sets the title, cut to the limit. Says whether all of it fitted.
    pub(crate) fn set(&mut self, title: &str) -> bool {
        let end = title.floor_char_boundary(MAX_TITLE_BYTES);
        title[..end].clone_into(&mut self.current);
        end == title.len()
    }

    pub(crate) fn push(&mut self) {
        if self.stack.len() == MAX_TITLE_STACK {
            self.stack.remove(0);
        }
        self.stack.push(self.current.clone());
    }

    pub(crate) fn pop(&mut self) {
        if let Some(title) = self.stack.pop() {
            self.current = title;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_popped_title_comes_back_and_an_empty_stack_changes_nothing() {
        let mut titles = Titles::default();
        titles.set("one");
        titles.push();
        titles.set("two");
        titles.pop();
        titles.pop();
        assert_eq!(titles, Titles { current: "one".into(), stack: vec![] });
    }

    #[test]
    fn titles_and_their_stack_are_bounded() {
        let mut titles = Titles::default();
        assert!(!titles.set(&"é".repeat(MAX_TITLE_BYTES)));
        assert_eq!(titles.current.len(), MAX_TITLE_BYTES);
        for _ in 0..100 {
            titles.push();
        }
        assert_eq!(titles.stack.len(), MAX_TITLE_STACK);
    }
}
