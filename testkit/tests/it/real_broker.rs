//! The real broker. `tests/run --quick` leaves out tests in modules of this name.

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use testkit::kafka::{OwnBroker, broker};
use uuid::Uuid;

use crate::round_trip::{consume, produce, sorted};

async fn create_topic(broker: &str, partitions: i32) -> String {
    let topic = format!("topic-{}", Uuid::new_v4());
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", broker).create().unwrap();
    let new = NewTopic::new(&topic, partitions, TopicReplication::Fixed(1));
    for result in admin.create_topics([&new], &AdminOptions::new()).await.unwrap() {
        result.unwrap();
    }
    topic
}

#[tokio::test]
async fn shared_broker_gives_back_what_it_took() {
    let broker = broker();
    let topic = create_topic(&broker, 3).await;
    produce(&broker, &topic, 0..50).await;
    assert_eq!(sorted(consume(&broker, &topic, "group", 50).await), (0..50).collect::<Vec<_>>());
}

#[tokio::test]
async fn killed_broker_keeps_records_and_committed_offsets() {
    let broker = OwnBroker::start().await;
    let address = broker.address().to_owned();
    let topic = create_topic(&address, 3).await;
    produce(&address, &topic, 0..30).await;
    let before = consume(&address, &topic, "group", 10).await;

    broker.kill().await;
    assert!(tokio::net::TcpStream::connect(&address).await.is_err());
    broker.start_again().await;

    produce(&address, &topic, 30..40).await;
    let after = consume(&address, &topic, "group", 30).await;
    assert_eq!(sorted([before, after].concat()), (0..40).collect::<Vec<_>>());
}

#[tokio::test]
async fn own_broker_leaves_nothing_behind() {
    let broker = OwnBroker::start().await;
    let (address, folder) = (broker.address().to_owned(), broker.folder());
    assert!(folder.join("server.log").exists());

    drop(broker);

    assert!(!folder.exists());
    assert!(tokio::net::TcpStream::connect(&address).await.is_err());
}
