//! Times as text.

use core::fmt;

/// A moment of the Gregorian calendar in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UtcTime {
    year: u64,
    month: u64,
    day: u64,
    millis_of_day: u64,
}

impl UtcTime {
    /// The moment that is this many milliseconds after 1970, by the civil-from-days arithmetic of the
    /// Gregorian calendar.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        let days = millis / 86_400_000;
        // years begin in March here, so that the leap day is the last of its year
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = era * 400 + year_of_era + if month <= 2 { 1 } else { 0 };
        Self { year, month, day, millis_of_day: millis % 86_400_000 }
    }

    /// ISO 8601 with milliseconds, `2026-11-20T13:46:45.088Z`.
    #[must_use]
    pub fn iso_millis(&self) -> alloc::string::String {
        let Self { year, month, day, millis_of_day } = *self;
        let (hour, minute, second) = self.clock();
        let millis = millis_of_day % 1000;
        alloc::format!(
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z"
        )
    }

    const fn clock(&self) -> (u64, u64, u64) {
        let seconds = self.millis_of_day / 1000;
        (seconds / 3_600, seconds / 60 % 60, seconds % 60)
    }
}

/// To the second, `2026-11-21 00:13:15Z`.
impl fmt::Display for UtcTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day, millis_of_day: _ } = *self;
        let (hour, minute, second) = self.clock();
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn leap_days_and_milliseconds_are_right() {
        let check = |millis: u64, text: &str| {
            assert_eq!(UtcTime::from_millis(millis).iso_millis(), text);
        };
        check(0, "1970-01-01T00:00:00.000Z");
        check(951_782_400_001, "2000-02-29T00:00:00.001Z");
        check(1_795_182_405_088, "2026-11-20T13:46:45.088Z");
        assert_eq!(UtcTime::from_millis(1_795_182_405_088).to_string(), "2026-11-20 13:46:45Z");
    }
}
