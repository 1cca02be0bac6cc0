//! One value of a row, read from either database, and written as PostgreSQL's binary COPY takes it.
//!
//! The format: <https://www.postgresql.org/docs/current/sql-copy.html>, "Binary Format" (read 2026-11); the values are as
//! each type's `recv` function reads them.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};

use chrono::{DateTime, Utc};
use sqlx::error::BoxDynError;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, TypeInfo as _, ValueRef as _};
use uuid::Uuid;

use super::canonical;
use crate::sql::{Column as _, Kind, postgres_text, without_zero};

/// What a COPY begins with: the signature, no flags, no extension.
pub(super) const COPY_HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// What it ends with.
pub(super) const COPY_END: [u8; 2] = (-1_i16).to_be_bytes();
/// 2000-01-01 UTC in microseconds of the Unix epoch: where PostgreSQL's times begin.
const POSTGRES_EPOCH_MICROS: i64 = 946_684_800_000_000;

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell<'r> {
    Null,
    Bool(bool),
    Integer(i64),
    Text(Cow<'r, str>),
    Bytes(&'r [u8]),
    Uuid(Uuid),
    /// Microseconds of the Unix epoch: what is finer, PostgreSQL does not keep.
    Time(i64),
    Json(Cow<'r, str>),
}

impl<'r> Cell<'r> {
    /// Reads a value of the file.
    ///
    /// # Errors
    /// When it is of another kind than its column should hold.
    pub(super) fn from_sqlite(row: &'r SqliteRow, at: usize, kind: Kind) -> Result<Self, BoxDynError> {
        let raw = row.try_get_raw(at)?;
        let found = raw.type_info();
        Ok(match (kind, found.name()) {
            (_, _) if raw.is_null() => Cell::Null,
            (Kind::Bool, "INTEGER") => match row.try_get_unchecked::<i64, _>(at)? {
                0 => Cell::Bool(false),
                1 => Cell::Bool(true),
                other => return Err(format!("{other} is neither 0 nor 1").into()),
            },
            (Kind::Integer, "INTEGER") => Cell::Integer(row.try_get_unchecked(at)?),
            (Kind::Text, "TEXT") => Cell::Text(Cow::Borrowed(row.try_get_unchecked(at)?)),
            (Kind::Bytes, "BLOB") => Cell::Bytes(row.try_get_unchecked(at)?),
            (Kind::Uuid, "BLOB") => Cell::Uuid(Uuid::from_slice(row.try_get_unchecked(at)?)?),
            (Kind::Time, "TEXT") => Cell::Time(row.try_get_unchecked::<DateTime<Utc>, _>(at)?.timestamp_micros()),
            (Kind::Json, "TEXT") => Cell::Json(Cow::Borrowed(row.try_get_unchecked(at)?)),
            (kind, found) => return Err(format!("a value of the type {found} cannot be read as {kind:?}").into()),
        })
    }

    /// Reads a value of the server, by way of the driver alone: so a mistake in [`Cell::add_to_copy`] shows.
    ///
    /// # Errors
    /// When it is of another type than the catalogue said.
    pub(super) fn from_postgres(row: &'r PgRow, at: usize, kind: Kind) -> Result<Self, BoxDynError> {
        if row.try_get_raw(at)?.is_null() {
            return Ok(Cell::Null);
        }
        Ok(match kind {
            Kind::Bool => Cell::Bool(row.try_get(at)?),
            Kind::Integer => Cell::Integer(row.try_get(at)?),
            Kind::Text => Cell::Text(Cow::Borrowed(row.try_get(at)?)),
            Kind::Bytes => Cell::Bytes(row.try_get(at)?),
            Kind::Uuid => Cell::Uuid(row.try_get(at)?),
            Kind::Time => Cell::Time(row.try_get::<DateTime<Utc>, _>(at)?.timestamp_micros()),
            Kind::Json => Cell::Json(Cow::Owned(String::from_postgres(row, at)?)),
        })
    }

    /// Adds it to the data of a COPY, with U+FFFD for U+0000 as everything that is written there.
    pub(super) fn add_to_copy(&self, data: &mut Vec<u8>) {
        match self {
            Cell::Null => data.extend_from_slice(&(-1_i32).to_be_bytes()),
            Cell::Bool(value) => add(data, &[u8::from(*value)]),
            Cell::Integer(value) => add(data, &value.to_be_bytes()),
            Cell::Text(text) => add(data, postgres_text(text).as_bytes()),
            Cell::Bytes(bytes) => add(data, bytes),
            Cell::Uuid(id) => add(data, id.as_bytes()),
            Cell::Time(micros) => add(data, &(micros - POSTGRES_EPOCH_MICROS).to_be_bytes()),
            Cell::Json(text) => {
                let text = without_zero(text);
                add_length(data, text.len() + 1);
                data.push(1);
                data.extend_from_slice(text.as_bytes());
            }
        }
    }

    /// Whether it holds U+0000, which PostgreSQL does not keep in texts.
    pub(super) fn has_zero(&self) -> bool {
        match self {
            Cell::Text(text) => text.contains('\0'),
            Cell::Json(text) => *without_zero(text) != **text,
            _ => false,
        }
    }

    /// A fingerprint of its meaning: the same for JSON in another order of keys, and for U+0000 and U+FFFD.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        match self {
            Cell::Null => 0_u8.hash(&mut hasher),
            Cell::Bool(value) => (1_u8, value).hash(&mut hasher),
            Cell::Integer(value) => (2_u8, value).hash(&mut hasher),
            Cell::Text(text) => (3_u8, &*postgres_text(text)).hash(&mut hasher),
            Cell::Bytes(bytes) => (4_u8, bytes).hash(&mut hasher),
            Cell::Uuid(id) => (5_u8, id).hash(&mut hasher),
            Cell::Time(micros) => (6_u8, micros).hash(&mut hasher),
            Cell::Json(text) => {
                7_u8.hash(&mut hasher);
                if canonical::hash(text, &mut hasher).is_err() {
                    // Not JSON, so it means nothing but itself.
                    (8_u8, &**text).hash(&mut hasher);
                }
            }
        }
        hasher.finish()
    }

    /// As messages name it.
    pub(super) fn shown(&self) -> String {
        match self {
            Cell::Null => "NULL".to_owned(),
            Cell::Bool(value) => value.to_string(),
            Cell::Integer(value) => value.to_string(),
            Cell::Text(text) | Cell::Json(text) => postgres_text(text).into_owned(),
            Cell::Bytes(bytes) => format!("{} bytes", bytes.len()),
            Cell::Uuid(id) => id.to_string(),
            Cell::Time(micros) => {
                DateTime::from_timestamp_micros(*micros).map_or_else(|| micros.to_string(), |time| time.to_rfc3339())
            }
        }
    }
}

fn add(data: &mut Vec<u8>, value: &[u8]) {
    add_length(data, value.len());
    data.extend_from_slice(value);
}

/// PostgreSQL refuses a value of more than 1 GiB long before its length does not fit.
fn add_length(data: &mut Vec<u8>, length: usize) {
    data.extend_from_slice(&i32::try_from(length).unwrap_or(i32::MAX).to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_their_types_read_them() {
        let written = |cell: Cell<'_>| {
            let mut data = Vec::new();
            cell.add_to_copy(&mut data);
            data
        };
        assert_eq!(written(Cell::Null), [255, 255, 255, 255]);
        assert_eq!(written(Cell::Bool(true)), [0, 0, 0, 1, 1]);
        assert_eq!(written(Cell::Integer(-2)), [0, 0, 0, 8, 255, 255, 255, 255, 255, 255, 255, 254]);
        assert_eq!(written(Cell::Text("a\0".into())), [0, 0, 0, 4, b'a', 0xef, 0xbf, 0xbd]);
        assert_eq!(written(Cell::Bytes(&[0, 1])), [0, 0, 0, 2, 0, 1]);
        assert_eq!(written(Cell::Time(POSTGRES_EPOCH_MICROS + 1)), [0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(written(Cell::Json("{}".into())), [0, 0, 0, 3, 1, b'{', b'}']);
    }

    #[test]
    fn only_what_means_the_same_has_the_same_fingerprint() {
        let json = |text: &'static str| Cell::Json(text.into()).fingerprint();
        assert_eq!(json(r#"{"a":1,"b":"\u0000"}"#), json(r#"{"b": "\ufffd", "a": 1}"#));
        assert_ne!(json(r#"{"a":1}"#), json(r#"{"a":"1"}"#));
        assert_ne!(Cell::Text("1".into()).fingerprint(), Cell::Integer(1).fingerprint());
        assert_ne!(Cell::Null.fingerprint(), json("null"));
        assert_eq!(Cell::Text("\0".into()).fingerprint(), Cell::Text("\u{fffd}".into()).fingerprint());
        assert_ne!(Cell::Bytes(&[0]).fingerprint(), Cell::Bytes(&[]).fingerprint());
    }
}
