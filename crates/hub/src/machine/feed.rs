//! What a relay tells of its sessions, into the fleet.

use std::collections::BTreeSet;

use quarterdeck_core::news::TurnEnd;
use quarterdeck_hooks::{Hooks, Notice, key, notice::AtMachine};
use quarterdeck_protocol::{
    agent::PromptId,
    ids::MachineId,
    method::MailChanged,
    session::{
        LeaseChanged, PromptOpened, PromptSettled, SessionChanged, SessionInfo, SessionRemoved,
        Sync, TurnEnded, notify,
    },
};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::{fleet::Fleet, limits::MAX_SESSIONS_PER_MACHINE};

/// Whom a relay's notifications concern.
#[derive(Clone, Copy)]
pub(super) struct Told<'a> {
    pub(super) fleet: &'a Fleet,
    pub(super) hooks: &'a Hooks,
    /// Whose they are.
    pub(super) machine: MachineId,
}

impl Told<'_> {
    fn at_machine(&self) -> AtMachine {
        let label = self.fleet.on(self.machine).map(|on| on.label.to_string());
        let label = label.unwrap_or_else(|| self.machine.to_string());
        AtMachine { machine: Some(self.machine), label }
    }
}

fn handle_turn_end(to: Told<'_>, end: TurnEnd) {
    if let Some(label) = to.fleet.name_of(to.machine, end.session) {
        to.hooks.tell(Notice::turn(to.at_machine(), label, &end));
        to.fleet.put_turn_end(end);
    }
}

/// A view whose last part has not come.
#[derive(Debug, Default)]
pub(super) struct Feed {
    parts: Vec<SessionInfo>,
    prompts: Option<Prompts>,
}

/// Open prompts that follow a view.
#[derive(Debug)]
struct Prompts {
    /// So many have not come.
    left: u32,
    told: BTreeSet<PromptId>,
}

impl Feed {
    /// Takes a notification about the view; false for any other.
    pub(super) fn handle(&mut self, to: Told<'_>, method: &str, params: &RawValue) -> bool {
        let Told { fleet, hooks, machine } = to;
        match method {
            notify::SYNC => {
                if let Some(sync) = read::<Sync>(params) {
                    self.handle_sync(fleet, machine, sync);
                }
            }
            notify::MAIL_CHANGED => {
                if let Some(changed) = read::<MailChanged>(params) {
                    fleet.put_mail(machine, changed);
                }
            }
            notify::SESSION_CHANGED => {
                if let Some(changed) = read::<SessionChanged>(params) {
                    fleet.put_session(machine, plain(changed.session));
                }
            }
            notify::SESSION_REMOVED => {
                if let Some(removed) = read::<SessionRemoved>(params) {
                    fleet.remove_session(machine, removed.session);
                }
            }
            notify::LEASE_CHANGED => {
                if let Some(changed) = read::<LeaseChanged>(params) {
                    fleet.put_lease(machine, changed.session, changed.lease);
                }
            }
            notify::PROMPT_OPENED => {
                if let Some(opened) = read::<PromptOpened>(params) {
                    self.handle_prompt(to, opened);
                }
            }
            notify::PROMPT_SETTLED => {
                if let Some(settled) = read::<PromptSettled>(params) {
                    hooks.withdraw(&key::prompt(settled.prompt));
                    fleet.settle_prompt(machine, settled.prompt, settled.state);
                }
            }
            notify::TURN_ENDED => {
                if let Some(ended) = read::<TurnEnded>(params) {
                    let TurnEnded { rev: _, session, turn, stop_reason, at } = ended;
                    handle_turn_end(to, TurnEnd { session, turn, stop_reason, at });
                }
            }
            _ => return false,
        }
        true
    }

    fn handle_sync(&mut self, fleet: &Fleet, machine: MachineId, sync: Sync) {
        if sync.part == 0 {
            self.parts.clear();
        }
        if let Some(mail) = sync.mail.into_iter().next() {
            fleet.put_mail(machine, mail);
        }
        let room = MAX_SESSIONS_PER_MACHINE.saturating_sub(self.parts.len());
        self.parts.extend(sync.sessions.into_iter().take(room).map(plain));
        if sync.last {
            fleet.replace_sessions(machine, std::mem::take(&mut self.parts));
            self.prompts = Some(Prompts { left: sync.prompts, told: BTreeSet::new() });
            self.finish_prompts(fleet, machine);
        }
    }

    fn handle_prompt(&mut self, to: Told<'_>, opened: PromptOpened) {
        let Told { fleet, hooks, machine } = to;
        if let Some(prompts) = &mut self.prompts {
            prompts.left = prompts.left.saturating_sub(1);
            prompts.told.insert(opened.prompt.prompt.id);
        }
        let prompt = &opened.prompt.prompt;
        // one of a session that it does not have is not believed
        if let Some(label) = fleet.name_of(machine, prompt.id.session) {
            if opened.announced {
                hooks.handle_told(&key::prompt(prompt.id));
            } else {
                hooks.tell(Notice::prompt(to.at_machine(), label, prompt));
            }
            fleet.put_prompt(opened.prompt);
        }
        self.finish_prompts(fleet, machine);
    }

    /// What was open before the view and is not told again is open no more.
    fn finish_prompts(&mut self, fleet: &Fleet, machine: MachineId) {
        if let Some(Prompts { told, .. }) = self.prompts.take_if(|prompts| prompts.left == 0) {
            fleet.keep_prompts(machine, &told);
        }
    }
}

/// A relay does not say on which machine a session is; what it says all the same is not believed.
fn plain(info: SessionInfo) -> SessionInfo {
    SessionInfo { on: None, ..info }
}

/// A notification that a newer relay writes otherwise is none.
fn read<T: DeserializeOwned>(params: &RawValue) -> Option<T> {
    serde_json::from_str(params.get()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarterdeck_hooks::HooksOptions;

    use crate::fleet::testing::{machine_row, session};
    use serde_json::{Value, json};

    fn tell(feed: &mut Feed, fleet: &Fleet, method: &str, params: &Value) -> bool {
        let machine = machine_row(1, "dev").machine;
        let raw = serde_json::value::to_raw_value(params).expect("is JSON");
        let ledger = std::path::PathBuf::from("/nonexistent");
        let hooks = Hooks::new(Default::default(), HooksOptions { ledger, proxy: None });
        feed.handle(Told { fleet, hooks: &hooks, machine }, method, &raw)
    }

    #[test]
    fn a_view_counts_when_its_last_part_is_there_and_replaces_the_one_before() {
        let fleet = Fleet::default();
        fleet.add(machine_row(1, "dev"), vec![session(9, "old")]).expect("adds");
        let part = |part: u32, last: bool, n: u8| {
            json!({"relay_id": format!("r_{}", "01".repeat(16)), "generation": 1, "rev": 1,
                "part": part, "last": last, "sessions": [session(n, "x")]})
        };
        let mut feed = Feed::default();
        assert!(tell(&mut feed, &fleet, "sync", &part(0, false, 1)));
        assert_eq!(fleet.sessions(None).len(), 1, "not yet");
        assert!(tell(&mut feed, &fleet, "sync", &part(1, true, 2)));
        assert_eq!(fleet.sessions(None).len(), 2);
        // one that broke off is forgotten
        tell(&mut feed, &fleet, "sync", &part(0, false, 3));
        tell(&mut feed, &fleet, "sync", &part(0, true, 4));
        assert_eq!(fleet.sessions(None).len(), 1);
    }

    #[test]
    fn how_much_mail_waits_is_told_of_its_machine_and_nothing_else_is_believed() {
        let fleet = Fleet::default();
        fleet.add(machine_row(1, "dev"), vec![]).expect("adds");
        let mut feed = Feed::default();
        let one = |identity: &str, unread: u32| json!({"identity": identity, "unread": unread, "held": 0, "asking": 1});
        let mail = json!({"rev": 9, "machine": format!("m_{}", "07".repeat(8)), "change": 5,
            "identities": [one("default", 2), one("no name at all", 3)]});
        assert!(tell(&mut feed, &fleet, "mail.changed", &mail));
        let told = fleet.mail(None);
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].machine, Some(machine_row(1, "dev").machine), "not as the relay says");
        let names: Vec<_> = told[0].identities.iter().map(|it| it.identity.as_str()).collect();
        assert_eq!(names, ["default"]);
        // a view that says nothing of mail takes nothing back
        let sync = json!({"relay_id": format!("r_{}", "01".repeat(16)), "generation": 1, "rev": 1,
            "part": 0, "last": true, "sessions": []});
        tell(&mut feed, &fleet, "sync", &sync);
        assert_eq!(fleet.mail(None), told);
    }

    #[test]
    fn what_is_not_about_the_view_is_somebody_elses() {
        let fleet = Fleet::default();
        let mut feed = Feed::default();
        assert!(!tell(&mut feed, &fleet, "session.event", &json!({"channel": 1})));
        assert!(tell(&mut feed, &fleet, "session.changed", &json!({"session": 7})), "unreadable");
    }
}
