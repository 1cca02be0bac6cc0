//! Places of moments in the log.
//!
//! Events are recorded in the order of their positions, so the place of a moment is found by halving. Clocks of several
//! machines may differ by a little, and so the place is looked for somewhat earlier or later; what is read is compared
//! exactly afterwards.

use chrono::{DateTime, TimeDelta, Utc};
use event_log::sql::{self, Pool};

/// How far the recording clocks may be apart, or be set back.
const SLACK: TimeDelta = TimeDelta::seconds(5);

/// A position at or before the first event recorded at `moment` or later.
pub(super) async fn before(readers: &Pool, moment: DateTime<Utc>) -> Result<i64, sqlx::Error> {
    match stored(moment).checked_sub_signed(SLACK) {
        Some(moment) => first_since(readers, moment).await,
        None => Ok(0),
    }
}

/// A position after the last event recorded before `moment`.
pub(super) async fn after(readers: &Pool, moment: DateTime<Utc>) -> Result<i64, sqlx::Error> {
    match stored(moment).checked_add_signed(SLACK) {
        Some(moment) => first_since(readers, moment).await,
        None => Ok(i64::MAX),
    }
}

/// As a time is stored: with microseconds, the next one for what is finer; and no further away than both databases know.
pub(super) fn stored(moment: DateTime<Utc>) -> DateTime<Utc> {
    let finer = moment.timestamp_subsec_nanos() % 1000;
    let whole = if finer == 0 {
        Some(moment)
    } else {
        moment.checked_add_signed(TimeDelta::nanoseconds(i64::from(1000 - finer)))
    };
    let (earliest, latest) = (DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH + TimeDelta::days(2_900_000));
    whole.unwrap_or(latest).clamp(earliest, latest)
}

/// The position of the first event recorded at `moment` or later; one beyond the last where there is none.
async fn first_since(readers: &Pool, moment: DateTime<Utc>) -> Result<i64, sqlx::Error> {
    let last: i64 =
        sql::query_scalar("SELECT coalesce(max(global_position), 0) FROM events").fetch_one(readers).await?;
    // The place is in low..=high.
    let (mut low, mut high) = (0, last + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        // Positions may have gaps: the next event from there on decides for the gap too.
        let row = sql::query(
            "SELECT global_position, recorded_at FROM events WHERE global_position >= $1 \
             ORDER BY global_position LIMIT 1",
        )
        .bind(middle)
        .fetch_optional(readers)
        .await?;
        let Some(row) = row else {
            high = middle;
            continue;
        };
        let (position, recorded_at): (i64, DateTime<Utc>) = (row.try_get(0)?, row.try_get(1)?);
        if recorded_at >= moment { high = middle } else { low = position + 1 }
    }
    Ok(low)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_as_fine_as_the_store_and_within_its_reach() {
        let fine: DateTime<Utc> = "2026-01-01T00:00:00.000000001Z".parse().unwrap();
        assert_eq!(stored(fine).to_rfc3339(), "2026-01-01T00:00:00.000001+00:00");
        assert_eq!(stored(DateTime::<Utc>::MIN_UTC), DateTime::UNIX_EPOCH);
        assert_eq!(stored(DateTime::<Utc>::MAX_UTC).to_rfc3339(), "9909-12-07T00:00:00+00:00");
    }
}
