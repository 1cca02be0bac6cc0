//! A receiver that wants nothing more, and how it goes on.

use consumers::notify::overview::overview;
use consumers::notify::{Resumption, resume};
use consumers::{Settings, notify};
use serde_json::json;

use super::office::{assert_heard, change, count, endpoint, heard, office, open, until_heard};
use crate::database::On;
use crate::stage::Stage;

each_database! {
    endpoint_that_is_gone_is_sent_nothing_more_until_somebody_goes_on,
    stopped_endpoint_goes_on_at_another_address,
}

fn of(stage: &Stage) -> notify::settings::Settings {
    Settings::of(&stage.config).unwrap().endpoints.get("erp").unwrap().clone()
}

async fn state(stage: &Stage) -> &'static str {
    overview(stage.log.database().readers(), &of(stage)).await.unwrap().state
}

/// Two events fail and wait; then the receiver says that it is gone, and a third becomes a dead letter with them.
async fn stop(stage: &Stage) -> [event_log::RecordedEvent; 3] {
    let [first, second] = [change(stage, 1).await, change(stage, 2).await];
    stage
        .until("both to have failed", async || {
            (count(stage, "SELECT count(*) FROM effects WHERE attempt = 1").await == 2).then_some(())
        })
        .await;
    assert_eq!(state(stage).await, "failing");
    stage.control().set_knobs(json!({"receiver": {"named": {"erp": {"status": 410}}}})).unwrap();
    let third = change(stage, 3).await;
    stage.until("three dead letters", async || (stage.dead_letters().await.len() == 3).then_some(())).await;
    let mut reasons: Vec<String> = stage.dead_letters().await.into_iter().map(|letter| letter.reason).collect();
    reasons.sort();
    assert_eq!(reasons, ["endpoint_stopped", "endpoint_stopped", "gone"]);
    assert_eq!(stage.events("notify_endpoint.stopped").await.len(), 1);
    assert_eq!(state(stage).await, "stopped");
    [first, second, third]
}

fn failing() -> ([String; 2], serde_json::Value) {
    ([endpoint("erp", "retry_base_ms = 600_000"), endpoint("other", "")], json!({"named": {"erp": {"status": 500}}}))
}

async fn endpoint_that_is_gone_is_sent_nothing_more_until_somebody_goes_on(on: On) {
    let (endpoints, knobs) = failing();
    let stage = office(on, &endpoints, knobs).await;
    let [first, second, third] = stop(&stage).await;
    let calls = heard(&stage, "erp").turned_away.values().sum::<u64>();
    let missed = [change(&stage, 4).await, change(&stage, 5).await];
    until_heard(&stage, "other", 5).await;
    assert_eq!(heard(&stage, "erp").turned_away.values().sum::<u64>(), calls);
    assert_eq!(stage.dead_letters().await.len(), 3, "what is missed is noted, not parked");

    stage.control().set_knobs(json!({"receiver": {"named": {"erp": {"status": 204}}}})).unwrap();
    let resumed = resume(&stage.log, &of(&stage)).await.unwrap();
    assert!(matches!(resumed, Resumption::Resumed { missed_after: Some(after) } if after < missed[0].global_position));
    assert_eq!(resume(&stage.log, &of(&stage)).await.unwrap(), Resumption::NotStopped);
    let last = change(&stage, 6).await;
    assert_heard(&until_heard(&stage, "erp", 3).await, "erp", &[&missed[0], &missed[1], &last]);
    stage.redrive_all().await;
    let all = [&first, &second, &third, &missed[0], &missed[1], &last];
    assert_heard(&until_heard(&stage, "erp", 6).await, "erp", &all);
    assert_eq!(stage.events("notify_endpoint.resumed").await.len(), 1);
    stage.until("all is well", async || (state(&stage).await == "active").then_some(())).await;
}

async fn stopped_endpoint_goes_on_at_another_address(on: On) {
    let (endpoints, knobs) = failing();
    let mut stage = office(on, &endpoints, knobs).await;
    stop(&stage).await;
    let missed = change(&stage, 4).await;
    until_heard(&stage, "other", 4).await;
    stage.stop().await;
    open(&mut stage, 2).await;
    assert_eq!(state(&stage).await, "stopped", "a restart changes nothing");
    stage.stop().await;
    let endpoint = stage.config.notifies.get_mut("erp").unwrap();
    endpoint.url = endpoint.url.join("moved").unwrap();
    open(&mut stage, 2).await;
    let state = until_heard(&stage, "moved", 1).await;
    assert_heard(&state, "erp", &[&missed]);
}
