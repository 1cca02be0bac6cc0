//! Reading the read models: what commands and pages show.

use event_log::sql::{self, Pool, Query};
use serde::Serialize;

use crate::row::Row;
use crate::totals::Counter;
use crate::{Account, Error, Poll, Record, Registration, Transfer, TransferFile, TransferState};

/// What happened so far, from the counters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Summary {
    /// Webhooks kept, each once.
    pub deliveries: u64,
    /// Webhooks kept whose body breaks what the account promises.
    pub deliveries_flagged: u64,
    /// Poll runs that read their last page.
    pub poll_runs: u64,
    /// Poll runs that failed.
    pub poll_runs_failed: u64,
    /// Facts that a poll found and a live registration should have announced.
    pub found_missed: u64,
    /// Changes of CRM records.
    pub records_changed: u64,
    /// Deletions of CRM records.
    pub records_deleted: u64,
    /// CRM records that we updated.
    pub records_updated: u64,
    /// Updates of CRM records that failed for good.
    pub record_updates_failed: u64,
    /// Runs requested.
    pub transfers_requested: u64,
    /// Runs completed.
    pub transfers_completed: u64,
    /// Runs that ended without copying.
    pub transfers_failed: u64,
    /// Files uploaded.
    pub files_copied: u64,
    /// Files that were there already from an earlier run.
    pub files_reused: u64,
    /// Times a file was given up.
    pub files_failed: u64,
    /// Bytes of the files uploaded.
    pub files_copied_bytes: u64,
    /// Attempts that failed and were planned again.
    pub effects_retried: u64,
    /// Unknown outcomes that turned out to be done.
    pub effects_settled_done: u64,
    /// Unknown outcomes that turned out not to be done, and were done again.
    pub effects_settled_not_done: u64,
    /// Parked work sent on its way again.
    pub effects_redriven: u64,
}

/// The summary of one organisation, or of all.
///
/// # Errors
/// Database failures.
pub async fn summary(readers: &Pool, organization: Option<&str>) -> Result<Summary, Error> {
    let rows = sql::query(
        "SELECT counter, CAST(sum(value) AS bigint) AS value FROM rm_totals \
         WHERE $1 IS NULL OR organization = $1 GROUP BY counter",
    )
    .bind(organization)
    .fetch_all(readers)
    .await?;
    let mut counters = Vec::with_capacity(rows.len());
    for row in rows {
        counters.push((row.try_get::<String, _>(0)?, row.try_get::<i64, _>(1)?));
    }
    let count = |counter: Counter| {
        counters.iter().find(|(name, _)| name == counter.0).map_or(0, |(_, value)| value.unsigned_abs())
    };
    Ok(Summary {
        deliveries: count(Counter::DELIVERIES),
        deliveries_flagged: count(Counter::DELIVERIES_FLAGGED),
        poll_runs: count(Counter::POLL_RUNS),
        poll_runs_failed: count(Counter::POLL_RUNS_FAILED),
        found_missed: count(Counter::FOUND_MISSED),
        records_changed: count(Counter::RECORDS_CHANGED),
        records_deleted: count(Counter::RECORDS_DELETED),
        records_updated: count(Counter::RECORDS_UPDATED),
        record_updates_failed: count(Counter::RECORD_UPDATES_FAILED),
        transfers_requested: count(Counter::TRANSFERS_REQUESTED),
        transfers_completed: count(Counter::TRANSFERS_COMPLETED),
        transfers_failed: count(Counter::TRANSFERS_FAILED),
        files_copied: count(Counter::FILES_COPIED),
        files_reused: count(Counter::FILES_REUSED),
        files_failed: count(Counter::FILES_FAILED),
        files_copied_bytes: count(Counter::FILES_COPIED_BYTES),
        effects_retried: count(Counter::EFFECTS_RETRIED),
        effects_settled_done: count(Counter::EFFECTS_SETTLED_DONE),
        effects_settled_not_done: count(Counter::EFFECTS_SETTLED_NOT_DONE),
        effects_redriven: count(Counter::EFFECTS_REDRIVEN),
    })
}

/// Which transfers; everything that is set must hold.
#[derive(Debug, Clone, Default)]
pub struct TransferFilter {
    /// With this name in the configuration.
    pub transfer: Option<String>,
    /// Of this record.
    pub record_id: Option<String>,
    /// In this state.
    pub state: Option<TransferState>,
}

/// Transfer runs, newest first.
///
/// # Errors
/// Database failures.
pub async fn transfers(readers: &Pool, filter: &TransferFilter, limit: u32) -> Result<Vec<Transfer>, Error> {
    let rest = "WHERE ($1 IS NULL OR transfer = $1) AND ($2 IS NULL OR record_id = $2) \
                AND ($3 IS NULL OR state = $3) ORDER BY requested_at DESC, position DESC LIMIT $4";
    select(readers, rest, |statement| {
        statement.bind(filter.transfer.as_deref()).bind(filter.record_id.as_deref()).bind(filter.state).bind(limit)
    })
    .await
}

/// One run with its files.
#[derive(Debug, Clone, Serialize)]
pub struct TransferDetail {
    /// The run.
    #[serde(flatten)]
    pub transfer: Transfer,
    /// Its files, by path.
    pub files: Vec<TransferFile>,
}

/// One run of a record's transfer with its files; the newest run where none is named.
///
/// # Errors
/// Database failures.
pub async fn transfer(
    readers: &Pool,
    transfer: &str,
    record_id: &str,
    run: Option<i64>,
) -> Result<Option<TransferDetail>, Error> {
    let rest = "WHERE transfer = $1 AND record_id = $2 AND ($3 IS NULL OR run = $3) ORDER BY run DESC LIMIT 1";
    let mut runs: Vec<Transfer> =
        select(readers, rest, |statement| statement.bind(transfer).bind(record_id).bind(run)).await?;
    let Some(found) = runs.pop() else { return Ok(None) };
    let rest = "WHERE transfer = $1 AND record_id = $2 AND run = $3 ORDER BY path, source_file_id";
    let files = select(readers, rest, |statement| statement.bind(transfer).bind(record_id).bind(found.run)).await?;
    Ok(Some(TransferDetail { transfer: found, files }))
}

/// Which records; everything that is set must hold.
#[derive(Debug, Clone, Default)]
pub struct RecordFilter {
    /// Of this account.
    pub account: Option<String>,
    /// Of this module.
    pub module: Option<String>,
    /// With this id.
    pub record_id: Option<String>,
}

/// CRM records, most recently changed first.
///
/// # Errors
/// Database failures.
pub async fn records(readers: &Pool, filter: &RecordFilter, limit: u32) -> Result<Vec<Record>, Error> {
    let rest = "WHERE ($1 IS NULL OR account = $1) AND ($2 IS NULL OR module = $2) \
                AND ($3 IS NULL OR record_id = $3) ORDER BY position DESC LIMIT $4";
    select(readers, rest, |statement| {
        statement
            .bind(filter.account.as_deref())
            .bind(filter.module.as_deref())
            .bind(filter.record_id.as_deref())
            .bind(limit)
    })
    .await
}

/// All accounts that have events, by name.
///
/// # Errors
/// Database failures.
pub async fn accounts(readers: &Pool) -> Result<Vec<Account>, Error> {
    select(readers, "ORDER BY account", |statement| statement).await
}

/// All polls that ever ran, by name.
///
/// # Errors
/// Database failures.
pub async fn polls(readers: &Pool) -> Result<Vec<Poll>, Error> {
    select(readers, "ORDER BY poll", |statement| statement).await
}

/// All registrations there ever were, the latest change first.
///
/// # Errors
/// Database failures.
pub async fn registrations(readers: &Pool) -> Result<Vec<Registration>, Error> {
    select(readers, "ORDER BY changed_at DESC, registration_id", |statement| statement).await
}

/// Rows of a read model; `rest` follows the table's name, `bind` binds what it takes.
pub(crate) async fn select<'q, R: Row>(
    readers: &Pool,
    rest: &'static str,
    bind: impl FnOnce(Query<'q>) -> Query<'q>,
) -> Result<Vec<R>, Error> {
    let statement = format!("SELECT {} FROM {} {rest}", R::COLUMNS.join(", "), R::TABLE);
    let rows = bind(sql::query_composed(statement)).fetch_all(readers).await?;
    Ok(rows.iter().map(R::read).collect::<Result<_, _>>()?)
}
