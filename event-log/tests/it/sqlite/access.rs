//! Who may open what, and what they are told otherwise.

use std::path::Path;
use std::sync::Arc;

use chrono::Utc;
use event_log::sql;
use event_log::sqlx::{self, Connection, SqliteConnection};
use event_log::{Access, Database, Error, Log, Settings};
use futures::future::join_all;

use crate::fixture::{Fixture, append, event, everything};

#[tokio::test]
async fn a_newer_database_is_refused_naming_the_migration() {
    let fixture = Fixture::sqlite().await;
    drop(fixture.log().await);
    let path = fixture.url.strip_prefix("sqlite:").unwrap();
    execute(path, "INSERT INTO _sqlx_migrations SELECT 20991231000000, 'x', '', 1, x'00', 0").await;
    for access in [Access::CreateAndMigrate, Access::Existing, Access::ReadOnly] {
        let refused = Database::open(&Settings::new(&fixture.url, access)).await.unwrap_err();
        assert!(matches!(refused, Error::NewerDatabase { version: 20_991_231_000_000, .. }), "{refused}");
        assert!(refused.to_string().contains("start the newer version"), "{refused}");
    }
}

#[tokio::test]
async fn a_database_behind_is_refused_unless_it_may_be_migrated() {
    let fixture = Fixture::sqlite().await;
    drop(fixture.log().await);
    let path = fixture.url.strip_prefix("sqlite:").unwrap();
    execute(path, "DROP TABLE transfer_runs; DELETE FROM _sqlx_migrations WHERE description = 'create_transfer_runs'")
        .await;
    for access in [Access::Existing, Access::ReadOnly] {
        let refused = Database::open(&Settings::new(&fixture.url, access)).await.unwrap_err();
        assert!(matches!(refused, Error::Behind { missing: 1, .. }), "{refused}");
    }
    Database::open(&Settings::new(&fixture.url, Access::CreateAndMigrate)).await.unwrap();
    Database::open(&Settings::new(&fixture.url, Access::Existing)).await.unwrap();
}

#[tokio::test]
async fn a_changed_migration_is_refused() {
    let fixture = Fixture::sqlite().await;
    drop(fixture.log().await);
    let path = fixture.url.strip_prefix("sqlite:").unwrap();
    execute(
        path,
        "UPDATE _sqlx_migrations SET checksum = x'00' WHERE description = 'create_events'; DROP TABLE transfer_runs; \
         DELETE FROM _sqlx_migrations WHERE description = 'create_transfer_runs'",
    )
    .await;
    let refused = Database::open(&Settings::new(&fixture.url, Access::CreateAndMigrate)).await.unwrap_err();
    assert!(matches!(refused, Error::Corrupt { .. }), "{refused}");
}

#[tokio::test]
async fn a_read_only_log_reads_and_refuses_to_append() {
    let fixture = Fixture::sqlite().await;
    let log = fixture.log().await;
    log.append(append("1", event())).await.unwrap();
    let database = Database::open(&Settings::new(&fixture.url, Access::ReadOnly)).await.unwrap();
    let reader = Log::open(database, 10, Arc::new(Utc::now)).await.unwrap();
    assert_eq!(everything(&reader).await.len(), 1);
    for refused in [
        reader.append(append("1", event())).await.map(drop),
        reader.offer(append("1", event())).await.map(drop),
        reader.write(|_| Box::pin(async { Ok::<_, Error>(()) })).await,
    ] {
        let refused = refused.unwrap_err();
        assert!(matches!(refused, Error::ReadOnly { .. }) && !refused.is_retryable(), "{refused}");
    }
    reader.close().await;
    log.append(append("1", event())).await.unwrap();
    assert_eq!(everything(&reader).await.len(), 2, "it sees what others append");
}

#[tokio::test]
async fn read_connections_cannot_write() {
    let fixture = Fixture::sqlite().await;
    let log = fixture.log().await;
    let refused = sql::query("DELETE FROM checkpoints").execute(log.database().readers()).await.unwrap_err();
    assert!(refused.to_string().contains("readonly"), "{refused}");
}

#[tokio::test]
async fn a_missing_file_is_created_only_where_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("log.db").display());
    for access in [Access::Existing, Access::ReadOnly] {
        let refused = Database::open(&Settings::new(&url, access)).await.unwrap_err();
        assert!(matches!(refused, Error::Open { .. }), "{refused}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was created");
    }
    Database::open(&Settings::new(&url, Access::CreateAndMigrate)).await.unwrap();
}

#[tokio::test]
async fn a_missing_folder_is_named_and_not_created() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    for path in [missing.join("log.db"), file.join("log.db")] {
        let url = format!("sqlite:{}", path.display());
        let refused = Database::open(&Settings::new(url, Access::CreateAndMigrate)).await.unwrap_err();
        assert!(
            matches!(&refused, Error::Open { database, .. } if *database == path.display().to_string()),
            "{refused}"
        );
    }
    assert!(!missing.exists());
}

#[tokio::test]
async fn a_folder_in_place_of_the_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().display());
    for access in [Access::CreateAndMigrate, Access::Existing, Access::ReadOnly] {
        let refused = Database::open(&Settings::new(&url, access)).await.unwrap_err();
        assert!(matches!(refused, Error::Open { .. }), "{refused:?}");
    }
}

#[tokio::test]
async fn urls_that_name_no_file_are_refused() {
    for url in ["", "log.db", "mysql://localhost/x", "sqlite:", "sqlite://", "sqlite::memory:", "sqlite:a.db?mode=rwc"]
    {
        let refused = Database::open(&Settings::new(url, Access::CreateAndMigrate)).await.unwrap_err();
        assert!(matches!(refused, Error::BadUrl(_)) && !refused.is_retryable(), "{url:?}: {refused}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_openers_of_a_new_file_migrate_it_once() {
    for _ in 0..5 {
        let fixture = Fixture::sqlite().await;
        let openers = (0..8).map(|_| {
            let settings = Settings::new(&fixture.url, Access::CreateAndMigrate);
            tokio::spawn(async move { Database::open(&settings).await })
        });
        for opened in join_all(openers).await {
            opened.unwrap().unwrap();
        }
        fixture.log().await.append(append("1", event())).await.unwrap();
    }
}

async fn execute(path: impl AsRef<Path>, statements: &'static str) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql(statements).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}
