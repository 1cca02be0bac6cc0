//! Several projectors on one database.

use std::time::{Duration, Instant};

use event_log::{Append, EventType, NewEvent, StreamName, sql, take_lease};
use testkit::wait::until_true;

use crate::story::changed;
use crate::world::{LEASE, World, follow};

async fn leader(world: &World) -> Option<String> {
    sql::query_scalar("SELECT leased_by FROM leases WHERE lease_name = 'projector'")
        .fetch_optional(world.log.database().readers())
        .await
        .unwrap()
}

async fn append_records(world: &World, count: u32) {
    for record in 0..count {
        let (stream, event) = changed("org-0", &record.to_string(), None);
        world.append(&stream, event).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_projectors_one_works_and_another_goes_on_when_it_stops() {
    let world = World::on_postgres().await;
    let first = world.follow();
    until_true("the first leads", async || leader(&world).await.is_some()).await;
    let leading = leader(&world).await;
    let others = [follow(&world.another_log().await), follow(&world.another_log().await)];
    append_records(&world, 50).await;
    until_true("all is folded", async || world.lag().await == 0).await;
    assert_eq!(leader(&world).await, leading);

    let stopped = Instant::now();
    first.stop().await.unwrap();
    append_records(&world, 50).await;
    until_true("all is folded", async || world.lag().await == 0).await;
    assert!(stopped.elapsed() < Duration::from_secs(5), "{:?}", stopped.elapsed());
    assert_ne!(leader(&world).await, leading);
    for other in others {
        other.stop().await.unwrap();
    }
    assert_eq!(leader(&world).await, None);
    assert_eq!(projector::accounts(world.log.database().readers()).await.unwrap()[0].facts, 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_projector_that_was_killed_is_replaced_when_its_lease_runs_out() {
    let world = World::on_postgres().await;
    let first = world.follow();
    append_records(&world, 10).await;
    until_true("all is folded", async || world.lag().await == 0).await;
    first.kill().await;
    let second = follow(&world.another_log().await);
    append_records(&world, 10).await;
    let killed = Instant::now();
    assert_eq!(world.checkpoint("records").await, 10);
    world.advance(LEASE);
    until_true("all is folded", async || world.lag().await == 0).await;
    assert!(killed.elapsed() < Duration::from_secs(5), "{:?}", killed.elapsed());
    second.stop().await.unwrap();
    assert_eq!(projector::accounts(world.log.database().readers()).await.unwrap()[0].facts, 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_projector_that_lost_its_lease_writes_nothing_more() {
    let world = World::on_postgres().await;
    let zombie = world.follow();
    append_records(&world, 10).await;
    until_true("all is folded", async || world.lag().await == 0).await;

    // The zombie may prolong its lease in between: then it is asked for again.
    while !taken_over_with_an_event(&world).await {}
    for _ in 0..100 {
        assert!(taken_over_with_an_event(&world).await);
    }
    zombie.stop().await.unwrap();
    assert_eq!(world.checkpoint("records").await, 10);
    assert_eq!(leader(&world).await.as_deref(), Some("another"));
}

/// Takes the lease for another holder and appends an event, both or neither.
async fn taken_over_with_an_event(world: &World) -> bool {
    world.advance(LEASE);
    let taking = world.log.write(|unit| {
        Box::pin(async move {
            if !take_lease(unit, "projector", "another", Duration::from_secs(3600)).await? {
                return Ok(false);
            }
            let event = NewEvent::new(EventType::new("thing.happened"), "operator", &1);
            unit.append(Append::new(StreamName::new("thing", 1), vec![event])).await?;
            Ok::<_, event_log::Error>(true)
        })
    });
    taking.await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_projector_goes_on_after_its_database_was_away() {
    let cluster = testkit::postgres::Cluster::start().await;
    let database = testkit::postgres::database_in(cluster.url()).await;
    let world = World::open(database.url.clone(), crate::world::Held::Database(database)).await;
    let following = world.follow();
    append_records(&world, 10).await;
    until_true("all is folded", async || world.lag().await == 0).await;

    cluster.stop_immediate().await;
    cluster.start_again().await;
    let mut appended = false;
    until_true("the log appends again", async || {
        let (stream, event) = changed("org-0", "later", None);
        appended = world.log.append(Append::new(stream, vec![event])).await.is_ok();
        appended
    })
    .await;
    until_true("all is folded again", async || {
        let all = projector::list(&world.log).await;
        all.is_ok_and(|all| all.iter().all(|one| one.lag_events == 0))
    })
    .await;
    following.stop().await.unwrap();
}
