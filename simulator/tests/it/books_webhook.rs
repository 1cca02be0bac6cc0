//! Workflow webhooks of Books and their signature.

use base64::Engine;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;
use simulator::control::{BooksContactChange, BooksUserChange};
use simulator::seed::constants::BOOKS_ORGANIZATION_ID;
use simulator::seed::{BooksWebhookFormat, BooksWebhookSeed};

use crate::fixture::Fixture;
use crate::receiver::{Received, Receiver};

const SECRET: &str = "abcdefghijkl0123";
const CONTACT: &str = "460000000026001";

fn mac(text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn signature(received: &Received) -> &str {
    received.header("x-zoho-webhook-signature").unwrap()
}

fn renamed(name: &str) -> BooksContactChange {
    BooksContactChange { name: Some(name.to_owned()), ..BooksContactChange::default() }
}

async fn with_webhook(change: impl FnOnce(&mut BooksWebhookSeed)) -> (Fixture, Receiver) {
    let fixture = Fixture::demo().await;
    let receiver = Receiver::start(&[]).await;
    let mut webhook = BooksWebhookSeed::signed(&receiver.url, SECRET);
    change(&mut webhook);
    fixture.control.set_books_webhooks("org-a", vec![webhook]).unwrap();
    (fixture, receiver)
}

#[tokio::test]
async fn json_is_signed_over_the_query_and_the_raw_body() {
    let (fixture, receiver) = with_webhook(|_| {}).await;
    fixture.control.change_books_contact("org-a", CONTACT, &renamed("Bowman Ltd")).unwrap();
    let received = receiver.wait_for_received(1).await.remove(0);
    let body: Value = serde_json::from_slice(&received.body).unwrap();
    assert_eq!(body["contact"]["contact_name"], "Bowman Ltd");
    assert_eq!(body["contact"]["contact_id"], CONTACT);
    let signed = [b"conn7".as_slice(), &received.body].concat();
    assert_eq!(signature(&received), hex::encode(mac(&signed)));
    fixture
        .control
        .set_knobs(json!({"books": {"signature_encoding": "base64", "wrap_webhook_entity": false}}))
        .unwrap();
    fixture.control.change_books_owner("org-a", CONTACT, None).unwrap();
    let received = receiver.wait_for_received(2).await.remove(1);
    let body: Value = serde_json::from_slice(&received.body).unwrap();
    assert_eq!(body["owner_id"], "");
    let signed = [b"conn7".as_slice(), &received.body].concat();
    assert_eq!(signature(&received), base64::engine::general_purpose::STANDARD.encode(mac(&signed)));
}

#[tokio::test]
async fn form_is_signed_over_its_decoded_values_among_the_query() {
    let (fixture, receiver) = with_webhook(|webhook| webhook.format = BooksWebhookFormat::Form).await;
    fixture.control.change_books_contact("org-a", CONTACT, &renamed("Müller & Söhne = 1")).unwrap();
    let received = receiver.wait_for_received(1).await.remove(0);
    let text = String::from_utf8(received.body.clone()).unwrap();
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned();
    let mut pairs: Vec<(String, String)> = text
        .split('&')
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(key, value)| (decoded(key), decoded(value)))
        .collect();
    assert!(pairs.contains(&("contact_name".to_owned(), "Müller & Söhne = 1".to_owned())));
    pairs.push(("conn".to_owned(), "7".to_owned()));
    pairs.sort();
    let signed: String = pairs.iter().map(|(key, value)| format!("{key}{value}")).collect();
    assert_eq!(signature(&received), hex::encode(mac(signed.as_bytes())));
}

#[tokio::test]
async fn users_are_told_of_only_when_asked_for_and_unsigned_has_no_header() {
    let (fixture, receiver) = with_webhook(|webhook| {
        webhook.users = true;
        webhook.contacts = false;
        webhook.secret = None;
    })
    .await;
    fixture.control.change_books_contact("org-a", CONTACT, &renamed("Quiet")).unwrap();
    let change = BooksUserChange { role: Some("admin".to_owned()), ..BooksUserChange::default() };
    fixture.control.change_books_user("org-a", "460000000024005", &change).unwrap();
    let received = receiver.wait_for_received(1).await.remove(0);
    let body: Value = serde_json::from_slice(&received.body).unwrap();
    assert_eq!(
        (body["user"]["user_role"].as_str(), body["user"]["user_id"].as_str()),
        (Some("admin"), Some("460000000024005"))
    );
    assert!(received.header("x-zoho-webhook-signature").is_none());
    assert_eq!(fixture.control.counts().webhooks.raised, 1);
}

#[tokio::test]
async fn webhooks_are_lost_and_repeated_like_notifications_of_crm() {
    let (fixture, receiver) = with_webhook(|_| {}).await;
    fixture.control.set_webhooks(json!({"drop_next": 1, "duplicate_probability": 1.0})).unwrap();
    fixture.control.change_books_contact("org-a", CONTACT, &renamed("Lost")).unwrap();
    fixture.control.delete_books_contact("org-a", CONTACT).unwrap();
    let received = receiver.wait_for(2).await;
    assert_eq!(received[0], received[1]);
    let gone = &received[0]["contact"];
    assert_eq!(gone["contact_name"], "Lost", "the last state of what is gone");
    let counts = fixture.control.counts().webhooks;
    assert_eq!((counts.raised, counts.dropped, counts.duplicated), (2, 1, 1));
}

#[tokio::test]
async fn change_through_the_api_echoes_unless_told_not_to() {
    let (fixture, receiver) = with_webhook(|_| {}).await;
    let put = async |owner: &str| {
        let request = fixture.a(Method::PUT, &format!("/api/books/v3/contacts/{CONTACT}"));
        let request = request.query(&[("organization_id", BOOKS_ORGANIZATION_ID)]).json(&json!({"owner_id": owner}));
        request.send().await.unwrap()
    };
    put("460000000024005").await;
    let received = receiver.wait_for_received(1).await.remove(0);
    assert!(String::from_utf8(received.body).unwrap().contains("460000000024005"));
    fixture.control.set_knobs(json!({"books": {"echo_webhooks": false}})).unwrap();
    put("460000000024007").await;
    assert_eq!(fixture.control.counts().webhooks.raised, 1);
    assert!(fixture.control.set_books_webhooks("org-a", vec![BooksWebhookSeed::signed("http://x", "short")]).is_err());
}
