//! `/status`: what the process and the database know about themselves, as one JSON object.
//!
//! Everything is read from tables that outsiders may read too, so the answer is the same whichever process gives it.

use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use event_log::sql::{self, Pool};
use event_log::{Checkpoint, Error, GlobalPosition, Log, checkpoints};
use serde::Serialize;
use std::collections::BTreeMap;
use uuid::Uuid;

use crate::problem::Problem;
use crate::rejected;
use crate::server::About;

/// How long the database may take for the whole answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// The same while deliveries cannot be recorded: the database is probably away.
const PATIENCE_IN_TROUBLE: Duration = Duration::from_secs(2);

const UNREADABLE: Problem =
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "database_unavailable", "the database did not answer").retry_after(5);

/// Where the parts of the answer come from.
pub(crate) struct Status {
    log: Log,
    about: About,
    started: Instant,
    receiving: Vec<String>,
}

/// The answer of `/status`.
#[derive(Debug, Serialize)]
struct Report {
    version: String,
    /// The database: the file, or the server's address without a password.
    store: String,
    uptime_seconds: u64,
    roles: Vec<String>,
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_ready_reason: Option<&'static str>,
    head: GlobalPosition,
    subscriptions: Vec<SubscriptionLag>,
    /// What carries events to consumers, and how far they are behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    kafka: Option<serde_json::Value>,
    accounts: Vec<Account>,
    registrations: Vec<Registration>,
    schedules: Vec<Schedule>,
    effects: BTreeMap<String, u64>,
    /// Endpoints that are told what happens, by name.
    endpoints: BTreeMap<String, Endpoint>,
    dead_letters: u64,
    rejected: u64,
}

#[derive(Debug, Serialize)]
struct SubscriptionLag {
    #[serde(flatten)]
    checkpoint: Checkpoint,
    lag_events: i64,
}

#[derive(Debug, Serialize)]
struct Account {
    account: String,
    /// `ok`, `needs_consent`, or `receiving` for one that nothing is asked of.
    state: String,
    reason: Option<String>,
    since: Option<DateTime<Utc>>,
    receives_webhooks: bool,
}

#[derive(Debug, Serialize)]
struct Registration {
    registration_id: String,
    account: String,
    kind: String,
    target: String,
    state: String,
    expires_at: Option<DateTime<Utc>>,
    time_left_seconds: Option<i64>,
    checked_at: Option<DateTime<Utc>>,
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct Schedule {
    schedule: String,
    spec: String,
    timezone: String,
    next_run_at: Option<DateTime<Utc>>,
    last_started_at: Option<DateTime<Utc>>,
    last_finished_at: Option<DateTime<Utc>>,
    last_outcome: Option<String>,
    last_error: Option<String>,
    runs: i64,
}

#[derive(Debug, Serialize)]
struct Endpoint {
    /// Notifications that it has.
    delivered: i64,
    last_delivered_at: Option<DateTime<Utc>>,
    /// Notifications on their way.
    open: i64,
    /// When it said that it wants nothing more.
    stopped_at: Option<DateTime<Utc>>,
}

impl Status {
    pub(crate) fn new(log: Log, about: About, receiving: Vec<String>) -> Self {
        Status { log, about, started: Instant::now(), receiving }
    }

    async fn report(&self, ready: Result<(), &'static str>) -> Result<Report, Error> {
        let readers = self.log.database().readers();
        let head = self.log.high_water_mark().await?;
        let carried = self.about.carrier.as_ref().map_or(&[][..], |carrier| &carrier.subscriptions);
        // Partitions come as far as their own streams need: their lag is the carrier's to tell.
        let follows_log = |name: &str| !name.contains('/') && !carried.iter().any(|carried| carried == name);
        let subscriptions = checkpoints(readers)
            .await?
            .into_iter()
            .filter(|checkpoint| follows_log(&checkpoint.subscription_name))
            .map(|checkpoint| SubscriptionLag {
                lag_events: (head.0 - checkpoint.global_position.0).max(0),
                checkpoint,
            });
        let kafka = match &self.about.carrier {
            Some(carrier) => Some((carrier.look)().await),
            None => None,
        };
        Ok(Report {
            version: self.about.version.clone(),
            store: self.log.database().name(),
            uptime_seconds: self.started.elapsed().as_secs(),
            roles: self.about.roles.clone(),
            ready: ready.is_ok(),
            not_ready_reason: ready.err(),
            head,
            subscriptions: subscriptions.collect(),
            kafka,
            accounts: accounts(readers, &self.receiving).await?,
            registrations: registrations(readers, self.log.now()).await?,
            schedules: schedules(readers).await?,
            effects: effects(readers).await?,
            endpoints: endpoints(readers).await?,
            dead_letters: open_dead_letters(readers).await?,
            rejected: rejected::count(readers).await?,
        })
    }
}

/// `GET /status`: the report, or 503 when the database does not give it.
pub(crate) async fn status(status: Data<Status>, readiness: Data<crate::readiness::Readiness>) -> HttpResponse {
    let ready = readiness.check().await;
    let patience = if ready.is_ok() { PATIENCE } else { PATIENCE_IN_TROUBLE };
    let error = match tokio::time::timeout(patience, status.report(ready)).await {
        Ok(Ok(report)) => return HttpResponse::Ok().json(report),
        Ok(Err(error)) => error,
        Err(_) => sqlx::Error::PoolTimedOut.into(),
    };
    let request_id = Uuid::now_v7();
    tracing::error!(%request_id, error = &error as &dyn std::error::Error, "the status could not be read");
    let problem = if error.is_retryable() { UNREADABLE } else { Problem::INTERNAL };
    problem.answer(request_id)
}

/// Accounts whose access is known, and those that only receive.
async fn accounts(readers: &Pool, receiving: &[String]) -> Result<Vec<Account>, Error> {
    let rows = sql::query("SELECT account, state, reason, since FROM provider_accounts").fetch_all(readers).await?;
    let mut accounts: BTreeMap<String, Account> = receiving
        .iter()
        .map(|account| {
            let state = "receiving".to_owned();
            (
                account.clone(),
                Account { account: account.clone(), state, reason: None, since: None, receives_webhooks: true },
            )
        })
        .collect();
    for row in rows {
        let account: String = row.try_get("account")?;
        let receives_webhooks = accounts.contains_key(&account);
        let (state, reason, since) = (row.try_get("state")?, row.try_get("reason")?, row.try_get("since")?);
        accounts.insert(account.clone(), Account { account, state, reason, since, receives_webhooks });
    }
    Ok(accounts.into_values().collect())
}

async fn registrations(readers: &Pool, now: DateTime<Utc>) -> Result<Vec<Registration>, Error> {
    let rows = sql::query(
        "SELECT registration_id, account, kind, target, state, expires_at, checked_at, error FROM registrations \
         WHERE state <> 'removed' ORDER BY account, target, created_at",
    )
    .fetch_all(readers)
    .await?;
    rows.into_iter()
        .map(|row| {
            let expires_at: Option<DateTime<Utc>> = row.try_get("expires_at")?;
            Ok(Registration {
                registration_id: row.try_get("registration_id")?,
                account: row.try_get("account")?,
                kind: row.try_get("kind")?,
                target: row.try_get("target")?,
                state: row.try_get("state")?,
                expires_at,
                time_left_seconds: expires_at.map(|end| (end - now).num_seconds().max(0)),
                checked_at: row.try_get("checked_at")?,
                error: row.try_get("error")?,
            })
        })
        .collect()
}

async fn schedules(readers: &Pool) -> Result<Vec<Schedule>, Error> {
    let rows = sql::query(
        "SELECT schedule_name, spec, timezone, next_run_at, last_started_at, last_finished_at, last_outcome, \
         last_error, runs FROM schedules ORDER BY schedule_name",
    )
    .fetch_all(readers)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Schedule {
                schedule: row.try_get("schedule_name")?,
                spec: row.try_get("spec")?,
                timezone: row.try_get("timezone")?,
                next_run_at: row.try_get("next_run_at")?,
                last_started_at: row.try_get("last_started_at")?,
                last_finished_at: row.try_get("last_finished_at")?,
                last_outcome: row.try_get("last_outcome")?,
                last_error: row.try_get("last_error")?,
                runs: row.try_get("runs")?,
            })
        })
        .collect()
}

async fn endpoints(readers: &Pool) -> Result<BTreeMap<String, Endpoint>, Error> {
    let rows = sql::query(
        "SELECT endpoint, delivered, last_delivered_at, stopped_at, (SELECT count(*) FROM effects \
         WHERE account = 'notify:' || endpoint AND lane = 'control' AND status IN ('planned', 'unknown')) AS open \
         FROM notify_endpoints ORDER BY endpoint",
    )
    .fetch_all(readers)
    .await?;
    rows.into_iter()
        .map(|row| {
            let endpoint = Endpoint {
                delivered: row.try_get("delivered")?,
                last_delivered_at: row.try_get("last_delivered_at")?,
                open: row.try_get("open")?,
                stopped_at: row.try_get("stopped_at")?,
            };
            Ok((row.try_get("endpoint")?, endpoint))
        })
        .collect()
}

async fn effects(readers: &Pool) -> Result<BTreeMap<String, u64>, Error> {
    let rows = sql::query("SELECT status, count(*) AS effects FROM effects GROUP BY status").fetch_all(readers).await?;
    rows.into_iter().map(|row| Ok((row.try_get("status")?, row.try_get::<i64, _>("effects")?.unsigned_abs()))).collect()
}

async fn open_dead_letters(readers: &Pool) -> Result<u64, Error> {
    let open: i64 =
        sql::query_scalar("SELECT count(*) FROM dead_letters WHERE resolved_at IS NULL").fetch_one(readers).await?;
    Ok(open.unsigned_abs())
}
