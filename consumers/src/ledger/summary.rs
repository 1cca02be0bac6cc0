//! Counting effects.

use event_log::sql::{self, Pool};
use serde::Serialize;

use crate::Error;

/// How many effects stand where.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Waiting to be done.
    pub planned: u64,
    /// Being done.
    pub started: u64,
    /// To be settled.
    pub unknown: u64,
    /// Done.
    pub succeeded: u64,
    /// Given up.
    pub failed: u64,
}

impl Summary {
    /// Effects that are not finished.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.planned + self.started + self.unknown
    }
}

/// Counts all effects by status.
///
/// # Errors
/// Database failures.
pub async fn summary(readers: &Pool) -> Result<Summary, Error> {
    let rows = sql::query("SELECT status, count(*) AS effects FROM effects GROUP BY status").fetch_all(readers).await?;
    let mut summary = Summary::default();
    for row in rows {
        let status: String = row.try_get("status")?;
        let count: i64 = row.try_get("effects")?;
        let slot = match status.as_str() {
            "planned" => &mut summary.planned,
            "started" => &mut summary.started,
            "unknown" => &mut summary.unknown,
            "succeeded" => &mut summary.succeeded,
            _ => &mut summary.failed,
        };
        *slot = count.cast_unsigned();
    }
    Ok(summary)
}
