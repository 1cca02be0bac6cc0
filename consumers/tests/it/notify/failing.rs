//! What happens when a receiver does not take a notification, or does not say that it did.

use serde_json::json;
use simulator::Fault;

use super::office::{assert_heard, change, count, endpoint, heard, office, until_heard};
use crate::database::On;
use crate::stage::Stage;

each_database! {
    lost_answer_is_settled_by_the_same_notification,
    notification_of_a_killed_process_is_sent_under_the_same_id,
    receiver_that_wants_us_later_is_left_alone_and_that_is_no_attempt,
    refused_notification_becomes_a_dead_letter_and_can_be_redriven,
    redirects_are_not_followed,
    private_addresses_are_not_called,
}

async fn lost_answer_is_settled_by_the_same_notification(on: On) {
    let stage = office(on, &[endpoint("erp", "timeout_seconds = 1")], json!({})).await;
    stage.fault("receiver.post", Fault::CutAfter {}, 1);
    stage.fault("receiver.post", Fault::HangAfter {}, 1);
    stage.fault("receiver.post", Fault::StatusAfter { code: 502 }, 1);
    let event = change(&stage, 1).await;
    until_repeated(&stage, 4).await;
    stage.until_idle().await;
    let state = heard(&stage, "erp");
    assert_heard(&state, "erp", &[&event]);
    assert_eq!(state.notifications[0].timestamps.len(), 4);
    assert_eq!(count(&stage, "SELECT count(*) FROM effects WHERE status = 'succeeded' AND attempt = 3").await, 1);
    assert_eq!(count(&stage, "SELECT delivered FROM notify_endpoints").await, 1);
    assert!(stage.events("effect.*").await.is_empty(), "attempts are told in the ledger");
}

/// Waits until the first notification has come so many times.
async fn until_repeated(stage: &Stage, times: usize) {
    stage
        .until(&format!("a notification to come {times} times"), async || {
            let state = heard(stage, "erp");
            (state.notifications.first()?.timestamps.len() >= times).then_some(())
        })
        .await;
}

async fn notification_of_a_killed_process_is_sent_under_the_same_id(on: On) {
    let mut stage = office(on, &[endpoint("erp", "")], json!({})).await;
    stage.fault("receiver.post", Fault::HangAfter {}, 1);
    let event = change(&stage, 1).await;
    until_repeated(&stage, 1).await;
    stage.crash().await;
    until_repeated(&stage, 2).await;
    stage.until_idle().await;
    let state = heard(&stage, "erp");
    assert_heard(&state, "erp", &[&event]);
    assert_eq!(state.notifications[0].timestamps.len(), 2);
    assert_eq!(count(&stage, "SELECT count(*) FROM effects WHERE status = 'succeeded' AND attempt = 0").await, 1);
}

async fn receiver_that_wants_us_later_is_left_alone_and_that_is_no_attempt(on: On) {
    let busy = |status: u16| json!({"named": {"busy": {"status": status, "retry_after_seconds": 60}}});
    let endpoints = [endpoint("busy", "max_attempts = 1"), endpoint("other", "")];
    for status in [429, 503] {
        let stage = office(on, &endpoints, busy(status)).await;
        let first = change(&stage, 1).await;
        stage.until("the refusal", async || (!heard(&stage, "busy").turned_away.is_empty()).then_some(())).await;
        waited(&stage).await;
        let second = change(&stage, 2).await;
        until_heard(&stage, "other", 2).await;
        stage.advance(30);
        change(&stage, 3).await;
        until_heard(&stage, "other", 3).await;
        assert_eq!(heard(&stage, "busy").turned_away.values().sum::<u64>(), 1, "not before the time it gave");
        stage.control().set_knobs(json!({"receiver": {"named": {"busy": {"status": 200}}}})).unwrap();
        stage.advance(31);
        let state = until_heard(&stage, "busy", 3).await;
        assert!(
            [first, second]
                .iter()
                .all(|event| state.notifications.iter().any(|one| one.body["event_id"] == event.id.to_string()))
        );
        assert!(stage.dead_letters().await.is_empty());
    }
}

/// Waits until the refusal is written down.
async fn waited(stage: &Stage) {
    stage
        .until("the wait to be noted", async || {
            let waiting = "SELECT count(*) FROM effects WHERE error_code = 'throttled' AND attempt = 0";
            (count(stage, waiting).await == 1).then_some(())
        })
        .await;
}

async fn refused_notification_becomes_a_dead_letter_and_can_be_redriven(on: On) {
    let endpoints = [endpoint("erp", "max_attempts = 3\nevents = [\"erp_user.*\", \"effect.*\"]")];
    let stage = office(on, &endpoints, json!({"named": {"erp": {"status": 500}}})).await;
    let event = change(&stage, 1).await;
    let letter = stage.until("a dead letter", async || stage.dead_letters().await.pop()).await;
    assert_eq!((letter.reason.as_str(), letter.attempts), ("unavailable", 3));
    assert_eq!((letter.kind.as_str(), letter.account.as_str()), ("notify.post", "notify:erp"));
    assert_eq!(letter.organization, "acme");
    assert!(letter.error.contains("answered 500") && letter.error.contains("not now"), "{}", letter.error);
    assert_eq!(letter.correlation_id, event.correlation_id);
    stage.control().set_knobs(json!({"receiver": {"named": {"erp": {"status": 204}}}})).unwrap();
    stage.redrive_all().await;
    assert_heard(&until_heard(&stage, "erp", 1).await, "erp", &[&event]);
    let last = change(&stage, 2).await;
    assert_heard(&until_heard(&stage, "erp", 2).await, "erp", &[&event, &last]);
    stage.until("the dead letter to be resolved", async || stage.dead_letters().await.is_empty().then_some(())).await;
    assert_eq!(stage.events("effect.redriven").await.len(), 1, "recorded, and told to nobody");
}

async fn redirects_are_not_followed(on: On) {
    let endpoints = [endpoint("erp", "max_attempts = 1")];
    let stage = office(on, &endpoints, json!({"named": {"erp": {"status": 307, "location": "elsewhere"}}})).await;
    change(&stage, 1).await;
    let letter = stage.until("a dead letter", async || stage.dead_letters().await.pop()).await;
    assert_eq!(letter.reason, "redirected");
    assert_eq!(stage.calls("receiver.post"), 1);
    assert!(heard(&stage, "elsewhere").notifications.is_empty());
}

async fn private_addresses_are_not_called(on: On) {
    let endpoints = [endpoint("erp", "url = \"LOCAL/receiver/erp\"\nallow_private = false\nmax_attempts = 2")];
    let stage = office(on, &endpoints, json!({})).await;
    change(&stage, 1).await;
    let letter = stage.until("a dead letter", async || stage.dead_letters().await.pop()).await;
    assert_eq!((letter.reason.as_str(), letter.attempts), ("address_refused", 2));
    assert!(letter.error.contains("localhost") && letter.error.contains("allow_private"), "{}", letter.error);
    assert_eq!(stage.calls("receiver.post"), 0);
}
