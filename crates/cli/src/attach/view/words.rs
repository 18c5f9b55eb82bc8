//! What an attached terminal says in words.

use quarterdeck_protocol::{
    method::Role,
    record::{ExitStatus, TerminalSize},
};

use super::{Action, Notice, View, same_cells};

impl View {
    /// What to say about two sizes that differ.
    pub(super) fn size_notice(&self) -> Option<Action> {
        let words = self.size_words()?;
        Some(Notice::moment(words))
    }

    fn size_words(&self) -> Option<String> {
        if same_cells(self.size, self.local) {
            return None;
        }
        let sizes =
            format!("the session is {}, your screen {}", cells(self.size), cells(self.local));
        let prefix = self.identity.prefix;
        Some(match self.role() {
            Role::Owner => format!("{sizes} \u{b7} {prefix} f fits it"),
            Role::Follower => sizes,
        })
    }
}

impl View {
    /// What stands below a session that is smaller than this screen.
    pub(crate) fn caption(&self) -> String {
        let role = match self.role() {
            Role::Owner => format!("{} f fits it", self.identity.prefix),
            Role::Follower => "following".to_owned(),
        };
        format!("{} {} \u{b7} {role}", self.label, cells(self.size))
    }
}

/// The line before the first screen: what this is, whose it is, how to leave.
pub(crate) fn headline(view: &View) -> String {
    let (label, prefix) = (&view.label, view.identity.prefix);
    let role = match view.role() {
        Role::Owner => format!("you own {label}"),
        Role::Follower => {
            let words = view.follower_words();
            format!("{label}: {words}")
        }
    };
    let size = view.size_words().map_or_else(String::new, |words| format!(" \u{b7} {words}"));
    format!("{role} \u{b7} {prefix} d detaches, {prefix} ? helps{size}")
}

/// How a program ended, for people.
pub(crate) fn exit_words(status: &ExitStatus) -> String {
    match status {
        ExitStatus::Code { code } => format!("ended with code {code}"),
        ExitStatus::Signal { signal, core } => {
            let core = if *core { ", core dumped" } else { "" };
            format!("was ended by signal {signal}{core}")
        }
        ExitStatus::Oom => "was ended by the kernel for want of memory".to_owned(),
        ExitStatus::Unknown => "ended in a way that this version does not know".to_owned(),
    }
}

fn cells(size: TerminalSize) -> String {
    format!("{}\u{d7}{}", size.cols, size.rows)
}
