//! Which machine and which session a request means.

use quarterdeck_access::tokens::SessionLimit;
use quarterdeck_core::names::{self, Life, Resolved};
use quarterdeck_protocol::{
    error::{ErrorCode, ErrorDetail, RpcError},
    ids::{MachineId, SessionId},
};

use super::{Fleet, Inner};

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The machine.
    pub(crate) machine: MachineId,
    /// How its relay calls the session.
    pub(crate) session: String,
}

impl Fleet {
    /// The machine of a label or id.
    ///
    /// # Errors
    /// `not_found`.
    pub(crate) fn resolve_machine(&self, name: &str) -> Result<MachineId, RpcError> {
        self.lock().machine_named(name)
    }

    /// The machine on which new sessions start when none is named: the hub's own, or the only one.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub(crate) fn default_machine(&self) -> Result<MachineId, RpcError> {
        let inner = self.lock();
        let local = inner.machines.values().find(|it| it.info().local).map(|it| it.row.machine);
        let mut all = inner.machines.keys();
        let only = all.next().filter(|_| all.next().is_none()).copied();
        local.or(only).ok_or_else(|| {
            RpcError::new(ErrorCode::InvalidParams, "a machine must be named: \"machine\"")
        })
    }

    /// Where the session is that a word names: `machine/label`, `machine/id`, an id or prefix of one, or a
    /// label that only one machine has. `machine` is one that the request names beside it. Outside `limit`
    /// there are no sessions.
    ///
    /// # Errors
    /// `not_found` or `ambiguous`.
    pub(crate) fn resolve(
        &self,
        machine: Option<&str>,
        word: &str,
        limit: &SessionLimit,
    ) -> Result<Place, RpcError> {
        let inner = self.lock();
        let (named, word) = match word.split_once('/') {
            Some((machine, session)) => (Some(machine), session),
            None => (machine, word),
        };
        let machine = named.map(|named| inner.machine_named(named)).transpose()?;
        match (machine, limit) {
            // its relay knows what it has; the hub may be behind
            (Some(machine), SessionLimit::All) => Ok(Place { machine, session: word.to_owned() }),
            (machine, limit) => inner.find(machine, word, limit),
        }
    }

    /// The machine of a session's id.
    ///
    /// # Errors
    /// `not_found`.
    pub(crate) fn machine_of(&self, session: SessionId) -> Result<MachineId, RpcError> {
        let inner = self.lock();
        let found = inner.machines.values().find(|it| it.sessions.contains_key(&session));
        found.map(|it| it.row.machine).ok_or_else(|| not_found(&session.to_string()))
    }
}

impl Inner {
    fn machine_named(&self, name: &str) -> Result<MachineId, RpcError> {
        let by_label = self.machines.values().find(|it| it.row.label.as_str() == name);
        let by_id = || self.machines.keys().copied().find(|id| id.to_string() == name);
        by_label.map(|it| it.row.machine).or_else(by_id).ok_or_else(|| {
            let message = format!("machine \"{}\" not found", name.escape_debug());
            RpcError::new(ErrorCode::NotFound, message).hint("see them: qd machine ls")
        })
    }

    fn find(
        &self,
        of: Option<MachineId>,
        word: &str,
        limit: &SessionLimit,
    ) -> Result<Place, RpcError> {
        let of_life = |life: Life| {
            let meant =
                self.machines.values().filter(move |it| of.is_none_or(|id| id == it.row.machine));
            let all = meant.flat_map(|it| it.sessions.values());
            let all = all.filter(|entry| limit.allows(entry.info.session));
            all.filter(move |entry| entry.info.state.is_live() == (life == Life::Live))
                .map(move |entry| (entry.info.session, &entry.info.label, life))
        };
        match names::resolve(word, of_life(Life::Live).chain(of_life(Life::Ended))) {
            Resolved::One(session) => {
                let it = self.machines.values().find(|it| it.sessions.contains_key(&session));
                let machine = it.map(|it| it.row.machine).ok_or_else(|| not_found(word))?;
                Ok(Place { machine, session: session.to_string() })
            }
            Resolved::None => Err(not_found(word)),
            Resolved::Many(found) => {
                let message = format!("\"{}\" fits {} sessions", word.escape_debug(), found.len());
                let matches = found.iter().map(|session| self.full_name(*session)).collect();
                let error = RpcError::new(ErrorCode::Ambiguous, message);
                Err(error.with(ErrorDetail::Matches { matches }))
            }
        }
    }

    fn full_name(&self, session: SessionId) -> String {
        let found = self.machines.values().find_map(|it| {
            it.sessions.get(&session).map(|entry| format!("{}/{}", it.row.label, entry.info.label))
        });
        found.unwrap_or_else(|| session.to_string())
    }
}

fn not_found(word: &str) -> RpcError {
    let message = format!("session \"{}\" not found", word.escape_debug());
    RpcError::new(ErrorCode::NotFound, message)
}
