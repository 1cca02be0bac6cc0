//! Notifications through channels that registrations know.

use std::time::{Duration, Instant};

use catalogue::delivery;
use event_log::{Error, sql};
use futures::future::join_all;
use gateway::signature::zoho_crm::hash_token;

use super::client::{Answer, post};
use super::gateway::{Gateway, start};
use crate::store::{Backend, on_both_databases};

on_both_databases! {
    #[actix_web::test]
    channels_that_may_be_in_use_are_accepted_and_no_others,
    a_notification_sent_again_is_recognised_by_what_it_says,
    a_channel_made_just_now_is_known_although_strangers_knock,
}

const SETTINGS: &str = r#"
[accounts.org-a]
provider = "zoho"
client_id = "id"
client_secret = "secret"
[accounts.org-a.webhook]
verify = "zoho-crm"
channel_id = "1000"
token = "by-hand"
"#;

async fn register(
    gateway: &Gateway,
    channel_id: &'static str,
    account: &'static str,
    token: &str,
    state: &'static str,
) {
    let hash = hash_token(token).to_vec();
    gateway
        .log
        .write(move |unit| {
            Box::pin(async move {
                sql::query(
                    "INSERT INTO registrations (registration_id, account, kind, target, notify_url, token_hash, state, \
                     created_at) VALUES ($1, $2, 'zoho-crm-watch', 'Deals', '', $3, $4, $5)",
                )
                .bind(channel_id)
                .bind(account)
                .bind(hash)
                .bind(state)
                .bind(unit.now())
                .execute(unit.connection())
                .await?;
                Ok::<_, Error>(())
            })
        })
        .await
        .unwrap();
}

fn notification(channel_id: &str, token: &str, ids: &str, server_time: u64) -> String {
    format!(
        r#"{{"server_time":{server_time},"query_params":{{}},"module":"Deals","ids":{ids},"operation":"update","channel_id":"{channel_id}","token":"{token}"}}"#
    )
}

async fn notify(gateway: &Gateway, body: &str) -> Answer {
    post(gateway.address, "/webhooks/org-a", &[("content-type", "application/json")], body.as_bytes()).await
}

async fn channels_that_may_be_in_use_are_accepted_and_no_others(on: Backend) {
    let gateway = start(on, SETTINGS).await;
    for (channel_id, account, state) in [
        ("1", "org-a", "creating"),
        ("2", "org-a", "active"),
        ("3", "org-a", "retiring"),
        ("4", "org-a", "removed"),
        ("5", "org-a", "failed"),
        ("6", "org-b", "active"),
    ] {
        register(&gateway, channel_id, account, "token", state).await;
    }
    let mut statuses = Vec::new();
    for channel_id in ["1", "2", "3"] {
        statuses.push(notify(&gateway, &notification(channel_id, "token", r#"["1"]"#, 1)).await.status);
    }
    statuses.push(notify(&gateway, &notification("1000", "by-hand", r#"["1"]"#, 1)).await.status);
    assert_eq!(statuses, [202; 4]);
    let refused = join_all(["4", "5", "6"].map(|channel_id| {
        let body = notification(channel_id, "token", r#"["1"]"#, 1);
        let gateway = &gateway;
        async move { notify(gateway, &body).await.status }
    }));
    assert_eq!(refused.await, [401; 3]);
    for body in [
        notification("2", "tokeo", r#"["1"]"#, 1),
        notification("1000", "token", r#"["1"]"#, 1),
        "channel_id=2&token=token".to_owned(),
    ] {
        assert_eq!(notify(&gateway, &body).await.status, 401, "{body}");
    }

    let events = gateway.events().await;
    let through: Vec<Option<String>> =
        events.iter().map(|event| event.decode::<delivery::Received>().unwrap().registration_id).collect();
    assert_eq!(through, ["1", "2", "3", "1000"].map(|id| Some(id.to_owned())));
    let rejected = gateway.rejected(6).await;
    let causes: Vec<&str> = rejected.iter().rev().map(|rejected| rejected.cause.as_str()).collect();
    assert_eq!(causes[3..], ["token_mismatch", "token_mismatch", "body_malformed"]);
    assert_eq!(causes[..3], ["channel_unknown"; 3]);
    gateway.stop().await;
}

async fn a_notification_sent_again_is_recognised_by_what_it_says(on: Backend) {
    let gateway = start(on, SETTINGS).await;
    let status = async |ids: &str, server_time| {
        let body = notification("1000", "by-hand", ids, server_time);
        notify(&gateway, &body).await.json()["status"].as_str().unwrap().to_owned()
    };
    assert_eq!(status(r#"["1","2"]"#, 1).await, "accepted");
    assert_eq!(status(r#"["2","1"]"#, 1).await, "duplicate");
    assert_eq!(status(r#"["1","2"]"#, 2).await, "accepted");
    assert_eq!(status(r#"["1"]"#, 1).await, "accepted");
    gateway.stop().await;
}

async fn a_channel_made_just_now_is_known_although_strangers_knock(on: Backend) {
    let gateway = start(on, SETTINGS).await;
    assert_eq!(notify(&gateway, &notification("666", "guess", r#"["1"]"#, 1)).await.status, 401);
    register(&gateway, "7", "org-a", "token", "creating").await;
    let body = notification("7", "token", r#"["1"]"#, 1);
    let strangers = join_all((0..20).map(|at| {
        let body = notification(&format!("66{at}"), "guess", r#"["1"]"#, 1);
        let gateway = &gateway;
        async move { notify(gateway, &body).await.status }
    }));
    let began_at = Instant::now();
    let (strangers, ours) = tokio::join!(strangers, notify(&gateway, &body));
    assert_eq!(ours.status, 202);
    assert_eq!(strangers, [401; 20]);
    assert!(began_at.elapsed() < Duration::from_secs(5));
    gateway.stop().await;
}
