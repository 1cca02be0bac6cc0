//! Lost answers, limits and outages: the same batch again, in order, counted once.

use catalogue::batch::Delivered;
use event_log::sql;
use serde_json::json;
use simulator::{Fault, FaultRule};

use super::chat::{Channel, received, stage, usual};
use crate::database::On;
use crate::stage::Stage;

each_database! {
    batch_that_is_accepted_and_never_answered_is_counted_once,
    crash_between_call_and_outcome_counts_once,
    throttled_receiver_is_left_alone_and_no_attempt_is_used_up,
    failures_of_the_receiver_are_tried_again_in_order,
    batch_that_is_still_being_handled_is_waited_for,
    one_slow_channel_does_not_hold_up_another,
}

async fn talk(stage: &Stage, channel: &Channel, count: i64) {
    for number in 0..count {
        channel.say(stage, number, "Ann", &format!("message {number}")).await;
    }
    channel.sync(stage).await;
}

fn expected(count: i64) -> Vec<String> {
    (0..count).map(|number| format!("message {number}")).collect()
}

async fn attempts(stage: &Stage) -> Vec<i64> {
    sql::query_scalar("SELECT attempt FROM effects ORDER BY sequence_number")
        .fetch_all(stage.log.database().readers())
        .await
        .unwrap()
}

async fn batch_that_is_accepted_and_never_answered_is_counted_once(on: On) {
    let stage = stage(on, "batch_lines = 2\ntimeout_seconds = 1\nretry_base_ms = 10", json!({})).await;
    let channel = Channel::map(&stage, "O1", usual()).await;
    stage.fault("ingest.post", Fault::HangAfter {}, 1);
    talk(&stage, &channel, 5).await;
    stage.until_events("batch.delivered", 3).await;
    stage.until_idle().await;
    assert_eq!(channel.words(&stage), expected(5));
    let told: Vec<Delivered> =
        stage.events("batch.delivered").await.iter().map(|event| event.decode().unwrap()).collect();
    assert_eq!((told[0].duplicate, told[0].attempts), (true, 2));
    assert!(!told[1].duplicate && !told[2].duplicate);
    assert_eq!(received(&stage).counts.duplicates, 1);
    assert_eq!(stage.events("effect.settled").await.len(), 1);
}

async fn crash_between_call_and_outcome_counts_once(on: On) {
    let mut stage = stage(on, "batch_lines = 2", json!({})).await;
    let channel = Channel::map(&stage, "O1", usual()).await;
    stage.fault("ingest.post", Fault::HangAfter {}, 1);
    talk(&stage, &channel, 5).await;
    stage.until("the batch to arrive", async || (channel.lines(&stage).len() == 2).then_some(())).await;
    stage.crash().await;
    stage.until_events("batch.delivered", 3).await;
    stage.until_idle().await;
    assert_eq!(channel.words(&stage), expected(5));
    assert_eq!(attempts(&stage).await, [0, 0, 0], "a crash is no failed attempt");
    assert_eq!(received(&stage).counts.duplicates, 1);
}

async fn throttled_receiver_is_left_alone_and_no_attempt_is_used_up(on: On) {
    let stage = stage(on, "batch_lines = 2\nconcurrency = 1", json!({})).await;
    let (first, second) = (Channel::map(&stage, "O1", usual()).await, Channel::map(&stage, "O2", usual()).await);
    let fault = Fault::Throttle { retry_after_seconds: Some(90) };
    stage.control().add_fault(FaultRule::once("ingest.post", fault).skipping(1)).unwrap();
    talk(&stage, &first, 4).await;
    stage.until_met(1).await;
    talk(&stage, &second, 4).await;
    stage
        .until("the other to be composed", async || (stage.events("batch.composed").await.len() == 4).then_some(()))
        .await;
    stage
        .until("nothing to run", async || {
            (consumers::idle::look(&stage.log).await.unwrap().effects.started == 0).then_some(())
        })
        .await;
    assert_eq!(stage.calls("ingest.post"), 2, "a receiver that is throttled is not asked for anybody");
    stage.advance(91);
    stage.until_events("batch.delivered", 4).await;
    stage.until_idle().await;
    assert_eq!((first.words(&stage), second.words(&stage)), (expected(4), expected(4)));
    assert_eq!(attempts(&stage).await, [0, 0, 0, 0]);
    assert_eq!(stage.calls("ingest.post"), 5);
}

async fn failures_of_the_receiver_are_tried_again_in_order(on: On) {
    let stage = stage(on, "batch_lines = 1\nretry_base_ms = 10", json!({})).await;
    let channel = Channel::map(&stage, "O1", usual()).await;
    for code in [500, 502, 503, 504] {
        let rule = FaultRule::once("ingest.post", Fault::Status { code, html_body: code == 502 });
        stage.control().add_fault(rule.skipping(1)).unwrap();
    }
    stage.fault("ingest.post", Fault::CutAfter {}, 1);
    talk(&stage, &channel, 4).await;
    stage.until("everything", async || (channel.lines(&stage).len() == 4).then_some(())).await;
    stage.until_idle().await;
    assert_eq!(channel.words(&stage), expected(4));
    assert!(stage.dead_letters().await.is_empty());
    assert!(attempts(&stage).await.iter().sum::<i64>() >= 4);
}

async fn batch_that_is_still_being_handled_is_waited_for(on: On) {
    let knobs = json!({"latency_ms": 2500, "busy_retry_seconds": 1});
    let mut stage = stage(on, "timeout_seconds = 30", knobs).await;
    let channel = Channel::map(&stage, "O1", usual()).await;
    talk(&stage, &channel, 3).await;
    stage.until("the call", async || (stage.calls("ingest.post") == 1).then_some(())).await;
    stage.crash().await;
    stage.until_events("batch.delivered", 1).await;
    assert_eq!(channel.words(&stage), expected(3));
    assert_eq!(attempts(&stage).await, [0]);
}

async fn one_slow_channel_does_not_hold_up_another(on: On) {
    let stage = stage(on, "batch_lines = 1\ntimeout_seconds = 30", json!({})).await;
    let (slow, quick) = (Channel::map(&stage, "O1", usual()).await, Channel::map(&stage, "O2", usual()).await);
    stage.fault("ingest.post", Fault::Hang {}, 1);
    talk(&stage, &slow, 3).await;
    stage.until_met(1).await;
    talk(&stage, &quick, 3).await;
    stage.until("the other channel", async || (quick.lines(&stage).len() == 3).then_some(())).await;
    assert_eq!((quick.words(&stage), slow.words(&stage)), (expected(3), Vec::new()));
    assert_eq!(stage.calls("ingest.post"), 3, "nothing of a channel is sent while something of it is under way");
}
