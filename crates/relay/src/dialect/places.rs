//! How far clients without a cursor of their own have seen a conversation: for as long as the relay runs.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use quarterdeck_protocol::ids::{ClientId, Seq, SessionId};

/// Where a client is in a conversation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// The record that it has not seen yet.
    pub(crate) next: Seq,
    /// What the client calls the turn that runs there.
    pub(crate) run: Option<String>,
}

/// The places of all clients. Bounded by the sessions that there are, times the tokens that use them.
#[derive(Debug, Default)]
pub(crate) struct Places(Mutex<BTreeMap<(ClientId, SessionId), Place>>);

impl Places {
    /// Where a client is.
    pub(crate) fn find(&self, client: ClientId, session: SessionId) -> Option<Place> {
        self.lock().get(&(client, session)).cloned()
    }

    /// Remembers where a client is, and forgets sessions that are gone.
    pub(crate) fn keep(
        &self,
        client: ClientId,
        session: SessionId,
        place: Place,
        is_there: impl Fn(SessionId) -> bool,
    ) {
        let mut places = self.lock();
        places.insert((client, session), place);
        places.retain(|(_, session), _| is_there(*session));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(ClientId, SessionId), Place>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_sessions_that_are_gone_are_forgotten() {
        let (client, gone) = (ClientId::from_bytes([1; 16]), SessionId::from_bytes([1; 10]));
        let here = SessionId::from_bytes([2; 10]);
        let places = Places::default();
        let place = Place { next: Seq(7), run: Some("q".into()) };
        places.keep(client, gone, place.clone(), |_| true);
        places.keep(client, here, place.clone(), |session| session == here);
        assert_eq!(places.find(client, gone), None);
        assert_eq!(places.find(client, here), Some(place));
        assert_eq!(places.find(ClientId::from_bytes([2; 16]), here), None);
    }
}
