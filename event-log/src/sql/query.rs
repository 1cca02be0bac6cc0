//! Statements with bound values.

use std::sync::Arc;

use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments, AssertSqlSafe};

use super::column::{Column, Row};
use super::connection::{Connection, Dialect, Driver, Target, on_driver};
use super::value::{Bind, Value};

/// A statement and its values.
#[derive(Debug)]
#[must_use = "a statement does nothing until it is run"]
pub struct Query<'q> {
    text: Text,
    values: Vec<Value<'q>>,
}

#[derive(Debug)]
enum Text {
    Fixed(&'static str),
    Composed(String),
    Shared(Arc<str>),
}

/// A statement whose answer is the first column of its rows.
#[derive(Debug)]
#[must_use = "a statement does nothing until it is run"]
pub struct Scalar<'q>(Query<'q>);

/// A statement.
pub fn query<'q>(text: &'static str) -> Query<'q> {
    Query { text: Text::Fixed(text), values: Vec::new() }
}

/// A statement whose text was put together; no part of it may come from outside.
pub fn query_composed<'q>(text: String) -> Query<'q> {
    Query { text: Text::Composed(text), values: Vec::new() }
}

/// As [`query_composed`], for a text that is used again and again and holds no [`super::list`].
pub fn query_shared<'q>(text: Arc<str>) -> Query<'q> {
    Query { text: Text::Shared(text), values: Vec::new() }
}

/// A statement whose answer is the first column of its rows.
pub fn query_scalar<'q>(text: &'static str) -> Scalar<'q> {
    Scalar(query(text))
}

/// As [`query_scalar`]; no part of the text may come from outside.
pub fn query_scalar_composed<'q>(text: String) -> Scalar<'q> {
    Scalar(query_composed(text))
}

/// Runs statements without values, separated by semicolons. No part of the text may come from outside.
///
/// # Errors
/// When one fails; what came before it is done, unless a transaction is open.
pub async fn run(connection: &mut Connection, text: impl Into<String>) -> Result<(), sqlx::Error> {
    let text = sqlx::raw_sql(AssertSqlSafe(text.into()));
    match connection.driver() {
        Driver::Sqlite(connection) => text.execute(connection).await.map(|_| ()),
        Driver::Postgres(connection) => text.execute(connection).await.map(|_| ()),
    }
}

impl<'q> Query<'q> {
    pub(super) fn with_values(text: String, values: Vec<Value<'q>>) -> Self {
        Query { text: Text::Composed(text), values }
    }

    /// Binds the next value.
    pub fn bind(mut self, value: impl Bind<'q>) -> Self {
        self.values.push(value.value());
        self
    }

    /// Runs it; returns how many rows it touched.
    ///
    /// # Errors
    /// When it fails.
    pub async fn execute<'t>(self, target: impl Into<Target<'t>>) -> Result<u64, sqlx::Error> {
        let target = target.into();
        on_driver!(target,
            sqlite(driver) => Ok(self.for_sqlite()?.execute(driver).await?.rows_affected()),
            postgres(driver) => Ok(self.for_postgres()?.execute(driver).await?.rows_affected()))
    }

    /// All rows.
    ///
    /// # Errors
    /// When it fails.
    pub async fn fetch_all<'t>(self, target: impl Into<Target<'t>>) -> Result<Vec<Row>, sqlx::Error> {
        let target = target.into();
        on_driver!(target,
            sqlite(driver) => Ok(self.for_sqlite()?.fetch_all(driver).await?.into_iter().map(Row::from).collect()),
            postgres(driver) => Ok(self.for_postgres()?.fetch_all(driver).await?.into_iter().map(Row::from).collect()))
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// When it fails.
    pub async fn fetch_optional<'t>(self, target: impl Into<Target<'t>>) -> Result<Option<Row>, sqlx::Error> {
        let target = target.into();
        on_driver!(target,
            sqlite(driver) => Ok(self.for_sqlite()?.fetch_optional(driver).await?.map(Row::from)),
            postgres(driver) => Ok(self.for_postgres()?.fetch_optional(driver).await?.map(Row::from)))
    }

    /// The first row.
    ///
    /// # Errors
    /// When it fails or there is none.
    pub async fn fetch_one<'t>(self, target: impl Into<Target<'t>>) -> Result<Row, sqlx::Error> {
        self.fetch_optional(target).await?.ok_or(sqlx::Error::RowNotFound)
    }

    fn for_sqlite(self) -> Result<sqlx::query::Query<'static, sqlx::Sqlite, SqliteArguments>, sqlx::Error> {
        let mut arguments = SqliteArguments::default();
        arguments.reserve(self.values.len(), 0);
        for value in self.values {
            value.add_to_sqlite(&mut arguments).map_err(sqlx::Error::Encode)?;
        }
        Ok(match self.text {
            Text::Fixed(text) => sqlx::query_with(text, arguments),
            Text::Composed(text) => sqlx::query_with(AssertSqlSafe(text), arguments),
            Text::Shared(text) => sqlx::query_with(AssertSqlSafe(text), arguments),
        })
    }

    fn for_postgres(self) -> Result<sqlx::query::Query<'static, sqlx::Postgres, PgArguments>, sqlx::Error> {
        let mut arguments = PgArguments::default();
        arguments.reserve(self.values.len(), 0);
        for value in self.values {
            value.add_to_postgres(&mut arguments).map_err(sqlx::Error::Encode)?;
        }
        Ok(match self.text {
            Text::Fixed(text) => match postgres_statement(text) {
                Some(rewritten) => sqlx::query_with(AssertSqlSafe(rewritten), arguments),
                None => sqlx::query_with(text, arguments),
            },
            Text::Composed(text) => {
                sqlx::query_with(AssertSqlSafe(postgres_statement(&text).unwrap_or(text)), arguments)
            }
            Text::Shared(text) => sqlx::query_with(AssertSqlSafe(text), arguments),
        })
    }
}

impl<'q> Scalar<'q> {
    /// Binds the next value.
    pub fn bind(self, value: impl Bind<'q>) -> Self {
        Scalar(self.0.bind(value))
    }

    /// The first column of every row.
    ///
    /// # Errors
    /// When it fails, or a column is of another type.
    pub async fn fetch_all<'t, T: Column>(self, target: impl Into<Target<'t>>) -> Result<Vec<T>, sqlx::Error> {
        self.0.fetch_all(target).await?.iter().map(|row| row.try_get(0)).collect()
    }

    /// The first column of the first row, if there is one.
    ///
    /// # Errors
    /// When it fails, or the column is of another type.
    pub async fn fetch_optional<'t, T: Column>(self, target: impl Into<Target<'t>>) -> Result<Option<T>, sqlx::Error> {
        self.0.fetch_optional(target).await?.map(|row| row.try_get(0)).transpose()
    }

    /// The first column of the first row.
    ///
    /// # Errors
    /// When it fails, there is no row, or the column is of another type.
    pub async fn fetch_one<'t, T: Column>(self, target: impl Into<Target<'t>>) -> Result<T, sqlx::Error> {
        self.0.fetch_one(target).await?.try_get(0)
    }
}

impl Target<'_> {
    /// Which database the statement will run on, for the few that are written twice.
    #[must_use]
    pub fn is_postgres(&self) -> bool {
        self.dialect() == Dialect::Postgres
    }
}

const LISTS: [&str; 2] = ["(SELECT value FROM json_each($", "(SELECT unhex(value) FROM json_each($"];

/// The statement as PostgreSQL reads it, where that differs.
fn postgres_statement(text: &str) -> Option<String> {
    if !text.contains("json_each($") {
        return None;
    }
    let mut rewritten = text.to_owned();
    for list in LISTS {
        while let Some(at) = rewritten.find(list) {
            let number = at + list.len();
            let end = number + rewritten[number..].find(')').unwrap_or(0);
            let parameter = rewritten[number..end].to_owned();
            rewritten.replace_range(at..end, &format!("(SELECT unnest(${parameter}"));
        }
    }
    Some(rewritten)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_unnested_on_postgresql() {
        assert_eq!(postgres_statement("SELECT 1 WHERE $1 = $2"), None);
        assert_eq!(
            postgres_statement(
                "SELECT * FROM t WHERE a IN (SELECT value FROM json_each($12)) AND b NOT IN \
                 (SELECT value FROM json_each($3)) AND c IN (SELECT unhex(value) FROM json_each($4)) AND d = $5"
            )
            .unwrap(),
            "SELECT * FROM t WHERE a IN (SELECT unnest($12)) AND b NOT IN (SELECT unnest($3)) \
             AND c IN (SELECT unnest($4)) AND d = $5"
        );
    }
}
