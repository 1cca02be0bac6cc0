//! Limits of Cliq: a minute's calls, the lock, and whose they are.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use simulator::seed::{ClientSeed, all_scopes};
use simulator::{CliqOptions, Seed};

use crate::cliq::{cliq, get};
use crate::fixture::Fixture;

const ORG: &str = "org-a";

async fn fixture() -> Fixture {
    let options =
        CliqOptions { channels: 1, messages_per_channel: 5, threads_per_channel: 0, ..CliqOptions::default() };
    Fixture::start(Seed::cliq(&options)).await
}

fn messages_path(fixture: &Fixture) -> String {
    format!("v2/chats/{}/messages", cliq(fixture).channels[0].chat_id)
}

#[tokio::test]
async fn sixteenth_call_locks_the_person_out_for_ten_minutes() {
    let fixture = fixture().await;
    let path = messages_path(&fixture);
    for _ in 0..15 {
        assert_eq!(get(&fixture, &path).await.0, StatusCode::OK);
    }
    let (status, body) = get(&fixture, &path).await;
    let refusal = json!({"code": "request_limit_exceeded", "message": "You have exceeded the URL throttle limits."});
    assert_eq!((status, body), (StatusCode::BAD_REQUEST, refusal));
    assert_eq!((fixture.misdeed("exceeded_cliq_rate"), fixture.misdeed("called_while_locked")), (1, 0));
    assert!(cliq(&fixture).users[0].locked_until.is_some());
    fixture.control.advance(Duration::from_secs(590));
    assert_eq!(get(&fixture, &path).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(get(&fixture, "v2/channels").await.0, StatusCode::BAD_REQUEST, "the lock is the person's");
    assert_eq!(fixture.misdeed("called_while_locked"), 2);
    fixture.control.advance(Duration::from_secs(11));
    assert_eq!(get(&fixture, &path).await.0, StatusCode::OK);
    assert!(cliq(&fixture).users[0].locked_until.is_none());
}

#[tokio::test]
async fn paced_calls_are_never_refused() {
    let fixture = fixture().await;
    let path = messages_path(&fixture);
    for _ in 0..60 {
        assert_eq!(get(&fixture, &path).await.0, StatusCode::OK);
        fixture.control.advance(Duration::from_millis(4_000));
    }
    assert_eq!(fixture.misdeed("exceeded_cliq_rate"), 0);
}

#[tokio::test]
async fn throttle_is_429_by_knob_and_v3_says_it_otherwise() {
    let fixture = fixture().await;
    let knobs = json!({"cliq": {"throttle_status": 429, "messages_per_minute": 1, "search_per_minute": 1, "lock_covers_every_call": false}});
    fixture.control.set_knobs(knobs).unwrap();
    let path = messages_path(&fixture);
    get(&fixture, &path).await;
    let (status, body) = get(&fixture, &path).await;
    assert_eq!((status, body["code"].as_str()), (StatusCode::TOO_MANY_REQUESTS, Some("request_limit_exceeded")));
    assert_eq!(get(&fixture, "v3/messages/search").await.0, StatusCode::OK, "the lock is the endpoint's by knob");
    let (status, body) = get(&fixture, "v3/messages/search").await;
    assert_eq!((status, body["error"]["code"].as_str()), (StatusCode::TOO_MANY_REQUESTS, Some("rate_limit_exceeded")));
}

#[tokio::test]
async fn ignored_lock_starts_anew_by_knob() {
    let fixture = fixture().await;
    let knobs = json!({"cliq": {"messages_per_minute": 1, "lock_seconds": 60, "lock_restarts_when_ignored": true}});
    fixture.control.set_knobs(knobs).unwrap();
    let path = messages_path(&fixture);
    get(&fixture, &path).await;
    get(&fixture, &path).await;
    fixture.control.advance(Duration::from_secs(50));
    assert_eq!(get(&fixture, &path).await.0, StatusCode::BAD_REQUEST);
    fixture.control.advance(Duration::from_secs(50));
    assert_eq!(get(&fixture, &path).await.0, StatusCode::BAD_REQUEST);
    fixture.control.advance(Duration::from_secs(61));
    assert_eq!(get(&fixture, &path).await.0, StatusCode::OK);
}

#[tokio::test]
async fn clients_of_one_person_share_the_limit_and_another_person_has_another() {
    let mut seed = Seed::cliq(&CliqOptions { channels: 1, ..CliqOptions::default() });
    for (id, token) in [("1000.SECOND", "1000.second"), ("1000.OTHER", "1000.other")] {
        seed.organizations[0].clients.push(ClientSeed {
            id: id.to_owned(),
            secret: "s".to_owned(),
            refresh_token: Some(token.to_owned()),
            scopes: all_scopes(),
            redirect_uris: Vec::new(),
        });
    }
    seed.organizations[0].cliq.users[1].clients = vec!["1000.OTHER".to_owned()];
    let fixture = Fixture::start(seed).await;
    let second = fixture.refresh("1000.SECOND", "s", "1000.second").await["access_token"].as_str().unwrap().to_owned();
    let other = fixture.refresh("1000.OTHER", "s", "1000.other").await["access_token"].as_str().unwrap().to_owned();
    let path = format!("/cliq/api/{}", messages_path(&fixture));
    let call = async |token: &str| {
        let answer = fixture.with_token(Method::GET, &path, token).send().await.unwrap();
        (answer.status(), answer.json::<Value>().await.unwrap())
    };
    for _ in 0..8 {
        assert_eq!(call(&fixture.token_a).await.0, StatusCode::OK);
    }
    for _ in 0..7 {
        assert_eq!(call(&second).await.0, StatusCode::OK);
    }
    assert_eq!(call(&second).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(call(&other).await.0, StatusCode::OK);
    assert_eq!(fixture.state(ORG).cliq.users.iter().filter(|user| user.locked_until.is_some()).count(), 1);
}
