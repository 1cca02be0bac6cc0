//! Requests that were not accepted, kept with the cause in a bounded store.
//!
//! Anybody can send such requests, so they are written off the answer's path, in small batches with pauses in between,
//! and only a fixed number is kept. What does not fit is dropped and counted.

use std::time::Duration;

use chrono::{DateTime, Utc};
use event_log::sql::{self, Builder, Connection, Pool};
use event_log::{Error, Log};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Bytes kept of a body at most.
pub(crate) const BODY_PREFIX_BYTES: usize = 4096;

/// Rejections that wait to be written: a second's worth of writing, and at most some 2 MiB.
const QUEUE: usize = 256;
/// Rows written together: a unit of work of a few milliseconds, which accepted deliveries may have to wait for.
const BATCH: usize = 64;
/// Pause after a batch. Together with [`BATCH`] at most 256 rows, about 1 MiB, a second.
const PAUSE: Duration = Duration::from_millis(250);

/// A request about to be stored.
#[derive(Debug)]
pub(crate) struct Rejection {
    pub(crate) request_id: Uuid,
    pub(crate) received_at: DateTime<Utc>,
    pub(crate) account: String,
    pub(crate) cause: &'static str,
    pub(crate) http_status: u16,
    pub(crate) metadata: String,
    pub(crate) body_prefix: Vec<u8>,
    pub(crate) body_bytes: u64,
}

/// A request that was not accepted.
#[derive(Debug, Clone, Serialize)]
pub struct Rejected {
    /// Rises with time; the cursor of [`list`].
    pub rejected_id: i64,
    /// As in the answer to the sender and in the log.
    pub request_id: Uuid,
    /// When it came.
    pub received_at: DateTime<Utc>,
    /// As named in the address; there need not be such an account.
    pub account: String,
    /// Why, from a closed set: `account_unknown`, `body_too_large`, `body_timed_out`, `body_broken`, or a
    /// [`crate::signature::Refusal`] by its wire name.
    pub cause: String,
    /// The answer's status.
    pub http_status: u16,
    /// Headers and query, as in [`catalogue::delivery::Metadata`], as JSON text.
    #[serde(serialize_with = "raw_json")]
    pub metadata: String,
    /// The first bytes of the body, at most 4 KiB.
    #[serde(serialize_with = "lossy_text")]
    pub body_prefix: Vec<u8>,
    /// The body's length, as announced or as far as it was read.
    pub body_bytes: u64,
}

/// Which rejected requests a reader wants; everything that is set must hold.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Sent to this account's address.
    pub account: Option<String>,
    /// For this cause.
    pub cause: Option<String>,
    /// Received at or after.
    pub since: Option<DateTime<Utc>>,
    /// Older than this [`Rejected::rejected_id`].
    pub before: Option<i64>,
}

/// Rejected requests, newest first.
///
/// # Errors
/// Database failures.
pub async fn list(readers: &Pool, filter: &Filter, limit: u32) -> Result<Vec<Rejected>, Error> {
    let mut query = Builder::new(
        "SELECT rejected_id, request_id, received_at, account, cause, http_status, metadata, body_prefix, body_bytes \
         FROM rejected_deliveries WHERE rejected_id < ",
    );
    query.push_bind(filter.before.unwrap_or(i64::MAX));
    if let Some(account) = &filter.account {
        query.push(" AND account = ").push_bind(account);
    }
    if let Some(cause) = &filter.cause {
        query.push(" AND cause = ").push_bind(cause);
    }
    if let Some(since) = filter.since {
        query.push(" AND received_at >= ").push_bind(since);
    }
    query.push(" ORDER BY rejected_id DESC LIMIT ").push_bind(limit);
    let rows = query.build().fetch_all(readers).await?;
    rows.into_iter()
        .map(|row| {
            Ok(Rejected {
                rejected_id: row.try_get("rejected_id")?,
                request_id: row.try_get("request_id")?,
                received_at: row.try_get("received_at")?,
                account: row.try_get("account")?,
                cause: row.try_get("cause")?,
                http_status: row.try_get("http_status")?,
                metadata: row.try_get("metadata")?,
                body_prefix: row.try_get("body_prefix")?,
                body_bytes: row.try_get::<i64, _>("body_bytes")?.unsigned_abs(),
            })
        })
        .collect()
}

/// How many rejected requests are kept now.
///
/// # Errors
/// Database failures.
pub async fn count(readers: &Pool) -> Result<u64, Error> {
    let count: i64 = sql::query_scalar("SELECT count(*) FROM rejected_deliveries").fetch_one(readers).await?;
    Ok(count.unsigned_abs())
}

/// Hands rejections to the [`Writer`]; never waits.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    queue: mpsc::Sender<Rejection>,
    dropped: metrics::Counter,
}

/// Writes what the [`Store`] was handed.
pub(crate) struct Writer {
    log: Log,
    keep: u64,
    queue: mpsc::Receiver<Rejection>,
    dropped: metrics::Counter,
}

/// A store that keeps the last `keep` rejections, and its writer.
pub(crate) fn open(log: Log, keep: u64) -> (Store, Writer) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let dropped = |reason| metrics::counter!("rejected_deliveries_dropped_total", "reason" => reason);
    let store = Store { queue: sender, dropped: dropped("queue_full") };
    (store, Writer { log, keep, queue: receiver, dropped: dropped("storage") })
}

impl Store {
    /// Keeps what `rejection` makes, unless too many wait already: then it is not even made.
    pub(crate) fn keep(&self, rejection: impl FnOnce() -> Rejection) {
        match self.queue.try_reserve() {
            Ok(place) => place.send(rejection()),
            Err(_) => self.dropped.increment(1),
        }
    }
}

impl Writer {
    /// Writes until `end` is cancelled, then what still waits.
    pub(crate) async fn run(mut self, end: CancellationToken) {
        let mut batch = Vec::with_capacity(BATCH);
        while let Some(received) = end.run_until_cancelled(self.queue.recv_many(&mut batch, BATCH)).await {
            if received == 0 {
                return;
            }
            self.write(std::mem::take(&mut batch)).await;
            end.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
        }
        self.queue.close();
        while self.queue.recv_many(&mut batch, BATCH).await > 0 {
            self.write(std::mem::take(&mut batch)).await;
        }
    }

    async fn write(&self, batch: Vec<Rejection>) {
        let rows = batch.len() as u64;
        let keep = self.keep;
        let written = self
            .log
            .write(move |unit| {
                Box::pin(async move {
                    insert(unit.connection(), &batch).await?;
                    delete_oldest(unit.connection(), keep).await
                })
            })
            .await;
        if let Err(error) = written {
            self.dropped.increment(rows);
            tracing::warn!(error = %error, rows, "rejected requests could not be stored; they are dropped");
        }
    }
}

async fn insert(connection: &mut Connection, batch: &[Rejection]) -> Result<(), Error> {
    for rejection in batch {
        sql::query(
            "INSERT INTO rejected_deliveries \
             (request_id, received_at, account, cause, http_status, metadata, body_prefix, body_bytes) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(rejection.request_id)
        .bind(rejection.received_at)
        .bind(&rejection.account)
        .bind(rejection.cause)
        .bind(rejection.http_status)
        .bind(sql::json(&rejection.metadata))
        .bind(&rejection.body_prefix)
        .bind(i64::try_from(rejection.body_bytes).unwrap_or(i64::MAX))
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

async fn delete_oldest(connection: &mut Connection, keep: u64) -> Result<(), Error> {
    sql::query(
        "DELETE FROM rejected_deliveries \
         WHERE rejected_id <= (SELECT max(rejected_id) FROM rejected_deliveries) - $1",
    )
    .bind(i64::try_from(keep).unwrap_or(i64::MAX))
    .execute(connection)
    .await?;
    Ok(())
}

fn raw_json<S: serde::Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    match RawValue::from_string(text.to_owned()) {
        Ok(raw) => raw.serialize(serializer),
        Err(_) => text.serialize(serializer),
    }
}

fn lossy_text<S: serde::Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    String::from_utf8_lossy(bytes).serialize(serializer)
}
