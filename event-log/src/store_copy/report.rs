//! What was copied and what the comparison found, in a shape that stays.

use serde::Serialize;

use super::Error;
use super::schema::{NEVER_COPIED, Table};
use super::source::Source;

/// Differences that are named; more are counted.
const NAMED: usize = 20;

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Everything is there, and it was all compared.
    Complete,
    /// The two sides are not the same.
    Different,
    /// Asked to stop; a later run goes on.
    Interrupted,
}

/// What was done and found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// How it ended.
    pub state: State,
    /// The file.
    pub from: String,
    /// The database, without a password.
    pub to: String,
    /// Each table that is copied, events first.
    pub tables: Vec<TableReport>,
    /// Tables of the file that are none of this program's, which stay where they are.
    pub left_out: Vec<String>,
    /// Rows that this run copied.
    pub copied_rows: u64,
    /// Rows that were read back and compared.
    pub compared_rows: u64,
    /// Positions and versions on both sides, once they are compared.
    pub order: Option<Compared<Order>>,
    /// Payload bytes on both sides, once they are compared.
    pub payloads: Option<Compared<Payloads>>,
    /// Rows in which U+0000 became U+FFFD, since PostgreSQL keeps it in no text. Nothing else differs in them.
    pub replaced_zero_rows: u64,
    /// The first of them.
    pub replaced_zero_keys: Vec<String>,
    /// Rows that differ, as far as they were counted.
    pub different_rows: u64,
    /// The first of them.
    pub differences: Vec<Difference>,
    /// How long it took.
    pub seconds: f64,
}

/// One table.
#[derive(Debug, Clone, Serialize)]
pub struct TableReport {
    /// Its name.
    pub table: String,
    /// Rows in the file.
    pub source_rows: u64,
    /// Rows in the database, once they are compared.
    pub target_rows: Option<u64>,
    /// Rows that this run copied.
    pub copied_rows: u64,
    /// Whether every row is the same, once they are compared.
    pub equal: Option<bool>,
}

/// The same thing on both sides.
#[derive(Debug, Clone, Serialize)]
pub struct Compared<T> {
    /// In the file.
    pub source: T,
    /// In the database.
    pub target: T,
}

/// The order of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Order {
    /// The first global position; 0 without events.
    pub first_position: i64,
    /// The last global position; 0 without events.
    pub last_position: i64,
    /// Positions between them that no event has.
    pub missing_positions: i64,
    /// Number of streams.
    pub streams: i64,
    /// Streams whose versions are not contiguous.
    pub streams_with_gaps: i64,
}

/// The payloads of all events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Payloads {
    /// Events that have one.
    pub events: u64,
    /// Their bytes.
    pub bytes: u64,
    /// SHA-256 over position, length (both as 8 bytes, the highest first) and bytes of each, in position order.
    pub sha256: String,
}

/// A row that is not the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Its table.
    pub table: String,
    /// Its primary key.
    pub key: String,
    /// What is not the same.
    pub what: String,
}

/// How far a run is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub step: Step,
    /// The table it is done with.
    pub table: String,
    /// Rows done in this step.
    pub rows: u64,
    /// Rows to be done in this step.
    pub of: u64,
}

/// What is being done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Step {
    /// Looking at both sides.
    #[default]
    Looking,
    /// Copying rows.
    Copying,
    /// Comparing rows.
    Comparing,
}

/// The tables to be copied, with their rows in the file.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) list: Vec<Counted>,
    left_out: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Counted {
    pub(super) table: Table,
    pub(super) rows: u64,
}

impl Tables {
    /// Puts the tables of both sides together. Tables that only the target has are somebody else's.
    ///
    /// # Errors
    /// [`Error::Misfit`] when a table has other columns on the other side.
    pub(super) async fn match_up(
        found: Vec<(String, Vec<String>)>,
        tables: Vec<Table>,
        source: &mut Source,
    ) -> Result<Self, Error> {
        let mut list = Vec::with_capacity(tables.len());
        for table in tables {
            let Some((_, columns)) = found.iter().find(|(name, _)| *name == table.name) else { continue };
            check_columns(&table, columns)?;
            let rows = source.count(&table).await?;
            list.push(Counted { table, rows });
        }
        let is_other = |name: &str| !NEVER_COPIED.contains(&name) && list.iter().all(|one| one.table.name != name);
        let left_out = found.into_iter().map(|(name, _)| name).filter(|name| is_other(name)).collect();
        Ok(Tables { list, left_out })
    }

    pub(super) fn rows(&self) -> u64 {
        self.list.iter().map(|one| one.rows).sum()
    }
}

fn check_columns(table: &Table, found: &[String]) -> Result<(), Error> {
    let misfit = |reason| Err(Error::Misfit { table: table.name.clone(), reason });
    if let Some(missing) = table.columns.iter().find(|column| !found.contains(&column.name)) {
        return misfit(format!("the file has no column {}", missing.name));
    }
    if let Some(missing) = found.iter().find(|name| table.columns.iter().all(|column| column.name != **name)) {
        return misfit(format!("the database has no column {missing}"));
    }
    if table.key.is_empty() {
        return misfit("it has no primary key".to_owned());
    }
    Ok(())
}

impl Report {
    pub(super) fn new(from: &str, to: &str, tables: &Tables) -> Self {
        let of = |one: &Counted| TableReport {
            table: one.table.name.clone(),
            source_rows: one.rows,
            target_rows: None,
            copied_rows: 0,
            equal: None,
        };
        Report {
            state: State::Interrupted,
            from: from.to_owned(),
            to: to.to_owned(),
            tables: tables.list.iter().map(of).collect(),
            left_out: tables.left_out.clone(),
            copied_rows: 0,
            compared_rows: 0,
            order: None,
            payloads: None,
            replaced_zero_rows: 0,
            replaced_zero_keys: Vec::new(),
            different_rows: 0,
            differences: Vec::new(),
            seconds: 0.0,
        }
    }

    pub(super) fn table(&mut self, name: &str) -> &mut TableReport {
        self.tables.iter_mut().find(|one| one.table == name).expect("the report has every table that is copied")
    }

    pub(super) fn add_difference(&mut self, table: &str, key: String, what: String) {
        self.different_rows += 1;
        if self.differences.len() < NAMED {
            self.differences.push(Difference { table: table.to_owned(), key, what });
        }
    }

    pub(super) fn add_replaced(&mut self, table: &str, key: &str) {
        self.replaced_zero_rows += 1;
        if self.replaced_zero_keys.len() < NAMED {
            self.replaced_zero_keys.push(format!("{table} {key}"));
        }
    }
}

impl Order {
    /// The same on both databases.
    pub(super) const SELECT: &str = "SELECT coalesce(min(first), 0), coalesce(max(last), 0), \
         CAST(coalesce(max(last) - min(first) + 1 - sum(events), 0) AS bigint), count(*), \
         CAST(coalesce(sum(CASE WHEN newest - oldest + 1 = events THEN 0 ELSE 1 END), 0) AS bigint) \
         FROM (SELECT min(global_position) AS first, max(global_position) AS last, min(stream_version) AS oldest, \
         max(stream_version) AS newest, count(*) AS events FROM events GROUP BY stream_name) AS streams";
}
