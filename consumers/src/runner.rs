//! Doing what the ledger says: one dispatcher per account and lane, so that a slow or stopped account holds up nobody.
//!
//! A worker records an outcome and claims its next effect in one unit of work: two thirds of the commits of a naive
//! loop are saved, and concurrent workers share the rest.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures::FutureExt;
use providers::error::{Error as Refusal, ThrottleScope};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::ledger::{self, Claim, Effect, Finished, Kind, Lane, Queue, Verdict};
use crate::pause::{Paused, Product};
use crate::running::Hold;
use crate::transfer::{completion, file, folder, locate};
use crate::trouble::{STOPPED_ACCOUNT, Trouble};
use crate::{Error, contact_update, crm_update, ingest, notify, story};

/// Other processes may plan work that nobody wakes us for.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// While accounts are paused, much that is due may have to be passed over: looked at less often.
const LOOK_WHEN_PAUSED: Duration = Duration::from_secs(2);
/// Work that is due and cannot be claimed (its twin is under way) is looked at again after this.
const BLOCKED: Duration = Duration::from_millis(100);
/// Pause before an outcome is written again when the log cannot write.
const WRITE_AGAIN: Duration = Duration::from_millis(500);

/// Runs the effects of one share until `stop`; then finishes what runs, until `abort`.
///
/// # Errors
/// When the ledger cannot be read for a reason that no waiting helps.
pub(crate) async fn dispatch(
    context: Arc<Context>,
    share: Share,
    stop: CancellationToken,
    abort: CancellationToken,
) -> Result<(), Error> {
    let mut planned = context.planned();
    let mut access = context.accounts.changes();
    let queues = queues(&context, &share).await?;
    let Share { account, lane, kinds, slots } = share;
    let dispatcher =
        Arc::new(Dispatcher { context: context.clone(), account, lane, kinds, queues, stop: stop.clone(), abort });
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
            Some(ended) = workers.join_next() => {
                if let Err(panicked) = ended {
                    tracing::error!(error = %panicked, "a worker panicked; its effect is settled when its lease runs out");
                }
            }
            () = tokio::time::sleep(wait) => {}
        }
    }
    while workers.join_next().await.is_some() {}
    Ok(())
}

/// Goes on only as long as the effect is ours; `None` when it no longer is.
async fn while_held<T>(hold: &Hold, attempt: impl Future<Output = T>) -> Option<T> {
    let mut attempt = std::pin::pin!(attempt);
    std::future::poll_fn(|task| match hold.is_over() {
        true => Poll::Ready(None),
        false => attempt.as_mut().poll(task).map(Some),
    })
    .await
}

/// What one dispatcher does.
#[derive(Debug, Clone)]
pub(crate) struct Share {
    /// Effects that change this account.
    pub(crate) account: String,
    /// Of this lane.
    pub(crate) lane: Lane,
    /// Of these kinds.
    pub(crate) kinds: Vec<Kind>,
    /// So many at a time.
    pub(crate) slots: u32,
}

/// What a share consists of: by the transfers and receivers of the configuration, and what is left of others.
async fn queues(context: &Context, share: &Share) -> Result<Vec<Queue>, Error> {
    let mut queues = BTreeSet::new();
    if share.kinds.contains(&Kind::UpdateRecord) {
        queues.insert(Queue::Records);
    }
    if share.kinds.contains(&Kind::PostBatch) {
        queues.insert(Queue::Batches);
    }
    if share.kinds.contains(&Kind::AssignContact) {
        queues.insert(Queue::Contacts);
    }
    if share.kinds.contains(&Kind::PostNotification) {
        queues.insert(Queue::Notifications);
    }
    if share.kinds.iter().any(|kind| matches!(kind, Kind::Locate | Kind::CopyFolder | Kind::CopyFile)) {
        let transfers = context.settings.transfers.0.values().filter(|one| one.destination == share.account);
        let left = ledger::sources(context.log.database().readers(), &share.account, share.lane).await?;
        queues.extend(transfers.map(|one| one.source.clone()).chain(left).map(Queue::From));
    }
    Ok(queues.into_iter().collect())
}

struct Dispatcher {
    context: Arc<Context>,
    account: String,
    lane: Lane,
    kinds: Vec<Kind>,
    queues: Vec<Queue>,
    stop: CancellationToken,
    abort: CancellationToken,
}

impl Dispatcher {
    /// Starts what is due and says how long there is nothing more to start.
    async fn start_due(self: &Arc<Self>, workers: &mut JoinSet<()>, free: u32) -> Result<Duration, Error> {
        let claim = self.claiming();
        if !self.is_open(&claim.paused) {
            return Ok(self.until_resumed(&claim.paused));
        }
        let readers = self.context.log.database().readers();
        let due = match ledger::next_due(readers, &claim).await {
            Ok(Some(due)) => due,
            Ok(None) => return Ok(self.until_resumed(&claim.paused)),
            Err(error) if error.is_retryable() => return Ok(WRITE_AGAIN),
            Err(error) => return Err(error),
        };
        if due > self.context.now() {
            return Ok(self.until(due));
        }
        let asked_at = Instant::now();
        let claimed = match self.claim(claim, free).await {
            Ok(claimed) => claimed,
            Err(error) if error.is_retryable() => return Ok(WRITE_AGAIN),
            Err(error) => return Err(error),
        };
        if claimed.is_empty() {
            return Ok(BLOCKED);
        }
        for effect in claimed {
            let dispatcher = self.clone();
            workers.spawn(async move { dispatcher.work(effect, asked_at).await });
        }
        Ok(Duration::ZERO)
    }

    fn claiming(&self) -> Claim {
        Claim {
            account: self.account.clone(),
            lane: self.lane,
            kinds: self.kinds.clone(),
            queues: self.queues.clone(),
            leased_by: self.context.leased_by.clone(),
            lease: self.context.timing.lease,
            paused: self.context.pauses.now(self.context.now()),
        }
    }

    /// Whether anything of this lane may start at all.
    fn is_open(&self, paused: &Paused) -> bool {
        let is_paused = self.lane == Lane::Files && paused.covers(&self.account, Product::WorkDrive);
        !is_paused && !self.context.needs_consent(&self.account)
    }

    /// How long nothing is looked for when nothing may start.
    fn until_resumed(&self, paused: &Paused) -> Duration {
        let Some(end) = paused.first_end else { return LOOK_EVERY };
        (end - self.context.now()).to_std().unwrap_or(Duration::ZERO).clamp(Duration::from_millis(1), LOOK_WHEN_PAUSED)
    }

    /// Never longer than the look-out interval: other processes may plan something that is due earlier.
    fn until(&self, time: DateTime<Utc>) -> Duration {
        (time - self.context.now()).to_std().unwrap_or(Duration::ZERO).min(LOOK_EVERY).max(Duration::from_millis(1))
    }

    async fn claim(&self, claim: Claim, limit: u32) -> Result<Vec<Effect>, Error> {
        self.context.log.write(move |unit| Box::pin(async move { ledger::claim(unit, &claim, limit).await })).await
    }

    /// Does an effect, and whatever comes next in the same slot.
    async fn work(self: Arc<Self>, effect: Effect, mut claimed_at: Instant) {
        let mut next = Some(effect);
        while let Some(effect) = next {
            let running = self.context.running.enter(&effect.key, claimed_at + self.context.timing.trust());
            let kind = effect.kind.as_str();
            let started = Instant::now();
            let attempt = tokio::select! {
                verdict = while_held(&running.hold, self.attempt(&effect)) => verdict,
                () = self.abort.cancelled() => None,
                () = running.let_go.cancelled() => None,
            };
            // Let go of: the row stays started until it is parked, or its lease runs out.
            let Some(verdict) = attempt else { return };
            metrics::counter!("effects_total", "kind" => kind, "outcome" => verdict.as_str()).increment(1);
            metrics::histogram!("effect_duration_seconds", "kind" => kind).record(started.elapsed().as_secs_f64());
            claimed_at = Instant::now();
            next = self.record(effect, verdict).await;
        }
    }

    #[tracing::instrument(name = "effect.run", level = "debug", skip_all, fields(effect.key = %effect.key, attempt = effect.attempt + 1))]
    async fn attempt(&self, effect: &Effect) -> Verdict {
        let context = &*self.context;
        let doing = async {
            match effect.kind {
                Kind::Locate => locate::run(context, effect).await,
                Kind::CopyFolder => folder::run(context, effect).await,
                Kind::CopyFile => file::run(context, effect).await,
                Kind::UpdateRecord => crm_update::run(context, effect).await,
                Kind::PostBatch => ingest::post::run(context, effect).await,
                Kind::AssignContact => contact_update::assign::run(context, effect).await,
                Kind::PostNotification => notify::post::run(context, effect).await,
            }
        };
        let result = AssertUnwindSafe(doing).catch_unwind().await.unwrap_or_else(|_| {
            tracing::error!(effect.key = effect.key, "effect {} panicked", effect.kind);
            Err(Trouble::Provider(panicked()))
        });
        let patience = context.patience(effect);
        let verdict = match result {
            // Settled as not done after the last allowed attempt: that is a failure.
            Ok(Verdict::NotDone) if effect.attempt >= patience.max_attempts => Verdict::Failed {
                code: "attempts_exhausted".to_owned(),
                error: format!(
                    "given up after {} attempts, the last of which the provider did not carry out",
                    effect.attempt
                ),
                events: Vec::new(),
                dead_letter: true,
            },
            Ok(verdict) => verdict,
            Err(trouble) => {
                self.note_pause(effect, &trouble);
                trouble.verdict(effect, patience, context.now())
            }
        };
        log_verdict(effect, &verdict);
        told_when_failed(context, effect, verdict)
    }

    /// What covers an account pauses all that needs it, instead of trying one effect after the other; and nothing else.
    fn note_pause(&self, effect: &Effect, trouble: &Trouble) {
        let account = match trouble {
            Trouble::Source(_) => effect.source_account.as_deref().unwrap_or(&self.account),
            _ => &self.account,
        };
        let product = match effect.kind {
            Kind::UpdateRecord => Product::Crm,
            Kind::PostBatch => Product::Ingest,
            Kind::AssignContact => Product::Books,
            Kind::PostNotification => Product::Notify,
            Kind::Locate | Kind::CopyFolder | Kind::CopyFile => Product::WorkDrive,
        };
        let all = [Product::Crm, Product::WorkDrive, Product::Books];
        let stopped_until = self.context.now() + STOPPED_ACCOUNT;
        match trouble.refusal() {
            Some(Refusal::Throttled(throttled)) => match throttled.scope {
                ThrottleScope::Folder(_) => {}
                ThrottleScope::Account => self.context.pauses.add(account, &all, throttled.until),
                _ => self.context.pauses.add(account, &[product], throttled.until),
            },
            Some(Refusal::Licence { .. }) => self.context.pauses.add(account, &[product], stopped_until),
            Some(refusal) if refusal.stops_account() => self.context.pauses.add(account, &all, stopped_until),
            _ => {}
        }
    }

    /// Writes the outcome down, however long the log cannot write, and takes the next effect of the lane.
    async fn record(&self, effect: Effect, verdict: Verdict) -> Option<Effect> {
        let plans = matches!(&verdict, Verdict::Succeeded { plan, .. } if !plan.is_empty());
        let (effect, verdict) = (Arc::new(effect), Arc::new(verdict));
        loop {
            match self.try_record(effect.clone(), verdict.clone()).await {
                Ok(next) => {
                    story::tell(&effect, &verdict);
                    if plans || verdict.is_final() {
                        self.context.work_was_planned();
                    }
                    return next;
                }
                Err(Error::LostLease { effect_key }) => {
                    tracing::warn!(
                        effect.key = effect_key,
                        "the lease ran out before the outcome was written; it will be settled by whoever took it over"
                    );
                    return None;
                }
                Err(error) if error.is_retryable() && !self.abort.is_cancelled() => {
                    tracing::warn!(error = %error, "an outcome could not be written yet");
                    tokio::time::sleep(WRITE_AGAIN).await;
                }
                Err(error) => {
                    tracing::error!(error = %error, effect.key = effect.key, "an outcome could not be written; the effect is settled when its lease runs out");
                    return None;
                }
            }
        }
    }

    async fn try_record(&self, effect: Arc<Effect>, verdict: Arc<Verdict>) -> Result<Option<Effect>, Error> {
        let claim = self.claiming();
        let takes_next = !self.stop.is_cancelled() && self.is_open(&claim.paused);
        let context = self.context.clone();
        self.context
            .log
            .write(move |unit| {
                Box::pin(async move {
                    let finished = ledger::finish(unit, &effect, &verdict).await?;
                    if verdict.is_final() {
                        follow_up(unit, &context, &effect, finished, &verdict).await?;
                    }
                    if !takes_next {
                        return Ok(None);
                    }
                    Ok(ledger::claim(unit, &claim, 1).await?.pop())
                })
            })
            .await
    }
}

/// What a final outcome means for what it belongs to.
async fn follow_up(
    unit: &mut event_log::UnitOfWork<'_>,
    context: &Context,
    effect: &Effect,
    finished: Finished,
    verdict: &Verdict,
) -> Result<(), Error> {
    let effect = &Effect { run: finished.run, ..effect.clone() };
    match effect.kind {
        Kind::UpdateRecord => return crm_update::settle_standing(unit, context, effect, verdict).await,
        Kind::PostBatch => return ingest::post::settle(unit, effect, verdict).await,
        Kind::AssignContact => return Ok(()),
        Kind::PostNotification => return notify::post::settle(unit, context, effect, verdict).await,
        Kind::Locate | Kind::CopyFolder | Kind::CopyFile => {}
    }
    if !finished.is_last {
        return Ok(());
    }
    let Some(owner) = owner_of(effect) else { return Ok(()) };
    let Ok(settings) = context.settings.transfers.get(&owner.transfer) else { return Ok(()) };
    completion::close(unit, settings, &owner.record_id, effect, verdict).await
}

/// A panic tells nothing about what was done before it.
fn panicked() -> Refusal {
    Refusal::Unavailable {
        operation: "effect.run",
        status: None,
        outcome: providers::error::Outcome::Unknown,
        source: Some("the program failed on this effect: a bug".into()),
    }
}

fn told_when_failed(context: &Context, effect: &Effect, verdict: Verdict) -> Verdict {
    let Verdict::Failed { code, error, mut events, dead_letter } = verdict else { return verdict };
    events.extend(match effect.kind {
        Kind::Locate => Vec::new(),
        Kind::CopyFolder => folder::given_up(effect, &code, &error),
        Kind::CopyFile => file::given_up(effect, &code, &error),
        Kind::UpdateRecord => crm_update::given_up(context, effect, &code, &error),
        Kind::PostBatch => ingest::post::given_up(effect, &code, &error),
        Kind::AssignContact if dead_letter => contact_update::assign::given_up(effect, &code, &error),
        Kind::AssignContact | Kind::PostNotification => Vec::new(),
    });
    Verdict::Failed { code, error, events, dead_letter }
}

fn log_verdict(effect: &Effect, verdict: &Verdict) {
    let (key, kind) = (&effect.key, effect.kind.as_str());
    match verdict {
        Verdict::Succeeded { .. } => tracing::debug!(effect.key = key, "effect {kind} succeeded"),
        Verdict::NotDone => tracing::info!(
            effect.key = key,
            "effect {kind} was settled: the provider had not done it, so it is done again"
        ),
        Verdict::Retry { code, error, .. } => {
            tracing::warn!(effect.key = key, code, "effect {kind} failed and is tried again: {error}")
        }
        Verdict::Wait { code, until, .. } => {
            tracing::info!(effect.key = key, code, "effect {kind} waits until {until}")
        }
        Verdict::Unknown { code, error, .. } => tracing::warn!(
            effect.key = key,
            code,
            "effect {kind} has an unknown outcome, which is settled by reading back: {error}"
        ),
        Verdict::Failed { code, dead_letter: false, .. } => {
            tracing::debug!(effect.key = key, code, "effect {kind} found nothing to do")
        }
        Verdict::Failed { code, error, .. } => {
            tracing::error!(effect.key = key, code, "effect {kind} is given up: {error}")
        }
    }
}

/// What every request of a transfer names.
#[derive(serde::Deserialize)]
struct Owner {
    transfer: String,
    record_id: String,
}

fn owner_of(effect: &Effect) -> Option<Owner> {
    effect.request().ok()
}
