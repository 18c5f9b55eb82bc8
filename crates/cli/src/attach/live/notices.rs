//! Lines on the last row: one at a time, drawn again over a new screen, gone with the next drawing
//! after their time.

use quarterdeck_protocol::method::{AttachFrom, AttachRole};
use tokio::time::{Duration, Instant};

use super::{Live, Turn, open::attach_params};
use crate::attach::{
    Wish, notice,
    outbox::{Asked, Request},
    terminal::Screen,
    view::{Notice, Stay},
};

/// How long a notice stays that is only to be read.
const MOMENT: Duration = Duration::from_secs(3);
/// When to try again to draw while the lease is lent.
const LENT_PAUSE: Duration = Duration::from_millis(200);

/// The notice on the last row.
#[derive(Debug, Default)]
pub(super) struct Notices {
    text: Option<String>,
    due: Option<Instant>,
}

impl Notices {
    /// Takes the place of the notice before.
    pub(super) fn set(&mut self, text: String, stay: Stay) {
        self.text = Some(text);
        self.due = match stay {
            Stay::Moment => Some(Instant::now() + MOMENT),
            Stay::Lasting => None,
        };
    }
    /// When the screen must be drawn anew.
    pub(super) const fn due(&self) -> Option<Instant> {
        self.due
    }
    /// No notice any more.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Live<'_> {
    /// Shows a line on the last row.
    pub(super) fn say(&mut self, notice: Notice) {
        let Notice { text, stay } = notice;
        self.notices.set(text, stay);
        self.draw_notice();
    }
    /// Shows a line for as long as it takes to read it.
    pub(super) fn say_moment(&mut self, text: String) {
        self.say(Notice { text, stay: Stay::Moment });
    }
    /// Draws the notice over what was drawn last.
    pub(super) fn draw_notice(&mut self) {
        if let Some(text) = &self.notices.text {
            let bytes = notice::draw(text, self.view.local());
            self.draw(bytes);
        }
    }
    /// Writes bytes that are not of the session. A screen that takes nothing more is stopped anyway.
    pub(super) fn draw(&self, bytes: Vec<u8>) {
        let _ = self.terminal.screen.try_send(Screen::Draw { bytes: bytes.into(), rendered: None });
    }

    pub(super) fn handle_notice_due(&mut self) -> Turn {
        self.notices.clear();
        self.view.handle_notice_gone();
        self.repaint();
        Turn::Go
    }

    /// Draws the screen anew, by attaching again from a snapshot. Not while the lease is lent: the
    /// relay would see a follower.
    pub(super) fn redraw(&mut self) {
        if self.view.is_lent() {
            self.notices.due = Some(Instant::now() + LENT_PAUSE);
            return;
        }
        let wish = self.wish_to_stay();
        let params = attach_params(self.settings, &wish, AttachFrom::Snapshot);
        let Some(wire) = self.wire.as_mut().filter(|wire| wire.attached) else { return };
        let under_way = wire.calls.values().any(|asked| *asked == Asked::Attach);
        if under_way || wire.outbox.has_attach() {
            wire.again = true;
            return;
        }
        wire.outbox.request(Request::Attach(Box::new(params)));
    }

    /// The wish of a client that is known already: it keeps its role.
    pub(super) fn wish_to_stay(&self) -> Wish {
        let role = match self.wish.role {
            AttachRole::Follow => AttachRole::Follow,
            AttachRole::Auto | AttachRole::Take => AttachRole::Auto,
        };
        Wish { session: self.session.to_string(), role, reason: None, ..self.wish.clone() }
    }
}
