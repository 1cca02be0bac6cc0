//! Rows and the types that their columns are read as.

use chrono::{DateTime, Utc};
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgRow, PgTypeInfo, PgValueFormat, PgValueRef};
use sqlx::sqlite::SqliteRow;
use sqlx::{ColumnIndex, Row as _, TypeInfo as _, ValueRef as _};
use uuid::Uuid;

/// One row of an answer.
pub enum Row {
    /// Of SQLite.
    Sqlite(SqliteRow),
    /// Of PostgreSQL.
    Postgres(PgRow),
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Row::Sqlite(_) => "Row(Sqlite)",
            Row::Postgres(_) => "Row(Postgres)",
        })
    }
}

impl Row {
    /// Reads a column, by name or number.
    ///
    /// # Errors
    /// When there is no such column or it holds something else.
    pub fn try_get<T: Column, I>(&self, index: I) -> Result<T, sqlx::Error>
    where
        I: ColumnIndex<SqliteRow> + ColumnIndex<PgRow> + std::fmt::Debug,
    {
        match self {
            Row::Sqlite(row) => T::from_sqlite(row, index),
            Row::Postgres(row) => T::from_postgres(row, index),
        }
    }
}

/// What a column can be read as.
pub trait Column: Sized {
    /// Reads it from a row of SQLite.
    ///
    /// # Errors
    /// When there is no such column or it holds something else.
    fn from_sqlite<I: ColumnIndex<SqliteRow>>(row: &SqliteRow, index: I) -> Result<Self, sqlx::Error>;

    /// Reads it from a row of PostgreSQL.
    ///
    /// # Errors
    /// When there is no such column or it holds something else.
    fn from_postgres<I: ColumnIndex<PgRow>>(row: &PgRow, index: I) -> Result<Self, sqlx::Error>;
}

/// What a column of text or JSON can be read as by way of its text.
pub trait FromText: Sized {
    /// Reads the text.
    ///
    /// # Errors
    /// When it means nothing to this type; says why.
    fn from_text(text: String) -> Result<Self, BoxDynError>;
}

impl<T: FromText> Column for T {
    fn from_sqlite<I: ColumnIndex<SqliteRow>>(row: &SqliteRow, index: I) -> Result<Self, sqlx::Error> {
        T::from_text(row.try_get(index)?).map_err(sqlx::Error::Decode)
    }

    fn from_postgres<I: ColumnIndex<PgRow>>(row: &PgRow, index: I) -> Result<Self, sqlx::Error> {
        T::from_text(String::from_postgres(row, index)?).map_err(sqlx::Error::Decode)
    }
}

impl<T: FromText> Column for Option<T> {
    fn from_sqlite<I: ColumnIndex<SqliteRow>>(row: &SqliteRow, index: I) -> Result<Self, sqlx::Error> {
        row.try_get::<Option<String>, _>(index)?.map(|text| T::from_text(text).map_err(sqlx::Error::Decode)).transpose()
    }

    fn from_postgres<I: ColumnIndex<PgRow>>(row: &PgRow, index: I) -> Result<Self, sqlx::Error> {
        let text = Option::<String>::from_postgres(row, index)?;
        text.map(|text| T::from_text(text).map_err(sqlx::Error::Decode)).transpose()
    }
}

macro_rules! native {
    ($($type:ty),*) => {$(
        impl Column for $type {
            fn from_sqlite<I: ColumnIndex<SqliteRow>>(row: &SqliteRow, index: I) -> Result<Self, sqlx::Error> {
                row.try_get(index)
            }

            fn from_postgres<I: ColumnIndex<PgRow>>(row: &PgRow, index: I) -> Result<Self, sqlx::Error> {
                row.try_get(index)
            }
        }

        impl Column for Option<$type> {
            fn from_sqlite<I: ColumnIndex<SqliteRow>>(row: &SqliteRow, index: I) -> Result<Self, sqlx::Error> {
                row.try_get(index)
            }

            fn from_postgres<I: ColumnIndex<PgRow>>(row: &PgRow, index: I) -> Result<Self, sqlx::Error> {
                row.try_get(index)
            }
        }
    )*};
}

native!(bool, f64, Vec<u8>, Uuid, DateTime<Utc>);

macro_rules! adapted {
    ($($type:ty as $native:ty),*) => {$(
        impl Column for $type {
            fn from_sqlite<I: ColumnIndex<SqliteRow>>(row: &SqliteRow, index: I) -> Result<Self, sqlx::Error> {
                row.try_get(index)
            }

            fn from_postgres<I: ColumnIndex<PgRow>>(row: &PgRow, index: I) -> Result<Self, sqlx::Error> {
                row.try_get::<$native, _>(index).and_then(|native| adapt(native.0))
            }
        }

        impl Column for Option<$type> {
            fn from_sqlite<I: ColumnIndex<SqliteRow>>(row: &SqliteRow, index: I) -> Result<Self, sqlx::Error> {
                row.try_get(index)
            }

            fn from_postgres<I: ColumnIndex<PgRow>>(row: &PgRow, index: I) -> Result<Self, sqlx::Error> {
                row.try_get::<Option<$native>, _>(index)?.map(|native| adapt(native.0)).transpose()
            }
        }
    )*};
}

adapted!(String as Text, i64 as Integer, i32 as Integer, u32 as Integer, u16 as Integer);

fn adapt<N, T: TryFrom<N>>(native: N) -> Result<T, sqlx::Error>
where
    T::Error: std::error::Error + Send + Sync + 'static,
{
    T::try_from(native).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// `text` and everything that is written as text, `jsonb` included.
struct Text(String);

impl sqlx::Type<sqlx::Postgres> for Text {
    fn type_info() -> PgTypeInfo {
        <str as sqlx::Type<sqlx::Postgres>>::type_info()
    }

    fn compatible(found: &PgTypeInfo) -> bool {
        matches!(found.name(), "JSONB" | "JSON" | "unknown") || <str as sqlx::Type<sqlx::Postgres>>::compatible(found)
    }
}

impl<'r> sqlx::Decode<'r, sqlx::Postgres> for Text {
    fn decode(value: PgValueRef<'r>) -> Result<Self, sqlx::error::BoxDynError> {
        let is_versioned = value.format() == PgValueFormat::Binary && value.type_info().name() == "JSONB";
        let bytes = value.as_bytes()?;
        let text = if is_versioned { bytes.get(1..).unwrap_or_default() } else { bytes };
        Ok(Text(std::str::from_utf8(text)?.to_owned()))
    }
}

/// Whole numbers of any size.
struct Integer(i64);

impl sqlx::Type<sqlx::Postgres> for Integer {
    fn type_info() -> PgTypeInfo {
        <i64 as sqlx::Type<sqlx::Postgres>>::type_info()
    }

    fn compatible(found: &PgTypeInfo) -> bool {
        matches!(found.name(), "INT2" | "INT4" | "INT8")
    }
}

impl<'r> sqlx::Decode<'r, sqlx::Postgres> for Integer {
    fn decode(value: PgValueRef<'r>) -> Result<Self, sqlx::error::BoxDynError> {
        if value.format() == PgValueFormat::Text {
            return Ok(Integer(value.as_str()?.parse()?));
        }
        let bytes = value.as_bytes()?;
        Ok(Integer(match *bytes {
            [a, b] => i16::from_be_bytes([a, b]).into(),
            [a, b, c, d] => i32::from_be_bytes([a, b, c, d]).into(),
            _ => i64::from_be_bytes(bytes.try_into()?),
        }))
    }
}
