use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use providers::clock::Clock;
use providers::google::{IdTokens, Settings as TokenSettings, Source};
use providers::ingest::{Auth, BatchKey, Posted, Receiver, Settings};
use serde_json::json;
use url::Url;

use crate::google::id_token;
use crate::server::{Reply, Server};

const BATCH: &[u8] = br#"{"version":1,"text":"[2024-01-15 14:30:25] John Doe: Hello team"}"#;

fn receiver(server: &Url, auth: Auth) -> Receiver {
    let settings = Settings {
        url: server.join("/ingest").unwrap(),
        auth,
        timeout: Duration::from_millis(400),
        clock: Clock::system(),
    };
    Receiver::new(settings, providers::http::client().unwrap())
}

async fn posted(receiver: &Receiver) -> Posted {
    receiver.post(&BatchKey::parse("batch-1").unwrap(), Bytes::from_static(BATCH)).await
}

#[tokio::test]
async fn a_batch_is_sent_byte_for_byte_with_its_key() {
    let server = Server::start(|_| Reply::json(202, &json!({"accepted": 1, "duplicate": false}))).await;
    let receiver = receiver(&server.url, Auth::Bearer("planted-bearer".into()));
    assert_eq!(posted(&receiver).await.code(), "accepted");
    let request = &server.requests("/ingest")[0];
    assert_eq!(request.body, BATCH);
    assert_eq!(request.header("idempotency-key"), Some("batch-1"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("authorization"), Some("Bearer planted-bearer"));
    assert!(!format!("{receiver:?}").contains("planted"));
}

#[tokio::test]
async fn a_batch_that_may_have_arrived_is_unknown_and_sent_once() {
    for reply in [
        Reply::Hang,
        Reply::Cut,
        Reply::text(500, ""),
        Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{".to_vec()),
    ] {
        let server = Server::start(move |_| reply.clone()).await;
        let outcome = posted(&receiver(&server.url, Auth::None)).await;
        assert!(matches!(outcome, Posted::Unknown(_)), "{outcome:?}");
        assert_eq!(server.count("/ingest"), 1);
    }
}

#[tokio::test]
async fn a_batch_that_found_nobody_is_certainly_not_done_and_may_be_tried_again() {
    let nobody = Server::start(|_| Reply::Cut).await.url.clone();
    let Posted::NotDone(error) = posted(&receiver(&nobody, Auth::None)).await else { panic!() };
    assert!(error.is_retryable(), "{error}");
}

fn google(server: &Url) -> Auth {
    let settings = TokenSettings {
        source: Source::Machine(server.clone()),
        audience: "https://a.run.app".to_owned(),
        timeout: Duration::from_millis(400),
        clock: Clock::system(),
    };
    Auth::Google(IdTokens::new(settings, providers::http::client().unwrap()))
}

#[tokio::test]
async fn a_refused_identity_token_is_replaced_once() {
    for (accepted_from, code, posts) in [(2, "accepted", 2), (9, "not_done", 2)] {
        let minted = AtomicUsize::new(0);
        let server = Server::start(move |request| {
            let end = Clock::system().now().timestamp() + 3600;
            if request.path().ends_with("/identity") {
                return Reply::text(
                    200,
                    &id_token("https://a.run.app", end, minted.fetch_add(1, Ordering::SeqCst) + 1),
                );
            }
            match minted.load(Ordering::SeqCst) >= accepted_from {
                true => Reply::json(200, &json!({"duplicate": false})),
                false => Reply::text(401, "<html>"),
            }
        })
        .await;
        let outcome = posted(&receiver(&server.url, google(&server.url))).await;
        assert_eq!((outcome.code(), server.count("/ingest"), server.count("/identity")), (code, posts, 2));
    }
}

#[tokio::test]
async fn without_a_token_nothing_is_sent() {
    let server = Server::start(|request| match request.path().ends_with("/identity") {
        true => Reply::text(429, "").with("Retry-After: 60"),
        false => Reply::json(200, &json!({})),
    })
    .await;
    let outcome = posted(&receiver(&server.url, google(&server.url))).await;
    assert!(matches!(outcome, Posted::Throttled { .. }), "{outcome:?}");
    assert_eq!(server.count("/ingest"), 0);
}
