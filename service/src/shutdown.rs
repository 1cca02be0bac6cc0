//! Two-stage shutdown and the tasks it ends.
//!
//! The first signal cancels [`Shutdown::stop`]: take no new work, finish or park what runs. A second signal, or the end
//! of the grace period, cancels [`Shutdown::abort`]: whatever still runs is dropped where it waits. A task that fails or
//! panics stops the whole service, and its error is what the service ends with.

use std::io;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

mod service;
mod signals;

pub use service::{Ended, Error, Service, TaskError};

/// The two stages of ending, seen by every task. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    stop: CancellationToken,
    abort: CancellationToken,
}

impl Shutdown {
    /// A shutdown that only the program itself begins, with no grace period of its own: for tests and embedded use.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins to listen for SIGTERM and SIGINT (Ctrl-C).
    ///
    /// From the first signal, or from [`Shutdown::begin`], running work has `grace` to end.
    ///
    /// # Errors
    /// When the operating system refuses the signal handlers.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn listen(grace: Duration) -> io::Result<Self> {
        Ok(Self::with_signals(signals::listen()?, grace))
    }

    /// As [`Shutdown::listen`], with each message of `signals` taken for a signal.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn with_signals(signals: mpsc::Receiver<()>, grace: Duration) -> Self {
        let shutdown = Self::new();
        #[expect(clippy::disallowed_methods, reason = "it must outlive every tracked task, and ends with the runtime")]
        tokio::spawn(shutdown.clone().follow(signals, grace));
        shutdown
    }

    /// Cancelled when no new work may be taken.
    #[must_use]
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Cancelled when running work is to be dropped. Never before [`Shutdown::stop`].
    #[must_use]
    pub fn abort(&self) -> &CancellationToken {
        &self.abort
    }

    /// Begins the first stage, as the first signal would.
    pub fn begin(&self) {
        self.stop.cancel();
    }

    /// Begins the second stage at once.
    pub fn cut(&self) {
        self.stop.cancel();
        self.abort.cancel();
    }

    async fn follow(self, mut signals: mpsc::Receiver<()>, grace: Duration) {
        tokio::select! {
            () = next(&mut signals) => tracing::info!("a signal asked to stop; finishing what runs"),
            () = self.stop.cancelled() => {}
        }
        self.stop.cancel();
        tokio::select! {
            () = next(&mut signals) => tracing::warn!("a second signal asked to stop; dropping what runs"),
            () = tokio::time::sleep(grace) => {
                tracing::warn!(grace_seconds = grace.as_secs(), "the grace period is over; dropping what still runs");
            }
            () = self.abort.cancelled() => {}
        }
        self.abort.cancel();
    }
}

/// The next signal; a source that has ended sends none.
async fn next(signals: &mut mpsc::Receiver<()>) {
    if signals.recv().await.is_none() {
        std::future::pending().await
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(20);

    #[tokio::test(start_paused = true)]
    async fn the_first_signal_stops_and_the_second_aborts() {
        let (send, signals) = mpsc::channel(1);
        let shutdown = Shutdown::with_signals(signals, GRACE);
        assert!(!shutdown.stop().is_cancelled());

        send.send(()).await.unwrap();
        shutdown.stop().cancelled().await;
        assert!(!shutdown.abort().is_cancelled());

        send.send(()).await.unwrap();
        shutdown.abort().cancelled().await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_the_grace_period_aborts() {
        let (_send, signals) = mpsc::channel(1);
        let shutdown = Shutdown::with_signals(signals, GRACE);
        shutdown.begin();
        let begun = tokio::time::Instant::now();
        shutdown.abort().cancelled().await;
        assert_eq!(begun.elapsed().as_secs(), GRACE.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_signal_source_that_ends_is_no_signal() {
        let (send, signals) = mpsc::channel(1);
        let shutdown = Shutdown::with_signals(signals, GRACE);
        drop(send);
        let waited = tokio::time::timeout(Duration::from_secs(3600), shutdown.stop().cancelled()).await;
        assert!(waited.is_err());
    }
}
