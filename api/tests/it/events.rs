//! The log through the API.

use api::Role;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta};
use event_log::{Append, EventType, NewEvent, StreamName};
use serde_json::json;
use testkit::store::Backend;

use crate::server::{Server, start, start_time};

testkit::on_both_databases! {
    #[actix_web::test]
    events_come_newest_first_page_by_page_and_only_those_of_the_organization,
    filters_hold_together_and_time_cuts_exactly,
    rare_events_among_many_are_found_by_following_the_cursor,
    an_event_is_shown_with_its_body_to_admins_alone,
}

const CHANGED: EventType = EventType::new("crm_record.changed");
const POSTED: EventType = EventType::new("message.posted");

async fn append(server: &Server, stream: &str, event_type: EventType, account: &str, organization: &str) -> NewEvent {
    let event = NewEvent::new(event_type, "poll", &json!({"a": 1})).of(account, organization);
    let stream = StreamName::parse(stream).unwrap();
    server.log.append(Append::new(stream, vec![event.clone()])).await.unwrap();
    event
}

/// Everything behind a filter, by following the cursor; the number of pages it took.
async fn follow(server: &Server, token: &str, query: &str) -> (Vec<i64>, usize) {
    let (mut positions, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let page = server.get(token, &format!("/api/v1/events?{query}{cursor}")).await;
        assert_eq!(page.status, 200, "{}", page.body);
        positions.extend(page.items("global_position").iter().map(|position| position.as_i64().unwrap()));
        pages += 1;
        match page.body["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return (positions, pages),
        }
    }
}

async fn events_come_newest_first_page_by_page_and_only_those_of_the_organization(on: Backend) {
    let server = start(on).await;
    for number in 0..7 {
        append(&server, &format!("record-{number}"), CHANGED, "org-a", "acme").await;
        append(&server, &format!("record-{number}"), CHANGED, "other", "umbrella").await;
    }
    let (viewer, all) = (server.token(Role::Viewer, Some("acme")), server.token(Role::SuperAdmin, None));
    assert_eq!(follow(&server, &viewer, "limit=3").await, (vec![13, 11, 9, 7, 5, 3, 1], 3));
    assert_eq!(follow(&server, &all, "limit=14").await.1, 1);
    let one = server.token(Role::SuperAdmin, Some("umbrella"));
    assert_eq!(follow(&server, &one, "limit=500").await.0, [14, 12, 10, 8, 6, 4, 2]);
    assert_eq!(follow(&server, &viewer, "account=other&limit=3").await.0, Vec::<i64>::new());
    server.stop().await;
}

async fn filters_hold_together_and_time_cuts_exactly(on: Backend) {
    let server = start(on).await;
    for minute in 0..10 {
        server.clock.set(start_time() + TimeDelta::minutes(minute));
        append(&server, "record-1", CHANGED, "org-a", "acme").await;
        append(&server, "record-2", POSTED, "partner", "acme").await;
    }
    let viewer = server.token(Role::Viewer, Some("acme"));
    let at = |minute: i64| (start_time() + TimeDelta::minutes(minute)).format("%Y-%m-%dT%H:%M:%SZ").to_string();
    for (query, expected) in [
        ("stream=record-1&type=message.posted".to_owned(), vec![]),
        (format!("stream=record-1&since={}", at(8)), vec![19, 17]),
        (format!("type=message.posted&until={}", at(2)), vec![4, 2]),
        (format!("account=org-a&since={}&until={}", at(3), at(5)), vec![9, 7]),
        (format!("since={}&limit=1", at(9)), vec![20, 19]),
        ("since=9999-12-31T23:59:59Z".to_owned(), vec![]),
        ("until=0001-01-01T00:00:00Z".to_owned(), vec![]),
    ] {
        assert_eq!(follow(&server, &viewer, &query).await.0, expected, "{query}");
    }
    let story = append(&server, "record-3", CHANGED, "org-a", "acme").await.correlation_id;
    assert_eq!(follow(&server, &viewer, &format!("correlation_id={story}")).await.0, [21]);
    server.stop().await;
}

async fn rare_events_among_many_are_found_by_following_the_cursor(on: Backend) {
    let server = start(on).await;
    let rare = append(&server, "record-1", CHANGED, "rare", "acme").await;
    for _ in 0..9 {
        let event = |_| NewEvent::new(CHANGED, "poll", &json!({})).of("org-a", "acme");
        let many = Append::new(StreamName::new("record", "2"), (0..1_000).map(event).collect());
        server.log.append(many).await.unwrap();
    }
    let viewer = server.token(Role::Viewer, Some("acme"));
    let (found, pages) = follow(&server, &viewer, "type=crm_record.changed&account=rare").await;
    assert_eq!((found, pages), (vec![1], 5), "no page looks at more than 2,000 events");
    let (found, pages) = follow(&server, &viewer, "account=rare").await;
    assert_eq!((found, pages), (vec![1], 1));
    assert_eq!(server.get(&viewer, &format!("/api/v1/events/{}", rare.id)).await.status, 200);
    server.stop().await;
}

async fn an_event_is_shown_with_its_body_to_admins_alone(on: Backend) {
    let server = start(on).await;
    let mut event = NewEvent::new(CHANGED, "webhook", &json!({"ü": [1, null]})).of("org-a", "acme");
    event.payload = Some(Bytes::from_static(b"{\"token\":\"s3cret\"}"));
    event.occurred_at = DateTime::from_timestamp(1_700_000_000, 0);
    let id = event.id;
    for _ in 0..2 {
        server.log.append(Append::new(StreamName::new("record", "1"), vec![event.clone()])).await.unwrap();
    }
    let path = format!("/api/v1/events/{id}");
    let shown = server.get(&server.token(Role::Manager, Some("acme")), &path).await;
    assert_eq!(shown.body["event"]["data"], json!({"ü": [1, null]}));
    assert_eq!((&shown.body["payload_bytes"], &shown.body["payload_text"]), (&json!(18), &json!(null)));
    assert_eq!(shown.body["sightings"].as_array().unwrap().len(), 1);
    let shown = server.get(&server.token(Role::Admin, Some("acme")), &path).await;
    assert_eq!(shown.body["payload_text"], "{\"token\":\"s3cret\"}");
    let others = server.get(&server.token(Role::Admin, Some("umbrella")), &path).await;
    let nothing = format!("/api/v1/events/{}", uuid::Uuid::nil());
    let nothing = server.get(&server.token(Role::Admin, Some("umbrella")), &nothing).await;
    assert_eq!((others.status, &others.body["detail"]), (404, &nothing.body["detail"]), "it looks like nothing");
    server.stop().await;
}
