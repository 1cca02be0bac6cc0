//! The file: claimed, read as it was at one moment, never written.

use std::time::Duration;

use futures::stream::BoxStream;
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _, SqliteConnection};

use super::Error;
use super::report::Order;
use super::schema::{Table, quoted};
use crate::database::{Access, Database, RoleLock, Settings};

/// Rows read ahead: so few that payloads of MiB do not add up.
const AHEAD: usize = 16;

/// The file in one read transaction.
pub(super) struct Source {
    name: String,
    connection: SqliteConnection,
    /// SQLite's count of commits by other connections, as this one saw it at the beginning.
    version: i64,
    _claimed: RoleLock,
}

impl Source {
    /// Opens the file and claims the work on it.
    ///
    /// # Errors
    /// Those of [`Database::open`] and [`Database::lock_roles`].
    pub(super) async fn open(url: &str) -> Result<Self, Error> {
        let bad_url = || crate::Error::BadUrl("the source must be sqlite:<path>".to_owned());
        if !url.starts_with("sqlite:") {
            return Err(bad_url().into());
        }
        let database = Database::open(&Settings::new(url, Access::ReadOnly)).await?;
        let name = database.name();
        let path = database.file().ok_or_else(bad_url)?;
        let claimed = database.lock_roles()?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .pragma("query_only", "on")
            .pragma("cache_size", "-16384")
            .busy_timeout(Duration::from_secs(10))
            .row_buffer_size(AHEAD)
            .disable_statement_logging();
        let mut connection = options.connect().await.map_err(|error| crate::Error::opening(&name, error))?;
        database.readers().close().await;
        // What is read first makes the transaction see the file as it is now, whatever is committed later.
        sqlx::raw_sql("BEGIN; SELECT count(*) FROM sqlite_schema").fetch_all(&mut connection).await?;
        let version = sqlx::query_scalar("PRAGMA data_version").fetch_one(&mut connection).await?;
        Ok(Source { name, connection, version, _claimed: claimed })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Every table with its columns.
    pub(super) async fn tables(&mut self) -> Result<Vec<(String, Vec<String>)>, Error> {
        let rows = sqlx::query(
            "SELECT t.name, c.name FROM sqlite_schema t JOIN pragma_table_info(t.name) c \
             WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY t.name, c.cid",
        )
        .fetch_all(&mut self.connection)
        .await?;
        let mut tables: Vec<(String, Vec<String>)> = Vec::new();
        for row in rows {
            let (table, column): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            match tables.last_mut() {
                Some((last, columns)) if *last == table => columns.push(column),
                _ => tables.push((table, vec![column])),
            }
        }
        Ok(tables)
    }

    pub(super) async fn count(&mut self, table: &Table) -> Result<u64, Error> {
        let count = AssertSqlSafe(format!("SELECT count(*) FROM {}", quoted(&table.name)));
        Ok(sqlx::query_scalar::<_, i64>(count).fetch_one(&mut self.connection).await?.cast_unsigned())
    }

    /// The rows of a table in the order of its key, from one after `after` where that is given.
    pub(super) fn rows(&mut self, table: &Table, after: Option<i64>) -> BoxStream<'_, Result<SqliteRow, sqlx::Error>> {
        sqlx::query(AssertSqlSafe(table.select(after))).fetch(&mut self.connection)
    }

    /// One event.
    pub(super) async fn event(&mut self, events: &Table, position: i64) -> Result<Option<SqliteRow>, Error> {
        let select = events.select(Some(position - 1)) + " LIMIT 1";
        Ok(sqlx::query(AssertSqlSafe(select)).fetch_optional(&mut self.connection).await?)
    }

    pub(super) async fn order(&mut self) -> Result<Order, Error> {
        let row = sqlx::query(Order::SELECT).fetch_one(&mut self.connection).await?;
        Ok(Order {
            first_position: row.try_get(0)?,
            last_position: row.try_get(1)?,
            missing_positions: row.try_get(2)?,
            streams: row.try_get(3)?,
            streams_with_gaps: row.try_get(4)?,
        })
    }

    /// Ends the transaction and looks whether somebody has written since it began.
    ///
    /// # Errors
    /// [`Error::SourceChanged`].
    pub(super) async fn check_unchanged(&mut self) -> Result<(), Error> {
        sqlx::raw_sql("COMMIT; SELECT count(*) FROM sqlite_schema").fetch_all(&mut self.connection).await?;
        let version: i64 = sqlx::query_scalar("PRAGMA data_version").fetch_one(&mut self.connection).await?;
        if version == self.version { Ok(()) } else { Err(Error::SourceChanged { from: self.name.clone() }) }
    }
}
