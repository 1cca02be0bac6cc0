//! What operators and their machines ask for, and how the server begins and ends.

use std::sync::Arc;

use chrono::TimeDelta;
use event_log::{Access, Database, Log, Settings, sql};
use gateway::server::{About, Error, Http};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::client::{self, get, post};
use super::gateway::{config, start};
use super::{SETTINGS, sign};
use crate::store::{Backend, on_both_databases};

on_both_databases! {
    #[actix_web::test]
    health_and_readiness_are_told,
    status_shows_what_the_database_knows,
    every_outcome_is_counted_under_its_cause,
    stopping_answers_what_is_under_way_and_takes_nothing_new,
}

async fn health_and_readiness_are_told(on: Backend) {
    let gateway = start(on, SETTINGS).await;
    let health = get(gateway.address, "/health").await;
    assert_eq!((health.status, health.json()), (200, serde_json::json!({"status": "ok"})));
    let ready = get(gateway.address, "/ready").await;
    assert_eq!((ready.status, ready.json()), (200, serde_json::json!({"status": "ready"})));
    gateway.stop().await;
}

async fn status_shows_what_the_database_knows(on: Backend) {
    let gateway = start(on, SETTINGS).await;
    let signature = sign::hex("partner-secret", b"{}");
    post(gateway.address, "/webhooks/partner", &[("X-Hub-Signature-256", &signature)], b"{}").await;
    post(gateway.address, "/webhooks/partner", &[], b"{}").await;
    gateway.rejected(1).await;
    gateway
        .log
        .write(|unit| {
            Box::pin(async move {
                sql::query(
                    "INSERT INTO registrations (registration_id, account, kind, target, notify_url, token_hash, \
                     state, expires_at, created_at) VALUES ('7', 'org-a', 'zoho-crm-watch', 'Deals', '', $1, \
                     'active', $2, $3)",
                )
                .bind(Vec::new())
                .bind(unit.now() + TimeDelta::hours(1))
                .bind(unit.now())
                .execute(unit.connection())
                .await?;
                unit.save_checkpoint("projector", event_log::GlobalPosition(0)).await
            })
        })
        .await
        .unwrap();

    let status = get(gateway.address, "/status").await;
    assert_eq!(status.status, 200, "{}", status.text());
    let status = status.json();
    assert_eq!(status["version"], "1.2.3");
    assert_eq!(status["roles"], serde_json::json!(["gateway"]));
    assert_eq!((&status["ready"], &status["head"], &status["rejected"]), (&true.into(), &1.into(), &1.into()));
    assert_eq!(status["subscriptions"][0]["subscription_name"], "projector");
    assert_eq!(status["subscriptions"][0]["lag_events"], 1);
    assert_eq!(status["accounts"][0]["account"], "partner");
    assert_eq!(status["registrations"][0]["time_left_seconds"], 3600);
    assert_eq!(status["dead_letters"], 0);
    assert!(!status.to_string().contains("partner-secret"));
    gateway.stop().await;
}

async fn every_outcome_is_counted_under_its_cause(on: Backend) {
    let gateway = start(on, SETTINGS).await;
    let signature = sign::hex("partner-secret", b"no json");
    let headers = [("X-Hub-Signature-256", signature.as_str()), ("X-GitHub-Delivery", "one")];
    for _ in 0..2 {
        post(gateway.address, "/webhooks/partner", &headers, b"no json").await;
    }
    post(gateway.address, "/webhooks/partner", &[], b"{}").await;
    post(gateway.address, "/webhooks/nobody", &[], b"{}").await;
    let metrics = get(gateway.address, "/metrics").await;
    assert_eq!(metrics.status, 200);
    assert!(metrics.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    let metrics = metrics.text();
    for (outcome, cause) in [
        ("accepted", "body_not_json"),
        ("duplicate", "none"),
        ("rejected", "signature_missing"),
        ("rejected", "account_unknown"),
    ] {
        let series = format!("webhooks_received_total{{outcome=\"{outcome}\",cause=\"{cause}\"}}");
        let line =
            metrics.lines().find(|line| line.starts_with(&series)).unwrap_or_else(|| panic!("{series}\n{metrics}"));
        assert_ne!(line.rsplit(' ').next(), Some("0"), "{line}");
    }
    assert!(metrics.contains("webhook_accept_duration_seconds"), "{metrics}");
    assert!(!metrics.contains("nobody"), "labels are a closed set");
    gateway.stop().await;
}

async fn stopping_answers_what_is_under_way_and_takes_nothing_new(on: Backend) {
    let gateway = start(on, SETTINGS).await;
    let body = b"{}";
    let signature = sign::hex("partner-secret", body);
    let mut under_way = TcpStream::connect(gateway.address).await.unwrap();
    let headers = [("X-Hub-Signature-256", signature.as_str()), ("content-length", "2"), ("expect", "100-continue")];
    let head = client::head("POST", "/webhooks/partner", &headers);
    under_way.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
    assert_eq!(client::read(&mut under_way).await.status, 100);

    gateway.stop.cancel();
    under_way.write_all(body).await.unwrap();
    assert_eq!(client::read(&mut under_way).await.status, 202);
    let (address, log) = (gateway.address, gateway.log.clone());
    let _store = gateway.stop().await;
    assert!(TcpStream::connect(address).await.is_err());
    assert_eq!(log.high_water_mark().await.unwrap().0, 1);
}

/// Starts a gateway with these settings, as far as its address.
pub(super) async fn bind(settings: &str) -> Result<Http, Error> {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), settings);
    let url = format!("sqlite:{}", folder.path().join("events.db").display());
    let database = Database::open(&Settings::new(url, Access::CreateAndMigrate)).await.unwrap();
    let log = Log::open(database, 16, Arc::new(|| chrono::DateTime::UNIX_EPOCH)).await.unwrap();
    Http::bind(&config, log, About::default(), Arc::new(String::new), CancellationToken::new())
}

pub(super) fn with_sources(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", with_sources(source)),
        None => error.to_string(),
    }
}

#[actix_web::test]
async fn an_address_in_use_names_the_setting() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = bind(&format!("[http]\nlisten = \"{address}\"\n")).await.unwrap_err();
    let message = with_sources(&error);
    assert!(message.contains(&address.to_string()) && message.contains("http.listen"), "{message}");
}

#[actix_web::test]
async fn secrets_that_cannot_be_used_name_their_account() {
    let generic = "[accounts.partner]\nprovider = \"generic\"\n[accounts.partner.webhook]\n";
    let missing = format!("{generic}verify = \"hmac\"\nheader = \"x\"\nsecret = \"env:NO_SUCH_SECRET\"\n");
    let message = with_sources(&bind(&missing).await.unwrap_err());
    assert!(message.contains("accounts.partner.webhook") && message.contains("NO_SUCH_SECRET"), "{message}");
    let malformed = format!("{generic}verify = \"standard-webhooks\"\nsecret = \"whsec_hunter2!\"\n");
    let message = with_sources(&bind(&malformed).await.unwrap_err());
    assert!(message.contains("accounts.partner.webhook") && message.contains("base64"), "{message}");
    assert!(!message.contains("hunter2"));
}
