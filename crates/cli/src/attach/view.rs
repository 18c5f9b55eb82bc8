//! What an attached terminal does about keys, leases, sizes and the link: decisions only.

mod ownership;
#[cfg(test)]
mod tests;
mod words;

use std::time::Duration;

use quarterdeck_protocol::{
    ids::{ClientId, Epoch, Principal},
    mail::MailNote,
    method::Role,
    record::{LeaseState, TerminalSize},
    session::{LeaseView, SessionInfo},
};

use super::keys::{Command, Event, PrefixKey, help_line, is_enter};
pub(crate) use words::{exit_words, headline};

/// What the attachment must do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// These bytes are for the program.
    Type(Vec<u8>),
    /// The lease is lent for a moment, came back under an epoch, or changed for good.
    Lease(LeaseMove),
    /// Ask the relay for something.
    Ask(Ask),
    /// Show a line on the last row.
    Say(Notice),
    /// Draw the screen anew.
    Redraw,
    /// Ring the local bell.
    Bell,
    /// Try the link at once.
    Retry,
    /// Leave the session to itself.
    Detach,
}

/// What typing must know of the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeaseMove {
    /// Somebody of the same principal has it for one input.
    Lent,
    /// It came back.
    Returned(Epoch),
    /// It is ours under this epoch, or not ours.
    Settled(Option<Epoch>),
}

/// A request that a key causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Take the lease.
    Take,
    /// Ask its owner for it.
    Request,
    /// Let go of it.
    Release,
    /// Hand it to who asked first.
    Offer,
    /// Give the session this size.
    Resize(TerminalSize),
    /// End the program.
    Kill,
}

/// A line on the last row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    /// What it says.
    pub(crate) text: String,
    /// How long it stays.
    pub(crate) stay: Stay,
}

/// How long a notice stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stay {
    /// Long enough to read it.
    Moment,
    /// Until another one, or the link, takes its place.
    Lasting,
}

impl Notice {
    fn moment(text: impl Into<String>) -> Action {
        Action::Say(Self::short(text))
    }
    fn short(text: impl Into<String>) -> Self {
        Self { text: text.into(), stay: Stay::Moment }
    }
    fn lasting(text: impl Into<String>) -> Action {
        Action::Say(Self { text: text.into(), stay: Stay::Lasting })
    }
}

/// Who is attached, and to what.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// This client.
    pub(crate) client: ClientId,
    /// Who is behind it.
    pub(crate) principal: Principal,
    /// The key that begins a command.
    pub(crate) prefix: PrefixKey,
}

/// An attached terminal.
#[derive(Debug)]
pub(crate) struct View {
    identity: Identity,
    label: String,
    lease: LeaseView,
    /// Somebody of the same principal has our lease for one input.
    lent: bool,
    /// The session's size and this screen's.
    size: TerminalSize,
    local: TerminalSize,
    /// How many are attached, as far as is known.
    attached: u32,
    question: Question,
    link: LinkState,
    /// The last mail that was told of.
    mail_told: i64,
}

/// What the next key answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    None,
    /// Enter takes the session over.
    TakeOver,
    /// `y` ends the program.
    Kill,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LinkState {
    Up,
    Down,
}

impl View {
    /// A terminal that has just attached.
    pub(crate) fn new(identity: Identity, session: &SessionInfo, local: TerminalSize) -> Self {
        Self {
            identity,
            label: session.label.to_string(),
            lease: session.lease.clone(),
            lent: false,
            size: session.size,
            local,
            attached: session.attached,
            question: Question::None,
            link: LinkState::Up,
            mail_told: 0,
        }
    }
    /// Whether this terminal may write.
    pub(crate) fn role(&self) -> Role {
        let owns = matches!(&self.lease.state, LeaseState::Held { owner }
            if owner.client == self.identity.client);
        if owns || self.lent { Role::Owner } else { Role::Follower }
    }
    /// The epoch under which this terminal may write.
    pub(crate) fn epoch(&self) -> Option<Epoch> {
        (self.role() == Role::Owner && !self.lent).then_some(self.lease.epoch)
    }
    /// The session's label.
    pub(crate) fn label(&self) -> &str {
        &self.label
    }
    /// This client.
    pub(crate) const fn client(&self) -> ClientId {
        self.identity.client
    }
    /// The relay knows this terminal as another client from now on.
    pub(crate) const fn set_client(&mut self, client: ClientId) {
        self.identity.client = client;
    }
    /// Somebody has our lease for one input.
    pub(crate) const fn is_lent(&self) -> bool {
        self.lent
    }
    /// The session's size.
    pub(crate) const fn size(&self) -> TerminalSize {
        self.size
    }
    /// This screen's size.
    pub(crate) const fn local(&self) -> TerminalSize {
        self.local
    }

    /// Attached, again: the relay's view replaces what was believed. It may be ahead of the record
    /// that told of a change of the lease, so the words about it come from here.
    pub(crate) fn handle_attached(&mut self, session: &SessionInfo) -> Option<Notice> {
        let (before, link) = (self.role(), self.link);
        self.link = LinkState::Up;
        self.question = Question::None;
        self.lent = false;
        self.lease = session.lease.clone();
        self.handle_info(session);
        self.size = session.size;
        // what a lost link meant has its own words
        let changed = link == LinkState::Up && before != self.role();
        changed.then(|| self.role_words(before)).flatten()
    }
    /// The session as it is now, apart from what its own stream says in order.
    pub(crate) fn handle_info(&mut self, session: &SessionInfo) {
        self.label = session.label.to_string();
        self.attached = session.attached;
    }

    /// A key, or something the terminal said.
    pub(crate) fn handle_key(&mut self, event: Event) -> Vec<Action> {
        match event {
            Event::Typed(bytes) => self.handle_typed(bytes),
            // an answer to a query that went down with the link would come at a wrong time
            Event::Terminal(bytes) => {
                let wanted = self.role() == Role::Owner && self.link == LinkState::Up;
                if wanted { vec![Action::Type(bytes)] } else { Vec::new() }
            }
            Event::Command(command) => self.handle_command(command),
            Event::UnknownCommand => {
                vec![Action::Bell, Notice::moment(help_line(self.identity.prefix))]
            }
        }
    }

    fn handle_typed(&mut self, bytes: Vec<u8>) -> Vec<Action> {
        match std::mem::replace(&mut self.question, Question::None) {
            Question::Kill if matches!(bytes.as_slice(), b"y" | b"Y") => {
                return vec![Action::Ask(Ask::Kill), Action::Redraw];
            }
            Question::Kill => return vec![Notice::moment("not killed")],
            Question::TakeOver if is_enter(&bytes) && self.link == LinkState::Up => {
                return vec![Action::Ask(Ask::Take), Action::Redraw];
            }
            Question::TakeOver | Question::None => {}
        }
        match (self.role(), self.link) {
            (Role::Owner, _) => vec![Action::Type(bytes)],
            (Role::Follower, LinkState::Down) => vec![Action::Bell],
            (Role::Follower, LinkState::Up) => vec![self.offer_takeover()],
        }
    }

    fn handle_command(&mut self, command: Command) -> Vec<Action> {
        self.question = Question::None;
        let link = self.link;
        match command {
            Command::Detach => vec![Action::Detach],
            Command::Help => vec![Notice::moment(help_line(self.identity.prefix))],
            Command::ReleaseOrRetry if link == LinkState::Down => vec![Action::Retry],
            Command::Take
            | Command::ReleaseOrRetry
            | Command::Offer
            | Command::Fit
            | Command::Kill
            | Command::Redraw
                if link == LinkState::Down =>
            {
                vec![Action::Bell]
            }
            Command::Redraw => vec![Action::Redraw],
            Command::Take => self.take(),
            Command::ReleaseOrRetry => self.owner_asks(Ask::Release),
            Command::Offer if self.lease.requested_by.is_empty() => {
                vec![Notice::moment("nobody has asked for this session")]
            }
            Command::Offer => self.owner_asks(Ask::Offer),
            Command::Fit => self.owner_asks(Ask::Resize(self.local)),
            Command::Kill => self.confirm_kill(),
        }
    }

    fn owner_asks(&self, ask: Ask) -> Vec<Action> {
        match self.role() {
            Role::Owner => vec![Action::Ask(ask)],
            Role::Follower => vec![Notice::moment(self.follower_words())],
        }
    }

    fn confirm_kill(&mut self) -> Vec<Action> {
        if self.role() == Role::Follower {
            return vec![Notice::moment(self.follower_words())];
        }
        self.question = Question::Kill;
        let words = format!("end the program of {}? y ends it, any other key does not", self.label);
        vec![Notice::lasting(words)]
    }

    /// What was said is not on the screen any more, so no key can be an answer to it.
    pub(crate) fn handle_notice_gone(&mut self) {
        self.question = Question::None;
    }

    /// This screen has another size. The session follows when it fitted before, or when nobody else
    /// looks at it.
    pub(crate) fn handle_local_size(&mut self, local: TerminalSize) -> Vec<Action> {
        let fitted = same_cells(self.size, self.local);
        self.local = local;
        let alone = self.attached <= 1;
        let may = self.role() == Role::Owner && self.link == LinkState::Up;
        if may && (fitted || alone) && !same_cells(self.size, local) {
            // drawn anew when the session has the size
            return vec![Action::Ask(Ask::Resize(local))];
        }
        let mut actions = vec![Action::Redraw];
        actions.extend(self.size_notice());
        actions
    }
    /// The session has another size from here on.
    pub(crate) fn handle_size(&mut self, size: TerminalSize) -> Vec<Action> {
        let changed = !same_cells(size, self.size);
        self.size = size;
        if !changed {
            return Vec::new();
        }
        let mut actions = vec![Action::Redraw];
        actions.extend(self.size_notice());
        actions
    }

    /// Mail came for the session. A log that was repaired may tell it twice.
    pub(crate) fn handle_mail(&mut self, mail: &MailNote) -> Vec<Action> {
        if mail.number <= self.mail_told {
            return Vec::new();
        }
        self.mail_told = mail.number;
        vec![self.mail_notice(mail)]
    }

    /// The link is gone and comes back after `wait`.
    pub(crate) fn handle_waiting(&mut self, wait: Duration) -> Vec<Action> {
        self.link = LinkState::Down;
        self.question = Question::None;
        // a wait of 3.9 seconds is over in four
        let seconds = wait.as_millis().div_ceil(1000);
        let prefix = self.identity.prefix;
        let words = format!(
            "reconnecting in {seconds} s \u{b7} press {prefix} r to retry now, {prefix} d to leave"
        );
        vec![Notice::lasting(words)]
    }
    /// The link is gone and somebody is trying.
    pub(crate) fn handle_connecting(&mut self) -> Vec<Action> {
        self.link = LinkState::Down;
        self.question = Question::None;
        vec![Notice::lasting(format!("reconnecting \u{b7} {} d to leave", self.identity.prefix))]
    }
}

/// Whether two sizes show the same cells; pixels do not matter.
pub(crate) const fn same_cells(a: TerminalSize, b: TerminalSize) -> bool {
    a.cols == b.cols && a.rows == b.rows
}
