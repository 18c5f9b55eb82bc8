//! The fold of a log: what a checkpoint must hold. The writer keeps it to write checkpoints, recovery
//! rebuilds it, the relay reads it; so all three agree.

use alloc::boxed::Box;

use serde::{Deserialize, de::DeserializeOwned};

use super::{
    Checkpoint, Ended, Exit, Lease, LeaseRecord, Lost, Position, RawJson, Record, RecordHeader,
    RecordKind, Resize, Start, Termios,
};
use crate::{
    holder::InputEntry,
    ids::{ClientId, InputNumber},
    limits::MAX_INPUT_TABLE_CLIENTS,
};

/// What a log's records add up to, and where the next one goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogState {
    facts: Box<Checkpoint>,
    next: Position,
}

/// The part of an input record that the table needs; its bytes are not decoded.
#[derive(Deserialize)]
struct InputKey {
    client: ClientId,
    n: InputNumber,
}

impl LogState {
    /// The state of a log that begins or goes on at `next` with these facts.
    #[must_use]
    pub fn new(facts: Checkpoint, next: Position) -> Self {
        Self { facts: Box::new(facts), next }
    }

    /// The state after a checkpoint record, whatever stood before it. `None` when the record is
    /// none, or one that cannot be read.
    #[must_use]
    pub fn from_checkpoint(header: &RecordHeader, payload: &[u8]) -> Option<Self> {
        if header.kind != RecordKind::Checkpoint || header.flags != 0 {
            return None;
        }
        Some(Self { facts: read(payload)?, next: header.next(payload) })
    }

    /// What a checkpoint here would say.
    #[must_use]
    pub fn facts(&self) -> &Checkpoint {
        &self.facts
    }

    /// Where the next record goes.
    #[must_use]
    pub fn next(&self) -> Position {
        self.next
    }

    /// Last input number of a client, if it is still remembered.
    #[must_use]
    pub fn last_input(&self, client: ClientId) -> Option<InputNumber> {
        self.facts.inputs.iter().find(|entry| entry.client == client).map(|entry| entry.n)
    }

    /// Adds one record. Payloads that cannot be read change nothing but the position: they are of a
    /// newer version, and the log keeps them.
    pub fn apply(&mut self, header: &RecordHeader, payload: &[u8]) {
        self.next = header.next(payload);
        if header.flags != 0 {
            return;
        }
        match header.kind {
            RecordKind::Start => self.apply_start(header, payload),
            RecordKind::Input => {
                if let Some(InputKey { client, n }) = read(payload) {
                    self.remember_input(client, n);
                }
            }
            RecordKind::Resize => {
                let size = read(payload).map(|resize: Resize| resize.size);
                self.facts.size = size.unwrap_or(self.facts.size);
            }
            RecordKind::Termios => {
                self.facts.termios = read::<Termios>(payload).or(self.facts.termios);
            }
            RecordKind::Lease => {
                if let Some(LeaseRecord { epoch, state, why: _, by: _ }) = read(payload) {
                    self.facts.lease = Lease { epoch, state };
                }
            }
            RecordKind::Exit => {
                let status = read(payload).map(|Exit { status, left: _ }| status);
                let at_micros = header.time_micros;
                let exited = status.map(|status| Ended::Exited { status, at_micros });
                self.facts.ended = Some(exited.unwrap_or(Ended::Unknown));
            }
            RecordKind::Lost => {
                let why = read(payload).map(|Lost { why }| why);
                let at_micros = header.time_micros;
                let lost = why.map(|why| Ended::Lost { why, at_micros });
                self.facts.ended = Some(lost.unwrap_or(Ended::Unknown));
            }
            RecordKind::Checkpoint => {
                if let Some(facts) = read(payload) {
                    self.facts = facts;
                }
            }
            RecordKind::Output
            | RecordKind::VendorIn
            | RecordKind::VendorOut
            | RecordKind::VendorErr
            | RecordKind::Answer
            | RecordKind::Note
            | RecordKind::Gap
            | RecordKind::Unknown(_) => {}
        }
    }

    /// Adds one record.
    pub fn apply_record(&mut self, record: &Record) {
        self.apply(&record.header, &record.payload);
    }

    fn apply_start(&mut self, header: &RecordHeader, payload: &[u8]) {
        let Some(start) = read::<Box<Start>>(payload) else { return };
        let facts = &mut self.facts;
        facts.incarnation = start.incarnation;
        facts.session = start.session;
        facts.kind = start.kind;
        facts.size = start.size;
        facts.first_start_micros = facts.first_start_micros.or(Some(header.time_micros));
        facts.termios = None;
        facts.ended = None;
    }

    /// Notes a client's last input. Terminals call it for input that is not recorded; recorded input
    /// does it by itself. Of too many clients the longest silent one is forgotten.
    pub fn remember_input(&mut self, client: ClientId, n: InputNumber) {
        let inputs = &mut self.facts.inputs;
        if let Some(known) = inputs.iter().position(|entry| entry.client == client) {
            inputs.remove(known);
        } else if inputs.len() >= MAX_INPUT_TABLE_CLIENTS {
            inputs.remove(0);
        }
        inputs.push(InputEntry { client, n });
    }

    /// Sets what an agent's adapter must find again in the next checkpoint.
    pub fn set_extra(&mut self, extra: Option<RawJson>) {
        self.facts.extra = extra;
    }
}

fn read<T: DeserializeOwned>(payload: &[u8]) -> Option<T> {
    serde_json::from_slice(payload).ok()
}
