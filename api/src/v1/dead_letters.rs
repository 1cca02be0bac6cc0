//! `/api/v1/dead-letters`: work that was given up, and sending it on its way again.

use chrono::{DateTime, Utc};
use consumers::dead_letter::{self, DeadLetter as Parked};
use event_log::sql::{Bind as _, Row};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::endpoint::{Call, Changes, Endpoint, Nothing, Reply};
use crate::page::{self, NumberCursor, Page};
use crate::problem::Refusal;
use crate::scan::{Condition, LOOKED_AT, Scan, off_index};
use crate::{Problem, Role};

/// It is resolved, or under way again.
pub const NOT_WAITING: Refusal =
    Refusal::new(409, "dead_letter_not_waiting", "The work is done, or on its way again already.");
/// It was tried again and failed for the same reason or another.
pub const REDRIVE_FAILED: Refusal =
    Refusal::new(422, "redrive_failed", "The event was decided again and could not be, for the reason in `detail`.");

/// The entries of the group.
#[must_use]
pub fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get(
            "/api/v1/dead-letters",
            Role::Viewer,
            "listDeadLetters",
            "Work that was given up and waits for somebody, newest first",
            list,
        ),
        Endpoint::get(
            "/api/v1/dead-letters/{dead_letter_id}",
            Role::Viewer,
            "getDeadLetter",
            "One dead letter with what it was to do",
            show,
        ),
        Endpoint::post(
            "/api/v1/dead-letters/{dead_letter_id}/redrive",
            Role::Operator,
            "redriveDeadLetter",
            "Send the work on its way again, with fresh attempts",
            Changes::Audited,
            redrive,
        )
        .refuses(&[NOT_WAITING, REDRIVE_FAILED]),
    ]
}

/// Which dead letters; everything that is given must hold.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Listed {
    /// Of this provider account.
    #[schemars(length(min = 1, max = 200))]
    account: Option<String>,
    /// With this reason.
    #[schemars(length(min = 1, max = 200))]
    reason: Option<String>,
    /// Also those that are resolved.
    #[serde(default)]
    resolved: bool,
    /// At most this many.
    #[serde(default = "page::default_limit")]
    #[schemars(range(min = 1, max = 500))]
    limit: u32,
    /// `next_cursor` of the page before.
    cursor: Option<NumberCursor>,
}

/// Which dead letter.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Named {
    /// Its number.
    #[schemars(range(min = 1))]
    dead_letter_id: i64,
}

/// Work that was given up.
#[derive(Debug, Serialize, JsonSchema)]
struct DeadLetter {
    /// Its number.
    dead_letter_id: i64,
    /// The effect; of an event or a record, what recognises it.
    effect_key: String,
    /// Its kind.
    kind: String,
    /// The stream it belongs to.
    stream_name: String,
    /// The account; empty where it is not known.
    account: String,
    /// The organisation; empty where it is not known.
    organization: String,
    /// Stable code of the cause.
    reason: String,
    /// The cause in words.
    error: String,
    /// Attempts that failed.
    attempts: i64,
    /// The story.
    correlation_id: Uuid,
    /// When it was parked.
    parked_at: DateTime<Utc>,
    /// When somebody sent it on its way again.
    redriven_at: Option<DateTime<Utc>>,
    /// When it turned out well, or was parked again under a new number.
    resolved_at: Option<DateTime<Utc>>,
}

/// A dead letter with what it was to do.
#[derive(Debug, Serialize, JsonSchema)]
struct WholeDeadLetter {
    /// The dead letter.
    dead_letter: DeadLetter,
    /// What the effect was to do; null for an event or a record.
    request: Option<Value>,
    /// Which consumer could not decide the event or read the record.
    subscription_name: Option<String>,
    /// Where the event stands in the log.
    global_position: Option<i64>,
    /// Where the record is in Kafka.
    record: Option<RecordPlace>,
}

/// Where a record is in Kafka.
#[derive(Debug, Serialize, JsonSchema)]
struct RecordPlace {
    /// The topic.
    topic: String,
    /// Its partition.
    partition: u32,
    /// Its offset.
    offset: i64,
}

/// What became of a redrive.
#[derive(Debug, Serialize, JsonSchema)]
struct Redriven {
    /// The dead letter.
    dead_letter_id: i64,
    /// The effect.
    effect_key: String,
}

const COLUMNS: &str = "dead_letter_id, effect_key, kind, stream_name, account, organization, reason, error, attempts, \
     correlation_id, parked_at, redriven_at, resolved_at";

async fn list(call: Call<Nothing, Listed>) -> Result<Reply<Page<DeadLetter>>, Problem> {
    let readers = call.api.readers();
    let Listed { account, reason, resolved, limit, cursor } = call.query;
    let aside = off_index(readers);
    let rest = [("account", account), ("reason", reason)];
    let rest = rest.into_iter().filter_map(|(column, value)| Some((column, value?)));
    let rest = rest.map(|(column, value)| Condition::new(format!("{aside}{column} = "), value.value())).collect();
    let scan = Scan {
        columns: COLUMNS,
        table: "dead_letters",
        joined: None,
        key: "dead_letter_id",
        lead: call.caller.organization.map(|organization| ("organization", organization.value())),
        indexed: (!resolved).then_some("resolved_at IS NULL"),
        rest,
        looked_at: LOOKED_AT,
        below: cursor.map_or(i64::MAX, |cursor| cursor.0),
        from_number: 0,
    };
    let found = scan.page(readers, limit, dead_letter).await?;
    Ok(Page { items: found.items, next_cursor: found.next.map(NumberCursor::written) }.into())
}

fn dead_letter(row: &Row) -> Result<DeadLetter, sqlx::Error> {
    Ok(DeadLetter {
        dead_letter_id: row.try_get("dead_letter_id")?,
        effect_key: row.try_get("effect_key")?,
        kind: row.try_get("kind")?,
        stream_name: row.try_get("stream_name")?,
        account: row.try_get("account")?,
        organization: row.try_get("organization")?,
        reason: row.try_get("reason")?,
        error: row.try_get("error")?,
        attempts: row.try_get("attempts")?,
        correlation_id: row.try_get("correlation_id")?,
        parked_at: row.try_get("parked_at")?,
        redriven_at: row.try_get("redriven_at")?,
        resolved_at: row.try_get("resolved_at")?,
    })
}

async fn show(call: Call<Named>) -> Result<Reply<WholeDeadLetter>, Problem> {
    let found = find(&call).await?;
    Ok(WholeDeadLetter {
        request: found.request.clone(),
        subscription_name: found.subscription_name.clone(),
        global_position: found.global_position.map(|position| position.0),
        record: found.record.clone().map(|place| RecordPlace {
            topic: place.topic,
            partition: place.partition,
            offset: place.offset,
        }),
        dead_letter: found.into(),
    }
    .into())
}

async fn redrive(call: Call<Named>) -> Result<Reply<Redriven>, Problem> {
    let Parked { dead_letter_id, effect_key, .. } = find(&call).await?;
    match dead_letter::redrive(call.api.log(), call.api.settings(), dead_letter_id).await {
        Ok(()) => Ok(Redriven { dead_letter_id, effect_key }.into()),
        Err(consumers::Error::NoSuchDeadLetter(_)) => {
            Err(Problem::new(&NOT_WAITING, "the work is done, or on its way again already"))
        }
        Err(consumers::Error::Log(error)) if error.is_retryable() => Err(error.into()),
        Err(error) => Err(Problem::new(&REDRIVE_FAILED, error.to_string()).because(error)),
    }
}

/// The dead letter, if it is within the caller's reach.
async fn find(call: &Call<Named>) -> Result<Parked, Problem> {
    let what = "dead letter of that number";
    let found = dead_letter::show(call.api.readers(), call.path.dead_letter_id).await;
    let found = found.map_err(|error| match error {
        consumers::Error::Log(error) => error.into(),
        other => Problem::internal(other),
    })?;
    let Some(found) = found else { return Err(Problem::not_found(what)) };
    call.caller.must_reach(&found.organization, what)?;
    Ok(found)
}

impl From<Parked> for DeadLetter {
    fn from(parked: Parked) -> Self {
        DeadLetter {
            dead_letter_id: parked.dead_letter_id,
            effect_key: parked.effect_key,
            kind: parked.kind,
            stream_name: parked.stream_name,
            account: parked.account,
            organization: parked.organization,
            reason: parked.reason,
            error: parked.error,
            attempts: parked.attempts,
            correlation_id: parked.correlation_id,
            parked_at: parked.parked_at,
            redriven_at: parked.redriven_at,
            resolved_at: parked.resolved_at,
        }
    }
}
