//! Deciding some events in one unit of work, until it is durable.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use event_log::{GlobalPosition, Log, RecordedEvent, UnitOfWork, checkpoints};
use tokio_util::sync::CancellationToken;

use crate::handler::{Failure, Handler, Poison};
use crate::marks::{Fresh, Marks};
use crate::partition::{Portion, StreamHash};

/// Pause after the log could not read or write.
const AGAIN: Duration = Duration::from_millis(500);

/// What one unit of work decides.
#[derive(Debug, Default)]
pub(crate) struct Work {
    /// Events to decide, each stream's in its order.
    pub(crate) events: Vec<RecordedEvent>,
    /// Records that cannot be read.
    pub(crate) poison: Vec<Poison>,
    /// What is handled once this is.
    pub(crate) handled: BTreeMap<Portion, GlobalPosition>,
}

/// Writes decisions of one subscription.
pub(crate) struct Decider<H> {
    pub(crate) log: Log,
    pub(crate) subscription: String,
    pub(crate) handler: Arc<H>,
}

impl<H> Clone for Decider<H> {
    fn clone(&self) -> Self {
        let Decider { log, subscription, handler } = self;
        Decider { log: log.clone(), subscription: subscription.clone(), handler: handler.clone() }
    }
}

/// Why a unit of work was not written.
enum Stuck<E> {
    /// The marks that it was planned with do not know all layouts.
    Moved,
    /// An event could not be decided.
    At(usize, E),
    /// The log failed, or a handler with something that is no event.
    Other(E),
}

impl<E: From<event_log::Error>> From<event_log::Error> for Stuck<E> {
    fn from(error: event_log::Error) -> Self {
        Stuck::Other(E::from(error))
    }
}

/// What is done with the events that could not be decided.
enum Verdict<E> {
    Refused(E),
    Skipped,
}

impl<H: Handler> Decider<H> {
    /// The subscription's marks, read until they can be; `None` when it was stopped before.
    pub(crate) async fn marks(&self, stop: &CancellationToken) -> Option<Marks> {
        let rows = self.read(stop, || checkpoints(self.log.database().readers())).await?;
        Some(Marks::of(&self.subscription, &rows))
    }

    /// Reads from the log until it can; `None` when it was stopped before.
    pub(crate) async fn read<T, F>(&self, stop: &CancellationToken, mut read: impl FnMut() -> F) -> Option<T>
    where
        F: Future<Output = Result<T, event_log::Error>>,
    {
        let mut is_known = false;
        loop {
            match read().await {
                Ok(value) => return Some(value),
                Err(error) => self.pause(&error, &mut is_known, stop).await?,
            }
        }
    }

    /// Decides until it is durable; gives the marks as they are then. `None` when it was stopped before.
    pub(crate) async fn write(&self, mut marks: Marks, work: Work, stop: &CancellationToken) -> Option<Marks> {
        let work = Arc::new(work);
        let mut verdicts = BTreeMap::new();
        let mut is_known = false;
        loop {
            let given = Arc::new(verdicts);
            let stuck = match self.attempt(&marks, &work, &given).await {
                Ok(written) => {
                    if !work.events.is_empty() {
                        self.handler.written(work.events.len());
                    }
                    return Some(written);
                }
                Err(stuck) => stuck,
            };
            verdicts = Arc::into_inner(given).expect("the unit of work has ended");
            match stuck {
                Stuck::Moved => marks = self.marks(stop).await?,
                Stuck::At(at, error) if !error.is_retryable() => self.judge(&work, at, error, &mut verdicts),
                Stuck::At(_, error) | Stuck::Other(error) => self.pause(&error, &mut is_known, stop).await?,
            }
        }
    }

    async fn attempt(
        &self,
        marks: &Marks,
        work: &Arc<Work>,
        verdicts: &Arc<BTreeMap<usize, Verdict<H::Error>>>,
    ) -> Result<Marks, Stuck<H::Error>> {
        let at = Arc::new(AtomicUsize::new(usize::MAX));
        let (reached, handler) = (at.clone(), self.handler.clone());
        let (marks, work, verdicts) = (marks.clone(), work.clone(), verdicts.clone());
        let written = self
            .log
            .write::<Marks, Stuck<H::Error>, _>(move |unit| {
                Box::pin(async move { decide(unit, &*handler, &marks, &work, &verdicts, &reached).await })
            })
            .await;
        match (written, at.load(Ordering::Relaxed)) {
            (Err(Stuck::Other(error)), reached) if reached != usize::MAX && is_panic(&error) => {
                Err(Stuck::At(reached, error))
            }
            (written, _) => written,
        }
    }

    /// An event that cannot be decided must not stop everything behind it for ever.
    fn judge(&self, work: &Work, at: usize, error: H::Error, verdicts: &mut BTreeMap<usize, Verdict<H::Error>>) {
        let position = work.events[at].global_position.0;
        let subscription = self.subscription.clone();
        match verdicts.entry(at) {
            Entry::Vacant(undecided) => {
                metrics::counter!("events_refused_total", "subscription" => subscription).increment(1);
                tracing::warn!(
                    error = crate::error::chain(&error),
                    subscription.name = self.subscription,
                    global_position = position,
                    "an event cannot be decided and is put aside"
                );
                undecided.insert(Verdict::Refused(error));
            }
            Entry::Occupied(mut refused) => {
                metrics::counter!("events_skipped_total", "subscription" => subscription).increment(1);
                tracing::error!(
                    error = crate::error::chain(&error),
                    subscription.name = self.subscription,
                    global_position = position,
                    "an event could neither be decided nor put aside, and is skipped"
                );
                refused.insert(Verdict::Skipped);
            }
        }
    }

    /// Waits before the next try; `None` when there is none.
    pub(crate) async fn pause(
        &self,
        error: &(dyn std::error::Error + Sync),
        is_known: &mut bool,
        stop: &CancellationToken,
    ) -> Option<()> {
        if stop.is_cancelled() {
            return None;
        }
        if !*is_known {
            tracing::warn!(
                error = crate::error::chain(error),
                subscription.name = self.subscription,
                "the log cannot be used at the moment; trying again"
            );
            *is_known = true;
        }
        stop.run_until_cancelled(tokio::time::sleep(AGAIN)).await
    }
}

/// The unit of work: what is handled by now is left out, the rest is decided, and all of it noted.
async fn decide<H: Handler>(
    unit: &mut UnitOfWork<'_>,
    handler: &H,
    marks: &Marks,
    work: &Work,
    verdicts: &BTreeMap<usize, Verdict<H::Error>>,
    reached: &AtomicUsize,
) -> Result<Marks, Stuck<H::Error>> {
    let Ok(mut fresh) = Fresh::check(unit, marks).await? else { return Err(Stuck::Moved) };
    for (at, event) in work.events.iter().enumerate() {
        if fresh.is_handled(unit, StreamHash::of(&event.stream_name), event.global_position).await? {
            continue;
        }
        reached.store(at, Ordering::Relaxed);
        let decided = match verdicts.get(&at) {
            None => handler.handle(unit, event).await,
            Some(Verdict::Refused(error)) => handler.refused(unit, event, error).await,
            Some(Verdict::Skipped) => Ok(()),
        };
        decided.map_err(|error| Stuck::At(at, error))?;
        reached.store(usize::MAX, Ordering::Relaxed);
    }
    for poison in &work.poison {
        handler.poison(unit, poison).await.map_err(Stuck::Other)?;
    }
    for (portion, position) in &work.handled {
        fresh.note(*portion, *position);
    }
    Ok(fresh.save(unit).await?)
}

/// Whether the log caught a panic of the unit of work.
fn is_panic<E: std::error::Error + 'static>(error: &E) -> bool {
    let mut causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    causes.any(|cause| matches!(cause.downcast_ref(), Some(event_log::Error::Panicked)))
}
