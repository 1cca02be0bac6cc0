//! The last global position each subscription finished, saved with its result.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::sql::{self, Connection, Pool};
use crate::{Error, GlobalPosition};

/// How far a subscription has finished.
#[derive(Debug, Clone, Serialize)]
pub struct Checkpoint {
    /// The subscription.
    pub subscription_name: String,
    /// The last position it finished.
    pub global_position: GlobalPosition,
    /// When it did.
    pub updated_at: DateTime<Utc>,
}

/// All checkpoints, by name.
///
/// # Errors
/// Database failures.
pub async fn checkpoints(readers: &Pool) -> Result<Vec<Checkpoint>, Error> {
    let rows =
        sql::query("SELECT subscription_name, global_position, updated_at FROM checkpoints ORDER BY subscription_name")
            .fetch_all(readers)
            .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Checkpoint {
                subscription_name: row.try_get("subscription_name")?,
                global_position: GlobalPosition(row.try_get("global_position")?),
                updated_at: row.try_get("updated_at")?,
            })
        })
        .collect()
}

pub(crate) async fn load(readers: &Pool, subscription_name: &str) -> Result<GlobalPosition, Error> {
    load_in(&mut readers.acquire().await?, subscription_name).await
}

pub(crate) async fn load_in(connection: &mut Connection, subscription_name: &str) -> Result<GlobalPosition, Error> {
    let position: Option<i64> =
        sql::query_scalar("SELECT global_position FROM checkpoints WHERE subscription_name = $1")
            .bind(subscription_name)
            .fetch_optional(connection)
            .await?;
    Ok(GlobalPosition(position.unwrap_or(0)))
}

pub(crate) async fn save(
    connection: &mut Connection,
    now: DateTime<Utc>,
    subscription_name: &str,
    position: GlobalPosition,
) -> Result<(), Error> {
    sql::query(
        "INSERT INTO checkpoints (subscription_name, global_position, updated_at) VALUES ($1, $2, $3) \
         ON CONFLICT (subscription_name) DO UPDATE \
         SET global_position = excluded.global_position, updated_at = excluded.updated_at",
    )
    .bind(subscription_name)
    .bind(position.0)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}
