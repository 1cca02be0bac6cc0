//! Where each projection stands.

use event_log::sql::{self, Pool};
use event_log::{GlobalPosition, Log};
use serde::Serialize;

use crate::{Error, registry};

/// Where one projection stands.
#[derive(Debug, Clone, Serialize)]
pub struct ProjectionStatus {
    /// Its name.
    pub name: &'static str,
    /// The last position whose events are in its tables.
    pub checkpoint: GlobalPosition,
    /// Events of the log that are not in its tables yet.
    pub lag_events: u64,
    /// The tables it fills.
    pub tables: Vec<&'static str>,
    /// Rows in them.
    pub rows: u64,
}

/// All projections. Counts rows, which reads each table through: for people, not for every second.
///
/// # Errors
/// Database failures.
pub async fn list(log: &Log) -> Result<Vec<ProjectionStatus>, Error> {
    let readers = log.database().readers();
    let checkpoints = event_log::checkpoints(readers).await?;
    let head = log.high_water_mark().await?;
    let mut all = Vec::with_capacity(registry::ALL.len());
    for entry in registry::ALL {
        let name = entry.checkpoint();
        let checkpoint = checkpoints
            .iter()
            .find(|checkpoint| checkpoint.subscription_name == name)
            .map_or(GlobalPosition(0), |checkpoint| checkpoint.global_position);
        all.push(ProjectionStatus {
            name: entry.name,
            checkpoint,
            lag_events: u64::try_from(head.0 - checkpoint.0).unwrap_or(0),
            tables: vec![entry.table],
            rows: count_rows(readers, entry.table).await?,
        });
    }
    Ok(all)
}

/// Rows of a table.
pub(crate) async fn count_rows(readers: &Pool, table: &'static str) -> Result<u64, Error> {
    let rows: i64 = sql::query_scalar_composed(format!("SELECT count(*) FROM {table}")).fetch_one(readers).await?;
    Ok(rows.unsigned_abs())
}
