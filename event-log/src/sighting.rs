//! The same change seen again: by a retried webhook, or by a poll after its webhook.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::sql::{self, Pool};
use crate::{Error, EventId};

/// One further sighting of an event that was already in the log.
#[derive(Debug, Clone, Serialize)]
pub struct Sighting {
    /// The event that was seen again.
    pub event_id: EventId,
    /// When.
    pub seen_at: DateTime<Utc>,
    /// How: `webhook`, `poll`, `fetch`.
    pub source: String,
    /// The delivery or poll that showed it.
    pub causation_id: Option<EventId>,
    /// Whether the bytes were the same; absent where there are none to compare.
    pub same_payload: Option<bool>,
}

/// The further sightings of one event, oldest first.
///
/// # Errors
/// Database failures.
pub async fn sightings(readers: &Pool, event_id: EventId) -> Result<Vec<Sighting>, Error> {
    let rows = sql::query(
        "SELECT event_id, seen_at, source, causation_id, same_payload FROM sightings \
         WHERE event_id = $1 ORDER BY sighting_id",
    )
    .bind(event_id.0)
    .fetch_all(readers)
    .await?;
    rows.into_iter()
        .map(|row| {
            let causation_id: Option<uuid::Uuid> = row.try_get("causation_id")?;
            Ok(Sighting {
                event_id: EventId(row.try_get("event_id")?),
                seen_at: row.try_get("seen_at")?,
                source: row.try_get("source")?,
                causation_id: causation_id.map(EventId),
                same_payload: row.try_get("same_payload")?,
            })
        })
        .collect()
}
