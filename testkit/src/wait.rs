//! Waiting for a condition with a deadline, never for a time.

use std::future::Future;
use std::time::{Duration, Instant};

/// How long anything may take on a slow machine.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Looks until `look` gives something.
///
/// # Panics
/// When it does not within 90 seconds; the message says what was waited for.
pub async fn until<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    until_within(PATIENCE, what, look).await
}

/// As [`until`], within a time of the caller's.
///
/// # Panics
/// When it does not happen within `patience`.
pub async fn until_within<T>(patience: Duration, what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    look_within(patience, look).await.unwrap_or_else(|| panic!("not within {patience:?}: {what}"))
}

/// Looks until `look` gives something; `None` when it does not within `patience`, for a message of the caller's.
pub async fn look_within<T>(patience: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look().await {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Looks until `holds` does.
///
/// # Panics
/// As [`until`].
pub async fn until_true(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    until(what, async || holds().await.then_some(())).await;
}

/// As [`until`], on a thread that may block.
///
/// # Panics
/// When it does not happen within `patience`.
pub fn blocking_until<T>(patience: Duration, what: &str, look: impl FnMut() -> Option<T>) -> T {
    blocking_look(patience, look).unwrap_or_else(|| panic!("not within {patience:?}: {what}"))
}

/// Looks until `look` gives something, on a thread that may block; `None` when it does not within `patience`.
pub fn blocking_look<T>(patience: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// What must happen soon, on a slow machine too.
///
/// # Panics
/// When it does not within 90 seconds.
pub async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it happens soon")
}
