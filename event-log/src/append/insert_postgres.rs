//! Events into PostgreSQL: one statement for any number of rows, its parameters a list for each column.

use std::borrow::Cow;
use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{COLUMNS, Placed};
use crate::Error;
use crate::sql::{PgJson, postgres_text};

static STATEMENT: LazyLock<String> = LazyLock::new(|| {
    format!(
        "INSERT INTO events ({COLUMNS}) SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::text[], $4::bigint[], \
         $5::text[], $6::bigint[], $7::text[], $8::text[], $9::text[], $10::uuid[], $11::uuid[], $12::timestamptz[], \
         $13::timestamptz[], $14::timestamptz[], $15::jsonb[], $16::jsonb[], $17::bytea[])"
    )
});

pub(super) async fn insert(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    placed: &[Placed<'_>],
) -> Result<(), Error> {
    let statement: &'static str = &STATEMENT;
    let query = sqlx::query(statement)
        .bind(column(placed, |one| one.position))
        .bind(column(placed, |one| one.event.id.0))
        .bind(column(placed, |one| postgres_text(one.stream.as_str())))
        .bind(column(placed, |one| one.version))
        .bind(column(placed, |one| one.event.event_type.as_str()))
        .bind(column(placed, |one| i64::from(one.event.schema_version)))
        .bind(column(placed, |one| text(one.event.account.as_deref())))
        .bind(column(placed, |one| text(one.event.organization.as_deref())))
        .bind(column(placed, |one| one.event.source))
        .bind(column(placed, |one| one.event.correlation_id))
        .bind(column::<Option<Uuid>>(placed, |one| one.event.causation_id.map(|id| id.0)))
        .bind(column(placed, |one| one.event.occurred_at))
        .bind(column(placed, |one| one.event.received_at))
        .bind(column(placed, |_| now))
        .bind(column(placed, |one| PgJson(&one.event.data)))
        .bind(column(placed, |one| PgJson(&one.event.metadata)))
        .bind(column(placed, |one| one.event.payload.as_deref()));
    query.execute(connection).await?;
    Ok(())
}

fn column<'p, T>(placed: &'p [Placed<'p>], value: impl Fn(&'p Placed<'p>) -> T) -> Vec<T> {
    placed.iter().map(value).collect()
}

fn text(text: Option<&str>) -> Option<Cow<'_, str>> {
    text.map(postgres_text)
}
