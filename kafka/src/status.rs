//! Whether Kafka can be reached, and how far consumers are behind, for people who look.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};
use serde::Serialize;

use crate::connection::{Asking, Connection};
use crate::source::our_number;
use crate::{Settings, beside};

/// How long a look may take: somebody waits for it.
const PATIENCE: Duration = Duration::from_secs(3);
/// Lines of librdkafka's log that may lie before what went wrong.
const MOST_LINES: usize = 50;

/// What the brokers say.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// The topic that carries the log.
    pub topic: String,
    /// Whether the brokers answered; if not, the rest is unknown.
    pub is_reachable: bool,
    /// Why it could not be told, in words.
    pub error: Option<String>,
    /// Partitions of the topic; 0 where it does not exist yet.
    pub partitions: u32,
    /// Each consumer that was asked for.
    pub consumers: Vec<ConsumerLag>,
}

/// How far one consumer is behind the topic.
#[derive(Debug, Clone, Serialize)]
pub struct ConsumerLag {
    /// The subscription.
    pub subscription: String,
    /// Its consumer group.
    pub group_id: String,
    /// Records that are not committed yet, over all partitions.
    pub lag: i64,
    /// The same for each partition.
    pub partitions: Vec<PartitionLag>,
}

/// How far a consumer is behind in one partition.
#[derive(Debug, Clone, Serialize)]
pub struct PartitionLag {
    /// The partition.
    pub partition: u32,
    /// Where its group resumes; absent before the first commit.
    pub committed_offset: Option<i64>,
    /// The offset after the last record.
    pub end_offset: i64,
    /// Records not committed yet.
    pub lag: i64,
}

/// Asks the brokers; takes a few seconds at most.
///
/// # Cancellation
/// Safe; the question is finished beside.
pub async fn look(settings: &Settings, subscriptions: &[String]) -> Status {
    let (asked, names) = (settings.clone(), subscriptions.to_vec());
    let connection = Arc::new(Connection::of("status"));
    let heard = connection.clone();
    let error = match beside::run(move || ask(&asked, &names, connection)).await {
        Some(Ok(status)) => return status,
        Some(Err(error)) => match heard.reason() {
            Some(reason) => format!("{error}: {reason}"),
            None => error.to_string(),
        },
        None => "the question was given up".to_owned(),
    };
    let topic = settings.topic.clone();
    Status { topic, is_reachable: false, error: Some(error), partitions: 0, consumers: Vec::new() }
}

fn ask(settings: &Settings, subscriptions: &[String], connection: Arc<Connection>) -> Result<Status, KafkaError> {
    let deadline = Instant::now() + PATIENCE;
    let left = || deadline.saturating_duration_since(Instant::now());
    let client: BaseConsumer<Asking> = settings.client().create_with_context(Asking(connection.clone()))?;
    let metadata = client.fetch_metadata(Some(&settings.topic), left()).inspect_err(|_| {
        // What went wrong with each broker is told to those who poll, between lines of the log. Nothing else comes, because
        // nothing is subscribed to.
        for _ in 0..MOST_LINES {
            let _ = client.poll(Duration::ZERO);
        }
    })?;
    let mut status =
        Status { topic: settings.topic.clone(), is_reachable: true, error: None, partitions: 0, consumers: Vec::new() };
    let found = metadata.topics().iter().find(|topic| topic.name() == settings.topic);
    let Some(topic) = found.filter(|topic| topic.error().is_none()) else {
        let code = found.and_then(|topic| topic.error()).map(RDKafkaErrorCode::from);
        status.error = Some(code.unwrap_or(RDKafkaErrorCode::UnknownTopicOrPartition).to_string());
        return Ok(status);
    };
    let mut ends = Vec::new();
    for partition in topic.partitions() {
        let (low, high) = client.fetch_watermarks(&settings.topic, partition.id(), left())?;
        ends.push((partition.id(), low, high));
    }
    status.partitions = our_number(i32::try_from(ends.len()).unwrap_or_default());
    for subscription in subscriptions {
        let mut config = settings.client();
        let group_id = settings.group_id(subscription);
        config.set("group.id", &group_id).set("enable.auto.commit", "false");
        let member: BaseConsumer<Asking> = config.create_with_context(Asking(connection.clone()))?;
        let mut list = TopicPartitionList::with_capacity(ends.len());
        for (partition, _, _) in &ends {
            list.add_partition(&settings.topic, *partition);
        }
        let committed = member.committed_offsets(list, left())?;
        let partitions: Vec<PartitionLag> = ends
            .iter()
            .map(|(partition, low, high)| {
                let found = committed.find_partition(&settings.topic, *partition);
                let committed_offset = match found.map(|element| element.offset()) {
                    Some(Offset::Offset(offset)) => Some(offset),
                    _ => None,
                };
                let lag = (high - committed_offset.unwrap_or(*low).max(*low)).max(0);
                PartitionLag { partition: our_number(*partition), committed_offset, end_offset: *high, lag }
            })
            .collect();
        let lag = partitions.iter().map(|partition| partition.lag).sum();
        status.consumers.push(ConsumerLag { subscription: subscription.clone(), group_id, lag, partitions });
    }
    Ok(status)
}
