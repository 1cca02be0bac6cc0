//! What the relay promises: everything is published, first occurrences in position order, whoever leads.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use event_log::{Append, EventId, NewEvent, StreamName};
use rdkafka::Message;
use serde_json::json;
use testkit::wait::until_true;

use crate::stage::{CHANGED, Clock, Stage};
use crate::topic::{self, header};

/// Every event is in the topic, and the first occurrences of each partition rise.
async fn assert_published_in_order(stage: &Stage) {
    let mut missing: BTreeSet<i64> = stage.everything().await.iter().map(|event| event.global_position.0).collect();
    for (partition, positions) in topic::positions(&stage.settings) {
        let mut seen = BTreeSet::new();
        let first: Vec<i64> = positions.into_iter().filter(|position| seen.insert(*position)).collect();
        assert!(first.is_sorted(), "partition {partition}: {first:?}");
        missing.retain(|position| !seen.contains(position));
    }
    assert!(missing.is_empty(), "never published: {missing:?}");
}

#[tokio::test]
async fn every_event_is_published_once_and_names_the_one_before_it() {
    let stage = Stage::new(12).await;
    stage.append(stage.many(600), 40).await;
    let relay = stage.relay();
    stage.published().await;
    stage.append(stage.many(100), 40).await;
    stage.published().await;
    relay.stop().await;
    assert_published_in_order(&stage).await;
    let first = stage.everything().await[0].id.to_string();
    let mut count = 0;
    for messages in topic::records(&stage.settings).into_values() {
        let mut before = 0;
        for message in messages {
            assert_eq!(header(&message, "ce_previous").unwrap().parse::<i64>().unwrap(), before);
            assert_eq!(header(&message, "ce_log").unwrap(), first);
            before = topic::position(&message);
            count += 1;
        }
    }
    assert_eq!(count, stage.everything().await.len(), "nothing was published twice");
}

#[tokio::test]
async fn relay_that_was_stopped_goes_on_without_repeating() {
    let stage = Stage::new(4).await;
    for _ in 0..3 {
        stage.append(50, 10).await;
        let relay = stage.relay();
        stage.published().await;
        relay.stop().await;
    }
    let published: usize = topic::positions(&stage.settings).values().map(Vec::len).sum();
    assert_eq!(published, stage.everything().await.len());
    assert_published_in_order(&stage).await;
}

#[tokio::test]
async fn killed_relay_is_replaced_and_only_repeats() {
    let stage = Stage::new(4).await;
    let clock = Clock::default();
    let log = stage.log_at(&clock).await;
    stage.append(stage.many(2_000), 30).await;
    for round in 0..3 {
        let relay = stage.relay_on(log.clone(), &format!("relay-{round}"));
        until_true("it publishes", async || {
            topic::positions(&stage.settings).values().map(Vec::len).sum::<usize>() > 0
        })
        .await;
        relay.kill().await;
        // Its lease runs out.
        clock.advance(Duration::from_secs(11));
    }
    let relay = stage.relay_on(log.clone(), "the last");
    stage.published().await;
    relay.stop().await;
    assert_published_in_order(&stage).await;
}

#[tokio::test]
async fn relay_waits_while_another_leads_and_takes_over_when_it_ends() {
    let stage = Stage::new(4).await;
    stage.append(20, 5).await;
    let first = stage.relay();
    stage.published().await;
    let second = stage.relay_on(stage.other_log().await, "relay-2");
    stage.append(20, 5).await;
    stage.published().await;
    first.stop().await;
    stage.append(20, 5).await;
    stage.published().await;
    second.stop().await;
    let published: usize = topic::positions(&stage.settings).values().map(Vec::len).sum();
    assert_eq!(published, stage.everything().await.len());
}

/// Clocks that disagree let each relay steal the other's lease while it sends.
#[tokio::test]
async fn two_relays_that_steal_the_lease_from_each_other_keep_the_order() {
    let stage = Stage::new(4).await;
    let clocks = [Clock::default(), Clock::default()];
    let relays = [
        stage.relay_on(stage.log_at(&clocks[0]).await, "relay-1"),
        stage.relay_on(stage.log_at(&clocks[1]).await, "relay-2"),
    ];
    for round in 0..8 {
        // From behind the other clock to before it.
        clocks[round % 2].advance(Duration::from_secs(if round == 0 { 40 } else { 80 }));
        stage.append(stage.many(300), 30).await;
        let thief = format!("relay-{}", round % 2 + 1);
        until_true("the lease is stolen", async || stage.lease().await.is_some_and(|(holder, _)| holder == thief))
            .await;
    }
    stage.published().await;
    for relay in relays {
        relay.stop().await;
    }
    assert_published_in_order(&stage).await;
}

#[tokio::test]
async fn event_too_large_for_a_record_is_referred_to() {
    let stage = Stage::new(4).await;
    let big = NewEvent::new(CHANGED, "poll", &json!({"number": 1, "text": "x".repeat(1_500_000)}));
    let id = big.id;
    stage.append(5, 5).await;
    stage.log.append(Append::new(StreamName::new("thing", 0), vec![big])).await.unwrap();
    stage.append(5, 5).await;
    let relay = stage.relay();
    stage.published().await;
    relay.stop().await;
    assert_published_in_order(&stage).await;
    let references: Vec<String> = topic::records(&stage.settings)
        .into_values()
        .flatten()
        .filter(|message| message.payload().unwrap_or_default().is_empty())
        .filter_map(|message| header(&message, "ce_dataref"))
        .collect();
    assert_eq!(references, [format!("urn:uuid:{id}")]);
}

/// A log is told from another by its first event.
#[tokio::test]
async fn records_carry_the_identity_of_their_log() {
    let stage = Stage::new(2).await;
    let event = NewEvent::new(CHANGED, "poll", &json!({"number": 0})).with_id(EventId::derived(&["the", "first"]));
    stage.log.append(Append::new(StreamName::new("thing", 0), vec![event])).await.unwrap();
    stage.append(3, 3).await;
    let relay = stage.relay();
    stage.published().await;
    relay.stop().await;
    let logs: BTreeMap<String, usize> = topic::records(&stage.settings)
        .into_values()
        .flatten()
        .map(|message| (header(&message, "ce_log").unwrap(), 1))
        .collect();
    assert_eq!(logs.into_keys().collect::<Vec<_>>(), [EventId::derived(&["the", "first"]).to_string()]);
}
