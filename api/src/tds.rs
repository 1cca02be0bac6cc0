//! `/api/tds/sync/…`: the addresses and answers that the ERP has always called. A call waits for its sync.

use std::time::{Duration, Instant};

use actix_web::http::Method;
use event_log::sql::{self, Row};
use gateway::sync::books::{self, Ask, Pipeline};
use gateway::sync::jobs::{self, Job, State, Trigger};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::endpoint::{Call, Changes, Endpoint, Nothing, Reply};
use crate::page::{NameCursor, Page};
use crate::problem::Refusal;
use crate::{Api, Caller, Problem, Role};

/// Nobody said which of several accounts, or there is none.
pub const NO_BOOKS: Refusal = Refusal::new(
    409,
    "books_account_unclear",
    "The caller's organisation has no account with settings of Books, or several and none was named.",
);
/// The sync was given up.
pub const SYNC_FAILED: Refusal =
    Refusal::new(502, "sync_failed", "The sync was given up, for the reason in `detail`; `context` names the job.");
/// It goes on without the caller.
pub const SYNC_STILL_RUNNING: Refusal = Refusal::new(
    504,
    "sync_still_running",
    "The sync takes longer than five minutes and goes on; `context` names the job at `/api/v1/jobs`.",
);

/// How long a call waits for its sync.
const PATIENCE: Duration = Duration::from_secs(300);
/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Users on a page of the mapping.
const PAGE: u32 = 500;

/// The entries of the group.
#[must_use]
pub fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::post(
            "/api/tds/sync/users",
            Role::Manager,
            "syncUsers",
            "Read the users of Books, and wait for it",
            Changes::Recorded,
            users,
        )
        .refuses(&[NO_BOOKS, SYNC_FAILED, SYNC_STILL_RUNNING]),
        Endpoint::post(
            "/api/tds/sync/customer-assignments",
            Role::Manager,
            "syncCustomerAssignments",
            "Read the customers of Books and whose they are, and wait for it",
            Changes::Recorded,
            assignments,
        )
        .refuses(&[NO_BOOKS, SYNC_FAILED, SYNC_STILL_RUNNING]),
        Endpoint::post(
            "/api/tds/sync/full-pipeline",
            Role::Admin,
            "syncFullPipeline",
            "Read the users and then all customers of Books, and wait for both",
            Changes::Recorded,
            pipeline,
        )
        .refuses(&[NO_BOOKS, SYNC_FAILED, SYNC_STILL_RUNNING]),
        Endpoint::new(
            Method::GET,
            "/api/tds/sync/user-mapping",
            Role::Manager,
            "getUserMapping",
            "Users of Books and their accounts in the ERP",
            Changes::Audited,
            mapping,
        )
        .refuses(&[NO_BOOKS]),
    ]
}

/// Which users.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct UsersWanted {
    /// Users are always all read; kept for callers that say it.
    #[serde(default)]
    full_sync: bool,
    /// The account, where the organisation has several with settings of Books.
    #[schemars(length(min = 1, max = 200))]
    account: Option<String>,
}

/// Which customers.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AssignmentsWanted {
    /// All customers, not only those that changed.
    #[serde(default)]
    resync_all: bool,
    /// The account, where the organisation has several with settings of Books.
    #[schemars(length(min = 1, max = 200))]
    account: Option<String>,
}

/// Which account.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PipelineWanted {
    /// The account, where the organisation has several with settings of Books.
    #[schemars(length(min = 1, max = 200))]
    account: Option<String>,
}

/// Which part of the mapping.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MappingWanted {
    /// The account, where the organisation has several with settings of Books.
    #[schemars(length(min = 1, max = 200))]
    account: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<NameCursor>,
}

/// A sync that is done.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "{T}Done")]
struct Done<T> {
    /// Always true; a refusal is a problem.
    success: bool,
    /// What was counted.
    result: T,
    /// The job, at `/api/v1/jobs/{job_id}`.
    job_id: Uuid,
}

/// What became of the users.
#[derive(Debug, Serialize, JsonSchema)]
struct UsersSynced {
    /// Users that Books has.
    total_fetched: u64,
    /// Accounts that are new.
    created: u64,
    /// Accounts that changed.
    updated: u64,
    /// Users of whom nothing changed.
    skipped: u64,
}

/// What became of the customers.
#[derive(Debug, Serialize, JsonSchema)]
struct AssignmentsSynced {
    /// Customers that were looked at.
    total_checked: u64,
    /// Customers whose assignment changed.
    updated: u64,
    /// Customers of whom nothing changed.
    skipped: u64,
}

/// What became of both.
#[derive(Debug, Serialize, JsonSchema)]
struct PipelineSynced {
    /// The users.
    users: UsersSynced,
    /// The customers.
    customer_assignments: AssignmentsSynced,
}

/// A user of Books and the account in the ERP.
#[derive(Debug, Serialize, JsonSchema)]
struct MappedUser {
    /// The user of Books.
    zoho_user_id: String,
    /// The account.
    erp_user_id: Uuid,
    /// The address.
    email: Option<String>,
    /// The name.
    name: String,
    /// The role in Books.
    zoho_role: Option<String>,
    /// The role in the ERP; null where a person has to say.
    erp_role: Option<String>,
    /// Whether the account is in use.
    active: bool,
    /// No password was ever set: the person is to be invited.
    needs_invitation: bool,
    /// The last list of users that had it.
    last_synced_at: Option<chrono::DateTime<chrono::Utc>>,
}

/// The mapping, a page of it.
#[derive(Debug, Serialize, JsonSchema)]
struct UserMapping {
    /// Always true.
    success: bool,
    /// The users.
    result: Page<MappedUser>,
}

async fn users(call: Call<Nothing, Nothing, UsersWanted>) -> Result<Reply<Done<UsersSynced>>, Problem> {
    let ask = ask(&call.api, &call.caller, call.body.account.as_deref(), call.body.full_sync)?;
    let wanted = call.api.log().write(move |unit| Box::pin(async move { books::want_users(unit, &ask).await }));
    let job = ended(&call.api, wanted.await?.job_id).await?;
    Ok(Done { success: true, result: users_of(&job), job_id: job.job_id }.into())
}

async fn assignments(
    call: Call<Nothing, Nothing, AssignmentsWanted>,
) -> Result<Reply<Done<AssignmentsSynced>>, Problem> {
    let ask = ask(&call.api, &call.caller, call.body.account.as_deref(), call.body.resync_all)?;
    let wanted = call.api.log().write(move |unit| Box::pin(async move { books::want_assignments(unit, &ask).await }));
    let job = ended(&call.api, wanted.await?.job_id).await?;
    Ok(Done { success: true, result: assignments_of(&job), job_id: job.job_id }.into())
}

async fn pipeline(call: Call<Nothing, Nothing, PipelineWanted>) -> Result<Reply<Done<PipelineSynced>>, Problem> {
    let ask = ask(&call.api, &call.caller, call.body.account.as_deref(), true)?;
    let wanted = call.api.log().write(move |unit| Box::pin(async move { books::want_pipeline(unit, &ask).await }));
    let Pipeline { users, assignments } = wanted.await?;
    let users = ended(&call.api, users).await?;
    let assignments = ended(&call.api, assignments).await?;
    let result = PipelineSynced { users: users_of(&users), customer_assignments: assignments_of(&assignments) };
    Ok(Done { success: true, result, job_id: assignments.job_id }.into())
}

async fn mapping(call: Call<Nothing, MappingWanted>) -> Result<Reply<UserMapping>, Problem> {
    let MappingWanted { account, cursor } = call.query;
    let ask = ask(&call.api, &call.caller, account.as_deref(), false)?;
    let rows = sql::query(
        "SELECT zoho_user_id, erp_user_id, email, name, zoho_role, erp_role, active, needs_invitation, last_synced_at \
         FROM rm_erp_users WHERE account = $1 AND zoho_user_id > $2 ORDER BY zoho_user_id LIMIT $3",
    )
    .bind(&ask.account)
    .bind(cursor.map_or(String::new(), |cursor| cursor.0))
    .bind(PAGE + 1)
    .fetch_all(call.api.readers())
    .await?;
    let users = rows.iter().map(mapped).collect::<Result<Vec<_>, _>>()?;
    let result = Page::of(users, PAGE, |last| NameCursor::written(&last.zoho_user_id));
    Ok(UserMapping { success: true, result }.into())
}

/// A wish for the one account with Books that the caller means.
pub(crate) fn ask(api: &Api, caller: &Caller, named: Option<&str>, is_full: bool) -> Result<Ask, Problem> {
    let within_reach =
        |account: &&service::config::Account| account.books.is_some() && caller.reaches(&account.organization);
    let mut found = api.config().accounts.values().filter(within_reach);
    let found = match named {
        Some(name) => found.find(|account| account.name == name),
        None => match (found.next(), found.next()) {
            (Some(only), None) => Some(only),
            _ => None,
        },
    };
    let Some(account) = found else {
        let detail = match named {
            Some(_) => "there is no account of that name with settings of Books; add [accounts.NAME.books]",
            None => "name one account with settings of Books as `account`, or add [accounts.NAME.books] to one",
        };
        return Err(Problem::new(&NO_BOOKS, detail));
    };
    Ok(Ask {
        account: account.name.clone(),
        organization: account.organization.clone(),
        trigger: Trigger::Manual,
        is_full,
        actor: Some(caller.actor()),
    })
}

/// Waits for the end of a job.
async fn ended(api: &Api, job_id: Uuid) -> Result<Job, Problem> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let job = jobs::load(api.readers(), job_id).await?;
        let Some(job) = job else { return Err(Problem::not_found("job of that id")) };
        let context = serde_json::json!({ "job_id": job.job_id });
        match job.state {
            State::Completed => return Ok(job),
            State::Failed => {
                let why = job.error.clone().unwrap_or_default();
                return Err(Problem::new(&SYNC_FAILED, why).with_context(context));
            }
            State::Pending | State::Running if Instant::now() >= deadline => {
                let waits_for = job.error.clone().unwrap_or_else(|| "it is being read".to_owned());
                return Err(Problem::new(&SYNC_STILL_RUNNING, waits_for).with_context(context));
            }
            State::Pending | State::Running => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}

fn count(job: &Job, name: &str) -> u64 {
    job.counts.get(name).copied().unwrap_or_default()
}

fn users_of(job: &Job) -> UsersSynced {
    UsersSynced {
        total_fetched: count(job, "total_fetched"),
        created: count(job, "created"),
        updated: count(job, "updated"),
        skipped: count(job, "skipped"),
    }
}

fn assignments_of(job: &Job) -> AssignmentsSynced {
    AssignmentsSynced {
        total_checked: count(job, "total_checked"),
        updated: count(job, "updated"),
        skipped: count(job, "skipped"),
    }
}

fn mapped(row: &Row) -> Result<MappedUser, sqlx::Error> {
    Ok(MappedUser {
        zoho_user_id: row.try_get("zoho_user_id")?,
        erp_user_id: row.try_get("erp_user_id")?,
        email: row.try_get("email")?,
        name: row.try_get("name")?,
        zoho_role: row.try_get("zoho_role")?,
        erp_role: row.try_get("erp_role")?,
        active: row.try_get("active")?,
        needs_invitation: row.try_get("needs_invitation")?,
        last_synced_at: row.try_get("last_synced_at")?,
    })
}
