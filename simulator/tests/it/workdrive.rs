//! The tree, listings, limits and search.

use std::time::Duration;

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use simulator::seed::constants::*;

use crate::fixture::{Fixture, json_of};

fn names(body: &Value) -> Vec<String> {
    let rows = body["data"].as_array().unwrap();
    let mut names: Vec<String> =
        rows.iter().map(|row| row["attributes"]["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

fn error_id(body: &Value) -> &str {
    body["errors"][0]["id"].as_str().unwrap()
}

async fn create_folder(fixture: &Fixture, name: &str, parent: &str) -> Response {
    let body = json!({"data": {"type": "files", "attributes": {"name": name, "parent_id": parent}}});
    fixture.a(Method::POST, "/api/workdrive/api/v1/files").json(&body).send().await.unwrap()
}

#[tokio::test]
async fn user_team_and_team_folder_are_found() {
    let fixture = Fixture::demo().await;
    let get = async |path: String| json_of(fixture.b(Method::GET, &path).send().await.unwrap()).await;
    let me = get("/workdrive/api/v1/users/me".to_owned()).await;
    let user = me["data"]["id"].as_str().unwrap().to_owned();
    let teams = get(format!("/api/workdrive/api/v1/users/{user}/teams")).await;
    let team = teams["data"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(me["data"]["attributes"]["preferred_team_id"], team.as_str());
    let folders = get(format!("/workdrive/api/v1/teams/{team}/teamfolders?page%5Blimit%5D=50")).await;
    assert_eq!(folders["data"][0]["id"], SOURCE_TEAM_FOLDER_ID);
    let member = get(format!("/workdrive/api/v1/teams/{team}/currentuser")).await;
    assert_ne!(member["data"]["id"], user.as_str());
}

#[tokio::test]
async fn cursor_pages_cover_a_folder_exactly() {
    let fixture = Fixture::demo().await;
    let mut path = format!("/workdrive/api/v1/files/{SOURCE_TEAM_FOLDER_ID}/files?page%5Bnext%5D=0&page%5Blimit%5D=5");
    let mut seen = Vec::new();
    loop {
        let body = json_of(fixture.b(Method::GET, &path).send().await.unwrap()).await;
        seen.extend(names(&body));
        if body["links"]["cursor"]["has_next"] != true {
            break;
        }
        let next = body["links"]["cursor"]["next"].as_str().unwrap();
        path = next.strip_prefix(fixture.simulator.base_url()).unwrap().to_owned();
    }
    seen.sort();
    let whole = names(&json_of(fixture.list_b(SOURCE_TEAM_FOLDER_ID).await).await);
    assert_eq!(seen, whole);
    assert!(whole.contains(&"Müller & Söhne".to_owned()));
    assert!(seen.iter().filter(|name| name.to_lowercase() == "globex").count() == 3);
}

#[tokio::test]
async fn phantom_last_page_is_empty() {
    let fixture = Fixture::demo().await;
    fixture.control.set_knobs(json!({"workdrive": {"phantom_last_page": true}})).unwrap();
    let body = json_of(fixture.list_b(SOURCE_TEAM_FOLDER_ID).await).await;
    let next = body["links"]["cursor"]["next"]
        .as_str()
        .unwrap()
        .strip_prefix(fixture.simulator.base_url())
        .unwrap()
        .to_owned();
    let body = json_of(fixture.b(Method::GET, &next).send().await.unwrap()).await;
    assert_eq!(body["data"], json!([]));
}

#[tokio::test]
async fn offset_pages_hold_fifty_at_most() {
    let fixture = Fixture::demo().await;
    fixture
        .control
        .change_tree(
            "org-b",
            &serde_json::from_value(json!({"generated": [
            {"in_folder": "team-b", "path": "Wide", "files_per_folder": 70, "min_size_bytes": 1}]}))
            .unwrap(),
        )
        .unwrap();
    let folder = fixture.id_of("org-b", "Customers/Wide");
    let page = async |query: &str| {
        let path = format!("/workdrive/api/v1/files/{folder}/files?{query}");
        names(&json_of(fixture.b(Method::GET, &path).send().await.unwrap()).await)
    };
    let mut all = page("page%5Blimit%5D=500").await;
    assert_eq!(all.len(), 50);
    all.extend(page("page%5Boffset%5D=50").await);
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 70);
    assert_eq!(fixture.misdeed("page_limit_too_large"), 1);
}

#[tokio::test]
async fn filter_shows_only_folders_and_times_come_in_both_forms() {
    let fixture = Fixture::demo().await;
    let folder = fixture.id_of("org-b", "Customers/Acme Trading");
    let path = format!("/workdrive/api/v1/files/{folder}/files?filter%5Btype%5D=folder");
    let body = json_of(fixture.b(Method::GET, &path).send().await.unwrap()).await;
    assert_eq!(names(&body), ["Invoices"]);
    assert_eq!(body["data"][0]["attributes"]["is_folder"], true);
    let body = json_of(fixture.list_b(SOURCE_TEAM_FOLDER_ID).await).await;
    let times: Vec<&Value> =
        body["data"].as_array().unwrap().iter().map(|row| &row["attributes"]["modified_time_in_millisecond"]).collect();
    assert!(times.iter().any(|time| time.is_string()) && times.iter().any(|time| time.is_i64()));
}

#[tokio::test]
async fn unencoded_brackets_are_noted() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let fixture = Fixture::demo().await;
    let mut stream = tokio::net::TcpStream::connect(fixture.simulator.address()).await.unwrap();
    let token = &fixture.token_b;
    let request = format!(
        "GET /workdrive/api/v1/files/team-b/files?page[limit]=5 HTTP/1.1\r\nhost: x\r\nauthorization: Zoho-oauthtoken {token}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert_eq!(fixture.misdeed("unencoded_brackets"), 1);
}

#[tokio::test]
async fn unknown_id_is_401_r008_and_asking_again_and_again_is_429() {
    let fixture = Fixture::demo().await;
    let get = async || fixture.a(Method::GET, "/workdrive/api/v1/files/nowhere").send().await.unwrap();
    for _ in 0..4 {
        let answer = get().await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(error_id(&json_of(answer).await), "R008");
    }
    let answer = get().await;
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(answer.headers().contains_key("retry-after"));
    let foreign = fixture.a(Method::GET, "/workdrive/api/v1/files/team-b").send().await.unwrap();
    assert_eq!(error_id(&json_of(foreign).await), "R008", "other organisations' ids mean nothing");
}

#[tokio::test]
async fn twentieth_listing_of_one_folder_in_a_minute_is_refused() {
    let fixture = Fixture::demo().await;
    for _ in 0..19 {
        assert_eq!(fixture.list_b(SOURCE_TEAM_FOLDER_ID).await.status(), StatusCode::OK);
    }
    let refused = fixture.list_b(SOURCE_TEAM_FOLDER_ID).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()["retry-after"], "300");
    assert_eq!(error_id(&json_of(refused).await), "F7008");
    let other = fixture.id_of("org-b", "Customers/Acme Trading");
    assert_eq!(fixture.list_b(&other).await.status(), StatusCode::OK, "the limit belongs to one folder");
    fixture.control.advance(Duration::from_secs(100));
    let ignored = fixture.list_b(SOURCE_TEAM_FOLDER_ID).await;
    let seconds: u32 = ignored.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!(seconds > 300, "ignoring it makes it longer: {seconds}");
    assert_eq!(fixture.misdeed("called_while_throttled"), 1);
    assert_eq!(fixture.misdeed("listed_folder_too_often"), 1);
    fixture.control.advance(Duration::from_secs(u64::from(seconds) + 1));
    assert_eq!(fixture.list_b(SOURCE_TEAM_FOLDER_ID).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn general_rate_limit_refuses_what_comes_too_fast() {
    let fixture = Fixture::demo().await;
    fixture.control.set_knobs(json!({"workdrive": {"requests_per_second": 0.5, "burst": 2}})).unwrap();
    let get = async || fixture.a(Method::GET, "/workdrive/api/v1/users/me").send().await.unwrap();
    assert_eq!(get().await.status(), StatusCode::OK);
    assert_eq!(get().await.status(), StatusCode::OK);
    let refused = get().await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()["retry-after"], "84");
    fixture.control.advance(Duration::from_secs(85));
    assert_eq!(get().await.status(), StatusCode::OK);
}

#[tokio::test]
async fn folder_with_a_taken_name_gets_a_time_or_a_conflict() {
    let fixture = Fixture::demo().await;
    let first = json_of(create_folder(&fixture, "Neu", DESTINATION_FOLDER_ID).await).await;
    assert_eq!(first["data"]["attributes"]["name"], "Neu");
    let second = json_of(create_folder(&fixture, "Neu", DESTINATION_FOLDER_ID).await).await;
    assert!(second["data"]["attributes"]["name"].as_str().unwrap().starts_with("Neu "));
    fixture.control.set_knobs(json!({"workdrive": {"folder_collision": "conflict"}})).unwrap();
    assert_eq!(create_folder(&fixture, "Neu", DESTINATION_FOLDER_ID).await.status(), StatusCode::CONFLICT);
    assert_eq!(create_folder(&fixture, "Neu", "nowhere").await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn item_is_renamed_moved_and_trashed() {
    let fixture = Fixture::demo().await;
    let file = fixture.id_of("org-a", "Shared/Migrated/Acme Trading/notes");
    let rename = json!({"data": {"type": "files", "attributes": {"name": "notes.txt"}}});
    let answer =
        fixture.a(Method::PATCH, &format!("/workdrive/api/v1/files/{file}")).json(&rename).send().await.unwrap();
    assert_eq!(json_of(answer).await["data"]["attributes"]["extn"], "txt");
    let relocate = json!({"data": [{"id": file, "type": "files", "attributes": {"parent_id": DESTINATION_FOLDER_ID}}]});
    fixture.a(Method::PATCH, "/workdrive/api/v1/files").json(&relocate).send().await.unwrap();
    assert_eq!(fixture.id_of("org-a", "Shared/Migrated/notes.txt"), file);
    let trash = json!({"data": [{"id": file, "type": "files", "attributes": {"status": "51"}}]});
    fixture.a(Method::PATCH, "/workdrive/api/v1/files").json(&trash).send().await.unwrap();
    let info = json_of(fixture.a(Method::GET, &format!("/workdrive/api/v1/files/{file}")).send().await.unwrap()).await;
    assert_eq!(info["data"]["attributes"]["status"], "51");
    let list = fixture.a(Method::GET, "/workdrive/api/v1/files/dest-root/files").send().await.unwrap();
    assert!(!names(&json_of(list).await).contains(&"notes.txt".to_owned()));
}

#[tokio::test]
async fn search_folds_case_matches_content_and_lags() {
    let fixture = Fixture::demo().await;
    let team = fixture.state("org-b").team_id;
    let search = async |query: &str| {
        let path = format!("/workdrive/api/v1/teams/{team}/records?{query}");
        json_of(fixture.b(Method::GET, &path).send().await.unwrap()).await
    };
    let all = search("search%5Ball%5D=acme%20trading&filter%5BteamFolder%5D=team-b").await;
    assert_eq!(names(&all), ["Acme Trading", "about acme.txt"]);
    let folders = search("search%5Ball%5D=STRASSE").await;
    assert_eq!(names(&folders), ["Straße 🚀.jpg"]);
    let named = search("search%5Bname%5D=globex&filter%5Btype%5D=folder").await;
    assert_eq!(names(&named), ["GLOBEX", "Globex", "globex"]);
    fixture.control.set_knobs(json!({"workdrive": {"search_lag_ms": 3_600_000}})).unwrap();
    fixture.control.advance(Duration::from_secs(1800));
    assert!(names(&search("search%5Bname%5D=Deep%20Roots").await).is_empty());
}

#[tokio::test]
async fn search_of_the_wrong_address_is_405() {
    let fixture = Fixture::demo().await;
    let answer = fixture.a(Method::GET, "/workdrive/api/v1/search?q=x").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn error_may_be_a_single_object() {
    let fixture = Fixture::demo().await;
    fixture.control.set_knobs(json!({"workdrive": {"single_error_object": true}})).unwrap();
    let answer = fixture.a(Method::GET, "/workdrive/api/v1/files/nowhere").send().await.unwrap();
    assert_eq!(json_of(answer).await["error"]["id"], "R008");
}
