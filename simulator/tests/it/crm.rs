//! Records: queries, lists, updates, search, credits.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use simulator::control::RecordChange;

use crate::fixture::{Fixture, RECORD, json_of};

const PENDING: &str = "select id, Source_Folder_Name, Transfer_Complete, Modified_Time from Contacts \
    where ((Transfer_Complete = 'false') and (Source_Folder_Name is not null)) order by id asc limit 200";

#[tokio::test]
async fn coql_finds_pending_records_in_keyset_order() {
    let fixture = Fixture::demo().await;
    let body = json_of(fixture.coql(PENDING).await).await;
    let rows = body["data"].as_array().unwrap();
    assert_eq!(rows.len(), 11);
    assert_eq!(body["info"], json!({"count": 11, "more_records": false}));
    assert_eq!(rows[0]["id"], RECORD);
    assert!(rows[0]["Modified_Time"].as_str().unwrap().ends_with("+05:30"));
    let last = "520000000000100009";
    let rest = format!(
        "select id from Contacts where (((Transfer_Complete = 'false') and (Source_Folder_Name is not null)) and (id > '{last}')) order by id asc limit 1"
    );
    let body = json_of(fixture.coql(&rest).await).await;
    assert_eq!(body["data"][0]["id"], "520000000000100012");
    assert_eq!(body["info"]["more_records"], true);
}

#[tokio::test]
async fn coql_without_rows_is_204_without_a_body() {
    let fixture = Fixture::demo().await;
    let answer = fixture.coql("select id from Contacts where Last_Name = 'Nobody'").await;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert!(answer.bytes().await.unwrap().is_empty());
}

#[tokio::test]
async fn coql_errors_name_what_is_wrong() {
    let fixture = Fixture::demo().await;
    let error = async |query: &str| {
        let answer = fixture.coql(query).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        json_of(answer).await
    };
    assert_eq!(error("select Nope from Contacts limit 1").await["details"]["column_name"], "Nope");
    assert_eq!(error("select id from Contracts limit 1").await["code"], "INVALID_MODULE");
    assert_eq!(error("select id frm Contacts").await["code"], "SYNTAX_ERROR");
    assert_eq!(error("select id from Contacts limit 2001").await["code"], "LIMIT_EXCEEDED");
}

#[tokio::test]
async fn list_needs_fields_and_pages_with_a_bound_token() {
    let fixture = Fixture::demo().await;
    let get = async |path: &str| fixture.a(Method::GET, path).send().await.unwrap();
    let missing = json_of(get("/api/crm/v8/Contacts").await).await;
    assert_eq!(missing["code"], "REQUIRED_PARAM_MISSING");
    let first = json_of(get("/api/crm/v8/Contacts?fields=Last_Name&per_page=5&sort_order=asc").await).await;
    assert_eq!(first["data"].as_array().unwrap().len(), 5);
    assert_eq!(first["info"]["more_records"], true);
    let token = first["info"]["next_page_token"].as_str().unwrap();
    let second =
        get(&format!("/api/crm/v8/Contacts?fields=Last_Name&per_page=5&sort_order=asc&page_token={token}")).await;
    assert_eq!(json_of(second).await["data"][0]["Last_Name"], "Fischer");
    let other = json_of(get(&format!("/api/crm/v8/Contacts?fields=Email&per_page=5&page_token={token}")).await).await;
    assert_eq!(other["code"], "TOKEN_BOUND_DATA_MISMATCH");
    let deep = json_of(get("/api/crm/v8/Contacts?fields=Email&page=11").await).await;
    assert_eq!(deep["code"], "DISCRETE_PAGINATION_LIMIT_EXCEEDED");
    fixture.control.advance(std::time::Duration::from_secs(3_000));
    let beyond = get("/api/crm/v8/Contacts?fields=Email&page=9").await;
    assert_eq!(beyond.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn list_by_ids_shows_only_those() {
    let fixture = Fixture::demo().await;
    let path = format!("/api/crm/v8/Contacts?fields=Last_Name&ids={RECORD},520000000000100003");
    let body = json_of(fixture.a(Method::GET, &path).send().await.unwrap()).await;
    let names: Vec<&str> =
        body["data"].as_array().unwrap().iter().map(|row| row["Last_Name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Castro", "Archer"]);
}

#[tokio::test]
async fn unchanged_since_is_304() {
    let fixture = Fixture::demo().await;
    let request = fixture
        .a(Method::GET, "/api/crm/v8/Contacts?fields=Last_Name")
        .header("if-modified-since", "2999-01-01T00:00:00+00:00");
    assert_eq!(request.send().await.unwrap().status(), StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn single_record_is_found_and_an_unknown_one_is_204() {
    let fixture = Fixture::demo().await;
    let get = async |id: &str| {
        fixture.a(Method::GET, &format!("/api/crm/v8/Contacts/{id}?fields=Source_Folder_Name")).send().await.unwrap()
    };
    let body = json_of(get(RECORD).await).await;
    assert_eq!(body["data"], json!([{"id": RECORD, "Source_Folder_Name": "Acme Trading"}]));
    assert_eq!(get("520000000000999999").await.status(), StatusCode::NO_CONTENT);
    fixture.control.set_knobs(json!({"crm": {"unknown_record_is_error": true}})).unwrap();
    assert_eq!(json_of(get("520000000000999999").await).await["code"], "INVALID_DATA");
}

#[tokio::test]
async fn update_answers_per_record_and_bumps_the_time() {
    let fixture = Fixture::demo().await;
    fixture.control.advance(std::time::Duration::from_secs(60));
    let body = json!({"data": [
        {"id": RECORD, "Transfer_Complete": true},
        {"id": "520000000000999999", "Transfer_Complete": true},
        {"id": "520000000000100002", "Transfer_Complete": "yes"},
    ], "trigger": []});
    let answer = fixture.a(Method::PUT, "/api/crm/v8/Contacts").json(&body).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::MULTI_STATUS);
    let results = json_of(answer).await["data"].clone();
    assert_eq!(results[0]["code"], "SUCCESS");
    assert_ne!(results[0]["details"]["Modified_Time"], results[0]["details"]["Created_Time"]);
    assert_eq!(results[1]["details"]["api_name"], "id");
    assert_eq!(results[2]["details"]["expected_data_type"], "boolean");
    fixture.control.set_knobs(json!({"crm": {"mixed_status": 200}})).unwrap();
    let answer = fixture.a(Method::PUT, "/api/crm/v8/Contacts").json(&body).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test]
async fn update_of_a_locked_or_changed_record_is_refused() {
    let fixture = Fixture::demo().await;
    let url = format!("/api/crm/v8/Contacts/{RECORD}");
    let put = || fixture.a(Method::PUT, &url).json(&json!({"data": [{"Transfer_Complete": true}]}));
    let stale = put().header("if-unmodified-since", "2020-01-01T00:00:00+00:00").send().await.unwrap();
    assert_eq!(stale.status(), StatusCode::PRECONDITION_FAILED);
    assert_eq!(json_of(stale).await["data"][0]["code"], "ALREADY_MODIFIED");
    let locked = RecordChange { locked: Some(true), ..RecordChange::default() };
    fixture.control.change_record("org-a", "Contacts", RECORD, &locked).unwrap();
    assert_eq!(json_of(put().send().await.unwrap()).await["data"][0]["code"], "RECORD_LOCKED");
    let unknown = fixture.a(Method::PUT, "/api/crm/v8/Contacts/1").json(&json!({"data": [{}]})).send().await.unwrap();
    assert!(json_of(unknown).await["data"][0]["details"].get("resource_path_index").is_some());
}

#[tokio::test]
async fn search_lags_behind_and_escapes_brackets() {
    let fixture = Fixture::demo().await;
    let search = async |criteria: &str| {
        let request = fixture.a(Method::GET, "/api/crm/v8/Contacts/search").query(&[("criteria", criteria)]);
        request.send().await.unwrap()
    };
    assert_eq!(json_of(search("(Last_Name:equals:Archer)").await).await["info"]["count"], 1);
    fixture.control.set_knobs(json!({"crm": {"search_lag_ms": 60_000}})).unwrap();
    fixture.control.advance(std::time::Duration::from_secs(120));
    fixture.update(RECORD, json!({"Last_Name": "Archer (2)"})).await;
    assert_eq!(search(r"(Last_Name:equals:Archer \(2\))").await.status(), StatusCode::NO_CONTENT);
    assert_eq!(json_of(search("(Last_Name:equals:Archer)").await).await["info"]["count"], 1);
    fixture.control.advance(std::time::Duration::from_secs(61));
    assert_eq!(json_of(search(r"(Last_Name:equals:Archer \(2\))").await).await["info"]["count"], 1);
    let several = search("((Last_Name:equals:rch)and(Transfer_Complete:equals:false))").await;
    assert_eq!(several.status(), StatusCode::OK, "equals is contains when there are several conditions");
    assert_eq!(json_of(search("(Nope:equals:1)").await).await["code"], "INVALID_QUERY");
}

#[tokio::test]
async fn deleted_and_count_follow_the_records() {
    let fixture = Fixture::demo().await;
    let get = async |path: &str| fixture.a(Method::GET, path).send().await.unwrap();
    assert_eq!(get("/api/crm/v8/Contacts/deleted?type=all").await.status(), StatusCode::NO_CONTENT);
    fixture.control.delete_record("org-a", "Contacts", RECORD).unwrap();
    assert_eq!(json_of(get("/api/crm/v8/Contacts/deleted?type=all").await).await["data"][0]["id"], RECORD);
    assert_eq!(json_of(get("/api/crm/v8/Contacts/actions/count").await).await, json!({"count": 12}));
}

#[tokio::test]
async fn credits_show_after_half_and_run_out() {
    let fixture = Fixture::demo().await;
    fixture.control.set_knobs(json!({"crm": {"daily_credits": 4}})).unwrap();
    let call = async || fixture.coql("select id from Contacts limit 1").await;
    assert!(call().await.headers().get("x-api-credits-remaining").is_none());
    assert_eq!(call().await.headers()["x-api-credits-remaining"], "2");
    call().await;
    call().await;
    let refused = call().await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(json_of(refused).await["code"], "TOO_MANY_REQUESTS");
}

#[tokio::test]
async fn calls_above_the_concurrency_limit_are_refused() {
    let fixture = Fixture::demo().await;
    fixture.control.set_knobs(json!({"crm": {"heavy_concurrency": 3, "latency_ms": 300}})).unwrap();
    let calls = (0..8).map(|_| fixture.coql("select id from Contacts limit 1"));
    let answers = futures::future::join_all(calls).await;
    let refused = answers.iter().filter(|answer| answer.status() == StatusCode::TOO_MANY_REQUESTS).count();
    assert_eq!(refused, 5);
}

#[tokio::test]
async fn users_and_unknown_addresses_speak_crm() {
    let fixture = Fixture::demo().await;
    let get = async |path: &str| fixture.a(Method::GET, path).send().await.unwrap();
    assert_eq!(json_of(get("/api/crm/v8/users?type=CurrentUser").await).await["users"][0]["status"], "active");
    assert_eq!(json_of(get("/api/crm/v8/users?type=Nobody").await).await["code"], "PATTERN_NOT_MATCHED");
    let unknown = get("/api/crm/v8/settings/fields?module=Contacts").await;
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
    assert_eq!(json_of(unknown).await["code"], "INVALID_URL_PATTERN");
    assert_eq!(fixture.misdeed("unknown_endpoint"), 1);
    let foreign = fixture.b(Method::GET, "/api/crm/v8/Contacts?fields=Last_Name").send().await.unwrap();
    let body: Value = json_of(foreign).await;
    assert_eq!(body["code"], "INVALID_MODULE", "organisation B has no such module");
}

#[tokio::test]
async fn errors_of_get_calls_come_bare_or_inside_data() {
    let fixture = Fixture::demo().await;
    let get = async || json_of(fixture.a(Method::GET, "/api/crm/v8/Contacts").send().await.unwrap()).await;
    assert_eq!(get().await["code"], "REQUIRED_PARAM_MISSING");
    fixture.control.set_knobs(json!({"crm": {"wrap_get_errors": true}})).unwrap();
    assert_eq!(get().await["data"][0]["code"], "REQUIRED_PARAM_MISSING");
}
