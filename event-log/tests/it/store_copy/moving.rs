//! What arrives is what left.

use event_log::store_copy::State;
use event_log::{Append, GlobalPosition, sightings};
use serde_json::{Value, json};

use super::{Move, delivery};
use crate::fixture::{CHANGED, Fixture, append, change, everything, stream, with_payload};

/// Rows for tables that the log itself does not write, with values that are hard to get right.
const OTHER_ROWS: &str = "
    INSERT INTO rm_records VALUES ('org-a', 'Contacts', 'ü', '2026-11-21T08:00:00.123456789+00:00',
        '{\"z\":1,\"a\":[1.50,1e2,\"\\u0000\"],\"big\":123456789012345678901234567890}', 1, 3, 'poll', '1969-12-31T23:59:59.5Z', 1);
    INSERT INTO rm_records VALUES ('org-a', 'Contacts', 'a, b', NULL, 'null', 0, 0, '', '2026-11-21T08:00:00+02:00', 2);
    INSERT INTO registrations VALUES ('r', 'org-a', 'k', 't', 'https://x', x'00ff', 'active', NULL,
        '2026-11-21T08:00:00+00:00', NULL, NULL, NULL, NULL, 'tab	and ''quote'' and \\ and ' || char(0) || '!');
    INSERT INTO oauth_tokens VALUES ('org-a', 'key', x'', '2026-11-21T08:00:00+00:00', '2026-11-21T08:00:00+00:00');
    INSERT INTO checkpoints VALUES ('transfer', 4, '2026-11-21T08:00:00+00:00');
    INSERT INTO leases VALUES ('relay', 'somebody', '2999-01-01T00:00:00+00:00');
    INSERT INTO rm_totals VALUES ('', 'events', -9223372036854775808), ('org', 'events', 9223372036854775807);
    CREATE TABLE rm_records__next (a TEXT);
    INSERT INTO rejected_deliveries VALUES (7, x'00112233445566778899aabbccddeeff', '2026-11-21T08:00:00+00:00', 'x', 'c', 401,
        '{}', x'0a', 1)";

#[tokio::test]
async fn copied_store_reads_the_same_and_goes_on_where_it_was() {
    let store = Move { from: Fixture::sqlite().await, to: Fixture::postgres().await };
    let log = store.from.log().await;
    let data = json!({ "text": "a\u{0}b", "nested": { "ß": [null, true, -1.5e-9, 18_446_744_073_709_551_615_u64] } });
    let odd = with_payload(delivery(&data), vec![0_u8, 1, 0xff]);
    log.append(Append::new(stream("1"), vec![odd])).await.unwrap();
    for name in ["one", "two"] {
        log.append(append("1", change(name))).await.unwrap();
    }
    log.append(append("2", with_payload(change("three"), ""))).await.unwrap();
    log.append(append("2", change("one"))).await.unwrap();
    log.close().await;
    store.change_file(OTHER_ROWS).await;

    let report = store.run_to_the_end().await;
    assert_eq!(report.tables[0].table, "events");
    assert!(
        report.tables.iter().all(|table| table.equal == Some(true) && table.target_rows == Some(table.source_rows))
    );
    assert_eq!(report.copied_rows, report.tables.iter().map(|table| table.source_rows).sum::<u64>());
    assert_eq!(report.compared_rows, report.copied_rows);
    assert_eq!(report.replaced_zero_keys, ["events 1", "registrations r", "rm_records org-a, Contacts, ü"]);
    assert_eq!(report.left_out, ["rm_records__next"]);
    let order = report.order.unwrap();
    assert_eq!((order.target.first_position, order.target.last_position, order.target.streams), (1, 4, 2));
    assert_eq!((order.target.missing_positions, order.target.streams_with_gaps), (0, 0));
    let payloads = report.payloads.unwrap();
    assert_eq!((payloads.source.events, payloads.source.bytes), (2, 3));
    assert_eq!(payloads.source, payloads.target);

    let (here, there) = (store.from.log().await, store.to.log().await);
    let (before, after) = (everything(&here).await, everything(&there).await);
    assert_eq!(before.len(), after.len());
    for (one, other) in before.iter().zip(&after) {
        let mut one = one.clone();
        one.data = one.data.replace("\\u0000", "\\ufffd");
        let meaning = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!((meaning(&one.data), meaning(&one.metadata)), (meaning(&other.data), meaning(&other.metadata)));
        one.data.clone_from(&other.data);
        one.metadata.clone_from(&other.metadata);
        assert_eq!(format!("{one:?}"), format!("{other:?}"));
        let payload = |event: Option<event_log::RecordedEvent>| event.unwrap().payload;
        let position = one.global_position;
        assert_eq!(payload(here.event_at(position).await.unwrap()), payload(there.event_at(position).await.unwrap()));
    }

    // A change that the file knew is known, and its sighting gets the next number.
    let again = there.append(append("1", change("three"))).await.unwrap();
    assert!(again.outcomes[0].is_duplicate());
    assert_eq!(sightings(there.database().readers(), before[3].id).await.unwrap().len(), 1);
    let next = there.append(append("2", change("four"))).await.unwrap();
    assert!(matches!(
        next.outcomes[0],
        event_log::EventOutcome::Recorded { position: GlobalPosition(5), version } if version.0 == 2
    ));
    assert_eq!(everything(&there).await[4].event_type, CHANGED);
}

#[tokio::test]
async fn values_arrive_in_the_types_of_the_database() {
    let store = Move::of(&[1]).await;
    store.change_file(OTHER_ROWS).await;
    store.run_to_the_end().await;
    let text = async |query: &str| store.text(query).await;
    let of_record = |what: &str| format!("SELECT ({what})::text FROM rm_records WHERE record_id = 'ü'");
    assert_eq!(text(&of_record("modified_time")).await, "2026-11-21 08:00:00.123456+00");
    assert_eq!(text(&of_record("updated_at")).await, "1969-12-31 23:59:59.5+00");
    assert_eq!(text(&of_record("deleted")).await, "true");
    assert_eq!(text(&of_record("fields->'a'->>2")).await, "\u{fffd}");
    assert_eq!(text(&of_record("fields->>'big'")).await, "123456789012345678901234567890");
    assert_eq!(text("SELECT encode(token_hash, 'hex') FROM registrations").await, "00ff");
    assert_eq!(text("SELECT error FROM registrations").await, "tab\tand 'quote' and \\ and \u{fffd}!");
    assert_eq!(text("SELECT min(value)::text FROM rm_totals").await, "-9223372036854775808");
    assert_eq!(text("SELECT request_id::text FROM rejected_deliveries").await, "00112233-4455-6677-8899-aabbccddeeff");
    assert_eq!(text("SELECT count(*)::text FROM leases").await, "0", "claims of other processes mean nothing there");
    let number = "INSERT INTO rejected_deliveries (request_id, received_at, account, cause, http_status, metadata, \
                  body_prefix, body_bytes) SELECT request_id, now(), '', '', 1, '{}', '', 1 FROM rejected_deliveries \
                  RETURNING rejected_id::text";
    assert_eq!(text(number).await, "8", "numbers go on after the highest");
    let number = "INSERT INTO sightings (event_id, seen_at, source) VALUES (gen_random_uuid(), now(), '') RETURNING sighting_id::text";
    assert_eq!(text(number).await, "1", "numbers begin where there are none");
}

#[tokio::test]
async fn store_without_a_single_row_is_a_store() {
    let store = Move::of(&[]).await;
    let report = store.run_to_the_end().await;
    assert_eq!(report.copied_rows, 0);
    assert_eq!(store.verify().await.unwrap().state, State::Complete);
    store.to.log().await.append(append("1", change("one"))).await.unwrap();
}

#[tokio::test]
async fn running_it_again_compares_again() {
    let store = Move::of(&[10, 20]).await;
    assert!(store.run_to_the_end().await.copied_rows >= 2);
    assert_eq!(store.run_to_the_end().await.copied_rows, 0);
}

#[tokio::test]
async fn every_difference_is_named_with_table_and_key() {
    let store = Move::of(&[10, 20, 30, 40]).await;
    store.change_file(OTHER_ROWS).await;
    store.run_to_the_end().await;
    store
        .change_database(
            "ALTER TABLE events DISABLE TRIGGER ALL;
             UPDATE events SET payload = 'x' WHERE global_position = 2;
             UPDATE events SET data = '{\"field\": \"valuE\"}', recorded_at = recorded_at + interval '1 microsecond' \
                WHERE global_position = 3;
             DELETE FROM events WHERE global_position = 1;
             DELETE FROM rm_totals WHERE organization = '';
             INSERT INTO rm_totals VALUES ('new', 'events', 1);
             UPDATE rm_records SET deleted = NULL, fields = '{}' WHERE false;
             UPDATE rm_records SET modified_time = now() WHERE record_id = 'a, b'",
        )
        .await;
    let report = store.verify().await.unwrap();
    assert_eq!(report.state, State::Different);
    let mut found: Vec<String> =
        report.differences.iter().map(|one| format!("{} {}: {}", one.table, one.key, one.what)).collect();
    found.sort();
    assert_eq!(
        found,
        [
            "events 1: is missing in the database",
            "events 2: differs in payload",
            "events 3: differs in recorded_at, data",
            "rm_records org-a, Contacts, a, b: differs in modified_time",
            "rm_totals , events: is missing in the database",
            "rm_totals new, events: is not in the file",
        ]
    );
    assert_eq!(report.different_rows, 6);
    let payloads = report.payloads.unwrap();
    assert_ne!(payloads.source.sha256, payloads.target.sha256);
    let order = report.order.unwrap();
    assert_eq!((order.source.first_position, order.target.first_position), (1, 2));
    let differing: Vec<&str> =
        report.tables.iter().filter(|one| one.equal != Some(true)).map(|one| one.table.as_str()).collect();
    assert_eq!(differing, ["events", "rm_records", "rm_totals"]);
}
