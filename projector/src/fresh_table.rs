//! The table a rebuild fills: made beside the live one, written at a pace that lets appends through, switched in.

mod postgres;
mod sqlite;

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use event_log::sql::{self, Dialect};
use event_log::sqlx;
use event_log::{GlobalPosition, Log, UnitOfWork, release_lease, take_lease};
use uuid::Uuid;

use crate::folder::Rows;
use crate::registry::Entry;
use crate::{Error, lock_wait};

/// How long a rebuild's claim lasts without a sign of life.
const LEASE: Duration = Duration::from_secs(60);
/// What one unit of work may take: as long as an append may have to wait for it.
const UNIT_TIME: Duration = Duration::from_millis(25);
/// Rows in one unit of work, at least and at most.
const UNIT_ROWS: Range<usize> = 128..16_384;
/// Pause before what others hinder is tried again, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long a rebuild waits for somebody who reads without an end.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

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
    /// [`Error::InUse`] where somebody reads for minutes what an earlier one left, failures of the log.
    pub(crate) async fn create(&mut self) -> Result<(), Error> {
        for left in [self.name.clone(), self.replaced()] {
            let mut patience = Patience::new();
            while let Err(error) = self.remove(&left).await {
                self.wait(&mut patience, error).await?;
            }
        }
        let (live, fresh) = (self.entry.table, self.name.clone());
        self.unit(move |unit| {
            Box::pin(async move {
                let connection = unit.connection();
                match connection.dialect() {
                    Dialect::Sqlite => sqlite::create(connection, live, &fresh).await?,
                    Dialect::Postgres => postgres::create(connection, live, &fresh).await?,
                }
                Ok(())
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
    /// [`Error::InUse`] where somebody has been reading the live table for longer than appends may wait, failures of the log.
    pub(crate) async fn switch(&mut self, position: GlobalPosition) -> Result<bool, Error> {
        let (entry, fresh, replaced) = (self.entry, self.name.clone(), self.replaced());
        self.unit(move |unit| {
            Box::pin(async move {
                let ahead = unit.checkpoint(&entry.checkpoint()).await? > position;
                if ahead && has_more(unit, position).await? {
                    return Ok(false);
                }
                let connection = unit.connection();
                match connection.dialect() {
                    Dialect::Sqlite => sqlite::switch(connection, entry.table, &fresh, &replaced).await,
                    Dialect::Postgres => postgres::switch(connection, entry.table, &fresh, &replaced).await,
                }
                .map_err(|source| failed_on(entry.table, source))?;
                unit.save_checkpoint(&entry.checkpoint(), position).await?;
                Ok(true)
            })
        })
        .await
    }

    /// Waits a little before something is tried again that failed with `error`.
    ///
    /// # Errors
    /// The same error where trying again does not help, or was in vain for minutes.
    pub(crate) async fn wait(&mut self, patience: &mut Patience, error: Error) -> Result<(), Error> {
        let Error::InUse { table } = &error else { return Err(error) };
        let Some(pause) = patience.pause() else { return Err(error) };
        tracing::warn!(projection.name = self.entry.name, "the rebuild waits until nobody reads {table} any more");
        tokio::time::sleep(pause).await;
        self.renew().await
    }

    /// Removes what is left beside the live table and gives the claim back.
    ///
    /// # Errors
    /// Failures of the log; the claim then runs out by itself.
    pub(crate) async fn release(&mut self) -> Result<(), Error> {
        for left in [self.name.clone(), self.replaced()] {
            match self.remove(&left).await {
                Err(Error::InUse { table }) => tracing::info!("{table} is being read; the next rebuild removes it"),
                removed => removed?,
            }
        }
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

    /// Removes a table in units of bounded time, if there is one.
    async fn remove(&mut self, table: &str) -> Result<(), Error> {
        let readers = self.log.database().readers();
        let exists = match readers.dialect() {
            Dialect::Sqlite => sqlite::exists(readers, table).await?,
            Dialect::Postgres => postgres::exists(readers, table).await?,
        };
        let mut gone = !exists;
        while !gone {
            let (table, rows) = (table.to_owned(), self.unit_rows);
            let removing = self.paced(move |unit| {
                Box::pin(async move {
                    let connection = unit.connection();
                    match connection.dialect() {
                        Dialect::Sqlite => sqlite::remove_some(connection, &table, rows).await,
                        Dialect::Postgres => postgres::remove_some(connection, &table, rows).await,
                    }
                    .map_err(|source| failed_on(&table, source))
                })
            });
            gone = removing.await?;
        }
        Ok(())
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

/// How long and how often a rebuild tries what others hinder by reading.
pub(crate) struct Patience {
    until: Instant,
    pause: Duration,
}

impl Patience {
    pub(crate) fn new() -> Self {
        Patience { until: Instant::now() + LONGEST_WAIT, pause: FIRST_PAUSE }
    }

    /// The time to the next try; each is twice as long, so that appends are held up ever more seldom.
    fn pause(&mut self) -> Option<Duration> {
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        (Instant::now() < self.until).then_some(pause)
    }
}

/// A failure of a statement that changes a table as such.
fn failed_on(table: &str, source: sqlx::Error) -> Error {
    if lock_wait::ran_out(&source) { Error::InUse { table: table.to_owned() } } else { source.into() }
}

async fn has_more(unit: &mut UnitOfWork<'_>, position: GlobalPosition) -> Result<bool, Error> {
    let more = sql::query_scalar("SELECT EXISTS (SELECT 1 FROM events WHERE global_position > $1)")
        .bind(position.0)
        .fetch_one(unit.connection())
        .await?;
    Ok(more)
}
