//! Rebuilding beside the live tables.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use event_log::sql;
use event_log::{EventId, NewEvent, StreamName};
use projector::Error;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError};
use testkit::wait::until_true;

use crate::story::{Step, changed, step};
use crate::world::{NAMES, World};

/// A step, and whether an earlier one comes again right after it.
#[derive(Debug, Clone)]
struct Drawn {
    step: Step,
    again: Option<prop::sample::Index>,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    (step(), prop::option::weighted(0.3, any::<prop::sample::Index>())).prop_map(|(step, again)| Drawn { step, again })
}

/// Fewer on PostgreSQL, where a fresh database takes longer to make.
fn cases(cases: u32) -> Config {
    Config { cases, max_shrink_iters: 50, ..Config::default() }
}

fn wait<T>(what: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(what)
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn rebuild_equals_following_on_sqlite(
        before in prop::collection::vec(drawn(), 0..60),
        during in prop::collection::vec(drawn(), 0..60),
    ) {
        wait(async { check(World::on_sqlite().await, &before, &during).await })?;
    }
}

proptest! {
    #![proptest_config(cases(8))]

    #[test]
    fn rebuild_equals_following_on_postgres(
        before in prop::collection::vec(drawn(), 0..60),
        during in prop::collection::vec(drawn(), 0..60),
    ) {
        wait(async { check(World::on_postgres().await, &before, &during).await })?;
    }

    #[test]
    fn both_databases_tell_the_same(steps in prop::collection::vec(drawn(), 0..100)) {
        let told = wait(async {
            let (sqlite, postgres) = (World::on_sqlite().await, World::on_postgres().await);
            for (stream, event) in events(&steps, 0) {
                sqlite.append(&stream, event.clone()).await;
                postgres.append(&stream, event).await;
            }
            sqlite.catch_up().await;
            postgres.catch_up().await;
            (sqlite.told().await, postgres.told().await)
        });
        prop_assert_eq!(told.0, told.1);
    }
}

/// Follows the log while events arrive, rebuilds while more arrive, and at last rebuilds all that was followed.
async fn check(world: World, before: &[Drawn], during: &[Drawn]) -> Result<(), TestCaseError> {
    let following = world.follow();
    world.append_all(events(before, 0)).await;
    let rebuilding = async {
        for name in NAMES {
            projector::rebuild(&world.log, name, |_| {}).await.unwrap();
        }
    };
    tokio::join!(world.append_all(events(during, before.len())), rebuilding);
    until_true("all is followed", async || world.lag().await == 0).await;
    following.stop().await.unwrap();

    let followed = world.rows().await;
    for name in NAMES {
        let report = projector::rebuild(&world.log, name, |_| {}).await.unwrap();
        prop_assert_eq!(report.events, world.log.high_water_mark().await.unwrap().0.unsigned_abs());
    }
    prop_assert_eq!(world.rows().await, followed);
    prop_assert_eq!(world.lag().await, 0);
    Ok(())
}

/// The events of the steps; those that come again have the id they had before.
fn events(drawn: &[Drawn], first: usize) -> Vec<(StreamName, NewEvent)> {
    let id = |at: usize| EventId::derived(&["step", &(first + at).to_string()]);
    let mut events = Vec::with_capacity(drawn.len());
    for (at, one) in drawn.iter().enumerate() {
        events.push(one.step.event(id(at)));
        if let Some(again) = &one.again {
            let earlier = again.index(at + 1);
            events.push(drawn[earlier].step.event(id(earlier)));
        }
    }
    events
}

async fn with_records(world: World, count: u32) -> World {
    let appends = (0..count).map(|record| {
        let (stream, event) = changed("org-0", &record.to_string(), Some(1));
        world.log.append(event_log::Append::new(stream, vec![event]))
    });
    for appended in futures::future::join_all(appends).await {
        appended.unwrap();
    }
    world.catch_up().await;
    world
}

pub(crate) async fn a_concurrent_reader_never_sees_a_table_that_is_missing_or_half_full(world: World) {
    let world = with_records(world, 900).await;
    let done = Arc::new(AtomicBool::new(false));
    #[expect(clippy::disallowed_methods, reason = "the test waits for it")]
    let reading = tokio::spawn({
        let (readers, done) = (world.log.database().readers().clone(), done.clone());
        async move {
            let mut looks = 0;
            while !done.load(Ordering::Relaxed) {
                let rows: i64 = sql::query_scalar("SELECT count(*) FROM rm_records").fetch_one(&readers).await.unwrap();
                assert_eq!(rows, 900);
                looks += 1;
            }
            looks
        }
    });
    for _ in 0..5 {
        let report = projector::rebuild(&world.log, "records", |_| {}).await.unwrap();
        assert_eq!((report.rows, report.events), (900, 900));
    }
    done.store(true, Ordering::Relaxed);
    assert!(reading.await.unwrap() > 5);
}

pub(crate) async fn a_rebuild_repairs_what_was_damaged_and_leaves_nothing_beside(world: World) {
    let world = with_records(world, 50).await;
    let (rows, tables) = (world.rows().await, world.tables().await);
    world.execute("DELETE FROM rm_records WHERE record_id < '3'; UPDATE rm_records SET fields = '{}'").await;
    let mut told = Vec::new();
    projector::rebuild(&world.log, "records", |progress| told.push(progress.position.0)).await.unwrap();
    assert_eq!(world.rows().await, rows);
    assert_eq!(world.tables().await, tables);
    assert_eq!(told.last(), Some(&50));
}

pub(crate) async fn rows_that_had_to_leave_memory_are_folded_on(world: World) {
    // Twice more than is kept in memory: what is written first is not there any more when it is met again.
    let text = "x".repeat(400 * 1024);
    for second in 1..=2 {
        for record in 0..100 {
            let (stream, mut event) = changed("org-0", &record.to_string(), Some(second));
            event.data = event.data.replace("\"Done\":false", &format!("\"Text\":{text:?}"));
            world.append(&stream, event).await;
        }
        for _ in 0..300 {
            let (stream, event) = changed("org-0", "small", Some(second));
            world.append(&stream, event).await;
        }
    }
    let report = projector::rebuild(&world.log, "records", |_| {}).await.unwrap();
    assert_eq!((report.events, report.rows), (800, 101));
    let folded_twice: i64 = sql::query_scalar("SELECT count(*) FROM rm_records WHERE facts = 2")
        .fetch_one(world.log.database().readers())
        .await
        .unwrap();
    assert_eq!(folded_twice, 100);
}

pub(crate) async fn a_rebuild_that_crashed_holds_its_claim_for_a_minute_and_is_cleaned_up_by_the_next(world: World) {
    let world = with_records(world, 900).await;
    {
        let (started, mut told) = tokio::sync::mpsc::unbounded_channel();
        let rebuilding = projector::rebuild(&world.log, "records", move |_| {
            let _ = started.send(());
        });
        tokio::select! {
            biased;
            _ = told.recv() => {}
            done = rebuilding => panic!("{done:?}"),
        }
    }
    // A job of the one that was dropped may still be under way.
    world.log.write(|_| Box::pin(async { Ok::<_, event_log::Error>(()) })).await.unwrap();
    assert!(world.tables().await.contains(&"rm_records__next".to_owned()));
    let refused = projector::rebuild(&world.log, "records", |_| {}).await.unwrap_err();
    assert!(matches!(refused, Error::RebuildRunning { name: "records" }));
    assert!(refused.is_retryable());
    projector::rebuild(&world.log, "polls", |_| {}).await.unwrap();

    world.advance(Duration::from_secs(61));
    assert_eq!(projector::rebuild(&world.log, "records", |_| {}).await.unwrap().rows, 900);
    assert!(!world.tables().await.iter().any(|table| table.contains("__")));
}

pub(crate) async fn a_rebuild_that_fails_leaves_the_live_table_alone(world: World) {
    let world = with_records(world, 5).await;
    let rows = world.rows().await;
    let bad = NewEvent::new(catalogue::crm::CHANGED, "fetch", &"not a change").of("org-0", "acme");
    world.append(&catalogue::crm::stream("org-0", "Contacts", "1"), bad).await;
    let failed = projector::rebuild(&world.log, "records", |_| {}).await.unwrap_err();
    assert!(
        matches!(&failed, Error::Log(event_log::Error::Undecodable { position, .. }) if position.0 == 6),
        "{failed}"
    );
    assert_eq!(world.rows().await, rows);
    assert!(!world.tables().await.iter().any(|table| table.contains("__")));
}

pub(crate) async fn an_unknown_projection_is_refused_with_the_names_there_are(world: World) {
    let refused = projector::rebuild(&world.log, "recrods", |_| {}).await.unwrap_err().to_string();
    assert!(refused.contains("\"recrods\"") && NAMES.iter().all(|name| refused.contains(name)), "{refused}");
}

pub(crate) async fn a_rebuild_of_an_empty_log_is_an_empty_table(world: World) {
    for name in NAMES {
        let report = projector::rebuild(&world.log, name, |_| {}).await.unwrap();
        assert_eq!((report.events, report.rows), (0, 0));
    }
}

pub(crate) async fn text_that_only_one_database_can_hold_is_folded_on_both(world: World) {
    let (stream, mut event) = changed("org-0", "1", Some(1));
    event.data = event.data.replace("\"Done\":false", r#""Done":"a\u0000b""#);
    world.append(&stream, event).await;
    world.catch_up().await;
    let followed = world.rows().await;
    projector::rebuild(&world.log, "records", |_| {}).await.unwrap();
    assert_eq!(world.rows().await, followed);
    let told = world.told().await;
    let shown = told["records"][0]["fields"]["Done"].as_str().unwrap();
    assert!(["a\u{0}b", "a\u{fffd}b"].contains(&shown), "{shown:?}");
}
