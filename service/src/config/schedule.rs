//! When something runs by itself: a cron pattern in a time zone, or a fixed interval.

use std::time::Duration;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use croner::Cron;

use super::section::Section;
use super::value::Misfit;

/// When something runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Schedule {
    /// Keys `schedule` and `timezone`. Times skipped or repeated by daylight saving run once.
    Cron {
        /// Five fields, or six with seconds first. Boxed, because it is large.
        pattern: Box<Cron>,
        /// Zone of the pattern. Default UTC.
        timezone: Tz,
    },
    /// Key `interval_seconds`.
    Every(Duration),
}

/// A text that is no cron pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is no cron pattern such as \"0 2 * * *\": {reason}")]
pub struct InvalidPattern {
    /// What the parser said.
    reason: String,
}

impl Schedule {
    /// Reads a cron pattern of five fields, or six with seconds first, as meant in a time zone.
    ///
    /// # Errors
    /// When the text is no pattern. Whether a pattern ever comes is what [`Schedule::next_after`] tells.
    pub fn cron(pattern: &str, timezone: Tz) -> Result<Self, InvalidPattern> {
        let pattern =
            pattern.parse::<Cron>().map_err(|error| InvalidPattern { reason: error.to_string().to_lowercase() })?;
        Ok(Self::Cron { pattern: Box::new(pattern), timezone })
    }

    /// The first run after a moment; `None` for a pattern that never comes again, such as 30 February.
    #[must_use]
    pub fn next_after(&self, moment: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Self::Every(interval) => moment.checked_add_signed(chrono::TimeDelta::from_std(*interval).ok()?),
            Self::Cron { pattern, timezone } => {
                let next = pattern.find_next_occurrence(&moment.with_timezone(timezone), false).ok()?;
                Some(next.with_timezone(&Utc))
            }
        }
    }

    /// Reads `schedule` with `timezone`, or `interval_seconds`; without either, every `default_seconds`.
    pub(super) fn read(section: &mut Section<'_>, default_seconds: u64) -> Self {
        let by_pattern = section.has("schedule");
        if by_pattern && section.has("interval_seconds") {
            section.wrong("interval_seconds", "cannot stand beside `schedule`; remove one", None);
        }
        if !by_pattern && section.has("timezone") {
            section.wrong("timezone", "has no meaning without `schedule`; remove it", None);
        }
        let timezone = section.or("timezone", Tz::UTC);
        let interval = section.seconds("interval_seconds", default_seconds, 1..=604_800);
        let schedule = section.read("schedule", "a cron pattern in quotes", |leaf| {
            Self::cron(leaf.raw.text()?, timezone).map_err(|error| Misfit::Rule(error.to_string()))
        });
        schedule.unwrap_or(Self::Every(interval))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn moment(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn nightly(timezone: Tz) -> Schedule {
        Schedule::Cron { pattern: Box::new("30 2 * * *".parse().unwrap()), timezone }
    }

    #[test]
    fn a_pattern_counts_in_its_own_time_zone() {
        let now = moment("2026-06-01T12:00:00Z");
        assert_eq!(nightly(Tz::UTC).next_after(now), Some(moment("2026-06-02T02:30:00Z")));
        assert_eq!(nightly(Tz::Europe__Berlin).next_after(now), Some(moment("2026-06-02T00:30:00Z")));
    }

    #[test]
    fn a_time_that_daylight_saving_skips_or_repeats_runs_once() {
        let berlin = nightly(Tz::Europe__Berlin);
        let mut at = moment("2026-03-28T12:00:00Z");
        for _ in 0..2 {
            at = berlin.next_after(at).unwrap();
        }
        assert_eq!(at, moment("2026-03-30T00:30:00Z"), "29 March has one run, although 02:30 does not exist");
        let mut at = moment("2026-10-24T12:00:00Z");
        for _ in 0..2 {
            at = berlin.next_after(at).unwrap();
        }
        assert_eq!(at, moment("2026-10-26T01:30:00Z"), "25 October has one run, although 02:30 comes twice");
    }

    #[test]
    fn an_interval_counts_from_the_last_run() {
        let every = Schedule::Every(Duration::from_secs(300));
        assert_eq!(every.next_after(moment("2026-06-01T12:00:00Z")), Some(moment("2026-06-01T12:05:00Z")));
    }

    #[test]
    fn a_date_that_never_comes_has_no_next_run() {
        let never = Schedule::Cron { pattern: Box::new("0 0 30 2 *".parse().unwrap()), timezone: Tz::UTC };
        assert_eq!(never.next_after(moment("2026-06-01T12:00:00Z")), None);
    }
}
