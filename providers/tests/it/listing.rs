use providers::error::{Error, ThrottleScope};
use providers::zoho::workdrive::ItemFilter;
use serde_json::{Value, json};

use crate::account::{client, client_with, granted, settings, store};
use crate::server::{Reply, Request, Server};

fn item(id: usize) -> Value {
    json!({"id": format!("f{id}"), "type": "files", "attributes": {"name": format!("n{id}"), "is_folder": false,
        "storage_info": {"size_in_bytes": id}, "modified_time_in_millisecond": "1768471600000"}})
}

fn cursor_page(ids: std::ops::Range<usize>, next: Option<&str>) -> Reply {
    let link = next.map(|next| format!("https://workdrive.zoho.eu/api/v1/files/d/files?page%5Bnext%5D={next}"));
    let items: Vec<Value> = ids.map(item).collect();
    Reply::json(200, &json!({"links": {"cursor": {"has_next": next.is_some(), "next": link}}, "data": items}))
}

#[tokio::test]
async fn cursors_are_followed_and_doubles_dropped() {
    let server = Server::start(granted(|request| match request.query("page[next]").as_deref() {
        Some("0") => cursor_page(0..3, Some("aa")),
        Some("aa") => cursor_page(2..5, Some("bb")),
        _ => cursor_page(0..0, Some("cc")),
    }))
    .await;
    let items = client(&server.url).workdrive().list("d", ItemFilter::All).await.unwrap();
    assert_eq!(items.iter().map(|item| item.id.as_str()).collect::<Vec<_>>(), ["f0", "f1", "f2", "f3", "f4"]);
    let requests = server.requests("/workdrive/api/v1/files/d/files");
    assert_eq!(requests.len(), 3, "the empty page ends the listing although it claims more");
    assert!(requests[0].target.contains("page%5Blimit%5D=1000"), "{}", requests[0].target);
    assert_eq!(requests[0].header("accept"), Some("application/vnd.api+json"));
    assert_eq!(requests[0].query("filter[type]").as_deref(), Some("all"));
}

fn offset_page(request: &Request) -> Reply {
    let start: usize = request.query("page[offset]").unwrap().parse().unwrap();
    let items: Vec<Value> = (start..70.min(start + 50)).map(item).collect();
    Reply::json(200, &json!({ "data": items }))
}

#[tokio::test]
async fn offsets_are_used_where_cursors_are_refused() {
    let server = Server::start(granted(|request| match request.query("page[next]") {
        Some(_) => Reply::json(400, &json!({"errors": [{"id": "R004", "title": "bad parameter"}]})),
        None => offset_page(request),
    }))
    .await;
    let items = client(&server.url).workdrive().list("d", ItemFilter::Files).await.unwrap();
    assert_eq!(items.len(), 70);
}

#[tokio::test]
async fn offsets_are_used_where_cursors_are_ignored() {
    let server = Server::start(granted(|request| match request.query("page[next]") {
        Some(_) => Reply::json(200, &json!({"data": (0..50).map(item).collect::<Vec<_>>()})),
        None => offset_page(request),
    }))
    .await;
    let items = client(&server.url).workdrive().list("d", ItemFilter::All).await.unwrap();
    assert_eq!(items.len(), 70);
}

#[tokio::test]
async fn a_folder_is_listed_eighteen_times_a_minute_and_its_pages_do_not_count() {
    let server = Server::start(granted(|request| match request.query("page[next]").as_deref() {
        Some("0") => cursor_page(0..1, Some("aa")),
        _ => cursor_page(1..2, None),
    }))
    .await;
    let client = client(&server.url);
    for _ in 0..18 {
        client.workdrive().list("hot", ItemFilter::All).await.unwrap();
    }
    let error = client.workdrive().list("hot", ItemFilter::All).await.unwrap_err();
    let Error::Throttled(throttled) = &error else { panic!("{error}") };
    assert_eq!(throttled.scope, ThrottleScope::Folder("hot".to_owned()));
    assert_eq!(server.count("/files/hot/files"), 36);
    client.workdrive().list("cold", ItemFilter::All).await.unwrap();
}

#[tokio::test]
async fn a_refused_listing_closes_that_folder_and_a_second_one_the_account() {
    let server = Server::start(granted(|request| {
        if request.path().contains("/files/open/") {
            return cursor_page(0..1, None);
        }
        let body = json!({"errors": [{"id": "F7008", "title": "Request rate limit exceeded"}]});
        Reply::json(429, &body).with("Retry-After: 300")
    }))
    .await;
    let client = client(&server.url);
    let scope = async |folder: &str| match client.workdrive().list(folder, ItemFilter::All).await {
        Err(Error::Throttled(throttled)) => Some(throttled.scope),
        Ok(_) => None,
        Err(error) => panic!("{error}"),
    };
    assert_eq!(scope("a").await, Some(ThrottleScope::Folder("a".to_owned())));
    assert_eq!(scope("a").await, Some(ThrottleScope::Folder("a".to_owned())));
    assert_eq!(scope("open").await, None);
    assert_eq!(scope("b").await, Some(ThrottleScope::Token));
    assert_eq!(scope("open").await, Some(ThrottleScope::Token));
    assert_eq!((server.count("/files/a/files"), server.count("/files/open/files")), (1, 1));
}

#[tokio::test]
async fn metadata_calls_are_spaced_by_the_budget() {
    let server = Server::start(granted(|_| cursor_page(0..1, None))).await;
    let mut settings = settings(&server.url);
    settings.limits.workdrive_metadata_per_second = 1.0;
    let client = client_with(settings, store());
    client.workdrive().list("a", ItemFilter::All).await.unwrap();
    let error = client.workdrive().list("b", ItemFilter::All).await.unwrap_err();
    assert!(matches!(error, Error::Throttled(_)), "one call a second, and nobody waits that long: {error}");
}
