//! Schedules and registrations through the API.

use api::Role;
use event_log::{Error, sql};
use testkit::store::Backend;

use crate::server::{ACCOUNTS, SECRET, Server, start_with};

testkit::on_both_databases! {
    #[actix_web::test]
    schedules_and_registrations_are_shown_to_who_owns_what_they_are_of,
}

const TRANSFER: &str = r#"
[accounts.org-a.webhook]
verify = "zoho-crm"
[transfers.contacts]
crm = "org-a"
source = "org-a"
destination = "org-a"
module = "Contacts"
checkbox_field = "Done"
folder_field = "Folder"
source_team_folder_id = "1"
destination_folder_id = "2"
"#;

async fn start(on: Backend) -> Server {
    start_with(on, &format!("[auth]\nsecret = '{SECRET}'\n{ACCOUNTS}{TRANSFER}")).await
}

async fn schedules_and_registrations_are_shown_to_who_owns_what_they_are_of(on: Backend) {
    let server = start(on).await;
    server
        .log
        .write::<_, Error, _>(|unit| {
            Box::pin(async move {
                for name in ["crm-pending:contacts", "books-users:other", "crm-pending:gone"] {
                    sql::query(
                        "INSERT INTO schedules (schedule_name, spec, timezone) VALUES ($1, 'every 300s', 'UTC')",
                    )
                    .bind(name)
                    .execute(unit.connection())
                    .await?;
                }
                Ok(())
            })
        })
        .await
        .unwrap();
    let (acme, umbrella) = (server.token(Role::Viewer, Some("acme")), server.token(Role::Viewer, Some("umbrella")));
    let all = server.token(Role::SuperAdmin, None);
    for (token, expected) in [
        (&acme, vec!["crm-pending:contacts"]),
        (&umbrella, vec!["books-users:other"]),
        (&all, vec!["books-users:other", "crm-pending:contacts", "crm-pending:gone"]),
    ] {
        assert_eq!(server.get(token, "/api/v1/schedules").await.items("name"), expected);
    }
    let first = server.get(&all, "/api/v1/schedules?limit=1").await;
    let cursor = first.body["next_cursor"].as_str().unwrap();
    let second = server.get(&all, &format!("/api/v1/schedules?limit=1&cursor={cursor}")).await;
    assert_eq!(second.items("name"), ["crm-pending:contacts"]);

    let shown = server.get(&acme, "/api/v1/registrations").await;
    assert_eq!((shown.items("account"), shown.items("state")), (vec!["org-a".into()], vec!["not_wished".into()]));
    assert!(server.get(&acme, "/api/v1/registrations?account=partner").await.items("account").is_empty());
    assert!(server.get(&umbrella, "/api/v1/registrations").await.items("account").is_empty());
    server.stop().await;
}
