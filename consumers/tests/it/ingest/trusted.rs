//! Who we say we are, and what happens when the receiver does not believe it.

use serde_json::json;

use super::chat::{Channel, received, usual, waiting_stage};
use crate::database::On;
use crate::stage::Stage;

each_database! {
    receiver_gets_identity_tokens_of_the_machine,
    receiver_that_does_not_let_us_in_is_left_alone_until_somebody_acts,
    outage_of_who_vouches_for_us_is_waited_out_and_uses_up_no_attempt,
}

async fn talk(stage: &Stage, channel: &Channel) {
    for number in 0..3 {
        channel.say(stage, number, "Ann", &format!("message {number}")).await;
    }
    channel.sync(stage).await;
}

async fn receiver_gets_identity_tokens_of_the_machine(on: On) {
    let settings = "batch_lines = 1\nendpoints = { metadata = \"BASE/google\" }";
    let mut stage = waiting_stage(on, settings, json!({"auth": "google_id_token"})).await;
    stage.start();
    let channel = Channel::map(&stage, "O1", usual()).await;
    talk(&stage, &channel).await;
    stage.until_events("batch.delivered", 3).await;
    assert_eq!(channel.words(&stage), ["message 0", "message 1", "message 2"]);
    assert_eq!(received(&stage).counts.unauthorized, 0);
}

async fn receiver_that_does_not_let_us_in_is_left_alone_until_somebody_acts(on: On) {
    let settings = "batch_lines = 1\nauth = \"bearer\"\ntoken = \"the right one\"";
    let knobs = json!({"auth": "bearer", "bearer_token": "another one"});
    let mut stage = waiting_stage(on, settings, knobs).await;
    stage.start();
    let channel = Channel::map(&stage, "O1", usual()).await;
    talk(&stage, &channel).await;
    let look = async || consumers::idle::look(&stage.log).await.unwrap();
    stage.until("the refusal", async || (look().await.waiting_for_a_person == 3).then_some(())).await;
    assert!(look().await.is_idle());
    let row = event_log::sql::query("SELECT attempt, error FROM effects WHERE error IS NOT NULL")
        .fetch_one(stage.log.database().readers())
        .await
        .unwrap();
    let (attempt, error): (i64, String) = (row.try_get("attempt").unwrap(), row.try_get("error").unwrap());
    assert_eq!(attempt, 0);
    assert!(error.contains("ingest.analysis.auth"), "{error}");
    assert!(!error.contains("the right one"));
    let asked = stage.calls("ingest.post");
    stage.control().set_knobs(json!({"ingest": {"bearer_token": "the right one"}})).unwrap();
    stage.advance(31);
    stage.until_events("batch.delivered", 3).await;
    assert_eq!(channel.words(&stage), ["message 0", "message 1", "message 2"]);
    assert_eq!(stage.calls("ingest.post"), asked + 3);
    assert!(stage.dead_letters().await.is_empty());
}

async fn outage_of_who_vouches_for_us_is_waited_out_and_uses_up_no_attempt(on: On) {
    // Nobody listens there.
    let settings = "max_attempts = 1\nendpoints = { metadata = \"http://127.0.0.1:9\" }";
    let mut stage = waiting_stage(on, settings, json!({"auth": "google_id_token"})).await;
    stage.start();
    let channel = Channel::map(&stage, "O1", usual()).await;
    talk(&stage, &channel).await;
    let tries = stage
        .until("three tries", async || {
            stage.advance(10);
            let row = event_log::sql::query("SELECT attempt, claims, error_code FROM effects WHERE claims >= 3")
                .fetch_optional(stage.log.database().readers())
                .await
                .unwrap()?;
            let code: Option<String> = row.try_get("error_code").unwrap();
            Some((row.try_get::<i64, _>("attempt").unwrap(), code))
        })
        .await;
    assert_eq!(tries.0, 0);
    assert_eq!(stage.calls("ingest.post"), 0);
    assert!(stage.dead_letters().await.is_empty());
    stage.abort().await;
}
