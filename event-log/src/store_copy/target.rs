//! The database: kept to oneself while it is filled, marked as unfinished until everything was compared.

use std::time::{Duration, Instant};

use futures::stream::BoxStream;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

use super::Error;
use super::cell::Cell;
use super::report::{Order, Tables};
use super::schema::{self, MARK, Table, quoted};
use super::source::Source;
use crate::database::{WRITE_LOCK, connect_to_fill};
use crate::migrations;

/// How long to wait for the sessions of processes that have just ended, and for locks.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pause before sessions are looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// Tables that a refusal names.
const NAMED: usize = 5;

/// What is in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing, or the beginning of a copy of this store.
    Beginning,
    /// As many events as the file has, and no mark: an earlier run may have finished.
    Whole,
}

/// The database, over one connection that holds the lock of all writers.
pub(super) struct Target {
    name: String,
    connection: PgConnection,
}

impl Target {
    /// Connects, keeps every writer out, and makes the tables where there are none.
    ///
    /// # Errors
    /// [`Error::InUse`] when writers do not let go; those of opening a database.
    pub(super) async fn open(url: &str) -> Result<Self, Error> {
        let (connection, name) = connect_to_fill(url).await?;
        let mut target = Target { name, connection };
        target.keep_out_writers().await?;
        let missing = migrations::missing_on_postgres(&mut target.connection, &target.name).await?;
        if missing > 0 {
            // Tables that are in use belong to whoever uses them, and are brought up to date by them.
            if target.has_events().await? {
                return Err(crate::Error::Behind { database: target.name, missing }.into());
            }
            migrations::run_on_postgres(&mut target.connection, &target.name, missing).await?;
        }
        Ok(target)
    }

    /// Connects for reading what is there at this moment.
    ///
    /// # Errors
    /// [`crate::Error::UnfinishedCopy`], and those of opening a database.
    pub(super) async fn open_to_look(url: &str) -> Result<Self, Error> {
        let (mut connection, name) = connect_to_fill(url).await?;
        let missing = migrations::missing_on_postgres(&mut connection, &name).await?;
        if missing > 0 {
            return Err(crate::Error::Behind { database: name, missing }.into());
        }
        let mut target = Target { name, connection };
        if target.is_marked().await? {
            return Err(crate::Error::UnfinishedCopy { database: target.name }.into());
        }
        let begin = "SET enable_sort = off; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        target.run(begin).await?;
        Ok(target)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    pub(super) async fn tables(&mut self) -> Result<Vec<Table>, Error> {
        schema::tables(&mut self.connection).await
    }

    /// Looks at what is there; nothing is changed.
    ///
    /// # Errors
    /// [`Error::NotEmpty`], [`Error::AnotherSource`].
    pub(super) async fn found(&mut self, source: &mut Source, tables: &Tables) -> Result<Found, Error> {
        let marked = self.is_marked().await?;
        let filled = self.filled(tables).await?;
        if filled.is_empty() {
            return Ok(Found::Beginning);
        }
        let unlike = match tables.list.iter().find(|one| one.table.is_events()) {
            Some(events) => self.unlike_event(source, &events.table).await?,
            None => None,
        };
        if !marked {
            let in_file = tables.list.iter().find(|one| one.table.is_events()).map_or(0, |one| one.rows);
            let whole = unlike.is_none() && self.count(schema::EVENTS).await? == in_file;
            return if whole { Ok(Found::Whole) } else { Err(self.not_empty(tables).await?) };
        }
        let Some(position) = unlike else { return Ok(Found::Beginning) };
        let select = AssertSqlSafe(format!("SELECT copied_from FROM {MARK}"));
        let copied_from: Option<String> = sqlx::query_scalar(select).fetch_optional(&mut self.connection).await?;
        let copied_from = copied_from.unwrap_or_else(|| "unknown".to_owned());
        Err(Error::AnotherSource { target: self.name.clone(), copied_from, position })
    }

    /// The refusal of a database that holds something else.
    pub(super) async fn not_empty(&mut self, tables: &Tables) -> Result<Error, Error> {
        let filled = self.filled(tables).await?;
        let mut found = Vec::new();
        for table in filled.iter().take(NAMED) {
            found.push(format!("{} rows in {table}", self.count(table).await?));
        }
        if filled.len() > NAMED {
            found.push(format!("rows in {} more tables", filled.len() - NAMED));
        }
        Ok(Error::NotEmpty { target: self.name.clone(), found: found.join(", ") })
    }

    /// Marks the database as unfinished, from when on nobody opens it, and looks whether somebody has before.
    ///
    /// # Errors
    /// [`Error::InUse`], [`Error::NotAllowed`].
    pub(super) async fn begin(&mut self, from: &str, tables: &Tables) -> Result<(), Error> {
        self.check_allowed(tables).await?;
        let is_new = !self.is_marked().await?;
        if is_new {
            let mut transaction = self.connection.begin().await?;
            let create = format!("CREATE TABLE {MARK} (copied_from text NOT NULL, begun_at timestamptz NOT NULL)");
            sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut *transaction).await?;
            let insert = format!("INSERT INTO {MARK} (copied_from, begun_at) VALUES ($1, now())");
            sqlx::query(AssertSqlSafe(insert)).bind(from).execute(&mut *transaction).await?;
            transaction.commit().await?;
        }
        if let Err(in_use) = self.check_unused().await {
            if is_new {
                self.finish().await?;
            }
            return Err(in_use);
        }
        Ok(())
    }

    /// Lets everybody open the database.
    pub(super) async fn finish(&mut self) -> Result<(), Error> {
        self.run(&format!("DROP TABLE {MARK}")).await
    }

    /// Lets the server learn what the tables hold, which it would do later by itself.
    pub(super) async fn analyze(&mut self, tables: &Tables) -> Result<(), Error> {
        for one in &tables.list {
            self.run(&format!("ANALYZE {}", quoted(&one.table.name))).await?;
        }
        Ok(())
    }

    pub(super) async fn count(&mut self, table: &str) -> Result<u64, Error> {
        let count = AssertSqlSafe(format!("SELECT count(*) FROM {}", quoted(table)));
        Ok(sqlx::query_scalar::<_, i64>(count).fetch_one(&mut self.connection).await?.cast_unsigned())
    }

    /// The position of the last event; 0 where there is none.
    pub(super) async fn last_position(&mut self) -> Result<i64, Error> {
        let last = sqlx::query_scalar("SELECT coalesce(max(global_position), 0) FROM events");
        Ok(last.fetch_one(&mut self.connection).await?)
    }

    /// The rows of a table in the order of its key.
    pub(super) fn rows(&mut self, table: &Table) -> BoxStream<'_, Result<PgRow, sqlx::Error>> {
        sqlx::query(AssertSqlSafe(table.select(None))).fetch(&mut self.connection)
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

    pub(super) async fn run(&mut self, text: &str) -> Result<(), Error> {
        sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(&mut self.connection).await?;
        Ok(())
    }

    pub(super) async fn close(self) {
        let _ = self.connection.close().await;
    }

    async fn keep_out_writers(&mut self) -> Result<(), Error> {
        let lock = format!(
            "SET lock_timeout = {}; SET enable_sort = off; SELECT pg_advisory_lock({WRITE_LOCK})",
            PATIENCE.as_millis()
        );
        match self.run(&lock).await {
            Err(Error::Database(error))
                if error.as_database_error().is_some_and(|one| one.code().as_deref() == Some("55P03")) =>
            {
                let by = "another process keeps its lock for writing, maybe another migrate-store".to_owned();
                Err(Error::InUse { target: self.name.clone(), by })
            }
            locked => locked,
        }
    }

    async fn has_events(&mut self) -> Result<bool, Error> {
        let exists: bool =
            sqlx::query_scalar("SELECT to_regclass('events') IS NOT NULL").fetch_one(&mut self.connection).await?;
        Ok(exists && self.last_position().await? > 0)
    }

    async fn is_marked(&mut self) -> Result<bool, Error> {
        let marked = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL").bind(MARK);
        Ok(marked.fetch_one(&mut self.connection).await?)
    }

    /// Names of the tables that have rows.
    async fn filled(&mut self, tables: &Tables) -> Result<Vec<String>, Error> {
        let mut filled = Vec::new();
        for one in &tables.list {
            let exists = AssertSqlSafe(format!("SELECT EXISTS (SELECT 1 FROM {})", quoted(&one.table.name)));
            if sqlx::query_scalar(exists).fetch_one(&mut self.connection).await? {
                filled.push(one.table.name.clone());
            }
        }
        Ok(filled)
    }

    /// A position at which the event here is not that of the file, if the first or the last one is not.
    async fn unlike_event(&mut self, source: &mut Source, events: &Table) -> Result<Option<i64>, Error> {
        let ends: (Option<i64>, Option<i64>) =
            sqlx::query_as("SELECT min(global_position), max(global_position) FROM events")
                .fetch_one(&mut self.connection)
                .await?;
        for position in [ends.0, ends.1].into_iter().flatten() {
            let select = events.select(Some(position - 1)) + " LIMIT 1";
            let here = sqlx::query(AssertSqlSafe(select)).fetch_one(&mut self.connection).await?;
            let Some(there) = source.event(events, position).await? else { return Ok(Some(position)) };
            for (at, column) in events.columns.iter().enumerate() {
                let here = Cell::from_postgres(&here, at, column.kind).map_err(sqlx::Error::Decode)?;
                let there = Cell::from_sqlite(&there, at, column.kind).map_err(sqlx::Error::Decode)?;
                if here.fingerprint() != there.fingerprint() {
                    return Ok(Some(position));
                }
            }
        }
        Ok(None)
    }

    /// Whether the role may do all that filling needs.
    async fn check_allowed(&mut self, tables: &Tables) -> Result<(), Error> {
        let names: Vec<&str> = tables.list.iter().map(|one| one.table.name.as_str()).collect();
        let refused: Vec<String> = sqlx::query_scalar(
            "SELECT c.relname::text FROM pg_class c \
             WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()) \
             AND c.relkind = 'r' AND c.relname = ANY($1) AND (NOT has_table_privilege(c.oid, 'SELECT') \
             OR NOT has_table_privilege(c.oid, 'INSERT') OR c.relname <> 'events' AND NOT has_table_privilege(c.oid, 'TRUNCATE') \
             OR EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attidentity::text <> '' \
             AND NOT has_sequence_privilege(pg_get_serial_sequence(quote_ident(c.relname), a.attname), 'UPDATE'))) \
             ORDER BY 1",
        )
        .bind(names)
        .fetch_all(&mut self.connection)
        .await?;
        if refused.is_empty() {
            return Ok(());
        }
        Err(Error::NotAllowed { target: self.name.clone(), tables: refused.join(", ") })
    }

    /// Looks for processes that opened the database before it was marked.
    async fn check_unused(&mut self) -> Result<(), Error> {
        let begun = Instant::now();
        loop {
            let sessions: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                 AND application_name = 'gateledger' AND pid <> pg_backend_pid()",
            )
            .fetch_one(&mut self.connection)
            .await?;
            if sessions == 0 {
                return Ok(());
            }
            if begun.elapsed() >= PATIENCE {
                let by = format!("gateledger has {sessions} connection(s) to it");
                return Err(Error::InUse { target: self.name.clone(), by });
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}
