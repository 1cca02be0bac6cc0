//! The statements on one table of a read model: look rows up, write rows, many at a time.

use std::sync::Arc;

use event_log::sql::{self, Connection, Dialect, Query, Value};

use crate::Error;
use crate::row::{Key, Row};

/// A table with the shape of `R`: the live one or the one a rebuild fills.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    lookups: Arc<[Statement]>,
    inserts: Arc<[Statement]>,
    upserts: Arc<[Statement]>,
}

/// A statement for some number of rows at most.
#[derive(Debug)]
struct Statement {
    rows: usize,
    text: Arc<str>,
    /// SQLite has a parameter for each value, so the number is exact there.
    is_exact: bool,
}

/// Rows per statement, largest first; few sizes, so that all of them stay prepared.
fn sizes(dialect: Dialect) -> &'static [usize] {
    match dialect {
        Dialect::Sqlite => &[128, 16, 1],
        Dialect::Postgres => &[1024],
    }
}

impl Table {
    /// The statements for a table named `name` with the columns of `R`.
    pub(crate) fn new<R: Row>(dialect: Dialect, name: &str) -> Self {
        let statements = |text: fn(Dialect, &str, usize) -> String| {
            let each = sizes(dialect).iter().map(|&rows| Statement {
                rows,
                text: text(dialect, name, rows).into(),
                is_exact: dialect == Dialect::Sqlite,
            });
            each.collect()
        };
        Table { lookups: statements(lookup::<R>), inserts: statements(insert::<R>), upserts: statements(upsert::<R>) }
    }

    /// The rows that exist for `keys`, in no order.
    pub(crate) async fn rows<R: Row>(&self, connection: &mut Connection, mut keys: &[R::Key]) -> Result<Vec<R>, Error> {
        let mut found = Vec::new();
        while let Some((statement, these)) = next(&self.lookups, &mut keys) {
            let mut values = Vec::with_capacity(these.len() * R::Key::KINDS.len());
            these.iter().for_each(|key| key.push_to(&mut values));
            let query = statement.query(R::Key::KINDS, values);
            for row in query.fetch_all(&mut *connection).await? {
                found.push(R::read(&row)?);
            }
        }
        Ok(found)
    }

    /// Writes rows that are not there. Saves PostgreSQL half the work of [`Table::write`].
    pub(crate) async fn insert<R: Row>(&self, connection: &mut Connection, rows: &[&R]) -> Result<(), Error> {
        execute_all(connection, &self.inserts, rows).await
    }

    /// Writes whole rows over what is there.
    pub(crate) async fn write<R: Row>(&self, connection: &mut Connection, rows: &[&R]) -> Result<(), Error> {
        execute_all(connection, &self.upserts, rows).await
    }
}

async fn execute_all<R: Row>(
    connection: &mut Connection,
    statements: &[Statement],
    mut rows: &[&R],
) -> Result<(), Error> {
    let mut next = || {
        let (statement, these) = next(statements, &mut rows)?;
        let mut values = Vec::with_capacity(these.len() * R::KINDS.len());
        these.iter().for_each(|row| row.push_to(&mut values));
        Some(statement.query(R::KINDS, values))
    };
    let mut bound = next();
    while let Some(query) = bound {
        // The database works elsewhere: the next rows are bound meanwhile.
        let (written, following) = tokio::join!(biased; query.execute(&mut *connection), async { next() });
        written?;
        bound = following;
    }
    Ok(())
}

impl Statement {
    fn query<'q>(&self, kinds: &'static [sql::Kind], values: Vec<Value<'q>>) -> Query<'q> {
        sql::query_shared(self.text.clone()).bind(sql::rows(kinds, values))
    }
}

/// Takes the next items that one statement can do.
fn next<'s, 'i, T>(statements: &'s [Statement], items: &mut &'i [T]) -> Option<(&'s Statement, &'i [T])> {
    let fits = |statement: &&Statement| match statement.is_exact {
        true => items.len() >= statement.rows,
        false => !items.is_empty(),
    };
    let statement = statements.iter().find(fits)?;
    let (these, rest) = items.split_at(items.len().min(statement.rows));
    *items = rest;
    Some((statement, these))
}

fn lookup<R: Row>(dialect: Dialect, table: &str, rows: usize) -> String {
    let keys = R::Key::COLUMNS;
    let columns: Vec<String> = R::COLUMNS.iter().map(|column| format!("one.{column}")).collect();
    let same: Vec<String> = keys.iter().map(|key| format!("one.{key} = wanted.{key}")).collect();
    let (columns, same) = (columns.join(", "), same.join(" AND "));
    let wanted = format!("WITH wanted ({}) AS ({})", keys.join(", "), sql::rows_text(dialect, R::Key::KINDS, rows));
    // Each wanted key is to be looked up, whatever the database believes about sizes: a cross join keeps SQLite on
    // that, an offset PostgreSQL.
    match dialect {
        Dialect::Sqlite => format!("{wanted} SELECT {columns} FROM wanted CROSS JOIN {table} AS one WHERE {same}"),
        Dialect::Postgres => format!(
            "{wanted} SELECT found.* FROM wanted \
             CROSS JOIN LATERAL (SELECT {columns} FROM {table} AS one WHERE {same} OFFSET 0) AS found"
        ),
    }
}

fn insert<R: Row>(dialect: Dialect, table: &str, rows: usize) -> String {
    format!("INSERT INTO {table} ({}) {}", R::COLUMNS.join(", "), sql::rows_text(dialect, R::KINDS, rows))
}

fn upsert<R: Row>(dialect: Dialect, table: &str, rows: usize) -> String {
    let keys = R::Key::COLUMNS;
    let others = &R::COLUMNS[keys.len()..];
    let set: Vec<String> = others.iter().map(|column| format!("{column} = excluded.{column}")).collect();
    let insert = insert::<R>(dialect, table, rows);
    format!("{insert} ON CONFLICT ({}) DO UPDATE SET {}", keys.join(", "), set.join(", "))
}
