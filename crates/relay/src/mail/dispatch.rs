//! Which part of the owner does what is asked of it.

use super::{Ask, owner::Owner};

impl Owner {
    #[expect(clippy::too_many_lines, reason = "a flat dispatch: one arm per ask")]
    pub(super) fn handle_ask(&mut self, ask: Ask) {
        match ask {
            Ask::Send(who, p, reply) => {
                let outcome = self.handle_send(&who, p);
                self.answer(reply, outcome);
            }
            Ask::Inbox(who, p, label, reply) => {
                let outcome = self.inbox(&who, &p, label.as_ref());
                self.answer(reply, outcome);
            }
            Ask::History(who, p, reply) => {
                let outcome = self.history(&who, &p);
                self.answer(reply, outcome);
            }
            Ask::Read(who, numbers, reply) => {
                let outcome = self.handle_read(&who, &numbers);
                self.answer(reply, outcome);
            }
            Ask::Counts(reply) => {
                let outcome = self.counts();
                self.answer(reply, outcome);
            }
            Ask::Wait(who, p, reply) => self.handle_wait(&who, &p, reply),
            Ask::Status(who, id, reply) => {
                let outcome = self.status(&who, id.as_deref());
                self.answer(reply, outcome);
            }
            Ask::Whoami(who, reply) => {
                let outcome = self.whoami(&who);
                self.answer(reply, outcome);
            }
            Ask::Contacts(who, reply) => {
                let outcome = self.contacts(&who);
                self.answer(reply, outcome);
            }
            Ask::Add(who, p, reply) => self.handle_add(&who, p, reply),
            Ask::Decide(p, reply) => {
                let outcome = self.handle_decision(&p);
                self.answer(reply, outcome);
            }
            Ask::Policy(who, p, reply) => {
                let outcome = self.handle_policy(&who, &p);
                self.answer(reply, outcome);
            }
            Ask::DecideMessage(who, p, reply) => {
                let outcome = self.handle_message_decision(&who, &p);
                self.answer(reply, outcome);
            }
            Ask::Reset(who, contact, reply) => {
                let outcome = self.handle_reset(&who, &contact);
                self.answer(reply, outcome);
            }
            Ask::Identities(reply) => {
                let found = self.identities();
                self.answer(reply, Ok(found));
            }
            Ask::IdentityAdd(name, reply) => {
                let outcome = self.handle_new_identity(&name);
                self.answer(reply, outcome);
            }
            Ask::Home(who, hub, reply) => {
                let outcome = self.handle_home(&who, hub);
                self.answer(reply, outcome);
            }
            Ask::IdentityUse(name, assignee, reply) => {
                let outcome = self.handle_assignment(name.as_deref(), &assignee);
                self.answer(reply, outcome);
            }
            Ask::Forget(session) => {
                if let Err(error) = self.handle_removed(session) {
                    self.fail(error);
                }
            }
            Ask::Autorespond(who, on, reply) => {
                let outcome = self.handle_autorespond(&who, on);
                self.answer(reply, outcome);
            }
            Ask::Drafted { number, text } => {
                if let Err(error) = self.handle_drafted(number, text) {
                    self.fail(error);
                }
            }
            Ask::SetStatus(who, p, reply) => {
                let outcome = self.handle_set_status(&who, &p);
                self.answer(reply, outcome);
            }
            Ask::Notify(who, of, reply) => {
                let outcome = self.handle_notify(&who, &of);
                self.answer(reply, outcome);
            }
            Ask::Claimed(agent, reply) => {
                let outcome = self.handle_claimed_label(agent);
                self.answer(reply, outcome);
            }
            Ask::Left(id, reply) => {
                let outcome = self.handle_left(id);
                if let Some(reply) = reply {
                    self.answer(reply, outcome);
                }
            }
            Ask::Next(who, p, reply) => self.handle_next(&who, p, reply),
            Ask::Fetch(hub, p, reply) => self.handle_fetch(hub, p, reply),
            Ask::Bring(hub, p, reply) => self.handle_bring(hub, p, reply),
            Ask::Live(live) => self.handle_live(live),
            Ask::Delivered { number, session, outcome } => {
                if let Err(error) = self.handle_delivered(number, session, outcome) {
                    self.fail(error);
                }
            }
        }
    }
}
