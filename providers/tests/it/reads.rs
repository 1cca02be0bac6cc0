use std::sync::atomic::{AtomicUsize, Ordering};

use providers::error::{Error, Outcome, ThrottleScope};
use providers::zoho::crm::UpdateOptions;
use serde_json::json;
use url::Url;

use crate::account::{client, client_with, granted, quick_timeouts, settings, store};
use crate::server::{Reply, Server};

async fn update(server: &Url) -> Error {
    let (module, id) = ("Deals".parse().unwrap(), "52".parse().unwrap());
    let client = client_with(providers::zoho::Settings { timeouts: quick_timeouts(), ..settings(server) }, store());
    // The first call opens the connection, so that the second one runs on a kept one.
    client
        .crm()
        .update(&module, &"51".parse().unwrap(), serde_json::Map::new(), UpdateOptions::default())
        .await
        .unwrap();
    client.crm().update(&module, &id, serde_json::Map::new(), UpdateOptions::default()).await.unwrap_err()
}

fn updated() -> Reply {
    Reply::json(200, &json!({"data": [{"code": "SUCCESS", "status": "success", "details": {}}]}))
}

#[tokio::test]
async fn a_read_gets_three_attempts() {
    for failure in [
        Reply::Cut,
        Reply::text(503, "<html></html>"),
        Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{".to_vec()),
    ] {
        let calls = AtomicUsize::new(0);
        let server = Server::start(granted(move |_| match calls.fetch_add(1, Ordering::SeqCst) {
            0 | 1 => failure.clone(),
            _ => Reply::json(200, &json!({"users": []})),
        }))
        .await;
        client(&server.url).crm().current_user().await.unwrap();
        assert_eq!(server.count("/users"), 3);
    }
}

#[tokio::test]
async fn a_read_fails_after_three_attempts() {
    let server = Server::start(granted(|_| Reply::text(502, ""))).await;
    let error = client(&server.url).crm().current_user().await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { status: Some(502), .. }), "{error}");
    assert_eq!(server.count("/users"), 3);
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_sent_once_and_its_outcome_is_unknown() {
    for failure in [
        Reply::Cut,
        Reply::text(500, ""),
        Reply::Hang,
        Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{".to_vec()),
        Reply::text(200, r#"{"data":["#),
        Reply::text(200, r#"{"data":[]}"#),
    ] {
        let failing = failure.clone();
        let server = Server::start(granted(move |request| match request.path().ends_with("/52") {
            true => failing.clone(),
            false => updated(),
        }))
        .await;
        let error = update(&server.url).await;
        assert_eq!((error.outcome(), error.is_retryable()), (Outcome::Unknown, true), "{failure:?}: {error}");
        assert_eq!(server.count("/Deals/52"), 1, "{failure:?}");
    }
}

#[tokio::test]
async fn a_refused_write_was_not_done() {
    let throttled = json!({"code": "TOO_MANY_REQUESTS", "details": {}, "message": "x", "status": "error"});
    let rejected = json!({"data": [{"code": "INVALID_DATA", "details": {"api_name": "X"}, "status": "error"}]});
    for (status, body) in [(429, throttled), (400, rejected.clone()), (200, rejected.clone()), (207, rejected)] {
        let server = Server::start(granted(move |request| match request.path().ends_with("/52") {
            true => Reply::json(status, &body),
            false => updated(),
        }))
        .await;
        let error = update(&server.url).await;
        assert_eq!(error.outcome(), Outcome::NotDone, "{status}: {error}");
        assert_eq!(server.count("/Deals/52"), 1);
    }
}

#[tokio::test]
async fn a_write_that_found_nobody_was_not_done() {
    let server = Server::start(granted(|_| updated())).await;
    let mut settings = settings(&server.url);
    settings.endpoints.api = "http://127.0.0.1:1/api".parse().unwrap();
    let (module, id) = ("Deals".parse().unwrap(), "52".parse().unwrap());
    let client = client_with(settings, store());
    let error = client.crm().update(&module, &id, serde_json::Map::new(), UpdateOptions::default()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { status: None, .. }), "{error}");
    assert_eq!(error.outcome(), Outcome::NotDone);
}

#[tokio::test]
async fn a_throttle_answer_closes_the_lane_without_asking_again() {
    let body = json!({"code": "TOO_MANY_REQUESTS", "details": {}, "message": "x", "status": "error"});
    let server = Server::start(granted(move |_| Reply::json(429, &body))).await;
    let client = client(&server.url);
    for _ in 0..4 {
        let error = client.crm().current_user().await.unwrap_err();
        let Error::Throttled(throttled) = &error else { panic!("{error}") };
        assert_eq!(throttled.scope, ThrottleScope::Organization);
    }
    assert_eq!(server.count("/users"), 1);
}

#[tokio::test]
async fn a_missing_scope_is_read_from_the_reason_phrase() {
    let server = Server::start(granted(|_| Reply::Answer {
        status: "401 INVALID_OAUTHSCOPE".to_owned(),
        head: Vec::new(),
        body: Vec::new(),
    }))
    .await;
    let error = client(&server.url).workdrive().me().await.unwrap_err();
    assert!(matches!(error, Error::MissingScope { operation: "workdrive.me", .. }), "{error}");
    assert_eq!(server.count("/oauth/v2/token"), 1);
}
