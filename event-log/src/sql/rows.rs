//! Many rows of values in one statement: a list for each column on PostgreSQL, a parameter for each value on SQLite.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use sqlx::Arguments;
use sqlx::error::BoxDynError;
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;
use uuid::Uuid;

use super::connection::Dialect;
use super::value::{Kind, PgJson, Value, postgres_text};

/// Binds rows to the text that [`rows_text`] gives; `values` holds the first row's values, then the second's.
#[must_use]
pub fn rows<'q>(kinds: &'static [Kind], values: Vec<Value<'q>>) -> Value<'q> {
    Value::Rows(kinds, values)
}

/// What stands for `count` rows in a statement that has no other values; to be used where `VALUES (…), (…)` may stand.
///
/// On PostgreSQL the text is the same for any number of rows.
#[must_use]
pub fn rows_text(dialect: Dialect, kinds: &[Kind], count: usize) -> String {
    match dialect {
        Dialect::Sqlite => {
            let row = format!("({})", vec!["?"; kinds.len()].join(", "));
            format!("VALUES {}", vec![row; count].join(", "))
        }
        Dialect::Postgres => {
            let lists: Vec<String> =
                kinds.iter().zip(1..).map(|(kind, number)| format!("${number}::{}[]", postgres_type(*kind))).collect();
            format!("SELECT * FROM unnest({})", lists.join(", "))
        }
    }
}

fn postgres_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "boolean",
        Kind::Integer => "bigint",
        Kind::Text => "text",
        Kind::Bytes => "bytea",
        Kind::Uuid => "uuid",
        Kind::Time => "timestamptz",
        Kind::Json => "jsonb",
    }
}

pub(super) fn add_to_sqlite(values: Vec<Value<'_>>, arguments: &mut SqliteArguments) -> Result<(), BoxDynError> {
    arguments.reserve(values.len(), 0);
    values.into_iter().try_for_each(|value| value.add_to_sqlite(arguments))
}

pub(super) fn add_to_postgres<'v>(
    kinds: &[Kind],
    values: &'v [Value<'_>],
    arguments: &mut PgArguments,
) -> Result<(), BoxDynError> {
    for (at, kind) in kinds.iter().enumerate() {
        let column = Column { values: values.get(at..).unwrap_or_default(), width: kinds.len() };
        macro_rules! add {
            ($variant:ident, $native:expr) => {
                arguments.add(column.list(|value| match value {
                    Value::$variant(value) => Some($native(value)),
                    _ => None,
                })?)
            };
        }
        match kind {
            Kind::Bool => add!(Bool, bool::clone),
            Kind::Integer => add!(Integer, i64::clone),
            Kind::Text => add!(Text, |text: &'v Cow<'_, str>| postgres_text(text)),
            Kind::Bytes => add!(Bytes, |bytes: &'v Cow<'_, [u8]>| &**bytes),
            Kind::Uuid => add!(Uuid, Uuid::clone),
            Kind::Time => add!(Time, DateTime::<Utc>::clone),
            Kind::Json => add!(Json, |text: &'v Cow<'_, str>| PgJson(text)),
        }?;
    }
    Ok(())
}

/// Every `width`-th value.
struct Column<'v, 'q> {
    values: &'v [Value<'q>],
    width: usize,
}

impl<'v, 'q> Column<'v, 'q> {
    fn list<T>(&self, read: impl Fn(&'v Value<'q>) -> Option<T>) -> Result<Vec<Option<T>>, BoxDynError> {
        let values = self.values.iter().step_by(self.width);
        values
            .map(|value| match (value, read(value)) {
                (Value::Null(_), _) => Ok(None),
                (_, Some(native)) => Ok(Some(native)),
                (other, None) => Err(format!("{other:?} is of another type than its column").into()),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_lists_on_postgresql_and_values_on_sqlite() {
        let kinds = [Kind::Text, Kind::Integer];
        assert_eq!(rows_text(Dialect::Sqlite, &kinds, 2), "VALUES (?, ?), (?, ?)");
        assert_eq!(rows_text(Dialect::Postgres, &kinds, 2), "SELECT * FROM unnest($1::text[], $2::bigint[])");
    }

    #[test]
    fn a_value_of_another_type_than_its_column_is_refused() {
        let values = [Value::Null(Kind::Text), Value::Integer(1), Value::Bool(true), Value::Integer(2)];
        let mut arguments = PgArguments::default();
        assert!(add_to_postgres(&[Kind::Text, Kind::Integer], &values, &mut arguments).is_err());
        assert!(add_to_postgres(&[Kind::Text, Kind::Integer], &values[..2], &mut arguments).is_ok());
    }
}
