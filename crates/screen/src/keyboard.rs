//! How the program wants keys reported: the kitty protocol's stack of flags, one per screen, and
//! xterm's key modifier resources.

use crate::limits::MAX_KEYBOARD_STACK;

/// The flags that the kitty protocol defines.
const KNOWN_FLAGS: u8 = 0b1_1111;
/// xterm numbers its key modifier resources from 0.
pub(crate) const MODIFIER_RESOURCES: usize = 8;

/// The flags in use and those to come back to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct KeyboardFlags {
    pub(crate) current: u8,
    /// Oldest first.
    pub(crate) stack: Vec<u8>,
}

impl KeyboardFlags {
    /// `CSI = flags ; how u`
    pub(crate) fn change(&mut self, flags: i32, how: i32) {
        let flags = known(flags);
        match how {
            0 | 1 => self.current = flags,
            2 => self.current |= flags,
            3 => self.current &= !flags,
            _ => {}
        }
    }

    /// `CSI > flags u`
    pub(crate) fn push(&mut self, flags: i32) {
        if self.stack.len() == MAX_KEYBOARD_STACK {
            self.stack.remove(0);
        }
        self.stack.push(self.current);
        self.current = known(flags);
    }

    /// `CSI < count u`
    pub(crate) fn pop(&mut self, count: usize) {
        for _ in 0..count.min(MAX_KEYBOARD_STACK + 1) {
            self.current = self.stack.pop().unwrap_or(0);
        }
    }
}

fn known(flags: i32) -> u8 {
    (flags & i32::from(KNOWN_FLAGS)) as u8
}

/// xterm's key modifier resources (modifyOtherKeys is number 4), where the program set them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct KeyModifiers(pub(crate) [Option<KeyModifier>; MODIFIER_RESOURCES]);

/// The value of one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyModifier {
    /// `CSI > resource ; value m`
    Value(u8),
    /// `CSI > resource n`
    Disabled,
}

impl KeyModifiers {
    /// Sets one resource; `None` puts it back to the viewer's own default.
    pub(crate) fn set(&mut self, resource: i32, modifier: Option<KeyModifier>) {
        let index = usize::try_from(resource).ok();
        if let Some(slot) = index.and_then(|index| self.0.get_mut(index)) {
            *slot = modifier;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pushed_flags_come_back() {
        let mut flags = KeyboardFlags::default();
        flags.change(1, 1);
        flags.push(5);
        flags.change(8, 2);
        flags.change(1, 3);
        assert_eq!((flags.current, flags.stack.as_slice()), (12, &[1][..]));
        flags.pop(1);
        assert_eq!(flags, KeyboardFlags { current: 1, stack: vec![] });
        flags.pop(1);
        assert_eq!(flags, KeyboardFlags::default());
    }

    #[test]
    fn the_stack_is_bounded_and_unknown_flags_are_dropped() {
        let mut flags = KeyboardFlags::default();
        for _ in 0..100 {
            flags.push(-1);
        }
        assert_eq!((flags.stack.len(), flags.current), (MAX_KEYBOARD_STACK, KNOWN_FLAGS));
        flags.pop(usize::MAX);
        assert_eq!(flags, KeyboardFlags::default());
    }
}
