use std::error::Error as _;
use std::fmt::Write;

use chrono::TimeDelta;
use providers::clock::Clock;
use providers::error::Outcome;
use providers::zoho::oauth::{AuthorizationRequest, Error, Granted};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use url::Url;

use crate::account::{SECRET, client, client_with, quick_timeouts, settings, store};
use crate::server::{Reply, Server};

const CODE: &str = "1000.planted-code";

fn callback() -> Url {
    Url::parse("https://gw.example.com/oauth/zoho/callback").unwrap()
}

async fn exchanged(server: &Server) -> Result<Granted, Error> {
    let mut settings = settings(&server.url);
    settings.timeouts = quick_timeouts();
    let client = client_with(settings, store());
    let accounts = client.oauth().accounts_server(Some("us"), None).unwrap();
    client.oauth().exchange(&CODE.into(), &callback(), &accounts).await
}

async fn answered(status: u16, body: &Value) -> Result<Granted, Error> {
    let reply = Reply::json(status, body);
    exchanged(&Server::start(move |_| reply.clone()).await).await
}

#[tokio::test]
async fn a_person_is_asked_for_consent_and_offline_access() {
    let server = Server::start(|_| Reply::Cut).await;
    let request = AuthorizationRequest {
        scopes: &["ZohoBooks.contacts.READ", "ZohoCliq.Messages.READ"],
        redirect_uri: &callback(),
        state: "a b&c",
    };
    let url = client(&server.url).oauth().authorization_url(&request);
    assert_eq!(url.path(), "/accounts/oauth/v2/auth");
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "1000.client"),
        ("scope", "ZohoBooks.contacts.READ,ZohoCliq.Messages.READ"),
        ("redirect_uri", "https://gw.example.com/oauth/zoho/callback"),
        ("access_type", "offline"),
        ("prompt", "consent"),
        ("state", "a b&c"),
    ] {
        assert!(pairs.contains(&(name.to_owned(), value.to_owned())), "{name} in {url}");
    }
    assert!(!url.as_str().contains(SECRET));
}

#[tokio::test]
async fn a_code_becomes_a_grant() {
    let body = json!({"access_token": "1000.at1", "refresh_token": "1000.rt1", "token_type": "Bearer",
        "scope": "ZohoBooks.contacts.READ,ZohoCliq.Messages.READ", "api_domain": "https://www.zohoapis.com",
        "expires_in": 3600});
    let server = Server::start(move |_| Reply::json(200, &body)).await;
    let before = Clock::system().now();
    let granted = exchanged(&server).await.unwrap();
    assert_eq!(granted.refresh_token.expose_secret(), "1000.rt1");
    assert_eq!(granted.access_token.secret.expose_secret(), "1000.at1");
    assert_eq!(granted.api_domain(), Some("https://www.zohoapis.com"));
    assert_eq!(granted.scopes.as_deref().unwrap(), ["ZohoBooks.contacts.READ", "ZohoCliq.Messages.READ"]);
    assert!(granted.expires_at() - before >= TimeDelta::hours(1));
    let request = &server.requests("/accounts/oauth/v2/token")[0];
    let form = request.text();
    for part in
        ["grant_type=authorization_code", "client_id=1000.client", SECRET, CODE, "redirect_uri=https%3A%2F%2Fgw"]
    {
        assert!(form.contains(part), "{form}");
    }
    assert_eq!((request.method.as_str(), request.target.contains('?')), ("POST", false));
}

#[tokio::test]
async fn a_refused_code_says_what_a_person_has_to_do() {
    for (error, code) in [
        ("invalid_code", "invalid_code"),
        ("invalid_client", "invalid_client"),
        ("invalid_client_secret", "invalid_client_secret"),
        ("invalid_redirect_uri", "invalid_redirect_uri"),
        ("general_error", "unavailable"),
        ("something_new", "rejected"),
    ] {
        let refused = answered(200, &json!({"error": error})).await.unwrap_err();
        assert_eq!(refused.code(), code, "{refused}");
    }
    let consented_before = answered(200, &json!({"access_token": "a", "expires_in": 3600})).await.unwrap_err();
    assert!(matches!(consented_before, Error::NoRefreshToken));
}

#[tokio::test]
async fn a_throttled_exchange_waits_out_the_window_without_asking_again() {
    let body = json!({"error": "Access Denied", "error_description": "您的请求过于频繁", "status": "failure"});
    let server = Server::start(move |_| Reply::json(400, &body)).await;
    let client = client(&server.url);
    let accounts = client.oauth().accounts_server(None, None).unwrap();
    let first = client.oauth().exchange(&CODE.into(), &callback(), &accounts).await.unwrap_err();
    assert!(matches!(first, Error::Throttled(_)), "{first}");
    let second = client.oauth().exchange(&CODE.into(), &callback(), &accounts).await.unwrap_err();
    assert_eq!(second.code(), "throttled");
    assert_eq!(server.count("/token"), 1);
}

#[tokio::test]
async fn a_lost_answer_leaves_the_code_unknown() {
    for reply in [Reply::Hang, Reply::Cut, Reply::text(502, "<html>"), Reply::text(200, "<html>")] {
        let server = Server::start(move |_| reply.clone()).await;
        let error = exchanged(&server).await.unwrap_err();
        assert_eq!((error.outcome(), server.count("/token")), (Outcome::Unknown, 1), "{error}");
    }
}

#[tokio::test]
async fn a_server_out_of_a_browser_never_sees_the_secret_unless_it_is_known() {
    let stranger = Server::start(|_| Reply::json(200, &json!({}))).await;
    let server = Server::start(|_| Reply::Cut).await;
    let refused = client(&server.url).oauth().accounts_server(Some("us"), Some(stranger.url.as_str()));
    assert!(matches!(refused, Err(Error::UntrustedServer { .. })));
    assert_eq!(stranger.count(""), 0);
}

#[tokio::test]
async fn a_replaced_grant_can_be_revoked() {
    let server = Server::start(|_| Reply::json(200, &json!({"status": "success"}))).await;
    let client = client(&server.url);
    let accounts = client.oauth().accounts_server(None, None).unwrap();
    client.oauth().revoke(&"1000.rt-old".into(), &accounts).await.unwrap();
    assert_eq!(server.requests("/oauth/v2/token/revoke")[0].query("token").as_deref(), Some("1000.rt-old"));
}

#[tokio::test]
async fn the_list_of_servers_is_read_bare_and_wrapped() {
    let map = json!({"us": "https://accounts.zoho.com", "eu": "https://accounts.zoho.eu"});
    for body in [map.clone(), json!({"result": "success", "locations": map})] {
        let server = Server::start(move |_| Reply::json(200, &body)).await;
        let servers = client(&server.url).oauth().server_info().await.unwrap();
        assert_eq!(servers["eu"].as_str(), "https://accounts.zoho.eu/");
        assert_eq!(server.count("/accounts/oauth/serverinfo"), 1);
    }
}

#[tokio::test]
async fn no_secret_shows_in_what_an_exchange_says() {
    let mut seen = String::new();
    let body = json!({"access_token": "planted-access", "refresh_token": "planted-refresh"});
    write!(seen, "{:?}", answered(200, &body).await.unwrap()).unwrap();
    for reply in [Reply::Cut, Reply::Hang, Reply::text(500, ""), Reply::json(200, &json!({"error": "invalid_code"}))] {
        let error = exchanged(&Server::start(move |_| reply.clone()).await).await.unwrap_err();
        write!(seen, "{error} {error:?} {:?}", error.source()).unwrap();
    }
    assert!(!seen.contains("planted"), "{seen}");
}
