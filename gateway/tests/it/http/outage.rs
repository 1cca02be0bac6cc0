//! A PostgreSQL server that goes away and comes back.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures::future::join_all;
use testkit::postgres::{Cluster, database_in};
use testkit::wait::{until, until_true};
use tokio_util::sync::CancellationToken;

use super::client::{Answer, get, post};
use super::gateway::{Gateway, start_over};
use super::{SETTINGS, sign};

/// Senders that deliver all the time.
const SENDERS: usize = 8;

const ZOHO: &str = r#"
[accounts.org-a]
provider = "zoho"
client_id = "id"
client_secret = "secret"
[accounts.org-a.webhook]
verify = "zoho-crm"
"#;

async fn deliver(gateway: &Gateway, id: &str) -> Answer {
    let signature = sign::hex("partner-secret", id.as_bytes());
    let headers = [("X-Hub-Signature-256", signature.as_str()), ("X-GitHub-Delivery", id)];
    post(gateway.address, "/webhooks/partner", &headers, id.as_bytes()).await
}

async fn notify(gateway: &Gateway) -> Answer {
    let body = br#"{"server_time":1,"query_params":{},"module":"Deals","ids":["1"],"operation":"update","channel_id":"7","token":"t"}"#;
    post(gateway.address, "/webhooks/org-a", &[], body).await
}

async fn until_ready(gateway: &Gateway) {
    until_true("it recovers", async || get(gateway.address, "/ready").await.status == 200).await;
}

fn assert_unavailable(answer: &Answer) {
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")), "{}", answer.text());
    assert_eq!(answer.json()["code"], "database_unavailable");
}

#[actix_web::test]
async fn deliveries_are_answered_503_while_the_database_is_away_and_none_that_was_acknowledged_is_lost() {
    let cluster = Cluster::start().await;
    let database = database_in(cluster.url()).await;
    let gateway = start_over(&database.url, &format!("{SETTINGS}{ZOHO}")).await;
    assert_eq!(notify(&gateway).await.status, 401, "nobody knows the channel");

    let acknowledged = Mutex::new(BTreeSet::new());
    let stop = CancellationToken::new();
    let sending = join_all((0..SENDERS).map(|sender| {
        let (gateway, acknowledged, stop) = (&gateway, &acknowledged, &stop);
        async move {
            for at in 0.. {
                let id = format!("{sender}-{at}");
                // As senders do: again until it is taken.
                until("the delivery is taken", async || {
                    if stop.is_cancelled() {
                        return Some(());
                    }
                    let answer = deliver(gateway, &id).await;
                    if answer.status != 202 {
                        assert_unavailable(&answer);
                        return None;
                    }
                    acknowledged.lock().unwrap().insert(id.clone());
                    Some(())
                })
                .await;
                if stop.is_cancelled() {
                    return;
                }
            }
        }
    }));
    let count = || acknowledged.lock().unwrap().len();
    let until_more = async |than: usize| {
        until_true("deliveries are taken", async || count() >= than).await;
    };
    let happening = async {
        until_more(50).await;
        cluster.stop_immediate().await;
        let began_at = Instant::now();
        assert_unavailable(&deliver(&gateway, "meanwhile").await);
        assert!(began_at.elapsed() < Duration::from_secs(3), "a sender does not wait for the database");
        let ready = get(gateway.address, "/ready").await;
        assert_eq!((ready.status, ready.json()["reason"].as_str()), (503, Some("database_unavailable")));
        assert_eq!(get(gateway.address, "/health").await.status, 200);
        assert_unavailable(&get(gateway.address, "/status").await);
        for answer in join_all((0..4).map(|_| notify(&gateway))).await {
            assert_unavailable(&answer);
        }
        assert_eq!(get(gateway.address, "/metrics").await.status, 200);
        let before = count();
        cluster.start_again().await;
        until_ready(&gateway).await;
        until_more(before + 50).await;
        stop.cancel();
    };
    tokio::join!(sending, happening);

    let recorded: Vec<String> = gateway
        .events()
        .await
        .into_iter()
        .map(|event| String::from_utf8(event.payload.unwrap().to_vec()).unwrap())
        .collect();
    let distinct: BTreeSet<String> = recorded.iter().cloned().collect();
    assert_eq!(
        recorded.len(),
        distinct.len(),
        "none is recorded twice, also where a lost answer was followed by another try"
    );
    assert!(acknowledged.into_inner().unwrap().is_subset(&distinct), "nothing acknowledged is lost");
    let status = get(gateway.address, "/status").await;
    assert_eq!(status.status, 200, "{}", status.text());
    gateway.stop().await;
}

#[actix_web::test]
async fn the_store_is_shown_without_its_password() {
    let database = testkit::postgres::database().await;
    let mut url = url::Url::parse(&database.url).unwrap();
    url.set_password(Some("hunter2")).unwrap();
    let gateway = start_over(url.as_str(), SETTINGS).await;
    let status = get(gateway.address, "/status").await;
    let store = status.json()["store"].as_str().unwrap().to_owned();
    assert!(store.starts_with("postgres://") && store.ends_with(database.name()), "{store}");
    assert!(!status.text().contains("hunter2"));
    gateway.stop().await;
}
