//! Rows of read models: one declaration per table gives the struct, its columns, and how both become each other.

use event_log::sql::{self, Kind, Value};
use event_log::sqlx;

/// What finds one row.
pub(crate) trait Key: Clone + std::fmt::Debug + Ord + std::hash::Hash + Send + Sync + 'static {
    /// Names of the key's columns, in order.
    const COLUMNS: &'static [&'static str];
    /// Their types.
    const KINDS: &'static [Kind];

    /// Adds the values of the key's columns, in order.
    fn push_to<'q>(&'q self, values: &mut Vec<Value<'q>>);
}

/// One row of a read model.
pub(crate) trait Row: Clone + std::fmt::Debug + Send + Sync + Unpin + 'static {
    /// What finds it.
    type Key: Key;
    /// The table.
    const TABLE: &'static str;
    /// All columns, those of the key first.
    const COLUMNS: &'static [&'static str];
    /// Their types.
    const KINDS: &'static [Kind];

    /// The row before its first event.
    fn blank(key: Self::Key) -> Self;
    /// What finds it.
    fn key(&self) -> Self::Key;
    /// Adds the values of all columns, in order.
    fn push_to<'q>(&'q self, values: &mut Vec<Value<'q>>);
    /// Reads all columns, in order.
    fn read(row: &sql::Row) -> Result<Self, sqlx::Error>;
}

/// Declares the row of a table with its key; the order of the fields is the order of the columns.
macro_rules! row {
    (
        $(#[$meta:meta])*
        $visibility:vis struct $row:ident in $table:literal;
        key $key:ident { $($(#[$key_meta:meta])* $key_field:ident: $key_type:ty,)* }
        columns { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* }
    ) => {
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) struct $key {
            $(pub(crate) $key_field: $key_type,)*
        }

        impl $crate::row::Key for $key {
            const COLUMNS: &'static [&'static str] = &[$(stringify!($key_field)),*];
            const KINDS: &'static [event_log::sql::Kind] =
                &[$(<&'static $key_type as event_log::sql::Bind<'static>>::KIND),*];

            fn push_to<'q>(&'q self, values: &mut Vec<event_log::sql::Value<'q>>) {
                $(values.push(event_log::sql::Bind::value(&self.$key_field));)*
            }
        }

        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
        #[non_exhaustive]
        $visibility struct $row {
            $($(#[$key_meta])* pub $key_field: $key_type,)*
            $($(#[$field_meta])* pub $field: $type,)*
        }

        impl $crate::row::Row for $row {
            type Key = $key;
            const TABLE: &'static str = $table;
            const COLUMNS: &'static [&'static str] = &[$(stringify!($key_field),)* $(stringify!($field)),*];
            const KINDS: &'static [event_log::sql::Kind] = &[
                $(<&'static $key_type as event_log::sql::Bind<'static>>::KIND,)*
                $(<&'static $type as event_log::sql::Bind<'static>>::KIND),*
            ];

            fn blank(key: $key) -> Self {
                $row { $($key_field: key.$key_field,)* $($field: Default::default()),* }
            }

            fn key(&self) -> $key {
                $key { $($key_field: self.$key_field.clone()),* }
            }

            fn push_to<'q>(&'q self, values: &mut Vec<event_log::sql::Value<'q>>) {
                $(values.push(event_log::sql::Bind::value(&self.$key_field));)*
                $(values.push(event_log::sql::Bind::value(&self.$field));)*
            }

            fn read(row: &event_log::sql::Row) -> Result<Self, event_log::sqlx::Error> {
                let mut columns = 0..;
                let mut next = || columns.next().unwrap_or(usize::MAX);
                Ok($row { $($key_field: row.try_get(next())?,)* $($field: row.try_get(next())?),* })
            }
        }
    };
}

/// Declares an enum that is kept as one word in a text column; the first word is the default.
macro_rules! word {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $(#[$first_meta:meta])* $first:ident = $first_word:literal,
            $($(#[$variant_meta:meta])* $variant:ident = $word:literal,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize)]
        pub enum $name {
            $(#[$first_meta])*
            #[default]
            #[serde(rename = $first_word)]
            $first,
            $($(#[$variant_meta])* #[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// All there are, in order.
            pub const ALL: &'static [Self] = &[$name::$first, $($name::$variant),*];

            /// The word in the table.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $name::$first => $first_word,
                    $($name::$variant => $word,)*
                }
            }
        }

        impl<'q> event_log::sql::Bind<'q> for $name {
            const KIND: event_log::sql::Kind = event_log::sql::Kind::Text;

            fn value(self) -> event_log::sql::Value<'q> {
                event_log::sql::Value::Text(self.as_str().into())
            }
        }

        impl<'q> event_log::sql::Bind<'q> for &$name {
            const KIND: event_log::sql::Kind = event_log::sql::Kind::Text;

            fn value(self) -> event_log::sql::Value<'q> {
                event_log::sql::Bind::value(*self)
            }
        }

        impl event_log::sql::FromText for $name {
            fn from_text(text: String) -> Result<Self, event_log::sqlx::error::BoxDynError> {
                let known = $name::ALL.iter().copied().find(|one| one.as_str() == text);
                known.ok_or_else(|| format!("{text:?} is no {}", stringify!($name)).into())
            }
        }
    };
}

pub(crate) use {row, word};
