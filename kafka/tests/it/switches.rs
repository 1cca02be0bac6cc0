//! Direct following, Kafka, and another number of partitions take turns: each event is handled once.

use std::sync::Arc;

use testkit::wait::until_true;

use crate::recorder::{HANDLED, Recorder};
use crate::stage::Stage;

async fn handled(stage: &Stage) -> usize {
    stage.of_type(&HANDLED).await.len()
}

/// Waits until so many are handled.
async fn until_handled(stage: &Stage, count: usize) {
    until_true("more are handled", async || handled(stage).await >= count).await;
}

#[tokio::test]
async fn following_directly_and_over_kafka_can_take_turns() {
    let stage = Stage::new(12).await;
    let recorder = Arc::new(Recorder::default());
    let relay = stage.relay();
    for round in 0..4 {
        let before = handled(&stage).await;
        stage.append(stage.many(400), 50).await;
        let consumer = match round % 2 {
            0 => stage.direct_consumer(&stage.log, &recorder),
            _ => stage.consumer(&stage.log, &recorder),
        };
        until_handled(&stage, before + 20).await;
        consumer.kill().await;
    }
    let consumer = stage.direct_consumer(&stage.log, &recorder);
    stage.handled_once().await;
    consumer.stop().await;
    relay.stop().await;
}

#[tokio::test]
async fn both_at_once_still_handle_each_event_once() {
    let stage = Stage::new(12).await;
    let recorder = Arc::new(Recorder::default());
    let (relay, logs) = (stage.relay(), [stage.other_log().await, stage.other_log().await]);
    let over_kafka = stage.consumer(&logs[1], &recorder);
    stage.append(stage.many(100), 50).await;
    // It is a member by now, and stays one.
    stage.handled_once().await;
    let running =
        [over_kafka, stage.direct_consumer(&logs[0], &recorder), stage.direct_consumer(&stage.log, &recorder)];
    for _ in 0..5 {
        let before = handled(&stage).await;
        stage.append(stage.many(200), 50).await;
        until_handled(&stage, before + 1).await;
    }
    stage.handled_once().await;
    for running in running {
        running.stop().await;
    }
    relay.stop().await;
    stage.assert_handled_once().await;
}

/// The mock cannot add partitions to a topic, so the change is one of topics, with members left on the old one.
#[tokio::test]
async fn another_number_of_partitions_loses_and_repeats_nothing() {
    let mut stage = Stage::new(4).await;
    let recorder = Arc::new(Recorder::default());
    let mut left_behind = Vec::new();
    for (round, partitions) in [4, 12, 6, 12].into_iter().enumerate() {
        stage.settings.topic = format!("{}.{round}", stage.settings.topic);
        stage.settings.group_prefix = format!("{}.{round}", stage.settings.group_prefix);
        stage.settings.partitions = partitions;
        if let Some(mock) = &stage.mock {
            mock.create_topic(&stage.settings.topic, partitions.try_into().unwrap(), 1).unwrap();
        }
        let relay = stage.relay();
        let log = stage.other_log().await;
        left_behind.push(stage.consumer(&log, &recorder));
        let before = handled(&stage).await;
        stage.append(stage.many(300), 50).await;
        stage.published().await;
        until_handled(&stage, before + 1).await;
        relay.stop().await;
    }
    stage.handled_once().await;
    for consumer in left_behind {
        consumer.stop().await;
    }
    stage.assert_handled_once().await;
}
