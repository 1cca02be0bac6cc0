//! Time-limited claims: one holder at a time, whoever asks and however many.

use std::time::Duration;

use event_log::{Error, Log, forsake_leases, prolong_lease, release_lease, take_lease};
use futures::future::join_all;

use crate::fixture::{Clock, Fixture, time};

const MINUTE: Duration = Duration::from_secs(60);

pub(super) async fn a_lease_has_one_holder_until_it_ends(fixture: Fixture) {
    let clock = Clock::at(time("2026-11-21T08:00:00Z"));
    let log = fixture.log_at(clock.now()).await;
    assert!(take(&log, "poll", "one").await);
    assert!(!take(&log, "poll", "two").await);
    assert!(take(&log, "other poll", "two").await, "another lease is free");
    clock.advance(MINUTE - Duration::from_micros(1));
    assert!(!take(&log, "poll", "two").await);
    clock.advance(Duration::from_micros(1));
    assert!(take(&log, "poll", "two").await);
    assert!(!take(&log, "poll", "one").await, "the former holder has lost it");
}

pub(super) async fn a_holder_prolongs_its_lease(fixture: Fixture) {
    let clock = Clock::at(time("2026-11-21T08:00:00Z"));
    let log = fixture.log_at(clock.now()).await;
    assert!(take(&log, "poll", "one").await);
    clock.advance(MINUTE / 2);
    assert!(take(&log, "poll", "one").await);
    clock.advance(MINUTE / 2);
    assert!(!take(&log, "poll", "two").await);
}

pub(super) async fn a_released_lease_is_free_and_only_its_holder_releases_it(fixture: Fixture) {
    let log = fixture.log().await;
    assert!(take(&log, "poll", "one").await);
    release(&log, "poll", "two").await;
    assert!(!take(&log, "poll", "two").await);
    release(&log, "poll", "one").await;
    assert!(take(&log, "poll", "two").await);
}

pub(super) async fn who_was_replaced_cannot_prolong_although_its_successor_has_ended(fixture: Fixture) {
    let clock = Clock::at(time("2026-11-21T08:00:00Z"));
    let log = fixture.log_at(clock.now()).await;
    assert!(!prolong(&log, "poll", "one").await, "there is nothing to prolong");
    assert!(take(&log, "poll", "one").await);
    clock.advance(2 * MINUTE);
    assert!(prolong(&log, "poll", "one").await, "it ran out, but nobody took it");
    assert!(!take(&log, "poll", "two").await);
    clock.advance(MINUTE);
    assert!(take(&log, "poll", "two").await);
    assert!(!prolong(&log, "poll", "one").await);
    release(&log, "poll", "two").await;
    assert!(!prolong(&log, "poll", "one").await);
}

pub(super) async fn of_many_claimants_in_two_logs_one_gets_the_lease(fixture: Fixture) {
    let logs = [fixture.log().await, fixture.log().await];
    let claims = (0..32).map(|at| {
        let log = logs[at % 2].clone();
        tokio::spawn(async move { take(&log, "poll", &format!("claimant {at}")).await })
    });
    let taken = join_all(claims).await.into_iter().filter(|taken| *taken.as_ref().unwrap()).count();
    assert_eq!(taken, 1);
}

pub(super) async fn forsaken_leases_are_free(fixture: Fixture) {
    let log = fixture.log().await;
    assert!(take(&log, "poll", "one").await);
    assert!(take(&log, "refresh", "one").await);
    assert_eq!(log.write(|unit| Box::pin(forsake_leases(unit))).await.unwrap(), 2);
    assert!(take(&log, "poll", "two").await);
}

async fn take(log: &Log, name: &str, by: &str) -> bool {
    let (name, by) = (name.to_owned(), by.to_owned());
    log.write(move |unit| Box::pin(async move { take_lease(unit, &name, &by, MINUTE).await })).await.unwrap()
}

async fn prolong(log: &Log, name: &str, by: &str) -> bool {
    let (name, by) = (name.to_owned(), by.to_owned());
    log.write(move |unit| Box::pin(async move { prolong_lease(unit, &name, &by, MINUTE).await })).await.unwrap()
}

async fn release(log: &Log, name: &str, by: &str) {
    let (name, by) = (name.to_owned(), by.to_owned());
    log.write(move |unit| Box::pin(async move { release_lease(unit, &name, &by).await as Result<(), Error> }))
        .await
        .unwrap();
}
