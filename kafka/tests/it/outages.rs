//! Brokers that are away, slow or refuse: only librdkafka's mock cluster can be made to do that.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use testkit::wait::{until, until_true};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use crate::recorder::{HANDLED, Recorder};
use crate::stage::{SUBSCRIPTION, Stage};
use crate::topic;

/// An address where nobody listens, and one where whoever comes is sent away and counted.
struct Nobody {
    brokers: String,
    calls: Arc<AtomicUsize>,
    _listening: AbortOnDropHandle<()>,
}

impl Nobody {
    async fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let brokers = format!("127.0.0.1:1,{}", listener.local_addr().unwrap());
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = calls.clone();
        let listening = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                drop(connection);
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        Nobody { brokers, calls, _listening: AbortOnDropHandle::new(listening) }
    }

    async fn was_tried_again_and_again(&self) {
        until_true("brokers are looked for again and again", async || self.calls.load(Ordering::SeqCst) >= 4).await;
    }
}

#[tokio::test]
async fn broker_that_comes_back_finds_relay_and_consumers_going_on() {
    let stage = Stage::mock(4).await;
    let mock = stage.mock.as_ref().unwrap();
    let recorder = Arc::new(Recorder::default());
    stage.append(50, 20).await;
    let (relay, consumer) = (stage.relay(), stage.consumer(&stage.log, &recorder));
    stage.handled_once().await;
    for _ in 0..2 {
        mock.broker_down(1).unwrap();
        stage.append(200, 20).await;
        let held = stage.lease().await;
        let prolonged = until_true("the relay prolongs its lease", async || stage.lease().await != held);
        let asked = until("the broker cannot be reached", async || {
            let status = kafka::status::look(&stage.settings, &[SUBSCRIPTION.to_owned()]).await;
            (!status.is_reachable).then_some(())
        });
        tokio::join!(prolonged, asked);
        assert!(relay.is_running() && consumer.is_running());
        mock.broker_up(1).unwrap();
        stage.handled_once().await;
    }
    stage.published().await;
    consumer.stop().await;
    relay.stop().await;
    stage.assert_handled_once().await;
}

#[tokio::test]
async fn relay_and_consumer_that_start_without_a_broker_wait_for_it_and_stop_when_told() {
    let mut stage = Stage::mock(4).await;
    let [for_relay, for_consumer] = [Nobody::listen().await, Nobody::listen().await];
    let recorder = Arc::new(Recorder::default());
    stage.append(10, 10).await;
    stage.settings.brokers = for_relay.brokers.clone();
    let relay = stage.relay();
    stage.settings.brokers = for_consumer.brokers.clone();
    let consumer = stage.consumer(&stage.log, &recorder);
    tokio::join!(for_relay.was_tried_again_and_again(), for_consumer.was_tried_again_and_again());
    assert!(relay.is_running() && consumer.is_running());
    relay.stop().await;
    consumer.stop().await;
    assert_eq!(stage.checkpoint("relay").await, 0);
}

#[tokio::test]
async fn record_that_the_broker_finds_too_large_is_referred_to_in_the_end() {
    let stage = Stage::mock(1).await;
    let refused = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE; 3];
    stage.mock.as_ref().unwrap().request_errors(RDKafkaApiKey::Produce, &refused);
    stage.append(100, 10).await;
    let relay = stage.relay();
    stage.published().await;
    relay.stop().await;
    let positions = topic::positions(&stage.settings);
    let expected: Vec<i64> = stage.everything().await.iter().map(|event| event.global_position.0).collect();
    assert_eq!(positions[&0], expected);
}

#[tokio::test]
async fn refused_batches_are_published_again_in_their_order() {
    let stage = Stage::mock(2).await;
    let mock = stage.mock.as_ref().unwrap();
    let relay = stage.relay();
    for _ in 0..3 {
        let refused = [
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
        ];
        mock.request_errors(RDKafkaApiKey::Produce, &refused);
        stage.append(200, 10).await;
        stage.published().await;
    }
    relay.stop().await;
    for positions in topic::positions(&stage.settings).into_values() {
        let mut seen = std::collections::BTreeSet::new();
        let first: Vec<i64> = positions.into_iter().filter(|position| seen.insert(*position)).collect();
        assert!(first.is_sorted(), "{first:?}");
    }
}

/// While the log cannot be written the member stays in its group and nothing is lost.
#[tokio::test]
async fn consumer_waits_while_the_log_cannot_be_written() {
    let stage = Stage::mock(4).await;
    let recorder = Arc::new(Recorder { fail_first: std::sync::Mutex::new(4), ..Recorder::default() });
    stage.append(100, 20).await;
    let (relay, consumer) = (stage.relay(), stage.consumer(&stage.log, &recorder));
    until_true("it tried in vain", async || *recorder.fail_first.lock().unwrap() < 3).await;
    assert_eq!(stage.of_type(&HANDLED).await.len(), 0);
    stage.handled_once().await;
    consumer.stop().await;
    relay.stop().await;
}
