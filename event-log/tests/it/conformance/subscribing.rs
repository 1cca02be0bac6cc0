//! Following the log: checkpoints, windows, wanted events, waking.

use std::time::{Duration, Instant};

use event_log::{Error, GlobalPosition, Log, RecordedEvent, Subscription};
use futures::FutureExt;
use futures::future::join_all;

use crate::fixture::{COMPLETED, Fixture, REQUESTED, append, event, soon, with_payload};

pub(super) async fn a_subscription_resumes_from_its_checkpoint(fixture: Fixture) {
    let log = fixture.log().await;
    append_many(&log, 10).await;
    let mut subscription = Subscription::open(&log, "worker", Vec::new(), 4).await.unwrap();
    assert_eq!((subscription.name(), subscription.position()), ("worker", GlobalPosition(0)));
    let batch = subscription.next_batch().await.unwrap();
    log.write(move |unit| Box::pin(async move { unit.save_checkpoint("worker", batch.last).await })).await.unwrap();
    subscription.next_batch().await.unwrap();

    let mut resumed = Subscription::open(&log, "worker", Vec::new(), 100).await.unwrap();
    assert_eq!(resumed.position(), GlobalPosition(4), "what was handed out but not finished comes again");
    assert_eq!(positions(&resumed.next_batch().await.unwrap().events), [5, 6, 7, 8, 9, 10]);
    let other = Subscription::open(&log, "other", Vec::new(), 100).await.unwrap();
    assert_eq!(other.position(), GlobalPosition(0));
    let mut chosen = other.starting_after(GlobalPosition(8));
    assert_eq!(positions(&chosen.next_batch().await.unwrap().events), [9, 10]);
}

pub(super) async fn a_batch_is_at_most_one_window(fixture: Fixture) {
    let log = fixture.log().await;
    append_many(&log, 7).await;
    let mut subscription = Subscription::open(&log, "worker", Vec::new(), 3).await.unwrap().with_payload();
    for expected in [vec![1, 2, 3], vec![4, 5, 6], vec![7]] {
        let batch = subscription.available().await.unwrap().unwrap();
        assert_eq!(positions(&batch.events), expected);
        assert_eq!(batch.last.0, *expected.last().unwrap());
        assert!(batch.events.iter().all(|event| event.payload.as_deref() == Some(b"body")));
        assert_eq!(subscription.position(), batch.last);
    }
    assert!(subscription.available().await.unwrap().is_none());
}

pub(super) async fn wanted_types_and_account_are_handed_out_only(fixture: Fixture) {
    let log = fixture.log().await;
    for (event_type, account) in
        [(REQUESTED, "org-a"), (COMPLETED, "org-a"), (REQUESTED, "org-b"), (REQUESTED, "org-a"), (COMPLETED, "org-b")]
    {
        let mut event = event().of(account, "acme");
        event.event_type = event_type;
        log.append(append("1", event)).await.unwrap();
    }
    let mut requested = Subscription::open(&log, "worker", vec![REQUESTED], 100).await.unwrap();
    assert_eq!(positions(&requested.next_batch().await.unwrap().events), [1, 3, 4]);
    let both = Subscription::open(&log, "worker", vec![REQUESTED, COMPLETED], 100).await.unwrap();
    assert_eq!(positions(&both.of_account("org-b").next_batch().await.unwrap().events), [3, 5]);
    let one = Subscription::open(&log, "worker", vec![REQUESTED], 100).await.unwrap();
    assert_eq!(positions(&one.of_account("org-a").next_batch().await.unwrap().events), [1, 4]);
}

pub(super) async fn an_unwanted_stretch_still_moves_the_checkpoint(fixture: Fixture) {
    let log = fixture.log().await;
    append_many(&log, 20).await;
    let mut wanted = event();
    wanted.event_type = COMPLETED;
    log.append(append("1", wanted)).await.unwrap();
    append_many(&log, 20).await;
    let mut subscription = Subscription::open(&log, "worker", vec![COMPLETED], 6).await.unwrap();
    let found = subscription.next_batch().await.unwrap();
    assert_eq!(positions(&found.events), [21]);
    assert_eq!(found.last, GlobalPosition(24), "stretches of six without a wanted event were joined");
    let rest = subscription.next_batch().await.unwrap();
    assert_eq!((rest.events.len(), rest.last), (0, GlobalPosition(41)));
    assert!(subscription.available().await.unwrap().is_none());
}

/// A lost wake-up would cost the 250 ms after which a follower looks by itself; a hundred rounds would show it.
pub(super) async fn a_waiting_subscription_is_woken_at_once(fixture: Fixture) {
    let log = fixture.log().await;
    let mut subscription = Subscription::open(&log, "worker", Vec::new(), 100).await.unwrap();
    let mut waits = Vec::new();
    for _ in 0..100 {
        let (appended, batch) = tokio::join!(
            async {
                log.append(append("1", event())).await.unwrap();
                Instant::now()
            },
            async {
                let batch = subscription.next_batch().await.unwrap();
                assert_eq!(batch.events.len(), 1);
                Instant::now()
            }
        );
        waits.push(batch.saturating_duration_since(appended));
    }
    waits.sort();
    assert!(waits[50] < Duration::from_millis(50), "woken after {:?} in half of the rounds", waits[50]);
    assert!(waits[90] < Duration::from_millis(200), "woken after {:?} in a tenth of the rounds", waits[90]);
}

pub(super) async fn no_wake_up_is_lost_in_a_storm(fixture: Fixture) {
    const APPENDERS: usize = 16;
    const EACH: usize = 50;
    let log = fixture.log().await;
    let followers: Vec<_> = (0..6)
        .map(|at| {
            let log = log.clone();
            tokio::spawn(async move {
                let mut subscription = Subscription::open(&log, format!("worker {at}"), Vec::new(), 64).await.unwrap();
                let mut seen = Vec::new();
                while seen.len() < APPENDERS * EACH {
                    seen.extend(positions(&subscription.next_batch().await.unwrap().events));
                }
                seen
            })
        })
        .collect();
    let appenders = (0..APPENDERS).map(|_| {
        let log = log.clone();
        tokio::spawn(async move { append_many(&log, EACH).await })
    });
    join_all(appenders).await.into_iter().for_each(Result::unwrap);
    for follower in followers {
        let seen = soon(follower).await.unwrap();
        assert_eq!(seen, (1..=(APPENDERS * EACH) as i64).collect::<Vec<_>>());
    }
}

pub(super) async fn a_dropped_wait_loses_nothing(fixture: Fixture) {
    let log = fixture.log().await;
    let mut subscription = Subscription::open(&log, "worker", Vec::new(), 8).await.unwrap();
    let appender = tokio::spawn({
        let log = log.clone();
        async move { append_many(&log, 200).await }
    });
    let mut seen = Vec::new();
    let mut patience = 0;
    while seen.len() < 200 {
        // At first hardly ever long enough, so that waits are dropped in all their states.
        patience += 20;
        let wait = tokio::time::timeout(Duration::from_micros(patience), subscription.next_batch());
        if let Ok(batch) = wait.await {
            seen.extend(positions(&batch.unwrap().events));
        }
        assert!(subscription.next_batch().now_or_never().is_none_or(|batch| {
            seen.extend(positions(&batch.unwrap().events));
            true
        }));
    }
    appender.await.unwrap();
    assert_eq!(seen, (1..=200).collect::<Vec<_>>());
}

pub(super) async fn events_of_another_log_are_noticed(fixture: Fixture) {
    let (log, other) = (fixture.log().await, fixture.log().await);
    let mut subscription = Subscription::open(&log, "worker", Vec::new(), 8).await.unwrap();
    let follower = tokio::spawn(async move { subscription.next_batch().await.map(|batch| batch.events.len()) });
    other.append(append("1", event())).await.unwrap();
    assert_eq!(soon(follower).await.unwrap().unwrap(), 1);
}

async fn append_many(log: &Log, count: usize) {
    for _ in 0..count {
        log.append(append("1", with_payload(event(), "body")))
            .await
            .map(drop)
            .unwrap_or_else(|error: Error| panic!("{error}"));
    }
}

fn positions(events: &[RecordedEvent]) -> Vec<i64> {
    events.iter().map(|event| event.global_position.0).collect()
}
