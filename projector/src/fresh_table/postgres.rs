//! Tables of a PostgreSQL database: made, removed and switched.

use event_log::sql::{self, Connection, Pool};
use event_log::sqlx;

use crate::lock_wait;

/// Whether there is such a table.
pub(super) async fn exists(readers: &Pool, table: &str) -> Result<bool, sqlx::Error> {
    sql::query_scalar("SELECT to_regclass($1) IS NOT NULL").bind(table).fetch_one(readers).await
}

/// Makes a table in the shape of the live one, with the same owner: who may not give it to that one may not switch it in
/// later either.
pub(super) async fn create(connection: &mut Connection, live: &str, fresh: &str) -> Result<(), sqlx::Error> {
    let owner: String = sql::query_scalar(
        "SELECT quote_ident(tableowner) FROM pg_tables WHERE tablename = $1 AND schemaname = current_schema()",
    )
    .bind(live)
    .fetch_one(&mut *connection)
    .await?;
    sql::run(
        connection,
        format!("CREATE TABLE {fresh} (LIKE {live} INCLUDING ALL); ALTER TABLE {fresh} OWNER TO {owner}"),
    )
    .await
}

/// Removes the table; says that it is gone. That takes no longer where it is large.
pub(super) async fn remove_some(connection: &mut Connection, table: &str, _rows: usize) -> Result<bool, sqlx::Error> {
    lock_wait::limit(connection).await?;
    sql::run(connection, format!("DROP TABLE {table}")).await?;
    lock_wait::lift(connection).await?;
    Ok(true)
}

/// Puts the fresh table in the live one's place, which goes at once. Fails where somebody reads the live one for long.
pub(super) async fn switch(
    connection: &mut Connection,
    live: &str,
    fresh: &str,
    _replaced: &str,
) -> Result<(), sqlx::Error> {
    lock_wait::limit(connection).await?;
    sql::run(connection, format!("LOCK TABLE {live} IN ACCESS EXCLUSIVE MODE")).await?;
    for grant in grants(connection, live, fresh).await? {
        sql::run(connection, grant).await?;
    }
    sql::run(connection, format!("DROP TABLE {live}; ALTER TABLE {fresh} RENAME TO {live}")).await?;
    // The constraint has a name of its own; a person who looks for it expects it under the table's.
    let key: String = sql::query_scalar(
        "SELECT quote_ident(conname) FROM pg_constraint WHERE conrelid = to_regclass($1) AND contype = 'p'",
    )
    .bind(live)
    .fetch_one(&mut *connection)
    .await?;
    sql::run(connection, format!("ALTER TABLE {live} RENAME CONSTRAINT {key} TO {live}_pkey")).await?;
    lock_wait::lift(connection).await
}

/// What gives others the same rights to `fresh` that they have to `live`.
async fn grants(connection: &mut Connection, live: &str, fresh: &str) -> Result<Vec<String>, sqlx::Error> {
    sql::query_scalar(
        "SELECT format('GRANT %s ON TABLE %I TO %s%s', privilege_type, $2, \
             CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END, \
             CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) \
         FROM pg_class CROSS JOIN LATERAL aclexplode(relacl) \
         WHERE pg_class.oid = to_regclass($1) AND grantee <> relowner",
    )
    .bind(live)
    .bind(fresh)
    .fetch_all(connection)
    .await
}
