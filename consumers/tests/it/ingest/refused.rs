//! What the receiver does not take: split where it is too large, a dead letter where nothing helps.

use catalogue::batch::{Composed, Refused, Split};
use event_log::sql;
use serde_json::json;
use simulator::{Fault, FaultRule};

use super::chat::{Channel, received, sizes, stage, usual};
use crate::database::On;
use crate::stage::Stage;

each_database! {
    batch_that_is_too_large_is_split_until_it_fits,
    single_message_that_is_too_large_does_not_hold_up_the_next,
    batch_that_is_refused_is_a_dead_letter_and_can_be_sent_again,
    batch_is_given_up_when_the_receiver_fails_for_a_day_and_the_next_goes_on,
    outage_of_hours_costs_no_batch,
    address_without_a_receiver_waits_for_a_person,
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

async fn batch_that_is_too_large_is_split_until_it_fits(on: On) {
    let stage = stage(on, "batch_lines = 7", json!({"messages": 2})).await;
    let channel = Channel::map(&stage, "O1", usual()).await;
    talk(&stage, &channel, 9).await;
    stage.until("everything", async || (channel.lines(&stage).len() == 9).then_some(())).await;
    stage.until_idle().await;
    assert_eq!(channel.words(&stage), expected(9));
    assert_eq!(sizes(&stage), [1, 2, 2, 2, 2]);
    let splits: Vec<Split> = stage.events("batch.split").await.iter().map(|event| event.decode().unwrap()).collect();
    assert_eq!(splits.len(), 3);
    let composed: Vec<Composed> =
        stage.events("batch.composed").await.iter().map(|event| event.decode().unwrap()).collect();
    for split in &splits {
        let halves = composed.iter().filter(|one| one.split_from == Some(split.batch_id));
        assert!(halves.map(|half| half.batch_id).eq(split.into));
    }
    let counts = channel.counts(&stage).await;
    assert_eq!((counts.composed, counts.composed.batches, counts.composed.messages), (counts.delivered, 5, 9));
    assert!(stage.dead_letters().await.is_empty());
}

async fn single_message_that_is_too_large_does_not_hold_up_the_next(on: On) {
    let stage = stage(on, "", json!({"body_bytes": 1500})).await;
    let channel = Channel::map(&stage, "O1", usual()).await;
    channel.say(&stage, 0, "Ann", "before").await;
    channel.say(&stage, 1, "Ann", &"long ".repeat(300)).await;
    channel.say(&stage, 2, "Ann", "after").await;
    channel.sync(&stage).await;
    stage.until("the others", async || (channel.lines(&stage).len() == 2).then_some(())).await;
    stage.until_idle().await;
    assert_eq!(channel.words(&stage), ["before", "after"]);
    let letters = stage.dead_letters().await;
    assert_eq!(
        (letters.len(), letters[0].reason.as_str(), letters[0].account.as_str()),
        (1, "too_large", "ingest:analysis")
    );
    let refused: Refused = stage.events("batch.refused").await[0].decode().unwrap();
    assert_eq!((refused.code.as_str(), refused.messages), ("too_large", 1));
    let counts = channel.counts(&stage).await;
    assert_eq!((counts.refused.messages, counts.delivered.messages, counts.open.messages), (1, 2, 0));
    stage.control().set_knobs(json!({"ingest": {"body_bytes": 1_000_000}})).unwrap();
    stage.redrive_all().await;
    stage.until("the long one", async || (channel.lines(&stage).len() == 3).then_some(())).await;
    stage.until_idle().await;
    assert!(stage.dead_letters().await.is_empty());
    assert_eq!(channel.counts(&stage).await.delivered.messages, 3);
}

async fn batch_that_is_refused_is_a_dead_letter_and_can_be_sent_again(on: On) {
    for (code, reason) in [(422, "key_conflict"), (400, "rejected"), (410, "rejected")] {
        let stage = stage(on, "batch_lines = 1", json!({})).await;
        let channel = Channel::map(&stage, "O1", usual()).await;
        stage.fault("ingest.post", Fault::Status { code, html_body: false }, 1);
        talk(&stage, &channel, 3).await;
        stage.until("the others", async || (channel.lines(&stage).len() == 2).then_some(())).await;
        stage.until_idle().await;
        assert_eq!(channel.words(&stage), ["message 1", "message 2"]);
        assert_eq!(stage.dead_letters().await[0].reason, reason, "{code}");
        stage.redrive_all().await;
        stage.until("the first", async || (channel.lines(&stage).len() == 3).then_some(())).await;
        stage.until_idle().await;
        assert_eq!(received(&stage).counts.accepted, 3);
        assert_eq!(stage.events("effect.redriven").await.len(), 1);
    }
}

/// Code and words of what the first batch ran into.
async fn trouble(stage: &Stage) -> Option<(String, String)> {
    let row = sql::query("SELECT error_code, error FROM effects WHERE error_code IS NOT NULL ORDER BY sequence_number")
        .fetch_optional(stage.log.database().readers())
        .await
        .unwrap()?;
    Some((row.try_get("error_code").unwrap(), row.try_get("error").unwrap()))
}

async fn none_is_under_way(stage: &Stage) -> bool {
    consumers::idle::look(&stage.log).await.unwrap().effects.started == 0
}

async fn away(stage: &Stage) -> String {
    let is_away = async || trouble(stage).await.filter(|(code, _)| code == "receiver_away").map(|(_, error)| error);
    stage.until("the receiver to be away", is_away).await
}

async fn outage_of_hours_costs_no_batch(on: On) {
    let stage = stage(on, "batch_lines = 1\nmax_attempts = 2\nretry_base_ms = 10", json!({})).await;
    let channel = Channel::map(&stage, "O1", usual()).await;
    stage
        .control()
        .add_fault(FaultRule::once("ingest.post", Fault::Status { code: 502, html_body: true }).forever())
        .unwrap();
    talk(&stage, &channel, 4).await;
    let error = away(&stage).await;
    assert!(error.starts_with("the receiver analysis has been away since "), "{error}");
    for _ in 0..6 {
        let calls = stage.calls("ingest.post");
        stage.advance(3600);
        stage
            .until("the receiver to be asked again", async || (stage.calls("ingest.post") > calls).then_some(()))
            .await;
        stage.until("the answer to be noted", async || none_is_under_way(&stage).await.then_some(())).await;
    }
    stage.control().clear_faults();
    stage.advance(301);
    stage.until("everything", async || (channel.lines(&stage).len() == 4).then_some(())).await;
    stage.until_idle().await;
    assert_eq!(channel.words(&stage), expected(4));
    assert!(stage.dead_letters().await.is_empty());
}

async fn address_without_a_receiver_waits_for_a_person(on: On) {
    for code in [404, 405] {
        let stage = stage(on, "batch_lines = 1", json!({})).await;
        let channel = Channel::map(&stage, "O1", usual()).await;
        stage.fault("ingest.post", Fault::Status { code, html_body: true }, 2);
        talk(&stage, &channel, 3).await;
        let noted = async || trouble(&stage).await.filter(|(code, _)| code == "not_found");
        let (_, error) = stage.until("it to be said", noted).await;
        assert!(error.contains("look at ingest.analysis.url"), "{error}");
        stage.advance(31);
        stage.until("another look", async || (stage.calls("ingest.post") == 2).then_some(())).await;
        stage.advance(31);
        stage.until("everything", async || (channel.lines(&stage).len() == 3).then_some(())).await;
        stage.until_idle().await;
        assert_eq!(channel.words(&stage), expected(3));
        assert!(stage.dead_letters().await.is_empty());
    }
}

async fn batch_is_given_up_when_the_receiver_fails_for_a_day_and_the_next_goes_on(on: On) {
    let stage = stage(on, "batch_lines = 2\nmax_attempts = 3\nretry_base_ms = 10", json!({})).await;
    let channel = Channel::map(&stage, "O1", usual()).await;
    stage.fault("ingest.post", Fault::Status { code: 500, html_body: false }, 4);
    talk(&stage, &channel, 4).await;
    away(&stage).await;
    assert!(stage.dead_letters().await.is_empty());
    stage.advance(24 * 3600);
    stage.until("the second batch", async || (channel.lines(&stage).len() == 2).then_some(())).await;
    stage.until_idle().await;
    assert_eq!(channel.words(&stage), ["message 2", "message 3"]);
    let letters = stage.dead_letters().await;
    assert_eq!((letters.len(), letters[0].reason.as_str(), letters[0].attempts), (1, "unavailable", 3));
    let attempts: Vec<i64> = sql::query_scalar("SELECT attempt FROM effects ORDER BY sequence_number")
        .fetch_all(stage.log.database().readers())
        .await
        .unwrap();
    assert_eq!(attempts, [3, 0]);
    stage.redrive_all().await;
    stage.until("the first batch", async || (channel.lines(&stage).len() == 4).then_some(())).await;
    stage.until_idle().await;
    assert!(stage.dead_letters().await.is_empty());
}
