//! Users and customers of Books: jobs that bring them up to date, and what the rest of the product may ask of them.
//!
//! Users come before customers: a job for customers that has not begun waits until an open one for users of the same
//! account has ended.

use catalogue::actor::Actor;
use chrono::{DateTime, Utc};
use event_log::sql::Pool;
use event_log::{Error as LogError, EventId, UnitOfWork};
use mappings::salesperson::Story;
use providers::zoho::books::{Id, Organization};
use serde::Serialize;
use service::config::account::Books;
use uuid::Uuid;

pub(super) mod assignments;
mod fact;
pub(super) mod hints;
pub(super) mod schedule;
pub(super) mod users;
mod walk;

use super::jobs::{self, Job, Kind, State, Trigger, Wish};
use super::worker::{Trouble, Worker};

/// A wish for syncs of one account.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The account with the settings of Books.
    pub account: String,
    /// Whose it is.
    pub organization: String,
    /// Why.
    pub trigger: Trigger,
    /// All customers are read, not only those that changed. Users are always all read.
    pub is_full: bool,
    /// Who asked, if a person did.
    pub actor: Option<Actor>,
}

/// The two jobs of a full pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Pipeline {
    /// The job that reads the users.
    pub users: Uuid,
    /// The job that reads the customers after them.
    pub assignments: Uuid,
}

/// Where a pipeline stands.
#[derive(Debug, Clone, Serialize)]
pub struct PipelineState {
    /// The job that reads the users.
    pub users: Job,
    /// The job that reads the customers after them.
    pub assignments: Job,
}

impl PipelineState {
    /// Failed where one of the jobs has, completed where both are; what it is waiting for otherwise.
    #[must_use]
    pub fn state(&self) -> State {
        let states = [self.users.state, self.assignments.state];
        let is_open = |state: &State| matches!(state, State::Pending | State::Running);
        match states.iter().find(|state| is_open(state)) {
            Some(_) if states == [State::Pending, State::Pending] => State::Pending,
            Some(_) => State::Running,
            None if states.contains(&State::Failed) => State::Failed,
            None => State::Completed,
        }
    }
}

/// What jobs for the users of an account are about.
#[must_use]
pub fn users_subject(account: &str) -> String {
    format!("books-users:{account}")
}

/// What jobs for the customers of an account are about.
#[must_use]
pub fn assignments_subject(account: &str) -> String {
    format!("books-assignments:{account}")
}

/// Wants the users to be read.
///
/// # Errors
/// Database failures.
pub async fn want_users(unit: &mut UnitOfWork<'_>, ask: &Ask) -> Result<Job, LogError> {
    jobs::want(unit, &wish(ask, Kind::BooksUsers, None)).await
}

/// Wants the customers to be read, and whose they are.
///
/// # Errors
/// Database failures.
pub async fn want_assignments(unit: &mut UnitOfWork<'_>, ask: &Ask) -> Result<Job, LogError> {
    jobs::want(unit, &wish(ask, Kind::BooksAssignments, None)).await
}

/// Wants the users to be read and the customers after them, in one story. Jobs that are open already are part of it.
///
/// # Errors
/// Database failures.
pub async fn want_pipeline(unit: &mut UnitOfWork<'_>, ask: &Ask) -> Result<Pipeline, LogError> {
    let users = want_users(unit, ask).await?;
    let cause = users.causation_id.map(|asked| (users.correlation_id, EventId(asked)));
    let assignments = jobs::want(unit, &wish(ask, Kind::BooksAssignments, cause)).await?;
    Ok(Pipeline { users: users.job_id, assignments: assignments.job_id })
}

/// Where a pipeline stands; `None` when there are no such jobs.
///
/// # Errors
/// Database failures.
pub async fn pipeline(readers: &Pool, pipeline: &Pipeline) -> Result<Option<PipelineState>, LogError> {
    let users = jobs::load(readers, pipeline.users).await?;
    let assignments = jobs::load(readers, pipeline.assignments).await?;
    Ok(users.zip(assignments).map(|(users, assignments)| PipelineState { users, assignments }))
}

/// Leaves out jobs for customers that have to wait for one for users.
pub(super) async fn in_order(readers: &Pool, account: &str, due: Vec<Job>) -> Result<Vec<Job>, LogError> {
    let waits = |job: &Job| job.kind == Kind::BooksAssignments && job.turns == 0;
    if !due.iter().any(waits) || jobs::open_of(readers, &users_subject(account)).await?.is_none() {
        return Ok(due);
    }
    Ok(due.into_iter().filter(|job| !waits(job)).collect())
}

fn wish(ask: &Ask, kind: Kind, cause: Option<(Uuid, EventId)>) -> Wish {
    let subject = match kind {
        Kind::BooksUsers => users_subject(&ask.account),
        _ => assignments_subject(&ask.account),
    };
    Wish {
        kind,
        subject,
        account: ask.account.clone(),
        organization: ask.organization.clone(),
        trigger: ask.trigger,
        is_full: ask.is_full,
        retry_of: None,
        not_before: None,
        actor: ask.actor.clone(),
        cause,
    }
}

/// The settings of the account whose jobs these are.
fn settings_of(worker: &Worker) -> Result<Books, Trouble> {
    let settings = worker.intake.settings.books.get(&worker.account).cloned();
    settings.ok_or_else(|| Trouble::Pointless {
        code: "books_unconfigured",
        error: format!("there is no section [accounts.{}.books] in the configuration", worker.account),
    })
}

fn organization<'w>(worker: &'w Worker, books: &Books) -> Result<Organization<'w>, Trouble> {
    Ok(worker.client.books().organization(Id::parse(&books.organization_id)?))
}

/// The frame of what the provider answers to a question asked at that time.
fn story(job: &Job, source: &'static str, asked_at: DateTime<Utc>) -> Story {
    Story {
        account: job.account.clone(),
        organization: job.organization.clone(),
        source,
        correlation_id: job.correlation_id,
        causation_id: job.causation_id.map(EventId),
        asked_at: Some(asked_at),
        received_at: None,
        actor: None,
    }
}
