//! What syncs ask of mappings and note about them. That is state and no decision: the sync's own events tell of it.

use chrono::{DateTime, Utc};
use event_log::UnitOfWork;
use event_log::sql::Target;
use uuid::Uuid;

use super::mapping::Mapping;
use super::rows;
use crate::Error;

/// What became of a sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncResult {
    /// It is up to date; an error of earlier syncs is over.
    Completed {
        /// When it was.
        at: DateTime<Utc>,
        /// The newest message that was found, if there was one; an older one than known changes nothing.
        last_message_at: Option<DateTime<Utc>>,
    },
    /// It gave up.
    Failed {
        /// Why, in words for people, without secrets.
        error: String,
    },
}

/// All mappings that are to be synced: neither paused nor ended. One whose last sync failed is among them, or it would
/// never recover.
///
/// # Errors
/// [`Error::Log`].
pub async fn sync_list(target: impl Into<Target<'_>>) -> Result<Vec<Mapping>, Error> {
    Ok(rows::synced(target).await?)
}

/// Notes what became of a sync, in the unit of work of its events. A paused mapping stays paused, and an ended one as it
/// was; returns whether anything was noted.
///
/// # Errors
/// [`Error::Log`].
pub async fn set_sync_result(unit: &mut UnitOfWork<'_>, mapping_id: Uuid, result: &SyncResult) -> Result<bool, Error> {
    Ok(rows::note_sync(unit.connection(), mapping_id, result).await?)
}
