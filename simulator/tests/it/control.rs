//! The control interface over HTTP.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::fixture::{Fixture, RECORD, json_of};

async fn call(fixture: &Fixture, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
    let answer = fixture.client.request(method, fixture.url(path)).json(&body).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

#[tokio::test]
async fn health_and_counts_are_there() {
    let fixture = Fixture::demo().await;
    let health = json_of(fixture.client.get(fixture.url("/control/health")).send().await.unwrap()).await;
    assert_eq!(health, json!({"status": "ok"}));
    let counts = json_of(fixture.client.get(fixture.url("/control/counts")).send().await.unwrap()).await;
    assert_eq!(counts["routes"]["oauth.token"]["200"], 2);
    assert_eq!(counts["token_requests"]["org-a"]["issued"], 1);
}

#[tokio::test]
async fn unknown_fields_are_refused_by_name() {
    let fixture = Fixture::demo().await;
    for (path, body, name) in [
        ("/control/clock", json!({"advance_secnds": 5}), "advance_secnds"),
        ("/control/knobs", json!({"crm": {"speed": 5}}), "speed"),
        ("/control/webhooks", json!({"dropp": 5}), "dropp"),
        ("/control/faults", json!({"route": "*", "fault": {"kind": "hang"}, "often": 2}), "often"),
        ("/control/organizations/org-a/workdrive/tree", json!({"entrys": []}), "entrys"),
    ] {
        let (status, answer) = call(&fixture, Method::POST, path, body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(answer["error"].as_str().unwrap().contains(name), "{answer}");
    }
}

#[tokio::test]
async fn faults_are_added_listed_and_removed() {
    let fixture = Fixture::demo().await;
    let rule = json!({"route": "crm.*", "times": "forever", "fault": {"kind": "status", "code": 503}});
    let (_, added) = call(&fixture, Method::POST, "/control/faults", rule).await;
    assert_eq!(fixture.coql("select id from Contacts limit 1").await.status().as_u16(), 503);
    let list = json_of(fixture.client.get(fixture.url("/control/faults")).send().await.unwrap()).await;
    assert_eq!(list["faults"][0]["fired"], 1);
    assert_eq!(list["faults"][0]["times"], "forever");
    call(&fixture, Method::DELETE, &format!("/control/faults/{}", added["id"]), json!({})).await;
    assert_eq!(fixture.coql("select id from Contacts limit 1").await.status(), StatusCode::OK);
    let (status, _) = call(&fixture, Method::DELETE, "/control/faults/99", json!({})).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn records_are_made_and_changed() {
    let fixture = Fixture::demo().await;
    let path = "/control/organizations/org-a/crm/Contacts";
    let (status, made) = call(&fixture, Method::POST, path, json!({"fields": {"Last_Name": "Fresh"}})).await;
    assert_eq!(status, StatusCode::OK);
    let id = made["id"].as_str().unwrap();
    let change = json!({"fields": {"Source_Folder_Name": "Globex"}});
    call(&fixture, Method::PATCH, &format!("{path}/{id}"), change).await;
    let found = fixture.coql("select Source_Folder_Name from Contacts where Last_Name = 'Fresh'").await;
    assert_eq!(json_of(found).await["data"][0]["Source_Folder_Name"], "Globex");
    let (status, answer) = call(&fixture, Method::PATCH, &format!("{path}/{id}"), json!({"fields": {"Nope": 1}})).await;
    assert_eq!((status, answer["error"].as_str().unwrap().contains("Nope")), (StatusCode::NOT_FOUND, true));
    let (status, _) = call(&fixture, Method::DELETE, &format!("{path}/{RECORD}"), json!({})).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn tree_is_changed_by_path_and_shown_in_the_state() {
    let fixture = Fixture::demo().await;
    let tree = "/control/organizations/org-b/workdrive/tree";
    let (_, made) = call(&fixture, Method::POST, tree, json!({
        "entries": [
            {"in_folder": "team-b", "path": "New/Sub/a.txt", "text": "hello"},
            {"in_folder": "team-b", "path": "New/odd", "name": "up/../and away.txt", "size_bytes": 10},
        ],
        "generated": [{"in_folder": "team-b", "path": "New/Many", "folders": 2, "files_per_folder": 3, "min_size_bytes": 5}],
    })).await;
    assert_eq!(made["generated_files"], 6);
    let state =
        json_of(fixture.client.get(fixture.url("/control/state?organization=org-b")).send().await.unwrap()).await;
    let items = state["organizations"][0]["items"].as_array().unwrap();
    let hello = items.iter().find(|item| item["path"] == "Customers/New/Sub/a.txt").unwrap();
    assert_eq!(hello["md5"], "5d41402abc4b2a76b9719d911017c592");
    assert!(items.iter().any(|item| item["name"] == "up/../and away.txt"));
    let id = hello["id"].as_str().unwrap();
    let (status, _) = call(
        &fixture,
        Method::POST,
        tree,
        json!({"modify": [{"id": id, "text": "other", "modified_at": "2020-01-01T00:00:00Z"}]}),
    )
    .await;
    assert_eq!(status, StatusCode::OK);
    call(&fixture, Method::POST, tree, json!({"trash": [id]})).await;
    let state = fixture.state("org-b");
    let item = state.items.iter().find(|item| item.id == id).unwrap();
    assert!(item.trashed);
    assert_eq!((item.versions, item.size_bytes), (2, 5));
}

#[tokio::test]
async fn journal_is_ordered_bounded_and_names_faults() {
    let fixture = Fixture::demo().await;
    call(&fixture, Method::POST, "/control/knobs", json!({"journal": {"entries": 3}})).await;
    call(
        &fixture,
        Method::POST,
        "/control/faults",
        json!({"route": "crm.coql", "skip": 4, "fault": {"kind": "cut_before"}}),
    )
    .await;
    for _ in 0..4 {
        fixture.coql("select id from Contacts limit 1").await;
    }
    let request =
        fixture.a(Method::POST, "/api/crm/v8/coql").json(&json!({"select_query": "select id from Contacts limit 1"}));
    assert!(request.send().await.is_err());
    let journal = json_of(fixture.client.get(fixture.url("/control/journal?since=6")).send().await.unwrap()).await;
    let entries = journal["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0]["seq"], 7);
    assert_eq!(entries[0]["fault"], "cut_before");
    assert_eq!(entries[0]["organization"], "org-a");
    assert_eq!(entries[0]["status"], 0);
    assert_eq!(fixture.control.journal(0).len(), 3);
}

#[tokio::test]
async fn grants_are_revoked_and_renewed_over_http() {
    let fixture = Fixture::demo().await;
    let path = "/control/organizations/org-a/grants";
    call(&fixture, Method::POST, &format!("{path}/revoke"), json!({})).await;
    assert_eq!(fixture.refresh_a().await["error"], "invalid_code");
    call(&fixture, Method::POST, &format!("{path}/renew"), json!({"refresh_token": "1000.fresh"})).await;
    let answer = fixture
        .refresh(
            simulator::seed::constants::ORG_A_CLIENT_ID,
            simulator::seed::constants::ORG_A_CLIENT_SECRET,
            "1000.fresh",
        )
        .await;
    assert!(answer["access_token"].is_string());
    let (status, answer) = call(&fixture, Method::POST, "/control/organizations/nobody/grants/revoke", json!({})).await;
    assert_eq!(
        (status, answer["error"].as_str().unwrap()),
        (StatusCode::NOT_FOUND, "organization \"nobody\" does not exist")
    );
}

#[tokio::test]
async fn no_secret_is_shown() {
    let fixture = Fixture::demo().await;
    for path in ["/control/state?md5=false", "/control/journal", "/control/counts", "/control/knobs"] {
        let text = fixture.client.get(fixture.url(path)).send().await.unwrap().text().await.unwrap();
        assert!(
            !text.contains("simulated-secret")
                && !text.contains("simulated.refresh")
                && !text.contains(&fixture.token_a),
            "{path}"
        );
    }
}
