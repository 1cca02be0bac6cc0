//! Reading by stream, by position, by id, by filter.

use std::time::Duration;

use event_log::{Append, Direction, EventType, Filter, GlobalPosition, Log, RecordedEvent, StreamName, StreamVersion};
use uuid::Uuid;

use crate::fixture::{
    CHANGED, COMPLETED, Clock, Fixture, RECEIVED, REQUESTED, append, change, event, stream, time, with_payload,
};

const START: GlobalPosition = GlobalPosition(0);

pub(super) async fn streams_are_read_forward_from_a_version(fixture: Fixture) {
    let log = fixture.log().await;
    for id in ["1", "2", "1", "1", "2"] {
        log.append(append(id, event())).await.unwrap();
    }
    let read = async |id: &str, after, limit| {
        let events = log.read_stream(&stream(id), StreamVersion(after), limit).await.unwrap();
        events.iter().map(|event| (event.stream_version.0, event.global_position.0)).collect::<Vec<_>>()
    };
    assert_eq!(read("1", 0, 10).await, [(1, 1), (2, 3), (3, 4)]);
    assert_eq!(read("1", 1, 1).await, [(2, 3)]);
    assert_eq!(read("2", 1, 10).await, [(2, 5)]);
    assert!(read("1", 3, 10).await.is_empty());
    assert!(read("none", 0, 10).await.is_empty());
}

pub(super) async fn lists_page_forward_and_backward(fixture: Fixture) {
    let log = fixture.log().await;
    assert_eq!(log.high_water_mark().await.unwrap(), START);
    assert!(log.list(&Filter::default(), START, Direction::Backward, 10).await.unwrap().is_empty());
    for _ in 0..10 {
        log.append(append("1", event())).await.unwrap();
    }
    assert_eq!(log.high_water_mark().await.unwrap(), GlobalPosition(10));
    let page = async |after, direction| {
        positions(&log.list(&Filter::default(), GlobalPosition(after), direction, 4).await.unwrap())
    };
    assert_eq!(page(0, Direction::Forward).await, [1, 2, 3, 4]);
    assert_eq!(page(8, Direction::Forward).await, [9, 10]);
    assert!(page(10, Direction::Forward).await.is_empty());
    assert_eq!(page(0, Direction::Backward).await, [10, 9, 8, 7]);
    assert_eq!(page(3, Direction::Backward).await, [2, 1]);
    assert!(page(1, Direction::Backward).await.is_empty());
    assert_eq!(page(99, Direction::Backward).await, [10, 9, 8, 7]);
}

pub(super) async fn an_event_is_found_by_id_and_by_position(fixture: Fixture) {
    let log = fixture.log().await;
    log.append(append("1", with_payload(change("a"), "body"))).await.unwrap();
    let found = log.event(change("a").id).await.unwrap().unwrap();
    assert_eq!(found.global_position, GlobalPosition(1));
    assert_eq!(found.payload.as_deref(), Some(b"body".as_slice()));
    let found = log.event_at(GlobalPosition(1)).await.unwrap().unwrap();
    assert_eq!(found.id, change("a").id);
    assert_eq!(found.decode::<serde_json::Value>().unwrap()["field"], "value");
    assert!(log.event(change("b").id).await.unwrap().is_none());
    assert!(log.event_at(GlobalPosition(2)).await.unwrap().is_none());
}

pub(super) async fn types_are_matched_whole_or_by_prefix(fixture: Fixture) {
    let log = fixture.log().await;
    let odd = EventType::new("transfers.listed");
    for event_type in [CHANGED, REQUESTED, RECEIVED, COMPLETED, odd] {
        let mut event = event();
        event.event_type = event_type;
        log.append(append("1", event)).await.unwrap();
    }
    let matching = async |names: &[&str]| {
        let event_types = names.iter().map(|&name| name.to_owned()).collect();
        list(&log, Filter { event_types, ..Filter::default() }).await
    };
    assert_eq!(matching(&["transfer.requested"]).await, [2]);
    assert_eq!(matching(&["transfer.*"]).await, [2, 4]);
    assert_eq!(matching(&["transfer*"]).await, [2, 4, 5]);
    assert_eq!(matching(&["transfer.*", "delivery.received"]).await, [2, 3, 4]);
    assert_eq!(matching(&["*"]).await, [1, 2, 3, 4, 5]);
    assert!(matching(&["transfer"]).await.is_empty());
    assert!(matching(&["transfer.%"]).await.is_empty());
}

pub(super) async fn each_filter_narrows_the_list(fixture: Fixture) {
    let log = fixture.log().await;
    let story = Uuid::now_v7();
    let mut webhook = event().of("org-b", "acme").in_story(story, None);
    webhook.source = "webhook";
    log.append(append("1", event().of("org-a", "acme").in_story(story, None))).await.unwrap();
    log.append(append("2", webhook)).await.unwrap();
    log.append(append("1", event().of("org-a", "other"))).await.unwrap();
    log.append(append("1-2", event())).await.unwrap();
    let none = Filter::default;
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(list(&log, Filter { account: text("org-a"), ..none() }).await, [1, 3]);
    assert_eq!(list(&log, Filter { organization: text("acme"), ..none() }).await, [1, 2]);
    assert_eq!(list(&log, Filter { stream: text(stream("1").as_str()), ..none() }).await, [1, 3]);
    assert_eq!(list(&log, Filter { correlation_id: Some(story), ..none() }).await, [1, 2]);
    assert_eq!(list(&log, Filter { source: text("webhook"), ..none() }).await, [2]);
    let both = Filter { account: text("org-a"), correlation_id: Some(story), ..none() };
    assert_eq!(list(&log, both).await, [1]);
    assert!(list(&log, Filter { account: text("org-c"), ..none() }).await.is_empty());
    let quoted = Filter { account: text("' OR '1' = '1"), ..none() };
    assert!(list(&log, quoted).await.is_empty());
}

pub(super) async fn times_are_matched_from_since_to_before_until(fixture: Fixture) {
    let clock = Clock::at(time("2026-11-21T08:00:00Z"));
    let log = fixture.log_at(clock.now()).await;
    // Whole seconds, milliseconds and microseconds are written with different lengths.
    for step in [0, 500_000, 123, 499_877, 999_999] {
        clock.advance(Duration::from_micros(step));
        log.append(append("1", event())).await.unwrap();
    }
    let between = async |since: Option<&str>, until: Option<&str>| {
        let (since, until) = (since.map(time), until.map(time));
        list(&log, Filter { since, until, ..Filter::default() }).await
    };
    assert_eq!(between(Some("2026-11-21T08:00:00.5Z"), None).await, [2, 3, 4, 5]);
    assert_eq!(between(Some("2026-11-21T08:00:00.500001Z"), None).await, [3, 4, 5]);
    assert_eq!(between(None, Some("2026-11-21T08:00:01Z")).await, [1, 2, 3]);
    assert_eq!(between(None, Some("2026-11-21T08:00:01.000000001Z")).await, [1, 2, 3, 4]);
    assert_eq!(between(Some("2026-11-21T08:00:00Z"), Some("2026-11-21T08:00:00.500123Z")).await, [1, 2]);
    assert!(between(Some("2027-01-01T00:00:00Z"), None).await.is_empty());
}

pub(super) async fn payloads_are_read_where_asked_for(fixture: Fixture) {
    let log = fixture.log().await;
    log.append(Append::new(StreamName::new("delivery", 1), vec![with_payload(event(), "body")])).await.unwrap();
    for with_payload in [false, true] {
        let filter = Filter { with_payload, ..Filter::default() };
        let events = log.list(&filter, START, Direction::Forward, 1).await.unwrap();
        assert_eq!(events[0].payload.is_some(), with_payload);
    }
}

async fn list(log: &Log, filter: Filter) -> Vec<i64> {
    let forward = positions(&log.list(&filter, START, Direction::Forward, 100).await.unwrap());
    let mut backward = positions(&log.list(&filter, START, Direction::Backward, 100).await.unwrap());
    backward.reverse();
    assert_eq!(forward, backward, "both directions show the same events");
    forward
}

fn positions(events: &[RecordedEvent]) -> Vec<i64> {
    events.iter().map(|event| event.global_position.0).collect()
}
