//! A log that has grown: so many small events, written by the database itself.

use event_log::sqlx::postgres::PgConnection;
use event_log::sqlx::sqlite::SqliteConnectOptions;
use event_log::sqlx::{self, AssertSqlSafe, ConnectOptions as _, Connection as _};

use crate::store::{Kind, Store, Stores};

/// Fills an up-to-date, empty database with `events` events of 200 bytes of payload and random ids, as webhooks have them.
/// Indexes are made afterwards, which takes a fraction of the time and leaves the same trees.
pub(crate) fn fill(stores: &Stores, store: &Store, events: u64) -> anyhow::Result<()> {
    let columns = "global_position, event_id, stream_name, stream_version, event_type, schema_version, account, \
         organization, source, correlation_id, occurred_at, received_at, recorded_at, data, metadata, payload";
    match store.kind {
        Kind::Sqlite => {
            let path = store.url.strip_prefix("sqlite:").unwrap_or_default();
            let text = format!(
                "PRAGMA synchronous = OFF; DROP INDEX events_by_story; DROP INDEX events_by_type; \
                 DROP INDEX events_by_account; \
                 WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {events}) \
                 INSERT INTO events ({columns}) SELECT n, randomblob(16), 'delivery-' || hex(randomblob(16)), 1, \
                 'delivery.received', 1, 'partner', 'default', 'webhook', randomblob(16), NULL, \
                 '2026-01-01T00:00:00.000001+00:00', '2026-01-01T00:00:00.000002+00:00', '{{\"n\":' || n || '}}', '{{}}', \
                 randomblob(200) FROM numbers; \
                 CREATE INDEX events_by_story ON events (correlation_id); \
                 CREATE INDEX events_by_type ON events (event_type, global_position); \
                 CREATE INDEX events_by_account ON events (account, global_position); ANALYZE; \
                 PRAGMA wal_checkpoint(TRUNCATE)"
            );
            stores.wait(async {
                let mut connection = SqliteConnectOptions::new().filename(path).connect().await?;
                sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut connection).await?;
                connection.close().await
            })?;
        }
        Kind::Postgres => {
            let text = format!(
                "SET synchronous_commit = off; DROP INDEX events_by_story; DROP INDEX events_by_type; \
                 DROP INDEX events_by_account; \
                 INSERT INTO events ({columns}) SELECT n, gen_random_uuid(), 'delivery-' || gen_random_uuid(), 1, \
                 'delivery.received', 1, 'partner', 'default', 'webhook', gen_random_uuid(), NULL, now(), now(), \
                 jsonb_build_object('n', n), '{{}}', decode(repeat(md5(n::text), 13), 'hex') \
                 FROM generate_series(1, {events}) AS n; \
                 CREATE INDEX events_by_story ON events (correlation_id); \
                 CREATE INDEX events_by_type ON events (event_type, global_position); \
                 CREATE INDEX events_by_account ON events (account, global_position)"
            );
            stores.wait(async {
                let mut connection = PgConnection::connect(&store.url).await?;
                sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut connection).await?;
                sqlx::raw_sql("VACUUM ANALYZE events").execute(&mut connection).await?;
                sqlx::raw_sql("CHECKPOINT").execute(&mut connection).await?;
                connection.close().await
            })?;
        }
    }
    Ok(())
}
