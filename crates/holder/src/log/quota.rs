//! Which logs shrink when all of them together are too much. Pure.

use quarterdeck_protocol::ids::SessionId;

/// Whether a session still writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Life {
    /// Its program has ended.
    Ended,
    /// It still runs.
    Live,
}

/// What one session's log takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionUsage {
    /// The session.
    pub session: SessionId,
    /// Bytes of its log.
    pub bytes: u64,
    /// Bytes that cannot be dropped: its last segment, and everything from an open prompt on.
    pub floor_bytes: u64,
    /// Whether it still writes.
    pub life: Life,
    /// When its log was last written to: wall clock, microseconds since 1970.
    pub modified_micros: u64,
}

/// One log that has to shrink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trim {
    /// The session.
    pub session: SessionId,
    /// Bytes it may keep.
    pub keep_bytes: u64,
}

/// Decides what has to go so that all logs together fit `limit_bytes`: ended sessions give first, and
/// among equals those that have been silent longest. Nobody goes below its floor, so the result may
/// still be above the limit.
#[must_use]
pub fn plan_quota(usages: &[SessionUsage], limit_bytes: u64) -> Vec<Trim> {
    let total: u64 = usages.iter().fold(0, |sum, usage| sum.saturating_add(usage.bytes));
    let mut excess = total.saturating_sub(limit_bytes);
    let mut order: Vec<&SessionUsage> = usages.iter().collect();
    order.sort_by_key(|usage| (usage.life, usage.modified_micros, usage.session));
    let mut plan = Vec::new();
    for usage in order {
        let gives = usage.bytes.saturating_sub(usage.floor_bytes).min(excess);
        if gives > 0 {
            plan.push(Trim { session: usage.session, keep_bytes: usage.bytes - gives });
            excess -= gives;
        }
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    fn usage(byte: u8, mib: u64, life: Life, modified_micros: u64) -> SessionUsage {
        let session = SessionId::from_bytes([byte; 10]);
        let (bytes, floor_bytes) = (mib * MIB, 4 * MIB);
        SessionUsage { session, bytes, floor_bytes, life, modified_micros }
    }

    fn check(usages: &[SessionUsage], limit_mib: u64, expected: &[(u8, u64)]) {
        let plan = plan_quota(usages, limit_mib * MIB);
        let expected: Vec<Trim> = expected
            .iter()
            .map(|(byte, mib)| Trim {
                session: SessionId::from_bytes([*byte; 10]),
                keep_bytes: mib * MIB,
            })
            .collect();
        assert_eq!(plan, expected);
    }

    #[test]
    fn nothing_goes_below_the_limit() {
        check(&[usage(1, 60, Life::Ended, 1), usage(2, 40, Life::Live, 2)], 100, &[]);
        check(&[], 0, &[]);
    }

    #[test]
    fn ended_sessions_give_first_and_the_longest_silent_before_others() {
        let usages = [
            usage(1, 20, Life::Live, 1),
            usage(2, 20, Life::Ended, 9),
            usage(3, 20, Life::Ended, 5),
        ];
        check(&usages, 50, &[(3, 10)]);
        check(&usages, 40, &[(3, 4), (2, 16)]);
        check(&usages, 20, &[(3, 4), (2, 4), (1, 12)]);
    }

    #[test]
    fn nobody_goes_below_its_floor() {
        check(&[usage(1, 20, Life::Ended, 1), usage(2, 3, Life::Live, 2)], 0, &[(1, 4)]);
    }
}
