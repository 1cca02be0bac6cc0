//! Polls find what no webhook announced. One poll per transfer looks for pending records, page by page.
//!
//! Each page is one unit of work: its facts, the evidence that it was read, and the place where the next one begins. So
//! an interrupted run goes on where it stopped, and nothing is skipped. A lease keeps two processes from running the same
//! poll at once. A run that fails is tried again before its next time.

use std::sync::Arc;
use std::time::Duration;

use catalogue::poll;
use chrono::{DateTime, TimeDelta, Utc};
use event_log::{Append, NewEvent, UnitOfWork, prolong_lease, release_lease, take_lease};
use providers::error::Error as ProviderError;
use providers::zoho::Client;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

mod once;
mod page;
mod scan;

pub use once::{PollOutcome, PollRequest, run_poll_once};

use crate::cursor::{self, Cursor};
use crate::intake::pause::{LOOK_EVERY, Patience, needs_a_person, wait};
use crate::intake::settings::{Target, Transfer};
use crate::intake::{Error, Intake};
use crate::schedule::{next_run, rows};
use scan::Ended;

/// Pauses between failed attempts of a run; the last one repeats.
const RETRY_AFTER: [TimeDelta; 4] =
    [TimeDelta::minutes(1), TimeDelta::minutes(5), TimeDelta::minutes(15), TimeDelta::minutes(30)];

/// How often a module or field that the CRM does not have is looked for again.
const CHECK_AGAIN_AFTER: TimeDelta = TimeDelta::minutes(10);

/// An unfinished run older than this begins anew: records before its place have changed meanwhile.
const RESUME_WITHIN: TimeDelta = TimeDelta::minutes(15);

/// How long a run is ours without a sign of life, and how often we give one. As long as a process that died leads the
/// poll, so that whoever takes over finds the run free.
const LEASE: Duration = Duration::from_secs(9);
const PROLONG_EVERY: Duration = Duration::from_secs(2);

/// One poll: what it looks for, and with what.
#[derive(Debug, Clone)]
pub(crate) struct Poll {
    pub(crate) intake: Arc<Intake>,
    pub(crate) name: String,
    pub(crate) transfer: Transfer,
    pub(crate) target: Target,
    pub(crate) client: Client,
}

/// A run under way. Whoever holds it holds the lease.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) number: i64,
    pub(crate) trigger: String,
    /// Where to go on.
    pub(crate) after: Option<String>,
    pub(crate) leased_by: String,
    /// Whether an interrupted run is resumed, and the schedule goes on after it. Runs that a person asked for do neither.
    pub(crate) scheduled: bool,
}

impl Poll {
    pub(crate) fn new(intake: Arc<Intake>, transfer: &str) -> Result<Self, Error> {
        let transfer = intake.transfer(transfer)?.clone();
        let client = intake.client(&transfer.account)?.clone();
        let name = transfer.poll();
        let target = intake.settings.targets().into_iter().find(|target| target.polls.contains(&name));
        let target = target.ok_or_else(|| Error::NoSuchTransfer(transfer.name.clone()))?;
        Ok(Poll { intake, name, transfer, target, client })
    }

    fn lease_name(&self) -> String {
        format!("schedule:{}", self.name)
    }

    /// Does `work` while the run's lease is prolonged, and gives it up when the lease is lost. A page that is being saved
    /// at that moment is refused.
    async fn while_held<T>(&self, run: &Run, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let prolong = async {
            loop {
                tokio::time::sleep(PROLONG_EVERY).await;
                let (poll, run) = (self.clone(), run.clone());
                let prolonging =
                    self.intake.log.write(move |unit| Box::pin(async move { poll.only_as_holder(unit, &run).await }));
                match prolonging.await {
                    Ok(()) => {}
                    Err(lost @ Error::LostLease { .. }) => return lost,
                    Err(error) => {
                        tracing::warn!(error = %error, poll = self.name, "a poll's lease could not be prolonged");
                    }
                }
            }
        };
        tokio::select! {
            done = work => done,
            lost = prolong => Err(lost),
        }
    }

    /// The first thing in a unit of work about a run: whoever was replaced without knowing stops here.
    async fn only_as_holder(&self, unit: &mut UnitOfWork<'_>, run: &Run) -> Result<(), Error> {
        let lease_name = self.lease_name();
        if prolong_lease(unit, &lease_name, &run.leased_by, LEASE).await? {
            return Ok(());
        }
        Err(Error::LostLease { lease_name })
    }

    /// Makes the schedule's row, or brings it to a changed schedule.
    async fn settle(&self) -> Result<rows::Row, Error> {
        let (name, schedule) = (self.name.clone(), self.transfer.schedule.clone());
        self.intake
            .log
            .write(move |unit| {
                Box::pin(async move {
                    let now = unit.now();
                    Ok(rows::settle(unit.connection(), now, &name, &schedule).await?)
                })
            })
            .await
    }

    /// Records that a run failed. A scheduled one is tried again at `retry_at`.
    async fn record_failure(
        &self,
        run: &Run,
        error: &ProviderError,
        retry_at: Option<DateTime<Utc>>,
    ) -> Result<(), Error> {
        metrics::counter!("polls_total", "outcome" => "failed").increment(1);
        let (poll, run) = (self.clone(), run.clone());
        let (code, words) = (error.code(), described(error));
        self.intake
            .log
            .write(move |unit| {
                Box::pin(async move {
                    poll.only_as_holder(unit, &run).await?;
                    let (now, name) = (unit.now(), poll.name.as_str());
                    let data = poll::Failed {
                        poll: name.to_owned(),
                        run: run.number,
                        code: code.to_owned(),
                        error: words.clone(),
                    };
                    let event = NewEvent::new(poll::FAILED, "poll", &data)
                        .of(&poll.transfer.account, &poll.transfer.organization);
                    unit.append(Append::new(poll::stream(name), vec![event])).await?;
                    if let Some(retry_at) = retry_at {
                        rows::fail(unit.connection(), now, name, &format!("{code}: {words}"), retry_at).await?;
                    }
                    Ok(release_lease(unit, &poll.lease_name(), &run.leased_by).await?)
                })
            })
            .await
    }
}

/// Runs one poll by its schedule.
pub(crate) struct Poller {
    poll: Poll,
    changes: watch::Receiver<u64>,
    /// Modules and fields are looked at before the first run, and again while they are wrong.
    check_at: Option<DateTime<Utc>>,
    complaint: Option<String>,
    /// The last run failed for want of a person's action: when the accounts change it is tried at once.
    waits_for_person: bool,
}

impl Poller {
    pub(crate) fn new(intake: Arc<Intake>, transfer: &str) -> Result<Self, Error> {
        let changes = intake.changes.clone();
        let poll = Poll::new(intake, transfer)?;
        let check_at = Some(DateTime::UNIX_EPOCH);
        Ok(Poller { poll, changes, check_at, complaint: None, waits_for_person: false })
    }

    /// Runs the poll whenever it is due, until the process stops.
    ///
    /// # Errors
    /// Failures of the log that do not pass by themselves.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Result<(), Error> {
        let mut patience = Patience::default();
        while !stop.is_cancelled() {
            let stepped = self.step(&stop).await;
            patience.survive("a poll", stepped, &stop).await?;
            wait(LOOK_EVERY, &stop).await;
        }
        Ok(())
    }

    async fn step(&mut self, stop: &CancellationToken) -> Result<(), Error> {
        let poll = &self.poll;
        let row = match rows::load(poll.intake.log.database().readers(), &poll.name).await? {
            Some(row) if row.is_for(&poll.transfer.schedule) => row,
            _ => poll.settle().await?,
        };
        let now = poll.intake.log.now();
        if self.check_at.is_some_and(|at| at <= now) {
            let Some(checked) = stop.run_until_cancelled(self.check(now)).await else { return Ok(()) };
            checked?;
        }
        let recovered = self.waits_for_person && self.changes.has_changed().unwrap_or(false);
        if self.complaint.is_some() || !(row.is_due(now) || recovered) {
            return Ok(());
        }
        self.changes.mark_unchanged();
        let Some((run, due)) = self.begin(recovered).await? else { return Ok(()) };
        let next = next_run(&self.poll.transfer.schedule, due, now);
        let span = tracing::info_span!(
            "provider.poll",
            provider = "zoho",
            account.id = %self.poll.transfer.account,
            poll = %self.poll.name,
            run = run.number,
        );
        match self.poll.while_held(&run, self.poll.scan(&run, next, stop)).instrument(span).await? {
            Ended::Complete => self.waits_for_person = false,
            Ended::Stopped => self.release(&run).await?,
            Ended::Failed(error) => self.failed(&run, &row, &error).await?,
        }
        Ok(())
    }

    /// Begins a run, or goes on with an interrupted one; `None` while another process runs the poll, or has just done so.
    async fn begin(&self, recovered: bool) -> Result<Option<(Run, DateTime<Utc>)>, Error> {
        let poll = self.poll.clone();
        self.poll
            .intake
            .log
            .write(move |unit| {
                Box::pin(async move {
                    let (now, name) = (unit.now(), poll.name.as_str());
                    let row = rows::load(unit.connection(), name).await?;
                    let Some(row) = row.filter(|row| recovered || row.is_due(now)) else { return Ok(None) };
                    let leased_by = poll.intake.leased_by.clone();
                    if !take_lease(unit, &poll.lease_name(), &leased_by, LEASE).await? {
                        return Ok(None);
                    }
                    let unfinished = cursor::load(unit.connection(), name).await?;
                    let resumed = unfinished.as_ref().map(|cursor| cursor.run);
                    let number = rows::begin(unit.connection(), now, name, resumed).await?;
                    let wanted = row.wanted_trigger.unwrap_or_else(|| rows::SCHEDULE.to_owned());
                    let cursor = match unfinished {
                        Some(cursor) if now - cursor.updated_at <= RESUME_WITHIN => cursor,
                        Some(cursor) => Cursor { after: None, updated_at: now, ..cursor },
                        None => Cursor { run: number, trigger: wanted, after: None, updated_at: now },
                    };
                    cursor::save(unit.connection(), name, &cursor).await?;
                    let Cursor { trigger, after, .. } = cursor;
                    let run = Run { number, trigger, after, leased_by, scheduled: true };
                    Ok(Some((run, row.next_run_at.unwrap_or(now))))
                })
            })
            .await
    }

    async fn release(&self, run: &Run) -> Result<(), Error> {
        let (lease_name, leased_by) = (self.poll.lease_name(), run.leased_by.clone());
        self.poll
            .intake
            .log
            .write(move |unit| Box::pin(async move { Ok(release_lease(unit, &lease_name, &leased_by).await?) }))
            .await
    }

    async fn failed(&mut self, run: &Run, row: &rows::Row, error: &ProviderError) -> Result<(), Error> {
        let now = self.poll.intake.log.now();
        tracing::warn!(error = error as &dyn std::error::Error, poll = %self.poll.name, "a poll failed");
        self.poll.record_failure(run, error, Some(retry_at(error, row.failures, now))).await?;
        self.waits_for_person = needs_a_person(error);
        if is_misconfiguration(error) {
            self.check_at = Some(now);
        }
        Ok(())
    }

    /// Looks whether the CRM has the module and the fields. What it lacks is said once, not tried endlessly.
    async fn check(&mut self, now: DateTime<Utc>) -> Result<(), Error> {
        let transfer = &self.poll.transfer;
        let fields = [transfer.checkbox_field.clone(), transfer.folder_field.clone()];
        let complaint = match self.poll.client.crm().check_fields(&transfer.module, &fields).await {
            Err(error) if is_misconfiguration(&error) => Some(self.complaint_about(&error)),
            // Anything else is for the run itself to find out.
            Ok(()) | Err(_) => None,
        };
        self.check_at = complaint.is_some().then(|| now + CHECK_AGAIN_AFTER);
        if complaint == self.complaint {
            return Ok(());
        }
        match &complaint {
            Some(complaint) => tracing::error!(poll = %self.poll.name, "{complaint}"),
            None => tracing::info!(poll = %self.poll.name, "the CRM has the module and fields now"),
        }
        self.complaint.clone_from(&complaint);
        let name = self.poll.name.clone();
        self.poll
            .intake
            .log
            .write(move |unit| {
                Box::pin(
                    async move { Ok(rows::mark_misconfigured(unit.connection(), &name, complaint.as_deref()).await?) },
                )
            })
            .await
    }

    fn complaint_about(&self, error: &ProviderError) -> String {
        let transfer = &self.poll.transfer;
        let key = match error {
            ProviderError::Rejected { field: Some(field), .. } if *field == transfer.checkbox_field.as_str() => {
                "checkbox_field"
            }
            ProviderError::Rejected { field: Some(field), .. } if *field == transfer.folder_field.as_str() => {
                "folder_field"
            }
            ProviderError::Rejected { field: Some(field), .. } if *field == transfer.module.as_str() => "module",
            _ => "module, checkbox_field or folder_field",
        };
        format!(
            "the CRM of account {} does not accept module {} with fields {} and {}: {}; correct transfers.{}.{key}, or \
             create it in the CRM; looked for again every {} minutes",
            transfer.account,
            transfer.module,
            transfer.checkbox_field,
            transfer.folder_field,
            described(error),
            transfer.name,
            CHECK_AGAIN_AFTER.num_minutes(),
        )
    }
}

/// Whether the module or a field is wrong, which no retry mends.
fn is_misconfiguration(error: &ProviderError) -> bool {
    matches!(error, ProviderError::Rejected { .. } | ProviderError::NotFound { .. })
}

/// When a failed run is tried again: the provider's time where it gives one, else after growing pauses.
fn retry_at(error: &ProviderError, failures: i64, now: DateTime<Utc>) -> DateTime<Utc> {
    let step = usize::try_from(failures).unwrap_or(0).min(RETRY_AFTER.len() - 1);
    error.throttled_until().unwrap_or(now + RETRY_AFTER[step]).max(now)
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use providers::error::{Outcome, ThrottleScope, Throttled};

    use super::*;

    #[test]
    fn failed_runs_are_tried_again_ever_later_but_never_before_the_providers_time() {
        let now: DateTime<Utc> = "2026-01-15T10:00:00Z".parse().unwrap();
        let lost = ProviderError::Unavailable {
            operation: "crm.pending",
            status: Some(500),
            outcome: Outcome::Unknown,
            source: None,
        };
        let minutes: Vec<i64> = (0..6).map(|failures| (retry_at(&lost, failures, now) - now).num_minutes()).collect();
        assert_eq!(minutes, [1, 5, 15, 30, 30, 30]);
        let until = now + TimeDelta::hours(2);
        let throttled =
            ProviderError::Throttled(Throttled { until, scope: ThrottleScope::Account, reason: String::new() });
        assert_eq!(retry_at(&throttled, 0, now), until);
    }
}
