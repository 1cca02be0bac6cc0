//! From records to units of work: duplicates are left out, gaps are read from the log, the rest is decided.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use event_log::{Batch, EventId, EventType, GlobalPosition, RecordedEvent, Subscription, checkpoints};
use tokio_util::sync::CancellationToken;

use super::neglect::Neglect;
use crate::decide::{Decider, Work};
use crate::handler::{Handler, Poison};
use crate::identity;
use crate::marks::{Marks, Verdict};
use crate::partition::{Portion, StreamHash};
use crate::record::{Arrived, Content};
use crate::relay::published;
use crate::source::{Item, Place};

/// Decisions in one unit of work: other writers wait for each.
const DECISIONS: usize = 200;
/// An event of a poll names many records: so much of it counts as one more decision.
const BYTES_OF_A_DECISION: usize = 256;
/// Positions of the log read at a time.
const WINDOW: u32 = 500;
/// Marks that only move over unwanted events are saved this late.
const SAVE_AFTER: Duration = Duration::from_secs(5);
/// A gap of so many positions is read for all partitions of this process at once.
const WIDE_GAP: i64 = 10_000;

/// What is to be done next.
pub(super) enum Task {
    /// These records, those of a partition in their order. `owned` are all partitions of this process.
    Records { records: Vec<Item>, owned: Vec<u32> },
    /// Whether the relay published more than is handled, to the partitions of this process from which nothing comes, and to
    /// those that nobody cares for.
    Look { quiet: Vec<u32> },
    /// Only what is left to save.
    Save,
}

/// A task is done, as far as it was not stopped.
pub(super) struct Done<H> {
    pub(super) planner: Planner<H>,
    /// For each partition the offset after the last record whose handling is durable.
    pub(super) finished: BTreeMap<u32, i64>,
}

/// Plans the units of work of one subscription, and has them written.
pub(super) struct Planner<H> {
    decider: Decider<H>,
    types: Vec<EventType>,
    /// The topic, where there is one.
    topic: String,
    stop: CancellationToken,
    /// What is durably handled, as far as it was read or written here.
    durable: Marks,
    /// What is handled once all planned work is durable.
    planned: Marks,
    work: Work,
    weight: usize,
    /// Offsets that may be stored once `work` is durable.
    offsets: BTreeMap<u32, i64>,
    /// Since when `work` waits.
    since: Option<Instant>,
    finished: BTreeMap<u32, i64>,
    /// The log has at least so many positions.
    head: GlobalPosition,
    identity: Option<EventId>,
    neglect: Neglect,
}

/// It was stopped.
struct Stopped;

impl<H: Handler> Planner<H> {
    pub(super) fn new(
        decider: Decider<H>,
        types: Vec<EventType>,
        topic: String,
        marks: Marks,
        stop: CancellationToken,
    ) -> Self {
        Planner {
            decider,
            types,
            topic,
            stop,
            planned: marks.clone(),
            durable: marks,
            work: Work::default(),
            weight: 0,
            offsets: BTreeMap::new(),
            since: None,
            finished: BTreeMap::new(),
            head: GlobalPosition(0),
            identity: None,
            neglect: Neglect::default(),
        }
    }

    pub(super) fn subscription(&self) -> &str {
        &self.decider.subscription
    }

    /// Everything up to here is planned to be handled, whatever the stream.
    pub(super) fn floor(&self) -> GlobalPosition {
        self.planned.floor(Portion::ALL)
    }

    /// Whether marks have waited long enough to be saved.
    pub(super) fn is_saving_due(&self) -> bool {
        self.since.is_some_and(|since| since.elapsed() >= SAVE_AFTER)
    }

    /// Does a task. What was not begun when it is stopped is left: it will come again.
    pub(super) async fn run(mut self, task: Task) -> Done<H> {
        let _ = match task {
            Task::Records { records, owned } => self.records(records, &owned).await,
            Task::Look { quiet } => self.look(&quiet).await,
            Task::Save => self.flush().await,
        };
        let finished = std::mem::take(&mut self.finished);
        Done { planner: self, finished }
    }

    /// Plans a stretch of the log that is followed directly, and has it written where there is something to decide.
    pub(super) async fn stretch(&mut self, events: Vec<RecordedEvent>, last: GlobalPosition) -> bool {
        for event in events {
            if !self.planned.is_handled(StreamHash::of(&event.stream_name), event.global_position) {
                let position = event.global_position;
                self.decide(event);
                self.handled(Portion::ALL, position);
            }
            if self.weight >= DECISIONS && self.flush().await.is_err() {
                return false;
            }
        }
        self.handled(Portion::ALL, last);
        self.weight == 0 || self.flush().await.is_ok()
    }

    /// Writes what is planned.
    pub(super) async fn save(&mut self) {
        let _ = self.flush().await;
    }

    async fn records(&mut self, records: Vec<Item>, owned: &[u32]) -> Result<(), Stopped> {
        for Item { place, what, .. } in records {
            match what {
                Ok(arrived) => self.record(arrived, place, owned).await?,
                Err(poison) => self.poison(poison),
            }
            self.since.get_or_insert_with(Instant::now);
            self.offsets.insert(place.partition, place.offset + 1);
            if self.weight >= DECISIONS {
                self.flush().await?;
            }
        }
        if self.weight > 0 || self.is_saving_due() {
            self.flush().await?;
        }
        Ok(())
    }

    async fn record(&mut self, arrived: Arrived, place: Place, owned: &[u32]) -> Result<(), Stopped> {
        let Arrived { position, chain, stream, content } = arrived;
        if let Some(reason) = self.foreign(position, chain.log).await? {
            self.poison(self.poison_at(place, reason));
            return Ok(());
        }
        if let Verdict::Gap { after } = self.planned.judge(chain.portion, chain.previous, position) {
            let up_to = GlobalPosition(position.0 - 1);
            metrics::counter!("kafka_gaps_total", "subscription" => self.subscription().to_owned()).increment(1);
            tracing::debug!(
                subscription.name = self.subscription(),
                kafka.partition = place.partition,
                after = after.0,
                up_to = up_to.0,
                "records are missing; the log is read instead"
            );
            self.fill(self.with_neighbours(chain.portion, after, up_to, owned), up_to).await?;
        }
        if self.planned.judge(chain.portion, chain.previous, position) == Verdict::Duplicate {
            metrics::counter!("kafka_duplicates_total", "subscription" => self.subscription().to_owned()).increment(1);
            return Ok(());
        }
        if !self.planned.is_handled(stream, position) {
            match content {
                Content::Event(event) => self.decide(*event),
                Content::Unwanted(_) => {}
                Content::Reference(id) => match self.referenced(id).await? {
                    Some(event) => self.decide(event),
                    None => {
                        let reason = format!("it refers to event {id}, which the log does not have");
                        self.poison(self.poison_at(place, reason));
                        return Ok(());
                    }
                },
            }
        }
        self.handled(chain.portion, position);
        Ok(())
    }

    /// Why a record speaks of another log than ours, if it does.
    async fn foreign(&mut self, position: GlobalPosition, log: EventId) -> Result<Option<String>, Stopped> {
        if self.identity.is_none() {
            self.identity = self.read(|| identity::of(&self.decider.log)).await?;
        }
        if self.identity != Some(log) {
            return Ok(Some("it belongs to another log; one topic carries one log".to_owned()));
        }
        if position > self.head {
            self.head = self.read(|| self.decider.log.high_water_mark()).await?;
        }
        let is_ahead = position > self.head;
        Ok(is_ahead.then(|| format!("it names position {}, the log ends at {}", position.0, self.head.0)))
    }

    async fn referenced(&self, id: EventId) -> Result<Option<RecordedEvent>, Stopped> {
        let event = self.read(|| self.decider.log.event(id)).await?;
        Ok(event.map(|event| RecordedEvent { payload: None, ..event }))
    }

    /// Whose events are read together: a wide gap is worth reading the log once for all partitions that lag as well.
    fn with_neighbours(
        &self,
        portion: Portion,
        after: GlobalPosition,
        up_to: GlobalPosition,
        owned: &[u32],
    ) -> Vec<Portion> {
        let mut portions = vec![portion];
        if up_to.0 - after.0 >= WIDE_GAP {
            let others = owned.iter().filter_map(|other| Portion::new(portion.partitions(), *other));
            portions.extend(others.filter(|other| *other != portion && self.planned.floor(*other) < up_to));
        }
        portions
    }

    /// Reads the portions' events from the log, from what is handled up to a position at least.
    async fn fill(&mut self, portions: Vec<Portion>, up_to: GlobalPosition) -> Result<(), Stopped> {
        let floors = portions.iter().map(|portion| self.planned.floor(*portion));
        let after = floors.min().unwrap_or(up_to);
        let Decider { log, subscription, .. } = &self.decider;
        let opened = self.read(|| Subscription::open(log, subscription, self.types.clone(), WINDOW)).await?;
        let mut subscription = opened.starting_after(after);
        while subscription.position() < up_to {
            if self.stop.is_cancelled() {
                return Err(Stopped);
            }
            let Some(batch) = self.available(&mut subscription).await? else { break };
            for event in batch.events {
                let (stream, position) = (StreamHash::of(&event.stream_name), event.global_position);
                let Some(portion) = portions.iter().find(|portion| portion.holds(stream)) else { continue };
                if !self.planned.is_handled(stream, position) {
                    self.decide(event);
                    self.handled(*portion, position);
                }
                if self.weight >= DECISIONS {
                    self.flush().await?;
                }
            }
            for portion in &portions {
                self.handled(*portion, batch.last);
            }
        }
        Ok(())
    }

    /// Reads what the relay published and nobody brought: the brokers may have lost it, or given its partition to nobody.
    async fn look(&mut self, quiet: &[u32]) -> Result<(), Stopped> {
        let rows = self.read(|| checkpoints(self.decider.log.database().readers())).await?;
        let marks = Marks::of(self.subscription(), &rows);
        self.durable.join(&marks);
        self.planned.join(&marks);
        let now = Instant::now();
        let mut lost = Vec::new();
        for (portion, published) in published(&rows, &self.topic) {
            let floor = self.planned.floor(portion);
            let is_neglected = self.neglect.is_neglected(portion, floor, published, now);
            if floor < published && (is_neglected || quiet.contains(&portion.partition())) {
                lost.push((portion, published));
            }
        }
        let Some(up_to) = lost.iter().map(|(_, position)| *position).max() else { return Ok(()) };
        tracing::info!(
            subscription.name = self.subscription(),
            kafka.topic = self.topic,
            partitions = ?lost.iter().map(|(portion, _)| portion.partition()).collect::<Vec<_>>(),
            up_to = up_to.0,
            "published records do not arrive; the log is read instead"
        );
        metrics::counter!("kafka_lost_total", "subscription" => self.subscription().to_owned())
            .increment(lost.len() as u64);
        let portions: Vec<Portion> = lost.into_iter().map(|(portion, _)| portion).collect();
        self.fill(portions.clone(), up_to).await?;
        self.flush().await?;
        for portion in portions.into_iter().filter(|portion| !quiet.contains(&portion.partition())) {
            self.neglect.handled_here(portion, self.planned.floor(portion));
        }
        Ok(())
    }

    /// A record that can be read, but must not be believed.
    fn poison_at(&self, place: Place, reason: String) -> Poison {
        let Place { partition, offset } = place;
        Poison { topic: self.topic.clone(), partition, offset, reason, key: None, prefix: Vec::new() }
    }

    fn decide(&mut self, event: RecordedEvent) {
        self.weight += 1 + event.data.len() / BYTES_OF_A_DECISION;
        self.work.events.push(event);
    }

    fn poison(&mut self, poison: Poison) {
        metrics::counter!("kafka_poison_total", "subscription" => self.subscription().to_owned()).increment(1);
        self.weight += 1;
        self.work.poison.push(poison);
    }

    fn handled(&mut self, portion: Portion, position: GlobalPosition) {
        self.since.get_or_insert_with(Instant::now);
        self.planned.advance(portion, position);
        let row = self.work.handled.entry(portion).or_default();
        *row = position.max(*row);
    }

    /// Has everything planned written; then its offsets may be stored.
    async fn flush(&mut self) -> Result<(), Stopped> {
        let mut work = std::mem::take(&mut self.work);
        work.handled.retain(|portion, position| self.durable.floor(*portion) < *position);
        self.weight = 0;
        self.since = None;
        if !work.events.is_empty() || !work.poison.is_empty() || !work.handled.is_empty() {
            let Some(written) = self.decider.write(self.durable.clone(), work, &self.stop).await else {
                // Nothing of it is handled, so no offset may be stored for it.
                self.offsets.clear();
                self.planned = self.durable.clone();
                return Err(Stopped);
            };
            self.durable.join(&written);
            self.planned.join(&written);
        }
        self.finished.append(&mut self.offsets);
        Ok(())
    }

    async fn available(&self, subscription: &mut Subscription) -> Result<Option<Batch>, Stopped> {
        let mut is_known = false;
        loop {
            match subscription.available().await {
                Ok(batch) => return Ok(batch),
                Err(error) => self.decider.pause(&error, &mut is_known, &self.stop).await.ok_or(Stopped)?,
            }
        }
    }

    async fn read<T, F>(&self, read: impl FnMut() -> F) -> Result<T, Stopped>
    where
        F: Future<Output = Result<T, event_log::Error>>,
    {
        self.decider.read(&self.stop, read).await.ok_or(Stopped)
    }
}
