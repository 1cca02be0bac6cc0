//! The receiver of batches.

use std::time::Duration;

use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use simulator::{Fault, FaultRule};
use testkit::wait::until_true;

use crate::fixture::{Fixture, json_of};
use crate::google::Signer;

fn batch(numbers: std::ops::Range<u32>) -> Value {
    let messages: Vec<Value> = numbers
        .map(|number| {
            json!({
                "id": format!("17684715{number:05}_1"), "revision": 0, "kind": "message",
                "time": "2024-01-15T14:30:25.000Z", "line": format!("[2024-01-15 14:30:25] John Doe: message {number}"),
            })
        })
        .collect();
    let lines: Vec<&str> = messages.iter().map(|message| message["line"].as_str().unwrap()).collect();
    json!({
        "version": 1, "batch_id": "7d3c0f62-6a57-4e0c-9c55-2ac7a4a6a0c1", "organization": "acme",
        "mapping_id": "0b3f5a70-1f4e-4a27-8f6f-2a3f5f1f7d11", "client_id": "client-7", "room_id": "room-1",
        "channel": {"id": "O123", "name": "#ops"}, "text": lines.join("\n"), "messages": messages,
    })
}

fn post(fixture: &Fixture, key: &str, body: &Value) -> RequestBuilder {
    fixture.client.post(fixture.url("/ingest")).header("Idempotency-Key", key).json(body)
}

async fn open() -> Fixture {
    let fixture = Fixture::demo().await;
    fixture.control.set_knobs(json!({"ingest": {"auth": "none"}})).unwrap();
    fixture
}

async fn problem(answer: Response) -> (u16, String) {
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let status = answer.status().as_u16();
    let body = json_of(answer).await;
    assert_eq!(body["status"], status);
    (status, body["type"].as_str().unwrap().rsplit(':').next().unwrap().to_owned())
}

#[tokio::test]
async fn batch_is_kept_once_and_a_repetition_is_told_so() {
    let fixture = open().await;
    let first = post(&fixture, "key-1", &batch(0..3)).send().await.unwrap();
    assert_eq!(first.status(), StatusCode::OK);
    let id = "7d3c0f62-6a57-4e0c-9c55-2ac7a4a6a0c1";
    assert_eq!(json_of(first).await, json!({"batch_id": id, "accepted": 3, "duplicate": false}));
    let again = json_of(post(&fixture, "key-1", &batch(0..3)).send().await.unwrap()).await;
    assert_eq!(again, json!({"batch_id": id, "accepted": 3, "duplicate": true}));
    let other = post(&fixture, "key-1", &batch(0..4)).send().await.unwrap();
    assert_eq!(problem(other).await, (422, "key-reused".to_owned()));
    post(&fixture, "key-2", &batch(3..5)).send().await.unwrap();
    let state = fixture.control.ingest();
    assert_eq!(state.batches.iter().map(|each| each.duplicates).collect::<Vec<_>>(), [1, 0]);
    assert_eq!(state.lines("O123").len(), 5);
    assert!(state.repeated_messages.is_empty());
    assert_eq!((state.counts.accepted, state.counts.duplicates, state.counts.key_reused), (2, 1, 1));
}

#[tokio::test]
async fn message_in_two_batches_is_named() {
    let fixture = open().await;
    post(&fixture, "key-1", &batch(0..3)).send().await.unwrap();
    post(&fixture, "key-2", &batch(2..4)).send().await.unwrap();
    let shown = json_of(fixture.client.get(fixture.url("/control/ingest")).send().await.unwrap()).await;
    assert_eq!(shown["repeated_messages"], json!(["O123 1768471500002_1 0 Message"]));
    fixture.client.delete(fixture.url("/control/ingest")).send().await.unwrap();
    assert!(fixture.control.ingest().batches.is_empty());
}

#[tokio::test]
async fn what_breaks_the_contract_is_400_and_what_is_too_large_413() {
    let fixture = open().await;
    let keyless = fixture.client.post(fixture.url("/ingest")).json(&batch(0..1)).send().await.unwrap();
    assert_eq!(problem(keyless).await, (400, "key-missing".to_owned()));
    for (pointer, value) in [
        ("/version", json!(2)),
        ("/text", json!("something else")),
        ("/messages", json!([])),
        ("/messages/0/id", json!("1768471500000%201")),
        ("/messages/0/time", json!("2024-01-15T14:30:25+01:00")),
        ("/messages/0/kind", json!("shout")),
        ("/room_id", json!("")),
    ] {
        let mut body = batch(0..1);
        *body.pointer_mut(pointer).unwrap() = value;
        let answer = post(&fixture, "key", &body).send().await.unwrap();
        assert_eq!(problem(answer).await, (400, "invalid".to_owned()), "{pointer}");
    }
    fixture.control.set_knobs(json!({"ingest": {"body_bytes": 500}})).unwrap();
    assert_eq!(problem(post(&fixture, "key", &batch(0..9)).send().await.unwrap()).await.0, 413);
    fixture.control.set_knobs(json!({"ingest": {"body_bytes": 1_000_000, "messages": 2}})).unwrap();
    assert_eq!(problem(post(&fixture, "key", &batch(0..3)).send().await.unwrap()).await.0, 413);
    assert_eq!(post(&fixture, "key", &batch(0..2)).send().await.unwrap().status(), StatusCode::OK);
    let huge = fixture.client.post(fixture.url("/ingest")).header("Idempotency-Key", "huge");
    let huge = huge.header("content-type", "application/json").body(vec![b' '; 17 * 1024 * 1024]).send().await.unwrap();
    assert_eq!(problem(huge).await.0, 413);
}

#[tokio::test]
async fn key_under_way_is_409_until_it_is_done() {
    let fixture = open().await;
    fixture.control.set_knobs(json!({"ingest": {"latency_ms": 300}})).unwrap();
    let body = batch(0..1);
    let (one, other) = tokio::join!(post(&fixture, "key", &body).send(), post(&fixture, "key", &body).send());
    let mut answers = [one.unwrap(), other.unwrap()];
    answers.sort_by_key(Response::status);
    let [taken, busy] = answers;
    assert_eq!(taken.status(), StatusCode::OK);
    assert_eq!(busy.headers()["retry-after"], "1");
    assert_eq!(problem(busy).await, (409, "busy".to_owned()));
    assert_eq!(fixture.control.ingest().counts.accepted, 1);
    assert_eq!(json_of(post(&fixture, "key", &body).send().await.unwrap()).await["duplicate"], true);
}

#[tokio::test]
async fn batch_is_kept_although_the_client_left_before_the_answer() {
    let fixture = open().await;
    fixture.control.set_knobs(json!({"ingest": {"latency_ms": 300}})).unwrap();
    let gone = post(&fixture, "key", &batch(0..1)).timeout(Duration::from_millis(100)).send().await;
    assert!(gone.is_err());
    until_true("the batch is kept", async || !fixture.control.ingest().batches.is_empty()).await;
    assert_eq!(json_of(post(&fixture, "key", &batch(0..1)).send().await.unwrap()).await["duplicate"], true);
}

#[tokio::test]
async fn batch_whose_answer_never_came_is_kept_and_counted_once() {
    let fixture = open().await;
    fixture.control.add_fault(FaultRule::once("ingest.post", Fault::HangAfter {})).unwrap();
    let hanging = post(&fixture, "key-1", &batch(0..2)).timeout(Duration::from_millis(300)).send().await;
    assert!(hanging.is_err());
    fixture.control.add_fault(FaultRule::once("ingest.post", Fault::CutAfter {})).unwrap();
    assert!(post(&fixture, "key-2", &batch(2..4)).send().await.is_err());
    fixture.control.add_fault(FaultRule::once("ingest.post", Fault::StatusAfter { code: 504 })).unwrap();
    assert_eq!(problem(post(&fixture, "key-4", &batch(6..8)).send().await.unwrap()).await.0, 504);
    for (key, numbers) in [("key-1", 0..2), ("key-2", 2..4), ("key-4", 6..8)] {
        assert_eq!(json_of(post(&fixture, key, &batch(numbers)).send().await.unwrap()).await["duplicate"], true);
    }
    fixture.control.add_fault(FaultRule::once("ingest.post", Fault::CutBefore {})).unwrap();
    assert!(post(&fixture, "key-3", &batch(4..5)).send().await.is_err());
    assert_eq!(fixture.control.ingest().lines("O123").len(), 6);
}

#[tokio::test]
async fn throttling_and_failures_are_problems_too() {
    let fixture = open().await;
    let throttle = Fault::Throttle { retry_after_seconds: Some(9) };
    fixture.control.add_fault(FaultRule::once("ingest.post", throttle)).unwrap();
    let answer = post(&fixture, "key", &batch(0..1)).send().await.unwrap();
    assert_eq!(answer.headers()["retry-after"], "9");
    assert_eq!(problem(answer).await, (429, "throttled".to_owned()));
    fixture.control.add_fault(FaultRule::once("ingest.post", Fault::Status { code: 503, html_body: false })).unwrap();
    assert_eq!(problem(post(&fixture, "key", &batch(0..1)).send().await.unwrap()).await.0, 503);
    let get = fixture.client.get(fixture.url("/ingest")).send().await.unwrap();
    assert_eq!(problem(get).await.0, 405);
}

#[tokio::test]
async fn id_token_must_be_googles_for_this_service_and_alive() {
    let fixture = Fixture::demo().await;
    let signer = Signer::of(&fixture).await;
    let status = async |token: Option<&str>| {
        let request = post(&fixture, "key", &batch(0..1));
        let request = token.into_iter().fold(request, |request, token| request.bearer_auth(token));
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(status(None).await, 403);
    assert_eq!(status(Some("ya29.not-an-id-token")).await, 401);
    let token = signer.id_token(&fixture, fixture.simulator.base_url()).await;
    let (signed, _) = token.rsplit_once('.').unwrap();
    assert_eq!(status(Some(&format!("{signed}.AAAA"))).await, 401);
    let elsewhere = signer.id_token(&fixture, "https://elsewhere.example.com").await;
    assert_eq!(status(Some(&elsewhere)).await, 401);
    assert_eq!(status(Some(&token)).await, 200);
    fixture.control.set_knobs(json!({"ingest": {"invokers": ["somebody@example.com"]}})).unwrap();
    assert_eq!(status(Some(&token)).await, 403);
    fixture
        .control
        .set_knobs(json!({"ingest": {"invokers": null, "audiences": ["https://elsewhere.example.com"]}}))
        .unwrap();
    assert_eq!(status(Some(&elsewhere)).await, 200);
    fixture.control.advance(Duration::from_secs(3601));
    assert_eq!(status(Some(&token)).await, 401);
    let fresh = signer.id_token(&fixture, fixture.simulator.base_url()).await;
    assert_eq!(status(Some(&fresh)).await, 200, "the virtual clock does not spoil what clients sign");
    fixture.control.set_knobs(json!({"ingest": {"html_refusals": true}})).unwrap();
    let html = post(&fixture, "key", &batch(0..1)).send().await.unwrap();
    assert!(html.text().await.unwrap().starts_with("<html>"));
}

#[tokio::test]
async fn opaque_bearer_token_is_compared() {
    let fixture = Fixture::demo().await;
    fixture.control.set_knobs(json!({"ingest": {"auth": "bearer", "bearer_token": "opaque"}})).unwrap();
    let with = |token: &str| post(&fixture, "key", &batch(0..1)).bearer_auth(token).send();
    assert_eq!(with("other").await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(with("opaque").await.unwrap().status(), StatusCode::OK);
}
