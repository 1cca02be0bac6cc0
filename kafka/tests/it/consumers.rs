//! Consumers of one group: each event is handled once, whoever comes and goes and whatever the topic holds.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use event_log::{Append, NewEvent, StreamName};
use serde_json::json;
use testkit::wait::until_true;

use crate::recorder::{HANDLED, REFUSED, Recorder, number_of};
use crate::stage::{CHANGED, SUBSCRIPTION, Stage};
use crate::topic::{self, Writer};

#[tokio::test]
async fn event_arrives_as_the_log_has_it() {
    let stage = Stage::new(12).await;
    let recorder = Arc::new(Recorder::default());
    let big = NewEvent::new(CHANGED, "poll", &json!({"number": 7, "text": "x".repeat(1_200_000)}));
    stage.append(30, 10).await;
    stage.log.append(Append::new(StreamName::new("thing", 0), vec![big])).await.unwrap();
    let (relay, consumer) = (stage.relay(), stage.consumer(&stage.log, &recorder));
    stage.handled_once().await;
    consumer.stop().await;
    relay.stop().await;
    let seen = std::mem::take(&mut *recorder.seen.lock().unwrap());
    assert_eq!(seen.len(), 31);
    for event in seen {
        let mut kept = stage.log.event(event.id).await.unwrap().unwrap();
        kept.payload = None;
        assert_eq!(format!("{event:?}"), format!("{kept:?}"));
    }
}

#[tokio::test]
async fn members_that_come_and_go_handle_each_event_once() {
    let stage = Stage::new(12).await;
    let recorder = Arc::new(Recorder::default());
    let relay = stage.relay();
    let mut logs = Vec::new();
    for _ in 0..3 {
        logs.push(stage.other_log().await);
    }
    let mut members: Vec<_> = logs.iter().map(|log| stage.consumer(log, &recorder)).collect();
    for round in 0..6 {
        stage.append(stage.many(300), 60).await;
        let handled = stage.of_type(&HANDLED).await.len();
        until_true("some are handled", async || stage.of_type(&HANDLED).await.len() > handled).await;
        let member = members.remove(0);
        match round % 2 {
            0 => member.kill().await,
            _ => member.stop().await,
        }
        members.push(stage.consumer(&logs[round % 3], &recorder));
    }
    stage.append(stage.many(300), 60).await;
    stage.handled_once().await;
    for member in members {
        member.stop().await;
    }
    relay.stop().await;
    stage.assert_handled_once().await;
}

#[tokio::test]
async fn replayed_and_late_records_change_nothing() {
    let stage = Stage::new(4).await;
    let recorder = Arc::new(Recorder::default());
    stage.append(stage.many(200), 20).await;
    let relay = stage.relay();
    stage.published().await;
    let consumer = stage.consumer(&stage.log, &recorder);
    stage.handled_once().await;
    let writer = Writer::new(&stage.settings);
    for messages in topic::records(&stage.settings).into_values() {
        for message in messages.iter().rev() {
            writer.copy(message);
        }
    }
    writer.flush();
    stage.append(50, 20).await;
    stage.handled_once().await;
    consumer.stop().await;
    relay.stop().await;
    stage.assert_handled_once().await;
}

/// Another group id is a group whose offsets were lost: it reads from the earliest record.
#[tokio::test]
async fn group_that_starts_over_handles_nothing_again() {
    let mut stage = Stage::new(4).await;
    let recorder = Arc::new(Recorder::default());
    stage.append(stage.many(200), 20).await;
    let relay = stage.relay();
    let consumer = stage.consumer(&stage.log, &recorder);
    stage.handled_once().await;
    consumer.stop().await;
    stage.settings.group_prefix.push_str("-again");
    let consumer = stage.consumer(&stage.log, &recorder);
    stage.append(20, 20).await;
    stage.handled_once().await;
    consumer.stop().await;
    relay.stop().await;
    stage.assert_handled_once().await;
}

/// The topic is another, empty one: what was published before is gone.
#[tokio::test]
async fn records_that_are_gone_are_read_from_the_log() {
    let mut stage = Stage::new(4).await;
    let recorder = Arc::new(Recorder::default());
    stage.append(stage.many(300), 20).await;
    let relay = stage.relay();
    stage.published().await;
    relay.stop().await;
    stage.settings.topic.push_str(".new");
    if let Some(mock) = &stage.mock {
        mock.create_topic(&stage.settings.topic, 4, 1).unwrap();
    }
    let relay = stage.relay();
    let consumer = stage.consumer(&stage.log, &recorder);
    stage.append(40, 20).await;
    stage.handled_once().await;
    consumer.stop().await;
    relay.stop().await;
}

/// Nothing follows the lost records, so no gap shows: the relay's own rows tell.
#[tokio::test]
async fn lost_records_are_read_from_the_log_even_if_nothing_follows_them() {
    let mut stage = Stage::new(4).await;
    let recorder = Arc::new(Recorder::default());
    stage.append(stage.many(100), 20).await;
    let relay = stage.relay();
    stage.published().await;
    relay.stop().await;
    let rows = event_log::checkpoints(stage.log.database().readers()).await.unwrap();
    let lost = stage.settings.topic.clone();
    stage.settings.topic.push_str(".again");
    if let Some(mock) = &stage.mock {
        mock.create_topic(&stage.settings.topic, 4, 1).unwrap();
    }
    // The new topic is what the old one would be after it was emptied.
    let renamed: Vec<_> = rows
        .iter()
        .filter(|row| row.subscription_name.contains(&lost))
        .map(|row| (row.subscription_name.replace(&lost, &stage.settings.topic), row.global_position))
        .collect();
    let saved = stage
        .log
        .write(move |unit| {
            Box::pin(async move {
                for (name, position) in renamed {
                    unit.save_checkpoint(&name, position).await?;
                }
                Ok::<_, event_log::Error>(())
            })
        })
        .await;
    saved.unwrap();
    if stage.mock.is_none() {
        let relay = stage.relay();
        stage.append(1, 1).await;
        stage.published().await;
        relay.stop().await;
    }
    let consumer = stage.consumer(&stage.log, &recorder);
    stage.handled_once().await;
    consumer.stop().await;
}

#[tokio::test]
async fn event_that_cannot_be_decided_is_put_aside_and_others_go_on() {
    let stage = Stage::new(4).await;
    let recorder = Arc::new(Recorder {
        refuse: BTreeSet::from([3, 17]),
        panic_at: BTreeSet::from([5]),
        fail_first: Mutex::new(2),
        ..Recorder::default()
    });
    stage.append(40, 10).await;
    let (relay, consumer) = (stage.relay(), stage.consumer(&stage.log, &recorder));
    until_true("the others are handled", async || stage.of_type(&HANDLED).await.len() >= 37).await;
    until_true("three are put aside", async || stage.of_type(&REFUSED).await.len() >= 3).await;
    consumer.stop().await;
    relay.stop().await;
    let mut aside = BTreeSet::new();
    for refused in stage.of_type(&REFUSED).await {
        let event = stage.log.event(refused.causation_id.unwrap()).await.unwrap().unwrap();
        aside.insert(number_of(&event));
    }
    assert_eq!(aside, BTreeSet::from([3, 5, 17]));
    assert_eq!((stage.of_type(&HANDLED).await.len(), stage.of_type(&REFUSED).await.len()), (37, 3));
}

#[tokio::test]
async fn lag_and_reachability_can_be_looked_at() {
    let stage = Stage::new(4).await;
    let recorder = Arc::new(Recorder::default());
    stage.append(stage.many(100), 20).await;
    let (relay, consumer) = (stage.relay(), stage.consumer(&stage.log, &recorder));
    stage.handled_once().await;
    stage.published().await;
    let names = [SUBSCRIPTION.to_owned(), "nobody".to_owned()];
    until_true("offsets are committed", async || {
        let status = kafka::status::look(&stage.settings, &names).await;
        status.consumers.first().is_some_and(|consumer| consumer.lag == 0)
    })
    .await;
    consumer.stop().await;
    let status = kafka::status::look(&stage.settings, &names).await;
    assert!(status.is_reachable && status.error.is_none(), "{status:?}");
    assert_eq!(status.partitions, 4);
    relay.stop().await;
    assert_eq!(status.consumers[1].lag, stage.everything().await.len() as i64, "nobody has committed anything");
    let unreachable = kafka::Settings::new("127.0.0.1:1");
    let started = std::time::Instant::now();
    let status = kafka::status::look(&unreachable, &names).await;
    assert!(!status.is_reachable && status.error.is_some(), "{status:?}");
    assert!(started.elapsed() < Duration::from_secs(6));
}

/// A member that takes partitions and handles nothing, as a group does that was never completed after an outage.
#[tokio::test]
async fn partition_that_nobody_cares_for_is_read_from_the_log() {
    let stage = Stage::mock(4).await;
    let recorder = Arc::new(Recorder::default());
    let idler = topic::idle_member(&stage.settings, SUBSCRIPTION);
    let relay = stage.relay();
    until_true("the idler has every partition", async || idler.partitions() == 4).await;
    let consumer = stage.consumer(&stage.log, &recorder);
    until_true("the consumer has its share", async || idler.partitions() < 4).await;
    stage.append(stage.many(100), 20).await;
    stage.handled_once().await;
    assert!(idler.partitions() > 0, "somebody else still holds partitions");
    consumer.stop().await;
    relay.stop().await;
    stage.assert_handled_once().await;
}
