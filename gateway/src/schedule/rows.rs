//! Statements over `schedules`: when each poll runs next, kept over restarts.

use chrono::{DateTime, Utc};
use event_log::Error;
use event_log::sql::{self, Connection};
use event_log::sqlx;
use service::config::Schedule;

use super::{next_run, written};

/// The trigger of the first run of a new schedule.
pub(crate) const START: &str = "start";
/// The trigger of a run after a time in which no live registration announced changes.
pub(crate) const GAP: &str = "gap";
/// The trigger of a run at its time.
pub(crate) const SCHEDULE: &str = "schedule";

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) spec: String,
    pub(crate) timezone: String,
    pub(crate) next_run_at: Option<DateTime<Utc>>,
    /// Why the next run happens, where that is not its time.
    pub(crate) wanted_trigger: Option<String>,
    /// Failed attempts in a row.
    pub(crate) failures: i64,
}

impl Row {
    pub(crate) fn is_due(&self, now: DateTime<Utc>) -> bool {
        self.next_run_at.is_some_and(|due| due <= now)
    }

    /// Whether the row was made for this schedule, and not for an earlier one of the same name.
    pub(crate) fn is_for(&self, schedule: &Schedule) -> bool {
        let (spec, timezone) = written(schedule);
        self.spec == spec && self.timezone == timezone
    }
}

/// The row of one schedule.
pub(crate) async fn load(executor: impl Into<sql::Target<'_>>, name: &str) -> Result<Option<Row>, Error> {
    let row = sql::query(
        "SELECT spec, timezone, next_run_at, wanted_trigger, failures FROM schedules WHERE schedule_name = $1",
    )
    .bind(name)
    .fetch_optional(executor)
    .await?;
    Ok(row.as_ref().map(read).transpose()?)
}

fn read(row: &sql::Row) -> Result<Row, sqlx::Error> {
    Ok(Row {
        spec: row.try_get("spec")?,
        timezone: row.try_get("timezone")?,
        next_run_at: row.try_get("next_run_at")?,
        wanted_trigger: row.try_get("wanted_trigger")?,
        failures: row.try_get("failures")?,
    })
}

/// Makes the row, or brings it to a changed schedule. A new schedule runs at once; a changed one at its next time,
/// except for a run that is wanted for another reason.
pub(crate) async fn settle(
    connection: &mut Connection,
    now: DateTime<Utc>,
    name: &str,
    schedule: &Schedule,
) -> Result<Row, Error> {
    let (spec, timezone) = written(schedule);
    let next = next_run(schedule, now, now);
    sql::query(
        "INSERT INTO schedules (schedule_name, spec, timezone, next_run_at, wanted_trigger) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (schedule_name) DO UPDATE SET spec = excluded.spec, timezone = excluded.timezone, \
         next_run_at = CASE WHEN schedules.wanted_trigger IS NULL THEN $6 ELSE schedules.next_run_at END \
         WHERE schedules.spec <> excluded.spec OR schedules.timezone <> excluded.timezone",
    )
    .bind(name)
    .bind(spec)
    .bind(timezone)
    .bind(now)
    .bind(START)
    .bind(next)
    .execute(&mut *connection)
    .await?;
    let row = load(connection, name).await?;
    Ok(row.ok_or(sqlx::Error::RowNotFound)?)
}

/// Wants a run as soon as possible, for another reason than its time.
pub(crate) async fn want(
    connection: &mut Connection,
    now: DateTime<Utc>,
    name: &str,
    trigger: &str,
) -> Result<(), Error> {
    sql::query(
        "UPDATE schedules SET next_run_at = $2, wanted_trigger = coalesce(wanted_trigger, $3) WHERE schedule_name = $1",
    )
    .bind(name)
    .bind(now)
    .bind(trigger)
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes the beginning of a run, and returns its number; `resumed` goes on with an earlier one.
pub(crate) async fn begin(
    connection: &mut Connection,
    now: DateTime<Utc>,
    name: &str,
    resumed: Option<i64>,
) -> Result<i64, Error> {
    let run = sql::query_scalar(
        "UPDATE schedules SET last_started_at = $2, wanted_trigger = NULL, \
         runs = CASE WHEN $3 IS NULL THEN runs + 1 ELSE runs END WHERE schedule_name = $1 \
         RETURNING coalesce($3, runs)",
    )
    .bind(name)
    .bind(now)
    .bind(resumed)
    .fetch_one(connection)
    .await?;
    Ok(run)
}

/// The number of a run that a person asked for; when the next one happens does not change.
pub(crate) async fn begin_manual(connection: &mut Connection, name: &str) -> Result<i64, Error> {
    let run = sql::query_scalar("UPDATE schedules SET runs = runs + 1 WHERE schedule_name = $1 RETURNING runs")
        .bind(name)
        .fetch_one(connection)
        .await?;
    Ok(run)
}

/// Notes that a run is done. A run that was wanted meanwhile stays wanted.
pub(crate) async fn complete(
    connection: &mut Connection,
    now: DateTime<Utc>,
    name: &str,
    next: Option<DateTime<Utc>>,
) -> Result<(), Error> {
    sql::query(
        "UPDATE schedules SET last_finished_at = $2, last_outcome = 'completed', last_error = NULL, failures = 0, \
         next_run_at = CASE WHEN wanted_trigger IS NULL THEN $3 ELSE next_run_at END WHERE schedule_name = $1",
    )
    .bind(name)
    .bind(now)
    .bind(next)
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes that a run failed and is to be tried again.
pub(crate) async fn fail(
    connection: &mut Connection,
    now: DateTime<Utc>,
    name: &str,
    error: &str,
    retry_at: DateTime<Utc>,
) -> Result<(), Error> {
    sql::query(
        "UPDATE schedules SET last_finished_at = $2, last_outcome = 'failed', last_error = $3, \
         failures = failures + 1, next_run_at = $4 WHERE schedule_name = $1",
    )
    .bind(name)
    .bind(now)
    .bind(error)
    .bind(retry_at)
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes that nothing can run until a person changes the configuration or the provider's side; `None` takes it back.
pub(crate) async fn mark_misconfigured(
    connection: &mut Connection,
    name: &str,
    error: Option<&str>,
) -> Result<(), Error> {
    sql::query(
        "UPDATE schedules SET last_outcome = CASE WHEN $2 IS NULL THEN NULL ELSE 'misconfigured' END, last_error = $2 \
         WHERE schedule_name = $1 AND ($2 IS NOT NULL OR last_outcome = 'misconfigured')",
    )
    .bind(name)
    .bind(error)
    .execute(connection)
    .await?;
    Ok(())
}

/// The names of all schedules that begin so.
pub(crate) async fn names(executor: impl Into<sql::Target<'_>>, prefix: &str) -> Result<Vec<String>, Error> {
    Ok(sql::query_scalar("SELECT schedule_name FROM schedules WHERE schedule_name LIKE $1 || '%'")
        .bind(prefix)
        .fetch_all(executor)
        .await?)
}

/// Forgets schedules of things that are no more.
pub(crate) async fn remove(connection: &mut Connection, names: &[String]) -> Result<(), Error> {
    sql::query("DELETE FROM schedules WHERE schedule_name IN (SELECT value FROM json_each($1))")
        .bind(sql::list(names.iter().cloned()))
        .execute(connection)
        .await?;
    Ok(())
}
