//! Two roles: one owns the tables and migrates, the other works and cannot change what was recorded.

use std::sync::Arc;

use chrono::Utc;
use event_log::sqlx::postgres::PgConnection;
use event_log::sqlx::{self, AssertSqlSafe, Connection};
use event_log::{Access, Database, Error, Grant, Log, Settings};

use crate::fixture::{append, change, everything};

async fn open(url: &str, access: Access) -> Result<Database, Error> {
    Database::open(&Settings::new(url, access)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_application_role_appends_and_reads_and_cannot_change_events() {
    let database = testkit::postgres::database().await;
    let roles = database.roles().await;
    let (owner, application) = (database.url_as(&roles.owner), database.url_as(&roles.application));

    let refused = open(&application, Access::Existing).await.unwrap_err();
    assert!(matches!(refused, Error::Behind { .. }), "{refused}");
    let owned = open(&owner, Access::CreateAndMigrate).await.unwrap();
    let refused = owned.grant(&Grant { role: roles.application.clone() }).await.unwrap_err();
    let Error::NotAMember { .. } = &refused else { panic!("{refused}") };
    let remedy = refused.to_string().split_once("administrator: ").unwrap().1.to_owned();
    let mut administrator = PgConnection::connect(&database.url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(remedy)).execute(&mut administrator).await.unwrap();
    owned.grant(&Grant { role: roles.application.clone() }).await.unwrap();
    // Granting again changes nothing.
    owned.grant(&Grant { role: roles.application.clone() }).await.unwrap();

    let log =
        Log::open(open(&application, Access::CreateAndMigrate).await.unwrap(), 16, Arc::new(Utc::now)).await.unwrap();
    log.append(append("1", change("a"))).await.unwrap();
    log.append(append("1", change("a"))).await.unwrap();
    log.write::<_, Error, _>(|unit| {
        Box::pin(async move { event_log::take_lease(unit, "work", "me", std::time::Duration::from_secs(5)).await })
    })
    .await
    .unwrap();
    assert_eq!(everything(&log).await.len(), 1);

    let mut connection = PgConnection::connect(&application).await.unwrap();
    for statement in [
        "UPDATE events SET data = '{}'",
        "DELETE FROM events",
        "TRUNCATE events",
        "DROP TABLE events",
        "ALTER TABLE events DISABLE TRIGGER ALL",
        "DELETE FROM _sqlx_migrations",
    ] {
        let refused = sqlx::raw_sql(statement).execute(&mut connection).await.unwrap_err().to_string();
        assert!(refused.contains("permission denied") || refused.contains("must be owner"), "{statement}: {refused}");
    }
    // Read models are the program's own: a rebuild replaces them.
    for statement in ["ALTER TABLE rm_totals RENAME TO rm_totals__old", "DROP TABLE rm_totals__old"] {
        sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn not_even_the_owner_changes_events_by_mistake() {
    let database = testkit::postgres::database().await;
    let opened = open(&database.url, Access::CreateAndMigrate).await.unwrap();
    let log = Log::open(opened, 16, Arc::new(Utc::now)).await.unwrap();
    log.append(append("1", change("a"))).await.unwrap();
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    for statement in ["UPDATE events SET source = 'x'", "DELETE FROM events", "TRUNCATE events"] {
        let refused = sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap_err();
        assert!(refused.to_string().contains("events are immutable"), "{statement}: {refused}");
    }
    assert_eq!(everything(&log).await.len(), 1);
}
