//! Tables of a SQLite file: made, removed and switched.

use event_log::sql::{self, Connection, Pool};
use event_log::sqlx;

/// Whether there is such a table.
pub(super) async fn exists(readers: &Pool, table: &str) -> Result<bool, sqlx::Error> {
    sql::query_scalar("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = $1)")
        .bind(table)
        .fetch_one(readers)
        .await
}

/// Makes a table in the shape of the live one.
pub(super) async fn create(connection: &mut Connection, live: &str, fresh: &str) -> Result<(), sqlx::Error> {
    let definition: String = sql::query_scalar("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = $1")
        .bind(live)
        .fetch_one(&mut *connection)
        .await?;
    let columns = definition.find('(').map_or("", |at| &definition[at..]);
    sql::run(connection, format!("CREATE TABLE {fresh} {columns}")).await
}

/// Removes up to `rows` rows, and the table once it is empty; says whether it is gone. Dropping a large one at once
/// would hold appends up.
pub(super) async fn remove_some(connection: &mut Connection, table: &str, rows: usize) -> Result<bool, sqlx::Error> {
    let keys: Vec<String> = sql::query_scalar("SELECT name FROM pragma_table_info($1) WHERE pk > 0 ORDER BY pk")
        .bind(table)
        .fetch_all(&mut *connection)
        .await?;
    let keys = keys.join(", ");
    let delete = format!("DELETE FROM {table} WHERE ({keys}) IN (SELECT {keys} FROM {table} LIMIT $1)");
    let limit = i64::try_from(rows).unwrap_or(i64::MAX);
    if sql::query_composed(delete).bind(limit).execute(&mut *connection).await? > 0 {
        return Ok(false);
    }
    sql::run(connection, format!("DROP TABLE {table}")).await?;
    Ok(true)
}

/// Puts the fresh table in the live one's place, which is left as `replaced`.
pub(super) async fn switch(
    connection: &mut Connection,
    live: &str,
    fresh: &str,
    replaced: &str,
) -> Result<(), sqlx::Error> {
    sql::run(connection, format!("ALTER TABLE {live} RENAME TO {replaced}; ALTER TABLE {fresh} RENAME TO {live}")).await
}
