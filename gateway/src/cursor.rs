//! How far an unfinished run of a poll has come, saved with the events it covers.

use chrono::{DateTime, Utc};
use event_log::Error;
use event_log::sql::{self, Connection};

/// A run that began and did not reach its last page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// Number of the run.
    pub(crate) run: i64,
    /// Why it ran.
    pub(crate) trigger: String,
    /// The provider's id of the last row that was read; `None` before the first page.
    pub(crate) after: Option<String>,
    /// When a page was last saved.
    pub(crate) updated_at: DateTime<Utc>,
}

/// The cursor of a poll's unfinished run.
pub(crate) async fn load(connection: &mut Connection, poll: &str) -> Result<Option<Cursor>, Error> {
    let row = sql::query("SELECT run, trigger_name, cursor, updated_at FROM poll_cursors WHERE poll_name = $1")
        .bind(poll)
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Cursor {
        run: row.try_get("run")?,
        trigger: row.try_get("trigger_name")?,
        after: row.try_get("cursor")?,
        updated_at: row.try_get("updated_at")?,
    }))
}

/// Saves how far the run has come.
pub(crate) async fn save(connection: &mut Connection, poll: &str, cursor: &Cursor) -> Result<(), Error> {
    sql::query(
        "INSERT INTO poll_cursors (poll_name, run, trigger_name, cursor, updated_at) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (poll_name) DO UPDATE SET run = excluded.run, trigger_name = excluded.trigger_name, \
         cursor = excluded.cursor, updated_at = excluded.updated_at",
    )
    .bind(poll)
    .bind(cursor.run)
    .bind(&cursor.trigger)
    .bind(cursor.after.as_deref())
    .bind(cursor.updated_at)
    .execute(connection)
    .await?;
    Ok(())
}

/// Forgets the run: its last page is saved.
pub(crate) async fn clear(connection: &mut Connection, poll: &str) -> Result<(), Error> {
    sql::query("DELETE FROM poll_cursors WHERE poll_name = $1").bind(poll).execute(connection).await?;
    Ok(())
}
