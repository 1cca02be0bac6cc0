//! Ending a run when its last effect is finished, and deciding whether the record's checkbox is set.

use catalogue::transfer::{COMPLETED, Completed, FAILED, Failed};
use event_log::sql;
use event_log::{Append, EventId, NewEvent, UnitOfWork};
use uuid::Uuid;

use super::settings::{CheckWhen, Settings};
use crate::Error;
use crate::ledger::{Effect, Kind, Verdict};

struct Totals {
    files_copied: u64,
    files_failed: u64,
    folders_failed: u64,
    bytes: u64,
}

/// Called in the unit of work that finished the last open effect of a run: ends the run.
///
/// # Errors
/// Database failures.
pub async fn close(
    unit: &mut UnitOfWork<'_>,
    settings: &Settings,
    record_id: &str,
    effect: &Effect,
    verdict: &Verdict,
) -> Result<(), Error> {
    let folder_name = folder_name(unit, settings, record_id).await?;
    if let (Kind::Locate, Verdict::Failed { code, error, .. }) = (effect.kind, verdict) {
        return fail(unit, settings, record_id, effect, &folder_name, code, error).await;
    }
    let totals = totals(unit, effect).await?;
    if totals.files_copied == 0 && totals.files_failed == 0 && totals.folders_failed == 0 {
        let error = "the source folder holds no files";
        return fail(unit, settings, record_id, effect, &folder_name, "source_folder_empty", error).await;
    }
    let complete = totals.files_failed == 0 && totals.folders_failed == 0;
    let check = totals.files_copied > 0 && (settings.check_when == CheckWhen::Any || complete);
    let data = Completed {
        transfer: settings.name.clone(),
        module: settings.module.to_string(),
        record_id: record_id.to_owned(),
        folder_name,
        run: effect.run,
        files_copied: totals.files_copied,
        files_failed: totals.files_failed,
        folders_failed: totals.folders_failed,
        bytes: totals.bytes,
        check,
    };
    tell(unit, settings, effect, NewEvent::new(COMPLETED, "decision", &data)).await?;
    let state = if check { "checking" } else { "unchecked" };
    set_state(unit, &settings.name, record_id, effect.run, state).await
}

async fn fail(
    unit: &mut UnitOfWork<'_>,
    settings: &Settings,
    record_id: &str,
    effect: &Effect,
    folder_name: &str,
    code: &str,
    error: &str,
) -> Result<(), Error> {
    tracing::warn!(
        record.id = record_id,
        folder = folder_name,
        code,
        error,
        "transfer {} of record {record_id} (folder {folder_name:?}) did not happen: {error}",
        settings.name
    );
    let data = Failed {
        transfer: settings.name.clone(),
        record_id: record_id.to_owned(),
        folder_name: folder_name.to_owned(),
        run: effect.run,
        code: code.to_owned(),
        error: error.to_owned(),
    };
    tell(unit, settings, effect, NewEvent::new(FAILED, "decision", &data)).await?;
    set_state(unit, &settings.name, record_id, effect.run, "failed").await
}

async fn tell(unit: &mut UnitOfWork<'_>, settings: &Settings, effect: &Effect, event: NewEvent) -> Result<(), Error> {
    let cause: Option<Uuid> =
        sql::query_scalar("SELECT event_id FROM events WHERE stream_name = $1 ORDER BY stream_version DESC LIMIT 1")
            .bind(effect.stream.as_str())
            .fetch_optional(unit.connection())
            .await?;
    let event = event
        .in_story(effect.correlation_id, cause.map(EventId).or(effect.causation_id))
        .of(&settings.crm, &settings.organization);
    unit.append(Append::new(effect.stream.clone(), vec![event])).await?;
    Ok(())
}

/// Moves a record's standing, unless a later run has begun.
///
/// # Errors
/// Database failures.
pub(crate) async fn set_state(
    unit: &mut UnitOfWork<'_>,
    transfer: &str,
    record_id: &str,
    run: i64,
    state: &str,
) -> Result<(), Error> {
    let now = unit.now();
    sql::query(
        "UPDATE transfer_runs SET state = $1, updated_at = $2 WHERE transfer = $3 AND record_id = $4 AND run = $5",
    )
    .bind(state)
    .bind(now)
    .bind(transfer)
    .bind(record_id)
    .bind(run)
    .execute(unit.connection())
    .await?;
    Ok(())
}

async fn folder_name(unit: &mut UnitOfWork<'_>, settings: &Settings, record_id: &str) -> Result<String, Error> {
    let name: Option<String> =
        sql::query_scalar("SELECT folder_name FROM transfer_runs WHERE transfer = $1 AND record_id = $2")
            .bind(&settings.name)
            .bind(record_id)
            .fetch_optional(unit.connection())
            .await?;
    Ok(name.unwrap_or_default())
}

async fn totals(unit: &mut UnitOfWork<'_>, effect: &Effect) -> Result<Totals, Error> {
    let row = sql::query(
        "SELECT count(*) FILTER (WHERE kind = 'file.copy' AND status = 'succeeded') AS copied, \
         count(*) FILTER (WHERE kind = 'file.copy' AND status = 'failed') AS failed, \
         count(*) FILTER (WHERE kind = 'folder.copy' AND status = 'failed') AS folders_failed, \
         CAST(coalesce(sum(bytes) FILTER (WHERE kind = 'file.copy' AND status = 'succeeded'), 0) AS BIGINT) AS bytes \
         FROM effects WHERE stream_name = $1 AND run = $2",
    )
    .bind(effect.stream.as_str())
    .bind(effect.run)
    .fetch_one(unit.connection())
    .await?;
    let count = |name: &str| row.try_get::<i64, _>(name).map(i64::cast_unsigned);
    Ok(Totals {
        files_copied: count("copied")?,
        files_failed: count("failed")?,
        folders_failed: count("folders_failed")?,
        bytes: count("bytes")?,
    })
}
