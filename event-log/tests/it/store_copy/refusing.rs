//! What is no beginning of a copy is left alone, and the refusal says what helps.

use event_log::{Access, Database, Grant, Settings};

use super::{Move, refusal};
use crate::fixture::{append, change};

/// The refusal has all of these words.
#[track_caller]
fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "does not say {word:?}: {text}");
    }
}

#[tokio::test]
async fn database_with_rows_of_its_own_is_refused_and_left_alone() {
    let store = Move::of(&[1, 2]).await;
    let log = store.to.log().await;
    log.append(append("1", change("theirs"))).await.unwrap();
    log.close().await;
    drop(log);
    says(&refusal(store.run().await), &["already holds 1 rows in events", "empty database", "--verify-only"]);
    assert_eq!(store.text("SELECT count(*)::text FROM events").await, "1");
    Database::open(&Settings::new(&store.to.url, Access::Existing)).await.unwrap();
}

#[tokio::test]
async fn database_that_went_on_after_its_copy_is_refused_and_left_alone() {
    let store = Move::of(&[1, 2]).await;
    store.run_to_the_end().await;
    store.change_database("INSERT INTO checkpoints VALUES ('one', 1, now())").await;
    says(&refusal(store.run().await), &["already holds 2 rows in events"]);
    Database::open(&Settings::new(&store.to.url, Access::Existing)).await.unwrap();
}

#[tokio::test]
async fn unfinished_copy_of_another_store_is_refused() {
    let store = Move::of(&[1, 2]).await;
    store.run_to_the_end().await;
    store
        .change_database(
            "CREATE TABLE unfinished_copy AS SELECT '/somewhere/other.db' AS copied_from, now() AS begun_at",
        )
        .await;
    let mut other = Move::of(&[1, 2, 3]).await;
    other.to.url.clone_from(&store.to.url);
    says(&refusal(other.run().await), &["/somewhere/other.db", "position 1", "empty database"]);
    // Its own store goes on.
    store.run_to_the_end().await;
}

#[tokio::test]
async fn database_that_somebody_works_on_is_refused_though_it_is_empty() {
    let store = Move::of(&[1]).await;
    let log = store.to.log().await;
    says(&refusal(store.run().await), &["in use", "connection"]);
    log.append(append("1", change("theirs"))).await.unwrap();
}

#[tokio::test]
async fn file_that_somebody_works_on_is_refused() {
    let store = Move::of(&[1]).await;
    let log = store.from.log().await;
    let claimed = log.database().lock_roles().unwrap();
    says(&refusal(store.run().await), &["already working on", &std::process::id().to_string()]);
    drop(claimed);
    log.close().await;
    store.run_to_the_end().await;
}

#[tokio::test]
async fn second_copy_into_one_database_is_refused() {
    let store = Move::of(&[1]).await;
    // The lock of all writers, as a running copy holds it.
    let holding = store.to.log().await;
    let release = crate::fixture::hold_writer(&holding).await;
    says(&refusal(store.run().await), &["in use", "migrate-store"]);
    drop(release);
}

#[tokio::test]
async fn store_of_another_version_is_refused() {
    let store = Move::of(&[1]).await;
    let newest = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES \
                  (29991231000000, 'from the future', true, '', 1)";
    store.change_file(newest).await;
    says(&refusal(store.run().await), &["newer gateledger", "log.db"]);
    store.change_file("DELETE FROM _sqlx_migrations WHERE version IN (29991231000000, (SELECT max(version) FROM _sqlx_migrations WHERE version < 29991231000000))").await;
    says(&refusal(store.run().await), &["behind by 1 migration", "gateledger migrate"]);

    let store = Move::of(&[1]).await;
    let log = store.to.log().await;
    log.append(append("1", change("theirs"))).await.unwrap();
    log.close().await;
    drop(log);
    store.change_database(newest).await;
    says(&refusal(store.run().await), &["newer gateledger", "postgres://"]);
    store.change_database("DELETE FROM _sqlx_migrations WHERE version IN (29991231000000, (SELECT max(version) FROM _sqlx_migrations WHERE version < 29991231000000))").await;
    says(&refusal(store.run().await), &["behind by 1 migration", "postgres://"]);
}

#[tokio::test]
async fn value_that_its_column_cannot_hold_is_named_with_its_row() {
    let store = Move::of(&[1]).await;
    store.change_file("INSERT INTO checkpoints VALUES ('transfer', 1, 'yesterday')").await;
    says(&refusal(store.run().await), &["checkpoints", "transfer", "updated_at", "yesterday"]);
    store
        .change_file(
            "UPDATE checkpoints SET updated_at = '2026-11-21T08:00:00Z'; INSERT INTO rm_totals VALUES ('a', 'b', 1)",
        )
        .await;
    store
        .change_file(
            "INSERT INTO rm_records VALUES ('a', 'b', 'c', NULL, '{\"half\": ', 0, 1, '', '2026-11-21T08:00:00Z', 1)",
        )
        .await;
    says(&refusal(store.run().await), &["rm_records", "json", "line 1"]);
    store.change_file("DELETE FROM rm_records").await;
    store.run_to_the_end().await;
}

#[tokio::test]
async fn role_that_may_not_fill_the_tables_is_told_which_role_may() {
    let database = testkit::postgres::database().await;
    let roles = database.roles().await;
    let mut store = Move::of(&[1]).await;
    store.to.url.clone_from(&database.url);
    // Read models are given to the application's role, which takes a member of it.
    store.change_database(&format!("GRANT {} TO {}", roles.application, roles.owner)).await;
    let owner = Database::open(&Settings::new(database.url_as(&roles.owner), Access::CreateAndMigrate)).await.unwrap();
    owner.grant(&Grant { role: roles.application.clone() }).await.unwrap();
    drop(owner);
    store.to.url = database.url_as(&roles.application);
    says(&refusal(store.run().await), &["may not fill", "effects", "owns the tables"]);
    store.to.url = database.url_as(&roles.owner);
    store.run_to_the_end().await;
}

#[tokio::test]
async fn addresses_of_the_wrong_kind_are_refused() {
    let mut store = Move::of(&[1]).await;
    std::mem::swap(&mut store.from.url, &mut store.to.url);
    says(&refusal(store.run().await), &["sqlite:"]);
    let there = store.from.url.clone();
    store.from.url = store.to.url.clone();
    says(&refusal(store.run().await), &["postgres://"]);
    store.from.url = "sqlite:/nowhere/at/all.db".to_owned();
    store.to.url = there;
    says(&refusal(store.run().await), &["cannot open /nowhere/at/all.db"]);
}
