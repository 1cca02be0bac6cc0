//! A copy that stops anywhere goes on, and nobody takes its beginning for a store.

use event_log::sqlx::{self, Connection as _, PgConnection};
use event_log::store_copy::{Progress, State};
use event_log::{Access, Database, Settings};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Move, refusal};
use crate::fixture::{append, change, soon};

const MIB: usize = 1 << 20;

/// Stops a copy when it has read `rows` rows of this run's step.
async fn stop_after(store: &Move, rows: u64) -> event_log::store_copy::Report {
    let (progress, mut watched) = watch::channel(Progress::default());
    let mut copy = store.copy();
    copy.progress = progress;
    let stop = CancellationToken::new();
    let (report, ()) = tokio::join!(copy.run(&stop), async {
        watched.wait_for(|progress| progress.rows >= rows).await.unwrap();
        stop.cancel();
    });
    report.unwrap()
}

#[tokio::test]
async fn interrupted_copy_is_refused_as_a_store_and_goes_on() {
    // 32 MiB are one part, which stays; the rest of what was read does not.
    let store = Move::of(&[MIB; 60]).await;
    let report = soon(stop_after(&store, 40)).await;
    assert_eq!(report.state, State::Interrupted);
    let there = report.copied_rows;
    assert!((1..60).contains(&there), "{there}");
    assert_eq!(store.text("SELECT count(*)::text FROM events").await, there.to_string());

    for access in [Access::CreateAndMigrate, Access::Existing, Access::ReadOnly] {
        let error = Database::open(&Settings::new(&store.to.url, access)).await.unwrap_err().to_string();
        assert!(error.contains("unfinished copy") && error.contains("migrate-store"), "{error}");
    }
    assert!(refusal(store.verify().await).contains("unfinished copy"));

    let report = store.run_to_the_end().await;
    assert_eq!(report.tables[0].copied_rows, 60 - there);
    store.to.log().await.append(append("1", change("one"))).await.unwrap();
}

#[tokio::test]
async fn copy_that_stops_while_comparing_compares_again() {
    let store = Move::of(&[100; 50]).await;
    let (progress, mut watched) = watch::channel(Progress::default());
    let mut copy = store.copy();
    copy.progress = progress;
    let stop = CancellationToken::new();
    let (report, ()) = tokio::join!(copy.run(&stop), async {
        watched.wait_for(|progress| progress.step == event_log::store_copy::Step::Comparing).await.unwrap();
        stop.cancel();
    });
    assert_eq!(report.unwrap().state, State::Interrupted);
    let error = Database::open(&Settings::new(&store.to.url, Access::Existing)).await.unwrap_err().to_string();
    assert!(error.contains("unfinished copy"), "{error}");
    assert_eq!(store.run_to_the_end().await.tables[0].copied_rows, 0);
}

#[tokio::test]
async fn what_changed_in_the_file_between_two_runs_is_copied_as_it_is_now() {
    let store = Move::of(&[100; 30]).await;
    store
        .change_file(
            "INSERT INTO checkpoints VALUES ('one', 1, '2026-11-21T08:00:00Z'), ('two', 2, '2026-11-21T08:00:00Z')",
        )
        .await;
    let (progress, mut watched) = watch::channel(Progress::default());
    let mut copy = store.copy();
    copy.progress = progress;
    let stop = CancellationToken::new();
    let (report, ()) = tokio::join!(copy.run(&stop), async {
        watched.wait_for(|progress| progress.step == event_log::store_copy::Step::Comparing).await.unwrap();
        stop.cancel();
    });
    assert_eq!(report.unwrap().state, State::Interrupted);

    let log = store.from.log().await;
    log.append(append("1", change("later"))).await.unwrap();
    log.close().await;
    store.change_file("UPDATE checkpoints SET global_position = 5 WHERE subscription_name = 'one'; DELETE FROM checkpoints WHERE subscription_name = 'two'").await;
    let report = store.run_to_the_end().await;
    assert_eq!(report.tables[0].copied_rows, 1);
    assert_eq!(
        store.text("SELECT string_agg(subscription_name || global_position, ' ') FROM checkpoints").await,
        "one5"
    );
}

#[tokio::test]
async fn command_that_changes_the_file_meanwhile_is_found_out() {
    let store = Move::of(&[100; 3]).await;
    // Its tables are made by a first run, so that one of them can be held.
    store.run_to_the_end().await;
    store.change_database("ALTER TABLE events DISABLE TRIGGER ALL; TRUNCATE events").await;
    let mut holder = PgConnection::connect(&store.to.url).await.unwrap();
    let mut held = holder.begin().await.unwrap();
    sqlx::query("LOCK TABLE effects IN ROW EXCLUSIVE MODE").execute(&mut *held).await.unwrap();

    let (progress, mut watched) = watch::channel(Progress::default());
    let mut copy = store.copy();
    copy.progress = progress;
    let stop = CancellationToken::new();
    let (report, ()) = tokio::join!(copy.run(&stop), async {
        watched.wait_for(|progress| progress.rows >= 3).await.unwrap();
        store.change_file("INSERT INTO checkpoints VALUES ('one', 1, '2026-11-21T08:00:00Z')").await;
        held.rollback().await.unwrap();
    });
    let error = report.unwrap_err().to_string();
    assert!(error.contains("was changed while it was copied"), "{error}");
    assert_eq!(store.run_to_the_end().await.tables.iter().map(|one| one.copied_rows).sum::<u64>(), 1);
}
