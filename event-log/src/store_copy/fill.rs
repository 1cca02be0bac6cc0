//! Copying: events in parts that stay, everything else in one transaction.

use futures::TryStreamExt as _;
use sqlx::PgConnection;
use sqlx::postgres::PgCopyIn;
use sqlx::sqlite::SqliteRow;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Error;
use super::cell::{COPY_END, COPY_HEADER, Cell};
use super::report::{Progress, Report, Step, Tables};
use super::schema::{Table, quoted};
use super::source::Source;
use super::target::Target;

/// Events committed together at most: what a killed run has to do again.
const PART_ROWS: u64 = 20_000;
/// Bytes after which a part ends, too.
const PART_BYTES: u64 = 32 * 1024 * 1024;
/// Bytes sent to the server at a time; one large row may be more.
const SEND_BYTES: usize = 256 * 1024;

/// Both sides, and who watches.
pub(super) struct Filling<'f> {
    pub(super) source: &'f mut Source,
    pub(super) target: &'f mut Target,
    pub(super) progress: &'f watch::Sender<Progress>,
    pub(super) stop: &'f CancellationToken,
}

impl Filling<'_> {
    /// Copies what is not there; returns whether it came to the end.
    pub(super) async fn run(mut self, tables: &Tables, report: &mut Report) -> Result<bool, Error> {
        self.progress.send_replace(Progress { step: Step::Copying, of: tables.rows(), ..Progress::default() });
        for one in tables.list.iter().filter(|one| one.table.is_events()) {
            if !self.events(&one.table, report).await? {
                return Ok(false);
            }
        }
        let copied = self.everything_else(tables, report).await;
        if !matches!(copied, Ok(true)) {
            // If this fails, the server does it as soon as the connection is gone.
            let _ = self.target.run("ROLLBACK").await;
        }
        copied
    }

    /// Events after the last one that is there, each part for itself.
    async fn events(&mut self, table: &Table, report: &mut Report) -> Result<bool, Error> {
        let after = self.target.last_position().await?;
        let already = self.target.count(&table.name).await?;
        self.progress.send_modify(|progress| {
            progress.table.clone_from(&table.name);
            progress.rows += already;
        });
        let mut rows = self.source.rows(table, (after > 0).then_some(after));
        let mut next = rows.try_next().await?;
        while next.is_some() {
            let mut part = CopyIn::begin(self.target.connection(), table).await?;
            while let Some(row) = next.take() {
                if self.stop.is_cancelled() {
                    part.abandon().await?;
                    return Ok(false);
                }
                part.add(&row).await?;
                self.progress.send_modify(|progress| progress.rows += 1);
                next = rows.try_next().await?;
                if part.rows >= PART_ROWS || part.bytes >= PART_BYTES {
                    break;
                }
            }
            count(report, table, part.finish().await?);
        }
        Ok(true)
    }

    /// Every other table, from the beginning: rows that an earlier run left may have changed in the file since.
    async fn everything_else(&mut self, tables: &Tables, report: &mut Report) -> Result<bool, Error> {
        let others: Vec<&Table> = tables.list.iter().map(|one| &one.table).filter(|table| !table.is_events()).collect();
        let names: Vec<String> = others.iter().map(|table| quoted(&table.name)).collect();
        self.target.run("BEGIN").await?;
        self.target.run(&format!("TRUNCATE leases, {}", names.join(", "))).await?;
        let mut copied = Vec::with_capacity(others.len());
        for table in &others {
            self.progress.send_modify(|progress| progress.table.clone_from(&table.name));
            let mut rows = self.source.rows(table, None);
            let mut copy = CopyIn::begin(self.target.connection(), table).await?;
            while let Some(row) = rows.try_next().await? {
                if self.stop.is_cancelled() {
                    copy.abandon().await?;
                    return Ok(false);
                }
                copy.add(&row).await?;
                self.progress.send_modify(|progress| progress.rows += 1);
            }
            copied.push((*table, copy.finish().await?));
            drop(rows);
            self.number_on(table).await?;
        }
        self.target.run("COMMIT").await?;
        copied.into_iter().for_each(|(table, rows)| count(report, table, rows));
        Ok(true)
    }

    /// Lets the database go on numbering after the highest number there is.
    async fn number_on(&mut self, table: &Table) -> Result<(), Error> {
        for column in table.columns.iter().filter(|column| column.is_identity) {
            let (name, column) = (quoted(&table.name), quoted(&column.name));
            let text = |name: &str| name.replace('\'', "''");
            self.target
                .run(&format!(
                    "SELECT setval(pg_get_serial_sequence('{}', '{}'), coalesce(max({column}), 1), max({column}) IS NOT NULL) \
                     FROM {name}",
                    text(&name),
                    text(column.trim_matches('"')),
                ))
                .await?;
        }
        Ok(())
    }
}

fn count(report: &mut Report, table: &Table, copied: u64) {
    report.copied_rows += copied;
    report.table(&table.name).copied_rows += copied;
}

/// A COPY that is going on.
struct CopyIn<'c> {
    table: &'c Table,
    copy: PgCopyIn<&'c mut PgConnection>,
    data: Vec<u8>,
    rows: u64,
    bytes: u64,
}

impl<'c> CopyIn<'c> {
    async fn begin(connection: &'c mut PgConnection, table: &'c Table) -> Result<Self, Error> {
        let copy =
            connection.copy_in_raw(&table.copy_in()).await.map_err(|error| Error::refused(&table.name, error))?;
        Ok(CopyIn { table, copy, data: COPY_HEADER.to_vec(), rows: 0, bytes: 0 })
    }

    async fn add(&mut self, row: &SqliteRow) -> Result<(), Error> {
        let before = self.data.len();
        self.data.extend_from_slice(&i16::try_from(self.table.columns.len()).unwrap_or(i16::MAX).to_be_bytes());
        for (at, column) in self.table.columns.iter().enumerate() {
            let cell =
                Cell::from_sqlite(row, at, column.kind).map_err(|error| self.table.unreadable(row, at, error))?;
            cell.add_to_copy(&mut self.data);
        }
        self.rows += 1;
        self.bytes += (self.data.len() - before) as u64;
        if self.data.len() >= SEND_BYTES {
            self.send().await?;
        }
        Ok(())
    }

    async fn send(&mut self) -> Result<(), Error> {
        self.copy.send(&*self.data).await.map_err(|error| Error::refused(&self.table.name, error))?;
        self.data.clear();
        Ok(())
    }

    /// Ends it; returns how many rows the server took.
    async fn finish(mut self) -> Result<u64, Error> {
        self.data.extend_from_slice(&COPY_END);
        self.send().await?;
        self.copy.finish().await.map_err(|error| Error::refused(&self.table.name, error))
    }

    /// Ends it with none of its rows.
    async fn abandon(self) -> Result<(), Error> {
        Ok(self.copy.abort("interrupted").await?)
    }
}
