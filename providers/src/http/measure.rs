//! Counting and timing of requests, the same for every operation.

use std::time::Instant;

use crate::error::Error;

/// One request on its way.
pub(crate) struct Measured {
    provider: &'static str,
    operation: &'static str,
    started: Instant,
}

impl Measured {
    pub(crate) fn start(provider: &'static str, operation: &'static str) -> Self {
        Self { provider, operation, started: Instant::now() }
    }

    /// Counts the request by how it ended, and its duration.
    pub(crate) fn end<T>(self, result: &Result<T, Error>) {
        let outcome = result.as_ref().map_or_else(Error::code, |_| "ok");
        let elapsed = self.started.elapsed();
        let labels = [("provider", self.provider), ("operation", self.operation), ("outcome", outcome)];
        metrics::counter!("provider_requests_total", &labels).increment(1);
        metrics::histogram!("provider_request_duration_seconds", &labels).record(elapsed.as_secs_f64());
        tracing::debug!(
            provider = self.provider,
            operation = self.operation,
            outcome,
            duration_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            "a provider request ended"
        );
    }
}
