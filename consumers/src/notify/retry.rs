//! When a notification is tried again (Standard Webhooks 1.0.0, "Deliverability and reliability": exponential, with jitter,
//! over days).

use std::time::Duration;

/// Longest pause between attempts, before jitter.
const LONGEST_PAUSE: Duration = Duration::from_secs(8 * 60 * 60);
/// By how much each pause is longer than the one before.
const GROWTH: u32 = 4;

/// The pause after so many failed attempts and one more. `jitter` from 0 to 1 only ever adds to it.
pub(super) fn pause(base: Duration, failed_before: i64, jitter: f64) -> Duration {
    let exponent = u32::try_from(failed_before.clamp(0, 15)).unwrap_or(15);
    let pause = base.saturating_mul(GROWTH.saturating_pow(exponent)).min(LONGEST_PAUSE);
    pause + pause.mul_f64(0.25 * jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_attempts_span_a_day_and_a_half_at_least_and_two_days_at_most() {
        let span = |jitter| (0..11).map(|failed| pause(Duration::from_secs(5), failed, jitter)).sum::<Duration>();
        assert!(span(0.0) >= Duration::from_secs(36 * 3600), "{:?}", span(0.0));
        assert!(span(1.0) <= Duration::from_secs(50 * 3600), "{:?}", span(1.0));
    }

    #[test]
    fn pauses_grow_to_eight_hours_and_jitter_only_adds() {
        let base = Duration::from_secs(5);
        assert_eq!(pause(base, 0, 0.0), base);
        assert_eq!(pause(base, 2, 0.0), base * 16);
        assert_eq!(pause(base, i64::MAX, 0.0), LONGEST_PAUSE);
        assert_eq!(pause(base, 0, 1.0), base.mul_f64(1.25));
    }
}
