//! Whether there is anything left to do: how `transfer` knows that it is done.

use event_log::Log;
use event_log::sqlx::{self, Row};
use serde::Serialize;

use crate::Error;
use crate::ledger::Summary;

/// What is left to do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Idle {
    /// Effects by status.
    pub effects: Summary,
    /// Open effects that wait for a person: consent, client registration, licence.
    pub waiting_for_a_person: u64,
    /// Events that a decider has not looked at yet.
    pub undecided: bool,
}

impl Idle {
    /// Nothing is under way and nothing will start by itself.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        !self.undecided && self.effects.open() == self.waiting_for_a_person && self.effects.started == 0
    }
}

/// Looks what is left to do.
///
/// # Errors
/// Database failures.
pub async fn look(log: &Log) -> Result<Idle, Error> {
    let readers = log.database().readers();
    // One statement, so one moment: a decision between two looks would be in neither.
    let row = sqlx::query(
        "SELECT (SELECT count(*) FROM effects WHERE status = 'planned') AS planned, \
         (SELECT count(*) FROM effects WHERE status = 'started') AS started, \
         (SELECT count(*) FROM effects WHERE status = 'unknown') AS unknown, \
         (SELECT count(*) FROM effects WHERE status = 'succeeded') AS succeeded, \
         (SELECT count(*) FROM effects WHERE status = 'failed') AS failed, \
         (SELECT count(*) FROM effects WHERE status IN ('planned', 'unknown') \
           AND (error_code IN ('needs_consent', 'bad_client', 'licence') AND not_before > $1 \
             OR account IN (SELECT account FROM provider_accounts WHERE state = 'needs_consent') \
             OR source_account IN (SELECT account FROM provider_accounts WHERE state = 'needs_consent'))) AS waiting, \
         EXISTS (SELECT 1 FROM events WHERE event_type IN ('crm_record.changed', 'poll.completed') AND global_position > \
           coalesce((SELECT global_position FROM checkpoints WHERE subscription_name = 'transfer'), 0)) \
         OR EXISTS (SELECT 1 FROM events WHERE event_type = 'transfer.completed' AND global_position > \
           coalesce((SELECT global_position FROM checkpoints WHERE subscription_name = 'crm-update'), 0)) AS undecided",
    )
    .bind(log.now())
    .fetch_one(readers)
    .await?;
    let count = |name: &str| row.try_get::<i64, _>(name).map(i64::cast_unsigned);
    let effects = Summary {
        planned: count("planned")?,
        started: count("started")?,
        unknown: count("unknown")?,
        succeeded: count("succeeded")?,
        failed: count("failed")?,
    };
    Ok(Idle { effects, waiting_for_a_person: count("waiting")?, undecided: row.try_get("undecided")? })
}
