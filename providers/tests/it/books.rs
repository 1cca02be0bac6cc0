use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use providers::budget::{Budget, Limits, MemoryBudget};
use providers::clock::Clock;
use providers::error::{Error, Outcome, ThrottleScope};
use providers::zoho::Client;
use providers::zoho::books::{Id, UserStatus};
use serde_json::{Value, json};

use crate::account::{client, client_with, granted, quick_timeouts, settings, store};
use crate::server::{Reply, Request, Server};

fn id(text: &str) -> Id {
    text.parse().unwrap()
}

fn list(key: &str, rows: &[Value], more: bool) -> Reply {
    let page_context = json!({"page": 1, "per_page": 200, "has_more_page": more});
    Reply::json(200, &json!({"code": 0, "message": "success", key: rows, "page_context": page_context}))
}

fn page_of(request: &Request) -> usize {
    request.query("page").unwrap().parse().unwrap()
}

/// As Zoho writes them: an offset without a colon.
fn modified(minute: i64) -> String {
    let time = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::minutes(minute);
    time.with_timezone(&chrono::FixedOffset::west_opt(7 * 3600).unwrap()).format("%Y-%m-%dT%H:%M:%S%z").to_string()
}

#[tokio::test]
async fn every_user_in_every_state_is_read_over_pages() {
    let server = Server::start(granted(|request| {
        let states = ["active", "inactive", "invited", "deleted"];
        let user = |number: usize| json!({"user_id": number.to_string(), "name": "x", "status": states[number % 4]});
        let page = page_of(request);
        // The last user of a page is repeated on the next: somebody was added meanwhile.
        let rows: Vec<Value> = ((page - 1) * 199..(page - 1) * 199 + 200).map(user).take(200).collect();
        list("users", &rows, page < 3)
    }))
    .await;
    let client = client(&server.url);
    let users = client.books().organization(id("640")).users().await.unwrap();
    assert_eq!(users.len(), 598);
    assert!(users.iter().any(|user| user.status == UserStatus::Deleted));
    let requests = server.requests("/api/books/v3/users");
    assert_eq!(requests.len(), 3);
    for (name, value) in [("organization_id", "640"), ("filter_by", "Status.All"), ("per_page", "200")] {
        assert!(requests.iter().all(|request| request.query(name).as_deref() == Some(value)), "{name}");
    }
}

#[tokio::test]
async fn organizations_are_listed_without_naming_one() {
    let row = json!({"organization_id": "640", "name": "Acme"});
    let server = Server::start(granted(move |_| list("organizations", std::slice::from_ref(&row), false))).await;
    let found = client(&server.url).books().organizations().await.unwrap();
    assert_eq!((found[0].id.as_str(), found[0].name.as_str()), ("640", "Acme"));
    assert_eq!(server.requests("/organizations")[0].query("organization_id"), None);
}

#[tokio::test]
async fn a_full_read_goes_by_creation_and_hides_nobody() {
    let server = Server::start(granted(|request| {
        let page = page_of(request);
        let rows: Vec<Value> = (0..200).map(|row| json!({"contact_id": page * 1000 + row, "owner_id": ""})).collect();
        list("contacts", &rows, page < 3)
    }))
    .await;
    let client = client(&server.url);
    let contacts = client.books().organization(id("640")).contacts().all().await.unwrap();
    assert_eq!(contacts.len(), 600);
    for request in server.requests("/contacts") {
        assert_eq!(request.query("sort_column").as_deref(), Some("created_time"));
        assert_eq!(request.query("sort_order").as_deref(), Some("A"));
        assert_eq!(request.query("filter_by").as_deref(), Some("Status.All"));
    }
}

#[tokio::test]
async fn an_incremental_read_ends_at_its_watermark_and_repeats_nobody() {
    let server = Server::start(granted(|request| {
        let page = i64::try_from(page_of(request)).unwrap();
        // Newest first, and the last of a page again as the first of the next.
        let rows: Vec<Value> = ((page - 1) * 199..(page - 1) * 199 + 200)
            .map(|row| json!({"contact_id": row, "last_modified_time": modified(10_000 - row)}))
            .collect();
        list("contacts", &rows, true)
    }))
    .await;
    let client = client(&server.url);
    let watermark = DateTime::UNIX_EPOCH + TimeDelta::minutes(10_000 - 250);
    let organization = client.books().organization(id("640"));
    let walk = organization.contacts_modified_since(watermark, TimeDelta::minutes(5));
    let contacts = walk.all().await.unwrap();
    assert_eq!(contacts.len(), 256);
    assert_eq!(contacts.last().unwrap().last_modified_time, Some(watermark - TimeDelta::minutes(5)));
    assert_eq!(server.count("/contacts"), 2);
}

#[tokio::test]
async fn a_walk_goes_on_after_an_error_where_it_was() {
    let calls = AtomicUsize::new(0);
    let server = Server::start(granted(move |request| match calls.fetch_add(1, Ordering::SeqCst) {
        1 => Reply::json(400, &json!({"code": 4, "message": "Invalid value"})),
        _ => list("contacts", &[json!({"contact_id": page_of(request)})], page_of(request) < 3),
    }))
    .await;
    let client = client(&server.url);
    let mut walk = client.books().organization(id("640")).contacts();
    assert_eq!(walk.next().await.unwrap().unwrap().len(), 1);
    assert!(walk.next().await.is_err());
    assert_eq!(walk.next().await.unwrap().unwrap()[0].id.as_str(), "2");
    assert_eq!(walk.next().await.unwrap().unwrap()[0].id.as_str(), "3");
    assert!(walk.next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_list_that_never_ends_is_unreadable() {
    let server = Server::start(granted(|_| list("contacts", &[json!({"contact_id": 1})], true))).await;
    let error = client(&server.url).books().organization(id("640")).contacts().all().await.unwrap_err();
    assert!(matches!(error, Error::Unreadable { .. }), "{error}");
}

#[tokio::test]
async fn a_contact_that_is_gone_is_none_under_any_status() {
    for status in [200, 400, 404] {
        let body = json!({"code": 1002, "message": "Contact does not exist."});
        let server = Server::start(granted(move |_| Reply::json(status, &body))).await;
        let client = client(&server.url);
        assert_eq!(client.books().organization(id("640")).contact(&id("460")).await.unwrap(), None);
    }
}

#[tokio::test]
async fn an_owner_is_set_by_one_absolute_value() {
    let server = Server::start(granted(|_| {
        Reply::json(200, &json!({"code": 0, "contact": {"contact_id": "460", "owner_id": "24003"}}))
    }))
    .await;
    let client = client(&server.url);
    let contact = client.books().organization(id("640")).update_owner(&id("460"), &id("24003")).await.unwrap();
    assert_eq!(contact.unwrap().owner_id, Some(id("24003")));
    let request = &server.requests("/contacts/460")[0];
    assert_eq!((request.method.as_str(), request.json()), ("PUT", json!({"owner_id": "24003"})));
    assert_eq!(request.query("organization_id").as_deref(), Some("640"));
}

#[tokio::test]
async fn a_failed_update_says_whether_it_may_have_happened() {
    let refused = json!({"code": 4, "message": "Invalid value passed for owner_id"});
    for (reply, outcome) in [
        (Reply::json(400, &refused), Outcome::NotDone),
        (Reply::json(200, &refused), Outcome::NotDone),
        (Reply::json(200, &json!({"code": 1000, "message": "x"})), Outcome::Unknown),
        (Reply::text(502, "<html></html>"), Outcome::Unknown),
        (Reply::Hang, Outcome::Unknown),
    ] {
        let server = Server::start(granted(move |_| reply.clone())).await;
        let mut settings = settings(&server.url);
        settings.timeouts = quick_timeouts();
        let client = client_with(settings, store());
        let error = client.books().organization(id("640")).update_owner(&id("460"), &id("1")).await.unwrap_err();
        assert_eq!((error.outcome(), server.count("/contacts/460")), (outcome, 1), "{error}");
    }
}

#[tokio::test]
async fn a_block_of_the_organization_is_waited_out_and_nothing_is_asked_meanwhile() {
    let body = json!({"code": 43, "message": "For security reasons you have been blocked for some time"});
    let server = Server::start(granted(move |_| Reply::json(429, &body).with("Retry-After: 3600"))).await;
    let client = client(&server.url);
    let organization = client.books().organization(id("640"));
    let before = Clock::system().now();
    for _ in 0..2 {
        let Error::Throttled(throttled) = organization.contact(&id("1")).await.unwrap_err() else { panic!() };
        assert_eq!(throttled.scope, ThrottleScope::Organization);
        let minutes = (throttled.until - before).num_minutes();
        assert_eq!(minutes, 60);
    }
    assert!(matches!(client.books().organizations().await, Err(Error::Throttled(_))));
    assert_eq!(server.count("/contacts/1"), 1);
}

#[tokio::test]
async fn a_denial_that_may_be_the_token_costs_one_refresh_and_not_one_a_call() {
    let body = json!({"code": 57, "message": "You are not authorized to perform this operation"});
    let server = Server::start(granted(move |_| Reply::json(401, &body))).await;
    let client = client(&server.url);
    for _ in 0..5 {
        let error = client.books().organization(id("640")).users().await.unwrap_err();
        assert!(matches!(&error, Error::Denied { code, .. } if code == "57"), "{error}");
        assert!(error.to_string().contains("ZohoBooks.settings.READ"), "{error}");
    }
    assert_eq!(server.count("/oauth/v2/token"), 2);
}

#[tokio::test]
async fn no_more_calls_than_the_limit_reach_the_provider_in_a_minute() {
    // A clock that only the test moves: a permit that is further away than now is refused at once.
    let now = std::sync::Arc::new(Mutex::new(DateTime::<Utc>::UNIX_EPOCH));
    let reader = std::sync::Arc::clone(&now);
    let clock = Clock::new(move || *reader.lock().unwrap());
    let budget = MemoryBudget::new(clock, Duration::ZERO);
    let lane = Limits::default().books();
    let (mut granted, mut moments) = (0, Vec::new());
    for second in 0..600 {
        *now.lock().unwrap() = DateTime::UNIX_EPOCH + TimeDelta::seconds(second);
        while budget.acquire(&lane).await.is_ok() {
            granted += 1;
            moments.push(second);
        }
    }
    let busiest = moments.iter().map(|first| moments.iter().filter(|at| (*first..first + 60).contains(*at)).count());
    assert!(busiest.max().unwrap() <= 30 && granted > 240, "{granted}");
}

#[tokio::test]
async fn a_client_can_be_sent_to_other_tasks() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    let server = Server::start(granted(|_| list("users", &[], false))).await;
    let client: Client = client(&server.url);
    assert!(is_send(client.books().organization(id("640")).users()).await.unwrap().is_empty());
}
