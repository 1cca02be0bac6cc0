//! The writer's transaction on either database.

use sqlx::{AssertSqlSafe, Row as _};

use super::postgres::CHANNEL;
use crate::sql::{self, Connection, Driver};
use crate::{Error, GlobalPosition};

/// Who holds it may append: `gateledg` as a number, the same in every version.
pub(crate) const WRITE_LOCK: i64 = 0x6761_7465_6c65_6467;

/// Takes the database's write lock, then reads the last position under it.
///
/// On PostgreSQL each of the statements sees what was committed before it, so the last position is read after the
/// holder before us has committed.
///
/// # Errors
/// Database failures.
pub(crate) async fn begin(connection: &mut Connection) -> Result<GlobalPosition, Error> {
    const LAST: &str = "SELECT coalesce(max(global_position), 0) FROM events";
    let last: i64 = match connection.driver() {
        Driver::Sqlite(sqlite) => {
            let begin = AssertSqlSafe(format!("BEGIN IMMEDIATE; {LAST}"));
            sqlx::query_scalar(begin).fetch_one(sqlite).await?
        }
        Driver::Postgres(postgres) => {
            let begin = AssertSqlSafe(format!("BEGIN; SELECT pg_advisory_xact_lock({WRITE_LOCK}); {LAST}"));
            let rows = sqlx::raw_sql(begin).fetch_all(postgres).await?;
            rows.last().ok_or(sqlx::Error::RowNotFound)?.try_get(0)?
        }
    };
    Ok(GlobalPosition(last))
}

/// Commits; `appended` is the last position where there are new events, which other processes are told.
///
/// # Errors
/// Database failures: nothing is committed then, or nobody knows.
pub(crate) async fn commit(connection: &mut Connection, appended: Option<GlobalPosition>) -> Result<(), Error> {
    let text = match (connection.dialect(), appended) {
        (sql::Dialect::Sqlite, _) => "COMMIT".to_owned(),
        (sql::Dialect::Postgres, Some(last)) => format!("SELECT pg_notify('{CHANNEL}', '{}'); COMMIT", last.0),
        // COMMIT alone would answer well where a failed statement has undone the transaction.
        (sql::Dialect::Postgres, None) => "SELECT 1; COMMIT".to_owned(),
    };
    Ok(sql::run(connection, text).await?)
}

/// Undoes the transaction, as far as there is one.
pub(crate) async fn roll_back(connection: &mut Connection) -> Result<(), Error> {
    Ok(sql::run(connection, "ROLLBACK").await?)
}

/// Begins what can be undone alone.
///
/// # Errors
/// Database failures.
pub(crate) async fn begin_unit(connection: &mut Connection) -> Result<(), Error> {
    Ok(sql::run(connection, "SAVEPOINT unit").await?)
}

/// Ends it, done or undone.
///
/// # Errors
/// Database failures: the whole transaction is lost then.
pub(crate) async fn end_unit(connection: &mut Connection, keep: bool) -> Result<(), Error> {
    let end = if keep { "RELEASE SAVEPOINT unit" } else { "ROLLBACK TO SAVEPOINT unit; RELEASE SAVEPOINT unit" };
    let is_sqlite = connection.dialect() == sql::Dialect::Sqlite;
    sql::run(connection, end).await.map_err(|source| {
        if is_sqlite {
            // SQLite rolls back the whole transaction where it cannot write.
            return Error::StorageFull { reason: format!("the transaction was given up ({source})") };
        }
        source.into()
    })
}
