//! What an attached terminal says in words.

use quarterdeck_protocol::{
    mail::MailNote,
    method::Role,
    record::{ExitStatus, TerminalSize},
};

use unicode_width::UnicodeWidthStr;

use super::{Action, Notice, View, same_cells};
use crate::{
    attach::notice,
    output::escape::{plain, shortened},
};

/// Columns of a sender's name in a notice.
const MAX_SENDER_COLUMNS: usize = 40;

impl View {
    /// What to say about two sizes that differ.
    pub(super) fn size_notice(&self) -> Option<Action> {
        let words = self.size_words()?;
        Some(Notice::moment(words))
    }

    fn size_words(&self) -> Option<String> {
        let words = [Sizes::Long, Sizes::Middle, Sizes::Short].map(|sizes| self.sizes(sizes));
        let words = words.into_iter().collect::<Option<Vec<_>>>()?;
        Some(self.widest(words))
    }

    /// That two sizes differ, in more or fewer words.
    fn sizes(&self, words: Sizes) -> Option<String> {
        if same_cells(self.size, self.local) {
            return None;
        }
        let (session, screen) = (cells(self.size), cells(self.local));
        let sizes = match words {
            Sizes::Long => format!("the session is {session}, your screen {screen}"),
            Sizes::Middle => format!("session {session}, screen {screen}"),
            Sizes::Short => session,
        };
        let prefix = self.identity.prefix;
        Some(match self.role() {
            Role::Owner => format!("{sizes} \u{b7} {prefix} f fits it"),
            Role::Follower => sizes,
        })
    }

    /// Who wrote, and where it is read: never what it says. The names are a sender's words.
    pub(super) fn mail_notice(&self, mail: &MailNote) -> Action {
        let session = mail.from_session.as_deref().map(|it| format!("/{it}")).unwrap_or_default();
        let from = shortened(&plain(&format!("{}{session}", mail.from)), MAX_SENDER_COLUMNS);
        let inbox = &mail.inbox;
        let words = [
            format!("mail from {from} \u{b7} read it with: qd msg inbox {inbox}"),
            format!("mail from {from} \u{b7} qd msg inbox {inbox}"),
            format!("mail \u{b7} qd msg inbox {inbox}"),
        ];
        Notice::moment(self.widest(words.into()))
    }

    /// The first of some wordings that is not cut on this screen; the last when all are.
    fn widest(&self, wordings: Vec<String>) -> String {
        let columns = notice::columns(self.local);
        let fits = |words: &String| UnicodeWidthStr::width(words.as_str()) <= columns;
        let found = wordings.iter().position(fits);
        let index = found.unwrap_or(wordings.len().saturating_sub(1));
        wordings.into_iter().nth(index).unwrap_or_default()
    }
}

/// How many words are made about two sizes that differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sizes {
    Long,
    Middle,
    /// Only the session's.
    Short,
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

/// The line before the first screen: what this is, whose it is, how to leave. On a narrow screen the keys
/// that the help names go first, then who else is there.
pub(crate) fn headline(view: &View) -> String {
    let (label, prefix) = (&view.label, view.identity.prefix);
    let (role, short_role) = match view.role() {
        Role::Owner => (format!("you own {label}"), format!("you own {label}")),
        Role::Follower => {
            let words = view.follower_words();
            (format!("{label}: {words}"), format!("you follow {label}"))
        }
    };
    let help = format!("{prefix} ? helps");
    let keys = format!("{prefix} d detaches, {help}");
    let wordings = [
        (&role, Some(&keys), Sizes::Long),
        (&role, Some(&keys), Sizes::Middle),
        (&role, Some(&help), Sizes::Middle),
        (&short_role, Some(&help), Sizes::Middle),
        (&short_role, Some(&help), Sizes::Short),
        (&short_role, None, Sizes::Short),
    ];
    let wordings = wordings.map(|(role, keys, sizes)| {
        let parts = [Some(role.clone()), keys.cloned(), view.sizes(sizes)];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" \u{b7} ")
    });
    view.widest(wordings.into())
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
