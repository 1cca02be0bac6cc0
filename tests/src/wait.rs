//! Waiting for a condition, never for a time.

use std::time::Duration;

use testkit::wait::{blocking_look, blocking_until};

/// Looks until `condition` gives something.
///
/// # Panics
/// When it has not within `seconds`; the message says what was waited for.
pub fn until<T>(what: &str, seconds: u64, condition: impl FnMut() -> Option<T>) -> T {
    blocking_until(Duration::from_secs(seconds), what, condition)
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
    blocking_look(Duration::from_secs(seconds), || condition().then_some(())).is_some()
}
