//! Going to a place in a log.

use quarterdeck_protocol::{
    ids::{Out, Seq},
    record::{Position, Record},
};

use super::{LogReader, Next, OpenedSegment, ReadError, SMALL_READ_BYTES, open_chosen};

/// Where a seek ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sought {
    /// At what was asked for. It may be a gap, which comes next.
    Here(Position),
    /// At the oldest record that is kept: what was asked for has been dropped.
    Dropped {
        /// That record.
        base: Position,
    },
    /// At the head: what was asked for is not there yet.
    Beyond {
        /// The head.
        head: Position,
    },
}

impl LogReader {
    /// Goes to the record with this number.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn seek_seq(&mut self, seq: Seq) -> Result<Sought, ReadError> {
        let base = self.go_to_segment(|first| first.seq <= seq)?;
        if seq < base.seq {
            return Ok(Sought::Dropped { base });
        }
        let reached = |next: &Next| match next {
            Next::Record(record) => record.header.at.seq >= seq,
            Next::Gap(missing) => missing.to.seq > seq,
            Next::AwaitMore => true,
        };
        let at = self.walk(reached)?;
        let there = self.held.is_some() || at.seq >= seq;
        Ok(if there { Sought::Here(at) } else { Sought::Beyond { head: at } })
    }

    /// Goes to the output byte with this number: to the record that holds it or, if it is not there
    /// yet, to the first record after the byte before it. Of a gap around it only the rest is
    /// reported.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn seek_out(&mut self, out: Out) -> Result<Sought, ReadError> {
        // records at the same count may stand on both sides of a segment's beginning
        let base = self.go_to_segment(|first| first.out < out)?;
        if out < base.out {
            return Ok(Sought::Dropped { base });
        }
        let holds = |record: &Record| record.header.at.out >= out || record.next().out > out;
        let reached = |next: &Next| match next {
            Next::Record(record) => holds(record),
            Next::Gap(missing) => missing.to.out > out,
            Next::AwaitMore => true,
        };
        let at = self.walk(reached)?;
        if let Some(Next::Gap(missing)) = &mut self.held {
            missing.from.out = missing.from.out.max(out);
        }
        let there = self.held.is_some() || at.out >= out;
        Ok(if there { Sought::Here(self.position()) } else { Sought::Beyond { head: at } })
    }

    /// Goes back from the head far enough that at least this many output bytes follow, or all that
    /// are kept.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn seek_tail(&mut self, out_bytes: u64) -> Result<Sought, ReadError> {
        let head = self.seek_head()?;
        self.seek_out(Out(head.out.0.saturating_sub(out_bytes)))
    }

    /// Goes behind the last record there is.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn seek_head(&mut self) -> Result<Position, ReadError> {
        self.go_to_segment(|_| true)?;
        self.walk(|next| matches!(next, Next::AwaitMore))
    }

    /// Goes to the beginning of the last segment for which `before` holds, else of the first; returns
    /// the beginning of the log.
    fn go_to_segment(&mut self, before: impl Fn(&Position) -> bool) -> Result<Position, ReadError> {
        let mut base = Position::default();
        let opened = open_chosen(&self.directory, |segments| {
            base = segments[0];
            segments.iter().rev().copied().find(&before).unwrap_or(base)
        })?;
        let OpenedSegment { segment, ahead, log_id } = opened;
        self.at = segment.first;
        self.held = None;
        self.read_bytes = SMALL_READ_BYTES;
        (self.segment, self.ahead, self.log_id) = (segment, ahead, self.log_id.or(log_id));
        Ok(base)
    }

    /// Reads until `reached` holds, and leaves what it holds for to be read next.
    fn walk(&mut self, reached: impl Fn(&Next) -> bool) -> Result<Position, ReadError> {
        loop {
            let next = self.next()?;
            if reached(&next) {
                self.held = if next == Next::AwaitMore { None } else { Some(next) };
                return Ok(self.position());
            }
        }
    }
}
