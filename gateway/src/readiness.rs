//! `/health`: the process is alive. `/ready`: it would accept a delivery now.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use actix_web::web::Data;
use event_log::{Log, take_lease};
use tokio_util::sync::CancellationToken;

/// The database is not asked more often than this.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// A commit that takes longer is as good as none.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a delivery that found no room counts, while no other one is recorded: there may be room for our small row but
/// not for the next delivery.
const FULL_FOR: Duration = Duration::from_secs(10);
/// The row that is written to see whether rows can be written.
const PROBE_LEASE: &str = "readiness";

/// Whether deliveries can be recorded.
pub(crate) struct Readiness {
    log: Log,
    stop: CancellationToken,
    last: Mutex<Option<Probe>>,
    started: Instant,
    /// Milliseconds after `started` at which a delivery found no room; 0 when one was recorded since.
    full_at_ms: AtomicU64,
}

#[derive(Clone, Copy)]
struct Probe {
    began_at: Instant,
    result: Result<(), &'static str>,
}

impl Readiness {
    pub(crate) fn new(log: Log, stop: CancellationToken) -> Self {
        Readiness { log, stop, last: Mutex::new(None), started: Instant::now(), full_at_ms: AtomicU64::new(0) }
    }

    /// A delivery was recorded. Costs a read of shared memory while all is well.
    pub(crate) fn recorded(&self) {
        if self.full_at_ms.load(Ordering::Relaxed) != 0 {
            self.full_at_ms.store(0, Ordering::Relaxed);
        }
    }

    /// A delivery found no room.
    pub(crate) fn storage_full(&self) {
        self.full_at_ms.store(self.elapsed_ms().max(1), Ordering::Relaxed);
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn was_full_lately(&self) -> bool {
        let full_at_ms = self.full_at_ms.load(Ordering::Relaxed);
        full_at_ms != 0 && Duration::from_millis(self.elapsed_ms().saturating_sub(full_at_ms)) < FULL_FOR
    }

    /// `Err` says why not, in a stable word.
    pub(crate) async fn check(&self) -> Result<(), &'static str> {
        if self.stop.is_cancelled() {
            return Err("stopping");
        }
        if self.was_full_lately() {
            return Err("storage_full");
        }
        if let Some(last) = *self.last()
            && last.began_at.elapsed() < PROBE_EVERY
        {
            return last.result;
        }
        let began_at = Instant::now();
        let result = self.probe().await;
        *self.last() = Some(Probe { began_at, result });
        result
    }

    /// Writes a row and waits for the commit: only that shows a full disk, a lost database or a writer that hangs.
    async fn probe(&self) -> Result<(), &'static str> {
        let written = self.log.write(|unit| {
            Box::pin(async move { take_lease(unit, PROBE_LEASE, PROBE_LEASE, PROBE_EVERY).await.map(|_| ()) })
        });
        match tokio::time::timeout(PROBE_TIMEOUT, written).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(event_log::Error::StorageFull { .. })) => Err("storage_full"),
            Ok(Err(event_log::Error::Closed)) => Err("stopping"),
            Ok(Err(_)) => Err("database_unavailable"),
            Err(_) => Err("database_slow"),
        }
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Option<Probe>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `GET /health`.
pub(crate) async fn health() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({ "status": "ok" }))
}

/// `GET /ready`: 200, or 503 with the reason.
pub(crate) async fn ready(readiness: Data<Readiness>) -> HttpResponse {
    match readiness.check().await {
        Ok(()) => HttpResponse::Ok().json(serde_json::json!({ "status": "ready" })),
        Err(reason) => {
            HttpResponse::ServiceUnavailable().json(serde_json::json!({ "status": "not_ready", "reason": reason }))
        }
    }
}
