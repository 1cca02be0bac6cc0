use chrono::DateTime;
use providers::error::Error;
use providers::zoho::crm::{ApiName, PendingQuery, RecordId, UpdateOptions, Watch, WatchEvent};
use serde_json::{Map, Value, json};

use crate::account::{client, granted};
use crate::server::{Reply, Request, Server};

fn name(text: &str) -> ApiName {
    text.parse().unwrap()
}

fn id(text: &str) -> RecordId {
    text.parse().unwrap()
}

fn pending() -> PendingQuery {
    PendingQuery {
        module: name("Deals"),
        checkbox_field: name("Docs_Moved"),
        folder_field: name("Docs_Folder"),
        extra_fields: vec![name("Deal_Name")],
    }
}

/// Five rows of which two do not match, two on a page.
fn coql(request: &Request) -> Reply {
    let query = request.json()["select_query"].as_str().unwrap().to_owned();
    let after = query.split("id > '").nth(1).map_or(0, |rest| rest[..1].parse().unwrap());
    let row = |number: usize| {
        json!({"id": number.to_string(), "Docs_Moved": number == 3, "Docs_Folder": if number == 4 { " " } else { "A" },
            "Modified_Time": "2026-01-15T10:02:11+05:30"})
    };
    let rows: Vec<Value> = (after + 1..=5).take(2).map(row).collect();
    if rows.is_empty() {
        return Reply::text(204, "");
    }
    Reply::json(200, &json!({"data": rows, "info": {"count": rows.len(), "more_records": after + 2 < 5}}))
}

#[tokio::test]
async fn pending_records_are_walked_by_id_and_checked_again() {
    let server = Server::start(granted(coql)).await;
    let client = client(&server.url);
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = client.crm().pending(&pending(), after.as_ref(), 2).await.unwrap();
        found.extend(page.records.into_iter().map(|record| record.id.to_string()));
        after = page.last;
        if !page.more {
            break;
        }
    }
    assert_eq!(found, ["1", "2", "5"]);
    assert_eq!(server.count("/api/crm/v8/coql"), 3);
}

#[tokio::test]
async fn no_pending_records_is_status_204_and_no_error() {
    let server = Server::start(granted(|_| Reply::text(204, ""))).await;
    let page = client(&server.url).crm().pending(&pending(), None, 200).await.unwrap();
    assert!(page.records.is_empty() && page.last.is_none() && !page.more);
}

#[tokio::test]
async fn a_missing_record_is_none_in_all_its_forms() {
    let in_path = json!({"code": "INVALID_DATA", "details": {"resource_path_index": 1}, "status": "error"});
    for reply in [Reply::text(204, ""), Reply::text(404, ""), Reply::json(400, &in_path)] {
        let server = Server::start(granted(move |_| reply.clone())).await;
        let found = client(&server.url).crm().record(&name("Deals"), &id("52"), &[name("Docs_Moved")]).await;
        assert_eq!(found.unwrap(), None);
        assert_eq!(server.requests("/Deals/52")[0].query("fields").as_deref(), Some("id,Docs_Moved,Modified_Time"));
    }
}

#[tokio::test]
async fn records_come_in_the_order_asked_for_and_in_chunks() {
    let server = Server::start(granted(|request| {
        let ids = request.query("ids").unwrap();
        let mut rows: Vec<Value> = ids.split(',').map(|id| json!({"id": id})).collect();
        rows.retain(|row| row["id"] != "7");
        rows.reverse();
        Reply::json(200, &json!({"data": rows, "info": {"more_records": false}}))
    }))
    .await;
    let ids: Vec<RecordId> = (1..=150).map(|number| id(&number.to_string())).collect();
    let records = client(&server.url).crm().records(&name("Deals"), &ids, &[name("Docs_Moved")]).await.unwrap();
    let found: Vec<&str> = records.iter().map(|record| record.id.as_str()).collect();
    let wanted: Vec<&str> = ids.iter().map(RecordId::as_str).filter(|id| *id != "7").collect();
    assert_eq!(found, wanted);
    assert_eq!(server.count("/Deals"), 2);
}

#[tokio::test]
async fn an_update_sends_absolute_values_without_automation_and_reads_its_own_result() {
    let server = Server::start(granted(|_| {
        let details = json!({"Modified_Time": "2026-01-15T10:05:00+00:00", "id": "52"});
        Reply::json(202, &json!({"data": [{"code": "SUCCESS", "details": details, "status": "success"}]}))
    }))
    .await;
    let fields = Map::from_iter([("Docs_Moved".to_owned(), Value::Bool(true))]);
    let client = client(&server.url);
    let updated = client.crm().update(&name("Deals"), &id("52"), fields, UpdateOptions::default()).await.unwrap();
    assert_eq!(updated.modified_time, DateTime::from_timestamp(1_768_471_500, 0));
    let request = &server.requests("/Deals/52")[0];
    assert_eq!(request.method, "PUT");
    assert_eq!(request.json(), json!({"data": [{"id": "52", "Docs_Moved": true}], "trigger": []}));
}

#[tokio::test]
async fn an_unknown_field_is_named_by_the_check() {
    let server = Server::start(granted(|_| {
        let details = json!({"column_name": "Nope", "reason": "x"});
        Reply::json(400, &json!({"code": "INVALID_QUERY", "details": details, "message": "x", "status": "error"}))
    }))
    .await;
    let error = client(&server.url).crm().check_fields(&name("Deals"), &[name("Nope")]).await.unwrap_err();
    assert!(matches!(&error, Error::Rejected { field: Some(field), .. } if field == "Nope"), "{error}");
}

fn watch() -> Watch {
    Watch {
        channel_id: "1000000068001".to_owned(),
        module: name("Deals"),
        events: vec![WatchEvent::Create, WatchEvent::Edit],
        expiry: "2026-01-21T10:00:00.123Z".parse().unwrap(),
        token: "k8-opaque".into(),
        notify_url: "https://gw.example.com/webhooks/org-a".parse().unwrap(),
    }
}

fn watched(expiry: &str) -> Reply {
    let event = json!({"channel_expiry": expiry, "resource_name": "Deals", "channel_id": "1000000068001"});
    Reply::json(201, &json!({"watch": [{"code": "SUCCESS", "details": {"events": [event]}, "status": "success"}]}))
}

#[tokio::test]
async fn a_watch_ends_when_the_answer_says_so_and_not_when_asked_for() {
    let server = Server::start(granted(|_| watched("2026-01-15T12:00:00+01:00"))).await;
    let client = client(&server.url);
    for created in [client.crm().watch_create(&watch()).await, client.crm().watch_extend(&watch()).await] {
        assert_eq!(created.unwrap().expiry.to_rfc3339(), "2026-01-15T11:00:00+00:00");
    }
    let requests = server.requests("/actions/watch");
    assert_eq!([requests[0].method.as_str(), requests[1].method.as_str()], ["POST", "PATCH"]);
    assert_eq!(
        requests[0].json(),
        json!({"watch": [{"channel_id": "1000000068001", "events": ["Deals.create", "Deals.edit"],
            "channel_expiry": "2026-01-21T10:00:00+00:00", "token": "k8-opaque",
            "notify_url": "https://gw.example.com/webhooks/org-a"}]})
    );
}

#[tokio::test]
async fn a_watch_that_cannot_work_is_refused_before_asking() {
    let server = Server::start(granted(|_| Reply::Cut)).await;
    let client = client(&server.url);
    let long_token = Watch { token: "x".repeat(51).into(), ..watch() };
    let bad_id = Watch { channel_id: "a,b".to_owned(), ..watch() };
    for watch in [long_token, bad_id] {
        assert!(matches!(client.crm().watch_create(&watch).await, Err(Error::Rejected { .. })));
    }
    assert_eq!(server.count("/actions/watch"), 0);
}

#[tokio::test]
async fn channels_are_listed_over_pages_and_an_empty_list_is_204() {
    let server = Server::start(granted(|request| match request.query("page").as_deref() {
        Some("1") => Reply::json(
            200,
            &json!({"watch": [{"channel_id": 1_000_000_068_001_i64, "resource_name": "Deals",
            "events": ["Deals.edit"], "channel_expiry": "2026-01-21T10:00:00+00:00", "notify_url": "https://x"}],
            "info": {"more_records": true}}),
        ),
        _ => Reply::text(204, ""),
    }))
    .await;
    let channels = client(&server.url).crm().watch_list(None, Some(&name("Deals"))).await.unwrap();
    assert_eq!(channels.len(), 1);
    assert_eq!(channels[0].channel_id, "1000000068001");
    assert_eq!(server.count("/actions/watch"), 2);
}

#[tokio::test]
async fn ending_a_channel_that_is_gone_is_done() {
    let gone = json!({"code": "NOT_SUBSCRIBED", "details": {}, "message": "x", "status": "error"});
    let replies = [Reply::json(400, &gone), Reply::json(207, &json!({ "watch": [gone] })), Reply::text(204, "")];
    for reply in replies {
        let server = Server::start(granted(move |_| reply.clone())).await;
        client(&server.url).crm().watch_delete(&["1".to_owned(), "2".to_owned()]).await.unwrap();
        assert_eq!(server.requests("/actions/watch")[0].query("channel_ids").as_deref(), Some("1,2"));
    }
}
