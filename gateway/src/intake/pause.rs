//! Waiting: for a moment of the log's clock, for a retry, for a person's consent.

use std::time::Duration;

use chrono::{DateTime, Utc};
use event_log::Log;
use providers::error::Error as ProviderError;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Error;

/// Longest sleep between two looks at the clock: it may be set, and a suspended machine sleeps longer than it thinks.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often an account without consent is tried although nothing was heard of it.
const CONSENT_LOOK_EVERY: Duration = Duration::from_secs(60);

/// Pauses between attempts, growing.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    attempts: u32,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(500);
    const LONGEST: Duration = Duration::from_secs(60);

    /// The next pause: doubled each time, up to a minute, spread by a quarter around that.
    pub(crate) fn next(&mut self) -> Duration {
        let pause = Self::FIRST.saturating_mul(1 << self.attempts.min(10)).min(Self::LONGEST);
        self.attempts += 1;
        pause.mul_f64(rand::random_range(0.75..1.25))
    }
}

/// Waits until the log's clock shows `until`; returns at once when the process stops.
pub(crate) async fn wait_until(log: &Log, until: DateTime<Utc>, stop: &CancellationToken) {
    while let Ok(left) = (until - log.now()).to_std() {
        if left.is_zero() || stop.is_cancelled() {
            return;
        }
        wait(left.min(LOOK_EVERY), stop).await;
    }
}

/// Waits; returns at once when the process stops.
pub(crate) async fn wait(duration: Duration, stop: &CancellationToken) {
    let _ = stop.run_until_cancelled(tokio::time::sleep(duration)).await;
}

/// Waits until a call that failed may succeed: the provider's time, a person's consent, or the next pause.
/// `changes` are those of the accounts, marked as seen before the call was made.
pub(crate) async fn wait_out(
    log: &Log,
    changes: &mut watch::Receiver<u64>,
    error: &ProviderError,
    backoff: &mut Backoff,
    stop: &CancellationToken,
) {
    if let Some(until) = error.throttled_until() {
        return wait_until(log, until, stop).await;
    }
    if needs_a_person(error) {
        let changed = tokio::time::timeout(CONSENT_LOOK_EVERY, changes.changed());
        // A closed channel means that the accounts are gone: the process stops.
        if let Some(Ok(Err(_))) = stop.run_until_cancelled(changed).await {
            wait(CONSENT_LOOK_EVERY, stop).await;
        }
        return;
    }
    wait(backoff.next(), stop).await;
}

/// Whether the account's grant or registration must be mended before any call of this kind can succeed.
pub(crate) fn needs_a_person(error: &ProviderError) -> bool {
    error.stops_account() || matches!(error, ProviderError::MissingScope { .. })
}

/// Survives failures of our own that pass by themselves: each kind is told once, and tried again after a pause.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    backoff: Backoff,
    told: bool,
}

impl Patience {
    /// Passes on what does not pass by itself.
    pub(crate) async fn survive(
        &mut self,
        what: &str,
        result: Result<(), Error>,
        stop: &CancellationToken,
    ) -> Result<(), Error> {
        match result {
            Ok(()) => *self = Self::default(),
            Err(error) if error.is_retryable() => {
                if !std::mem::replace(&mut self.told, true) {
                    tracing::warn!(error = &error as &dyn std::error::Error, "{what} cannot go on now; trying again");
                }
                wait(self.backoff.next(), stop).await;
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute() {
        let mut backoff = Backoff::default();
        let pauses: Vec<Duration> = (0..12).map(|_| backoff.next()).collect();
        assert!(pauses[0] <= Duration::from_millis(625));
        assert!(pauses[3] > pauses[0]);
        assert!(pauses.iter().all(|pause| *pause <= Duration::from_secs(75)));
        assert!(pauses[11] >= Duration::from_secs(45));
    }
}
