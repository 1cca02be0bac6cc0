//! Statements over `channel_mappings`, and its rows.

use event_log::StreamVersion;
use event_log::sql::{self, Builder, Connection, Row, Target};
use event_log::sqlx;
use uuid::Uuid;

use super::list::Filter;
use super::mapping::{Mapping, State};
use super::sync::SyncResult;

/// Columns as [`mapping`] reads them.
macro_rules! columns {
    () => {
        "mapping_id, account, organization, channel_id, chat_id, channel_name, client_id, room_id, state, settings, \
         version, created_at, updated_at, last_error, last_sync_at, last_message_at"
    };
}

/// Writes what was decided, keeps what syncs have noted, and reads the row back. The error of the last sync is over when
/// a paused mapping goes on.
pub(super) async fn save(connection: &mut Connection, mapping: &Mapping) -> Result<Mapping, crate::Error> {
    let settings = serde_json::to_string(&mapping.settings).expect("settings serialise to JSON");
    let row = sql::query(concat!(
        "INSERT INTO channel_mappings (",
        columns!(),
        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, NULL, NULL, NULL) \
         ON CONFLICT (mapping_id) DO UPDATE SET channel_name = excluded.channel_name, settings = excluded.settings, \
         version = excluded.version, updated_at = excluded.updated_at, \
         state = CASE WHEN channel_mappings.state = 'error' AND excluded.state = 'active' THEN 'error' \
         ELSE excluded.state END, \
         last_error = CASE WHEN channel_mappings.state = 'paused' AND excluded.state = 'active' THEN NULL \
         ELSE channel_mappings.last_error END RETURNING ",
        columns!(),
    ))
    .bind(mapping.mapping_id)
    .bind(&mapping.account)
    .bind(&mapping.organization)
    .bind(&mapping.channel_id)
    .bind(&mapping.chat_id)
    .bind(&mapping.channel_name)
    .bind(&mapping.client_id)
    .bind(&mapping.room_id)
    .bind(mapping.state.as_str())
    .bind(sql::json(settings))
    .bind(mapping.version.0)
    .bind(mapping.created_at)
    .bind(mapping.updated_at)
    .fetch_one(connection)
    .await?;
    Ok(self::mapping(&row)?)
}

/// One mapping.
pub(super) async fn find(target: impl Into<Target<'_>>, mapping_id: Uuid) -> Result<Option<Mapping>, sqlx::Error> {
    let query = sql::query(concat!("SELECT ", columns!(), " FROM channel_mappings WHERE mapping_id = $1"));
    query.bind(mapping_id).fetch_optional(target).await?.as_ref().map(mapping).transpose()
}

/// The mappings that fit, in the order of their ids.
pub(super) async fn list(
    target: impl Into<Target<'_>>,
    filter: &Filter,
    after: Option<Uuid>,
    limit: u32,
) -> Result<Vec<Mapping>, sqlx::Error> {
    let mut query = Builder::new(concat!("SELECT ", columns!(), " FROM channel_mappings WHERE mapping_id > "));
    query.push_bind(after.unwrap_or_default());
    let wanted = [
        ("organization", filter.organization.as_deref()),
        ("account", filter.account.as_deref()),
        ("client_id", filter.client_id.as_deref()),
        ("state", filter.state.map(State::as_str)),
    ];
    for (column, value) in wanted {
        if let Some(value) = value {
            query.push(" AND ").push(column).push(" = ").push_bind(value);
        }
    }
    if filter.state.is_none() && !filter.with_ended {
        query.push(" AND state <> 'ended'");
    }
    query.push(" ORDER BY mapping_id LIMIT ").push_bind(limit);
    query.build().fetch_all(target).await?.iter().map(mapping).collect()
}

/// The mappings that are synced, in the order of their ids.
pub(super) async fn synced(target: impl Into<Target<'_>>) -> Result<Vec<Mapping>, sqlx::Error> {
    let query = sql::query(concat!(
        "SELECT ",
        columns!(),
        " FROM channel_mappings WHERE state IN ('active', 'error') ORDER BY mapping_id",
    ));
    query.fetch_all(target).await?.iter().map(mapping).collect()
}

/// Notes what became of a sync, unless the mapping has ended; returns whether it did.
pub(super) async fn note_sync(
    connection: &mut Connection,
    mapping_id: Uuid,
    result: &SyncResult,
) -> Result<bool, sqlx::Error> {
    let noted = match result {
        SyncResult::Completed { at, last_message_at } => {
            sql::query(
                "UPDATE channel_mappings SET last_sync_at = $2, last_error = NULL, \
                 state = CASE WHEN state = 'error' THEN 'active' ELSE state END, \
                 last_message_at = CASE WHEN last_message_at >= $3 THEN last_message_at \
                 ELSE coalesce($3, last_message_at) END \
                 WHERE mapping_id = $1 AND state <> 'ended'",
            )
            .bind(mapping_id)
            .bind(*at)
            .bind(*last_message_at)
            .execute(connection)
            .await?
        }
        SyncResult::Failed { error } => {
            sql::query(
                "UPDATE channel_mappings SET last_error = $2, \
                 state = CASE WHEN state = 'active' THEN 'error' ELSE state END \
                 WHERE mapping_id = $1 AND state <> 'ended'",
            )
            .bind(mapping_id)
            .bind(error)
            .execute(connection)
            .await?
        }
    };
    Ok(noted > 0)
}

fn mapping(row: &Row) -> Result<Mapping, sqlx::Error> {
    let settings: String = row.try_get(9)?;
    Ok(Mapping {
        mapping_id: row.try_get(0)?,
        account: row.try_get(1)?,
        organization: row.try_get(2)?,
        channel_id: row.try_get(3)?,
        chat_id: row.try_get(4)?,
        channel_name: row.try_get(5)?,
        client_id: row.try_get(6)?,
        room_id: row.try_get(7)?,
        state: row.try_get(8)?,
        settings: serde_json::from_str(&settings).map_err(|error| sqlx::Error::Decode(error.into()))?,
        version: StreamVersion(row.try_get(10)?),
        created_at: row.try_get(11)?,
        updated_at: row.try_get(12)?,
        last_error: row.try_get(13)?,
        last_sync_at: row.try_get(14)?,
        last_message_at: row.try_get(15)?,
    })
}
