//! `/api/v1/transfers`: runs of transfers, newest first, and their files.

use chrono::{DateTime, Utc};
use event_log::StreamName;
use event_log::sql::{self, Bind as _, Row};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::endpoint::{Call, Endpoint, Nothing, Reply};
use crate::page::{self, NameCursor, NumberCursor, Page};
use crate::scan::{Condition, Joined, Scan, off_index};
use crate::{Api, Caller, Problem, Role};

/// The entries of the group.
#[must_use]
pub fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get(
            "/api/v1/transfers",
            Role::Viewer,
            "listTransfers",
            "Runs of transfers, newest request first",
            list,
        ),
        Endpoint::get(
            "/api/v1/transfers/{transfer}/{record_id}/{run}",
            Role::Viewer,
            "getTransfer",
            "One run of one record's transfer",
            show,
        ),
        Endpoint::get(
            "/api/v1/transfers/{transfer}/{record_id}/{run}/files",
            Role::Viewer,
            "listTransferFiles",
            "The files of one run whose fate is known, by their id at the source",
            files,
        ),
    ]
}

/// How far a run is.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum TransferState {
    Requested,
    Located,
    Copying,
    Completed,
    Failed,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum FileState {
    Copied,
    Reused,
    Failed,
}

/// Which runs; everything that is given must hold.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Listed {
    /// Of this transfer of the configuration.
    #[schemars(length(min = 1, max = 200), example = &"contacts")]
    transfer: Option<String>,
    /// Of this record.
    #[schemars(length(min = 1, max = 200))]
    record_id: Option<String>,
    /// In this state.
    state: Option<TransferState>,
    /// At most this many.
    #[serde(default = "page::default_limit")]
    #[schemars(range(min = 1, max = 500))]
    limit: u32,
    /// `next_cursor` of the page before.
    cursor: Option<NumberCursor>,
}

/// Which run.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Named {
    /// The transfer's name in the configuration.
    #[schemars(example = &"contacts")]
    transfer: String,
    /// The record.
    record_id: String,
    /// Number of the run for this record, first is 1.
    #[schemars(range(min = 1))]
    run: i64,
}

/// Which files of the run.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListedFiles {
    /// In this state.
    state: Option<FileState>,
    /// At most this many.
    #[serde(default = "page::default_limit")]
    #[schemars(range(min = 1, max = 500))]
    limit: u32,
    /// `next_cursor` of the page before.
    cursor: Option<NameCursor>,
}

/// One run of one record's transfer.
#[derive(Debug, Serialize, JsonSchema)]
struct Transfer {
    /// The transfer's name in the configuration.
    transfer: String,
    /// The record.
    record_id: String,
    /// Number of the run for this record, first is 1.
    run: i64,
    /// Who owns it.
    organization: Option<String>,
    /// CRM module.
    module: Option<String>,
    /// The folder the record names.
    folder_name: Option<String>,
    /// Why it was requested: `changed`, `retry`, `operator`.
    reason: Option<String>,
    /// How far it is: `requested`, `located`, `copying`, `completed`, `failed`.
    state: String,
    /// Folders that have their counterpart.
    folders: i64,
    /// Folders that could not be read or made.
    folders_failed: i64,
    /// Files found so far.
    files_total: i64,
    /// Files at the destination.
    files_copied: i64,
    /// Files that could not be copied.
    files_failed: i64,
    /// Bytes at the destination.
    bytes: i64,
    /// Whether the record's checkbox is to be set; null until the run is complete.
    check_wished: Option<bool>,
    /// When the checkbox was set.
    checked_at: Option<DateTime<Utc>>,
    /// Stable code of why the run failed or the checkbox could not be set.
    code: Option<String>,
    /// The cause in words.
    error: Option<String>,
    /// When it was requested.
    requested_at: DateTime<Utc>,
    /// When it completed or failed.
    finished_at: Option<DateTime<Utc>>,
    /// The story.
    correlation_id: Uuid,
}

/// One file of one run.
#[derive(Debug, Serialize, JsonSchema)]
struct TransferFile {
    /// The file at the source.
    source_file_id: String,
    /// Path from the transfer's root, with the source's name.
    path: String,
    /// Name at the destination.
    name: Option<String>,
    /// The file at the destination.
    destination_file_id: Option<String>,
    /// Length.
    bytes: i64,
    /// What became of it: `copied`, `reused` (an earlier run had copied this version), `failed`.
    state: String,
    /// How sure the copy is: `verified`, `verified_by_reread`, `unverifiable`; null where nothing was copied.
    verification: Option<String>,
    /// The answer had been lost, and the copy was found by reading the destination back.
    settled: bool,
    /// Stable code of the cause of a failure.
    code: Option<String>,
    /// The cause in words.
    error: Option<String>,
    /// Attempts it took.
    attempts: i64,
    /// When its fate was recorded.
    finished_at: DateTime<Utc>,
}

macro_rules! columns {
    () => {
        "rm_transfers.transfer, rm_transfers.record_id, rm_transfers.run, rm_transfers.organization, \
         rm_transfers.module, rm_transfers.folder_name, rm_transfers.reason, rm_transfers.state, rm_transfers.folders, \
         rm_transfers.folders_failed, rm_transfers.files_total, rm_transfers.files_copied, rm_transfers.files_failed, \
         rm_transfers.bytes, rm_transfers.check_wished, rm_transfers.checked_at, rm_transfers.code, rm_transfers.error, \
         rm_transfers.requested_at, rm_transfers.finished_at, rm_transfers.correlation_id"
    };
}

/// Requests that one page looks at, at most: each leads to a row of another table.
const LOOKED_AT: u32 = 500;

/// The events that asked for a run are in order, which the read model is not; each leads to its row by key.
const BY_REQUEST: Joined =
    Joined { taken: "global_position, stream_name, stream_version, event_type, data", with: "rm_transfers" };

const SAME_RUN: &str = "rm_transfers.transfer = events.data ->> 'transfer' \
     AND rm_transfers.record_id = events.data ->> 'record_id' \
     AND rm_transfers.run = CAST(events.data ->> 'run' AS bigint)";

async fn list(call: Call<Nothing, Listed>) -> Result<Reply<Page<Transfer>>, Problem> {
    let readers = call.api.readers();
    let aside = off_index(readers);
    let Listed { transfer, record_id, state, limit, cursor } = call.query;
    let requested = catalogue::transfer::REQUESTED.as_str().to_owned();
    let mut rest = vec![Condition::fixed(SAME_RUN)];
    let (lead, key) = match (&transfer, &record_id) {
        (Some(transfer), Some(record_id)) => {
            rest.push(Condition::new(format!("{aside}events.event_type = "), requested.value()));
            let stream: StreamName = catalogue::transfer::stream(transfer, record_id);
            (("stream_name", String::from(stream).value()), "stream_version")
        }
        _ => (("event_type", requested.value()), "global_position"),
    };
    let wanted = [
        ("rm_transfers.transfer", transfer),
        ("rm_transfers.record_id", record_id),
        ("rm_transfers.state", state.map(word)),
        ("rm_transfers.organization", call.caller.organization),
    ];
    let wanted = wanted.into_iter().filter_map(|(column, value)| Some((column, value?)));
    rest.extend(wanted.map(|(column, value)| Condition::new(format!("{aside}{column} = "), value.value())));
    let scan = Scan {
        columns: columns!(),
        table: "events",
        joined: Some(BY_REQUEST),
        key,
        lead: Some(lead),
        indexed: None,
        rest,
        looked_at: LOOKED_AT,
        below: cursor.map_or(i64::MAX, |cursor| cursor.0),
        from_number: 0,
    };
    let found = scan.page(readers, limit, run).await?;
    Ok(Page { items: found.items, next_cursor: found.next.map(NumberCursor::written) }.into())
}

fn word(state: TransferState) -> String {
    match state {
        TransferState::Requested => "requested",
        TransferState::Located => "located",
        TransferState::Copying => "copying",
        TransferState::Completed => "completed",
        TransferState::Failed => "failed",
    }
    .to_owned()
}

async fn show(call: Call<Named>) -> Result<Reply<Transfer>, Problem> {
    Ok(find(&call.api, &call.caller, &call.path).await?.into())
}

async fn files(call: Call<Named, ListedFiles>) -> Result<Reply<Page<TransferFile>>, Problem> {
    let Transfer { transfer, record_id, run, .. } = find(&call.api, &call.caller, &call.path).await?;
    let ListedFiles { state, limit, cursor } = call.query;
    let state = state.map(|state| match state {
        FileState::Copied => "copied",
        FileState::Reused => "reused",
        FileState::Failed => "failed",
    });
    let rows = sql::query(
        "SELECT source_file_id, path, name, destination_file_id, bytes, state, verification, settled, code, error, \
         attempts, finished_at FROM rm_transfer_files WHERE transfer = $1 AND record_id = $2 AND run = $3 \
         AND source_file_id > $4 AND ($5 IS NULL OR state = $5) ORDER BY source_file_id LIMIT $6",
    )
    .bind(transfer)
    .bind(record_id)
    .bind(run)
    .bind(cursor.map_or(String::new(), |cursor| cursor.0))
    .bind(state)
    .bind(limit + 1)
    .fetch_all(call.api.readers())
    .await?;
    let files = rows.iter().map(file).collect::<Result<Vec<_>, _>>()?;
    Ok(Page::of(files, limit, |last| NameCursor::written(&last.source_file_id)).into())
}

/// The run, if it is within the caller's reach.
async fn find(api: &Api, caller: &Caller, named: &Named) -> Result<Transfer, Problem> {
    let what = "run of that transfer";
    let row = sql::query(concat!(
        "SELECT ",
        columns!(),
        " FROM rm_transfers WHERE transfer = $1 AND record_id = $2 AND run = $3"
    ))
    .bind(named.transfer.as_str())
    .bind(named.record_id.as_str())
    .bind(named.run)
    .fetch_optional(api.readers())
    .await?;
    let Some(row) = row else { return Err(Problem::not_found(what)) };
    let found = run(&row)?;
    caller.must_reach(found.organization.as_deref().unwrap_or_default(), what)?;
    Ok(found)
}

fn run(row: &Row) -> Result<Transfer, sqlx::Error> {
    Ok(Transfer {
        transfer: row.try_get("transfer")?,
        record_id: row.try_get("record_id")?,
        run: row.try_get("run")?,
        organization: row.try_get("organization")?,
        module: row.try_get("module")?,
        folder_name: row.try_get("folder_name")?,
        reason: row.try_get("reason")?,
        state: row.try_get("state")?,
        folders: row.try_get("folders")?,
        folders_failed: row.try_get("folders_failed")?,
        files_total: row.try_get("files_total")?,
        files_copied: row.try_get("files_copied")?,
        files_failed: row.try_get("files_failed")?,
        bytes: row.try_get("bytes")?,
        check_wished: row.try_get("check_wished")?,
        checked_at: row.try_get("checked_at")?,
        code: row.try_get("code")?,
        error: row.try_get("error")?,
        requested_at: row.try_get("requested_at")?,
        finished_at: row.try_get("finished_at")?,
        correlation_id: row.try_get("correlation_id")?,
    })
}

fn file(row: &Row) -> Result<TransferFile, sqlx::Error> {
    Ok(TransferFile {
        source_file_id: row.try_get("source_file_id")?,
        path: row.try_get("path")?,
        name: row.try_get("name")?,
        destination_file_id: row.try_get("destination_file_id")?,
        bytes: row.try_get("bytes")?,
        state: row.try_get("state")?,
        verification: row.try_get("verification")?,
        settled: row.try_get("settled")?,
        code: row.try_get("code")?,
        error: row.try_get("error")?,
        attempts: row.try_get("attempts")?,
        finished_at: row.try_get("finished_at")?,
    })
}
