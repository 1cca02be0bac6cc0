//! What syncs ask of mappings and note about them.

use chrono::{DateTime, Utc};
use event_log::Log;
use mappings::Error;
use mappings::channel::{
    Change, Mapping, State, SyncResult, configure, get, pause, resume, set_sync_result, sync_list, unmap,
};
use testkit::on_both_databases;
use testkit::store::Backend;
use uuid::Uuid;

use crate::office::{Office, ada, request, told};

on_both_databases! {
    #[tokio::test]
    a_failed_sync_shows_until_one_completes,
    the_newest_message_is_never_replaced_by_an_older_one,
    a_mapping_in_error_stays_so_whatever_is_decided_but_pausing,
    syncs_bring_back_neither_paused_nor_ended_mappings,
    the_sync_list_holds_what_is_neither_paused_nor_ended,
}

async fn note(log: &Log, id: Uuid, result: SyncResult) -> bool {
    log.write::<_, Error, _>(move |unit| Box::pin(async move { set_sync_result(unit, id, &result).await }))
        .await
        .unwrap()
}

async fn read(log: &Log, id: Uuid) -> Mapping {
    get(log.database().readers(), None, id).await.unwrap()
}

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn failed() -> SyncResult {
    SyncResult::Failed { error: "the chat is gone".to_owned() }
}

fn completed(at: &str, last_message_at: Option<&str>) -> SyncResult {
    SyncResult::Completed { at: time(at), last_message_at: last_message_at.map(time) }
}

async fn a_failed_sync_shows_until_one_completes(on: Backend) {
    let office = Office::new(on).await;
    let log = office.start().await;
    let made = office.map(&log, &request(1, "acme")).await;
    let id = made.mapping_id;
    assert!(note(&log, id, completed("2026-06-01T13:00:00Z", None)).await);
    assert!(note(&log, id, failed()).await);
    let shown = read(&log, id).await;
    assert_eq!((shown.state, shown.last_error.as_deref()), (State::Error, Some("the chat is gone")));
    assert_eq!(shown.last_sync_at, Some(time("2026-06-01T13:00:00Z")), "the last one that completed");
    assert!(note(&log, id, completed("2026-06-01T14:00:00Z", None)).await);
    let shown = read(&log, id).await;
    let expected = Mapping { last_sync_at: Some(time("2026-06-01T14:00:00Z")), ..made };
    assert_eq!(shown, expected);
    assert_eq!(told(&log, 1).await, ["channel.mapped"]);
}

async fn the_newest_message_is_never_replaced_by_an_older_one(on: Backend) {
    let office = Office::new(on).await;
    let log = office.start().await;
    let id = office.map(&log, &request(1, "acme")).await.mapping_id;
    for (found, newest) in [
        (None, None),
        (Some("2026-06-01T10:00:00Z"), Some("2026-06-01T10:00:00Z")),
        (None, Some("2026-06-01T10:00:00Z")),
        (Some("2026-06-01T10:00:00.125Z"), Some("2026-06-01T10:00:00.125Z")),
        (Some("2026-06-01T10:00:00Z"), Some("2026-06-01T10:00:00.125Z")),
        (Some("2026-06-01T09:59:59.999Z"), Some("2026-06-01T10:00:00.125Z")),
        (Some("2026-06-01T10:00:01Z"), Some("2026-06-01T10:00:01Z")),
    ] {
        note(&log, id, completed("2026-06-01T12:00:00Z", found)).await;
        assert_eq!(read(&log, id).await.last_message_at, newest.map(time), "{found:?}");
    }
}

async fn a_mapping_in_error_stays_so_whatever_is_decided_but_pausing(on: Backend) {
    let office = Office::new(on).await;
    let log = office.start().await;
    let id = office.map(&log, &request(1, "acme")).await.mapping_id;
    note(&log, id, failed()).await;
    let change = Change { threads: Some(false), ..Change::default() };
    assert_eq!(configure(&log, &ada(), id, &change).await.unwrap().state, State::Error);
    assert_eq!(resume(&log, &ada(), id).await.unwrap().state, State::Error, "it was not paused");
    let paused = pause(&log, &ada(), id, "").await.unwrap();
    assert_eq!((paused.state, paused.last_error.is_some()), (State::Paused, true));
    let resumed = resume(&log, &ada(), id).await.unwrap();
    assert_eq!((resumed.state, resumed.last_error), (State::Active, None));
}

async fn syncs_bring_back_neither_paused_nor_ended_mappings(on: Backend) {
    let office = Office::new(on).await;
    let log = office.start().await;
    let id = office.map(&log, &request(1, "acme")).await.mapping_id;
    pause(&log, &ada(), id, "").await.unwrap();
    for result in [failed(), completed("2026-06-01T13:00:00Z", None)] {
        assert!(note(&log, id, result).await, "what is known is kept");
        assert_eq!(read(&log, id).await.state, State::Paused);
    }
    let ended = unmap(&log, &ada(), id, "").await.unwrap();
    for result in [failed(), completed("2026-06-01T14:00:00Z", None)] {
        assert!(!note(&log, id, result).await);
    }
    assert_eq!(read(&log, id).await, ended);
    assert!(!note(&log, Uuid::now_v7(), failed()).await);
}

async fn the_sync_list_holds_what_is_neither_paused_nor_ended(on: Backend) {
    let office = Office::new(on).await;
    let log = office.start().await;
    let mut ids = Vec::new();
    for channel in 1..=4 {
        ids.push(office.map(&log, &request(channel, "acme")).await.mapping_id);
    }
    note(&log, ids[1], failed()).await;
    pause(&log, &ada(), ids[2], "").await.unwrap();
    unmap(&log, &ada(), ids[3], "").await.unwrap();
    let listed = sync_list(log.database().readers()).await.unwrap();
    assert_eq!(listed.iter().map(|mapping| mapping.mapping_id).collect::<Vec<_>>(), ids[..2]);
}
