//! `/api/v1/jobs`: syncs that ran, run and are wanted.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use gateway::sync::jobs::{self, Filter, Job as Known, Kind, State, Trigger, Wish, channel_subject};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::endpoint::{Call, Changes, Endpoint, Nothing, Reply};
use crate::page::{self, NameCursor, Page};
use crate::problem::Refusal;
use crate::{Api, Caller, Problem, Role};

/// The mapping is not synced.
pub const MAPPING_NOT_SYNCED: Refusal =
    Refusal::new(409, "mapping_not_synced", "The mapping is paused or has ended, so it is not synced.");
/// Only what failed is tried again.
pub const JOB_NOT_FAILED: Refusal = Refusal::new(409, "job_not_failed", "The job has not failed.");

/// The entries of the group.
#[must_use]
pub fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/api/v1/jobs", Role::Viewer, "listJobs", "Syncs, newest first", list),
        Endpoint::get("/api/v1/jobs/{job_id}", Role::Viewer, "getJob", "One sync", show),
        Endpoint::post(
            "/api/v1/jobs/{job_id}/retry",
            Role::Operator,
            "retryJob",
            "Do a failed sync again, as a job of its own",
            Changes::Recorded,
            retry,
        )
        .answers(&[202])
        .refuses(&[JOB_NOT_FAILED, MAPPING_NOT_SYNCED]),
        Endpoint::post(
            "/api/v1/mappings/{mapping_id}/sync",
            Role::Operator,
            "syncMapping",
            "Sync a channel now; while it is being synced, once more after that",
            Changes::Recorded,
            sync,
        )
        .answers(&[202])
        .refuses(&[MAPPING_NOT_SYNCED]),
    ]
}

/// Which jobs; everything that is given must hold.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Listed {
    /// Of this mapping.
    mapping_id: Option<Uuid>,
    /// In this state.
    state: Option<JobState>,
    /// At most this many.
    #[serde(default = "page::default_limit")]
    #[schemars(range(min = 1, max = 500))]
    limit: u32,
    /// `next_cursor` of the page before.
    cursor: Option<NameCursor>,
}

/// Which job.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Named {
    /// Its id.
    job_id: Uuid,
}

/// Which mapping.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct OfMapping {
    /// Its id.
    mapping_id: Uuid,
}

/// How much.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Extent {
    /// Everything is read again, not only what is new.
    #[serde(default)]
    full: bool,
}

/// Where a job stands: not begun (`pending`), begun or waiting for a limit (`running`), `completed`, given up (`failed`).
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum JobState {
    Pending,
    Running,
    Completed,
    Failed,
}

/// A sync.
#[derive(Debug, Serialize, JsonSchema)]
struct Job {
    /// Its id.
    job_id: Uuid,
    /// What is done: `channel`, `books_users`, `books_assignments`.
    kind: String,
    /// To what, such as `channel:<mapping id>`.
    subject: String,
    /// By whose access.
    account: String,
    /// Whose it is.
    organization: String,
    /// Why: `manual`, `scheduled`, `retry`, `webhook`.
    trigger: String,
    /// Whether everything is read again.
    full: bool,
    /// The failed job that it repeats.
    retry_of: Option<Uuid>,
    /// Where it stands.
    state: JobState,
    /// While it is open: nothing is done before this time.
    not_before: DateTime<Utc>,
    /// Failed tries in a row.
    failures: i64,
    /// When it was wanted.
    requested_at: DateTime<Utc>,
    /// When it began.
    started_at: Option<DateTime<Utc>>,
    /// When it ended.
    finished_at: Option<DateTime<Utc>>,
    /// What was counted, such as `messages_fetched` and `messages_processed`.
    counts: BTreeMap<String, u64>,
    /// Time at work without waiting for limits, milliseconds.
    processing_ms: i64,
    /// Stable code of the last trouble.
    error_code: Option<String>,
    /// The last trouble in words; of an open job, what it waits for.
    error: Option<String>,
    /// Its story: `/api/v1/events?correlation_id=` shows it.
    correlation_id: Uuid,
}

async fn list(call: Call<Nothing, Listed>) -> Result<Reply<Page<Job>>, Problem> {
    let Listed { mapping_id, state, limit, cursor } = call.query;
    let filter = Filter {
        organization: call.caller.organization.clone(),
        subject: mapping_id.map(channel_subject),
        state: state.map(State::from),
        // A cursor that was not given out is some place in the list.
        before: cursor.and_then(|cursor| cursor.0.parse().ok()),
    };
    let found = jobs::list(call.api.readers(), &filter, limit + 1).await?;
    let page = Page::of(found, limit, |last| NameCursor::written(&last.job_id.to_string()));
    Ok(page.map(Job::from).into())
}

async fn show(call: Call<Named>) -> Result<Reply<Job>, Problem> {
    Ok(Job::from(find(&call.api, &call.caller, call.path.job_id).await?).into())
}

async fn retry(call: Call<Named>) -> Result<Reply<Job>, Problem> {
    let failed = find(&call.api, &call.caller, call.path.job_id).await?;
    if failed.state != State::Failed {
        return Err(Problem::new(&JOB_NOT_FAILED, format!("the job is {}", failed.state.as_str())));
    }
    if let Some(mapping_id) = failed.subject.strip_prefix("channel:").and_then(|id| id.parse().ok()) {
        synced_mapping(&call.api, &call.caller, mapping_id).await?;
    }
    let wish = Wish {
        kind: failed.kind,
        subject: failed.subject,
        account: failed.account,
        organization: failed.organization,
        trigger: Trigger::Retry,
        is_full: failed.is_full,
        retry_of: Some(failed.job_id),
        not_before: None,
        actor: Some(call.caller.actor()),
        cause: None,
    };
    want(&call.api, wish).await
}

async fn sync(call: Call<OfMapping, Nothing, Extent>) -> Result<Reply<Job>, Problem> {
    let mapping = synced_mapping(&call.api, &call.caller, call.path.mapping_id).await?;
    let wish = Wish {
        kind: Kind::Channel,
        subject: channel_subject(mapping.mapping_id),
        account: mapping.account,
        organization: mapping.organization,
        trigger: Trigger::Manual,
        is_full: call.body.full,
        retry_of: None,
        not_before: None,
        actor: Some(call.caller.actor()),
        cause: None,
    };
    want(&call.api, wish).await
}

async fn want(api: &Api, wish: Wish) -> Result<Reply<Job>, Problem> {
    let wanted = api.log().write(move |unit| Box::pin(async move { jobs::want(unit, &wish).await }));
    Ok(Reply::accepted(Job::from(wanted.await?)))
}

/// The mapping, if it is within the caller's reach and synced.
async fn synced_mapping(api: &Api, caller: &Caller, mapping_id: Uuid) -> Result<mappings::channel::Mapping, Problem> {
    let own = caller.organization.as_deref();
    let mapping = match mappings::channel::get(api.readers(), own, mapping_id).await {
        Ok(mapping) => mapping,
        Err(mappings::Error::Log(error)) => return Err(error.into()),
        Err(_) => return Err(Problem::not_found("mapping of that id")),
    };
    match mapping.state {
        mappings::channel::State::Paused | mappings::channel::State::Ended => {
            Err(Problem::new(&MAPPING_NOT_SYNCED, format!("the mapping is {}", mapping.state.as_str())))
        }
        _ => Ok(mapping),
    }
}

/// The job, if it is within the caller's reach.
async fn find(api: &Api, caller: &Caller, job_id: Uuid) -> Result<Known, Problem> {
    let what = "job of that id";
    let Some(job) = jobs::load(api.readers(), job_id).await? else { return Err(Problem::not_found(what)) };
    caller.must_reach(&job.organization, what)?;
    Ok(job)
}

impl From<Known> for Job {
    fn from(known: Known) -> Self {
        Job {
            job_id: known.job_id,
            kind: known.kind.as_str().to_owned(),
            subject: known.subject,
            account: known.account,
            organization: known.organization,
            trigger: known.trigger.as_str().to_owned(),
            full: known.is_full,
            retry_of: known.retry_of,
            state: known.state.into(),
            not_before: known.not_before,
            failures: known.failures,
            requested_at: known.requested_at,
            started_at: known.started_at,
            finished_at: known.finished_at,
            counts: known.counts,
            processing_ms: known.processing_ms,
            error_code: known.error_code,
            error: known.error,
            correlation_id: known.correlation_id,
        }
    }
}

impl From<State> for JobState {
    fn from(state: State) -> Self {
        match state {
            State::Pending => JobState::Pending,
            State::Running => JobState::Running,
            State::Completed => JobState::Completed,
            State::Failed => JobState::Failed,
        }
    }
}

impl From<JobState> for State {
    fn from(state: JobState) -> Self {
        match state {
            JobState::Pending => State::Pending,
            JobState::Running => State::Running,
            JobState::Completed => State::Completed,
            JobState::Failed => State::Failed,
        }
    }
}
