//! Effects that make the same change: of other records, or of other runs.

use event_log::sql::{self, Pool};

use super::Effect;
use crate::Error;

/// What other effects have done about the same change.
#[derive(Debug, Default)]
pub(crate) struct Twins {
    /// What the one that made it remembers, as JSON.
    pub(crate) result: Option<String>,
    /// One was given up before its outcome was known.
    pub(crate) unsettled: bool,
}

/// Looks what has become of the change that an effect makes.
///
/// # Errors
/// Database failures.
pub(crate) async fn twins(readers: &Pool, effect: &Effect) -> Result<Twins, Error> {
    let Some(once_key) = &effect.once_key else { return Ok(Twins::default()) };
    let rows = sql::query(
        "SELECT status, result FROM effects WHERE once_key = $1 AND effect_key <> $2 \
         AND (status = 'succeeded' OR status = 'failed' AND error_code = 'unsettled')",
    )
    .bind(once_key)
    .bind(&effect.key)
    .fetch_all(readers)
    .await?;
    let mut twins = Twins::default();
    for row in rows {
        let status: String = row.try_get("status")?;
        match status.as_str() {
            "succeeded" => twins.result = twins.result.or(row.try_get("result")?),
            _ => twins.unsettled = true,
        }
    }
    Ok(twins)
}

/// Whether another effect that makes the same change was ever started, in any process.
///
/// # Errors
/// Database failures.
pub(crate) async fn was_started(readers: &Pool, effect: &Effect) -> Result<bool, Error> {
    Ok(sql::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM effects WHERE once_key = $1 AND effect_key <> $2 AND started_at IS NOT NULL)",
    )
    .bind(&effect.once_key)
    .bind(&effect.key)
    .fetch_one(readers)
    .await?)
}
