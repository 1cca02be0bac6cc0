//! How long a unit of work may wait for a table that somebody else has locked.
//!
//! The unit holds the write lock of the whole database: while it waits, nobody appends. SQLite has no locks on tables.

use event_log::sql::{self, Connection, Dialect};
use event_log::sqlx;

/// SQLSTATE `lock_not_available`, <https://www.postgresql.org/docs/current/errcodes-appendix.html> (read 2026-11).
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// Limits the waits of this unit of work, until [`lift`] or its failure; 50 ms for each lock.
///
/// # Errors
/// Database failures.
pub(crate) async fn limit(connection: &mut Connection) -> Result<(), sqlx::Error> {
    set(connection, "SET LOCAL lock_timeout = '50ms'").await
}

/// Lets the transaction wait again as it did before: it may hold other units of work.
///
/// # Errors
/// Database failures.
pub(crate) async fn lift(connection: &mut Connection) -> Result<(), sqlx::Error> {
    set(connection, "SET LOCAL lock_timeout TO DEFAULT").await
}

/// Whether the statement failed because it would have had to wait longer.
pub(crate) fn ran_out(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == LOCK_NOT_AVAILABLE)
}

async fn set(connection: &mut Connection, statement: &'static str) -> Result<(), sqlx::Error> {
    match connection.dialect() {
        Dialect::Sqlite => Ok(()),
        Dialect::Postgres => sql::run(connection, statement).await,
    }
}
