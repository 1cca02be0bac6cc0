//! Doing what the ledger says: one dispatcher per account and lane, so that a slow or stopped account holds up nobody.
//!
//! A worker records an outcome and claims its next effect in one unit of work: two thirds of the commits of a naive
//! loop are saved, and concurrent workers share the rest.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use providers::error::{Error as Refusal, ThrottleScope};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::context::{Context, LEASE};
use crate::ledger::{self, Effect, Kind, Lane, Verdict};
use crate::transfer::{completion, file, folder, locate, request};
use crate::trouble::Trouble;
use crate::{Error, crm_update};

/// Other processes may plan work that nobody wakes us for.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Work that is due and cannot be claimed (its twin is under way) is looked at again after this.
const BLOCKED: Duration = Duration::from_millis(100);
/// Pause before an outcome is written again when the log cannot write.
const WRITE_AGAIN: Duration = Duration::from_millis(500);

/// Runs the effects of one account and lane until `stop`; then finishes what runs, until `abort`.
///
/// # Errors
/// When the ledger cannot be read for a reason that no waiting helps.
pub(crate) async fn dispatch(
    context: Arc<Context>,
    account: String,
    lane: Lane,
    slots: u32,
    stop: CancellationToken,
    abort: CancellationToken,
) -> Result<(), Error> {
    let mut planned = context.planned();
    let mut access = context.accounts.changes();
    let (pause, mut paused) = watch::channel(None::<DateTime<Utc>>);
    let dispatcher = Arc::new(Dispatcher { context: context.clone(), account, lane, stop: stop.clone(), abort, pause });
    let mut workers = JoinSet::new();
    while !stop.is_cancelled() {
        planned.mark_unchanged();
        access.mark_unchanged();
        let free = slots.saturating_sub(u32::try_from(workers.len()).unwrap_or(u32::MAX));
        let wait = if free == 0 { LOOK_EVERY } else { dispatcher.start_due(&mut workers, free).await? };
        tokio::select! {
            () = stop.cancelled() => {}
            _ = planned.changed() => {}
            _ = access.changed() => {}
            _ = paused.changed() => {}
            Some(ended) = workers.join_next() => {
                if let Err(panicked) = ended {
                    tracing::error!(error = %panicked, "an effect panicked; its outcome is unknown until its lease runs out");
                }
            }
            () = tokio::time::sleep(wait) => {}
        }
    }
    while workers.join_next().await.is_some() {}
    Ok(())
}

struct Dispatcher {
    context: Arc<Context>,
    account: String,
    lane: Lane,
    stop: CancellationToken,
    abort: CancellationToken,
    pause: watch::Sender<Option<DateTime<Utc>>>,
}

impl Dispatcher {
    /// Starts what is due and says how long there is nothing more to start.
    async fn start_due(self: &Arc<Self>, workers: &mut JoinSet<()>, free: u32) -> Result<Duration, Error> {
        if let Some(until) = self.paused_until() {
            return Ok(self.until(until));
        }
        if self.context.needs_consent(&self.account) {
            return Ok(LOOK_EVERY);
        }
        let readers = self.context.log.database().readers();
        let Some(due) = ledger::next_due(readers, &self.account, self.lane).await? else { return Ok(LOOK_EVERY) };
        if due > self.context.now() {
            return Ok(self.until(due));
        }
        let claimed = match self.claim(free).await {
            Ok(claimed) => claimed,
            Err(error) if error.is_retryable() => return Ok(WRITE_AGAIN),
            Err(error) => return Err(error),
        };
        if claimed.is_empty() {
            return Ok(BLOCKED);
        }
        for effect in claimed {
            let dispatcher = self.clone();
            workers.spawn(async move { dispatcher.work(effect).await });
        }
        Ok(Duration::ZERO)
    }

    fn paused_until(&self) -> Option<DateTime<Utc>> {
        let until = *self.pause.borrow();
        until.filter(|until| *until > self.context.now())
    }

    /// Never longer than the look-out interval: other processes may plan something that is due earlier.
    fn until(&self, time: DateTime<Utc>) -> Duration {
        (time - self.context.now()).to_std().unwrap_or(Duration::ZERO).min(LOOK_EVERY).max(Duration::from_millis(1))
    }

    async fn claim(&self, limit: u32) -> Result<Vec<Effect>, Error> {
        let (account, lane, leased_by) = (self.account.clone(), self.lane, self.context.leased_by.clone());
        self.context
            .log
            .write(move |unit| {
                Box::pin(async move { ledger::claim(unit, &account, lane, limit, &leased_by, LEASE).await })
            })
            .await
    }

    /// Does an effect, and whatever comes next in the same slot.
    async fn work(self: Arc<Self>, effect: Effect) {
        let mut next = Some(effect);
        while let Some(effect) = next {
            let kind = effect.kind.as_str();
            let started = std::time::Instant::now();
            let attempt = tokio::select! {
                verdict = self.attempt(&effect) => Some(verdict),
                () = self.abort.cancelled() => None,
            };
            // Aborted: the row stays started, and is parked when the process is done.
            let Some(verdict) = attempt else { return };
            metrics::counter!("effects_total", "kind" => kind, "outcome" => verdict.as_str()).increment(1);
            metrics::histogram!("effect_duration_seconds", "kind" => kind).record(started.elapsed().as_secs_f64());
            next = self.record(effect, verdict).await;
        }
    }

    #[tracing::instrument(name = "effect.run", level = "debug", skip_all, fields(effect.key = %effect.key, attempt = effect.attempt + 1))]
    async fn attempt(&self, effect: &Effect) -> Verdict {
        let context = &*self.context;
        let result = match effect.kind {
            Kind::Locate => locate::run(context, effect).await,
            Kind::CopyFolder => folder::run(context, effect).await,
            Kind::CopyFile => file::run(context, effect).await,
            Kind::UpdateRecord => crm_update::run(context, effect).await,
        };
        let patience = context.patience(transfer_of(effect).as_deref().unwrap_or_default());
        let verdict = match result {
            // Settled as not done after the last allowed attempt: that is a failure.
            Ok(Verdict::NotDone) if effect.attempt >= patience.max_attempts => Verdict::Failed {
                code: "attempts_exhausted".to_owned(),
                error: format!("given up after {} attempts, the last of which the provider did not carry out", effect.attempt),
                events: Vec::new(),
                dead_letter: true,
            },
            Ok(verdict) => verdict,
            Err(trouble) => {
                self.note_throttle(&trouble);
                trouble.verdict(effect, patience, context.now())
            }
        };
        log_verdict(effect, &verdict);
        told_when_failed(context, effect, verdict)
    }

    /// A limit that covers the account stops the whole lane, not one effect after the other.
    fn note_throttle(&self, trouble: &Trouble) {
        let Trouble::Provider(Refusal::Throttled(throttled)) = trouble else { return };
        if matches!(throttled.scope, ThrottleScope::Folder(_)) {
            return;
        }
        self.pause.send_if_modified(|until| {
            let later = until.is_none_or(|until| throttled.until > until);
            if later {
                *until = Some(throttled.until);
            }
            later
        });
    }

    /// Writes the outcome down, however long the log cannot write, and takes the next effect of the lane.
    async fn record(&self, effect: Effect, verdict: Verdict) -> Option<Effect> {
        let plans = matches!(&verdict, Verdict::Succeeded { plan, .. } if !plan.is_empty());
        let (effect, verdict) = (Arc::new(effect), Arc::new(verdict));
        loop {
            match self.try_record(effect.clone(), verdict.clone()).await {
                Ok(next) => {
                    if plans || verdict.is_final() {
                        self.context.work_was_planned();
                    }
                    return next;
                }
                Err(Error::LostLease { effect_key }) => {
                    tracing::warn!(effect.key = effect_key, "the lease ran out before the outcome was written; it will be settled by whoever took it over");
                    return None;
                }
                Err(error) if error.is_retryable() && !self.abort.is_cancelled() => {
                    tracing::warn!(error = %error, "an outcome could not be written yet");
                    tokio::time::sleep(WRITE_AGAIN).await;
                }
                Err(error) => {
                    tracing::error!(error = %error, effect.key = effect.key, "an outcome could not be written; the effect will be settled later");
                    return None;
                }
            }
        }
    }

    async fn try_record(&self, effect: Arc<Effect>, verdict: Arc<Verdict>) -> Result<Option<Effect>, Error> {
        let takes_next = !self.stop.is_cancelled()
            && self.paused_until().is_none()
            && !self.context.needs_consent(&self.account);
        let (account, lane, context) = (self.account.clone(), self.lane, self.context.clone());
        self.context
            .log
            .write(move |unit| {
                Box::pin(async move {
                    ledger::finish(unit, &effect, &context.leased_by, &verdict).await?;
                    follow_up(unit, &context, &effect, &verdict).await?;
                    if !takes_next {
                        return Ok(None);
                    }
                    Ok(ledger::claim(unit, &account, lane, 1, &context.leased_by, LEASE).await?.pop())
                })
            })
            .await
    }
}

/// What a final outcome means for the transfer it belongs to.
async fn follow_up(
    unit: &mut event_log::UnitOfWork<'_>,
    context: &Context,
    effect: &Effect,
    verdict: &Verdict,
) -> Result<(), Error> {
    if !verdict.is_final() {
        return Ok(());
    }
    if effect.kind == Kind::UpdateRecord {
        let update: request::UpdateRecord = effect.request()?;
        return crm_update::settle_standing(unit, &update, effect.run, verdict).await;
    }
    let Some(owner) = owner_of(effect) else { return Ok(()) };
    let Ok(settings) = context.transfers.get(&owner.transfer) else { return Ok(()) };
    completion::close_if_done(unit, settings, &owner.record_id, effect, verdict).await
}

fn told_when_failed(context: &Context, effect: &Effect, verdict: Verdict) -> Verdict {
    let Verdict::Failed { code, error, mut events, dead_letter } = verdict else { return verdict };
    events.extend(match effect.kind {
        Kind::Locate => Vec::new(),
        Kind::CopyFolder => folder::given_up(effect, &code, &error),
        Kind::CopyFile => file::given_up(effect, &code, &error),
        Kind::UpdateRecord => crm_update::given_up(context, effect, &code, &error),
    });
    Verdict::Failed { code, error, events, dead_letter }
}

fn log_verdict(effect: &Effect, verdict: &Verdict) {
    let (key, kind) = (&effect.key, effect.kind.as_str());
    match verdict {
        Verdict::Succeeded { .. } => tracing::debug!(effect.key = key, "effect {kind} succeeded"),
        Verdict::NotDone => tracing::info!(effect.key = key, "effect {kind} was settled: the provider had not done it, so it is done again"),
        Verdict::Retry { code, error, .. } => tracing::warn!(effect.key = key, code, "effect {kind} failed and is tried again: {error}"),
        Verdict::Wait { code, until, .. } => tracing::info!(effect.key = key, code, "effect {kind} waits until {until}"),
        Verdict::Unknown { code, error, .. } => tracing::warn!(effect.key = key, code, "effect {kind} has an unknown outcome, which is settled by reading back: {error}"),
        Verdict::Failed { code, error, .. } => tracing::error!(effect.key = key, code, "effect {kind} is given up: {error}"),
    }
}

/// What every request names.
#[derive(serde::Deserialize)]
struct Owner {
    transfer: String,
    record_id: String,
}

fn owner_of(effect: &Effect) -> Option<Owner> {
    effect.request().ok()
}

fn transfer_of(effect: &Effect) -> Option<String> {
    owner_of(effect).map(|owner| owner.transfer)
}
