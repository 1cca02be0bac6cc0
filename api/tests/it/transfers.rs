//! Transfers through the API.

use api::Role;
use catalogue::transfer::{COMPLETED, Completed, FILE_COMPLETED, FileCompleted, REQUESTED, Requested, Verification};
use event_log::{Append, NewEvent};
use serde_json::json;
use testkit::store::Backend;
use testkit::wait;
use tokio_util::sync::CancellationToken;

use crate::server::{Server, start};

testkit::on_both_databases! {
    #[actix_web::test]
    runs_are_listed_newest_first_and_their_files_page_by_page,
}

async fn request(server: &Server, transfer: &str, record: &str, organization: &str) {
    let data = Requested {
        transfer: transfer.to_owned(),
        module: "Contacts".to_owned(),
        record_id: record.to_owned(),
        folder_name: "Projects".to_owned(),
        run: 1,
        reason: "changed".to_owned(),
    };
    let event = NewEvent::new(REQUESTED, "decision", &data).of("org-a", organization);
    server.log.append(Append::new(catalogue::transfer::stream(transfer, record), vec![event])).await.unwrap();
}

async fn complete(server: &Server, transfer: &str, record: &str) {
    let file = |number: u32| FileCompleted {
        run: 1,
        effect_key: format!("file.copy:{number}"),
        source_file_id: format!("file-{number}"),
        source_version: "1".to_owned(),
        path: format!("{number}.pdf"),
        name: format!("{number}.pdf"),
        destination_folder_id: "to".to_owned(),
        destination_file_id: format!("copy-{number}"),
        bytes: 7,
        verification: Verification::Verified,
        md5: None,
        attempts: 1,
        settled: false,
        reused: number == 2,
    };
    let done = Completed {
        transfer: transfer.to_owned(),
        module: "Contacts".to_owned(),
        record_id: record.to_owned(),
        folder_name: "Projects".to_owned(),
        run: 1,
        files_copied: 3,
        files_failed: 0,
        folders_failed: 0,
        bytes: 21,
        check: true,
    };
    let mut events: Vec<NewEvent> =
        (1..=3).map(|number| NewEvent::new(FILE_COMPLETED, "effect", &file(number)).of("org-a", "acme")).collect();
    events.push(NewEvent::new(COMPLETED, "effect", &done).of("org-a", "acme"));
    server.log.append(Append::new(catalogue::transfer::stream(transfer, record), events)).await.unwrap();
}

async fn runs_are_listed_newest_first_and_their_files_page_by_page(on: Backend) {
    let server = start(on).await;
    for record in ["1", "2", "3"] {
        request(&server, "contacts", record, "acme").await;
        request(&server, "others", record, "umbrella").await;
    }
    complete(&server, "contacts", "2").await;
    let stop = CancellationToken::new();
    let projector = actix_web::rt::spawn(projector::run(server.log.clone(), "test".to_owned(), stop.clone()));
    let viewer = server.token(Role::Viewer, Some("acme"));
    wait::until_true("the read models are filled", async || {
        server.get(&viewer, "/api/v1/transfers?state=completed").await.items("record_id") == ["2"]
    })
    .await;

    let first = server.get(&viewer, "/api/v1/transfers?limit=2").await;
    assert_eq!(first.items("record_id"), ["3", "2"]);
    let cursor = first.body["next_cursor"].as_str().unwrap();
    let second = server.get(&viewer, &format!("/api/v1/transfers?limit=2&cursor={cursor}")).await;
    assert_eq!((second.items("record_id"), &second.body["next_cursor"]), (vec![json!("1")], &json!(null)));
    for (query, expected) in [
        ("transfer=contacts&record_id=2", vec![json!("2")]),
        ("record_id=3", vec![json!("3")]),
        ("transfer=others", vec![]),
        ("transfer=others&record_id=1", vec![]),
        ("state=failed", vec![]),
    ] {
        let page = server.get(&viewer, &format!("/api/v1/transfers?{query}")).await;
        assert_eq!(page.items("record_id"), expected, "{query}");
    }
    let run = server.get(&viewer, "/api/v1/transfers/contacts/2/1").await;
    assert_eq!((&run.body["state"], &run.body["files_copied"]), (&json!("completed"), &json!(3)));
    for path in ["/api/v1/transfers/others/2/1", "/api/v1/transfers/others/2/1/files", "/api/v1/transfers/contacts/2/9"]
    {
        assert_eq!(server.get(&viewer, path).await.status, 404, "{path}");
    }
    let files = server.get(&viewer, "/api/v1/transfers/contacts/2/1/files?limit=2").await;
    assert_eq!(files.items("source_file_id"), ["file-1", "file-2"]);
    let cursor = files.body["next_cursor"].as_str().unwrap();
    let rest = server.get(&viewer, &format!("/api/v1/transfers/contacts/2/1/files?cursor={cursor}")).await;
    assert_eq!(rest.items("source_file_id"), ["file-3"]);
    let reused = server.get(&viewer, "/api/v1/transfers/contacts/2/1/files?state=reused").await;
    assert_eq!(reused.items("source_file_id"), ["file-2"]);
    stop.cancel();
    projector.await.unwrap().unwrap();
    server.stop().await;
}
