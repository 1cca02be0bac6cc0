//! Long lists, newest first, in pages that cost the same whatever is asked for.
//!
//! A list is ordered by a number that an index holds. What is asked for is split in two: the *lead*, a column that stands
//! before the number in that index, and the *rest*, for which rows must be looked at. No page looks at more than
//! some thousand rows; one that has not found enough in these ends early and says where to go on.

use event_log::sql::{Builder, Dialect, Pool, Row, Value};

/// Rows that one page looks at, at most, where nothing is looked up beside them.
pub(crate) const LOOKED_AT: u32 = 2_000;

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

/// Another table in which each row of the list leads to one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Joined {
    /// Columns of the list's table that are needed, its lead and its number among them.
    pub(crate) taken: &'static str,
    /// The other table.
    pub(crate) with: &'static str,
}

/// A list and what of it is wanted.
#[derive(Debug)]
pub(crate) struct Scan {
    /// What is read.
    pub(crate) columns: &'static str,
    /// The table.
    pub(crate) table: &'static str,
    /// What is looked up by key for each of its rows.
    pub(crate) joined: Option<Joined>,
    /// The number that the list is ordered by; there is an index of the lead's column and this one.
    pub(crate) key: &'static str,
    /// The column before the number in the index, and what it must be; absent: the index is of the number alone.
    pub(crate) lead: Option<(&'static str, Value<'static>)>,
    /// Which rows the index is of, where it is not of all.
    pub(crate) indexed: Option<&'static str>,
    /// What rows are looked at for.
    pub(crate) rest: Vec<Condition>,
    /// Rows that the page looks at, at most.
    pub(crate) looked_at: u32,
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
    /// The page.
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
        let dialect = readers.dialect();
        let (floor, is_end) = if self.rest.is_empty() { (self.from_number, true) } else { self.floor(readers).await? };
        let Scan { columns, table, key, rest, .. } = &self;
        let mut query = Builder::new(format!("SELECT {columns}, {table}.{key} AS place FROM "));
        match self.joined {
            // What is looked at is chosen first, so that no database begins with the other table.
            Some(Joined { taken, with }) => {
                query.push(format!("(SELECT {taken} FROM {table} WHERE "));
                self.push_range(&mut query, dialect, floor);
                self.push_order(&mut query, dialect, self.looked_at);
                query.push(format!(") AS {table} CROSS JOIN {with} WHERE 1 = 1"));
            }
            None => {
                query.push(format!("{table} WHERE "));
                self.push_range(&mut query, dialect, floor);
            }
        }
        rest.iter().for_each(|condition| condition.push(&mut query));
        self.push_order(&mut query, dialect, limit + 1);
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
        let Scan { table, key, from_number, .. } = self;
        let dialect = readers.dialect();
        let mut query = Builder::new(format!(
            "SELECT min({key}) AS floor, count(*) AS looked_at FROM (SELECT {table}.{key} FROM {table} WHERE "
        ));
        self.push_range(&mut query, dialect, *from_number);
        self.push_order(&mut query, dialect, self.looked_at);
        query.push(") AS looked_at");
        let row = query.build().fetch_one(readers).await?;
        let (floor, looked_at): (Option<i64>, i64) = (row.try_get("floor")?, row.try_get("looked_at")?);
        Ok((floor.unwrap_or(*from_number), looked_at < i64::from(self.looked_at)))
    }

    /// Rows of the lead below the page's beginning and from `floor` on.
    ///
    /// PostgreSQL is asked to compare the lead and the number as one, which only their index answers in order: else it reads
    /// the whole table in the order of its key for a value that it takes for a frequent one. SQLite would use no more of
    /// the index than the lead for that, and asked plainly it uses all of it.
    fn push_range(&self, query: &mut Builder<'static>, dialect: Dialect, floor: i64) {
        let Scan { table, key, lead, indexed, below, .. } = self;
        query.push(indexed.unwrap_or("1 = 1"));
        if let (Some((column, value)), Dialect::Sqlite) = (lead, dialect) {
            query.push(format!(" AND {table}.{column} = ")).push_bind(value.clone());
        }
        for (comparison, number) in [("<", *below), (">=", floor)] {
            match (lead, dialect) {
                (Some((column, value)), Dialect::Postgres) => {
                    query.push(format!(" AND ({table}.{column}, {table}.{key}) {comparison} ("));
                    query.push_bind(value.clone()).push(", ").push_bind(number).push(")");
                }
                _ => {
                    query.push(format!(" AND {table}.{key} {comparison} ")).push_bind(number);
                }
            }
        }
    }

    fn push_order(&self, query: &mut Builder<'static>, dialect: Dialect, limit: u32) {
        let Scan { table, key, lead, .. } = self;
        query.push(" ORDER BY ");
        if let (Some((column, _)), Dialect::Postgres) = (lead, dialect) {
            query.push(format!("{table}.{column} DESC, "));
        }
        query.push(format!("{table}.{key} DESC LIMIT ")).push_bind(limit);
    }
}

/// Keeps SQLite from answering a condition of the rest with another index than the lead's. PostgreSQL decides by itself.
pub(crate) fn off_index(readers: &Pool) -> &'static str {
    match readers.dialect() {
        Dialect::Sqlite => "+",
        Dialect::Postgres => "",
    }
}
