//! Workflow webhooks of Books, as the simulator sends them and as strangers would.

use catalogue::delivery;
use serde_json::json;
use simulator::control::{BooksContactChange, BooksUserChange};
use simulator::seed::constants::ORG_A;
use simulator::seed::{BooksWebhookFormat, BooksWebhookSeed};
use simulator::{DemoOptions, Options, Seed, Simulator};
use testkit::wait::until_true;

use super::client::post;
use super::gateway::{Gateway, start};
use super::operator::{bind, with_sources};
use super::sign::hmac_sha256;
use crate::store::{Backend, on_both_databases};

on_both_databases! {
    #[actix_web::test]
    changes_in_books_are_recorded_once_however_often_they_are_sent,
    an_undated_change_there_and_back_again_is_recorded_each_time,
    requests_that_books_did_not_sign_are_refused_with_the_cause,
    a_captured_delivery_is_the_same_one_however_it_is_spelled,
}

const SETTINGS: &str = r#"
[accounts.org-a]
provider = "zoho"
client_id = "1"
client_secret = "s"
[accounts.org-a.books]
organization_id = "1"
[accounts.books]
provider = "generic"
[accounts.books.webhook]
verify = "zoho-books"
account = "org-a"
secrets = ["newSecret0123456", "abcdefghijkl0123"]
content = "any"
"#;
const SECRET: &str = "abcdefghijkl0123";
const CONTACT: &str = "460000000026001";
const USER: &str = "460000000024005";

fn books(gateway: &Gateway, format: BooksWebhookFormat) -> Simulator {
    let simulator = simulator::start(&Seed::demo_with(&DemoOptions::default()), Options::default()).unwrap();
    let url = format!("http://{}/webhooks/books?conn=7&name=a%20b&", gateway.address);
    let webhook = BooksWebhookSeed { format, users: true, ..BooksWebhookSeed::signed(url, SECRET) };
    simulator.control().set_books_webhooks(ORG_A, vec![webhook]).unwrap();
    simulator
}

/// Waits until so many attempts of the simulator were answered 2xx.
async fn delivered(simulator: &Simulator, expected: u64) {
    let control = simulator.control();
    until_true("the webhooks are accepted", async || control.counts().webhooks.delivered == expected).await;
    assert_eq!(control.counts().webhooks.attempts, expected, "no attempt was refused");
}

async fn changes_in_books_are_recorded_once_however_often_they_are_sent(on: Backend) {
    let gateway = start(on, SETTINGS).await;
    for (at, format, encoding) in [
        (0, BooksWebhookFormat::Json, "hex"),
        (1, BooksWebhookFormat::Json, "base64"),
        (2, BooksWebhookFormat::Form, "hex"),
    ] {
        let simulator = books(&gateway, format);
        let control = simulator.control();
        control.set_knobs(json!({"books": {"signature_encoding": encoding}})).unwrap();
        control.set_webhooks(json!({"duplicate_next": 1})).unwrap();
        let name = Some(format!("Müller & Söhne = {at}+1"));
        control.change_books_contact(ORG_A, CONTACT, &BooksContactChange { name, ..Default::default() }).unwrap();
        delivered(&simulator, 2).await;
        simulator.stop().await;

        let events = gateway.events().await;
        assert_eq!(events.len(), at + 1, "{format:?} {encoding}");
        let received: delivery::Received = events[at].decode().unwrap();
        assert_eq!((received.verify.as_str(), received.json), ("zoho-books", format == BooksWebhookFormat::Json));
        assert!(String::from_utf8_lossy(events[at].payload.as_deref().unwrap()).contains(CONTACT));
    }
    gateway.stop().await;
}

async fn an_undated_change_there_and_back_again_is_recorded_each_time(on: Backend) {
    let gateway = start(on, SETTINGS).await;
    let simulator = books(&gateway, BooksWebhookFormat::Json);
    for (at, role) in [(1, "admin"), (2, "staff"), (3, "admin")] {
        let change = BooksUserChange { role: Some(role.to_owned()), ..BooksUserChange::default() };
        simulator.control().change_books_user(ORG_A, USER, &change).unwrap();
        delivered(&simulator, at).await;
    }
    simulator.stop().await;
    let events = gateway.events().await;
    assert_eq!(events.len(), 3);
    assert_eq!(events[0].payload, events[2].payload);
    gateway.stop().await;
}

async fn requests_that_books_did_not_sign_are_refused_with_the_cause(on: Backend) {
    let gateway = start(on, SETTINGS).await;
    let body = br#"{"created_date":"2019-03-06","event_id":"5675"}"#;
    let signature = hex::encode(hmac_sha256(SECRET.as_bytes(), &[b"namebasicsubscription_id90343", body]));
    let send = async |signature: Option<&str>, query: &str, body: &[u8]| {
        let headers: Vec<(&str, &str)> = signature.map(|text| ("x-zoho-webhook-signature", text)).into_iter().collect();
        post(gateway.address, &format!("/webhooks/books{query}"), &headers, body).await.status
    };
    const QUERY: &str = "?subscription_id=90343&name=basic";
    assert_eq!(send(Some(&signature), QUERY, body).await, 202);
    assert_eq!(send(None, QUERY, body).await, 401);
    assert_eq!(send(Some("nonsense"), QUERY, body).await, 401);
    assert_eq!(send(Some(&signature), "?subscription_id=90344&name=basic", body).await, 401);
    assert_eq!(send(Some(&signature), "", body).await, 401);
    assert_eq!(send(Some(&signature), QUERY, &body[1..]).await, 401);
    let rejected = gateway.rejected(5).await;
    let causes: Vec<&str> = rejected.iter().rev().map(|rejected| rejected.cause.as_str()).collect();
    assert_eq!(causes[..2], ["signature_missing", "signature_malformed"]);
    assert_eq!(causes[2..], ["signature_mismatch"; 3]);
    assert!(rejected.iter().all(|rejected| !rejected.metadata.to_string().contains(&signature)));
    assert_eq!(gateway.events().await.len(), 1);
    gateway.stop().await;
}

async fn a_captured_delivery_is_the_same_one_however_it_is_spelled(on: Backend) {
    let gateway = start(on, SETTINGS).await;
    let form = "contact_id=1&last_modified_time=2026-01-15T10%3A05%3A00%2B0000";
    let json = r#"{"contact_id":"1","last_modified_time":"2026-01-15T10:05:00+0000"}"#;
    let send = async |signed: &str, content_type: &str, query: &str, body: &str| {
        let signature = hex::encode(hmac_sha256(SECRET.as_bytes(), &[signed.as_bytes()]));
        let headers = [("x-zoho-webhook-signature", &*signature), ("content-type", content_type)];
        post(gateway.address, &format!("/webhooks/books{query}"), &headers, body.as_bytes()).await.status
    };
    for (content_type, query) in
        [("application/json", ""), ("application/json", "?&"), ("text/plain", "?&&"), ("application/json", "?=")]
    {
        assert_eq!(send(json, content_type, query, json).await, 202);
    }
    assert_eq!(gateway.events().await.len(), 1);
    let signed = "contact_id1last_modified_time2026-01-15T10:05:00+0000";
    const FORM: &str = "application/x-www-form-urlencoded";
    assert_eq!(send(signed, FORM, "", form).await, 202);
    assert_eq!(send(signed, FORM, "?&", &form.replace("%3A", ":")).await, 202);
    assert_eq!(send(signed, "application/json", &format!("?{form}"), "").await, 202);
    assert_eq!(send(signed, FORM, "?contact_id=1", &form["contact_id=1&".len()..]).await, 202);
    assert_eq!(send(signed, FORM, "", &form.replacen("=1&", "1=", 1)).await, 401, "names are signed as well");
    assert_eq!(gateway.events().await.len(), 2);
    gateway.stop().await;
}

#[actix_web::test]
async fn a_secret_that_books_does_not_take_stops_the_start_and_is_not_shown() {
    let settings = SETTINGS.replace(SECRET, "hunter2");
    let message = with_sources(&bind(&settings).await.unwrap_err());
    assert!(message.contains("accounts.books.webhook"), "{message}");
    assert!(message.contains("secret 2 is not 12 to 50 letters and digits"), "{message}");
    assert!(!message.contains("hunter2"), "{message}");
}
