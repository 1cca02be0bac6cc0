//! Whether there is anything left to do: how `transfer` knows that it is done.

use chrono::TimeDelta;
use event_log::sql;
use event_log::{Log, checkpoints};
use kafka::{Marks, Portion};
use serde::Serialize;

use crate::ledger::Summary;
use crate::{Consumer, Error};

/// A stopped account is tried again every few seconds. What was refused this lately speaks for all effects of the same
/// accounts; an older refusal, such as one found at start, speaks for nothing.
const LATELY: TimeDelta = TimeDelta::seconds(15);

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
    // What is decided is read first: a decision between the two looks then only means another look.
    let rows = checkpoints(readers).await?;
    let decided = |consumer: Consumer| Marks::of(consumer.name(), &rows).floor(Portion::ALL).0;
    // One statement, so one moment: a decision between two looks would be in neither.
    let row = sql::query(
        "WITH stopped AS (SELECT DISTINCT account, source_account FROM effects WHERE status IN ('planned', 'unknown') \
           AND error_code IN ('needs_consent', 'bad_client', 'licence') AND started_at > $1), \
         needing AS (SELECT account FROM provider_accounts WHERE state = 'needs_consent') \
         SELECT counts.*, (SELECT count(*) FROM effects WHERE status IN ('planned', 'unknown') \
           AND (account IN (SELECT account FROM needing) OR source_account IN (SELECT account FROM needing) \
             OR EXISTS (SELECT 1 FROM stopped WHERE stopped.account = effects.account \
               AND stopped.source_account IS NOT DISTINCT FROM effects.source_account))) AS waiting, \
         EXISTS (SELECT 1 FROM events WHERE event_type IN ('crm_record.changed', 'poll.completed') AND global_position > $2) \
         OR EXISTS (SELECT 1 FROM events WHERE event_type = 'transfer.completed' AND global_position > $3) \
           AS undecided \
         FROM (SELECT count(*) FILTER (WHERE status = 'planned') AS planned, \
           count(*) FILTER (WHERE status = 'started') AS started, count(*) FILTER (WHERE status = 'unknown') AS unknown, \
           count(*) FILTER (WHERE status = 'succeeded') AS succeeded, count(*) FILTER (WHERE status = 'failed') AS failed \
           FROM effects) AS counts",
    )
    .bind(log.now() - LATELY)
    .bind(decided(Consumer::Transfer))
    .bind(decided(Consumer::CrmUpdate))
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
