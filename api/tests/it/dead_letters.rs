//! Dead letters through the API.

use api::Role;
use event_log::sql;
use event_log::{Direction, Error, Filter, GlobalPosition};
use serde_json::json;
use testkit::store::Backend;
use uuid::Uuid;

use crate::server::{Server, start};

testkit::on_both_databases! {
    #[actix_web::test]
    dead_letters_are_listed_newest_first_within_the_organization,
    redriving_is_done_once_and_leaves_its_events,
}

/// Effects of one account that were given up.
async fn park(server: &Server, account: &'static str, organization: &'static str, count: usize) {
    server
        .log
        .write::<_, Error, _>(move |unit| {
            Box::pin(async move {
                let now = unit.now();
                for number in 0..count {
                    let key = format!("file.copy:{account}:{number}");
                    sql::query(
                        "INSERT INTO effects (effect_key, kind, lane, stream_name, run, account, organization, status, \
                         not_before, request, correlation_id, planned_at) \
                         VALUES ($1, 'file.copy', 'files', 'transfer-contacts-1', 1, $2, $3, 'failed', $4, $5, $6, $4)",
                    )
                    .bind(key.clone())
                    .bind(account)
                    .bind(organization)
                    .bind(now)
                    .bind(sql::json("{\"file\":\"1\"}"))
                    .bind(Uuid::nil())
                    .execute(unit.connection())
                    .await?;
                    sql::query(
                        "INSERT INTO dead_letters (effect_key, kind, stream_name, account, organization, reason, error, \
                         attempts, correlation_id, parked_at) \
                         VALUES ($1, 'file.copy', 'transfer-contacts-1', $2, $3, 'refused', 'no', 3, $4, $5)",
                    )
                    .bind(key)
                    .bind(account)
                    .bind(organization)
                    .bind(Uuid::nil())
                    .bind(now)
                    .execute(unit.connection())
                    .await?;
                }
                Ok(())
            })
        })
        .await
        .unwrap();
}

async fn dead_letters_are_listed_newest_first_within_the_organization(on: Backend) {
    let server = start(on).await;
    park(&server, "org-a", "acme", 3).await;
    park(&server, "other", "umbrella", 2).await;
    let viewer = server.token(Role::Viewer, Some("acme"));
    let first = server.get(&viewer, "/api/v1/dead-letters?limit=2").await;
    assert_eq!(first.items("dead_letter_id"), [3, 2]);
    let cursor = first.body["next_cursor"].as_str().unwrap();
    let second = server.get(&viewer, &format!("/api/v1/dead-letters?limit=2&cursor={cursor}")).await;
    assert_eq!((second.items("dead_letter_id"), &second.body["next_cursor"]), (vec![json!(1)], &json!(null)));
    for (query, expected) in [
        ("reason=refused&resolved=true", vec![json!(3), json!(2), json!(1)]),
        ("reason=throttled", vec![]),
        ("account=other", vec![]),
    ] {
        let page = server.get(&viewer, &format!("/api/v1/dead-letters?{query}")).await;
        assert_eq!(page.items("dead_letter_id"), expected, "{query}");
    }
    let one = server.get(&viewer, "/api/v1/dead-letters/1").await;
    assert_eq!(one.body["request"], json!({"file": "1"}));
    assert_eq!(server.get(&viewer, "/api/v1/dead-letters/4").await.status, 404);
    let all = server.token(Role::SuperAdmin, None);
    assert_eq!(server.get(&all, "/api/v1/dead-letters").await.items("dead_letter_id"), [5, 4, 3, 2, 1]);
    server.stop().await;
}

async fn redriving_is_done_once_and_leaves_its_events(on: Backend) {
    let server = start(on).await;
    park(&server, "org-a", "acme", 1).await;
    let operator = server.token(Role::Operator, Some("acme"));
    let others = server.token(Role::Operator, Some("umbrella"));
    assert_eq!(server.post(&others, "/api/v1/dead-letters/1/redrive").await.status, 404);
    let done = server.post(&operator, "/api/v1/dead-letters/1/redrive").await;
    assert_eq!((done.status, &done.body["effect_key"]), (200, &json!("file.copy:org-a:0")));
    let again = server.post(&operator, "/api/v1/dead-letters/1/redrive").await;
    assert_eq!((again.status, again.code()), (409, "dead_letter_not_waiting"));
    let events = server.log.list(&Filter::default(), GlobalPosition(0), Direction::Forward, 10).await.unwrap();
    let types: Vec<&str> = events.iter().map(|event| event.event_type.as_str()).collect();
    assert_eq!(types, ["effect.redriven", "api.called"]);
    server.stop().await;
}
