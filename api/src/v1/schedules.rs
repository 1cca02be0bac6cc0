//! `/api/v1/schedules`: when polls and syncs run next, and how the last run ended.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use event_log::sql::{self, Pool, Row};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::endpoint::{Call, Endpoint, Nothing, Reply};
use crate::page::{self, NameCursor, Page};
use crate::{Api, Caller, Problem, Role};

/// Rows that one page looks at, at most.
const LOOKED_AT: u32 = 2_000;
/// What stands before the mapping in the name of a channel's schedule.
const CHANNEL: &str = "channel:";

/// The entries of the group.
#[must_use]
pub fn endpoints() -> Vec<Endpoint> {
    vec![Endpoint::get(
        "/api/v1/schedules",
        Role::Viewer,
        "listSchedules",
        "When polls and syncs run next and how the last run ended, by name",
        list,
    )]
}

/// Which schedules.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Listed {
    /// At most this many.
    #[serde(default = "page::default_limit")]
    #[schemars(range(min = 1, max = 500))]
    limit: u32,
    /// `next_cursor` of the page before.
    cursor: Option<NameCursor>,
}

/// One schedule.
#[derive(Debug, Serialize, JsonSchema)]
struct Schedule {
    /// What it is of, such as `crm-pending:contacts`.
    name: String,
    /// Cron pattern, or `every 300s`.
    spec: String,
    /// IANA name of the zone that a pattern is meant in.
    timezone: String,
    /// When the next run is due; null where there is none.
    next_run_at: Option<DateTime<Utc>>,
    /// When the last run began.
    last_started_at: Option<DateTime<Utc>>,
    /// When the last run ended.
    last_finished_at: Option<DateTime<Utc>>,
    /// How it ended: `completed`, `failed` (it is tried again), `misconfigured` (a person must act).
    last_outcome: Option<String>,
    /// Why it failed.
    last_error: Option<String>,
    /// Failed attempts in a row.
    failures: i64,
    /// Runs so far.
    runs: i64,
}

async fn list(call: Call<Nothing, Listed>) -> Result<Reply<Page<Schedule>>, Problem> {
    let readers = call.api.readers();
    let Listed { limit, cursor } = call.query;
    let rows = sql::query(
        "SELECT schedule_name, spec, timezone, next_run_at, last_started_at, last_finished_at, last_outcome, \
         last_error, failures, runs FROM schedules WHERE schedule_name > $1 ORDER BY schedule_name LIMIT $2",
    )
    .bind(cursor.map_or(String::new(), |cursor| cursor.0))
    .bind(LOOKED_AT)
    .fetch_all(readers)
    .await?;
    let looked_at = rows.iter().map(schedule).collect::<Result<Vec<_>, _>>()?;
    let last_looked_at = looked_at.last().map(|last| NameCursor::written(&last.name));
    let is_end = looked_at.len() < usize::try_from(LOOKED_AT).unwrap_or(usize::MAX);
    let owners = Owners::of(&call.api, &looked_at).await?;
    let reached = looked_at.into_iter().filter(|one| owners.reaches(&call.caller, &one.name)).collect();
    let mut page = Page::of(reached, limit, |last| NameCursor::written(&last.name));
    if page.next_cursor.is_none() && !is_end {
        page.next_cursor = last_looked_at;
    }
    Ok(page.into())
}

/// Who owns what a schedule is of.
struct Owners(HashMap<String, String>);

impl Owners {
    async fn of(api: &Api, schedules: &[Schedule]) -> Result<Self, Problem> {
        let polls = api.intake()?.transfers.into_iter().map(|transfer| (transfer.poll(), transfer.organization));
        let mut owners: HashMap<String, String> = polls.collect();
        let mapping = |name: &str| name.strip_prefix(CHANNEL)?.parse::<Uuid>().ok();
        let mappings: Vec<Uuid> = schedules.iter().filter_map(|one| mapping(&one.name)).collect();
        owners.extend(mapping_owners(api.readers(), mappings).await?);
        // The name of an account stands behind the colon of everything else.
        for one in schedules {
            let account = one.name.split_once(':').and_then(|(_, account)| api.config().accounts.get(account));
            if let Some(account) = account {
                owners.entry(one.name.clone()).or_insert_with(|| account.organization.clone());
            }
        }
        Ok(Owners(owners))
    }

    /// What belongs to nobody that is known is within reach of those who reach everything.
    fn reaches(&self, caller: &Caller, name: &str) -> bool {
        caller.reaches(self.0.get(name).map_or("", String::as_str))
    }
}

async fn mapping_owners(readers: &Pool, mappings: Vec<Uuid>) -> Result<Vec<(String, String)>, sqlx::Error> {
    if mappings.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sql::query(
        "SELECT mapping_id, organization FROM channel_mappings \
         WHERE mapping_id IN (SELECT unhex(value) FROM json_each($1))",
    )
    .bind(sql::uuids(mappings))
    .fetch_all(readers)
    .await?;
    rows.iter()
        .map(|row| {
            let id: Uuid = row.try_get("mapping_id")?;
            Ok((format!("{CHANNEL}{id}"), row.try_get("organization")?))
        })
        .collect()
}

fn schedule(row: &Row) -> Result<Schedule, sqlx::Error> {
    Ok(Schedule {
        name: row.try_get("schedule_name")?,
        spec: row.try_get("spec")?,
        timezone: row.try_get("timezone")?,
        next_run_at: row.try_get("next_run_at")?,
        last_started_at: row.try_get("last_started_at")?,
        last_finished_at: row.try_get("last_finished_at")?,
        last_outcome: row.try_get("last_outcome")?,
        last_error: row.try_get("last_error")?,
        failures: row.try_get("failures")?,
        runs: row.try_get("runs")?,
    })
}
