//! The jobs of one account: one turn after the other, within its limits.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use event_log::Leadership;
use mappings::channel::{Mapping, sync_list};
use providers::error::Error as ProviderError;
use providers::zoho::Client;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::directory::Directory;
use super::jobs::{self, Job, Kind, State};
use super::turns::{Waiting, choose};
use super::{books, channel, schedules};
use crate::intake::pause::{LOOK_EVERY, Patience, needs_a_person, wait};
use crate::intake::{Error, Intake, only_as_leader};

/// How often schedules and mappings are looked at.
const SCHEDULES_EVERY: TimeDelta = TimeDelta::seconds(2);
/// Failed tries in a row after which a job is given up.
const TRIES: i64 = 6;
/// Pause after the first failed try; doubled after each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause between tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Pause while a person must act before anything can succeed.
const WITHOUT_CONSENT: TimeDelta = TimeDelta::seconds(60);

/// Does the jobs of one account.
pub(crate) struct Worker {
    pub(super) intake: Arc<Intake>,
    pub(super) leadership: Leadership,
    pub(super) account: String,
    pub(super) client: Client,
    pub(super) directory: Directory,
    /// The account's mappings, as of the last look.
    mappings: Vec<Mapping>,
    look_at: DateTime<Utc>,
    turn: u64,
    /// No call to a product before its time: the provider's word or our own budget.
    closed: Closed,
}

/// Until when each product takes no calls.
#[derive(Debug, Default)]
struct Closed {
    cliq: Option<DateTime<Utc>>,
    books: Option<DateTime<Utc>>,
}

impl Closed {
    fn of(&mut self, kind: Kind) -> &mut Option<DateTime<Utc>> {
        match kind {
            Kind::Channel => &mut self.cliq,
            Kind::BooksUsers | Kind::BooksAssignments => &mut self.books,
        }
    }
}

/// Why a turn brought nothing.
pub(super) enum Trouble {
    /// The provider, or the way to it.
    Provider(ProviderError),
    /// It makes no sense any more.
    Pointless {
        /// Stable code.
        code: &'static str,
        /// In words.
        error: String,
    },
    /// Our own log.
    Ours(Error),
}

impl From<ProviderError> for Trouble {
    fn from(error: ProviderError) -> Self {
        Trouble::Provider(error)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Trouble::Ours(error)
    }
}

impl From<event_log::Error> for Trouble {
    fn from(error: event_log::Error) -> Self {
        Trouble::Ours(error.into())
    }
}

impl Worker {
    pub(super) fn new(intake: Arc<Intake>, leadership: Leadership, account: &str) -> Result<Self, Error> {
        let client = intake.client(account)?.clone();
        Ok(Worker {
            intake,
            leadership,
            account: account.to_owned(),
            client,
            directory: Directory::default(),
            mappings: Vec::new(),
            look_at: DateTime::UNIX_EPOCH,
            turn: 0,
            closed: Closed::default(),
        })
    }

    pub(super) async fn run(mut self, stop: CancellationToken) -> Result<(), Error> {
        let mut patience = Patience::default();
        while !stop.is_cancelled() {
            let mut idle = Duration::ZERO;
            let stepped = self.step(&stop).await.map(|pause| idle = pause);
            patience.survive("a sync", stepped, &stop).await?;
            if !idle.is_zero() {
                wait(idle, &stop).await;
            }
        }
        Ok(())
    }

    /// Does one turn, and says how long there is nothing more to do.
    async fn step(&mut self, stop: &CancellationToken) -> Result<Duration, Error> {
        let now = self.intake.log.now();
        if self.look_at <= now {
            let all = sync_list(self.intake.log.database().readers()).await?;
            schedules::forget_others(&self.intake, &self.leadership, &all).await?;
            self.mappings = all.into_iter().filter(|mapping| mapping.account == self.account).collect();
            schedules::want_due(&self.intake, &self.leadership, &self.mappings).await?;
            books::schedule::forget(&self.intake, &self.leadership, &self.account).await?;
            books::schedule::want_due(&self.intake, &self.leadership, &self.account).await?;
            self.look_at = now + SCHEDULES_EVERY;
        }
        let readers = self.intake.log.database().readers();
        let mut due = jobs::due(readers, &self.account, now).await?;
        due.retain(|job| self.closed.of(job.kind).is_none_or(|until| until <= now));
        let due = books::in_order(readers, &self.account, due).await?;
        let waiting: Vec<Waiting> = due.iter().map(|job| self.waiting(job)).collect();
        let Some(chosen) = choose(&waiting, self.turn) else { return Ok(LOOK_EVERY / 4) };
        self.turn += 1;
        let Some(job) = due.into_iter().find(|job| job.job_id == chosen) else { return Ok(LOOK_EVERY) };
        let Some(job) = self.begun(job).await? else { return Ok(Duration::ZERO) };
        let span = tracing::info_span!(
            "provider.poll",
            provider = "zoho",
            account.id = %self.account,
            job.id = %job.job_id,
            subject = %job.subject,
        );
        let turn = async {
            self.must_own(&job)?;
            match job.kind {
                Kind::Channel => channel::turn(self, &job).await,
                Kind::BooksUsers => books::users::turn(self, &job).await,
                Kind::BooksAssignments => books::assignments::turn(self, &job).await,
            }
        };
        match stop.run_until_cancelled(turn.instrument(span)).await {
            None | Some(Ok(())) => Ok(Duration::ZERO),
            Some(Err(trouble)) => self.meet(&job, trouble).await,
        }
    }

    /// The job, begun.
    async fn begun(&self, job: Job) -> Result<Option<Job>, Error> {
        if job.state != State::Pending {
            return Ok(Some(job));
        }
        let leadership = self.leadership.clone();
        self.intake
            .log
            .write(move |unit| {
                Box::pin(async move {
                    only_as_leader(unit, &leadership).await?;
                    Ok(jobs::begin(unit, job.job_id).await?)
                })
            })
            .await
    }

    /// An account may be given to another organisation. What was decided in the one before is not done with its grant.
    fn must_own(&self, job: &Job) -> Result<(), Trouble> {
        if self.intake.settings.organization_of(&self.account) == Some(job.organization.as_str()) {
            return Ok(());
        }
        let error = format!(
            "the account {} does not belong to the organisation {} any more; end its mappings, or give the account back",
            self.account, job.organization
        );
        Err(Trouble::Pointless { code: "account_of_another_organization", error })
    }

    fn waiting(&self, job: &Job) -> Waiting {
        let mapping = self.mappings.iter().find(|mapping| jobs::channel_subject(mapping.mapping_id) == job.subject);
        let listed = mapping.and_then(|mapping| self.directory.channel(&mapping.channel_id));
        Waiting { job_id: job.job_id, turns: job.turns, newest_ms: listed.and_then(|listed| listed.seen.last_ms) }
    }

    /// What follows from a turn that brought nothing.
    async fn meet(&mut self, job: &Job, trouble: Trouble) -> Result<Duration, Error> {
        let now = self.intake.log.now();
        let error = match trouble {
            Trouble::Ours(error) => return Err(error),
            Trouble::Pointless { code, error } => {
                self.give_up(job, code, error).await?;
                return Ok(Duration::ZERO);
            }
            Trouble::Provider(error) => error,
        };
        let words = described(&error);
        if let Some(until) = error.throttled_until() {
            tracing::info!(account.id = %self.account, until = %until, "jobs wait for a limit of the provider: {words}");
            *self.closed.of(job.kind) = Some(until);
            self.postpone(job, until, (error.code(), &words), false).await?;
        } else if needs_a_person(&error) {
            tracing::warn!(account.id = %self.account, "jobs wait for a person: {words}");
            channel::note_failure(self, job, &words).await?;
            *self.closed.of(job.kind) = Some(now + WITHOUT_CONSENT);
            self.postpone(job, now + WITHOUT_CONSENT, (error.code(), &words), false).await?;
        } else if error.is_retryable() && job.failures + 1 < TRIES {
            self.postpone(job, now + pause(job.failures), (error.code(), &words), true).await?;
        } else {
            self.give_up(job, error.code(), words).await?;
        }
        Ok(Duration::ZERO)
    }

    async fn postpone(
        &self,
        job: &Job,
        until: DateTime<Utc>,
        trouble: (&str, &str),
        is_failure: bool,
    ) -> Result<(), Error> {
        let (leadership, job) = (self.leadership.clone(), job.clone());
        let (code, error) = (trouble.0.to_owned(), trouble.1.to_owned());
        self.intake
            .log
            .write(move |unit| {
                Box::pin(async move {
                    only_as_leader(unit, &leadership).await?;
                    Ok(jobs::postpone(unit, &job, until, (&code, &error), is_failure).await?)
                })
            })
            .await
    }

    async fn give_up(&self, job: &Job, code: &str, error: String) -> Result<(), Error> {
        tracing::warn!(account.id = %self.account, job.id = %job.job_id, code, "a sync of {} failed: {error}", job.subject);
        channel::note_failure(self, job, &error).await?;
        let (leadership, job, code, kind) = (self.leadership.clone(), job.clone(), code.to_owned(), job.kind);
        self.intake
            .log
            .write(move |unit| {
                Box::pin(async move {
                    only_as_leader(unit, &leadership).await?;
                    jobs::fail(unit, &job, &code, &error).await?;
                    Ok::<_, Error>(())
                })
            })
            .await?;
        jobs::count(kind, State::Failed);
        Ok(())
    }
}

fn pause(failures: i64) -> TimeDelta {
    let doubled = FIRST_PAUSE.saturating_mul(1 << failures.clamp(0, 10)).min(LONGEST_PAUSE);
    TimeDelta::from_std(doubled.mul_f64(rand::random_range(1.0..1.25))).unwrap_or(TimeDelta::seconds(60))
}

/// An error with its causes, in one line.
fn described(error: &ProviderError) -> String {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(below) = cause {
        words.push_str(": ");
        words.push_str(&below.to_string());
        cause = below.source();
    }
    words
}
