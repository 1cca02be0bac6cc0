//! Moments as people type them.

use anyhow::bail;
use chrono::{DateTime, Duration, Utc};

/// RFC 3339, or a span back from `now`: a number and `s`, `m`, `h` or `d`.
///
/// # Errors
/// When the text is neither.
pub fn moment(text: &str, now: DateTime<Utc>) -> anyhow::Result<DateTime<Utc>> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.to_utc());
    }
    match span_back(text).and_then(|span| now.checked_sub_signed(span)) {
        Some(time) => Ok(time),
        None => bail!("{text:?} is no time: use RFC 3339 (2026-01-31T12:00:00Z) or a span such as 15m, 2h, 3d"),
    }
}

/// A span of time: a number above 0 and `s`, `m`, `h` or `d`.
///
/// # Errors
/// When the text is none.
pub fn span(text: &str) -> anyhow::Result<std::time::Duration> {
    match span_back(text).and_then(|span| span.to_std().ok()).filter(|span| !span.is_zero() && *span <= LONGEST) {
        Some(span) => Ok(span),
        None => bail!("{text:?} is no span of time: use a number and a unit, such as 15m, 2h or 3d, up to 3650d"),
    }
}

/// Ten years: what is meant to last longer is meant to be renewed.
const LONGEST: std::time::Duration = std::time::Duration::from_secs(3650 * 86_400);

fn span_back(text: &str) -> Option<Duration> {
    let unit = text.chars().last().unwrap_or_default();
    let number = text.strip_suffix(unit).and_then(|number| number.parse::<i64>().ok())?;
    match unit {
        's' => Duration::try_seconds(number),
        'm' => Duration::try_minutes(number),
        'h' => Duration::try_hours(number),
        'd' => Duration::try_days(number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_count_back_and_nonsense_is_refused() {
        let now: DateTime<Utc> = "2026-01-02T00:00:00Z".parse().expect("a time");
        assert_eq!(moment("2h", now).expect("a span").to_rfc3339(), "2026-01-01T22:00:00+00:00");
        assert_eq!(moment("2026-01-01T01:00:00+01:00", now).expect("a time").to_rfc3339(), "2026-01-01T00:00:00+00:00");
        for bad in ["", "h", "2", "2x", "ü", "99999999999999d"] {
            assert!(moment(bad, now).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_span_is_a_positive_number_with_a_unit() {
        assert_eq!(span("90m").expect("a span").as_secs(), 5_400);
        for bad in ["", "1", "-1h", "0s", "1w", "4000d"] {
            assert!(span(bad).is_err(), "{bad:?}");
        }
    }
}
