//! Faults: what the client sees and what was done all the same.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::json;
use simulator::seed::constants::DESTINATION_FOLDER_ID as DEST;
use simulator::{Fault, FaultRule};

use crate::fixture::{Fixture, RECORD, json_of};

const QUERY: &str = "select id from Contacts limit 1";

#[tokio::test]
async fn throttle_speaks_each_products_dialect() {
    let fixture = Fixture::demo().await;
    let throttle = Fault::Throttle { retry_after_seconds: Some(7) };
    fixture.control.add_fault(FaultRule::once("*", throttle).times(3)).unwrap();
    assert_eq!(json_of(fixture.coql(QUERY).await).await["code"], "TOO_MANY_REQUESTS");
    let workdrive = fixture.a(Method::GET, "/workdrive/api/v1/users/me").send().await.unwrap();
    assert_eq!(workdrive.headers()["retry-after"], "7");
    assert_eq!(json_of(workdrive).await["errors"][0]["id"], "F7008");
    assert_eq!(fixture.refresh_a().await["error"], "Access Denied");
}

#[tokio::test]
async fn throttle_with_a_time_is_enforced_until_then() {
    let fixture = Fixture::demo().await;
    let rule = FaultRule::once("workdrive.list", Fault::Throttle { retry_after_seconds: Some(30) });
    fixture.control.add_fault(rule).unwrap();
    assert_eq!(fixture.list_b("team-b").await.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(fixture.list_b("team-b").await.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(fixture.misdeed("called_while_throttled"), 0, "a call under way is not counted");
    fixture.control.advance(Duration::from_secs(31));
    assert_eq!(fixture.list_b("team-b").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn status_comes_as_json_or_html() {
    let fixture = Fixture::demo().await;
    fixture.control.add_fault(FaultRule::once("crm.coql", Fault::Status { code: 500, html_body: false })).unwrap();
    assert_eq!(json_of(fixture.coql(QUERY).await).await["code"], "INTERNAL_ERROR");
    fixture.control.add_fault(FaultRule::once("crm.coql", Fault::Status { code: 502, html_body: true })).unwrap();
    let html = fixture.coql(QUERY).await;
    assert_eq!(html.status(), StatusCode::BAD_GATEWAY);
    assert!(html.text().await.unwrap().starts_with("<html>"));
}

#[tokio::test]
async fn expired_token_stays_expired() {
    let fixture = Fixture::demo().await;
    fixture.control.add_fault(FaultRule::once("crm.*", Fault::ExpiredToken {})).unwrap();
    assert_eq!(fixture.coql(QUERY).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(fixture.coql(QUERY).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(fixture.misdeed("refreshed_while_valid_token_fresh"), 0);
    fixture.refresh_a().await;
    assert_eq!(fixture.misdeed("refreshed_while_valid_token_fresh"), 0, "the token was no longer valid");
}

#[tokio::test]
async fn cut_before_does_nothing_and_cut_after_has_done_it() {
    let fixture = Fixture::demo().await;
    let done = |fixture: &Fixture| {
        let state = fixture.state("org-a");
        let record = state.records["Contacts"].iter().find(|record| record.id == RECORD).unwrap();
        record.fields["Transfer_Complete"].as_bool().unwrap()
    };
    let put = async || {
        let request = fixture
            .a(Method::PUT, "/api/crm/v8/Contacts")
            .json(&json!({"data": [{"id": RECORD, "Transfer_Complete": true}]}));
        request.send().await
    };
    fixture.control.add_fault(FaultRule::once("crm.update", Fault::CutBefore {})).unwrap();
    assert!(put().await.is_err());
    assert!(!done(&fixture));
    fixture.control.add_fault(FaultRule::once("crm.update", Fault::CutAfter {})).unwrap();
    assert!(put().await.is_err());
    assert!(done(&fixture));
    assert_eq!(fixture.control.counts().routes["crm.update"][&0], 2);
}

#[tokio::test]
async fn upload_is_kept_after_a_cut_answer_and_not_after_a_cut_body() {
    let fixture = Fixture::demo().await;
    let present = |name: &str| fixture.state("org-a").items.iter().any(|item| item.name == name);
    fixture.control.add_fault(FaultRule::once("workdrive.upload_stream", Fault::CutAfter {})).unwrap();
    assert!(fixture.stream_upload("kept.bin", DEST, vec![1; 100_000]).send().await.is_err());
    assert!(present("kept.bin"));
    for (route, name) in [("workdrive.upload_stream", "half.bin"), ("workdrive.upload", "half.txt")] {
        fixture.control.add_fault(FaultRule::once(route, Fault::CutMidBody { after_bytes: 50_000 })).unwrap();
        let request = match route {
            "workdrive.upload" => fixture.small_upload(name, DEST, vec![1; 2_000_000]),
            _ => fixture.stream_upload(name, DEST, vec![1; 2_000_000]),
        };
        assert!(request.send().await.is_err());
        assert!(!present(name));
    }
}

#[tokio::test]
async fn throttled_upload_is_answered_although_the_body_is_large() {
    let fixture = Fixture::demo().await;
    fixture
        .control
        .add_fault(FaultRule::once("workdrive.upload_stream", Fault::Throttle { retry_after_seconds: None }))
        .unwrap();
    let answer = fixture.stream_upload("x.bin", DEST, vec![1; 8_000_000]).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(answer.headers().get("retry-after").is_none());
}

#[tokio::test]
async fn truncated_json_was_done_all_the_same() {
    let fixture = Fixture::demo().await;
    fixture.control.add_fault(FaultRule::once("crm.coql", Fault::TruncatedJson {})).unwrap();
    let text = fixture.coql(QUERY).await.text().await.unwrap();
    assert!(serde_json::from_str::<serde_json::Value>(&text).is_err());
}

#[tokio::test]
async fn delay_delays_and_hang_never_answers() {
    let fixture = Fixture::demo().await;
    fixture.control.add_fault(FaultRule::once("crm.coql", Fault::Delay { ms: 120 })).unwrap();
    let started = Instant::now();
    assert_eq!(fixture.coql(QUERY).await.status(), StatusCode::OK);
    assert!(started.elapsed() >= Duration::from_millis(120));
    fixture.control.add_fault(FaultRule::once("crm.coql", Fault::Hang {})).unwrap();
    let hanging = tokio::time::timeout(Duration::from_millis(200), fixture.coql(QUERY)).await;
    assert!(hanging.is_err());
    assert_eq!(fixture.coql(QUERY).await.status(), StatusCode::OK, "others are answered meanwhile");
    tokio::time::timeout(Duration::from_secs(5), fixture.simulator.stop()).await.expect("stops in spite of it");
}

#[tokio::test]
async fn rule_that_names_nothing_is_refused() {
    let fixture = Fixture::demo().await;
    let error = fixture.control.add_fault(FaultRule::once("crm.cocl", Fault::Hang {})).unwrap_err();
    assert!(error.to_string().contains("crm.coql"), "{error}");
    let error = fixture.control.add_fault(FaultRule::once("*", Fault::Hang {}).for_organization("org-x")).unwrap_err();
    assert!(error.to_string().contains("org-x"), "{error}");
}
