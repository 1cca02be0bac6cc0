//! Taking work that is due.
//!
//! Effects wait in queues, one for each account that they read from. A queue that may not start, because its account is
//! paused or needs consent, is left alone as a whole: it may be long, and looking through it would hold up every writer.

use std::time::Duration;

use chrono::{DateTime, Utc};
use event_log::UnitOfWork;
use event_log::sql::{self, Builder, Pool};

use super::{Effect, Kind, Lane, effect};
use crate::Error;
use crate::pause::{Paused, Product};

/// Whose work is claimed, and for whom.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Account that the effects change.
    pub account: String,
    /// Lane of that account.
    pub lane: Lane,
    /// Of these kinds.
    pub kinds: Vec<Kind>,
    /// Of these queues.
    pub queues: Vec<Queue>,
    /// The process that claims.
    pub leased_by: String,
    /// How long the claim holds without being prolonged.
    pub lease: Duration,
    /// Accounts that are left alone for now.
    pub paused: Paused,
}

/// Effects of one account and lane that read from the same account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Queue {
    /// They read nowhere, and change records.
    Records,
    /// They read nowhere, and send batches of messages.
    Batches,
    /// They read nowhere else, and give contacts their owners.
    Contacts,
    /// They read nowhere, and tell an endpoint what happened.
    Notifications,
    /// They read from this account, and make files and folders.
    From(String),
}

impl Queue {
    fn source(&self) -> Option<&str> {
        match self {
            Queue::Records | Queue::Batches | Queue::Contacts | Queue::Notifications => None,
            Queue::From(source) => Some(source),
        }
    }
}

impl Claim {
    /// The queues that no pause covers.
    fn open_queues(&self) -> impl Iterator<Item = &Queue> {
        self.queues.iter().filter(|queue| match queue {
            Queue::Records => !self.paused.covers(&self.account, Product::Crm),
            Queue::Batches => !self.paused.covers(&self.account, Product::Ingest),
            Queue::Contacts => !self.paused.covers(&self.account, Product::Books),
            Queue::Notifications => !self.paused.covers(&self.account, Product::Notify),
            Queue::From(source) => {
                ![&self.account, source].iter().any(|account| self.paused.covers(account, Product::WorkDrive))
            }
        })
    }
}

/// Claims up to `limit` effects that are due and may start.
///
/// A row that does not decode is set aside as failed: it would be in the way of everything behind it.
///
/// # Errors
/// Database failures.
pub async fn claim(unit: &mut UnitOfWork<'_>, claim: &Claim, limit: u32) -> Result<Vec<Effect>, Error> {
    let now = unit.now();
    // An effect that is settled keeps the time at which it was really started: the settling looks for what was made since.
    let mut query = Builder::new("UPDATE effects SET status = 'started', leased_by = ");
    query.push_bind(&claim.leased_by).push(", leased_until = ").push_bind(now + claim.lease);
    query.push(", claims = claims + 1, settles = (status = 'unknown'), started_at = CASE status WHEN 'unknown' THEN ");
    query.push("coalesce(started_at, ").push_bind(now).push(") ELSE ").push_bind(now);
    query.push(" END WHERE effect_key IN (SELECT effect_key FROM (");
    if !push_queues(&mut query, claim, Some(now), limit) {
        return Ok(Vec::new());
    }
    query.push(") AS due ORDER BY not_before LIMIT ").push_bind(limit);
    query.push(
        ") RETURNING effect_key, kind, stream_name, run, account, source_account, organization, attempt, settles, \
         started_at, claims, request, once_key, correlation_id, causation_id",
    );
    let rows = query.build().fetch_all(unit.connection()).await?;
    let mut effects = Vec::with_capacity(rows.len());
    for row in &rows {
        match effect(row) {
            Ok(effect) => effects.push(effect),
            Err(error) => {
                let effect_key: String = row.try_get("effect_key")?;
                set_aside(unit, &effect_key, &error).await?;
            }
        }
    }
    Ok(effects)
}

/// Holds for effects before which nothing of their sequence is open.
macro_rules! first_of_sequence {
    () => {
        " AND (sequence_key IS NULL OR NOT EXISTS (SELECT 1 FROM effects AS earlier \
         WHERE earlier.sequence_key = effects.sequence_key AND earlier.sequence_number < effects.sequence_number \
         AND earlier.status IN ('planned', 'started', 'unknown')))"
    };
}

/// Selects the first effects of each open queue that may start: key and time. `false` when no queue is open.
///
/// Left where they are: kinds that are not asked for; effects that read from an account which needs consent; effects
/// whose change another one is making, may have made, or is claimed for before them; and batches and owners that are not
/// the first open ones of their sequence.
fn push_queues<'q>(query: &mut Builder<'q>, claim: &'q Claim, due: Option<DateTime<Utc>>, limit: u32) -> bool {
    let sources: Vec<&str> = claim.open_queues().filter_map(Queue::source).collect();
    let mut is_first = true;
    for queue in claim.open_queues() {
        query.push(if std::mem::take(&mut is_first) { "" } else { " UNION ALL " });
        query.push("SELECT effect_key, not_before FROM (SELECT effect_key, not_before FROM effects WHERE account = ");
        query.push_bind(&claim.account).push(" AND lane = ").push_bind(claim.lane.as_str());
        query.push(" AND status IN ('planned', 'unknown') AND source_account ");
        match queue {
            Queue::Records | Queue::Notifications => query.push("IS NULL"),
            Queue::Batches | Queue::Contacts => query.push(concat!("IS NULL", first_of_sequence!())),
            Queue::From(source) => {
                // Nothing where consent is missing: the whole queue is passed over, not each of its effects.
                query.push("= (SELECT ").push_bind(source);
                query.push(" WHERE NOT EXISTS (SELECT 1 FROM provider_accounts AS source WHERE source.account = ");
                query.push_bind(source).push(" AND source.state = 'needs_consent'))")
            }
        };
        query.push(" AND kind IN (SELECT value FROM json_each(");
        query.push_bind(sql::list(claim.kinds.iter().map(|kind| kind.as_str())));
        query.push(
            ")) AND (once_key IS NULL OR NOT EXISTS (SELECT 1 FROM effects AS same \
             WHERE same.once_key = effects.once_key AND same.effect_key <> effects.effect_key \
             AND (same.status = 'started' OR same.status = 'unknown' AND effects.status = 'planned' \
             OR same.status = effects.status AND same.account = effects.account \
             AND (same.not_before, same.effect_key) < (effects.not_before, effects.effect_key) \
             AND (same.source_account IS NULL OR same.source_account IN (SELECT value FROM json_each(",
        );
        query.push_bind(sql::list(sources.iter().copied()));
        query.push(
            ")) AND same.source_account NOT IN (SELECT account FROM provider_accounts WHERE state = 'needs_consent')))))",
        );
        if let Some(due) = due {
            query.push(" AND not_before <= ").push_bind(due);
        }
        query.push(" ORDER BY not_before LIMIT ").push_bind(limit).push(") AS queue");
    }
    !is_first
}

async fn set_aside(unit: &mut UnitOfWork<'_>, effect_key: &str, error: &Error) -> Result<(), Error> {
    tracing::error!(error = %error, effect.key = effect_key, "an effect does not decode and is set aside");
    let now = unit.now();
    sql::query(
        "UPDATE effects SET status = 'failed', error_code = 'undecodable', error = $1, finished_at = $2, \
         leased_by = NULL, leased_until = NULL WHERE effect_key = $3",
    )
    .bind(error.to_string())
    .bind(now)
    .bind(effect_key)
    .execute(unit.connection())
    .await?;
    Ok(())
}

/// When the next effect that may start is due.
///
/// # Errors
/// Database failures.
pub async fn next_due(readers: &Pool, claim: &Claim) -> Result<Option<DateTime<Utc>>, Error> {
    let mut query = Builder::new("SELECT not_before FROM (");
    if !push_queues(&mut query, claim, None, 1) {
        return Ok(None);
    }
    query.push(") AS due ORDER BY not_before LIMIT 1");
    let row = query.build().fetch_optional(readers).await?;
    Ok(row.map(|row| row.try_get("not_before")).transpose()?)
}

/// The accounts that waiting effects of an account and lane read from. One look-up in an index for each, however many
/// effects there are.
///
/// # Errors
/// Database failures.
pub async fn sources(readers: &Pool, account: &str, lane: Lane) -> Result<Vec<String>, Error> {
    Ok(sql::query_scalar(
        "WITH RECURSIVE found(source) AS (\
           SELECT (SELECT source_account FROM effects WHERE account = $1 AND lane = $2 \
             AND status IN ('planned', 'unknown') AND source_account IS NOT NULL ORDER BY source_account LIMIT 1) \
           UNION ALL SELECT (SELECT source_account FROM effects WHERE account = $1 AND lane = $2 \
             AND status IN ('planned', 'unknown') AND source_account > found.source ORDER BY source_account LIMIT 1) \
           FROM found WHERE found.source IS NOT NULL) \
         SELECT source FROM found WHERE source IS NOT NULL",
    )
    .bind(account)
    .bind(lane.as_str())
    .fetch_all(readers)
    .await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pause::Pauses;

    #[test]
    fn pause_closes_the_queues_that_need_the_account_and_no_other() {
        let from = |source: &str| Queue::From(source.to_owned());
        let open = |account: &str, product: Product| {
            let pauses = Pauses::default();
            let now = DateTime::UNIX_EPOCH;
            pauses.add(account, &[product], now + Duration::from_secs(1));
            let claim = Claim {
                account: "a".to_owned(),
                lane: Lane::Control,
                kinds: Kind::ALL.to_vec(),
                queues: vec![Queue::Records, from("b"), from("c")],
                leased_by: "p".to_owned(),
                lease: Duration::from_secs(60),
                paused: pauses.now(now),
            };
            claim.open_queues().cloned().collect::<Vec<_>>()
        };
        assert_eq!(open("b", Product::WorkDrive), [Queue::Records, from("c")]);
        assert_eq!(open("b", Product::Crm), [Queue::Records, from("b"), from("c")]);
        assert_eq!(open("a", Product::WorkDrive), [Queue::Records]);
        assert_eq!(open("a", Product::Crm), [from("b"), from("c")]);
    }
}
