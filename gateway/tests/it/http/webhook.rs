//! Verify, record, answer.

use std::collections::HashSet;

use catalogue::delivery;
use event_log::sightings;
use futures::future::join_all;
use uuid::Uuid;

use super::client::{self, Answer, get, post};
use super::gateway::{START, start, start_over};
use super::{SETTINGS, sign};
use crate::store::{Backend, on_both_databases};

on_both_databases! {
    #[actix_web::test]
    a_signed_delivery_is_recorded_with_its_exact_bytes_before_the_answer,
    a_repeated_delivery_is_one_event_and_its_sightings,
    deliveries_without_a_name_are_all_recorded,
    what_is_not_the_promised_json_is_recorded_and_flagged,
    unproven_requests_are_refused_with_one_answer_and_kept_with_the_cause,
    an_unknown_account_looks_like_any_address_that_does_not_exist,
    other_methods_are_refused_whether_or_not_the_account_exists,
    standard_webhooks_are_accepted_with_either_secret_during_rotation,
    stale_and_early_deliveries_are_refused_at_the_edge_of_the_tolerance,
    accounts_do_not_share_delivery_names,
    of_two_gateways_that_get_the_same_delivery_one_records_it,
}

const PATH: &str = "/webhooks/partner";

async fn deliver(gateway: &super::gateway::Gateway, id: &str, body: &[u8]) -> Answer {
    let signature = sign::hex("partner-secret", body);
    post(gateway.address, PATH, &[("X-Hub-Signature-256", &signature), ("X-GitHub-Delivery", id)], body).await
}

fn problem_without_id(answer: &Answer) -> serde_json::Value {
    let mut problem = answer.json();
    let id = problem.as_object_mut().unwrap().remove("request_id").unwrap();
    assert_eq!(answer.header("x-request-id"), id.as_str());
    assert!(Uuid::parse_str(id.as_str().unwrap()).is_ok());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    problem
}

async fn a_signed_delivery_is_recorded_with_its_exact_bytes_before_the_answer(on: Backend) {
    let gateway = start(on, SETTINGS).await;
    let body = b"{\"a\" :\t1,\"b\":\"\xc3\xa9\",  \"a\":1}\n";
    let signature = sign::hex("partner-secret", body);
    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let answer = post(
        gateway.address,
        "/webhooks/partner?attempt=1&token=hunter2",
        &[
            ("X-Hub-Signature-256", &signature),
            ("X-GitHub-Delivery", "72d3162e"),
            ("traceparent", TRACE),
            ("Authorization", "Bearer hunter2"),
        ],
        body,
    )
    .await;
    assert_eq!(answer.status, 202, "{}", answer.text());

    let events = gateway.events().await;
    let [event] = &events[..] else { panic!("one event, found {}", events.len()) };
    assert_eq!(answer.json(), serde_json::json!({"status": "accepted", "event_id": event.id}));
    assert_eq!(event.payload.as_deref(), Some(&body[..]));
    assert_eq!(event.event_type, delivery::RECEIVED);
    assert_eq!(event.stream_name.category(), delivery::CATEGORY);
    assert_eq!((event.account.as_deref(), event.organization.as_deref()), (Some("partner"), Some("acme")));
    assert_eq!((event.source.as_str(), event.received_at.unwrap().timestamp()), ("webhook", START));
    assert_ne!(event.correlation_id, event.id.0, "the id is derived, the story is new");
    assert_eq!(event.correlation_id.get_version_num(), 7);

    let data: delivery::Received = event.decode().unwrap();
    let expected = delivery::Received {
        verify: "hmac".to_owned(),
        delivery_id: Some("72d3162e".to_owned()),
        registration_id: None,
        json: true,
        flagged: false,
        size_bytes: body.len() as u64,
    };
    assert_eq!(data, expected);
    let metadata: delivery::Metadata = serde_json::from_str(&event.metadata).unwrap();
    assert_eq!(metadata.headers["x-github-delivery"], "72d3162e");
    assert_eq!(metadata.query.as_deref(), Some("attempt=1&token=redacted"));
    assert_eq!(metadata.traceparent.as_deref(), Some(TRACE));
    assert!(!event.metadata.contains("hunter2") && !event.metadata.contains(&signature));
    gateway.stop().await;
}

async fn a_repeated_delivery_is_one_event_and_its_sightings(on: Backend) {
    let gateway = start(on, SETTINGS).await;
    let first = deliver(&gateway, "one", b"{}").await.json();
    let again = deliver(&gateway, "one", b"{}").await;
    assert_eq!(again.status, 202);
    assert_eq!(again.json(), serde_json::json!({"status": "duplicate", "event_id": first["event_id"]}));
    assert_eq!(deliver(&gateway, "one", b"[]").await.json()["status"], "duplicate");
    assert_eq!(deliver(&gateway, "two", b"{}").await.json()["status"], "accepted");

    let events = gateway.events().await;
    assert_eq!(events.len(), 2);
    let seen = sightings(gateway.log.database().readers(), events[0].id).await.unwrap();
    let same: Vec<Option<bool>> = seen.iter().map(|sighting| sighting.same_payload).collect();
    assert_eq!(same, [Some(true), Some(false)]);
    gateway.stop().await;
}

async fn deliveries_without_a_name_are_all_recorded(on: Backend) {
    let gateway = start(on, SETTINGS).await;
    let signature = sign::hex("partner-secret", b"{}");
    for _ in 0..3 {
        let answer = post(gateway.address, PATH, &[("X-Hub-Signature-256", &signature)], b"{}").await;
        assert_eq!(answer.json()["status"], "accepted");
    }
    assert_eq!(gateway.events().await.len(), 3);
    gateway.stop().await;
}

async fn what_is_not_the_promised_json_is_recorded_and_flagged(on: Backend) {
    let gateway = start(
        on,
        &format!(
            "{SETTINGS}\n[accounts.raw]\nprovider = \"generic\"\n[accounts.raw.webhook]\nverify = \"hmac\"\n\
         secret = \"raw-secret\"\nheader = \"x-signature\"\ncontent = \"any\"\n"
        ),
    )
    .await;
    let all_bytes: Vec<u8> = (0..=255).collect();
    assert_eq!(deliver(&gateway, "one", &all_bytes).await.status, 202);
    assert_eq!(deliver(&gateway, "two", b"").await.status, 202);
    let signature = hex::encode(sign::hmac_sha256(b"raw-secret", &[&all_bytes]));
    let answer = post(gateway.address, "/webhooks/raw", &[("x-signature", &signature)], &all_bytes).await;
    assert_eq!(answer.status, 202);

    let events = gateway.events().await;
    let payloads: Vec<&[u8]> = events.iter().map(|event| event.payload.as_deref().unwrap()).collect();
    assert_eq!(payloads, [&all_bytes[..], b"", &all_bytes]);
    let flags: Vec<(bool, bool)> = events
        .iter()
        .map(|event| event.decode::<delivery::Received>().unwrap())
        .map(|data| (data.json, data.flagged))
        .collect();
    assert_eq!(flags, [(false, true), (false, true), (false, false)]);
    gateway.stop().await;
}

async fn unproven_requests_are_refused_with_one_answer_and_kept_with_the_cause(on: Backend) {
    let gateway = start(on, SETTINGS).await;
    let body = b"{\"a\":1}";
    let wrong = sign::hex("another-secret", body);
    let cases: [&[(&str, &str)]; 3] =
        [&[], &[("X-Hub-Signature-256", "md5=00")], &[("X-Hub-Signature-256", &wrong), ("Cookie", "hunter2")]];
    let mut answers = Vec::new();
    for headers in cases {
        let answer = post(gateway.address, PATH, headers, body).await;
        assert_eq!(answer.status, 401);
        assert!(answer.header("www-authenticate").is_some());
        answers.push(problem_without_id(&answer));
    }
    assert_eq!(answers[0]["code"], "verification_failed");
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");

    let rejected = gateway.rejected(3).await;
    let causes: Vec<&str> = rejected.iter().map(|rejected| rejected.cause.as_str()).collect();
    assert_eq!(causes, ["signature_mismatch", "signature_malformed", "signature_missing"]);
    assert_eq!((rejected[0].http_status, rejected[0].account.as_str()), (401, "partner"));
    assert_eq!((&rejected[0].body_prefix[..], rejected[0].body_bytes), (&body[..], 7));
    assert!(!rejected[0].metadata.contains("hunter2") && !rejected[0].metadata.contains(&wrong));
    assert!(gateway.events().await.is_empty());
    gateway.stop().await;
}

async fn an_unknown_account_looks_like_any_address_that_does_not_exist(on: Backend) {
    let gateway = start(on, SETTINGS).await;
    let unknown = post(gateway.address, "/webhooks/nobody", &[], b"{}").await;
    let elsewhere = post(gateway.address, "/nothing/here", &[], b"{}").await;
    assert_eq!((unknown.status, elsewhere.status), (404, 404));
    assert_eq!(problem_without_id(&unknown), problem_without_id(&elsewhere));
    let names = |answer: &Answer| -> HashSet<String> {
        answer.head.lines().skip(1).map(|line| line.split(':').next().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&unknown), names(&elsewhere));

    let rejected = gateway.rejected(1).await;
    assert_eq!((rejected[0].cause.as_str(), rejected[0].account.as_str()), ("account_unknown", "nobody"));
    assert_eq!(rejected[0].request_id.to_string(), unknown.header("x-request-id").unwrap());
    gateway.stop().await;
}

async fn other_methods_are_refused_whether_or_not_the_account_exists(on: Backend) {
    let gateway = start(on, SETTINGS).await;
    for path in [PATH, "/webhooks/nobody"] {
        for method in ["GET", "PUT", "DELETE"] {
            let answer = client::send(gateway.address, method, path, &[], b"").await;
            assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")), "{method} {path}");
            assert_eq!(problem_without_id(&answer)["code"], "method_not_allowed");
        }
    }
    assert_eq!(get(gateway.address, "/").await.status, 404);
    gateway.stop().await;
}

async fn deliver_standard(gateway: &super::gateway::Gateway, secret: &str, id: &str, timestamp: i64) -> Answer {
    let signature = sign::standard(secret, id, timestamp, b"{}");
    let timestamp = timestamp.to_string();
    let headers = [("webhook-id", id), ("webhook-timestamp", timestamp.as_str()), ("webhook-signature", &signature)];
    post(gateway.address, "/webhooks/standard", &headers, b"{}").await
}

async fn standard_webhooks_are_accepted_with_either_secret_during_rotation(on: Backend) {
    let gateway = start(on, SETTINGS).await;
    let [old, new, foreign] =
        ["b2xkLXNlY3JldC1vbGQtc2VjcmV0", "bmV3LXNlY3JldC1uZXctc2VjcmV0", "Zm9yZWlnbi1zZWNyZXQtZm9yZWlnbg=="];
    assert_eq!(deliver_standard(&gateway, old, "msg_1", START).await.json()["status"], "accepted");
    assert_eq!(deliver_standard(&gateway, new, "msg_1", START + 5).await.json()["status"], "duplicate");
    assert_eq!(deliver_standard(&gateway, new, "msg_2", START).await.json()["status"], "accepted");
    assert_eq!(deliver_standard(&gateway, foreign, "msg_3", START).await.status, 401);
    gateway.stop().await;
}

async fn stale_and_early_deliveries_are_refused_at_the_edge_of_the_tolerance(on: Backend) {
    let gateway = start(on, SETTINGS).await;
    const SECRET: &str = "bmV3LXNlY3JldC1uZXctc2VjcmV0";
    gateway.advance(300);
    assert_eq!(deliver_standard(&gateway, SECRET, "msg_1", START).await.status, 202);
    gateway.advance(1);
    assert_eq!(deliver_standard(&gateway, SECRET, "msg_2", START).await.status, 401);
    assert_eq!(deliver_standard(&gateway, SECRET, "msg_3", START + 301 + 300).await.status, 202);
    assert_eq!(deliver_standard(&gateway, SECRET, "msg_4", START + 301 + 301).await.status, 401);
    let rejected = gateway.rejected(2).await;
    let causes: Vec<&str> = rejected.iter().map(|rejected| rejected.cause.as_str()).collect();
    assert_eq!(causes, ["timestamp_in_future", "timestamp_too_old"]);
    gateway.stop().await;
}

async fn accounts_do_not_share_delivery_names(on: Backend) {
    let gateway = start(
        on,
        &format!(
            "{SETTINGS}\n[accounts.other]\nprovider = \"generic\"\n[accounts.other.webhook]\nverify = \"hmac\"\n\
         secret = \"partner-secret\"\nheader = \"X-Hub-Signature-256\"\nprefix = \"sha256=\"\n\
         delivery_id_header = \"X-GitHub-Delivery\"\n"
        ),
    )
    .await;
    let signature = sign::hex("partner-secret", b"{}");
    for path in [PATH, "/webhooks/other"] {
        let headers = [("X-Hub-Signature-256", signature.as_str()), ("X-GitHub-Delivery", "one")];
        assert_eq!(post(gateway.address, path, &headers, b"{}").await.json()["status"], "accepted");
    }
    gateway.stop().await;
}

async fn of_two_gateways_that_get_the_same_delivery_one_records_it(on: Backend) {
    const DELIVERIES: usize = 20;
    let store = on.store().await;
    let (one, other) = (start_over(&store.url, SETTINGS).await, start_over(&store.url, SETTINGS).await);
    let answers = join_all((0..DELIVERIES).map(|at| {
        let (one, other, id) = (&one, &other, at.to_string());
        async move {
            let (here, there) = tokio::join!(deliver(one, &id, b"{}"), deliver(other, &id, b"{}"));
            assert_eq!((here.status, there.status), (202, 202));
            [here.json(), there.json()]
        }
    }))
    .await;
    for [here, there] in answers {
        assert_eq!(here["event_id"], there["event_id"]);
        let mut said = [here["status"].as_str(), there["status"].as_str()];
        said.sort();
        assert_eq!(said, [Some("accepted"), Some("duplicate")]);
    }
    let events = one.events().await;
    assert_eq!(events.len(), DELIVERIES);
    for event in events {
        let seen = sightings(other.log.database().readers(), event.id).await.unwrap();
        assert_eq!(seen.len(), 1, "the first is the event, the second its sighting");
    }
    one.stop().await;
    other.stop().await;
}
