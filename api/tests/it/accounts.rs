//! Accounts through the API.

use api::Role;
use event_log::{Direction, Filter, GlobalPosition};
use serde_json::json;
use testkit::store::Backend;

use crate::server::start;

testkit::on_both_databases! {
    #[actix_web::test]
    accounts_are_listed_in_pages_and_only_those_of_the_organization,
    testing_an_account_leaves_an_event_that_says_who_it_was,
}

async fn accounts_are_listed_in_pages_and_only_those_of_the_organization(on: Backend) {
    let server = start(on).await;
    let token = server.token(Role::Viewer, Some("acme"));
    let first = server.get(&token, "/api/v1/accounts?limit=1").await;
    assert_eq!(first.items("name"), ["org-a"]);
    let cursor = first.body["next_cursor"].as_str().unwrap();
    let second = server.get(&token, &format!("/api/v1/accounts?limit=1&cursor={cursor}")).await;
    assert_eq!(second.items("name"), ["partner"]);
    assert_eq!(second.body["next_cursor"], json!(null));

    assert_eq!(server.get(&token, "/api/v1/accounts/org-a").await.body["organization"], "acme");
    for name in ["other", "nobody", "%2e%2e", "a%20b", "%ff"] {
        let answer = server.get(&token, &format!("/api/v1/accounts/{name}")).await;
        assert_eq!((answer.status, answer.code()), (404, "not_found"), "{name}");
    }
    let everybody = server.token(Role::SuperAdmin, None);
    let all = server.get(&everybody, "/api/v1/accounts").await;
    assert_eq!(all.items("name"), ["org-a", "other", "partner"]);
    assert_eq!(server.get(&everybody, "/api/v1/accounts?provider=generic").await.items("name"), ["other", "partner"]);
    server.stop().await;
}

async fn testing_an_account_leaves_an_event_that_says_who_it_was(on: Backend) {
    let server = start(on).await;
    let token = server.token(Role::Operator, Some("acme"));
    let report = server.post(&token, "/api/v1/accounts/partner/test").await;
    assert_eq!((report.status, &report.body["ok"]), (200, &json!(true)));
    let refused = server.post(&token, "/api/v1/accounts/other/test").await;
    assert_eq!(refused.status, 404);

    let filter = Filter { stream: Some("audit-acme".to_owned()), ..Filter::default() };
    let events = server.log.list(&filter, GlobalPosition(0), Direction::Forward, 10).await.unwrap();
    assert_eq!(events.len(), 1, "what was refused has changed nothing");
    let called: serde_json::Value = events[0].decode().unwrap();
    let expected = json!({
        "method": "POST",
        "route": "/api/v1/accounts/{name}/test",
        "parameters": {"name": "partner"},
        "status": 200,
    });
    assert_eq!((events[0].event_type.as_str(), called), ("api.called", expected));
    let metadata: serde_json::Value = serde_json::from_str(&events[0].metadata).unwrap();
    assert_eq!(metadata["actor"]["subject"], "ada");
    assert_eq!(metadata["actor"]["roles"], json!(["operator"]));
    assert_eq!(metadata["actor"]["organization"], "acme");
    assert_eq!(metadata["actor"]["address"], "127.0.0.1");
    assert_eq!(metadata["actor"]["request_id"], report.headers["x-request-id"].to_str().unwrap());
    server.stop().await;
}
