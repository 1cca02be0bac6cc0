//! The simulator's clock: system time plus an offset that can only be moved forward from outside.
//!
//! Every window (token life, listing windows, channel expiry, index lag) reads this clock, so that a test
//! passes an hour in no time. Only delays that a peer has to sit through use real time.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, FixedOffset, Utc};

/// Milliseconds since 1970-01-01 UTC, as the providers count them.
pub(crate) type Millis = i64;

/// System time plus an offset.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    offset_ms: AtomicI64,
}

impl Clock {
    /// Milliseconds since 1970 on the virtual clock.
    pub(crate) fn now_ms(&self) -> Millis {
        system_ms() + self.offset_ms.load(Ordering::Relaxed)
    }

    /// Moves the clock forward.
    pub(crate) fn advance(&self, by: Duration) {
        let by_ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX / 4);
        self.offset_ms.fetch_add(by_ms, Ordering::Relaxed);
    }
}

/// Milliseconds since 1970 on the machine's clock, which is the one that clients go by.
pub(crate) fn system_ms() -> Millis {
    let system = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(system.as_millis()).unwrap_or(i64::MAX / 2)
}

/// The instant as an ISO time with the given offset, to the second, as CRM prints it (zoho.md section 2).
pub(crate) fn iso_seconds(at: Millis, offset: FixedOffset) -> String {
    instant(at).with_timezone(&offset).format("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// The instant as a UTC date-time.
pub(crate) fn instant(at: Millis) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(at).unwrap_or_default()
}

/// Reads an ISO time with an offset.
pub(crate) fn parse_iso(text: &str) -> Option<Millis> {
    DateTime::parse_from_rfc3339(text.trim()).ok().map(|at| at.timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advance_moves_time_forward() {
        let clock = Clock::default();
        let before = clock.now_ms();
        clock.advance(Duration::from_secs(3600));
        assert!(clock.now_ms() >= before + 3_600_000);
    }

    #[test]
    fn iso_keeps_the_offset_and_drops_the_milliseconds() {
        let offset = FixedOffset::east_opt(19_800).expect("five and a half hours");
        assert_eq!(iso_seconds(1_768_471_500_123, offset), "2026-01-15T15:35:00+05:30");
        assert_eq!(parse_iso("2026-01-15T15:35:00+05:30"), Some(1_768_471_500_000));
    }
}
