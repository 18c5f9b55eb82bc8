//! Carrying out what the view decides.

use super::{Live, Turn};
use crate::{
    attach::{
        Left,
        keys::Event,
        outbox::Request,
        typing::Taken,
        view::{Action, LeaseMove},
    },
    error::CliError,
};

impl Live<'_> {
    pub(super) async fn handle_keys(&mut self, events: Vec<Event>) -> Result<Turn, CliError> {
        for event in events {
            let actions = self.view.handle_key(event);
            if let Turn::Leave(left) = self.act(actions).await? {
                return Ok(Turn::Leave(left));
            }
        }
        Ok(Turn::Go)
    }

    /// Does what was decided, in its order.
    pub(super) async fn act(&mut self, actions: Vec<Action>) -> Result<Turn, CliError> {
        for action in actions {
            match action {
                Action::Type(bytes) => self.type_bytes(&bytes),
                Action::Lease(moved) => self.move_lease(moved),
                Action::Ask(ask) => {
                    let request = Request::Ask(ask, self.session.to_string());
                    if let Some(wire) = &mut self.wire {
                        wire.outbox.request(request);
                    }
                }
                Action::Say(notice) => self.say(notice),
                Action::Redraw => {
                    self.notices.clear();
                    self.redraw();
                }
                Action::Bell => self.draw(vec![BELL]),
                Action::Retry => self.retry().await,
                Action::Detach => return Ok(Turn::Leave(Left::Detached)),
            }
        }
        Ok(Turn::Go)
    }

    fn type_bytes(&mut self, bytes: &[u8]) {
        // who types has read it, and wants to see the last row
        if self.notices.due().is_some() {
            self.handle_notice_due();
        }
        match self.typing.push(bytes) {
            Taken::All => {}
            // the rest is not kept, and whoever types hears it
            Taken::Part(_) => self.draw(vec![BELL]),
        }
    }

    fn move_lease(&mut self, moved: LeaseMove) {
        match moved {
            LeaseMove::Lent => self.typing.handle_lent(),
            LeaseMove::Returned(epoch) => self.typing.handle_returned(epoch),
            LeaseMove::Settled(epoch) => {
                let gone = self.typing.handle_lease(epoch);
                self.say_gone(gone);
            }
        }
    }

    /// Says that typed bytes are gone, if any are.
    pub(super) fn say_gone(&mut self, bytes: usize) {
        if bytes > 0 {
            self.say_moment(format!("{bytes} typed bytes did not reach the program"));
        }
    }
}

const BELL: u8 = 0x07;
