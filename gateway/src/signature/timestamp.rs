//! When a request says it was sent, and how far that may be from our clock.

use std::time::Duration;

use chrono::{DateTime, Utc};
use service::config::account::TimestampFormat;

use super::Refusal;

/// Reads the time of sending.
pub(super) fn parse(format: TimestampFormat, text: &str) -> Result<DateTime<Utc>, Refusal> {
    let time = match format {
        TimestampFormat::Unix => text.parse().ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0)),
        TimestampFormat::Rfc3339 => DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc()),
    };
    time.ok_or(Refusal::TimestampMalformed)
}

/// The allowed difference between the sender's clock and ours, in both directions; the limit itself is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tolerance(pub Duration);

impl Tolerance {
    pub(super) fn check(self, sent: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), Refusal> {
        let beyond = |age: chrono::TimeDelta| age.to_std().is_ok_and(|age| age > self.0);
        if beyond(now - sent) {
            return Err(Refusal::TimestampTooOld);
        }
        if beyond(sent - now) {
            return Err(Refusal::TimestampInFuture);
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn both_formats_are_read() {
        let time = DateTime::from_timestamp(1_674_087_231, 0).unwrap();
        assert_eq!(parse(TimestampFormat::Unix, "1674087231"), Ok(time));
        assert_eq!(parse(TimestampFormat::Rfc3339, "2023-01-19T01:13:51+01:00"), Ok(time));
        for bad in ["", "12a", "1e9", "99999999999999999999", "9223372036854775807"] {
            assert_eq!(parse(TimestampFormat::Unix, bad), Err(Refusal::TimestampMalformed), "{bad}");
        }
    }

    #[test]
    fn tolerance_holds_in_both_directions_and_includes_its_limit() {
        let now = DateTime::from_timestamp(1_674_087_231, 0).unwrap();
        let tolerance = Tolerance(Duration::from_secs(300));
        let edge = TimeDelta::seconds(300);
        let step = TimeDelta::milliseconds(1);
        assert_eq!(tolerance.check(now - edge, now), Ok(()));
        assert_eq!(tolerance.check(now + edge, now), Ok(()));
        assert_eq!(tolerance.check(now - edge - step, now), Err(Refusal::TimestampTooOld));
        assert_eq!(tolerance.check(now + edge + step, now), Err(Refusal::TimestampInFuture));
    }
}
