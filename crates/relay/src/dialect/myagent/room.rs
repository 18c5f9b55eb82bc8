//! Who among a principal's connections may write: the first one, and after it the next new one.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use quarterdeck_protocol::{dialect::myagent::Role, ids::Principal};

/// Counts connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seat(u64);

/// The owners of all principals. One who leaves is followed by nobody until somebody new comes, or claims.
#[derive(Debug, Default)]
pub(crate) struct Rooms(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    seats: u64,
    rooms: BTreeMap<Principal, Room>,
}

#[derive(Debug, Default)]
struct Room {
    owner: Option<Seat>,
    epoch: u64,
    /// Connections that are there; a room without any is forgotten.
    present: usize,
}

impl Rooms {
    /// A connection comes; what may write takes the free place.
    pub(crate) fn enter(&self, principal: &Principal, may_write: MayWrite) -> (Seat, Role, u64) {
        let mut inner = self.lock();
        inner.seats += 1;
        let seat = Seat(inner.seats);
        let room = inner.rooms.entry(principal.clone()).or_default();
        room.present += 1;
        let role = room.claim(seat, may_write);
        (seat, role, room.epoch)
    }

    /// A connection wants to write from now on.
    pub(crate) fn claim(
        &self,
        principal: &Principal,
        seat: Seat,
        may_write: MayWrite,
    ) -> (Role, u64) {
        let mut inner = self.lock();
        let room = inner.rooms.entry(principal.clone()).or_default();
        (room.claim(seat, may_write), room.epoch)
    }

    /// A connection does not want to write any more; whether it did.
    pub(crate) fn release(&self, principal: &Principal, seat: Seat) -> bool {
        let mut inner = self.lock();
        let room = inner.rooms.get_mut(principal);
        room.is_some_and(|room| room.owner.take_if(|owner| *owner == seat).is_some())
    }

    /// A connection goes.
    pub(crate) fn leave(&self, principal: &Principal, seat: Seat) {
        let mut inner = self.lock();
        let Some(room) = inner.rooms.get_mut(principal) else { return };
        room.owner.take_if(|owner| *owner == seat);
        room.present = room.present.saturating_sub(1);
        if room.present == 0 {
            inner.rooms.remove(principal);
        }
    }

    /// Whether a connection may write.
    pub(crate) fn owns(&self, principal: &Principal, seat: Seat) -> bool {
        self.lock().rooms.get(principal).is_some_and(|room| room.owner == Some(seat))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a connection's token lets it write at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MayWrite {
    Yes,
    No,
}

impl Room {
    fn claim(&mut self, seat: Seat, may_write: MayWrite) -> Role {
        if self.owner.is_none() && may_write == MayWrite::Yes {
            self.owner = Some(seat);
            self.epoch += 1;
        }
        if self.owner == Some(seat) { Role::Owner } else { Role::Follower }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_new_connection_follows_an_owner_and_nobody_is_promoted() {
        let rooms = Rooms::default();
        let ada = Principal::new("r_00", "ada").expect("a principal");
        let (first, role, epoch) = rooms.enter(&ada, MayWrite::Yes);
        assert_eq!((role, epoch), (Role::Owner, 1));
        let (second, role, _) = rooms.enter(&ada, MayWrite::Yes);
        assert_eq!(role, Role::Follower);
        rooms.leave(&ada, first);
        assert!(!rooms.owns(&ada, second), "not by itself");
        assert_eq!(rooms.enter(&ada, MayWrite::No).1, Role::Follower);
        let (third, role, epoch) = rooms.enter(&ada, MayWrite::Yes);
        assert_eq!((role, epoch), (Role::Owner, 2));
        assert_eq!(rooms.claim(&ada, second, MayWrite::Yes).0, Role::Follower);
        assert!(rooms.release(&ada, third) && !rooms.release(&ada, third));
        assert_eq!(rooms.claim(&ada, second, MayWrite::Yes), (Role::Owner, 3));
        let eve = Principal::new("r_00", "eve").expect("a principal");
        assert_eq!(rooms.enter(&eve, MayWrite::Yes).1, Role::Owner, "another room");
    }
}
