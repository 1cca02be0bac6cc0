use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;
use providers::clock::Clock;
use providers::error::{Error, Outcome};
use providers::zoho::crm::UpdateOptions;
use providers::zoho::{AccessToken, TokenStore};
use serde_json::json;
use testkit::wait::until_true;

use crate::account::{REFRESH_TOKEN, SECRET, client, client_with, settings, store, token_reply};
use crate::server::{Reply, Request, Server};

const TOKEN_PATH: &str = "/oauth/v2/token";

/// Gives the tokens `at1`, `at2`, … in turn.
fn numbered(count: &AtomicUsize, request: &Request) -> Option<Reply> {
    let is_refresh = request.path().ends_with(TOKEN_PATH);
    is_refresh.then(|| {
        let number = count.fetch_add(1, Ordering::SeqCst) + 1;
        token_reply(request, &format!("at{number}")).unwrap()
    })
}

fn user() -> Reply {
    Reply::json(200, &json!({"users": [{"id": "52"}]}))
}

fn invalid_token() -> Reply {
    Reply::json(401, &json!({"code": "INVALID_TOKEN", "details": {}, "message": "x", "status": "error"}))
}

fn now() -> DateTime<Utc> {
    Clock::system().now()
}

fn token(secret: &str, lifetime: TimeDelta) -> AccessToken {
    AccessToken { secret: secret.into(), expires_at: now() + lifetime, api_domain: None, scopes: None }
}

#[tokio::test]
async fn fifty_concurrent_calls_refresh_once() {
    let server = Server::start(|request| token_reply(request, "at1").unwrap_or_else(user)).await;
    let client = client(&server.url);
    let calls = join_all((0..50).map(|_| async { client.crm().current_user().await })).await;
    assert!(calls.iter().all(Result::is_ok), "{calls:?}");
    assert_eq!((server.count(TOKEN_PATH), server.count("/users")), (1, 50));
    let refresh = &server.requests(TOKEN_PATH)[0];
    assert_eq!((refresh.method.as_str(), refresh.target.as_str()), ("POST", "/accounts/oauth/v2/token"));
    let form = refresh.text();
    for part in ["grant_type=refresh_token", "client_id=1000.client", SECRET, REFRESH_TOKEN] {
        assert!(form.contains(part), "{form}");
    }
    let call = &server.requests("/users")[0];
    assert_eq!(call.header("authorization"), Some("Zoho-oauthtoken at1"));
}

#[tokio::test]
async fn fifty_calls_whose_token_is_refused_refresh_once() {
    let refreshes = AtomicUsize::new(0);
    let server = Server::start(move |request| {
        numbered(&refreshes, request).unwrap_or_else(|| match request.header("authorization") {
            Some("Zoho-oauthtoken at2") => user(),
            _ => invalid_token(),
        })
    })
    .await;
    let client = client(&server.url);
    let calls = join_all((0..50).map(|_| async { client.crm().current_user().await })).await;
    assert!(calls.iter().all(Result::is_ok), "{calls:?}");
    assert_eq!(server.count(TOKEN_PATH), 2);
}

#[tokio::test]
async fn a_write_with_an_expired_token_is_repeated_once_with_a_new_one() {
    let refreshes = AtomicUsize::new(0);
    let server = Server::start(move |request| {
        numbered(&refreshes, request).unwrap_or_else(|| match request.header("authorization") {
            Some("Zoho-oauthtoken at1") => invalid_token(),
            _ => Reply::json(200, &json!({"data": [{"code": "SUCCESS", "status": "success", "details": {}}]})),
        })
    })
    .await;
    let client = client(&server.url);
    let (module, id) = ("Deals".parse().unwrap(), "52".parse().unwrap());
    client.crm().update(&module, &id, serde_json::Map::new(), UpdateOptions::default()).await.unwrap();
    assert_eq!((server.count(TOKEN_PATH), server.count("/Deals/52")), (2, 2));
}

#[tokio::test]
async fn a_token_refused_again_after_the_refresh_is_reported_and_nothing_was_done() {
    let refreshes = AtomicUsize::new(0);
    let server = Server::start(move |request| numbered(&refreshes, request).unwrap_or_else(invalid_token)).await;
    let error = client(&server.url).crm().current_user().await.unwrap_err();
    assert!(matches!(error, Error::TokenExpired { .. }), "{error}");
    assert_eq!((error.outcome(), error.is_retryable()), (Outcome::NotDone, true));
    assert_eq!((server.count(TOKEN_PATH), server.count("/users")), (2, 2));
}

#[tokio::test]
async fn a_401_that_explains_nothing_is_tried_once_with_a_new_token_and_then_believed() {
    let refreshes = AtomicUsize::new(0);
    let server = Server::start(move |request| {
        numbered(&refreshes, request).unwrap_or_else(|| match request.header("authorization") {
            Some("Zoho-oauthtoken at2") if request.path().ends_with("/users") => user(),
            _ => Reply::json(401, &json!({})),
        })
    })
    .await;
    let client = client(&server.url);
    client.crm().current_user().await.unwrap();
    let error = client.workdrive().item("f1").await.unwrap_err();
    assert!(matches!(error, Error::Denied { .. }), "{error}");
    assert_eq!((server.count(TOKEN_PATH), server.count("/files/f1")), (3, 2));
}

#[tokio::test]
async fn a_missing_item_never_costs_a_refresh() {
    let server = Server::start(|request| {
        let gone = || Reply::json(401, &json!({"errors": [{"id": "R008", "title": "Unauthorized access"}]}));
        token_reply(request, "at1").unwrap_or_else(gone)
    })
    .await;
    let error = client(&server.url).workdrive().item("f1").await.unwrap_err();
    assert!(matches!(&error, Error::NotFound { id, .. } if id == "f1"), "{error}");
    assert_eq!((server.count(TOKEN_PATH), server.count("/files/f1")), (1, 1));
}

#[tokio::test]
async fn a_token_that_another_process_stored_is_used_instead_of_a_refresh() {
    let server = Server::start(|request| match request.header("authorization") {
        Some("Zoho-oauthtoken theirs") => user(),
        _ => invalid_token(),
    })
    .await;
    let store = store();
    store.save(&token("ours", TimeDelta::hours(1))).await.unwrap();
    let client = client_with(settings(&server.url), Arc::clone(&store));
    assert!(client.crm().current_user().await.is_err());
    store.save(&token("theirs", TimeDelta::hours(1))).await.unwrap();
    client.crm().current_user().await.unwrap();
    assert_eq!(server.count(TOKEN_PATH), 1, "only the first call, which found no other token, asked for one");
}

#[tokio::test]
async fn a_living_token_is_used_when_its_early_refresh_fails() {
    let server = Server::start(|request| match request.path().ends_with(TOKEN_PATH) {
        true => Reply::text(503, "<html>maintenance</html>"),
        false => user(),
    })
    .await;
    let store = store();
    store.save(&token("old", TimeDelta::minutes(3))).await.unwrap();
    let client = client_with(settings(&server.url), store);
    for _ in 0..5 {
        client.crm().current_user().await.unwrap();
    }
    assert_eq!((server.count(TOKEN_PATH), server.count("/users")), (1, 5));
}

#[tokio::test]
async fn nobody_waits_for_an_early_refresh_but_the_one_who_makes_it() {
    let refreshes = AtomicUsize::new(0);
    let server = Server::start(move |request| match request.path().ends_with(TOKEN_PATH) {
        true if refreshes.fetch_add(1, Ordering::SeqCst) == 0 => {
            Reply::json(200, &json!({"access_token": "old", "expires_in": 60}))
        }
        true => Reply::Hang,
        false => user(),
    })
    .await;
    let offset = Arc::new(AtomicI64::new(0));
    let reader = Arc::clone(&offset);
    let system = Clock::system();
    let mut settings = settings(&server.url);
    settings.clock = Clock::new(move || system.now() + TimeDelta::seconds(reader.load(Ordering::SeqCst)));
    let client = client_with(settings, store());
    client.crm().current_user().await.unwrap();
    offset.store(35, Ordering::SeqCst);
    let others = async {
        until_true("the token is refreshed early", async || server.count(TOKEN_PATH) == 2).await;
        client.crm().current_user().await.unwrap();
    };
    let crm = client.crm();
    tokio::select! {
        refreshed = crm.current_user() => panic!("the refresh hangs, and yet: {refreshed:?}"),
        () = others => {}
    }
}

#[tokio::test]
async fn callers_who_waited_for_a_failing_refresh_fail_with_it() {
    let server = Server::start(|_| Reply::text(503, "")).await;
    let client = client(&server.url);
    let calls = join_all((0..20).map(|_| async { client.crm().current_user().await })).await;
    assert!(calls.iter().all(|call| matches!(call, Err(Error::Unavailable { .. }))), "{calls:?}");
    assert_eq!(server.count(TOKEN_PATH), 1);
}

#[tokio::test]
async fn a_dead_grant_is_not_tried_again_until_it_is_renewed() {
    let server = Server::start(|request| {
        if request.path().ends_with(TOKEN_PATH) && !request.text().contains("renewed") {
            return Reply::json(200, &json!({"error": "invalid_code"}));
        }
        token_reply(request, "at1").unwrap_or_else(user)
    })
    .await;
    let store = store();
    let client = client_with(settings(&server.url), Arc::clone(&store));
    for _ in 0..3 {
        let error = client.crm().current_user().await.unwrap_err();
        assert!(matches!(error, Error::NeedsConsent { .. }) && error.stops_account(), "{error}");
    }
    assert_eq!(server.count(TOKEN_PATH), 1);
    store.renew("1000.renewed".into());
    client.crm().current_user().await.unwrap();
}

#[tokio::test]
async fn a_refused_registration_is_told_to_every_caller_and_asked_for_once() {
    let server = Server::start(|_| Reply::json(200, &json!({"error": "invalid_client_secret"}))).await;
    let client = client(&server.url);
    for _ in 0..20 {
        let error = client.crm().current_user().await.unwrap_err();
        assert!(matches!(error, Error::BadClient { .. }) && error.stops_account(), "{error}");
    }
    assert_eq!(server.count(TOKEN_PATH), 1);
}

#[tokio::test]
async fn a_refused_token_request_closes_the_lane_for_ten_minutes() {
    let server = Server::start(|_| {
        let body = json!({"error": "Access Denied", "error_description": "slow down", "status": "failure"});
        Reply::json(400, &body)
    })
    .await;
    let client = client(&server.url);
    let begin = now();
    for _ in 0..3 {
        let error = client.probe().await.unwrap_err();
        if let Some(until) = error.throttled_until() {
            assert!(until - begin >= TimeDelta::minutes(10), "{error}");
        }
    }
    assert_eq!(server.count(TOKEN_PATH), 1);
}

#[tokio::test]
async fn short_lived_tokens_are_used_for_half_their_life() {
    let server = Server::start(|request| match request.path().ends_with(TOKEN_PATH) {
        true => Reply::json(200, &json!({"access_token": "short", "expires_in": 60})),
        false => user(),
    })
    .await;
    let client = client(&server.url);
    for _ in 0..3 {
        client.crm().current_user().await.unwrap();
    }
    assert_eq!(server.count(TOKEN_PATH), 1);
}

#[tokio::test]
async fn a_revoked_grant_needs_consent() {
    let server = Server::start(|request| match request.path().ends_with("/revoke") {
        true => Reply::json(200, &json!({"status": "success"})),
        false => token_reply(request, "at1").unwrap_or_else(user),
    })
    .await;
    let client = client(&server.url);
    client.crm().current_user().await.unwrap();
    client.revoke().await.unwrap();
    assert_eq!(server.requests("/revoke")[0].query("token").as_deref(), Some(REFRESH_TOKEN));
    assert!(matches!(client.crm().current_user().await, Err(Error::NeedsConsent { .. })));
}
