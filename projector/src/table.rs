//! The statements on one table of a read model: look rows up, write rows, many at a time.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, SqliteConnection};

use crate::Error;
use crate::row::{Key, Row};

/// Rows per statement, largest first; few sizes, so that all of them stay prepared.
const SIZES: [usize; 3] = [128, 16, 1];

/// A table with the shape of `R`: the live one or the one a rebuild fills.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    lookups: [Arc<str>; SIZES.len()],
    upserts: [Arc<str>; SIZES.len()],
}

impl Table {
    /// The statements for a table named `name` with the columns of `R`.
    pub(crate) fn new<R: Row>(name: &str) -> Self {
        Table {
            lookups: SIZES.map(|rows| lookup::<R>(name, rows).into()),
            upserts: SIZES.map(|rows| upsert::<R>(name, rows).into()),
        }
    }

    /// The rows that exist for `keys`, in no order.
    pub(crate) async fn rows<R: Row>(
        &self,
        connection: &mut SqliteConnection,
        mut keys: &[R::Key],
    ) -> Result<Vec<R>, Error> {
        let mut found = Vec::new();
        for (size, statement) in SIZES.iter().zip(&self.lookups) {
            while let Some((these, rest)) = keys.split_at_checked(*size) {
                let query = sqlx::query(AssertSqlSafe(statement.clone()));
                let query = these.iter().fold(query, |query, key| key.bind(query));
                for row in query.fetch_all(&mut *connection).await? {
                    found.push(R::read(&row)?);
                }
                keys = rest;
            }
        }
        Ok(found)
    }

    /// Writes whole rows over what is there.
    pub(crate) async fn write<R: Row>(&self, connection: &mut SqliteConnection, mut rows: &[R]) -> Result<(), Error> {
        let mut next = || {
            let (size, statement) = SIZES.iter().zip(&self.upserts).find(|(size, _)| rows.len() >= **size)?;
            let (these, rest) = rows.split_at(*size);
            rows = rest;
            let query = sqlx::query(AssertSqlSafe(statement.clone()));
            Some(these.iter().fold(query, |query, row| row.bind(query)))
        };
        let mut bound = next();
        while let Some(query) = bound {
            // The database works on a thread of its own: the next rows are bound meanwhile.
            let (written, following) = tokio::join!(biased; query.execute(&mut *connection), async { next() });
            written?;
            bound = following;
        }
        Ok(())
    }
}

fn lookup<R: Row>(table: &str, rows: usize) -> String {
    let keys = R::Key::COLUMNS;
    let columns: Vec<String> = R::COLUMNS.iter().map(|column| format!("one.{column}")).collect();
    let same: Vec<String> = keys.iter().map(|key| format!("one.{key} = wanted.{key}")).collect();
    // A cross join keeps SQLite on looking up each wanted key, whatever it believes about sizes.
    format!(
        "WITH wanted ({}) AS (VALUES {}) SELECT {} FROM wanted CROSS JOIN {table} AS one WHERE {}",
        keys.join(", "),
        placeholders(keys.len(), rows),
        columns.join(", "),
        same.join(" AND "),
    )
}

fn upsert<R: Row>(table: &str, rows: usize) -> String {
    let keys = R::Key::COLUMNS;
    let others = &R::COLUMNS[keys.len()..];
    let set: Vec<String> = others.iter().map(|column| format!("{column} = excluded.{column}")).collect();
    format!(
        "INSERT INTO {table} ({}) VALUES {} ON CONFLICT ({}) DO UPDATE SET {}",
        R::COLUMNS.join(", "),
        placeholders(R::COLUMNS.len(), rows),
        keys.join(", "),
        set.join(", "),
    )
}

fn placeholders(columns: usize, rows: usize) -> String {
    let row = format!("({})", vec!["?"; columns].join(", "));
    vec![row; rows].join(", ")
}
