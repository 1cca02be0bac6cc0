//! Values that are bound to a statement, in the types that both databases know natively.

use std::borrow::Cow;

use chrono::{DateTime, SecondsFormat, Utc};
use sqlx::Arguments;
use sqlx::error::BoxDynError;
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;
use uuid::Uuid;

use super::rows;

/// The type of a value; what is absent has one too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `boolean`.
    Bool,
    /// `bigint`.
    Integer,
    /// `text`.
    Text,
    /// `bytea`, blob.
    Bytes,
    /// `uuid`, blob of 16 bytes.
    Uuid,
    /// `timestamptz`, RFC 3339 text.
    Time,
    /// `jsonb`, JSON text.
    Json,
}

/// One bound value.
#[derive(Debug, Clone)]
pub enum Value<'q> {
    /// Absent.
    Null(Kind),
    /// See [`Kind::Bool`].
    Bool(bool),
    /// See [`Kind::Integer`].
    Integer(i64),
    /// See [`Kind::Text`].
    Text(Cow<'q, str>),
    /// See [`Kind::Bytes`].
    Bytes(Cow<'q, [u8]>),
    /// See [`Kind::Uuid`].
    Uuid(Uuid),
    /// See [`Kind::Time`].
    Time(DateTime<Utc>),
    /// See [`Kind::Json`].
    Json(Cow<'q, str>),
    /// Texts for `IN (SELECT value FROM json_each($1))`.
    List(Vec<String>),
    /// Ids for `IN (SELECT unhex(value) FROM json_each($1))`.
    Uuids(Vec<Uuid>),
    /// See [`super::rows`].
    Rows(&'static [Kind], Vec<Value<'q>>),
}

/// JSON text, for a column that holds JSON.
#[derive(Debug, Clone, Copy)]
pub struct Json<T>(T);

/// Binds text that is JSON to a column that holds JSON.
pub fn json<T>(text: T) -> Json<T> {
    Json(text)
}

/// Binds texts for `IN (SELECT value FROM json_each($1))`.
pub fn list<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Value<'static> {
    Value::List(texts.into_iter().map(Into::into).collect())
}

/// Binds ids for `IN (SELECT unhex(value) FROM json_each($1))`.
pub fn uuids(ids: impl IntoIterator<Item = Uuid>) -> Value<'static> {
    Value::Uuids(ids.into_iter().collect())
}

/// What can be bound.
pub trait Bind<'q> {
    /// Its type.
    const KIND: Kind;

    /// The value.
    fn value(self) -> Value<'q>;
}

macro_rules! bind {
    ($($type:ty => $kind:ident: |$it:ident| $value:expr;)*) => {$(
        impl<'q> Bind<'q> for $type {
            const KIND: Kind = Kind::$kind;

            fn value(self) -> Value<'q> {
                let $it = self;
                Value::$kind($value)
            }
        }

        impl<'q> Bind<'q> for &$type {
            const KIND: Kind = Kind::$kind;

            fn value(self) -> Value<'q> {
                let $it = *self;
                Value::$kind($value)
            }
        }
    )*};
}

bind! {
    bool => Bool: |it| it;
    i64 => Integer: |it| it;
    i32 => Integer: |it| it.into();
    u32 => Integer: |it| it.into();
    u16 => Integer: |it| it.into();
    Uuid => Uuid: |it| it;
    DateTime<Utc> => Time: |it| it;
}

macro_rules! bind_text {
    ($($type:ty => $kind:ident: |$it:ident| $value:expr;)*) => {$(
        impl<'q> Bind<'q> for $type {
            const KIND: Kind = Kind::$kind;

            fn value(self) -> Value<'q> {
                let $it = self;
                Value::$kind($value)
            }
        }
    )*};
}

bind_text! {
    &'q str => Text: |it| Cow::Borrowed(it);
    &'q &'q str => Text: |it| Cow::Borrowed(it);
    String => Text: |it| Cow::Owned(it);
    &'q String => Text: |it| Cow::Borrowed(it);
    Cow<'q, str> => Text: |it| it;
    &'q [u8] => Bytes: |it| Cow::Borrowed(it);
    Vec<u8> => Bytes: |it| Cow::Owned(it);
    &'q Vec<u8> => Bytes: |it| Cow::Borrowed(it);
    Json<&'q str> => Json: |it| Cow::Borrowed(it.0);
    Json<&'q String> => Json: |it| Cow::Borrowed(it.0);
    Json<String> => Json: |it| Cow::Owned(it.0);
}

impl<'q, T: Bind<'q>> Bind<'q> for Option<T> {
    const KIND: Kind = T::KIND;

    fn value(self) -> Value<'q> {
        self.map_or(Value::Null(T::KIND), Bind::value)
    }
}

impl<'q, T> Bind<'q> for &'q Option<T>
where
    &'q T: Bind<'q>,
{
    const KIND: Kind = <&'q T as Bind<'q>>::KIND;

    fn value(self) -> Value<'q> {
        self.as_ref().value()
    }
}

impl<'q> Bind<'q> for Value<'q> {
    const KIND: Kind = Kind::Text;

    fn value(self) -> Value<'q> {
        self
    }
}

impl Value<'_> {
    pub(super) fn add_to_sqlite(self, arguments: &mut SqliteArguments) -> Result<(), BoxDynError> {
        match self {
            Value::Null(_) => arguments.add(None::<i64>),
            Value::Bool(value) => arguments.add(value),
            Value::Integer(value) => arguments.add(value),
            Value::Text(text) | Value::Json(text) => arguments.add(text.into_owned()),
            Value::Bytes(bytes) => arguments.add(bytes.into_owned()),
            Value::Uuid(id) => arguments.add(id),
            Value::Time(time) => arguments.add(sqlite_time(time)),
            Value::List(texts) => arguments.add(array(&texts)),
            Value::Uuids(ids) => arguments.add(array(&ids.iter().map(|id| id.simple()).collect::<Vec<_>>())),
            Value::Rows(_, values) => rows::add_to_sqlite(values, arguments),
        }
    }

    pub(super) fn add_to_postgres(self, arguments: &mut PgArguments) -> Result<(), BoxDynError> {
        match self {
            Value::Null(Kind::Bool) => arguments.add(None::<bool>),
            Value::Null(Kind::Integer) => arguments.add(None::<i64>),
            Value::Null(Kind::Text) => arguments.add(None::<&str>),
            Value::Null(Kind::Bytes) => arguments.add(None::<&[u8]>),
            Value::Null(Kind::Uuid) => arguments.add(None::<Uuid>),
            Value::Null(Kind::Time) => arguments.add(None::<DateTime<Utc>>),
            Value::Null(Kind::Json) => arguments.add(None::<PgJson<'_>>),
            Value::Bool(value) => arguments.add(value),
            Value::Integer(value) => arguments.add(value),
            Value::Text(text) => arguments.add(postgres_text(&text)),
            Value::Bytes(bytes) => arguments.add(&*bytes),
            Value::Uuid(id) => arguments.add(id),
            Value::Time(time) => arguments.add(time),
            Value::Json(text) => arguments.add(PgJson(&text)),
            Value::List(texts) => {
                arguments.add(texts.iter().map(|text| postgres_text(text).into_owned()).collect::<Vec<_>>())
            }
            Value::Uuids(ids) => arguments.add(ids),
            Value::Rows(kinds, values) => rows::add_to_postgres(kinds, &values, arguments),
        }
    }
}

/// As the driver writes times, so that text order is time order within one way of writing.
pub(crate) fn sqlite_time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, false)
}

fn array<T: serde::Serialize>(values: &[T]) -> String {
    serde_json::to_string(values).expect("a list of strings serialises to JSON")
}

/// PostgreSQL has no U+0000 in texts.
pub(crate) fn postgres_text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}

/// JSON text on its way to a `jsonb` parameter: one version byte, then the text
/// (<https://github.com/postgres/postgres/blob/REL_15_STABLE/src/backend/utils/adt/jsonb.c>, `jsonb_recv`).
pub(crate) struct PgJson<'a>(pub(crate) &'a str);

impl sqlx::Type<sqlx::Postgres> for PgJson<'_> {
    fn type_info() -> sqlx::postgres::PgTypeInfo {
        <serde_json::Value as sqlx::Type<sqlx::Postgres>>::type_info()
    }
}

impl sqlx::postgres::PgHasArrayType for PgJson<'_> {
    fn array_type_info() -> sqlx::postgres::PgTypeInfo {
        <serde_json::Value as sqlx::postgres::PgHasArrayType>::array_type_info()
    }
}

impl<'q> sqlx::Encode<'q, sqlx::Postgres> for PgJson<'_> {
    fn encode_by_ref(
        &self,
        buffer: &mut sqlx::postgres::PgArgumentBuffer,
    ) -> Result<sqlx::encode::IsNull, BoxDynError> {
        buffer.push(1);
        buffer.extend_from_slice(without_zero(self.0).as_bytes());
        Ok(sqlx::encode::IsNull::No)
    }
}

/// JSON text whose strings have U+FFFD instead of U+0000, which `jsonb` cannot hold.
pub(crate) fn without_zero(text: &str) -> Cow<'_, str> {
    if !text.contains("\\u0000") {
        return text.into();
    }
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        clean.push_str(before);
        // A backslash that is escaped itself begins no other escape.
        let (length, instead) = if escape.starts_with("\\u0000") { (6, Some("\\ufffd")) } else { (2, None) };
        let length = length.min(escape.len());
        clean.push_str(instead.unwrap_or(escape.get(..length).unwrap_or(escape)));
        rest = escape.get(length..).unwrap_or("");
    }
    clean.push_str(rest);
    clean.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_characters_are_replaced_in_json_and_nothing_else_is() {
        for (given, expected) in [
            (r#"{"a":"b"}"#, r#"{"a":"b"}"#),
            (r#"{"a":"\u0000b\u0000"}"#, r#"{"a":"\ufffdb\ufffd"}"#),
            (r#"{"a":"\\u0000"}"#, r#"{"a":"\\u0000"}"#),
            (r#"{"a":"\\\u0000\n"}"#, r#"{"a":"\\\ufffd\n"}"#),
        ] {
            assert_eq!(without_zero(given), expected);
        }
    }
}
