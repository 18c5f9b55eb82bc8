//! Which input was applied, which still waits, which was refused: the part of exactly-once that must
//! outlive a relay. Pure: the caller writes the bytes and sends the acknowledgements.

use std::collections::VecDeque;

use quarterdeck_protocol::{
    frame::InputState,
    holder::{Input, InputAck, InputEntry, InputRefusal},
    ids::{ClientId, Epoch, InputNumber},
    limits::{MAX_INPUT_TABLE_CLIENTS, MAX_PENDING_INPUT_BYTES},
};

/// What an input in the queue costs beside its bytes, so that many tiny ones stay bounded too.
const ENTRY_COST_BYTES: usize = 64;
/// Refused numbers that are remembered per client, so that their resend is not taken for applied.
const MAX_REFUSED_PER_CLIENT: usize = 256;

/// Where an input goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Into the queue; acknowledged when it is written.
    Queued,
    /// It is already in the queue; the acknowledgement goes to the newest asker.
    InProgress,
    /// Nowhere: this is the answer.
    Answered(InputAck),
}

/// An acknowledgement, and the request it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) request: u32,
    pub(crate) ack: InputAck,
}

/// What may be written now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// Epoch of the newest lease that is recorded or on its way into the log.
    pub(crate) epoch: Epoch,
    /// The program still runs.
    pub(crate) running: bool,
}

/// Last numbers of one client.
#[derive(Debug)]
struct Line {
    client: ClientId,
    /// Last number that was written.
    applied: InputNumber,
    /// Last number that was taken into the queue; never below `applied`.
    accepted: InputNumber,
    /// Numbers at or below `accepted` that were refused and will never be written.
    refused: VecDeque<(InputNumber, InputRefusal)>,
}

/// Bytes that wait for the program to read.
#[derive(Debug)]
struct Pending {
    /// Whose input it is; none for the answer to a terminal query.
    from: Option<(ClientId, InputNumber)>,
    request: u32,
    bytes: Vec<u8>,
    written: usize,
}

impl Pending {
    fn cost(&self) -> usize {
        self.bytes.len() + ENTRY_COST_BYTES
    }
}

/// The input table and the queue behind it.
#[derive(Debug, Default)]
pub(crate) struct InputLedger {
    /// In the order of their last input; the first has been silent longest.
    lines: Vec<Line>,
    queue: VecDeque<Pending>,
    queued_cost: usize,
}

impl InputLedger {
    /// Goes on with the table of an earlier incarnation.
    pub(crate) fn resumed(entries: &[InputEntry]) -> Self {
        let line = |entry: &InputEntry| Line {
            client: entry.client,
            applied: entry.n,
            accepted: entry.n,
            refused: VecDeque::new(),
        };
        Self { lines: entries.iter().map(line).collect(), ..Self::default() }
    }

    /// Takes, recognises or refuses an input.
    pub(crate) fn handle_input(&mut self, input: Input<'_>, request: u32, terms: Terms) -> Verdict {
        let Input { client, epoch, n, bytes } = input;
        let ack = |state, refusal| Verdict::Answered(InputAck { client, n, state, refusal });
        let cost = bytes.len() + ENTRY_COST_BYTES;
        let full = self.queued_cost + cost > MAX_PENDING_INPUT_BYTES;
        let line = self.touch(client);
        if n <= line.accepted {
            return self.handle_resend(client, n, request);
        }
        let refusal = if !terms.running {
            InputRefusal::Ended
        } else if epoch != terms.epoch {
            InputRefusal::StaleEpoch
        } else if full {
            InputRefusal::Full
        } else {
            line.accept(n);
            self.push(Pending {
                from: Some((client, n)),
                request,
                bytes: bytes.to_vec(),
                written: 0,
            });
            return Verdict::Queued;
        };
        line.refuse(n, refusal);
        ack(InputState::Rejected, refusal)
    }

    /// A number that was decided before.
    fn handle_resend(&mut self, client: ClientId, n: InputNumber, request: u32) -> Verdict {
        let waiting = self.queue.iter_mut().find(|pending| pending.from == Some((client, n)));
        if let Some(pending) = waiting {
            pending.request = request;
            return Verdict::InProgress;
        }
        let line = self.touch(client);
        let refused = line.refused.iter().find(|(refused, _)| *refused == n);
        let (state, refusal) = match refused {
            Some((_, refusal)) => (InputState::Rejected, *refusal),
            None if n <= line.applied => (InputState::Applied, InputRefusal::None),
            // refused so long ago that it was forgotten why
            None => (InputState::Rejected, InputRefusal::Full),
        };
        Verdict::Answered(InputAck { client, n, state, refusal })
    }

    /// Queues the answer to a terminal query; too much of it is dropped, as a terminal would.
    pub(crate) fn handle_reply(&mut self, bytes: &[u8]) {
        let reply = Pending { from: None, request: 0, bytes: bytes.to_vec(), written: 0 };
        if self.queued_cost + reply.cost() <= MAX_PENDING_INPUT_BYTES {
            self.push(reply);
        }
    }

    /// The bytes to write next. Empty bytes are an input that is done as soon as its turn comes.
    pub(crate) fn poll_write(&self) -> Option<&[u8]> {
        self.queue.front().map(|pending| &pending.bytes[pending.written..])
    }

    /// Notes that `count` of the bytes of [`poll_write`](Self::poll_write) were written. Returns the
    /// acknowledgement when an input is complete.
    pub(crate) fn handle_written(&mut self, count: usize) -> Option<Applied> {
        let front = self.queue.front_mut()?;
        front.written += count;
        if front.written < front.bytes.len() {
            return None;
        }
        let done = self.queue.pop_front()?;
        self.queued_cost -= done.cost();
        let (client, n) = done.from?;
        self.touch(client).applied = n;
        let ack = InputAck { client, n, state: InputState::Applied, refusal: InputRefusal::None };
        Some(Applied { request: done.request, ack })
    }

    /// The program has ended: what still waits will never be written.
    pub(crate) fn handle_end(&mut self) -> Vec<Applied> {
        self.queued_cost = 0;
        let waiting = std::mem::take(&mut self.queue);
        let refusal = InputRefusal::Ended;
        waiting
            .into_iter()
            .filter_map(|pending| {
                let (client, n) = pending.from?;
                self.touch(client).refuse(n, refusal);
                let ack = InputAck { client, n, state: InputState::Rejected, refusal };
                Some(Applied { request: pending.request, ack })
            })
            .collect()
    }

    /// A new driver: answers to the old one's requests have no number any more.
    pub(crate) fn handle_new_driver(&mut self) {
        for pending in &mut self.queue {
            pending.request = 0;
        }
    }

    /// Last applied number per client, longest silent client first.
    pub(crate) fn table(&self) -> Vec<InputEntry> {
        let applied = self.lines.iter().filter(|line| line.applied > InputNumber(0));
        applied.map(|line| InputEntry { client: line.client, n: line.applied }).collect()
    }

    fn push(&mut self, pending: Pending) {
        self.queued_cost += pending.cost();
        self.queue.push_back(pending);
    }

    /// Forgets the client that has been silent longest. With input of every client in the queue,
    /// which its bound all but excludes, the first goes: its acknowledgements still come.
    fn forget_one(&mut self) {
        let waits = |line: &Line| {
            self.queue.iter().any(|p| p.from.is_some_and(|(client, _)| client == line.client))
        };
        let idle = self.lines.iter().position(|line| !waits(line));
        self.lines.remove(idle.unwrap_or(0));
    }

    /// The client's line, moved to the end.
    fn touch(&mut self, client: ClientId) -> &mut Line {
        let known = self.lines.iter().position(|line| line.client == client);
        let line = if let Some(known) = known {
            self.lines.remove(known)
        } else {
            if self.lines.len() >= MAX_INPUT_TABLE_CLIENTS {
                self.forget_one();
            }
            let none = InputNumber(0);
            Line { client, applied: none, accepted: none, refused: VecDeque::new() }
        };
        self.lines.push(line);
        let last = self.lines.len() - 1;
        &mut self.lines[last]
    }
}

impl Line {
    fn accept(&mut self, n: InputNumber) {
        self.accepted = n;
        self.refused.retain(|(refused, _)| *refused != n);
    }

    /// Under another epoch the same number may still be sent anew, so a stale one stays undecided.
    fn refuse(&mut self, n: InputNumber, refusal: InputRefusal) {
        if refusal != InputRefusal::StaleEpoch {
            self.accepted = self.accepted.max(n);
        }
        self.refused.retain(|(refused, _)| *refused != n);
        if self.refused.len() == MAX_REFUSED_PER_CLIENT {
            self.refused.pop_front();
        }
        self.refused.push_back((n, refusal));
    }
}

#[cfg(test)]
mod tests;
