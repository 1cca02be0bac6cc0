//! The database read from outside, by SQL alone.

use serde_json::Value;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgPool, SqlitePool};
use tokio::runtime::Runtime;

use crate::database::{Database, block_on};

/// Changes a database that no process works on.
///
/// # Panics
/// When it cannot be changed.
pub fn change(database: &Database, sql: &str) {
    let statement = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
    let changed = block_on(async {
        match database {
            Database::File(path) => {
                let mut connection = SqliteConnectOptions::new().filename(path).connect().await?;
                statement.execute(&mut connection).await?;
                connection.close().await
            }
            Database::Server(server) => {
                let mut connection = sqlx::PgConnection::connect(&server.url).await?;
                statement.execute(&mut connection).await?;
                connection.close().await
            }
        }
    });
    changed.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// A reader of a database.
#[derive(Debug)]
pub struct Log {
    runtime: Runtime,
    pool: Pool,
}

#[derive(Debug)]
enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Log {
    /// Opens the database for reading.
    ///
    /// # Panics
    /// When it cannot be opened.
    #[must_use]
    pub fn open(database: &Database) -> Self {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
        let pool = match database {
            Database::File(path) => {
                let options = SqliteConnectOptions::new().filename(path).read_only(true);
                let pool = runtime.block_on(SqlitePoolOptions::new().max_connections(1).connect_with(options));
                pool.map(Pool::Sqlite)
            }
            Database::Server(server) => {
                // Tables are replaced while this looks at them, and what was prepared before would fail.
                let options = server.url.parse().map(|options: PgConnectOptions| {
                    options.statement_cache_capacity(0).options([("default_transaction_read_only", "on")])
                });
                let connect = async |options| PgPoolOptions::new().max_connections(1).connect_with(options).await;
                options.and_then(|options| runtime.block_on(connect(options))).map(Pool::Postgres)
            }
        };
        Log { pool: pool.unwrap_or_else(|error| panic!("{database:?}: {error}")), runtime }
    }

    /// Of two texts, the one for this database.
    #[must_use]
    pub fn either<T>(&self, sqlite: T, postgres: T) -> T {
        match self.pool {
            Pool::Sqlite(_) => sqlite,
            Pool::Postgres(_) => postgres,
        }
    }

    /// One number.
    ///
    /// # Panics
    /// When the query fails.
    #[must_use]
    pub fn count(&self, sql: &str) -> u64 {
        self.try_count(sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// One number, if the database answers.
    ///
    /// # Errors
    /// When it does not, or the query is wrong.
    pub fn try_count(&self, sql: &str) -> Result<u64, sqlx::Error> {
        let count: i64 = self.runtime.block_on(async {
            match &self.pool {
                Pool::Sqlite(pool) => sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(pool).await,
                Pool::Postgres(pool) => {
                    let sql = format!("SELECT one.value::bigint FROM ({sql}) AS one (value)");
                    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(pool).await
                }
            }
        })?;
        Ok(count.cast_unsigned())
    }

    /// The first column of every row, as text.
    ///
    /// # Panics
    /// When the query fails.
    #[must_use]
    pub fn texts(&self, sql: &str) -> Vec<String> {
        let texts = self.runtime.block_on(async {
            match &self.pool {
                Pool::Sqlite(pool) => sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_all(pool).await,
                Pool::Postgres(pool) => {
                    let sql = format!("SELECT one.value::text FROM ({sql}) AS one (value)");
                    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(pool).await
                }
            }
        });
        texts.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Names of all tables.
    #[must_use]
    pub fn tables(&self) -> Vec<String> {
        self.texts(self.either(
            "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name",
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename",
        ))
    }

    /// Every row of a table as JSON, sorted.
    ///
    /// # Panics
    /// When there is no such table.
    #[must_use]
    pub fn rows(&self, table: &str) -> Vec<String> {
        assert!(self.tables().iter().any(|known| known == table), "there is no table {table}");
        let Pool::Sqlite(_) = &self.pool else {
            return self.texts(&format!("SELECT to_jsonb(row)::text COLLATE \"C\" FROM {table} AS row ORDER BY 1"));
        };
        let columns = self.texts(&format!("SELECT name FROM pragma_table_info('{table}')"));
        let quoted: Vec<String> = columns.iter().map(|column| format!("quote({column})")).collect();
        self.texts(&format!("SELECT json_array({}) FROM {table} ORDER BY 1", quoted.join(", ")))
    }

    /// The data of every event of a type, oldest first, with its stream under `stream` and its story under `story`.
    ///
    /// # Panics
    /// When the query fails.
    #[must_use]
    pub fn events(&self, event_type: &str) -> Vec<Value> {
        let data = self.either(
            "json_set(data, '$.stream', stream_name, '$.story', hex(correlation_id))",
            "data || jsonb_build_object('stream', stream_name, 'story', correlation_id)",
        );
        self.texts(&format!("SELECT {data} FROM events WHERE event_type = '{event_type}' ORDER BY global_position"))
            .iter()
            .map(|text| serde_json::from_str(text).expect("data of an event is JSON"))
            .collect()
    }

    /// Number of events of a type.
    #[must_use]
    pub fn events_of(&self, event_type: &str) -> u64 {
        self.count(&format!("SELECT count(*) FROM events WHERE event_type = '{event_type}'"))
    }

    /// Effects whose outcome is not known for good.
    #[must_use]
    pub fn open_effects(&self) -> u64 {
        self.count("SELECT count(*) FROM effects WHERE status NOT IN ('succeeded', 'failed')")
    }
}
