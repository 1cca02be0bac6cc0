//! Waiting for a condition, never for a time.

use std::time::{Duration, Instant};

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Looks until `condition` gives something.
///
/// # Panics
/// When it has not within `seconds`; the message says what was waited for.
pub fn until<T>(what: &str, seconds: u64, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {seconds} s: {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Looks until `condition` holds.
///
/// # Panics
/// As [`until`].
pub fn until_true(what: &str, seconds: u64, mut condition: impl FnMut() -> bool) {
    until(what, seconds, || condition().then_some(()));
}

/// Whether `condition` holds within `seconds`.
pub fn becomes_true(seconds: u64, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    while !condition() {
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    true
}
