//! Watch channels and the notifications they bring.

use std::time::Duration;

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use simulator::control::RecordChange;
use testkit::wait::until_true;

use crate::fixture::{Fixture, RECORD, json_of};
use crate::receiver::Receiver;

fn in_days(days: i64) -> String {
    (chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now()) + chrono::TimeDelta::days(days)).to_rfc3339()
}

async fn watch(fixture: &Fixture, receiver: &Receiver, extra: Value) -> Response {
    let mut channel = json!({
        "channel_id": "1000000068001", "events": ["Contacts.edit", "Contacts.create"], "token": "k8-opaque",
        "notify_url": receiver.url, "channel_expiry": in_days(6), "return_affected_field_values": true,
    });
    for (name, value) in extra.as_object().unwrap() {
        channel[name] = value.clone();
    }
    fixture.a(Method::POST, "/api/crm/v8/actions/watch").json(&json!({"watch": [channel]})).send().await.unwrap()
}

fn edit(value: &str) -> RecordChange {
    RecordChange { fields: json!({"Last_Name": value}).as_object().cloned().unwrap(), ..RecordChange::default() }
}

#[tokio::test]
async fn callback_has_the_documented_shape() {
    let fixture = Fixture::demo().await;
    let receiver = Receiver::start(&[]).await;
    let answer = watch(&fixture, &receiver, json!({})).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    let event = json_of(answer).await["watch"][0]["details"]["events"][0].clone();
    assert_eq!(event["resource_name"], "Contacts");
    fixture.control.change_record("org-a", "Contacts", RECORD, &edit("New")).unwrap();
    let body = receiver.wait_for(1).await.remove(0);
    assert_eq!(body["operation"], "update");
    assert_eq!(body["module"], "Contacts");
    assert_eq!(body["ids"], json!([RECORD]));
    assert_eq!(body["token"], "k8-opaque");
    assert_eq!(body["channel_id"], "1000000068001");
    assert_eq!(body["query_params"], json!({"conn": "7"}));
    assert_eq!(body["affected_fields"], json!([{RECORD: ["Last_Name", "Modified_Time"]}]));
    assert_eq!(body["affected_values"], json!([{"record_id": RECORD, "values": {"Last_Name": "New"}}]));
    assert!(body["server_time"].is_i64());
}

#[tokio::test]
async fn our_own_update_comes_back_as_an_echo_unless_told_not_to() {
    let fixture = Fixture::demo().await;
    let receiver = Receiver::start(&[]).await;
    watch(&fixture, &receiver, json!({})).await;
    fixture.update(RECORD, json!({"Transfer_Complete": true})).await;
    assert_eq!(receiver.wait_for(1).await[0]["affected_values"][0]["values"], json!({"Transfer_Complete": true}));
    fixture.control.set_knobs(json!({"crm": {"echo_notifications": false}})).unwrap();
    fixture.update(RECORD, json!({"Transfer_Complete": false})).await;
    assert_eq!(fixture.control.counts().webhooks.raised, 1);
}

#[tokio::test]
async fn created_record_is_an_insert() {
    let fixture = Fixture::demo().await;
    let receiver = Receiver::start(&[]).await;
    watch(&fixture, &receiver, json!({})).await;
    let record = serde_json::from_value(json!({"fields": {"Last_Name": "Fresh"}})).unwrap();
    let id = fixture.control.create_record("org-a", "Contacts", &record).unwrap();
    let body = receiver.wait_for(1).await.remove(0);
    assert_eq!((body["operation"].as_str(), &body["ids"]), (Some("insert"), &json!([id])));
    assert!(body.get("affected_fields").is_none());
}

#[tokio::test]
async fn missing_or_too_far_expiry_becomes_an_hour_and_then_silence() {
    let fixture = Fixture::demo().await;
    let receiver = Receiver::start(&[]).await;
    let answer = json_of(watch(&fixture, &receiver, json!({"channel_expiry": in_days(30)})).await).await;
    let expiry = answer["watch"][0]["details"]["events"][0]["channel_expiry"].as_str().unwrap().to_owned();
    let minutes = (chrono::DateTime::parse_from_rfc3339(&expiry).unwrap().timestamp()
        - chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now()).timestamp())
        / 60;
    assert!((58..=61).contains(&minutes), "{minutes} minutes");
    fixture.control.advance(Duration::from_secs(3601));
    fixture.control.change_record("org-a", "Contacts", RECORD, &edit("Unheard")).unwrap();
    assert_eq!(fixture.control.counts().webhooks.raised, 0);
    let token = fixture.refresh_a().await["access_token"].as_str().unwrap().to_owned();
    let list = fixture.with_token(Method::GET, "/api/crm/v8/actions/watch", &token).send().await.unwrap();
    assert_eq!(list.status(), StatusCode::NO_CONTENT);
    let patch = json!({"watch": [{"channel_id": "1000000068001", "channel_expiry": in_days(1)}]});
    let answer =
        fixture.with_token(Method::PATCH, "/api/crm/v8/actions/watch", &token).json(&patch).send().await.unwrap();
    assert_eq!(json_of(answer).await["watch"][0]["code"], "NOT_SUBSCRIBED");
}

#[tokio::test]
async fn channel_is_listed_changed_and_removed() {
    let fixture = Fixture::demo().await;
    let receiver = Receiver::start(&[]).await;
    watch(&fixture, &receiver, json!({})).await;
    let url = "/api/crm/v8/actions/watch";
    let patch = json!({"watch": [{"channel_id": "1000000068001", "events": ["Contacts.create"], "_delete_events": true, "channel_expiry": in_days(2)}]});
    let answer = fixture.a(Method::PATCH, url).json(&patch).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let listed =
        json_of(fixture.a(Method::GET, &format!("{url}?channel_id=1000000068001")).send().await.unwrap()).await;
    assert_eq!(listed["watch"][0]["events"], json!(["Contacts.edit"]));
    assert_eq!(listed["watch"][0]["notify_url"], receiver.url);
    let removed = fixture.a(Method::DELETE, &format!("{url}?channel_ids=1000000068001,5")).send().await.unwrap();
    assert_eq!(removed.status(), StatusCode::MULTI_STATUS);
    let removed = json_of(removed).await;
    assert_eq!(removed["watch"][0]["code"], "SUCCESS");
    assert_eq!(removed["watch"][1]["code"], "NOT_SUBSCRIBED");
    assert_eq!(fixture.a(Method::GET, url).send().await.unwrap().status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn bad_channels_are_refused_by_field() {
    let fixture = Fixture::demo().await;
    let receiver = Receiver::start(&[]).await;
    let field = async |extra: Value| {
        json_of(watch(&fixture, &receiver, extra).await).await["watch"][0]["details"]["api_name"].clone()
    };
    assert_eq!(field(json!({"token": "x".repeat(51)})).await, "token");
    assert_eq!(field(json!({"events": ["Nope.edit"]})).await, "events");
    assert_eq!(field(json!({"notify_url": format!("http://h/{}", "x".repeat(255))})).await, "notify_url");
    assert_eq!(field(json!({"channel_id": "abc"})).await, "channel_id");
}

#[tokio::test]
async fn refused_notification_is_retried_and_then_delivered() {
    let fixture = Fixture::demo().await;
    let receiver = Receiver::start(&[503, 500]).await;
    fixture.control.set_webhooks(json!({"retry_unit_ms": 5})).unwrap();
    watch(&fixture, &receiver, json!({})).await;
    fixture.control.change_record("org-a", "Contacts", RECORD, &edit("Again")).unwrap();
    let bodies = receiver.wait_for(3).await;
    assert_eq!(bodies[0], bodies[2], "a retry is the same bytes");
    wait_until(&fixture, |counts| counts.webhooks.delivered == 1 && counts.webhooks.retried == 2).await;
}

#[tokio::test]
async fn notifications_are_dropped_duplicated_and_reversed_on_demand() {
    let fixture = Fixture::demo().await;
    let receiver = Receiver::start(&[]).await;
    watch(&fixture, &receiver, json!({})).await;
    fixture.control.set_webhooks(json!({"drop_next": 1})).unwrap();
    fixture.control.change_record("org-a", "Contacts", RECORD, &edit("Lost")).unwrap();
    wait_until(&fixture, |counts| counts.webhooks.dropped == 1).await;
    fixture.control.set_webhooks(json!({"duplicate_next": 1})).unwrap();
    fixture.control.change_record("org-a", "Contacts", RECORD, &edit("Twice")).unwrap();
    let twice = receiver.wait_for(2).await;
    assert_eq!(twice[0], twice[1]);
    fixture.control.set_webhooks(json!({"reorder_window": 3, "reorder_hold_ms": 60_000})).unwrap();
    for name in ["one", "two", "three"] {
        fixture.control.change_record("org-a", "Contacts", RECORD, &edit(name)).unwrap();
    }
    let bodies = receiver.wait_for(5).await;
    let names: Vec<&str> =
        bodies[2..].iter().map(|body| body["affected_values"][0]["values"]["Last_Name"].as_str().unwrap()).collect();
    assert_eq!(names, ["three", "two", "one"]);
}

#[tokio::test]
async fn field_selection_silences_other_changes() {
    let fixture = Fixture::demo().await;
    let receiver = Receiver::start(&[]).await;
    let condition = json!([{"type": "field_selection", "module": {"api_name": "Contacts"},
        "field_selection": {"group_operator": "or", "group": [{"field": {"api_name": "Transfer_Complete"}}]}}]);
    watch(&fixture, &receiver, json!({"notification_condition": condition})).await;
    fixture.control.change_record("org-a", "Contacts", RECORD, &edit("Quiet")).unwrap();
    fixture.update(RECORD, json!({"Transfer_Complete": true})).await;
    assert_eq!(fixture.control.counts().webhooks.raised, 1);
}

async fn wait_until(fixture: &Fixture, reached: impl Fn(&simulator::journal::Counts) -> bool) {
    until_true("notifications are counted", async || reached(&fixture.control.counts())).await;
}
