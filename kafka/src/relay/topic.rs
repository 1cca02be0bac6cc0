//! The topic: that it is there, and how many partitions it has.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::connection::{Asking, Connection};
use crate::{Error, Settings, beside};

/// How long brokers may take to answer.
const ANSWER: Duration = Duration::from_secs(10);
/// How long a new topic may take to be known everywhere.
const APPEAR: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The partitions of the topic, which is created if it is missing.
pub(super) async fn ensure(settings: &Settings, connection: &Arc<Connection>) -> Result<u32, Error> {
    if let Some(partitions) = partitions(settings, connection).await? {
        return Ok(partitions);
    }
    create(settings, connection).await?;
    let deadline = Instant::now() + APPEAR;
    loop {
        if let Some(partitions) = partitions(settings, connection).await? {
            return Ok(partitions);
        }
        if Instant::now() > deadline {
            return Err(Error::Kafka(KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopicOrPartition)));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The partitions of the topic, if there is one. Asking does not create it.
pub(super) async fn partitions(settings: &Settings, connection: &Arc<Connection>) -> Result<Option<u32>, Error> {
    let (settings, connection) = (settings.clone(), connection.clone());
    let asked = beside::run(move || ask(&settings, connection)).await;
    asked.unwrap_or(Err(Error::Kafka(KafkaError::Canceled)))
}

fn ask(settings: &Settings, connection: Arc<Connection>) -> Result<Option<u32>, Error> {
    let client: BaseConsumer<Asking> = settings.client().create_with_context(Asking(connection.clone()))?;
    let metadata = client.fetch_metadata(Some(&settings.topic), ANSWER);
    // Serves the errors and log lines of this client.
    while client.poll(Duration::ZERO).is_some() {}
    let metadata = metadata?;
    connection.reached();
    let Some(topic) = metadata.topics().iter().find(|topic| topic.name() == settings.topic) else { return Ok(None) };
    match topic.error().map(RDKafkaErrorCode::from) {
        None if topic.partitions().is_empty() => Ok(None),
        None => Ok(Some(u32::try_from(topic.partitions().len()).expect("kafka counts partitions with 31 bits"))),
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => Ok(None),
        Some(code) => Err(Error::Kafka(KafkaError::MetadataFetch(code))),
    }
}

async fn create(settings: &Settings, connection: &Arc<Connection>) -> Result<(), Error> {
    let admin: AdminClient<Asking> = settings.client().create_with_context(Asking(connection.clone()))?;
    let replication = settings.replication_factor.map_or(-1, i32::from);
    let partitions = i32::try_from(settings.partitions).unwrap_or(i32::MAX);
    let topic = NewTopic::new(&settings.topic, partitions, TopicReplication::Fixed(replication));
    let options = AdminOptions::new().request_timeout(Some(ANSWER)).operation_timeout(Some(APPEAR));
    let created = admin.create_topics([&topic], &options).await;
    beside::end(admin);
    for result in created? {
        match result {
            Ok(_) => tracing::info!(
                kafka.topic = settings.topic,
                partitions,
                "the topic is created; it keeps events for as long as the brokers are set to"
            ),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => return Err(Error::TopicRefused { topic, code }),
        }
    }
    Ok(())
}
