//! Receivers of notifications: what they believe and what they keep. Signatures are made here, by the specification.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::DateTime;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use simulator::{Fault, FaultRule};

use crate::fixture::Fixture;

const SECRET: &[u8; 24] = b"a secret for these tests";
const OTHER: &[u8; 24] = b"an older one of 24 bytes";

async fn open() -> Fixture {
    let fixture = Fixture::demo().await;
    let secrets = [SECRET, OTHER].map(|secret| format!("whsec_{}", STANDARD.encode(secret)));
    fixture.control.set_knobs(json!({"receiver": {"secrets": secrets}})).unwrap();
    fixture
}

fn now(fixture: &Fixture) -> i64 {
    DateTime::parse_from_rfc3339(&fixture.control.advance(Duration::ZERO)).unwrap().timestamp()
}

fn sign(secret: &[u8], id: &str, timestamp: i64, body: &Value) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

async fn tell(fixture: &Fixture, name: &str, id: &str, timestamp: i64, body: &Value, signatures: &str) -> Option<u16> {
    let request = fixture
        .client
        .post(fixture.url(&format!("/receiver/{name}")))
        .header("webhook-id", id)
        .header("webhook-timestamp", timestamp)
        .header("webhook-signature", signatures)
        .body(body.to_string());
    request.send().await.ok().map(|answer| answer.status().as_u16())
}

#[tokio::test]
async fn signed_notification_is_kept_by_its_id() {
    let fixture = open().await;
    let (body, at) = (json!({"type": "a.b"}), now(&fixture));
    let both = format!("{} {}", sign(SECRET, "1", at, &body), sign(OTHER, "1", at, &body));
    assert_eq!(tell(&fixture, "x", "1", at, &body, &both).await, Some(204));
    assert_eq!(tell(&fixture, "x", "1", at + 5, &body, &sign(SECRET, "1", at + 5, &body)).await, Some(204));
    let changed = json!({"type": "a.c"});
    assert_eq!(tell(&fixture, "x", "1", at, &changed, &sign(SECRET, "1", at, &changed)).await, Some(204));
    let state = fixture.control.receiver("x");
    assert_eq!((state.notifications.len(), state.changed, state.refused), (1, 1, 0));
    let kept = &state.notifications[0];
    assert_eq!((&kept.body, kept.signed_by.as_slice()), (&body, &[0, 1][..]));
    assert_eq!(kept.timestamps, [at, at + 5, at]);
    assert!(fixture.control.receiver("y").notifications.is_empty());
    assert_eq!(fixture.misdeed("notification_changed"), 1);
}

#[tokio::test]
async fn what_is_not_signed_in_time_is_refused() {
    let fixture = open().await;
    let (body, at) = (json!({}), now(&fixture));
    assert_eq!(tell(&fixture, "x", "1", at, &body, &sign(b"not a secret they know", "1", at, &body)).await, Some(401));
    assert_eq!(tell(&fixture, "x", "1", at, &body, &sign(SECRET, "2", at, &body)).await, Some(401));
    let late = at - 301;
    assert_eq!(tell(&fixture, "x", "1", late, &body, &sign(SECRET, "1", late, &body)).await, Some(401));
    assert_eq!(tell(&fixture, "x", "1.2", at, &body, &sign(SECRET, "1.2", at, &body)).await, Some(400));
    let state = fixture.control.receiver("x");
    assert_eq!((state.notifications.len(), state.refused), (0, 4));
}

#[tokio::test]
async fn single_receivers_turn_away_and_answers_get_lost() {
    let fixture = open().await;
    let named = json!({"full": {"status": 429, "retry_after_seconds": 7}, "gone": {"status": 410}});
    fixture.control.set_knobs(json!({"receiver": {"named": named}})).unwrap();
    let (body, at) = (json!({}), now(&fixture));
    let signature = sign(SECRET, "1", at, &body);
    assert_eq!(tell(&fixture, "full", "1", at, &body, &signature).await, Some(429));
    assert_eq!(tell(&fixture, "gone", "1", at, &body, &signature).await, Some(410));
    assert_eq!(fixture.control.receiver("full").turned_away["1"], 1);
    fixture.control.add_fault(FaultRule::once("receiver.post", Fault::CutAfter {})).unwrap();
    assert_eq!(tell(&fixture, "x", "1", at, &body, &signature).await, None);
    assert_eq!(fixture.control.receiver("x").notifications.len(), 1);
}
