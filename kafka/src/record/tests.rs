#![allow(clippy::unwrap_used)]

use event_log::{EventType, StreamName, StreamVersion};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::partition::StreamHash;

const CHANGED: EventType = EventType::new("crm_record.changed");

fn chain(event: &RecordedEvent) -> Chain {
    Chain {
        portion: StreamHash::of(&event.stream_name).portion(12),
        previous: GlobalPosition(event.global_position.0 - 1),
        log: EventId(Uuid::from_u128(7)),
    }
}

fn raw(record: &Record) -> Raw<'_> {
    Raw {
        key: Some(record.key.as_bytes()),
        value: Some(record.value.as_bytes()),
        headers: record.headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect(),
        partition: StreamHash::of_key(record.key.as_bytes()).portion(12).partition().try_into().unwrap(),
    }
}

fn event() -> RecordedEvent {
    RecordedEvent {
        global_position: GlobalPosition(52),
        id: EventId(Uuid::from_u128(1)),
        stream_name: StreamName::new("crm_record", "org-a-Contacts-52"),
        stream_version: StreamVersion(3),
        event_type: CHANGED,
        schema_version: 1,
        account: Some("org a".to_owned()),
        organization: None,
        source: "webhook".to_owned(),
        correlation_id: Uuid::from_u128(2),
        causation_id: None,
        occurred_at: None,
        received_at: None,
        recorded_at: DateTime::UNIX_EPOCH,
        data: r#"{"name":"Doe"}"#.to_owned(),
        metadata: r#"{"traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}"#.to_owned(),
        payload: None,
    }
}

fn header<'r>(record: &'r Record, name: &str) -> Option<&'r str> {
    record.headers.iter().find(|(found, _)| *found == name).map(|(_, value)| value.as_str())
}

fn any_time() -> impl Strategy<Value = DateTime<Utc>> {
    (0..4_102_444_800_000_000_i64).prop_map(|micros| DateTime::from_timestamp_micros(micros).unwrap())
}

prop_compose! {
    fn any_event()(
        numbers in (1..i64::MAX, 1..i64::MAX, 1..1000_i32),
        ids in (any::<u128>(), any::<u128>(), proptest::option::of(any::<u128>())),
        id in "\\PC{1,700}",
        texts in (proptest::option::of("\\PC{0,40}"), proptest::option::of("\\PC{0,40}"), "[a-z]{1,9}"),
        times in (proptest::option::of(any_time()), proptest::option::of(any_time()), any_time()),
        data in "\\PC{0,300}",
        metadata in "\\PC{0,30}",
    ) -> RecordedEvent {
        RecordedEvent {
            global_position: GlobalPosition(numbers.0),
            id: EventId(Uuid::from_u128(ids.0)),
            stream_name: StreamName::new("crm_record", id),
            stream_version: StreamVersion(numbers.1),
            event_type: CHANGED,
            schema_version: numbers.2,
            account: texts.0,
            organization: texts.1,
            source: texts.2,
            correlation_id: Uuid::from_u128(ids.1),
            causation_id: ids.2.map(|id| EventId(Uuid::from_u128(id))),
            occurred_at: times.0,
            received_at: times.1,
            recorded_at: times.2,
            data: serde_json::json!({"field": data}).to_string(),
            metadata: serde_json::json!({"header": metadata}).to_string(),
            payload: None,
        }
    }
}

proptest! {
    #[test]
    fn event_comes_back_equal_without_its_payload(event in any_event()) {
        let record = Record::of(&event, chain(&event));
        let arrived = Arrived::read(&raw(&record), |_| true).unwrap();
        prop_assert_eq!(arrived.chain, chain(&event));
        prop_assert_eq!(arrived.position, event.global_position);
        let Content::Event(back) = arrived.content else { panic!("it is wanted and whole") };
        prop_assert_eq!(format!("{back:?}"), format!("{event:?}"));
    }

    #[test]
    fn reference_carries_the_chain_and_stays_small(event in any_event()) {
        let record = Record::reference_to(&event, chain(&event));
        prop_assert!(record.size_bytes() < 4096, "{}", record.size_bytes());
        let arrived = Arrived::read(&raw(&record), |_| true).unwrap();
        prop_assert_eq!(arrived.chain, chain(&event));
        prop_assert!(matches!(arrived.content, Content::Reference(id) if id == event.id));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(
        headers in proptest::collection::vec((0..22_usize, proptest::collection::vec(any::<u8>(), 0..40)), 0..22),
        value in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let mut record = Record::of(&event(), chain(&event()));
        let mut raw = raw(&record);
        let garbage = headers.clone();
        for (at, bytes) in &garbage {
            if let Some(header) = raw.headers.get_mut(*at) {
                header.1 = bytes;
            }
        }
        raw.value = Some(&value);
        let _ = Arrived::read(&raw, |_| true);
        record.headers.clear();
    }
}

#[test]
fn attribute_names_are_lower_case_letters_and_digits_and_short() {
    for (name, _) in Record::of(&event(), chain(&event())).headers {
        let Some(attribute) = name.strip_prefix("ce_") else { continue };
        assert!(attribute.len() <= 20 && attribute.bytes().all(|byte| byte.is_ascii_lowercase()), "{name}");
    }
}

#[test]
fn source_is_a_uri_reference_and_trace_context_travels() {
    let record = Record::of(&event(), chain(&event()));
    assert_eq!(header(&record, "ce_source"), Some("/accounts/org%20a"));
    assert_eq!(header(&record, "ce_time"), Some("1970-01-01T00:00:00Z"));
    assert_eq!(header(&record, "content-type"), Some("application/json"));
    let context = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    assert_eq!(header(&record, "ce_traceparent"), Some(context));
    let nobodys = RecordedEvent { account: None, ..event() };
    assert_eq!(header(&Record::of(&nobodys, chain(&nobodys)), "ce_source"), Some("/gateledger"));
}

#[test]
fn unwanted_event_is_read_no_further_than_its_chain_needs() {
    let mut record = Record::of(&event(), chain(&event()));
    record.value = "not JSON".to_owned();
    let arrived = Arrived::read(&raw(&record), |_| false).unwrap();
    assert!(matches!(arrived.content, Content::Unwanted(event_type) if event_type == CHANGED));
}

#[test]
fn what_is_wrong_with_a_record_is_named() {
    let whole = Record::of(&event(), chain(&event()));
    let without = |name: &str| {
        let mut record = whole.clone();
        record.headers.retain(|(found, _)| *found != name);
        Arrived::read(&raw(&record), |_| true).unwrap_err()
    };
    for name in ["ce_specversion", "ce_id", "ce_type", "ce_subject", "ce_position", "ce_previous", "ce_log"] {
        assert_eq!(without(name).to_string(), format!("header {name} is missing"));
    }
    let with = |name: &str, value: &str| {
        let mut record = whole.clone();
        record.headers.iter_mut().find(|(found, _)| *found == name).unwrap().1 = value.to_owned();
        Arrived::read(&raw(&record), |_| true).unwrap_err().to_string()
    };
    assert_eq!(with("ce_id", "52"), "header ce_id is not a UUID");
    assert_eq!(with("ce_recordedat", "yesterday"), "header ce_recordedat is not an RFC 3339 time");
    assert_eq!(with("ce_previous", "52"), "header ce_previous is not before ce_position");
    assert_eq!(with("ce_partitions", "0"), "header ce_partitions is not a number of partitions");
    assert_eq!(with("ce_subject", "crm_record-other"), "the key is not the subject");
    let mut record = whole.clone();
    record.value = "{".to_owned();
    assert_eq!(Arrived::read(&raw(&record), |_| true).unwrap_err(), InvalidRecord::Value);
    let mut moved = raw(&whole);
    moved.partition += 1;
    assert!(matches!(Arrived::read(&moved, |_| true).unwrap_err(), InvalidRecord::WrongPartition { .. }));
}
