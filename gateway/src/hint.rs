//! Thin notifications become facts: the records they name are fetched, and their state is what counts.
//!
//! Each account has a lane of its own, so one that waits for consent or a limit holds up nobody else. A lane takes what
//! is there, fetches every record once, and appends the facts together with its checkpoint. What fails for a time is
//! tried until it works; what can never work is skipped, counted, and left to the poll.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use event_log::{EventType, GlobalPosition, Leadership, NewEvent, RecordedEvent, Subscription};
use providers::error::Error as ProviderError;
use providers::zoho::Client;
use providers::zoho::crm::{Record, RecordId};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

mod notification;

use notification::{Notification, Operation};

use crate::crm::{Fact, settle_ids};
use crate::intake::pause::{Backoff, wait, wait_out};
use crate::intake::settings::Target;
use crate::intake::{Error, Intake, only_as_leader};

/// Positions of the log looked at in one stretch.
const WINDOW: u32 = 256;

/// Mentions of records handled in one unit of work: keeps a commit, in which others wait, in the milliseconds.
const MENTIONS_AT_ONCE: usize = 500;

/// How long a checkpoint may stay behind while nothing for the lane arrives. Saving it with every foreign event would
/// double the writes of a busy log; after a crash the stretch is looked at again, which changes nothing.
const SAVE_EVERY: Duration = Duration::from_secs(5);

const MALFORMED: &str = "malformed";
const MODULE: &str = "module";
const REFUSED: &str = "refused";

/// Turns the notifications of one account into facts.
pub(crate) struct Lane {
    intake: Arc<Intake>,
    account: String,
    client: Client,
    /// The modules that transfers look at.
    targets: Vec<Target>,
    /// Only its holder writes.
    leadership: Leadership,
}

/// A notification and the delivery that brought it.
struct Hint<'a> {
    delivery: &'a RecordedEvent,
    notification: Notification,
    target: &'a Target,
}

/// What the provider has of the records that hints name.
#[derive(Default)]
struct Fetched {
    records: HashMap<RecordId, Record>,
    /// Ids or modules the provider refuses to answer for.
    refused: HashSet<RecordId>,
}

impl Lane {
    pub(crate) fn new(intake: Arc<Intake>, account: &str, leadership: Leadership) -> Result<Self, Error> {
        let client = intake.client(account)?.clone();
        let targets = intake.settings.targets().into_iter().filter(|target| target.account == account).collect();
        Ok(Lane { intake, account: account.to_owned(), client, targets, leadership })
    }

    fn subscription_name(&self) -> String {
        subscription_name(&self.account)
    }

    /// Follows the account's deliveries until the process stops.
    ///
    /// # Errors
    /// Failures of the log that do not pass by themselves.
    pub(crate) async fn run(self, stop: CancellationToken) -> Result<(), Error> {
        let types: Vec<EventType> = vec![catalogue::delivery::RECEIVED];
        let subscription = Subscription::open(&self.intake.log, self.subscription_name(), types, WINDOW).await?;
        let mut subscription = subscription.of_account(&self.account).with_payload();
        let mut saved = subscription.position();
        let mut save_at = Instant::now() + SAVE_EVERY;
        loop {
            let next = async {
                tokio::select! {
                    batch = subscription.next_batch() => Some(batch),
                    () = tokio::time::sleep_until(save_at) => None,
                }
            };
            let Some(next) = stop.run_until_cancelled(next).await else { break };
            match next {
                None => {}
                Some(Ok(batch)) if batch.events.is_empty() => {}
                Some(Ok(batch)) => match self.handle(&batch.events, batch.last, &stop).await? {
                    Handled::All => saved = batch.last,
                    Handled::Stopped => return Ok(()),
                },
                Some(Err(error)) if error.is_retryable() => {
                    tracing::warn!(error = &error as &dyn std::error::Error, account.id = %self.account,
                        "the log could not be read for hints; trying again");
                    wait(Duration::from_secs(1), &stop).await;
                }
                Some(Err(error)) => return Err(error.into()),
            }
            if Instant::now() >= save_at {
                saved = self.save(saved, subscription.position()).await?;
                save_at = Instant::now() + SAVE_EVERY;
            }
        }
        self.save(saved, subscription.position()).await?;
        Ok(())
    }

    async fn save(&self, saved: GlobalPosition, position: GlobalPosition) -> Result<GlobalPosition, Error> {
        if position == saved {
            return Ok(saved);
        }
        match self.commit(Vec::new(), position).await {
            Ok(_) => Ok(position),
            // Nothing of ours lies between the two: the next save covers it.
            Err(error) if error.is_retryable() => Ok(saved),
            Err(error) => Err(error),
        }
    }

    /// Handles the deliveries of a stretch of the log that ends at `last`.
    async fn handle(
        &self,
        deliveries: &[RecordedEvent],
        last: GlobalPosition,
        stop: &CancellationToken,
    ) -> Result<Handled, Error> {
        let mut hints = Vec::new();
        let mut mentions = 0;
        for (at, delivery) in deliveries.iter().enumerate() {
            if let Some(hint) = self.read(delivery) {
                mentions += hint.notification.ids.len();
                hints.push(hint);
            }
            let is_last = at + 1 == deliveries.len();
            if mentions < MENTIONS_AT_ONCE && !is_last {
                continue;
            }
            let up_to = if is_last { last } else { delivery.global_position };
            if let Handled::Stopped = self.handle_hints(&hints, up_to, stop).await? {
                return Ok(Handled::Stopped);
            }
            hints.clear();
            mentions = 0;
        }
        Ok(Handled::All)
    }

    async fn handle_hints(
        &self,
        hints: &[Hint<'_>],
        up_to: GlobalPosition,
        stop: &CancellationToken,
    ) -> Result<Handled, Error> {
        let mut fetched = HashMap::new();
        for target in &self.targets {
            let ids = ids_to_fetch(hints, target);
            if ids.is_empty() {
                continue;
            }
            let Some(found) = self.fetch_until_settled(target, &ids, stop).await else { return Ok(Handled::Stopped) };
            fetched.insert(target.module.as_str(), found);
        }
        let mut facts = Vec::new();
        for hint in hints {
            facts.extend(facts_of(hint, fetched.get(hint.target.module.as_str())));
        }
        self.commit_until_saved(facts, up_to, stop).await
    }

    /// Reads a delivery; what can never be handled is skipped.
    fn read<'a>(&'a self, delivery: &'a RecordedEvent) -> Option<Hint<'a>> {
        let data: catalogue::delivery::Received = delivery.decode().ok()?;
        if data.verify != "zoho-crm" {
            return None;
        }
        let payload = delivery.payload.as_deref().unwrap_or_default();
        let Some(notification) = Notification::parse(payload) else {
            skip(delivery, MALFORMED, "it is no notification of the CRM in the documented shape");
            return None;
        };
        let Some(target) = self.targets.iter().find(|target| target.module.as_str() == notification.module) else {
            skip(delivery, MODULE, "no transfer looks at its module");
            return None;
        };
        Some(Hint { delivery, notification, target })
    }

    /// Fetches until the provider answers; `None` when the process stops first.
    async fn fetch_until_settled(
        &self,
        target: &Target,
        ids: &[RecordId],
        stop: &CancellationToken,
    ) -> Option<Fetched> {
        let mut backoff = Backoff::default();
        let mut changes = self.intake.changes.clone();
        let mut told = None;
        loop {
            changes.mark_unchanged();
            let error = match stop.run_until_cancelled(self.fetch(target, ids)).await? {
                Ok(fetched) => return Some(fetched),
                Err(error) => error,
            };
            if told.replace(error.code()) != Some(error.code()) {
                tracing::warn!(error = &error as &dyn std::error::Error, account.id = %self.account,
                    "the records that webhooks name cannot be fetched; they wait");
            }
            wait_out(&self.intake.log, &mut changes, &error, &mut backoff, stop).await;
            if stop.is_cancelled() {
                return None;
            }
        }
    }

    /// Fetches all records at once, and one by one where one of them spoils the call for the others.
    async fn fetch(&self, target: &Target, ids: &[RecordId]) -> Result<Fetched, ProviderError> {
        let crm = self.client.crm();
        let mut fetched = Fetched::default();
        match crm.records(&target.module, ids, &target.fields).await {
            Ok(records) => {
                fetched.records.extend(records.into_iter().map(|record| (record.id.clone(), record)));
                return Ok(fetched);
            }
            Err(error) if is_refusal(&error) && ids.len() > 1 => {}
            Err(error) if is_refusal(&error) => {
                fetched.refused.extend(ids.iter().cloned());
                return Ok(fetched);
            }
            Err(error) => return Err(error),
        }
        for id in ids {
            match crm.record(&target.module, id, &target.fields).await {
                Ok(record) => fetched.records.extend(record.map(|record| (id.clone(), record))),
                Err(error) if is_refusal(&error) => {
                    fetched.refused.insert(id.clone());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(fetched)
    }

    async fn commit_until_saved(
        &self,
        facts: Vec<Fact>,
        up_to: GlobalPosition,
        stop: &CancellationToken,
    ) -> Result<Handled, Error> {
        let mut backoff = Backoff::default();
        loop {
            match self.commit(facts.clone(), up_to).await {
                Ok(recorded) => {
                    metrics::counter!("hint_facts_recorded_total").increment(recorded);
                    return Ok(Handled::All);
                }
                Err(error @ Error::LostLease { .. }) => return Err(error),
                Err(error) if error.is_retryable() => {
                    tracing::warn!(error = &error as &dyn std::error::Error, account.id = %self.account,
                        "facts from webhooks cannot be recorded now; trying again");
                    wait(backoff.next(), stop).await;
                }
                Err(error) => return Err(error),
            }
            if stop.is_cancelled() {
                return Ok(Handled::Stopped);
            }
        }
    }

    /// Facts and checkpoint in one unit of work; returns how many facts were new.
    ///
    /// While the lease is ours nobody else moves the checkpoint, so it only ever goes forward.
    async fn commit(&self, mut facts: Vec<Fact>, up_to: GlobalPosition) -> Result<u64, Error> {
        let (name, leadership) = (self.subscription_name(), self.leadership.clone());
        self.intake
            .log
            .write(move |unit| {
                Box::pin(async move {
                    only_as_leader(unit, &leadership).await?;
                    let is_new = settle_ids(unit.connection(), &mut facts).await?;
                    let appends: Vec<_> = facts.into_iter().map(Fact::into_append).collect();
                    unit.append_all(&appends).await?;
                    unit.save_checkpoint(&name, up_to).await?;
                    Ok(is_new.into_iter().filter(|is_new| *is_new).count() as u64)
                })
            })
            .await
    }
}

/// Whether a stretch was handled to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Handled {
    All,
    Stopped,
}

/// What the process that works for an account's lane holds.
pub(crate) fn lease_name(account: &str) -> String {
    format!("hints:{account}")
}

/// The subscription of an account's lane.
pub(crate) fn subscription_name(account: &str) -> String {
    format!("crm-hints:{account}")
}

/// The records to fetch for one target, each once.
fn ids_to_fetch(hints: &[Hint<'_>], target: &Target) -> Vec<RecordId> {
    let mut seen = HashSet::new();
    hints
        .iter()
        .filter(|hint| hint.target.module == target.module && hint.notification.operation == Operation::Changed)
        .flat_map(|hint| &hint.notification.ids)
        .filter(|id| seen.insert((*id).clone()))
        .cloned()
        .collect()
}

/// The facts that one delivery led to. Each delivery gives its own, so that every further one is kept as a sighting.
fn facts_of(hint: &Hint<'_>, fetched: Option<&Fetched>) -> Vec<Fact> {
    let caused = |mut fact: Fact| {
        fact.event = NewEvent { received_at: hint.delivery.received_at, ..fact.event.caused_by(hint.delivery) };
        fact
    };
    let mut facts = Vec::with_capacity(hint.notification.ids.len());
    let mut refused = false;
    for id in &hint.notification.ids {
        let deleted = || Fact::deleted(hint.target, id, "webhook");
        let fact = match (hint.notification.operation, fetched) {
            (Operation::Deleted, _) => deleted(),
            (Operation::Changed, Some(fetched)) if !fetched.refused.contains(id) => match fetched.records.get(id) {
                Some(record) => Fact::changed(hint.target, record, "webhook"),
                None => deleted(),
            },
            (Operation::Changed, _) => {
                refused = true;
                continue;
            }
        };
        facts.push(caused(fact));
    }
    if refused {
        skip(hint.delivery, REFUSED, "the CRM refuses to show its records");
    }
    facts
}

/// Whether the provider will give the same answer to the same question for ever.
fn is_refusal(error: &ProviderError) -> bool {
    matches!(error, ProviderError::Rejected { .. } | ProviderError::Denied { .. } | ProviderError::NotFound { .. })
}

fn skip(delivery: &RecordedEvent, reason: &'static str, words: &str) {
    metrics::counter!("hints_skipped_total", "reason" => reason).increment(1);
    tracing::warn!(
        event.id = %delivery.id,
        account.id = delivery.account.as_deref().unwrap_or_default(),
        "a webhook was kept but leads to nothing: {words}"
    );
}
