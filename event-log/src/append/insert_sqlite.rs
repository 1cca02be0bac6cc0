//! Events into SQLite: multi-row inserts, prepared once for every size.

use std::sync::{Arc, LazyLock};

use chrono::{DateTime, Utc};
use sqlx::error::BoxDynError;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments, SqliteConnection};

use super::{COLUMNS, Placed};
use crate::{Error, sql};

const COUNT: usize = 17;
/// Largest multi-row insert. There is a statement for every size up to it, so a usual group takes one call.
const LARGEST: usize = 64;
static STATEMENTS: LazyLock<Vec<String>> = LazyLock::new(|| (1..=LARGEST).map(statement).collect());

pub(super) async fn insert(
    connection: &mut SqliteConnection,
    now: DateTime<Utc>,
    placed: &[Placed<'_>],
) -> Result<(), Error> {
    let now: Arc<str> = sql::sqlite_time(now).into();
    for these in placed.chunks(LARGEST) {
        let statement: &'static str = &STATEMENTS[these.len() - 1];
        let mut arguments = SqliteArguments::default();
        arguments.reserve(these.len() * COUNT, 0);
        for one in these {
            bind(&mut arguments, now.clone(), one).map_err(sqlx::Error::Encode)?;
        }
        sqlx::query_with(statement, arguments).execute(&mut *connection).await?;
    }
    Ok(())
}

fn statement(rows: usize) -> String {
    let row = format!("({}?)", "?, ".repeat(COUNT - 1));
    format!("INSERT INTO events ({COLUMNS}) VALUES {}", vec![row; rows].join(", "))
}

/// In the order of the statement's columns.
fn bind(arguments: &mut SqliteArguments, now: Arc<str>, one: &Placed<'_>) -> Result<(), BoxDynError> {
    let event = one.event;
    arguments.add(one.position)?;
    arguments.add(event.id.0)?;
    arguments.add(one.stream.as_str())?;
    arguments.add(one.version)?;
    arguments.add(event.event_type.as_str())?;
    arguments.add(event.schema_version)?;
    arguments.add(event.account.as_deref())?;
    arguments.add(event.organization.as_deref())?;
    arguments.add(event.source)?;
    arguments.add(event.correlation_id)?;
    arguments.add(event.causation_id.map(|id| id.0))?;
    arguments.add(event.occurred_at)?;
    arguments.add(event.received_at)?;
    arguments.add(now)?;
    arguments.add(event.data.as_str())?;
    arguments.add(event.metadata.as_str())?;
    arguments.add(event.payload.as_deref())
}
