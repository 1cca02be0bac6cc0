//! When the next run of a poll is due, and how a schedule is written down.
//!
//! Where clocks change, a daily run neither vanishes nor doubles: a run inside the hour that is left out happens right
//! after it, and one inside the hour that comes twice happens in its first half.

use chrono::{DateTime, TimeDelta, Utc};
use service::config::Schedule;

pub(crate) mod rows;

/// The next run after `now`. Intervals count from `previous`, the time the last run was due, so that they do not drift;
/// runs that were missed are not made up for.
#[must_use]
pub fn next_run(schedule: &Schedule, previous: DateTime<Utc>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let Schedule::Every(interval) = schedule else { return schedule.next_after(now) };
    let interval = TimeDelta::from_std(*interval).ok().filter(|interval| *interval > TimeDelta::zero())?;
    let passed = (now - previous).num_milliseconds().max(0) / interval.num_milliseconds().max(1);
    let intervals = i32::try_from(passed + 1).ok()?;
    previous.checked_add_signed(interval.checked_mul(intervals)?)
}

/// A schedule as text, with the name of its time zone: what people read, and what tells whether it was changed.
pub(crate) fn written(schedule: &Schedule) -> (String, &'static str) {
    match schedule {
        Schedule::Cron { pattern, timezone } => (pattern.as_str().to_owned(), timezone.name()),
        Schedule::Every(interval) => (format!("every {}s", interval.as_secs()), "UTC"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use chrono_tz::Tz;

    use super::*;

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn cron(pattern: &str, timezone: Tz) -> Schedule {
        Schedule::Cron { pattern: Box::new(pattern.parse().unwrap()), timezone }
    }

    /// The runs after `from`, written in UTC.
    fn runs(pattern: &str, zone: Tz, from: &str, count: usize) -> Vec<String> {
        let schedule = cron(pattern, zone);
        let mut now = time(from);
        let next = || {
            now = next_run(&schedule, now, now).unwrap();
            now.format("%m-%d %H:%M").to_string()
        };
        std::iter::repeat_with(next).take(count).collect()
    }

    #[test]
    fn cron_patterns_are_meant_in_their_zone() {
        for (zone, expected) in [
            (Tz::UTC, "01-15 02:00"),
            (Tz::Europe__Berlin, "01-15 01:00"),
            (Tz::Asia__Kolkata, "01-15 20:30"),
            (Tz::America__New_York, "01-15 07:00"),
        ] {
            assert_eq!(runs("0 2 * * *", zone, "2026-01-15T00:30:00Z", 1), [expected], "{zone}");
        }
    }

    #[test]
    fn daily_run_in_the_hour_that_is_left_out_happens_right_after_it() {
        // In Berlin 02:00 to 03:00 does not exist on 29 March 2026.
        let found = runs("30 2 * * *", Tz::Europe__Berlin, "2026-03-27T12:00:00Z", 3);
        assert_eq!(found, ["03-28 01:30", "03-29 01:00", "03-30 00:30"]);
    }

    #[test]
    fn daily_run_in_the_hour_that_comes_twice_happens_once() {
        // In Berlin 02:00 to 03:00 comes twice on 25 October 2026.
        let found = runs("30 2 * * *", Tz::Europe__Berlin, "2026-10-23T12:00:00Z", 4);
        assert_eq!(found, ["10-24 00:30", "10-25 00:30", "10-26 01:30", "10-27 01:30"]);
    }

    #[test]
    fn quarter_hours_go_on_through_both_changes() {
        let spring = runs("*/15 * * * *", Tz::Europe__Berlin, "2026-03-29T00:50:00Z", 3);
        assert_eq!(spring, ["03-29 01:00", "03-29 01:15", "03-29 01:30"]);
        let autumn = runs("*/15 * * * *", Tz::Europe__Berlin, "2026-10-25T00:50:00Z", 3);
        assert_eq!(autumn, ["10-25 01:00", "10-25 01:15", "10-25 01:30"]);
    }

    #[test]
    fn weekdays_months_and_nicknames_are_understood() {
        assert_eq!(runs("0 6 * * MON-FRI", Tz::UTC, "2026-01-16T07:00:00Z", 2), ["01-19 06:00", "01-20 06:00"]);
        assert_eq!(runs("0 0 1 */3 *", Tz::UTC, "2026-01-16T07:00:00Z", 2), ["04-01 00:00", "07-01 00:00"]);
        assert_eq!(runs("@hourly", Tz::UTC, "2026-01-16T07:10:00Z", 1), ["01-16 08:00"]);
        assert_eq!(runs("0 0 29 2 *", Tz::UTC, "2026-03-01T00:00:00Z", 1), ["02-29 00:00"]);
    }

    #[test]
    fn intervals_do_not_drift_and_missed_runs_are_not_made_up_for() {
        let schedule = Schedule::Every(Duration::from_secs(900));
        let due = time("2026-01-15T10:00:00Z");
        for (now, expected) in [
            ("2026-01-15T10:00:00Z", "2026-01-15T10:15:00Z"),
            ("2026-01-15T10:00:09Z", "2026-01-15T10:15:00Z"),
            ("2026-01-15T13:02:00Z", "2026-01-15T13:15:00Z"),
            // The clock was set back.
            ("2026-01-15T09:00:00Z", "2026-01-15T10:15:00Z"),
        ] {
            assert_eq!(next_run(&schedule, due, time(now)), Some(time(expected)), "{now}");
        }
    }

    #[test]
    fn what_is_written_tells_schedules_apart() {
        assert_eq!(written(&Schedule::Every(Duration::from_secs(900))), ("every 900s".to_owned(), "UTC"));
        assert_eq!(written(&cron("0 2 * * *", Tz::Europe__Berlin)), ("0 2 * * *".to_owned(), "Europe/Berlin"));
    }
}
