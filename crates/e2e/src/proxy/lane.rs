//! One direction of a proxy: how it behaves, and the pump that makes it so on one link.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::tcp::{ReadHalf, WriteHalf},
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until},
};

use super::{Cut, Flow, Loss, Shape};

/// Bytes that are read at once.
const CHUNK_BYTES: usize = 16 * 1024;
/// Bytes of a segment on an ordinary network, for counting which of them are lost.
const SEGMENT_BYTES: usize = 1448;
/// Chunks that may be under way on one direction of one link.
const QUEUE_CHUNKS: usize = 16;
/// How often a limited direction gets its share: often enough to look smooth.
const SHARES_PER_SECOND: u64 = 50;

/// One direction of all links.
#[derive(Debug)]
pub(super) struct Lane {
    shape: watch::Sender<Shape>,
    tripwires: Mutex<Tripwires>,
    /// Bytes written to the receiving side.
    delivered: AtomicU64,
    /// State of the generator behind jitter; its start is fixed, so that a test's jitter is too.
    random: AtomicU64,
}

/// Faults that happen once, after so many more bytes.
#[derive(Debug, Default)]
struct Tripwires {
    corrupt: Option<u64>,
    cut: Option<(u64, Cut)>,
}

/// What was read at once, and what becomes of it.
#[derive(Debug)]
struct Chunk {
    bytes: Vec<u8>,
    due: Instant,
    /// Cut the link when the bytes are delivered.
    then: Option<Cut>,
}

impl Lane {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            shape: watch::Sender::new(Shape::default()),
            tripwires: Mutex::default(),
            delivered: AtomicU64::new(0),
            random: AtomicU64::new(seed),
        }
    }
    pub(super) fn set_shape(&self, shape: Shape) {
        self.shape.send_replace(shape);
    }
    pub(super) fn corrupt_after(&self, bytes: u64) {
        self.tripwires().corrupt = Some(bytes);
    }
    pub(super) fn cut_after(&self, bytes: u64, how: Cut) {
        self.tripwires().cut = Some((bytes, how));
    }
    pub(super) fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }
    fn tripwires(&self) -> std::sync::MutexGuard<'_, Tripwires> {
        self.tripwires.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves bytes until the sender ends its side, which is passed on, or the link is to be cut.
    ///
    /// # Errors
    /// What a socket said.
    pub(super) async fn pump(
        &self,
        from: ReadHalf<'_>,
        to: WriteHalf<'_>,
    ) -> io::Result<Option<Cut>> {
        // full: the reader waits, and with it the sender
        let (queue, chunks) = mpsc::channel(QUEUE_CHUNKS);
        let (_, cut) = tokio::try_join!(self.read(from, queue), self.write(chunks, to))?;
        Ok(cut)
    }

    async fn read(&self, mut from: ReadHalf<'_>, queue: mpsc::Sender<Chunk>) -> io::Result<()> {
        let mut shape = self.shape.subscribe();
        let mut buffer = vec![0; CHUNK_BYTES];
        let mut last_due = Instant::now();
        loop {
            until_flowing(&mut shape).await;
            let count = from.read(&mut buffer).await?;
            if count == 0 {
                return Ok(());
            }
            let now = *shape.borrow();
            if now.flow == Flow::Swallow {
                continue;
            }
            let (bytes, then) = self.tripwires().spring(&buffer[..count]);
            let late = self.draw_jitter(now.jitter) + self.draw_loss(now.loss, count);
            last_due = last_due.max(Instant::now() + now.delay + late);
            if queue.send(Chunk { bytes, due: last_due, then }).await.is_err() || then.is_some() {
                return Ok(());
            }
        }
    }

    async fn write(
        &self,
        mut chunks: mpsc::Receiver<Chunk>,
        mut to: WriteHalf<'_>,
    ) -> io::Result<Option<Cut>> {
        let mut shape = self.shape.subscribe();
        while let Some(chunk) = chunks.recv().await {
            sleep_until(chunk.due).await;
            let mut bytes = VecDeque::from(chunk.bytes);
            while !bytes.is_empty() {
                until_flowing(&mut shape).await;
                let (size, pause) = portion(*shape.borrow(), bytes.len());
                let piece: Vec<u8> = bytes.drain(..size).collect();
                if shape.borrow().flow == Flow::Swallow {
                    continue;
                }
                to.write_all(&piece).await?;
                self.delivered.fetch_add(size as u64, Ordering::Relaxed);
                if !pause.is_zero() {
                    sleep(pause).await;
                }
            }
            if chunk.then.is_some() {
                return Ok(chunk.then);
            }
        }
        to.shutdown().await?;
        Ok(None)
    }

    /// How much later bytes come, of whose segments some may have been lost.
    fn draw_loss(&self, loss: Option<Loss>, bytes: usize) -> Duration {
        let Some(Loss { one_in, late }) = loss else { return Duration::ZERO };
        let segments = bytes.div_ceil(SEGMENT_BYTES) as u64;
        let lost = (0..segments).any(|_| self.draw().is_multiple_of(one_in.max(1)));
        if lost { late } else { Duration::ZERO }
    }

    fn draw(&self) -> u64 {
        crate::streams::mix(self.random.fetch_add(1, Ordering::Relaxed))
    }

    fn draw_jitter(&self, most: Duration) -> Duration {
        if most.is_zero() {
            return Duration::ZERO;
        }
        let drawn = self.draw();
        most.mul_f64((drawn >> 11) as f64 / (1_u64 << 53) as f64)
    }
}

impl Tripwires {
    /// Counts `bytes` and gives what is left of them, with how the link ends after them.
    fn spring(&mut self, bytes: &[u8]) -> (Vec<u8>, Option<Cut>) {
        let mut bytes = bytes.to_vec();
        let mut then = None;
        if let Some((left, how)) = self.cut {
            if left <= bytes.len() as u64 {
                bytes.truncate(left as usize);
                then = Some(how);
                self.cut = None;
            } else {
                self.cut = Some((left - bytes.len() as u64, how));
            }
        }
        if let Some(left) = self.corrupt {
            self.corrupt = left.checked_sub(bytes.len() as u64);
            if self.corrupt.is_none() {
                bytes[left as usize] ^= 1;
            }
        }
        (bytes, then)
    }
}

/// Waits while the direction is on hold.
async fn until_flowing(shape: &mut watch::Receiver<Shape>) {
    // the sender is gone only when the proxy is, and then this task is being dropped
    let _ = shape.wait_for(|shape| shape.flow != Flow::Hold).await;
}

/// How many of `ready` bytes go now, and the pause after them.
fn portion(shape: Shape, ready: usize) -> (usize, Duration) {
    if let Flow::Trickle(gap) = shape.flow {
        return (1, gap);
    }
    let Some(rate) = shape.bytes_per_second else { return (ready, Duration::ZERO) };
    let share = usize::try_from(rate / SHARES_PER_SECOND).unwrap_or(usize::MAX).max(1);
    let size = ready.min(share);
    (size, Duration::from_secs_f64(size as f64 / rate.max(1) as f64))
}
