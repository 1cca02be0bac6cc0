//! The server goes away and comes back; a writer stands still with the lock in its hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::Utc;
use event_log::sqlx::postgres::PgConnection;
use event_log::sqlx::{self, Connection};
use event_log::{Access, Database, Error, Leadership, Log, Settings, Subscription};
use testkit::postgres::{Cluster, database_in};
use testkit::wait::{until, until_true};
use tokio_util::sync::CancellationToken;

use crate::fixture::{Fixture, append, assert_contiguous, change, everything, hold_writer, soon};

/// Appended while the server goes away and comes back.
const EVENTS: usize = 400;

async fn open(url: &str) -> Log {
    let database = Database::open(&Settings::new(url, Access::CreateAndMigrate)).await.unwrap();
    Log::open(database, 1024, Arc::new(Utc::now)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crashed_server_loses_nothing_that_was_answered_and_the_log_goes_on() {
    let cluster = Cluster::start().await;
    let database = database_in(cluster.url()).await;
    let log = open(&database.url).await;
    let mut subscription = Subscription::open(&log, "test", Vec::new(), 100).await.unwrap();
    let recorded = AtomicUsize::new(0);
    let appending = async {
        let mut refused = 0;
        for number in 0..EVENTS {
            until("the server takes an append", async || {
                match log.append(append("1", change(&number.to_string()))).await {
                    Ok(_) => return Some(()),
                    Err(error) => assert!(error.is_retryable(), "{error:?}"),
                }
                refused += 1;
                None
            })
            .await;
            recorded.fetch_add(1, Ordering::SeqCst);
        }
        refused
    };
    let crashing = async {
        for _ in 0..2 {
            let further = EVENTS.min(recorded.load(Ordering::SeqCst) + 50);
            until_true("it appends", async || recorded.load(Ordering::SeqCst) >= further).await;
            cluster.stop_immediate().await;
            cluster.start_again().await;
        }
    };
    let (refused, ()) = tokio::join!(appending, crashing);
    assert!(refused > 0, "the server was never away");
    assert_contiguous(&log, EVENTS).await;
    let mut seen = 0;
    while seen < EVENTS {
        match soon(subscription.next_batch()).await {
            Ok(batch) => seen += batch.events.len(),
            Err(error) => assert!(error.is_retryable(), "{error:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_whose_session_is_ended_holds_up_nobody() {
    let fixture = Fixture::postgres().await;
    let (stuck, free) = (fixture.log().await, fixture.log().await);
    let release = hold_writer(&stuck).await;
    let waiting = tokio::spawn(async move { free.append(append("1", change("waits"))).await.map(|_| free) });
    // What the server does by itself to a transaction that stands still for 15 seconds.
    let mut connection = PgConnection::connect(&fixture.url).await.unwrap();
    sqlx::query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE state = 'idle in transaction' AND datname = current_database()",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    let free = soon(waiting).await.unwrap().unwrap();
    drop(release);
    let again = soon(async {
        loop {
            match stuck.append(append("1", change("again"))).await {
                Ok(appended) => return appended,
                Err(error) => assert!(error.is_retryable(), "{error:?}"),
            }
        }
    })
    .await;
    assert!(!again.outcomes[0].is_duplicate());
    assert_eq!(everything(&free).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_statement_that_a_unit_hides_does_not_pass_for_a_commit() {
    let fixture = Fixture::postgres().await;
    let log = fixture.log().await;
    let hidden = log
        .write::<_, Error, _>(|unit| {
            Box::pin(async move {
                unit.append(append("1", change("lost"))).await?;
                let _ = event_log::sql::query("SELECT 1 / 0").execute(unit.connection()).await;
                Ok(())
            })
        })
        .await;
    assert!(hidden.is_err(), "nothing was committed, so nothing was done");
    log.append(append("1", change("after"))).await.unwrap();
    assert_contiguous(&log, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_of_a_process_that_is_gone_is_taken_over_within_seconds_and_never_shared() {
    let fixture = Fixture::postgres().await;
    let at_work = Arc::new(AtomicUsize::new(0));
    let begun = Arc::new(tokio::sync::Notify::new());
    let lead = |name: &str, log: Log, stop: CancellationToken| {
        let leadership = Leadership { log, lease_name: "work".to_owned(), leased_by: name.to_owned() };
        let (at_work, begun) = (at_work.clone(), begun.clone());
        tokio::spawn(async move {
            leadership
                .lead::<Error, _, _>(&stop, async |ours: CancellationToken| {
                    let others = at_work.fetch_add(1, Ordering::SeqCst);
                    assert_eq!(others, 0, "two at work");
                    begun.notify_one();
                    ours.cancelled().await;
                    at_work.fetch_sub(1, Ordering::SeqCst);
                    Ok(())
                })
                .await
        })
    };
    let (stop_first, stop_second) = (CancellationToken::new(), CancellationToken::new());
    let first = lead("first", fixture.log().await, stop_first.clone());
    soon(begun.notified()).await;
    let second = lead("second", fixture.log().await, stop_second.clone());
    // Killed: nobody gives the lease back.
    first.abort();
    let _ = first.await;
    at_work.store(0, Ordering::SeqCst);
    tokio::time::timeout(Duration::from_secs(12), begun.notified()).await.expect("it is taken over");
    // Stopped in order: the next begins at once.
    let third = lead("third", fixture.log().await, CancellationToken::new());
    stop_second.cancel();
    soon(second).await.unwrap().unwrap();
    tokio::time::timeout(Duration::from_secs(3), begun.notified()).await.expect("it is handed over");
    third.abort();
}
