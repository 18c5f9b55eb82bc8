//! Times and sizes as people read them, and durations as people type them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use quarterdeck_protocol::utc::UtcTime;

/// Microseconds since 1970, by the machine's clock.
pub(crate) fn now_micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// How long ago: `now`, `12s`, `3m`, `4h`, `5d`. A time in the future is `now`: clocks differ.
pub(crate) fn ago(then_micros: u64, now_micros: u64) -> String {
    let seconds = now_micros.saturating_sub(then_micros) / 1_000_000;
    match seconds {
        0..=1 => "now".to_owned(),
        2..=99 => format!("{seconds}s"),
        100..=5_999 => format!("{}m", seconds / 60),
        6_000..=172_799 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A span as [`parse_duration`] reads it, in its largest whole unit.
pub(crate) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
    let whole =
        units.into_iter().find(|(unit, _)| seconds >= *unit && seconds.is_multiple_of(*unit));
    whole.map_or_else(|| format!("{seconds}s"), |(unit, word)| format!("{}{word}", seconds / unit))
}

/// `812 B`, `3.4 MiB`.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut value = count as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// UTC date and time to the second, `2026-11-21 00:13:15Z`.
pub(crate) fn utc(seconds: u64) -> String {
    UtcTime::from_millis(seconds.saturating_mul(1000)).to_string()
}

/// A duration that is no number with a unit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a duration is a number with s, m, h or d: 90s, 5m, 12h, 30d")]
pub(crate) struct BadDuration;

/// Reads `500ms`, `30`, `90s`, `5m`, `12h` or `30d`; a bare number is seconds.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, BadDuration> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| BadDuration)?;
    let seconds_per_unit = match unit {
        "ms" => return Ok(Duration::from_millis(number)),
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(BadDuration),
    };
    number.checked_mul(seconds_per_unit).map(Duration::from_secs).ok_or(BadDuration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_short_and_a_fast_clock_elsewhere_is_now() {
        let ages = [(0, 1), (0, 45), (0, 300), (0, 7_200), (0, 260_000), (9, 3)];
        let ages = ages.map(|(then, now)| ago(then * 1_000_000, now * 1_000_000));
        assert_eq!(ages, ["now", "45s", "5m", "2h", "3d", "now"]);
    }

    #[test]
    fn sizes_have_one_digit_after_the_point() {
        assert_eq!(
            [0, 1023, 1024, 3_565_158, 8 << 30].map(bytes),
            ["0 B", "1023 B", "1.0 KiB", "3.4 MiB", "8.0 GiB"]
        );
    }

    #[test]
    fn dates_are_right_on_leap_days_and_at_ends_of_years() {
        let dates = [0, 951_782_400, 1_767_225_599, 4_107_542_400].map(utc);
        assert_eq!(
            dates,
            [
                "1970-01-01 00:00:00Z",
                "2000-02-29 00:00:00Z",
                "2025-12-31 23:59:59Z",
                "2100-03-01 00:00:00Z"
            ]
        );
    }

    #[test]
    fn a_span_is_shown_as_it_is_read() {
        for text in ["7d", "36h", "90m", "61s", "0s"] {
            assert_eq!(span(parse_duration(text).expect("a duration")), text);
        }
    }

    #[test]
    fn durations_have_a_unit_or_are_seconds() {
        let secs = |text| parse_duration(text).map(|d| d.as_secs_f64());
        assert_eq!(secs("90"), Ok(90.0));
        assert_eq!(secs("250ms"), Ok(0.25));
        assert_eq!(secs("5m"), Ok(300.0));
        assert_eq!(secs("2d"), Ok(172_800.0));
        for bad in ["", "m", "5 m", "-1", "1y", "99999999999999999999", "999999999999999999d"] {
            assert_eq!(secs(bad), Err(BadDuration), "{bad}");
        }
    }
}
