//! Long lists, newest first, in pages that cost the same whatever is asked for.
//!
//! A list is ordered by a number that an index holds. What is asked for is split in two: the *lead*, which that index
//! answers alone, and the *rest*, for which rows must be looked at. No page looks at more than [`LOOKED_AT`] rows; one that
//! has not found enough in these ends early and says where to go on.

use event_log::sql::{Builder, Dialect, Pool, Row, Value};

/// Rows that one page looks at, at most.
const LOOKED_AT: u32 = 4_000;

/// A condition: SQL text that ends where its value stands, such as `account = `.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    text: String,
    value: Option<Value<'static>>,
}

impl Condition {
    /// With a value.
    pub(crate) fn new(text: impl Into<String>, value: Value<'static>) -> Self {
        Condition { text: text.into(), value: Some(value) }
    }

    /// That stands for itself.
    pub(crate) fn fixed(text: impl Into<String>) -> Self {
        Condition { text: text.into(), value: None }
    }

    fn push(&self, query: &mut Builder<'static>) {
        query.push(" AND ").push(&self.text);
        if let Some(value) = &self.value {
            query.push_bind(value.clone());
        }
    }
}

/// A list and what of it is wanted.
#[derive(Debug)]
pub(crate) struct Scan {
    /// What is read.
    pub(crate) columns: &'static str,
    /// The table, and others that are looked up by key for each of its rows.
    pub(crate) from: &'static str,
    /// The table alone.
    pub(crate) table: &'static str,
    /// The number that the list is ordered by.
    pub(crate) key: &'static str,
    /// What the index answers.
    pub(crate) lead: Vec<Condition>,
    /// What rows are looked at for.
    pub(crate) rest: Vec<Condition>,
    /// Rows before this number; that is where a page begins.
    pub(crate) below: i64,
    /// Rows from this number on.
    pub(crate) from_number: i64,
}

/// Rows of a page, and the number that the next one begins below.
#[derive(Debug)]
pub(crate) struct Found<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next: Option<i64>,
}

impl Scan {
    /// The page. `read` makes something of a row; the column `place` holds its number.
    ///
    /// # Errors
    /// Database failures.
    ///
    /// # Cancellation
    /// Safe.
    pub(crate) async fn page<T>(
        self,
        readers: &Pool,
        limit: u32,
        read: impl Fn(&Row) -> Result<T, sqlx::Error>,
    ) -> Result<Found<T>, sqlx::Error> {
        let (floor, is_end) = if self.rest.is_empty() { (self.from_number, true) } else { self.floor(readers).await? };
        let Scan { columns, from, table, key, lead, rest, below, .. } = &self;
        let mut query = Builder::new(format!("SELECT {columns}, {table}.{key} AS place FROM {from} WHERE "));
        query.push(format!("{table}.{key} < ")).push_bind(*below);
        query.push(format!(" AND {table}.{key} >= ")).push_bind(floor);
        lead.iter().chain(rest).for_each(|condition| condition.push(&mut query));
        query.push(format!(" ORDER BY {table}.{key} DESC LIMIT ")).push_bind(limit + 1);
        let rows = query.build().fetch_all(readers).await?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let is_cut = rows.len() > limit;
        let rows = &rows[..rows.len().min(limit)];
        let next = match rows.last() {
            Some(last) if is_cut => Some(last.try_get("place")?),
            _ if is_end => None,
            _ => Some(floor),
        };
        Ok(Found { items: rows.iter().map(read).collect::<Result<_, _>>()?, next })
    }

    /// The lowest number that is looked at, and whether the list ends there.
    async fn floor(&self, readers: &Pool) -> Result<(i64, bool), sqlx::Error> {
        let Scan { table, key, lead, below, from_number, .. } = self;
        let mut query = Builder::new(format!(
            "SELECT min({key}) AS floor, count(*) AS looked_at FROM (SELECT {table}.{key} FROM {table} WHERE {table}.{key} < "
        ));
        query.push_bind(*below).push(format!(" AND {table}.{key} >= ")).push_bind(*from_number);
        lead.iter().for_each(|condition| condition.push(&mut query));
        query.push(format!(" ORDER BY {table}.{key} DESC LIMIT ")).push_bind(LOOKED_AT).push(") AS looked_at");
        let row = query.build().fetch_all(readers).await?;
        let Some(row) = row.first() else { return Ok((*from_number, true)) };
        let (floor, looked_at): (Option<i64>, i64) = (row.try_get("floor")?, row.try_get("looked_at")?);
        Ok((floor.unwrap_or(*from_number), looked_at < i64::from(LOOKED_AT)))
    }
}

/// Keeps SQLite from answering a condition of the rest with another index than the lead's. PostgreSQL decides by itself.
pub(crate) fn off_index(readers: &Pool) -> &'static str {
    match readers.dialect() {
        Dialect::Sqlite => "+",
        Dialect::Postgres => "",
    }
}
