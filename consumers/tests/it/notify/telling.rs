//! Who is told what, and how it reads.

use serde_json::json;

use super::office::{assert_heard, change, change_of, endpoint, heard, office, open, until_heard, waiting_office};
use crate::database::On;

each_database! {
    endpoints_are_told_the_events_they_want_of_their_own_organisation,
    notification_carries_the_event_and_nothing_of_how_it_was_learned,
    new_endpoint_is_not_told_what_was_before_unless_it_wants_to,
    endpoint_that_comes_later_is_told_from_then_on,
    receiver_may_know_either_of_two_secrets,
    slow_endpoint_holds_up_nobody_else,
}

async fn endpoints_are_told_the_events_they_want_of_their_own_organisation(on: On) {
    let endpoints = [
        endpoint("erp", ""),
        endpoint("one-account", "account = \"org-b\""),
        endpoint("others", "events = [\"crm_record.changed\", \"transfer.*\"]"),
        endpoint("rival", "organization = \"rival\"\nevents = [\"*\"]"),
    ];
    let stage = office(on, &endpoints, json!({})).await;
    let of_a = change(&stage, 1).await;
    let of_b = change_of(&stage, "org-b", "acme", 2).await;
    let of_rival = change_of(&stage, "org-a", "rival", 3).await;
    let record = catalogue::crm::Changed {
        module: "Contacts".to_owned(),
        record_id: "9".to_owned(),
        modified_time: None,
        fields: serde_json::Map::new(),
    };
    let record = stage.append_fact(record).await;
    let last = change_of(&stage, "org-b", "acme", 4).await;
    assert_heard(&until_heard(&stage, "erp", 3).await, "erp", &[&of_a, &of_b, &last]);
    assert_heard(&until_heard(&stage, "one-account", 2).await, "one-account", &[&of_b, &last]);
    assert_heard(&until_heard(&stage, "others", 1).await, "others", &[&record]);
    assert_heard(&until_heard(&stage, "rival", 1).await, "rival", &[&of_rival]);
}

async fn notification_carries_the_event_and_nothing_of_how_it_was_learned(on: On) {
    let stage = office(on, &[endpoint("erp", "")], json!({})).await;
    change(&stage, 1).await;
    let event = change(&stage, 1).await;
    let state = until_heard(&stage, "erp", 2).await;
    let body = &state.notifications.iter().find(|one| one.body["stream_version"] == 2).unwrap().body;
    assert_eq!(body["type"], "erp_user.changed");
    assert_eq!(body["data"]["name"], "user 1");
    assert_eq!(body["stream"], "erp_user-org-a-1");
    assert_eq!(body["event_id"], event.id.to_string());
    assert_eq!(body["position"], event.global_position.0);
    assert_eq!((&body["organization"], &body["account"]), (&json!("acme"), &json!("org-a")));
    assert_eq!(body["correlation_id"], event.correlation_id.to_string());
    let timestamp: chrono::DateTime<chrono::Utc> = body["timestamp"].as_str().unwrap().parse().unwrap();
    assert_eq!(timestamp, event.recorded_at);
    assert!(!body.to_string().contains("hidden"), "{body}");
}

async fn new_endpoint_is_not_told_what_was_before_unless_it_wants_to(on: On) {
    let endpoints = [endpoint("erp", ""), endpoint("archive", "from = \"beginning\"")];
    let mut stage = waiting_office(on, &endpoints, json!({})).await;
    let mut before = Vec::new();
    for user in 0..450 {
        before.push(change(&stage, user).await);
    }
    open(&mut stage, 2).await;
    let after = change(&stage, 1000).await;
    let everything: Vec<_> = before.iter().chain([&after]).collect();
    assert_heard(&until_heard(&stage, "archive", everything.len()).await, "archive", &everything);
    assert_heard(&until_heard(&stage, "erp", 1).await, "erp", &[&after]);
    stage.stop().await;
    open(&mut stage, 2).await;
    let later = change(&stage, 1001).await;
    until_heard(&stage, "archive", everything.len() + 1).await;
    assert_heard(&until_heard(&stage, "erp", 2).await, "erp", &[&after, &later]);
}

async fn endpoint_that_comes_later_is_told_from_then_on(on: On) {
    let mut stage = office(on, &[endpoint("erp", "")], json!({})).await;
    let first = change(&stage, 1).await;
    until_heard(&stage, "erp", 1).await;
    stage.stop().await;
    let missed = change(&stage, 2).await;
    let mut late = stage.config.notifies["erp"].clone();
    late.name = "late".to_owned();
    late.url = late.url.join("late").unwrap();
    stage.config.notifies.insert("late".to_owned(), late);
    open(&mut stage, 2).await;
    let last = change(&stage, 3).await;
    assert_heard(&until_heard(&stage, "late", 1).await, "late", &[&last]);
    assert_heard(&until_heard(&stage, "erp", 3).await, "erp", &[&first, &missed, &last]);
}

async fn receiver_may_know_either_of_two_secrets(on: On) {
    let [new, old] = ["whsec_bmV3ZXIgc2VjcmV0IG9mIDI0IGJ5dGVz", "whsec_b2xkZXIgc2VjcmV0IG9mIDI0IGJ5dGVz"];
    let settings = format!("secrets = [\"{new}\", \"{old}\"]");
    let stage = office(on, &[endpoint("erp", &settings)], json!({"secrets": [old]})).await;
    change(&stage, 1).await;
    until_heard(&stage, "erp", 1).await;
    stage.control().set_knobs(json!({"receiver": {"secrets": [new]}})).unwrap();
    change(&stage, 2).await;
    until_heard(&stage, "erp", 2).await;
    stage.control().set_knobs(json!({"receiver": {"secrets": [new, old]}})).unwrap();
    change(&stage, 3).await;
    let state = until_heard(&stage, "erp", 3).await;
    assert_eq!(state.notifications[2].signed_by, [0, 1]);
    assert_eq!(state.refused, 0);
}

async fn slow_endpoint_holds_up_nobody_else(on: On) {
    let endpoints = [endpoint("slow", "concurrency = 1\ntimeout_seconds = 60"), endpoint("quick", "")];
    let mut stage = office(on, &endpoints, json!({"named": {"slow": {"latency_ms": 600_000}}})).await;
    for user in 0..50 {
        change(&stage, user).await;
    }
    until_heard(&stage, "quick", 50).await;
    assert!(heard(&stage, "slow").notifications.is_empty());
    stage.abort().await;
}
