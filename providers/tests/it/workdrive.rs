use providers::error::Error;
use serde_json::{Value, json};

use crate::account::{client, granted};
use crate::server::{Reply, Request, Server};

fn folder(id: &str, name: &str) -> Value {
    json!({"id": id, "type": "files", "attributes": {"name": name, "type": "folder", "is_folder": true}})
}

#[tokio::test]
async fn folders_are_created_renamed_and_trashed() {
    let server = Server::start(granted(|request: &Request| match request.path() {
        "/workdrive/api/v1/files" if request.method == "POST" => Reply::json(201, &json!({"data": folder("d1", "X")})),
        "/workdrive/api/v1/files" => Reply::json(200, &json!({ "data": [] })),
        _ => Reply::json(200, &json!({"data": folder("d1", "Y")})),
    }))
    .await;
    let client = client(&server.url);
    assert_eq!(client.workdrive().create_folder("p", "X").await.unwrap().name, "X");
    assert_eq!(client.workdrive().rename("d1", "Y").await.unwrap().name, "Y");
    client.workdrive().trash("d1").await.unwrap();
    let sent = server.requests("/files");
    let create = json!({"data": {"type": "files", "attributes": {"name": "X", "parent_id": "p"}}});
    let trash = json!({"data": [{"id": "d1", "type": "files", "attributes": {"status": "51"}}]});
    assert_eq!((sent[0].json(), sent[1].json()), (create, trash));
    assert_eq!(sent[0].header("content-type"), Some("application/vnd.api+json"));
    let rename = &server.requests("/files/d1")[0];
    assert_eq!(rename.method, "PATCH");
    assert_eq!(rename.json(), json!({"data": {"type": "files", "attributes": {"name": "Y"}}}));
}

#[tokio::test]
async fn a_taken_folder_name_is_named() {
    let server = Server::start(granted(|_| Reply::text(409, ""))).await;
    let error = client(&server.url).workdrive().create_folder("p", "X").await.unwrap_err();
    assert!(matches!(&error, Error::NameTaken { name } if name == "X"), "{error}");
}

fn tree(request: &Request) -> Reply {
    match request.path() {
        "/workdrive/api/v1/users/me" => {
            Reply::json(200, &json!({"data": {"id": "u1", "attributes": {"edition": "TEAM"}}}))
        }
        "/workdrive/api/v1/users/u1/teams" => {
            Reply::json(200, &json!({"data": [{"id": "t1", "attributes": {"name": "One"}}, {"id": "t2"}]}))
        }
        "/workdrive/api/v1/teams/t1/teamfolders" => {
            let start: usize = request.query("page[offset]").unwrap().parse().unwrap();
            let folders: Vec<Value> = (start..60.min(start + 50)).map(|n| json!({"id": format!("tf{n}")})).collect();
            Reply::json(200, &json!({ "data": folders }))
        }
        "/workdrive/api/v1/teams/t2/teamfolders" => Reply::json(200, &json!({"data": [{"id": "wanted"}]})),
        "/workdrive/api/v1/teams/t2/records" => {
            let hits =
                [folder("a", "Straße"), folder("b", "Straßenbau"), folder("c", "STRASSE"), folder("a", "Straße")];
            Reply::json(200, &json!({ "data": hits }))
        }
        _ => Reply::text(404, ""),
    }
}

#[tokio::test]
async fn the_team_of_a_team_folder_is_found_over_teams_and_pages() {
    let server = Server::start(granted(tree)).await;
    let client = client(&server.url);
    let found = async |id: &str| client.workdrive().find_team_of(id).await.unwrap().map(|team| team.id);
    assert_eq!(found("tf55").await.as_deref(), Some("t1"));
    assert_eq!(found("wanted").await.as_deref(), Some("t2"));
    assert_eq!(found("nowhere").await, None);
}

#[tokio::test]
async fn search_hits_are_filtered_by_exact_name_without_case() {
    let server = Server::start(granted(tree)).await;
    let client = client(&server.url);
    for _ in 0..2 {
        let found = client.workdrive().search_folders_in("wanted", "straße").await.unwrap();
        assert_eq!(found.iter().map(|item| item.id.as_str()).collect::<Vec<_>>(), ["a", "c"]);
    }
    assert_eq!(server.count("/users/me"), 1, "the team is looked up once");
    let request = &server.requests("/records")[0];
    assert_eq!(request.query("filter[teamFolder]").as_deref(), Some("wanted"));
    assert_eq!(request.query("filter[type]").as_deref(), Some("folder"));
}

#[tokio::test]
async fn an_empty_id_never_becomes_the_path_of_a_collection() {
    let server = Server::start(granted(|_| Reply::Cut)).await;
    let client = client(&server.url);
    for id in ["", ".", ".."] {
        assert!(matches!(client.workdrive().item(id).await, Err(Error::Rejected { .. })));
        assert!(matches!(client.workdrive().download(id, None).await, Err(Error::Rejected { .. })));
        assert!(matches!(client.workdrive().trash(id).await, Err(Error::Rejected { .. })));
    }
}
