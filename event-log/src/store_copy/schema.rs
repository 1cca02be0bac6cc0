//! Tables and columns as PostgreSQL's catalogue names them, and which of them the file has too.

use sqlx::error::BoxDynError;
use sqlx::sqlite::SqliteRow;
use sqlx::{PgConnection, Row as _};

use super::Error;
use super::cell::Cell;
use crate::sql::Kind;

/// The table that is copied in parts, since its rows never change.
pub(super) const EVENTS: &str = "events";
/// Marks a database that is not whole yet; has the file's name.
pub(super) const MARK: &str = crate::database::UNFINISHED_COPY;
/// Claims of processes that have ended, what is applied by the migrations themselves, and the mark.
pub(super) const NEVER_COPIED: [&str; 3] = ["leases", "_sqlx_migrations", MARK];

/// A table, and what makes a row of it one row.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    /// Numbers of the columns of its primary key.
    pub(super) key: Vec<usize>,
}

#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// Numbered by the database where an insert does not.
    pub(super) is_identity: bool,
}

impl Table {
    /// Its rows in the order of its key, on either database; `after` is a value of a key of one number.
    pub(super) fn select(&self, after: Option<i64>) -> String {
        let columns: Vec<String> = self.columns.iter().map(|column| quoted(&column.name)).collect();
        let key: Vec<&str> = self.key.iter().filter_map(|at| Some(columns.get(*at)?.as_str())).collect();
        let after = after.map(|after| format!(" WHERE {} > {after}", key.join(", "))).unwrap_or_default();
        format!("SELECT {} FROM {}{after} ORDER BY {}", columns.join(", "), quoted(&self.name), key.join(", "))
    }

    /// The statement that takes its rows.
    pub(super) fn copy_in(&self) -> String {
        let columns: Vec<String> = self.columns.iter().map(|column| quoted(&column.name)).collect();
        format!("COPY {} ({}) FROM STDIN (FORMAT binary)", quoted(&self.name), columns.join(", "))
    }

    /// The key of a row of the file; whatever cannot be read shows as a question mark.
    pub(super) fn key_of(&self, row: &SqliteRow) -> String {
        let cells = self.key.iter().map(|at| {
            let kind = self.columns.get(*at).map_or(Kind::Text, |column| column.kind);
            Cell::from_sqlite(row, *at, kind).map_or_else(|_| "?".to_owned(), |cell| cell.shown())
        });
        cells.collect::<Vec<_>>().join(", ")
    }

    /// Says which value of the file is not what it should be.
    pub(super) fn unreadable(&self, row: &SqliteRow, at: usize, error: BoxDynError) -> Error {
        let column = self.columns.get(at).map(|column| column.name.as_str()).unwrap_or_default();
        Error::Unreadable { table: self.name.clone(), key: self.key_of(row), reason: format!("{column}: {error}") }
    }

    pub(super) fn is_events(&self) -> bool {
        self.name == EVENTS
    }
}

/// The tables of the program, events first.
pub(super) async fn tables(connection: &mut PgConnection) -> Result<Vec<Table>, Error> {
    let rows = sqlx::query(
        "SELECT c.relname::text, a.attname::text, format_type(a.atttypid, NULL)::text, a.attidentity::text <> '', \
         (SELECT array_position(i.indkey::int2[], a.attnum)::bigint FROM pg_index i \
          WHERE i.indrelid = c.oid AND i.indisprimary) \
         FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid \
         WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()) \
         AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated::text = '' \
         ORDER BY c.relname <> 'events', c.relname, a.attnum",
    )
    .fetch_all(connection)
    .await?;
    let mut tables: Vec<Table> = Vec::new();
    let mut key: Vec<(i64, usize)> = Vec::new();
    for row in rows {
        let (table, column, type_name): (String, String, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        if NEVER_COPIED.contains(&table.as_str()) {
            continue;
        }
        if tables.last().is_none_or(|last| last.name != table) {
            key.clear();
            tables.push(Table { name: table.clone(), columns: Vec::new(), key: Vec::new() });
        }
        let last = tables.last_mut().expect("one was pushed if there was none");
        let kind = kind_of(&type_name).ok_or_else(|| Error::Misfit {
            table,
            reason: format!("the column {column} has the type {type_name}, which cannot be copied"),
        })?;
        if let Some(place) = row.try_get(4)? {
            key.push((place, last.columns.len()));
            key.sort_unstable();
            last.key = key.iter().map(|(_, at)| *at).collect();
        }
        last.columns.push(Column { name: column, kind, is_identity: row.try_get(3)? });
    }
    Ok(tables)
}

fn kind_of(type_name: &str) -> Option<Kind> {
    Some(match type_name {
        "boolean" => Kind::Bool,
        "bigint" => Kind::Integer,
        "text" => Kind::Text,
        "bytea" => Kind::Bytes,
        "uuid" => Kind::Uuid,
        "timestamp with time zone" => Kind::Time,
        "jsonb" => Kind::Json,
        _ => return None,
    })
}

/// A name as SQL quotes it, on both databases.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
