//! What is known of each endpoint: since when it is told, whether it still wants to be, and what it was not told.

use catalogue::notify::{RESUMED, Resumed, STOPPED, Stopped, stream};
use event_log::sql::{self, Connection, Pool};
use event_log::{Append, GlobalPosition, Log, NewEvent, UnitOfWork};
use service::config::NotifyFrom;

use super::settings::{Endpoints, Settings};
use crate::Error;
use crate::consumer::Consumer;

/// How an endpoint stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    /// Later events are told as they come.
    pub(super) since: GlobalPosition,
    /// It said that it wants nothing more.
    pub(super) is_stopped: bool,
}

/// Notes new endpoints as of now, goes on with stopped ones that have another address, and lets the subscription begin where
/// the first of them does.
///
/// # Errors
/// Database failures.
pub(super) async fn register(unit: &mut UnitOfWork<'_>, endpoints: &Endpoints) -> Result<(), Error> {
    let head = head(unit.connection()).await?;
    let now = unit.now();
    let mut first: Option<GlobalPosition> = None;
    for endpoint in endpoints.all() {
        let history = (endpoint.from == NotifyFrom::Beginning).then_some(0_i64);
        sql::query(
            "INSERT INTO notify_endpoints (endpoint, first_seen_at, since_position, history_position, history_until) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (endpoint) DO NOTHING",
        )
        .bind(&endpoint.name)
        .bind(now)
        .bind(head.0)
        .bind(history)
        .bind(history.map(|_| head.0))
        .execute(unit.connection())
        .await?;
        let moved: bool = sql::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM notify_endpoints WHERE endpoint = $1 AND stopped_at IS NOT NULL \
             AND stopped_address <> $2)",
        )
        .bind(&endpoint.name)
        .bind(&endpoint.address)
        .fetch_one(unit.connection())
        .await?;
        if moved {
            go_on(unit, endpoint, "decision").await?;
        }
        if let Some(standing) = standing(unit.connection(), &endpoint.name).await? {
            first = Some(first.map_or(standing.since, |first| first.min(standing.since)));
        }
    }
    // Nobody is told what was before: it need not be looked at.
    if let Some(first) = first {
        let name = Consumer::Notify.name();
        if unit.checkpoint(name).await? < first {
            unit.save_checkpoint(name, first).await?;
        }
    }
    Ok(())
}

/// How an endpoint stands; absent: it was never in the settings of a running process.
///
/// # Errors
/// Database failures.
pub(super) async fn standing(connection: &mut Connection, endpoint: &str) -> Result<Option<Standing>, Error> {
    let row = sql::query(
        "SELECT since_position, stopped_at IS NOT NULL AS is_stopped FROM notify_endpoints WHERE endpoint = $1",
    )
    .bind(endpoint)
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let since = GlobalPosition(row.try_get("since_position")?);
    Ok(Some(Standing { since, is_stopped: row.try_get("is_stopped")? }))
}

/// Whether an endpoint said that it wants nothing more.
///
/// # Errors
/// Database failures.
pub(super) async fn is_stopped(readers: &Pool, endpoint: &str) -> Result<bool, Error> {
    Ok(sql::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM notify_endpoints WHERE endpoint = $1 AND stopped_at IS NOT NULL)",
    )
    .bind(endpoint)
    .fetch_one(readers)
    .await?)
}

/// A stopped endpoint was not told this event.
///
/// # Errors
/// Database failures.
pub(super) async fn note_missed(
    unit: &mut UnitOfWork<'_>,
    endpoint: &str,
    position: GlobalPosition,
) -> Result<(), Error> {
    sql::query(
        "UPDATE notify_endpoints SET missed_after = $1 \
         WHERE endpoint = $2 AND (missed_after IS NULL OR missed_after > $1)",
    )
    .bind(position.0 - 1)
    .bind(endpoint)
    .execute(unit.connection())
    .await?;
    Ok(())
}

/// The endpoint has one more.
///
/// # Errors
/// Database failures.
pub(super) async fn delivered(unit: &mut UnitOfWork<'_>, endpoint: &str) -> Result<(), Error> {
    let now = unit.now();
    sql::query("UPDATE notify_endpoints SET delivered = delivered + 1, last_delivered_at = $1 WHERE endpoint = $2")
        .bind(now)
        .bind(endpoint)
        .execute(unit.connection())
        .await?;
    Ok(())
}

/// The endpoint wants nothing more. What waits for it comes due, and becomes dead letters without being sent.
///
/// # Errors
/// Database failures.
pub(super) async fn stop(unit: &mut UnitOfWork<'_>, endpoint: &Settings, reason: &str) -> Result<(), Error> {
    let now = unit.now();
    let stopped = sql::query(
        "UPDATE notify_endpoints SET stopped_at = $1, stopped_address = $2 WHERE endpoint = $3 AND stopped_at IS NULL",
    )
    .bind(now)
    .bind(&endpoint.address)
    .bind(&endpoint.name)
    .execute(unit.connection())
    .await?;
    if stopped == 0 {
        return Ok(());
    }
    sql::query(
        "UPDATE effects SET not_before = $1 WHERE account = $2 AND status IN ('planned', 'unknown') AND not_before > $1",
    )
    .bind(now)
    .bind(endpoint.ledger_account())
    .execute(unit.connection())
    .await?;
    let data = Stopped { endpoint: endpoint.name.clone(), reason: reason.to_owned() };
    let event = NewEvent::new(STOPPED, "effect", &data).of(endpoint.ledger_account(), endpoint.organization.as_str());
    unit.append(Append::new(stream(&endpoint.name), vec![event])).await?;
    tracing::error!(
        endpoint = endpoint.name,
        "endpoint {} wants nothing more ({reason}); `notify resume` goes on, or another url",
        endpoint.name
    );
    Ok(())
}

/// What became of a wish to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resumption {
    /// It is told again what happens; events after this position were missed and are planned now.
    Resumed {
        /// The position; absent: nothing was missed.
        missed_after: Option<GlobalPosition>,
    },
    /// It was not stopped.
    NotStopped,
}

/// Goes on with an endpoint that had said that it wants nothing more: also with what it missed meanwhile. What was given up
/// before are dead letters, which are sent on their way again by themselves.
///
/// # Errors
/// Database failures.
pub async fn resume(log: &Log, endpoint: &Settings) -> Result<Resumption, Error> {
    let endpoint = endpoint.clone();
    log.write(move |unit| Box::pin(async move { go_on(unit, &endpoint, "operator").await })).await
}

async fn go_on(unit: &mut UnitOfWork<'_>, endpoint: &Settings, source: &'static str) -> Result<Resumption, Error> {
    let row = sql::query(
        "SELECT missed_after, history_position FROM notify_endpoints WHERE endpoint = $1 AND stopped_at IS NOT NULL",
    )
    .bind(&endpoint.name)
    .fetch_optional(unit.connection())
    .await?;
    let Some(row) = row else { return Ok(Resumption::NotStopped) };
    let (missed_after, history): (Option<i64>, Option<i64>) =
        (row.try_get("missed_after")?, row.try_get("history_position")?);
    let head = head(unit.connection()).await?;
    // A stretch that is still to be planned is joined; what is in both is recognised.
    let from = missed_after.map(|missed| history.map_or(missed, |history| history.min(missed)));
    sql::query(
        "UPDATE notify_endpoints SET stopped_at = NULL, stopped_address = NULL, missed_after = NULL, \
         history_position = coalesce($1, history_position), history_until = CASE WHEN $1 IS NULL THEN history_until \
         ELSE $2 END WHERE endpoint = $3",
    )
    .bind(from)
    .bind(head.0)
    .bind(&endpoint.name)
    .execute(unit.connection())
    .await?;
    let data = Resumed { endpoint: endpoint.name.clone(), missed_after };
    let event = NewEvent::new(RESUMED, source, &data).of(endpoint.ledger_account(), endpoint.organization.as_str());
    unit.append(Append::new(stream(&endpoint.name), vec![event])).await?;
    Ok(Resumption::Resumed { missed_after: missed_after.map(GlobalPosition) })
}

/// A stretch of the log that is still to be planned for an endpoint: after the first position, up to the second.
///
/// # Errors
/// Database failures.
pub(super) async fn history(
    connection: &mut Connection,
    endpoint: &str,
) -> Result<Option<(GlobalPosition, GlobalPosition)>, Error> {
    let row = sql::query(
        "SELECT history_position, history_until FROM notify_endpoints \
         WHERE endpoint = $1 AND history_position IS NOT NULL AND stopped_at IS NULL",
    )
    .bind(endpoint)
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let at = |column: &str| row.try_get(column).map(GlobalPosition);
    Ok(Some((at("history_position")?, at("history_until")?)))
}

/// The stretch is planned up to here; absent: to its end.
///
/// # Errors
/// Database failures.
pub(super) async fn save_history(
    unit: &mut UnitOfWork<'_>,
    endpoint: &str,
    position: Option<GlobalPosition>,
) -> Result<(), Error> {
    sql::query(
        "UPDATE notify_endpoints SET history_position = $1, \
         history_until = CASE WHEN $1 IS NULL THEN NULL ELSE history_until END WHERE endpoint = $2",
    )
    .bind(position.map(|position| position.0))
    .bind(endpoint)
    .execute(unit.connection())
    .await?;
    Ok(())
}

async fn head(connection: &mut Connection) -> Result<GlobalPosition, Error> {
    let head: i64 =
        sql::query_scalar("SELECT coalesce(max(global_position), 0) FROM events").fetch_one(connection).await?;
    Ok(GlobalPosition(head))
}
