//! The database read from outside, by SQL alone.

use std::path::Path;

use event_log::sql::{self, Builder};
use serde_json::Value;
use tokio::runtime::Runtime;

/// Changes a database that no process works on.
///
/// # Panics
/// When it cannot be changed.
pub fn change(path: &Path, sql: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    let changed = runtime.block_on(async {
        let mut connection = SqliteConnectOptions::new().filename(path).connect().await?;
        sql::query_composed(sql.to_owned()).execute(&mut connection).await?;
        connection.close().await
    });
    changed.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// A reader of a database file.
#[derive(Debug)]
pub struct Log {
    runtime: Runtime,
    pool: SqlitePool,
}

impl Log {
    /// Opens the file for reading.
    ///
    /// # Panics
    /// When it cannot be opened.
    #[must_use]
    pub fn open(path: &Path) -> Self {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
        let options = SqliteConnectOptions::new().filename(path).read_only(true);
        let pool = runtime
            .block_on(SqlitePoolOptions::new().max_connections(1).connect_with(options))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Log { runtime, pool }
    }

    /// One number.
    ///
    /// # Panics
    /// When the query fails.
    #[must_use]
    pub fn count(&self, sql: &str) -> u64 {
        let query = sql::query_scalar::<_, i64>(AssertSqlSafe(sql.to_owned()));
        let count = self.runtime.block_on(query.fetch_one(&self.pool));
        count.unwrap_or_else(|error| panic!("{sql}: {error}")).cast_unsigned()
    }

    /// The first column of every row, as text.
    ///
    /// # Panics
    /// When the query fails.
    #[must_use]
    pub fn texts(&self, sql: &str) -> Vec<String> {
        let rows = self.runtime.block_on(sql::query_composed(sql.to_owned()).fetch_all(&self.pool));
        let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error}"));
        rows.iter().map(|row| row.try_get(0).unwrap_or_else(|error| panic!("{sql}: {error}"))).collect()
    }

    /// Every row of a table as one JSON array, sorted.
    ///
    /// # Panics
    /// When there is no such table.
    #[must_use]
    pub fn rows(&self, table: &str) -> Vec<String> {
        let columns = self.texts(&format!("SELECT name FROM pragma_table_info('{table}')"));
        assert!(!columns.is_empty(), "there is no table {table}");
        let quoted: Vec<String> = columns.iter().map(|column| format!("quote({column})")).collect();
        self.texts(&format!("SELECT json_array({}) FROM {table} ORDER BY 1", quoted.join(", ")))
    }

    /// The data of every event of a type, oldest first, with its stream under `stream` and its story under `story`.
    ///
    /// # Panics
    /// When the query fails.
    #[must_use]
    pub fn events(&self, event_type: &str) -> Vec<Value> {
        self.texts(&format!(
            "SELECT json_set(data, '$.stream', stream_name, '$.story', hex(correlation_id)) FROM events \
             WHERE event_type = '{event_type}' ORDER BY global_position"
        ))
        .iter()
        .map(|text| serde_json::from_str(text).expect("data of an event is JSON"))
        .collect()
    }

    /// Number of events of a type.
    #[must_use]
    pub fn events_of(&self, event_type: &str) -> u64 {
        self.count(&format!("SELECT count(*) FROM events WHERE event_type = '{event_type}'"))
    }
}
