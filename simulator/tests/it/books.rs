//! Books: lists, owners, limits and signed webhooks.

use std::time::Duration;

use reqwest::{Method, Response, StatusCode};
use serde_json::json;
use simulator::control::{BooksContactChange, BooksUserChange};
use simulator::seed::constants::BOOKS_ORGANIZATION_ID;
use simulator::seed::{BooksContactSeed, BooksGeneratedSeed, BooksUserSeed, BooksUserStatus};
use simulator::{BooksOptions, Fault, FaultRule, Seed};

use crate::fixture::{Fixture, json_of};

async fn get(fixture: &Fixture, path: &str, query: &[(&str, &str)]) -> Response {
    let request = fixture.a(Method::GET, &format!("/api/books/v3{path}"));
    request.query(&[("organization_id", BOOKS_ORGANIZATION_ID)]).query(query).send().await.unwrap()
}

async fn names(fixture: &Fixture, query: &[(&str, &str)]) -> Vec<String> {
    let answer = json_of(get(fixture, "/contacts", query).await).await;
    assert_eq!(answer["code"], 0, "{answer}");
    let rows = answer["contacts"].as_array().unwrap();
    rows.iter().map(|row| row["contact_name"].as_str().unwrap().to_owned()).collect()
}

/// Tokens that outlive what the clock is moved by.
async fn long_lived() -> Fixture {
    let mut seed = crate::fixture::small_demo();
    seed.knobs.oauth.access_token_seconds = 1_000_000;
    Fixture::start(seed).await
}

#[tokio::test]
async fn contacts_have_the_documented_shape() {
    let fixture = Fixture::demo().await;
    let answer = json_of(get(&fixture, "/contacts", &[("sort_column", "created_time")]).await).await;
    assert_eq!((&answer["code"], &answer["message"]), (&json!(0), &json!("success")));
    assert_eq!(answer["page_context"]["sort_column"], "created_time");
    let rows = answer["contacts"].as_array().unwrap();
    let row = |name: &str| rows.iter().find(|row| row["contact_name"] == name).unwrap();
    let bowman = row("Bowman and Co");
    assert_eq!(bowman["created_time"], "2025-06-02T02:30:08-0700");
    assert_eq!((&bowman["owner_id"], &bowman["owner_name"]), (&json!("460000000024003"), &json!("Ann Archer")));
    assert_eq!(row("Nobody's Customer")["owner_id"], "", "absent is empty, not null");
    assert_eq!(row("Hooli")["owner_name"], "", "the owner is in no list");
    assert!(bowman.get("contact_persons").is_none());
    let detail = json_of(get(&fixture, "/contacts/460000000026001", &[]).await).await;
    assert!(detail["contact"]["contact_persons"].is_array());
    let organizations = json_of(fixture.a(Method::GET, "/api/books/v3/organizations").send().await.unwrap()).await;
    assert_eq!(organizations["organizations"][0]["organization_id"], BOOKS_ORGANIZATION_ID);
}

#[tokio::test]
async fn inactive_contacts_are_hidden_unless_asked_for() {
    let fixture = Fixture::demo().await;
    let dormant = "Dormant Dairies".to_owned();
    assert!(!names(&fixture, &[]).await.contains(&dormant));
    assert!(names(&fixture, &[("filter_by", "Status.All")]).await.contains(&dormant));
    assert_eq!(names(&fixture, &[("filter_by", "Status.Inactive")]).await, [dormant]);
    assert_eq!(names(&fixture, &[("contact_type", "vendor")]).await, ["Vellum & Vine Supplies"]);
    assert_eq!(names(&fixture, &[("zcrm_contact_id", "520000000000100001")]).await, ["Archer Aviation"]);
    assert_eq!(names(&fixture, &[("contact_name_startswith", "glo")]).await, ["Globex"]);
    let bad = get(&fixture, "/contacts", &[("filter_by", "Active")]).await;
    assert_eq!((bad.status(), json_of(bad).await["code"].clone()), (StatusCode::BAD_REQUEST, json!(2)));
}

#[tokio::test]
async fn users_are_filtered_and_two_share_an_email_but_for_its_case() {
    let fixture = Fixture::demo().await;
    let users = async |query: &[(&str, &str)]| {
        json_of(get(&fixture, "/users", query).await).await["users"].as_array().unwrap().clone()
    };
    assert_eq!(users(&[]).await.len(), 4, "active ones");
    let all = users(&[("filter_by", "Status.All")]).await;
    assert_eq!(all.len(), 7);
    let emails: Vec<String> = all.iter().map(|user| user["email"].as_str().unwrap().to_lowercase()).collect();
    assert_eq!(emails.iter().filter(|email| *email == "cleo@example.com").count(), 2);
    assert_eq!(users(&[("filter_by", "Status.Deleted")]).await[0]["status"], "deleted");
    fixture.control.set_knobs(json!({"books": {"all_includes_deleted_users": false}})).unwrap();
    assert_eq!(users(&[("filter_by", "Status.All")]).await.len(), 6);
    let me = json_of(get(&fixture, "/users/me", &[]).await).await;
    assert_eq!(me["user"]["email_ids"][0]["email"], "ann@example.com");
    let gone = get(&fixture, "/users/1", &[]).await;
    assert_eq!((gone.status(), json_of(gone).await["code"].clone()), (StatusCode::NOT_FOUND, json!(1002)));
}

#[tokio::test]
async fn organization_token_scope_and_address_are_checked_in_the_own_dialect() {
    let mut seed = crate::fixture::small_demo();
    seed.organizations[0].clients[0].scopes = vec!["ZohoBooks.contacts.READ".to_owned()];
    let fixture = Fixture::start(seed).await;
    let outcome = async |answer: Response| {
        let status = answer.status().as_u16();
        (status, json_of(answer).await["code"].as_u64().unwrap())
    };
    let bare = fixture.a(Method::GET, "/api/books/v3/contacts").send().await.unwrap();
    assert_eq!(outcome(bare).await, (400, 2));
    assert_eq!(fixture.misdeed("organization_id_missing"), 1);
    let other = fixture.a(Method::GET, "/api/books/v3/contacts?organization_id=1").send().await.unwrap();
    assert_eq!(outcome(other).await, (401, 57));
    assert_eq!(outcome(get(&fixture, "/users", &[]).await).await, (401, 57));
    let path = format!("/api/books/v3/contacts?organization_id={BOOKS_ORGANIZATION_ID}");
    assert_eq!(outcome(fixture.with_token(Method::GET, &path, "1000.no").send().await.unwrap()).await, (401, 14));
    assert_eq!(outcome(fixture.a(Method::POST, &path).send().await.unwrap()).await, (405, 37));
    assert_eq!(outcome(get(&fixture, "/items", &[]).await).await, (404, 5));
    let put = fixture.a(Method::PUT, "/api/books/v3/contacts/460000000026001").json(&json!({}));
    assert_eq!(
        outcome(put.query(&[("organization_id", BOOKS_ORGANIZATION_ID)]).send().await.unwrap()).await,
        (401, 57)
    );
}

#[tokio::test]
async fn pages_are_numbered_and_hold_two_hundred() {
    let fixture = Fixture::start(Seed::books(&BooksOptions::default())).await;
    let mut seen = Vec::new();
    for (number, rows, more) in [("1", 200, true), ("2", 200, true), ("3", 100, false), ("4", 0, false)] {
        let query =
            [("filter_by", "Status.All"), ("sort_column", "created_time"), ("sort_order", "A"), ("page", number)];
        let page = json_of(get(&fixture, "/contacts", &query).await).await;
        let contacts = page["contacts"].as_array().unwrap();
        assert_eq!((contacts.len(), &page["page_context"]["has_more_page"]), (rows, &json!(more)));
        seen.extend(contacts.iter().map(|contact| contact["contact_id"].as_str().unwrap().to_owned()));
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 500);
    get(&fixture, "/contacts", &[("per_page", "500")]).await;
    assert_eq!(fixture.misdeed("per_page_too_large"), 1);
    let again = Fixture::start(Seed::books(&BooksOptions::default())).await.state("org-a").books;
    let first = fixture.state("org-a").books;
    let owners = |books: &simulator::control::BooksState| {
        books.contacts.iter().map(|contact| (contact.name.clone(), contact.owner_id.clone())).collect::<Vec<_>>()
    };
    assert_eq!((first.users.len(), owners(&first)), (25, owners(&again)), "the same for the same seed");
    let share = |owned: fn(&Option<String>) -> bool| first.contacts.iter().filter(|each| owned(&each.owner_id)).count();
    assert!(share(Option::is_none) > 20);
    let known = |id: &String| first.users.iter().any(|user| user.id == *id);
    assert!(first.contacts.iter().filter_map(|each| each.owner_id.as_ref()).any(|id| !known(id)));
}

#[tokio::test]
async fn modified_filter_is_honoured_ignored_or_rejected() {
    let fixture = Fixture::demo().await;
    let far = [("last_modified_time", "2100-01-01T00:00:00+0000")];
    assert!(names(&fixture, &far).await.is_empty());
    let since = [
        ("last_modified_time", "2026-01-09T18:00:00+0000"),
        ("sort_column", "last_modified_time"),
        ("sort_order", "D"),
    ];
    assert_eq!(names(&fixture, &since).await, ["Archer Aviation", "Vellum & Vine Supplies", "Nobody's Customer"]);
    let colon = get(&fixture, "/contacts", &[("last_modified_time", "2026-01-10T18:00:00Z")]).await;
    assert_eq!(colon.status(), StatusCode::BAD_REQUEST);
    fixture.control.set_knobs(json!({"books": {"modified_filter": "ignored"}})).unwrap();
    assert_eq!(names(&fixture, &far).await.len(), 10);
    fixture.control.set_knobs(json!({"books": {"modified_filter": "rejected"}})).unwrap();
    assert_eq!(get(&fixture, "/contacts", &far).await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn merged_and_deleted_contacts_answer_1002() {
    let fixture = Fixture::demo().await;
    fixture.control.merge_books_contacts("org-a", "460000000026001", "460000000026002").unwrap();
    fixture.control.delete_books_contact("org-a", "460000000026003").unwrap();
    for id in ["460000000026002", "460000000026003"] {
        let gone = get(&fixture, &format!("/contacts/{id}"), &[]).await;
        assert_eq!(gone.status(), StatusCode::NOT_FOUND);
        assert_eq!(json_of(gone).await, json!({"code": 1002, "message": "Contact does not exist."}));
    }
    fixture.control.set_knobs(json!({"books": {"errors_under_200": true}})).unwrap();
    let gone = get(&fixture, "/contacts/460000000026002", &[]).await;
    assert_eq!((gone.status(), json_of(gone).await["code"].clone()), (StatusCode::OK, json!(1002)));
}

#[tokio::test]
async fn update_changes_the_owner_and_nothing_else() {
    let fixture = Fixture::demo().await;
    let put = async |owner: &str| {
        let request = fixture.a(Method::PUT, "/api/books/v3/contacts/460000000026008");
        let request = request.query(&[("organization_id", BOOKS_ORGANIZATION_ID)]);
        request.json(&json!({"owner_id": owner})).send().await.unwrap()
    };
    let answer = json_of(put("460000000024005").await).await;
    assert_eq!((&answer["code"], &answer["contact"]["owner_name"]), (&json!(0), &json!("Ben Brontë")));
    assert_eq!(answer["contact"]["contact_name"], "Nobody's Customer");
    assert_eq!(put("1").await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(json_of(put("").await).await["contact"]["owner_id"], "");
    fixture.control.add_fault(FaultRule::once("books.update_contact", Fault::CutAfter {})).unwrap();
    let request = fixture.a(Method::PUT, "/api/books/v3/contacts/460000000026008");
    let request = request.query(&[("organization_id", BOOKS_ORGANIZATION_ID)]);
    assert!(request.json(&json!({"owner_id": "460000000024003"})).send().await.is_err());
    let contact = fixture.state("org-a").books.contacts.into_iter().find(|each| each.id == "460000000026008").unwrap();
    assert_eq!((contact.owner_id.as_deref(), contact.api_updates), (Some("460000000024003"), 3));
}

#[tokio::test]
async fn minute_is_refused_with_44_or_blocks_the_organisation_for_an_hour() {
    let fixture = long_lived().await;
    fixture.control.set_knobs(json!({"books": {"per_minute": 3}})).unwrap();
    let outcome = async || {
        let answer = get(&fixture, "/users", &[]).await;
        let wait = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        (answer.status().as_u16(), wait, json_of(answer).await["code"].as_u64().unwrap())
    };
    for _ in 0..3 {
        assert_eq!(outcome().await.0, 200);
    }
    assert_eq!(outcome().await, (429, None, 44));
    assert_eq!(fixture.misdeed("exceeded_minute_limit"), 1);
    fixture.control.advance(Duration::from_secs(61));
    assert_eq!(outcome().await.0, 200);
    fixture.control.set_knobs(json!({"books": {"minute_overflow": "block", "per_minute": 1}})).unwrap();
    assert_eq!(outcome().await, (429, Some("3600".to_owned()), 43));
    fixture.control.advance(Duration::from_secs(600));
    assert_eq!(outcome().await, (429, Some("3000".to_owned()), 43));
    assert_eq!(fixture.misdeed("called_while_blocked"), 1);
    fixture.control.advance(Duration::from_secs(3001));
    assert_eq!(outcome().await.0, 200);
    fixture.control.set_knobs(json!({"books": {"per_day": 5, "per_minute": 100}})).unwrap();
    assert_eq!((outcome().await.2, fixture.misdeed("exceeded_daily_limit")), (45, 1));
    fixture.control.advance(Duration::from_secs(86_400));
    assert_eq!(outcome().await.0, 200);
}

#[tokio::test]
async fn throttle_fault_with_a_time_blocks_until_then() {
    let fixture = long_lived().await;
    let throttle = Fault::Throttle { retry_after_seconds: Some(3600) };
    fixture.control.add_fault(FaultRule::once("books.*", throttle)).unwrap();
    for _ in 0..2 {
        let answer = get(&fixture, "/contacts", &[]).await;
        assert_eq!(
            (answer.status(), json_of(answer).await["code"].clone()),
            (StatusCode::TOO_MANY_REQUESTS, json!(43))
        );
    }
    fixture.control.advance(Duration::from_secs(3601));
    assert_eq!(get(&fixture, "/contacts", &[]).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn eleventh_call_in_flight_is_1070() {
    let fixture = Fixture::demo().await;
    fixture.control.set_knobs(json!({"books": {"latency_ms": 150}})).unwrap();
    let calls = (0..12).map(|_| get(&fixture, "/users", &[]));
    let answers = futures::future::join_all(calls).await;
    let refused: Vec<Response> = answers.into_iter().filter(|answer| answer.status() != StatusCode::OK).collect();
    assert_eq!(refused.len(), 2);
    assert_eq!(fixture.misdeed("exceeded_concurrency"), 2);
    for answer in refused {
        assert_eq!(json_of(answer).await["code"], 1070);
    }
}

#[tokio::test]
async fn people_change_users_and_contacts() {
    let fixture = Fixture::demo().await;
    let user = BooksUserSeed { name: "Gina".to_owned(), email: "gina@example.com".to_owned(), ..Default::default() };
    let id = fixture.control.add_books_user("org-a", &user).unwrap();
    fixture.control.change_books_owner("org-a", "460000000026008", Some(&id)).unwrap();
    let path = "/contacts/460000000026008";
    assert_eq!(json_of(get(&fixture, path, &[]).await).await["contact"]["owner_name"], "Gina");
    fixture.control.deactivate_books_user("org-a", &id).unwrap();
    let shown = json_of(get(&fixture, &format!("/users/{id}"), &[]).await).await;
    assert_eq!((&shown["user"]["status"], &shown["user"]["user_role"]), (&json!("inactive"), &json!("staff")));
    fixture.control.delete_books_user("org-a", &id).unwrap();
    let contact = json_of(get(&fixture, path, &[]).await).await["contact"].clone();
    assert_eq!(contact["owner_id"], id, "contacts keep the owner");
    let made = fixture.client.post(fixture.url("/control/organizations/org-a/books/contacts"));
    let made = json_of(made.json(&json!({"name": "Zebra", "owner_id": id})).send().await.unwrap()).await;
    let contact_id = made["id"].as_str().unwrap();
    let change = BooksContactChange { inactive: Some(true), ..Default::default() };
    fixture.control.change_books_contact("org-a", contact_id, &change).unwrap();
    assert!(!names(&fixture, &[]).await.contains(&"Zebra".to_owned()));
    let change = BooksUserChange { status: Some(BooksUserStatus::Active), ..Default::default() };
    assert!(fixture.control.change_books_user("org-a", "7", &change).is_err());
    assert!(
        fixture
            .control
            .add_books_contact("org-a", &BooksContactSeed { id: Some("x".into()), ..Default::default() })
            .is_err()
    );
}

#[tokio::test]
async fn seed_that_makes_no_sense_is_refused_with_every_problem() {
    let text = r#"
        [[organizations]]
        name = "a"
        [organizations.books]
        users = [{ id = "1", name = "A" }, { id = "1", name = "B" }]
        contacts = [{ name = "C", owner_id = "nobody" }]
        webhooks = [{ url = "http://127.0.0.1:1/", secret = "short" }]
        [organizations.books.generated]
        users = 3
        contacts = 4
    "#;
    let error =
        simulator::start(&Seed::from_toml(text).unwrap(), simulator::Options::default()).unwrap_err().to_string();
    for problem in ["\"1\" is taken", "\"nobody\" is not a number", "12 to 50"] {
        assert!(error.contains(problem), "{error}");
    }
    assert_eq!(BooksGeneratedSeed::default().contacts, 500);
}
