//! The end of a log: nothing that was handed in is lost, nothing new comes in.

use event_log::{Error, Subscription};
use futures::FutureExt;
use testkit::wait::until_true;
use tokio::task::unconstrained;

use crate::fixture::{Fixture, append, assert_contiguous, event, everything, hold_writer, soon};

pub(super) async fn close_finishes_what_was_handed_in(fixture: Fixture) {
    let log = fixture.log().await;
    let held = hold_writer(&log).await;
    let mut waiting: Vec<_> = (0..300).map(|_| Box::pin(log.append(append("1", event())))).collect();
    for one in &mut waiting {
        assert!(unconstrained(one.as_mut()).now_or_never().is_none());
    }
    let closing = tokio::spawn({
        let log = log.clone();
        async move { log.close().await }
    });
    drop(held);
    soon(closing).await.unwrap();
    for one in waiting {
        one.await.unwrap();
    }
    assert_contiguous(&fixture.log().await, 300).await;
}

pub(super) async fn a_closed_log_refuses_writes_and_goes_on_reading(fixture: Fixture) {
    let log = fixture.log().await;
    log.append(append("1", event())).await.unwrap();
    let mut subscription = Subscription::open(&log, "reader", Vec::new(), 10).await.unwrap();
    soon(log.close()).await;
    soon(log.close()).await;
    for refused in [
        log.append(append("1", event())).await.map(|_| ()),
        log.offer(append("1", event())).await.map(|_| ()),
        log.write(|_| Box::pin(async { Ok::<_, Error>(()) })).await,
    ] {
        let refused = refused.unwrap_err();
        assert!(matches!(refused, Error::Closed) && !refused.is_retryable(), "{refused}");
    }
    assert_eq!(subscription.next_batch().await.unwrap().events.len(), 1);
    assert_eq!(everything(&log).await.len(), 1);
    // Another log on the database is still followed.
    fixture.log().await.append(append("1", event())).await.unwrap();
    assert_eq!(soon(subscription.next_batch()).await.unwrap().events.len(), 1);
}

pub(super) async fn dropping_every_clone_finishes_what_was_handed_in(fixture: Fixture) {
    let log = fixture.log().await;
    let held = hold_writer(&log).await;
    for _ in 0..10 {
        assert!(log.append(append("1", event())).now_or_never().is_none());
    }
    drop(log);
    drop(held);
    let other = fixture.log().await;
    until_true("all ten are there", async || everything(&other).await.len() == 10).await;
}
