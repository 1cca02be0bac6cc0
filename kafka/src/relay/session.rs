//! One session of a leader: from its checkpoint to the first failure, with one producer.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use event_log::{EventId, GlobalPosition, RecordedEvent, Subscription, checkpoints};
use futures::future::BoxFuture;
use rdkafka::error::RDKafkaErrorCode;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::in_flight::InFlight;
use super::lead::Published;
use super::publisher::{Delivered, Publisher, Sending};
use super::{Relay, lead, progress, topic};
use crate::Error;
use crate::partition::{Portion, StreamHash};
use crate::record::{Chain, Record};

/// Positions read at a time.
const WINDOW: u32 = 500;
/// How often what was acknowledged is noted: as much may be published again after a crash.
const BEAT: Duration = Duration::from_millis(500);
/// How often the lease is prolonged at least.
const RENEW_EVERY: Duration = Duration::from_millis(2_500);
/// A lease that was not prolonged for so long may be another's soon: nothing more is sent.
const GIVE_UP_AFTER: Duration = Duration::from_secs(8);
/// How often the number of partitions is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// How long a stopped relay waits for acknowledgements.
const FINISH: Duration = Duration::from_secs(5);

/// How a session ended in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It was stopped.
    Stopped,
    /// Another process has the lease, or will have it soon.
    Deposed,
    /// The topic has another number of partitions: the next session publishes to those.
    Repartitioned {
        /// So many.
        partitions: u32,
    },
}

type Running<T> = BoxFuture<'static, Result<T, Error>>;

struct Session<'r> {
    relay: &'r Relay,
    partitions: u32,
    publisher: Publisher,
    subscription: Subscription,
    /// The first event of the log, once there is one.
    log: Option<EventId>,
    /// Read and not yet sent.
    waiting: VecDeque<RecordedEvent>,
    in_flight: InFlight,
    /// For each partition the position that its next record follows.
    last: Vec<GlobalPosition>,
    /// Everything up to here is acknowledged.
    settled: GlobalPosition,
    /// What is acknowledged and not yet noted: the last position of each partition.
    unsaved: BTreeMap<u32, GlobalPosition>,
    /// When the lease was last asked for with success.
    held_since: Instant,
}

/// Publishes until something ends it; `progressed` is called when a record was acknowledged.
pub(super) async fn run(relay: &Relay, stop: &CancellationToken, mut progressed: impl FnMut()) -> Result<End, Error> {
    let Some(partitions) = stop.run_until_cancelled(topic::ensure(&relay.settings, &relay.connection)).await else {
        return Ok(End::Stopped);
    };
    let Some(mut session) = Session::open(relay, partitions?).await? else { return Ok(End::Deposed) };
    let ended = session.publish(stop, &mut progressed).await;
    if ended.is_err() && !session.unsaved.is_empty() {
        // What is noted now need not be published again; if that fails as well, it is.
        let _ = session.save().await;
    }
    metrics::gauge!("relay_position").set(session.settled.0 as f64);
    ended
}

impl<'r> Session<'r> {
    /// `None` when the lease is another's.
    async fn open(relay: &'r Relay, partitions: u32) -> Result<Option<Self>, Error> {
        let held_since = Instant::now();
        if !lead::hold(relay, None).await? {
            return Ok(None);
        }
        let rows = checkpoints(relay.log.database().readers()).await?;
        let start = progress::start(&rows, &relay.settings.topic, partitions);
        let publisher = Publisher::open(&relay.settings, relay.connection.clone(), relay.largest_bytes)?;
        let subscription = Subscription::open(&relay.log, lead::NAME, Vec::new(), WINDOW).await?;
        tracing::info!(
            kafka.topic = relay.settings.topic,
            partitions,
            global_position = start.after.0,
            "the relay publishes what follows in the log"
        );
        Ok(Some(Session {
            relay,
            partitions,
            publisher,
            subscription: subscription.starting_after(start.after),
            log: None,
            waiting: VecDeque::new(),
            in_flight: InFlight::default(),
            last: start.last,
            settled: start.after,
            unsaved: BTreeMap::new(),
            held_since,
        }))
    }

    async fn publish(&mut self, stop: &CancellationToken, progressed: &mut impl FnMut()) -> Result<End, Error> {
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looked = Instant::now();
        let mut saving: Option<Running<(Instant, bool)>> = None;
        let mut looking: Option<Running<Option<u32>>> = None;
        let mut stopping: Option<Instant> = None;
        loop {
            let is_full = self.send_waiting()?;
            let may_read = self.waiting.is_empty() && stopping.is_none();
            tokio::select! {
                delivered = self.publisher.delivered() => {
                    self.settle(delivered)?;
                    progressed();
                }
                batch = self.subscription.next_batch(), if may_read => {
                    let events = batch?.events;
                    if self.log.is_none() && !events.is_empty() {
                        self.log = Some(first_event(self.relay).await?);
                    }
                    self.waiting.extend(events);
                }
                saved = outcome(&mut saving) => {
                    let (asked, is_held) = saved?;
                    if !is_held {
                        return Ok(End::Deposed);
                    }
                    self.held_since = asked;
                }
                partitions = outcome(&mut looking) => {
                    if let Some(end) = self.repartitioned(partitions) {
                        return Ok(end);
                    }
                }
                _ = beat.tick() => {
                    if self.held_since.elapsed() > GIVE_UP_AFTER {
                        return Ok(End::Deposed);
                    }
                    self.measure();
                    if saving.is_none() && (!self.unsaved.is_empty() || self.held_since.elapsed() > RENEW_EVERY) {
                        saving = Some(self.save());
                    }
                    if looking.is_none() && looked.elapsed() > LOOK_EVERY {
                        looked = Instant::now();
                        looking = Some(self.look());
                    }
                }
                () = tokio::time::sleep(BEAT / 10), if is_full => {}
                () = stop.cancelled(), if stopping.is_none() => stopping = Some(Instant::now()),
            }
            if stopping.is_some_and(|since| self.in_flight.is_empty() || since.elapsed() > FINISH) {
                if let Some(saving) = saving.take() {
                    saving.await?;
                }
                self.save().await?;
                return Ok(End::Stopped);
            }
        }
    }

    /// Sends what was read, as far as there is room; gives whether the producer's own queue is full.
    fn send_waiting(&mut self) -> Result<bool, Error> {
        while self.in_flight.has_room() {
            let (Some(log), Some(event)) = (self.log, self.waiting.front()) else { break };
            let portion = StreamHash::of(&event.stream_name).portion(self.partitions);
            let partition = portion.partition();
            let chain = Chain { portion, previous: self.last[partition as usize], log };
            let mut record = Record::of(event, chain);
            let number = self.in_flight.next();
            let mut sending = match record.size_bytes() > self.relay.largest_bytes {
                true => Sending::TooLarge,
                false => self.publisher.send(portion, &record, number)?,
            };
            if sending == Sending::TooLarge {
                metrics::counter!("relay_referenced_total").increment(1);
                record = Record::reference_to(event, chain);
                sending = self.publisher.send(portion, &record, number)?;
            }
            match sending {
                Sending::Taken => {}
                Sending::Full => return Ok(true),
                Sending::TooLarge => return Err(self.refused(RDKafkaErrorCode::MessageSizeTooLarge)),
            }
            self.in_flight.push(event.global_position, partition, record.size_bytes());
            self.last[partition as usize] = event.global_position;
            self.waiting.pop_front();
        }
        Ok(false)
    }

    /// Takes note of what became of records.
    fn settle(&mut self, first: Delivered) -> Result<(), Error> {
        let mut delivered = Some(first);
        let mut refused = None;
        while let Some(Delivered { number, result }) = delivered {
            match result {
                Ok(()) => self.in_flight.acknowledge(number),
                Err(code) => refused = refused.or(Some(code)),
            }
            delivered = self.publisher.delivered_now();
        }
        let mut published = 0;
        while let Some((position, partition)) = self.in_flight.settle() {
            self.settled = position;
            self.unsaved.insert(partition, position);
            published += 1;
        }
        metrics::counter!("relay_published_total").increment(published);
        refused.map_or(Ok(()), |code| Err(self.refused(code)))
    }

    /// Notes what is acknowledged, and prolongs the lease.
    fn save(&mut self) -> Running<(Instant, bool)> {
        let topic = &self.relay.settings.topic;
        let rows: Vec<(String, GlobalPosition)> = std::mem::take(&mut self.unsaved)
            .into_iter()
            .map(|(partition, position)| {
                let portion = Portion::new(self.partitions, partition).expect("it was sent to");
                (progress::row(topic, portion), position)
            })
            .collect();
        let published = (!rows.is_empty()).then_some(Published { up_to: self.settled, rows });
        let relay = self.relay.clone();
        let asked = Instant::now();
        Box::pin(async move { Ok((asked, lead::hold(&relay, published).await?)) })
    }

    fn look(&self) -> Running<Option<u32>> {
        let relay = self.relay.clone();
        Box::pin(async move { topic::partitions(&relay.settings, &relay.connection).await })
    }

    /// A look that failed says nothing; a topic that vanished shows in the deliveries.
    fn repartitioned(&self, looked: Result<Option<u32>, Error>) -> Option<End> {
        let partitions = looked.ok().flatten()?;
        (partitions != self.partitions).then_some(End::Repartitioned { partitions })
    }

    fn measure(&self) {
        let head = *self.relay.log.head().borrow();
        metrics::gauge!("relay_position").set(self.settled.0 as f64);
        metrics::gauge!("relay_lag_events").set(head.0.saturating_sub(self.settled.0).max(0) as f64);
    }

    fn refused(&self, code: RDKafkaErrorCode) -> Error {
        Error::RecordRefused { topic: self.relay.settings.topic.clone(), code }
    }
}

/// Waits for what was begun, if something was.
async fn outcome<T>(pending: &mut Option<Running<T>>) -> Result<T, Error> {
    let Some(running) = pending else { return std::future::pending().await };
    let result = running.await;
    *pending = None;
    result
}

/// What tells this log from any other: the id of its first event.
async fn first_event(relay: &Relay) -> Result<EventId, Error> {
    crate::identity::of(&relay.log).await?.ok_or_else(|| {
        Error::Log(event_log::Error::Undecodable {
            position: GlobalPosition(0),
            reason: "the log has events, but no first one".to_owned(),
        })
    })
}
