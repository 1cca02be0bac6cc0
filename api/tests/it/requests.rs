//! Requests that are not what the document asks for.

use api::Role;
use reqwest::Method;
use serde_json::json;
use testkit::store::Backend;
use uuid::Uuid;

use crate::server::start;

testkit::on_both_databases! {
    #[actix_web::test]
    wrong_parameters_are_named_with_the_remedy,
    unknown_addresses_and_methods_are_problems,
    the_senders_request_id_comes_back_in_answers_and_problems,
}

async fn wrong_parameters_are_named_with_the_remedy(on: Backend) {
    let server = start(on).await;
    let token = server.token(Role::SuperAdmin, None);
    for (path, place, field, problem) in [
        ("accounts?limit=0", "query", "limit", "is out of range"),
        ("accounts?limit=501", "query", "limit", "is out of range"),
        ("accounts?limit=99999999999999999999", "query", "limit", "must be a whole number"),
        ("accounts?limit=", "query", "limit", "must be a whole number"),
        ("accounts?limit=1&limit=2", "query", "limit", "is given more than once"),
        ("accounts?colour=red", "query", "colour", "is not known here"),
        ("accounts?provider=Zoho", "query", "provider", "is none of the words that are known here"),
        ("accounts?cursor=xyz", "query", "cursor", "has the wrong form"),
        ("events?cursor=ffffffffffffffff", "query", "cursor", "has the wrong form"),
        ("events?since=yesterday", "query", "since", "is no time"),
        ("events?correlation_id=7", "query", "correlation_id", "is no UUID"),
        ("events?stream=", "query", "stream", "has 0 characters"),
        ("events/7", "path", "event_id", "is no UUID"),
        ("dead-letters?resolved=yes", "query", "resolved", "must be true or false"),
        ("dead-letters/x", "path", "dead_letter_id", "must be a whole number"),
        ("dead-letters/0", "path", "dead_letter_id", "is out of range"),
        ("transfers/contacts/1/-1", "path", "run", "is out of range"),
    ] {
        let answer = server.get(&token, &format!("/api/v1/{path}")).await;
        assert_eq!((answer.status, answer.code()), (400, "invalid_request"), "{path}: {}", answer.body);
        let errors = answer.body["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 1, "{path}");
        let error = &errors[0];
        assert_eq!((&error["in"], &error["field"]), (&json!(place), &json!(field)), "{path}");
        assert_eq!(error["problem"], problem, "{path}");
        assert!(!error["remedy"].as_str().unwrap().is_empty());
    }
    let both = server.get(&token, "/api/v1/events?limit=x&since=y").await;
    assert_eq!(both.body["errors"].as_array().unwrap().len(), 2, "everything is told at once");
    server.stop().await;
}

async fn unknown_addresses_and_methods_are_problems(on: Backend) {
    let server = start(on).await;
    let token = server.token(Role::SuperAdmin, None);
    for path in ["/api", "/api/", "/api/v1", "/api/v1/nothing", "/api/v1/accounts/", "/api/v2/accounts"] {
        let answer = server.get(&token, path).await;
        assert_eq!((answer.status, answer.code()), (404, "not_found"), "{path}");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
    }
    for (method, path, allowed) in [
        (Method::DELETE, "/api/v1/accounts", "GET"),
        (Method::GET, "/api/v1/accounts/org-a/test", "POST"),
        (Method::PUT, "/openapi.json", "GET"),
    ] {
        let answer = server.send(method.clone(), path, Some(&token), None).await;
        assert_eq!((answer.status, answer.code()), (405, "method_not_allowed"), "{method} {path}");
        assert_eq!(answer.headers["allow"], allowed);
    }
    server.stop().await;
}

async fn the_senders_request_id_comes_back_in_answers_and_problems(on: Backend) {
    let server = start(on).await;
    let (token, id) = (server.token(Role::Viewer, Some("acme")), Uuid::now_v7().to_string());
    for (path, token, expected) in
        [("accounts", token.as_str(), 200), ("accounts", "nonsense", 401), ("x", &token, 404)]
    {
        let request = server.http.get(format!("http://{}/api/v1/{path}", server.address)).bearer_auth(token);
        let answer = request.header("x-request-id", &id).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.headers()["x-request-id"].to_str().unwrap()), (expected, &*id));
        if expected != 200 {
            assert_eq!(answer.json::<serde_json::Value>().await.unwrap()["request_id"], *id);
        }
        let request = server.http.get(format!("http://{}/api/v1/{path}", server.address)).bearer_auth(token);
        let answer = request.header("x-request-id", "no uuid\"").send().await.unwrap();
        assert!(Uuid::try_parse(answer.headers()["x-request-id"].to_str().unwrap()).is_ok());
    }
    server.stop().await;
}
