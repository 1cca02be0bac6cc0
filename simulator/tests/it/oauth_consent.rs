//! People give consent in a browser, and what becomes of the code.

use std::collections::HashMap;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use simulator::control::ConsentAnswer;
use simulator::seed::constants::*;

use crate::fixture::{Fixture, json_of};

const CALLBACK: &str = "http://127.0.0.1:1/callback";
const SCOPES: &str = "ZohoBooks.contacts.READ,ZohoBooks.settings.READ";

/// The query of the callback, decoded.
fn callback(location: &str) -> HashMap<String, String> {
    let (address, query) = location.split_once('?').unwrap();
    assert_eq!(address, CALLBACK);
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned();
    query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(key, value)| (decoded(key), decoded(value)))
        .collect()
}

async fn page(fixture: &Fixture, extra: &[(&str, &str)]) -> reqwest::Response {
    let query = [
        ("response_type", "code"),
        ("client_id", ORG_A_CLIENT_ID),
        ("redirect_uri", CALLBACK),
        ("scope", SCOPES),
        ("access_type", "offline"),
        ("state", "s t&te"),
    ];
    fixture.client.get(fixture.url("/accounts/oauth/v2/auth")).query(&query).query(extra).send().await.unwrap()
}

async fn consent(fixture: &Fixture, extra: &[(&str, &str)]) -> HashMap<String, String> {
    callback(page(fixture, extra).await.headers()["location"].to_str().unwrap())
}

async fn exchange_at(fixture: &Fixture, host: &str, code: &str, redirect_uri: &str) -> Value {
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", ORG_A_CLIENT_ID),
        ("client_secret", ORG_A_CLIENT_SECRET),
        ("redirect_uri", redirect_uri),
        ("code", code),
    ];
    let answer = fixture.client.post(format!("{host}/oauth/v2/token")).form(&form).send().await.unwrap();
    json_of(answer).await
}

async fn exchange(fixture: &Fixture, code: &str) -> Value {
    exchange_at(fixture, &fixture.url("/accounts"), code, CALLBACK).await
}

#[tokio::test]
async fn approval_brings_code_state_location_and_server() {
    let fixture = Fixture::demo().await;
    let answer = consent(&fixture, &[("prompt", "consent")]).await;
    assert_eq!((answer["state"].as_str(), answer["location"].as_str()), ("s t&te", "us"));
    assert_eq!(answer["accounts-server"], fixture.url("/accounts"));
    let tokens = exchange(&fixture, &answer["code"]).await;
    assert_eq!(tokens["scope"], SCOPES.replace(',', " "));
    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    assert!(fixture.refresh(ORG_A_CLIENT_ID, ORG_A_CLIENT_SECRET, refresh_token).await["access_token"].is_string());
}

#[tokio::test]
async fn refusal_brings_an_error_and_the_state() {
    let fixture = Fixture::demo().await;
    fixture.control.set_knobs(json!({"oauth": {"consent": "deny"}})).unwrap();
    let answer = consent(&fixture, &[]).await;
    assert_eq!((answer["error"].as_str(), answer["state"].as_str()), ("access_denied", "s t&te"));
    assert!(!answer.contains_key("code"));
}

#[tokio::test]
async fn scopes_left_out_are_missing_from_the_grant() {
    let fixture = Fixture::demo().await;
    let without = json!({"oauth": {"consent_without": ["ZohoBooks.settings.READ"]}});
    fixture.control.set_knobs(without).unwrap();
    let tokens = exchange(&fixture, &consent(&fixture, &[]).await["code"]).await;
    assert_eq!(tokens["scope"], "ZohoBooks.contacts.READ");
    let token = tokens["access_token"].as_str().unwrap();
    let path = format!("/api/books/v3/users?organization_id={BOOKS_ORGANIZATION_ID}");
    let refused = fixture.with_token(reqwest::Method::GET, &path, token).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn page_waits_for_its_form_or_the_hand_behind_the_scenes() {
    let fixture = Fixture::demo().await;
    fixture.control.set_knobs(json!({"oauth": {"consent": "ask"}})).unwrap();
    let shown = page(&fixture, &[]).await;
    assert_eq!(shown.status(), StatusCode::OK);
    let text = shown.text().await.unwrap();
    assert!(text.contains("ZohoBooks.settings.READ"));
    let action = text.split("action=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let form = [("scope", "ZohoBooks.contacts.READ"), ("decision", "approve")];
    let posted = fixture.client.post(fixture.url(&format!("/accounts/oauth/v2/{action}"))).form(&form);
    let answer = callback(posted.send().await.unwrap().headers()["location"].to_str().unwrap());
    assert_eq!(exchange(&fixture, &answer["code"]).await["scope"], "ZohoBooks.contacts.READ");
    page(&fixture, &[]).await;
    let list = json_of(fixture.client.get(fixture.url("/control/consents")).send().await.unwrap()).await;
    assert_eq!(list["consents"][0]["organization"], "org-a");
    let pending = fixture.control.consents().remove(0);
    let denial = ConsentAnswer { approve: false, ..ConsentAnswer::default() };
    let target = fixture.control.answer_consent(&pending.id, &denial).unwrap();
    assert_eq!(callback(&target)["error"], "access_denied");
    assert!(fixture.control.answer_consent(&pending.id, &denial).is_err(), "answered once");
}

#[tokio::test]
async fn code_works_once_in_time_and_for_its_address() {
    let fixture = Fixture::demo().await;
    let code = consent(&fixture, &[]).await["code"].clone();
    assert!(exchange(&fixture, &code).await["access_token"].is_string());
    assert_eq!(exchange(&fixture, &code).await, json!({"error": "invalid_code"}));
    let late = consent(&fixture, &[]).await["code"].clone();
    fixture.control.advance(Duration::from_secs(121));
    assert_eq!(exchange(&fixture, &late).await, json!({"error": "invalid_code"}));
    let code = consent(&fixture, &[]).await["code"].clone();
    let elsewhere = exchange_at(&fixture, &fixture.url("/accounts"), &code, "http://127.0.0.1:2/other").await;
    assert_eq!(elsewhere, json!({"error": "invalid_redirect_uri"}));
}

#[tokio::test]
async fn refresh_token_comes_with_the_first_offline_consent_or_when_prompted() {
    let fixture = Fixture::demo().await;
    let granted = async |extra: &[(&str, &str)]| {
        exchange(&fixture, &consent(&fixture, extra).await["code"]).await["refresh_token"].is_string()
    };
    assert!(!granted(&[]).await, "the owner agreed before");
    assert!(granted(&[("prompt", "consent")]).await);
    fixture.control.set_knobs(json!({"oauth": {"consent_user": "ben"}})).unwrap();
    assert!(granted(&[]).await);
    assert!(!granted(&[]).await);
}

#[tokio::test]
async fn sixth_refresh_token_in_a_minute_is_refused() {
    let fixture = Fixture::demo().await;
    for _ in 0..5 {
        let code = consent(&fixture, &[("prompt", "consent")]).await["code"].clone();
        assert!(exchange(&fixture, &code).await["refresh_token"].is_string());
    }
    let code = consent(&fixture, &[("prompt", "consent")]).await["code"].clone();
    assert_eq!(exchange(&fixture, &code).await["error"], "Access Denied");
    fixture.control.advance(Duration::from_secs(61));
    let code = consent(&fixture, &[("prompt", "consent")]).await["code"].clone();
    assert!(exchange(&fixture, &code).await["refresh_token"].is_string());
}

#[tokio::test]
async fn twenty_first_consent_of_a_user_silently_kills_the_first() {
    let fixture = Fixture::demo().await;
    fixture.control.set_knobs(json!({"oauth": {"refresh_tokens_per_minute": 1000, "consent_user": "ben"}})).unwrap();
    let prompted = [("prompt", "consent")];
    for _ in 0..20 {
        exchange(&fixture, &consent(&fixture, &prompted).await["code"]).await;
    }
    assert!(fixture.refresh_a().await["access_token"].is_string(), "the owner's is another user's");
    fixture.control.set_knobs(json!({"oauth": {"consent_user": "owner"}})).unwrap();
    for _ in 0..19 {
        exchange(&fixture, &consent(&fixture, &prompted).await["code"]).await;
    }
    assert!(fixture.refresh_a().await["access_token"].is_string());
    exchange(&fixture, &consent(&fixture, &prompted).await["code"]).await;
    assert_eq!(fixture.refresh_a().await, json!({"error": "invalid_code"}));
}

#[tokio::test]
async fn regional_servers_know_only_their_own_clients() {
    let mut seed = crate::fixture::small_demo();
    seed.organizations[0].region = "eu".to_owned();
    let fixture = Fixture::start(seed).await;
    fixture.control.set_knobs(json!({"oauth": {"regional_hosts": true}})).unwrap();
    let answer = consent(&fixture, &[]).await;
    let home = fixture.url("/accounts-eu");
    assert_eq!((answer["location"].as_str(), &answer["accounts-server"]), ("eu", &home));
    assert_eq!(exchange(&fixture, &answer["code"]).await, json!({"error": "invalid_client"}));
    let tokens = exchange_at(&fixture, &home, &answer["code"], CALLBACK).await;
    assert!(tokens["access_token"].is_string(), "the foreign server did not use up the code");
    let info = json_of(fixture.client.get(fixture.url("/accounts/oauth/serverinfo")).send().await.unwrap()).await;
    assert_eq!(info["locations"]["eu"], home);
}

#[tokio::test]
async fn wrong_client_or_address_is_told_to_the_person_and_not_redirected() {
    let mut seed = crate::fixture::small_demo();
    seed.organizations[0].clients[0].redirect_uris = vec!["https://gateledger.example.com/callback".to_owned()];
    let fixture = Fixture::start(seed).await;
    let refused = page(&fixture, &[]).await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    assert!(refused.headers().get("location").is_none());
}
