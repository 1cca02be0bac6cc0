//! SQL on either database, each statement written once.
//!
//! A statement is written in the language that both databases share: `$1` parameters, `ON CONFLICT`, `RETURNING`,
//! `IS DISTINCT FROM`, `FILTER`, `->>` with a bare key. Three things differ and are hidden here:
//! - types: a bound [`Value`] becomes the native type of the database (`timestamptz`, `jsonb`, `uuid`, `bytea`,
//!   `boolean` on PostgreSQL; RFC 3339 text, JSON text, blob and 0 or 1 on SQLite), and columns are read back from them;
//! - lists: a bound [`list`] is used as `IN (SELECT value FROM json_each($1))`, which reads `unnest($1)` on PostgreSQL;
//! - rows: many at a time are bound as [`rows`] to what [`rows_text`] gives.
//!
//! PostgreSQL cannot hold the character U+0000 in a text; there it is written as U+FFFD. Payload bytes keep it.

mod builder;
mod column;
mod connection;
mod query;
mod rows;
mod value;

pub use builder::{Builder, Separated, Tuple};
pub use column::{Column, FromText, Row};
pub(crate) use connection::Driver;
pub use connection::{Connection, Dialect, Pool, Target};
pub use query::{Query, Scalar, query, query_composed, query_scalar, query_scalar_composed, query_shared, run};
pub use rows::{rows, rows_text};
pub use value::{Bind, Json, Kind, Value, json, list, uuids};
pub(crate) use value::{PgJson, postgres_text, sqlite_time, without_zero};
