//! Statements over `sync_jobs`: what is wanted, what goes on, what became of it. Each change is told by an event in the
//! same unit of work.

use std::collections::BTreeMap;

use catalogue::actor::Actor;
use catalogue::sync::{self, COMPLETED, Completed, FAILED, Failed, REQUESTED, Requested};
use chrono::{DateTime, Utc};
use event_log::sql::{self, Pool, Row};
use event_log::{Append, Error, EventId, NewEvent, UnitOfWork};
use serde::Serialize;
use uuid::Uuid;

/// What a job brings up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The messages of a mapped channel.
    Channel,
    /// The users of Books.
    BooksUsers,
    /// The customers of Books and whose they are.
    BooksAssignments,
}

/// Why a job is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// A person asked.
    Manual,
    /// It is time.
    Scheduled,
    /// A person asked again after a failure.
    Retry,
    /// The provider announced something.
    Webhook,
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Not begun.
    Pending,
    /// Begun; waits for a limit, or reads.
    Running,
    /// Done.
    Completed,
    /// Given up.
    Failed,
}

/// A wish for a job.
#[derive(Debug, Clone)]
pub struct Wish {
    /// What is to be done.
    pub kind: Kind,
    /// To what: `channel:<mapping id>`, `books-users:<account>`, ….
    pub subject: String,
    /// By whose access.
    pub account: String,
    /// Whose it is.
    pub organization: String,
    /// Why.
    pub trigger: Trigger,
    /// Everything is read again.
    pub is_full: bool,
    /// The job that failed before.
    pub retry_of: Option<Uuid>,
    /// Not before this time; absent: at once.
    pub not_before: Option<DateTime<Utc>>,
    /// Who asked, if a person did.
    pub actor: Option<Actor>,
    /// The event that led here, and its story.
    pub cause: Option<(Uuid, EventId)>,
}

/// One job.
#[derive(Debug, Clone, Serialize)]
pub struct Job {
    /// Its id; rises with time.
    pub job_id: Uuid,
    /// What is done.
    pub kind: Kind,
    /// To what.
    pub subject: String,
    /// By whose access.
    pub account: String,
    /// Whose it is.
    pub organization: String,
    /// Why.
    pub trigger: Trigger,
    /// Everything is read again.
    pub is_full: bool,
    /// The job that failed before.
    pub retry_of: Option<Uuid>,
    /// Where it stands.
    pub state: State,
    /// Nothing is done before this time.
    pub not_before: DateTime<Utc>,
    /// Failed tries in a row.
    pub failures: i64,
    /// Calls that brought something.
    pub turns: i64,
    /// When it was wanted.
    pub requested_at: DateTime<Utc>,
    /// When it began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// What was counted.
    pub counts: BTreeMap<String, u64>,
    /// Time at work, without waiting for limits, milliseconds.
    pub processing_ms: i64,
    /// Stable code of the last trouble.
    pub error_code: Option<String>,
    /// The last trouble in words.
    pub error: Option<String>,
    /// Its story.
    pub correlation_id: Uuid,
    /// The last wish that it does.
    #[serde(skip)]
    pub(crate) wanted_at: DateTime<Utc>,
    /// What could not be read although everything else was, in words.
    #[serde(skip)]
    pub(crate) left_out: Option<String>,
    #[serde(skip)]
    pub(crate) causation_id: Option<Uuid>,
}

macro_rules! words {
    ($type:ident { $($variant:ident = $word:literal),* $(,)? }) => {
        impl $type {
            /// The word for it in tables and events.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $($type::$variant => $word),* }
            }

            /// The one of that word.
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some($type::$variant),)* _ => None }
            }
        }
    };
}

words!(Kind { Channel = "channel", BooksUsers = "books_users", BooksAssignments = "books_assignments" });
words!(Trigger { Manual = "manual", Scheduled = "scheduled", Retry = "retry", Webhook = "webhook" });
words!(State { Pending = "pending", Running = "running", Completed = "completed", Failed = "failed" });

/// What a page of a job changes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    /// Added to the counts.
    pub(crate) counts: Vec<(&'static str, u64)>,
    /// Time at work.
    pub(crate) processing_ms: u64,
    /// What cannot be read although the rest can, in words.
    pub(crate) left_out: Option<String>,
}

/// The subject of a mapping's jobs.
#[must_use]
pub fn channel_subject(mapping_id: Uuid) -> String {
    format!("channel:{mapping_id}")
}

const COLUMNS: &str = "job_id, kind, subject, account, organization, trigger_name, is_full, retry_of, state, not_before, failures, \
     turns, requested_at, coalesce(wanted_at, requested_at) AS wanted_at, started_at, finished_at, counts, processing_ms, \
     error_code, error, left_out, correlation_id, causation_id";

/// Wants a job. There is one open job for a thing at a time: a pending one is given back (brought forward where the wish
/// is earlier), and a running one is followed by another. News that a provider announced are the least reason: a job that is
/// wanted for another one as well is one for that.
///
/// # Errors
/// Database failures.
pub async fn want(unit: &mut UnitOfWork<'_>, wish: &Wish) -> Result<Job, Error> {
    let now = unit.now();
    let not_before = wish.not_before.unwrap_or(now);
    if let Some(open) = open_of(unit.connection(), &wish.subject).await? {
        let again = (open.state == State::Running).then_some(wish.trigger.as_str());
        sql::query(
            "UPDATE sync_jobs SET not_before = CASE WHEN state = 'pending' AND not_before > $2 THEN $2 ELSE not_before END, \
             wanted_at = CASE WHEN state = 'pending' THEN $5 ELSE wanted_at END, \
             trigger_name = CASE WHEN state = 'pending' AND trigger_name = 'webhook' THEN $6 ELSE trigger_name END, \
             wanted_again = CASE WHEN $3 = 'webhook' THEN coalesce(wanted_again, $3) ELSE coalesce($3, wanted_again) END, \
             is_full = (is_full OR ($4 AND state = 'pending')), \
             wanted_full = (wanted_full OR ($4 AND state = 'running')) WHERE job_id = $1",
        )
        .bind(open.job_id)
        .bind(not_before)
        .bind(again)
        .bind(wish.is_full)
        .bind(now)
        .bind(wish.trigger.as_str())
        .execute(unit.connection())
        .await?;
        if wish.actor.is_some() {
            // Nothing new begins, and still it is told who asked for it.
            let event = requested(wish, open.job_id).in_story(open.correlation_id, open.causation_id.map(EventId));
            unit.append(Append::new(sync::stream(&wish.subject), vec![event])).await?;
        }
        return Ok(load(unit.connection(), open.job_id).await?.unwrap_or(open));
    }
    let job_id = EventId::fresh().0;
    let event = requested(wish, job_id);
    let (correlation_id, causation_id) = (event.correlation_id, event.id.0);
    unit.append(Append::new(sync::stream(&wish.subject), vec![event])).await?;
    sql::query(
        "INSERT INTO sync_jobs (job_id, kind, subject, account, organization, trigger_name, is_full, retry_of, state, \
         not_before, requested_at, wanted_at, counts, correlation_id, causation_id) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'pending', $9, $10, $10, $11, $12, $13)",
    )
    .bind(job_id)
    .bind(wish.kind.as_str())
    .bind(&wish.subject)
    .bind(&wish.account)
    .bind(&wish.organization)
    .bind(wish.trigger.as_str())
    .bind(wish.is_full)
    .bind(wish.retry_of)
    .bind(not_before)
    .bind(now)
    .bind(sql::json("{}"))
    .bind(correlation_id)
    .bind(causation_id)
    .execute(unit.connection())
    .await?;
    Ok(load(unit.connection(), job_id).await?.ok_or(event_log::sqlx::Error::RowNotFound)?)
}

/// The event that a job is wanted, with whoever asked for it.
fn requested(wish: &Wish, job_id: Uuid) -> NewEvent {
    let data = Requested {
        job_id,
        kind: wish.kind.as_str().to_owned(),
        subject: wish.subject.clone(),
        trigger: wish.trigger.as_str().to_owned(),
        full: wish.is_full,
    };
    let mut event = NewEvent::new(REQUESTED, "sync", &data).of(&wish.account, &wish.organization);
    if let Some((correlation_id, causation_id)) = wish.cause {
        event = event.in_story(correlation_id, Some(causation_id));
    }
    match &wish.actor {
        Some(actor) => event.with_metadata(&actor.metadata()),
        None => event,
    }
}

/// One job.
///
/// # Errors
/// Database failures.
pub async fn load(executor: impl Into<sql::Target<'_>>, job_id: Uuid) -> Result<Option<Job>, Error> {
    let row = sql::query_composed(format!("SELECT {COLUMNS} FROM sync_jobs WHERE job_id = $1"))
        .bind(job_id)
        .fetch_optional(executor)
        .await?;
    row.as_ref().map(read).transpose()
}

/// The open job of a thing.
///
/// # Errors
/// Database failures.
pub async fn open_of(executor: impl Into<sql::Target<'_>>, subject: &str) -> Result<Option<Job>, Error> {
    let row = sql::query_composed(format!(
        "SELECT {COLUMNS} FROM sync_jobs WHERE subject = $1 AND state IN ('pending', 'running')"
    ))
    .bind(subject)
    .fetch_optional(executor)
    .await?;
    row.as_ref().map(read).transpose()
}

/// The open jobs of an account that may do something now.
pub(crate) async fn due(readers: &Pool, account: &str, now: DateTime<Utc>) -> Result<Vec<Job>, Error> {
    let rows = sql::query_composed(format!(
        "SELECT {COLUMNS} FROM sync_jobs WHERE account = $1 AND state IN ('pending', 'running') AND not_before <= $2"
    ))
    .bind(account)
    .bind(now)
    .fetch_all(readers)
    .await?;
    rows.iter().map(read).collect()
}

/// Which jobs.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Whose.
    pub organization: Option<String>,
    /// Of what.
    pub subject: Option<String>,
    /// Where they stand.
    pub state: Option<State>,
    /// Older than this one.
    pub before: Option<Uuid>,
}

/// Jobs, newest first.
///
/// # Errors
/// Database failures.
pub async fn list(readers: &Pool, filter: &Filter, limit: u32) -> Result<Vec<Job>, Error> {
    let mut query = sql::Builder::new("SELECT ");
    query.push(COLUMNS).push(" FROM sync_jobs WHERE true");
    if let Some(organization) = &filter.organization {
        query.push(" AND organization = ").push_bind(organization);
    }
    if let Some(subject) = &filter.subject {
        query.push(" AND subject = ").push_bind(subject);
    }
    if let Some(state) = filter.state {
        query.push(" AND state = ").push_bind(state.as_str());
    }
    if let Some(before) = filter.before {
        query.push(" AND job_id < ").push_bind(before);
    }
    query.push(" ORDER BY job_id DESC LIMIT ").push_bind(limit);
    let rows = query.build().fetch_all(readers).await?;
    rows.iter().map(read).collect()
}

/// Begins a job, before the first call for it: whoever wants it from now on gets another, because what this one reads may
/// be older than the wish. Gives the job as it is by then; `None` when it is not open any more.
pub(crate) async fn begin(unit: &mut UnitOfWork<'_>, job_id: Uuid) -> Result<Option<Job>, Error> {
    let now = unit.now();
    sql::query("UPDATE sync_jobs SET state = 'running', started_at = $2 WHERE job_id = $1 AND state = 'pending'")
        .bind(job_id)
        .bind(now)
        .execute(unit.connection())
        .await?;
    Ok(load(unit.connection(), job_id).await?.filter(|job| job.state == State::Running))
}

/// Writes down that a page was read.
pub(crate) async fn advance(unit: &mut UnitOfWork<'_>, job: &Job, progress: &Progress) -> Result<Job, Error> {
    let now = unit.now();
    let mut counts = job.counts.clone();
    for (name, count) in &progress.counts {
        *counts.entry((*name).to_owned()).or_default() += count;
    }
    sql::query(
        "UPDATE sync_jobs SET state = 'running', started_at = coalesce(started_at, $2), turns = turns + 1, failures = 0, \
         counts = $3, processing_ms = processing_ms + $4, left_out = coalesce($5, left_out), error_code = NULL, \
         error = NULL WHERE job_id = $1",
    )
    .bind(job.job_id)
    .bind(now)
    .bind(sql::json(encoded(&counts)))
    .bind(progress.processing_ms.cast_signed())
    .bind(progress.left_out.as_deref())
    .execute(unit.connection())
    .await?;
    Ok(load(unit.connection(), job.job_id).await?.ok_or(event_log::sqlx::Error::RowNotFound)?)
}

/// Tries a job again later: after a failure, or because of a limit (which counts as none).
pub(crate) async fn postpone(
    unit: &mut UnitOfWork<'_>,
    job: &Job,
    until: DateTime<Utc>,
    trouble: (&str, &str),
    is_failure: bool,
) -> Result<(), Error> {
    let now = unit.now();
    sql::query(
        "UPDATE sync_jobs SET state = 'running', started_at = coalesce(started_at, $2), not_before = $3, \
         failures = failures + $4, error_code = $5, error = $6 WHERE job_id = $1",
    )
    .bind(job.job_id)
    .bind(now)
    .bind(until)
    .bind(i64::from(is_failure))
    .bind(trouble.0)
    .bind(trouble.1)
    .execute(unit.connection())
    .await?;
    Ok(())
}

/// Code of a job that completed without something that cannot be had.
const INCOMPLETE: &str = "incomplete";

/// Ends a job with what it counted, and says what it had to leave out. Whoever wanted it meanwhile gets another.
pub(crate) async fn complete(unit: &mut UnitOfWork<'_>, job: &Job) -> Result<EventId, Error> {
    let data = Completed {
        job_id: job.job_id,
        kind: job.kind.as_str().to_owned(),
        subject: job.subject.clone(),
        counts: job.counts.clone(),
        processing_ms: job.processing_ms.cast_unsigned(),
    };
    let event = NewEvent::new(COMPLETED, "sync", &data);
    let error_code = job.left_out.as_ref().map(|_| INCOMPLETE.to_owned());
    let completed = Job { error_code, error: job.left_out.clone(), ..job.clone() };
    end(unit, &completed, State::Completed, event).await
}

/// Gives an open job up, for a reason that is not the provider's; one that has ended stays as it is.
///
/// # Errors
/// Database failures.
pub async fn give_up(unit: &mut UnitOfWork<'_>, job_id: Uuid, code: &str, error: &str) -> Result<(), Error> {
    let job = load(unit.connection(), job_id).await?;
    if let Some(job) = job.filter(|job| matches!(job.state, State::Pending | State::Running)) {
        fail(unit, &job, code, error).await?;
    }
    Ok(())
}

/// Gives a job up.
pub(crate) async fn fail(unit: &mut UnitOfWork<'_>, job: &Job, code: &str, error: &str) -> Result<EventId, Error> {
    let data = Failed {
        job_id: job.job_id,
        kind: job.kind.as_str().to_owned(),
        subject: job.subject.clone(),
        code: code.to_owned(),
        error: error.to_owned(),
    };
    let event = NewEvent::new(FAILED, "sync", &data);
    let failed = Job { error_code: Some(code.to_owned()), error: Some(error.to_owned()), ..job.clone() };
    end(unit, &failed, State::Failed, event).await
}

/// Counts a job that has ended, after the commit that says so.
pub(crate) fn count(kind: Kind, outcome: State) {
    metrics::counter!("sync_jobs_total", "kind" => kind.as_str(), "outcome" => outcome.as_str()).increment(1);
}

async fn end(unit: &mut UnitOfWork<'_>, job: &Job, state: State, event: NewEvent) -> Result<EventId, Error> {
    let now = unit.now();
    let event = event.in_story(job.correlation_id, job.causation_id.map(EventId)).of(&job.account, &job.organization);
    let event_id = event.id;
    unit.append(Append::new(sync::stream(&job.subject), vec![event])).await?;
    let row = sql::query(
        "UPDATE sync_jobs SET state = $2, started_at = coalesce(started_at, $3), finished_at = $3, error_code = $4, \
         error = $5 WHERE job_id = $1 RETURNING wanted_again, wanted_full",
    )
    .bind(job.job_id)
    .bind(state.as_str())
    .bind(now)
    .bind(job.error_code.as_deref())
    .bind(job.error.as_deref())
    .fetch_one(unit.connection())
    .await?;
    let again: Option<String> = row.try_get("wanted_again")?;
    if let Some(trigger) = again.as_deref().and_then(Trigger::parse) {
        let wish = Wish {
            kind: job.kind,
            subject: job.subject.clone(),
            account: job.account.clone(),
            organization: job.organization.clone(),
            trigger,
            is_full: row.try_get("wanted_full")?,
            retry_of: None,
            not_before: None,
            actor: None,
            cause: Some((job.correlation_id, event_id)),
        };
        Box::pin(want(unit, &wish)).await?;
    }
    Ok(event_id)
}

fn encoded(counts: &BTreeMap<String, u64>) -> String {
    serde_json::to_string(counts).expect("counts serialise to JSON")
}

fn read(row: &Row) -> Result<Job, Error> {
    let (kind, trigger, state): (String, String, String) =
        (row.try_get("kind")?, row.try_get("trigger_name")?, row.try_get("state")?);
    let counts: String = row.try_get("counts")?;
    let unknown =
        |what: &str, word: &str| event_log::sqlx::Error::Decode(format!("{what} {word:?} of a sync job").into());
    Ok(Job {
        job_id: row.try_get("job_id")?,
        kind: Kind::parse(&kind).ok_or_else(|| unknown("kind", &kind))?,
        subject: row.try_get("subject")?,
        account: row.try_get("account")?,
        organization: row.try_get("organization")?,
        trigger: Trigger::parse(&trigger).ok_or_else(|| unknown("trigger", &trigger))?,
        is_full: row.try_get("is_full")?,
        retry_of: row.try_get("retry_of")?,
        state: State::parse(&state).ok_or_else(|| unknown("state", &state))?,
        not_before: row.try_get("not_before")?,
        failures: row.try_get("failures")?,
        turns: row.try_get("turns")?,
        requested_at: row.try_get("requested_at")?,
        wanted_at: row.try_get("wanted_at")?,
        started_at: row.try_get("started_at")?,
        finished_at: row.try_get("finished_at")?,
        counts: serde_json::from_str(&counts).unwrap_or_default(),
        processing_ms: row.try_get("processing_ms")?,
        error_code: row.try_get("error_code")?,
        error: row.try_get("error")?,
        left_out: row.try_get("left_out")?,
        correlation_id: row.try_get("correlation_id")?,
        causation_id: row.try_get("causation_id")?,
    })
}
