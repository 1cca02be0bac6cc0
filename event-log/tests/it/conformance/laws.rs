//! Laws that hold for any events: what goes in comes out, and each event is recorded once.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use event_log::{Append, EventId, EventType, GlobalPosition, Log, NewEvent, RecordedEvent, StreamName, StreamVersion};
use futures::future::join_all;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Handle;
use uuid::Uuid;

use crate::fixture::{Fixture, event, everything, stream};

const TYPES: [EventType; 2] = [EventType::new("crm_record.changed"), EventType::new("poll.completed")];
const SOURCES: [&str; 3] = ["webhook", "poll", "operator"];

pub(super) async fn append_then_read_is_identity(fixture: Fixture) {
    let log = fixture.log().await;
    check(48, vec(any_event(), 1..6), move |events, runtime| {
        runtime.block_on(async {
            let name = StreamName::new("any", Uuid::now_v7());
            log.append(Append::new(name.clone(), events.clone())).await.unwrap();
            let recorded = log.read_stream(&name, StreamVersion(0), 100).await.unwrap();
            assert_eq!(recorded.len(), events.len());
            for (version, (before, after)) in (1..).zip(events.iter().zip(&recorded)) {
                assert_eq!((&after.stream_name, after.stream_version), (&name, StreamVersion(version)));
                assert_same(before, after);
            }
        });
    });
}

/// A few changes, handed in many times, in any order, alone or together, at once or in turn, through two logs.
pub(super) async fn any_mix_of_duplicates_and_orders_gives_each_event_once(fixture: Fixture) {
    let logs = [fixture.log().await, fixture.log().await];
    let deliveries = vec((vec(0..12_usize, 1..5), 0..3_usize, any::<bool>()), 1..30);
    check(24, deliveries, move |deliveries, runtime| {
        runtime.block_on(async {
            let (log, case) = (&logs[0], Uuid::now_v7());
            let before = log.high_water_mark().await.unwrap();
            let id = |change: usize| EventId::derived(&[&case.to_string(), &change.to_string()]);
            let mut waiting = Vec::new();
            for (at, (changes, to, alone)) in deliveries.iter().enumerate() {
                let events = changes.iter().map(|&change| event().with_id(id(change))).collect();
                let append = Append::new(stream(&format!("{case}-{to}")), events);
                let log = logs[at % 2].clone();
                waiting.push(tokio::spawn(async move { log.append(append).await.unwrap() }));
                if *alone {
                    join_all(waiting.drain(..)).await.into_iter().for_each(|appended| drop(appended.unwrap()));
                }
            }
            join_all(waiting).await.into_iter().for_each(|appended| drop(appended.unwrap()));

            let mut asked: BTreeMap<EventId, usize> = BTreeMap::new();
            deliveries.iter().flat_map(|(changes, ..)| changes).for_each(|&at| *asked.entry(id(at)).or_default() += 1);
            let recorded = after(log, before).await;
            let mut ids: Vec<EventId> = recorded.iter().map(|event| event.id).collect();
            ids.sort();
            assert_eq!(ids, asked.keys().copied().collect::<Vec<_>>(), "each event once");
            for (id, times) in asked {
                let sightings = event_log::sightings(log.database().readers(), id).await.unwrap();
                assert_eq!(sightings.len(), times - 1, "each further time is a sighting");
            }
            let mut versions = BTreeMap::new();
            for event in recorded {
                let version = versions.entry(event.stream_name).or_insert(0);
                *version += 1;
                assert_eq!(event.stream_version.0, *version);
            }
        });
    });
}

/// Runs the law on a thread that may block, with a seed that is printed where it fails.
fn check<S>(cases: u32, strategy: S, law: impl Fn(S::Value, &Handle))
where
    S: Strategy,
    S::Value: std::fmt::Debug,
{
    let runtime = Handle::current();
    tokio::task::block_in_place(|| {
        let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
        let run = runner.run(&strategy, |input| {
            law(input, &runtime);
            Ok(())
        });
        run.unwrap_or_else(|failure| panic!("{failure}"));
    });
}

async fn after(log: &Log, position: GlobalPosition) -> Vec<RecordedEvent> {
    everything(log).await.into_iter().filter(|event| event.global_position > position).collect()
}

fn assert_same(before: &NewEvent, after: &RecordedEvent) {
    assert_eq!(after.id, before.id);
    assert_eq!(after.event_type, before.event_type);
    assert_eq!(after.schema_version, before.schema_version);
    assert_eq!(after.account, before.account);
    assert_eq!(after.organization, before.organization);
    assert_eq!(after.source, before.source);
    assert_eq!(after.correlation_id, before.correlation_id);
    assert_eq!(after.causation_id, before.causation_id);
    assert_eq!(after.occurred_at, before.occurred_at);
    assert_eq!(after.received_at, before.received_at);
    // The same JSON; `jsonb` orders keys its own way. Bytes are kept in the payload.
    assert_eq!(json(&after.data), json(&before.data));
    assert_eq!(json(&after.metadata), json(&before.metadata));
    assert_eq!(after.payload, before.payload);
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

/// Any text but U+0000, which PostgreSQL cannot keep.
fn any_text() -> impl Strategy<Value = String> {
    any::<String>().prop_map(|text| text.replace('\0', ""))
}

fn any_event() -> impl Strategy<Value = NewEvent> {
    let names = (option::of(any_text()), option::of(any_text()), 0..SOURCES.len(), 0..TYPES.len());
    let ids = (any::<u128>(), any::<u128>(), option::of(any::<u128>()), any::<i32>());
    let times = (option::of(any_time()), option::of(any_time()));
    let content = (any_json(), any_json(), option::of(vec(any::<u8>(), 0..3000)));
    (names, ids, times, content).prop_map(|(names, ids, times, content)| {
        let uuid = Uuid::from_u128;
        let mut event = NewEvent::new(TYPES[names.3].clone(), SOURCES[names.2], &content.0)
            .with_id(EventId(uuid(ids.0)))
            .in_story(uuid(ids.1), ids.2.map(uuid).map(EventId))
            .at(times.0)
            .with_metadata(&content.1);
        (event.account, event.organization) = (names.0, names.1);
        event.schema_version = ids.3;
        event.received_at = times.1;
        event.payload = content.2.map(Into::into);
        event
    })
}

/// Microseconds: what every backend keeps.
fn any_time() -> impl Strategy<Value = DateTime<Utc>> {
    (0..4_000_000_000_000_000_i64).prop_map(|micros| DateTime::from_timestamp_micros(micros).unwrap())
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any_text().prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Into::into),
            vec((any_text(), inner), 0..4).prop_map(|pairs| serde_json::Value::Object(pairs.into_iter().collect())),
        ]
    })
}
