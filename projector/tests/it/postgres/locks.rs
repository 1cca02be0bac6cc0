//! Readers and others that hold locks on the tables of read models.

use std::time::{Duration, Instant};

use event_log::sqlx::{self, Connection as _, PgConnection};
use testkit::wait::until_true;

use crate::story::changed;
use crate::world::World;

/// What an append may wait for at worst on a busy machine; a lock that is waited for would be held for ever.
const BOUND: Duration = Duration::from_secs(2);

/// Appends until `done`; returns the slowest append.
async fn slowest_append(world: &World, mut done: impl FnMut() -> bool) -> Duration {
    let mut slowest = Duration::ZERO;
    for record in 0.. {
        let (stream, event) = changed("org-0", &format!("{}", record % 50), None);
        let started = Instant::now();
        tokio::time::timeout(10 * BOUND, world.append(&stream, event)).await.expect("appends go on");
        slowest = slowest.max(started.elapsed());
        if done() {
            break;
        }
    }
    slowest
}

async fn hold(world: &World, statement: &'static str) -> PgConnection {
    let mut holder = PgConnection::connect(&world.url).await.unwrap();
    sqlx::raw_sql("BEGIN").execute(&mut holder).await.unwrap();
    sqlx::raw_sql(statement).execute(&mut holder).await.unwrap();
    holder
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_stays_delays_a_rebuild_but_no_append_and_no_other_reader() {
    let world = World::on_postgres().await;
    slowest_append(&world, || true).await;
    world.catch_up().await;
    let mut reader = hold(&world, "SELECT count(*) FROM rm_records").await;

    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let log = world.log.clone();
    #[expect(clippy::disallowed_methods, reason = "the test waits for it")]
    let rebuilding = tokio::spawn(async move {
        projector::rebuild(&log, "records", |progress| {
            let _ = tell.send(progress);
        })
        .await
    });
    told.recv().await.unwrap();
    let since = Instant::now();
    let slowest = slowest_append(&world, || since.elapsed() > Duration::from_secs(4)).await;
    assert!(slowest < BOUND, "{slowest:?}");
    assert!(!rebuilding.is_finished());
    let started = Instant::now();
    projector::records(world.log.database().readers(), &projector::RecordFilter::default(), 1).await.unwrap();
    assert!(started.elapsed() < BOUND);

    sqlx::raw_sql("COMMIT").execute(&mut reader).await.unwrap();
    let report = rebuilding.await.unwrap().unwrap();
    assert_eq!(report.events, world.log.high_water_mark().await.unwrap().0.unsigned_abs());
    assert!(!world.tables().await.iter().any(|table| table.contains("__")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_is_locked_delays_the_read_models_but_no_append() {
    let world = World::on_postgres().await;
    let following = world.follow();
    slowest_append(&world, || true).await;
    until_true("all is folded", async || world.lag().await == 0).await;
    // As an index that somebody makes would.
    let mut holder = hold(&world, "LOCK TABLE rm_totals IN SHARE MODE").await;
    let since = Instant::now();
    let slowest = slowest_append(&world, || since.elapsed() > Duration::from_secs(3)).await;
    assert!(slowest < BOUND, "{slowest:?}");
    assert_eq!(world.checkpoint("totals").await, 1);

    sqlx::raw_sql("COMMIT").execute(&mut holder).await.unwrap();
    until_true("all is folded", async || world.lag().await == 0).await;
    following.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_keeps_its_name_over_rebuilds() {
    let world = World::on_postgres().await;
    slowest_append(&world, || true).await;
    let keys = "SELECT string_agg(conname, ' ' ORDER BY conname) FROM pg_constraint WHERE contype = 'p' \
                AND conrelid = 'rm_records'::regclass";
    let mut connection = PgConnection::connect(&world.url).await.unwrap();
    for _ in 0..3 {
        projector::rebuild(&world.log, "records", |_| {}).await.unwrap();
        let names: String = sqlx::query_scalar(keys).fetch_one(&mut connection).await.unwrap();
        assert_eq!(names, "rm_records_pkey");
    }
}
