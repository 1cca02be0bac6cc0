//! The table a rebuild fills: made beside the live one, written at a pace that lets appends through, switched in.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use event_log::{GlobalPosition, Log, UnitOfWork, release_lease, take_lease};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use crate::Error;
use crate::folder::Rows;
use crate::registry::Entry;

/// How long a rebuild's claim lasts without a sign of life.
const LEASE: Duration = Duration::from_secs(60);
/// What one unit of work may take: as long as an append may have to wait for it.
const UNIT_TIME: Duration = Duration::from_millis(25);
/// Rows in one unit of work, at least and at most.
const UNIT_ROWS: Range<usize> = 128..16_384;

/// A claim on rebuilding one projection, and the table it fills.
pub(crate) struct FreshTable {
    log: Log,
    entry: Entry,
    name: String,
    holder: String,
    unit_rows: usize,
}

impl FreshTable {
    /// Claims the rebuild.
    ///
    /// # Errors
    /// [`Error::RebuildRunning`], failures of the log.
    pub(crate) async fn claim(log: &Log, entry: Entry) -> Result<Self, Error> {
        let mut fresh = FreshTable {
            log: log.clone(),
            entry,
            name: format!("{}__next", entry.table),
            holder: Uuid::now_v7().to_string(),
            unit_rows: 1024,
        };
        fresh.renew().await?;
        Ok(fresh)
    }

    /// The table's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Makes the table, in the shape of the live one; removes what an earlier rebuild left.
    ///
    /// # Errors
    /// Failures of the log.
    pub(crate) async fn create(&mut self) -> Result<(), Error> {
        self.remove(self.name.clone()).await?;
        self.remove(self.replaced()).await?;
        let (live, fresh) = (self.entry.table, self.name.clone());
        self.unit(move |unit| {
            Box::pin(async move {
                let definition: String =
                    sqlx::query_scalar("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = $1")
                        .bind(live)
                        .fetch_one(unit.connection())
                        .await?;
                let columns = definition.find('(').map_or("", |at| &definition[at..]);
                execute(unit, format!("CREATE TABLE {fresh} {columns}")).await
            })
        })
        .await
    }

    /// Writes rows in as many units of work as it takes for none to be long.
    ///
    /// # Errors
    /// [`Error::RebuildRunning`] when the claim ran out and was taken, failures of the log.
    pub(crate) async fn write(&mut self, rows: &Arc<dyn Rows>) -> Result<(), Error> {
        let mut from = 0;
        while from < rows.len() {
            let these = from..rows.len().min(from + self.unit_rows);
            from = these.end;
            let rows = rows.clone();
            self.paced(move |unit| Box::pin(async move { rows.write(unit.connection(), these).await })).await?;
        }
        Ok(())
    }

    /// Prolongs the claim.
    ///
    /// # Errors
    /// [`Error::RebuildRunning`] when the claim ran out and was taken, failures of the log.
    pub(crate) async fn renew(&mut self) -> Result<(), Error> {
        self.unit(|_| Box::pin(async { Ok(()) })).await
    }

    /// Makes the table the live one, unless that one is ahead; says whether it did.
    ///
    /// # Errors
    /// Failures of the log.
    pub(crate) async fn switch(&mut self, position: GlobalPosition) -> Result<bool, Error> {
        let (entry, fresh, replaced) = (self.entry, self.name.clone(), self.replaced());
        let switched = self
            .unit(move |unit| {
                Box::pin(async move {
                    let behind = unit.checkpoint(&entry.checkpoint()).await? > position;
                    if behind && has_more(unit, position).await? {
                        return Ok(false);
                    }
                    let live = entry.table;
                    execute(unit, format!("ALTER TABLE {live} RENAME TO {replaced}")).await?;
                    execute(unit, format!("ALTER TABLE {fresh} RENAME TO {live}")).await?;
                    unit.save_checkpoint(&entry.checkpoint(), position).await?;
                    Ok(true)
                })
            })
            .await?;
        Ok(switched)
    }

    /// Removes what is left beside the live table and gives the claim back.
    ///
    /// # Errors
    /// Failures of the log; the claim then runs out by itself.
    pub(crate) async fn release(&mut self) -> Result<(), Error> {
        self.remove(self.name.clone()).await?;
        self.remove(self.replaced()).await?;
        let (lease, holder) = (self.lease(), self.holder.clone());
        self.log
            .write(move |unit| Box::pin(async move { release_lease(unit, &lease, &holder).await }))
            .await
            .map_err(Error::Log)
    }

    /// Where the live table goes when it is replaced.
    fn replaced(&self) -> String {
        format!("{}__old", self.entry.table)
    }

    fn lease(&self) -> String {
        format!("rebuild:{}", self.entry.name)
    }

    /// Empties a table in units of bounded time before it goes: dropping a large one at once would hold appends up.
    async fn remove(&mut self, table: String) -> Result<(), Error> {
        let exists: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = $1)")
                .bind(&table)
                .fetch_one(self.log.database().readers())
                .await?;
        if !exists {
            return Ok(());
        }
        let keys = key_columns(&self.log, &table).await?.join(", ");
        let delete = format!("DELETE FROM {table} WHERE ({keys}) IN (SELECT {keys} FROM {table} LIMIT $1)");
        loop {
            let (delete, limit) = (delete.clone(), self.unit_rows);
            let deleted = self
                .paced(move |unit| {
                    Box::pin(async move {
                        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
                        let query = sqlx::query(AssertSqlSafe(delete)).bind(limit);
                        Ok(query.execute(unit.connection()).await?.rows_affected())
                    })
                })
                .await?;
            if deleted == 0 {
                break;
            }
        }
        self.unit(move |unit| Box::pin(async move { execute(unit, format!("DROP TABLE {table}")).await })).await
    }

    /// A unit of work whose duration decides how many rows the next one may have.
    async fn paced<T, F>(&mut self, work: F) -> Result<T, Error>
    where
        F: for<'a, 'c> FnOnce(&'a mut UnitOfWork<'c>) -> Running<'a, T> + Send + 'static,
        T: Send + 'static,
    {
        let (value, took) = self
            .unit(|unit| {
                Box::pin(async move {
                    let started = Instant::now();
                    let value = work(unit).await?;
                    Ok((value, started.elapsed()))
                })
            })
            .await?;
        let wanted = if took > UNIT_TIME { self.unit_rows / 2 } else { self.unit_rows + self.unit_rows / 4 };
        self.unit_rows = wanted.clamp(UNIT_ROWS.start, UNIT_ROWS.end);
        Ok(value)
    }

    /// A unit of work under the claim, which it prolongs.
    async fn unit<T, F>(&mut self, work: F) -> Result<T, Error>
    where
        F: for<'a, 'c> FnOnce(&'a mut UnitOfWork<'c>) -> Running<'a, T> + Send + 'static,
        T: Send + 'static,
    {
        let (name, lease, holder) = (self.entry.name, self.lease(), self.holder.clone());
        let value = self
            .log
            .write(move |unit| {
                Box::pin(async move {
                    if !take_lease(unit, &lease, &holder, LEASE).await? {
                        return Err(Error::RebuildRunning { name });
                    }
                    work(unit).await
                })
            })
            .await?;
        Ok(value)
    }
}

type Running<'a, T> = std::pin::Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

async fn key_columns(log: &Log, table: &str) -> Result<Vec<String>, Error> {
    let columns = sqlx::query_scalar("SELECT name FROM pragma_table_info($1) WHERE pk > 0 ORDER BY pk")
        .bind(table)
        .fetch_all(log.database().readers())
        .await?;
    Ok(columns)
}

async fn has_more(unit: &mut UnitOfWork<'_>, position: GlobalPosition) -> Result<bool, Error> {
    let more = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM events WHERE global_position > $1)")
        .bind(position.0)
        .fetch_one(unit.connection())
        .await?;
    Ok(more)
}

async fn execute(unit: &mut UnitOfWork<'_>, statement: String) -> Result<(), Error> {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(unit.connection()).await?;
    Ok(())
}
