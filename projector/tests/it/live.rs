//! Following the log.

use std::time::{Duration, Instant};

use event_log::sql;
use event_log::{EventId, NewEvent};
use testkit::wait::until_true;

use crate::story::{changed, delivered, requested};
use crate::world::{LEASE, World};

pub(crate) async fn a_row_is_there_soon_after_its_event(world: World) {
    let following = world.follow();
    let mut slowest = Duration::ZERO;
    for record in 0..20 {
        let record_id = format!("{record}");
        let (stream, event) = requested(&record_id, 1);
        world.append(&stream, event).await;
        let appended = Instant::now();
        let readers = world.log.database().readers();
        until_true("the row is there", async || {
            projector::transfer(readers, crate::story::TRANSFER, &record_id, None).await.unwrap().is_some()
        })
        .await;
        slowest = slowest.max(appended.elapsed());
    }
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    following.stop().await.unwrap();
}

pub(crate) async fn a_batch_that_cannot_be_written_leaves_rows_and_checkpoints_as_they_were(world: World) {
    world.append_all(vec![delivered("org-0", false), changed("org-0", "1", Some(1))]).await;
    // The last table of the batch refuses: what was written before it in the same unit must go too.
    world.execute("ALTER TABLE rm_totals RENAME COLUMN value TO elsewhere").await;
    world.follow().ended().await.unwrap_err();
    assert_eq!(world.rows().await, Vec::<String>::new());
    assert_eq!(world.checkpoint("records").await, 0);

    world.execute("ALTER TABLE rm_totals RENAME COLUMN elsewhere TO value").await;
    world.catch_up().await;
    assert_eq!(projector::summary(world.log.database().readers(), None).await.unwrap().deliveries, 1);
    assert_eq!(world.checkpoint("records").await, 2);
}

pub(crate) async fn a_follower_that_is_killed_again_and_again_counts_every_event_once(world: World) {
    for round in 0..40_i64 {
        let following = world.follow();
        let appending = async {
            for event in 0..25 {
                let (stream, event) = changed("org-0", &format!("{event}"), Some(u8::try_from(round).unwrap()));
                world.append(&stream, event).await;
            }
        };
        // In the middle of whatever it does: each append looks at the clock as well as each of its own steps.
        let killing = async {
            world.looks_at_the_clock(round * 7 % 45).await;
            following.kill().await;
        };
        tokio::join!(appending, killing);
        world.advance(LEASE);
    }
    world.catch_up().await;
    let accounts = projector::accounts(world.log.database().readers()).await.unwrap();
    assert_eq!((accounts[0].facts, accounts[0].events), (1000, 1000));
    let summary = projector::summary(world.log.database().readers(), None).await.unwrap();
    assert_eq!(summary.records_changed, 1000);
}

pub(crate) async fn an_event_that_cannot_be_read_stops_its_projection_and_no_other(world: World) {
    let (stream, good) = changed("org-0", "1", Some(1));
    world.append(&stream, good).await;
    let mut bad = NewEvent::new(catalogue::crm::CHANGED, "fetch", &"not a change").of("org-0", "acme");
    bad.id = EventId::fresh();
    world.append(&stream, bad).await;
    let (stream, request) = requested("1", 1);
    world.append(&stream, request).await;

    let following = world.follow();
    until_true("others are at the head", async || world.checkpoint("transfers").await == 3).await;
    following.stop().await.unwrap();
    assert_eq!(world.checkpoint("records").await, 0);
    assert_eq!(world.checkpoint("accounts").await, 3);
}

pub(crate) async fn a_checkpoint_that_somebody_else_moves_is_followed_from_there(world: World) {
    let following = world.follow();
    world.append_all(vec![changed("org-0", "1", Some(1))]).await;
    until_true("the first event is folded", async || world.lag().await == 0).await;
    world
        .execute("DELETE FROM rm_accounts; UPDATE checkpoints SET global_position = 0 WHERE subscription_name = 'projection:accounts'")
        .await;
    world.append_all(vec![changed("org-0", "1", Some(2))]).await;
    until_true("both events are folded", async || world.lag().await == 0).await;
    following.stop().await.unwrap();
    assert_eq!(projector::accounts(world.log.database().readers()).await.unwrap()[0].events, 2);
}

pub(crate) async fn stopping_does_not_wait_for_events(world: World) {
    let following = world.follow();
    tokio::time::timeout(Duration::from_secs(5), following.stop()).await.unwrap().unwrap();
    let checkpoints: i64 =
        sql::query_scalar("SELECT count(*) FROM checkpoints").fetch_one(world.log.database().readers()).await.unwrap();
    assert_eq!(checkpoints, 0);
}
