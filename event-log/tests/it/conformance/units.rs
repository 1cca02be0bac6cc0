//! Units of work: events, checkpoints and leases that become durable together, beside others in the same group.

use std::time::Duration;

use event_log::{
    Append, Error, ExpectedVersion, GlobalPosition, Log, StreamVersion, checkpoints, sightings, take_lease,
};
use futures::FutureExt;
use futures::future::join_all;
use tokio::task::JoinHandle;

use crate::fixture::{Fixture, append, assert_contiguous, change, event, everything, hold_writer, stream};

pub(super) async fn a_unit_over_several_streams_is_all_or_nothing(fixture: Fixture) {
    let log = fixture.log().await;
    log.append(append("2", event())).await.unwrap();
    let to_both = async |expected| {
        log.write(move |unit| {
            Box::pin(async move {
                let appends = [append("1", event()), append("2", event()).expecting(expected)];
                unit.append_all(&appends)
                    .await
                    .map(|appended| appended.iter().map(|one| one.version).collect::<Vec<_>>())
            })
        })
        .await
    };
    let refused = to_both(ExpectedVersion::NoStream).await.unwrap_err();
    assert!(matches!(refused, Error::WrongExpectedVersion { .. }), "{refused}");
    assert_contiguous(&log, 1).await;
    assert_eq!(to_both(ExpectedVersion::StreamExists).await.unwrap(), [StreamVersion(1), StreamVersion(2)]);
    assert_contiguous(&log, 3).await;
}

pub(super) async fn a_failing_unit_is_rolled_back_alone(fixture: Fixture) {
    let log = fixture.log().await;
    log.append(append("1", change("known"))).await.unwrap();
    let held = hold_writer(&log).await;
    let before = spawn_append(&log, "before");
    let failing = tokio::spawn({
        let log = log.clone();
        async move {
            log.write(|unit| {
                Box::pin(async move {
                    unit.append(Append::new(stream("1"), vec![change("lost"), change("known")])).await?;
                    unit.save_checkpoint("worker", GlobalPosition(7)).await?;
                    Err::<(), _>(Error::Overloaded)
                })
            })
            .await
        }
    });
    let between = spawn_append(&log, "between");
    let good = spawn_unit(&log, "unit");
    let after = spawn_append(&log, "after");
    drop(held);
    assert!(matches!(failing.await.unwrap(), Err(Error::Overloaded)));
    for appended in join_all([before, between, good, after]).await {
        appended.unwrap().unwrap();
    }
    assert_contiguous(&log, 5).await;
    assert!(log.event(change("lost").id).await.unwrap().is_none());
    assert!(sightings(log.database().readers(), change("known").id).await.unwrap().is_empty());
    assert!(checkpoints(log.database().readers()).await.unwrap().is_empty());
}

pub(super) async fn a_panicking_unit_is_rolled_back_alone(fixture: Fixture) {
    let log = fixture.log().await;
    let held = hold_writer(&log).await;
    let before = spawn_append(&log, "before");
    let panicking = tokio::spawn({
        let log = log.clone();
        async move {
            log.write(|unit| {
                Box::pin(async move {
                    unit.append(append("1", change("lost"))).await?;
                    panic!("as the test wants");
                    #[expect(unreachable_code, reason = "names the type")]
                    Ok::<(), Error>(())
                })
            })
            .await
        }
    });
    let after = spawn_unit(&log, "after");
    drop(held);
    let refused = panicking.await.unwrap().unwrap_err();
    assert!(matches!(refused, Error::Panicked) && !refused.is_retryable(), "{refused}");
    before.await.unwrap().unwrap();
    after.await.unwrap().unwrap();
    assert!(log.event(change("lost").id).await.unwrap().is_none());
    assert_contiguous(&log, 2).await;
}

pub(super) async fn a_unit_that_panics_before_its_first_await_is_rolled_back_alone(fixture: Fixture) {
    let log = fixture.log().await;
    let refused = log.write::<(), Error, _>(|_| panic!("as the test wants")).await.unwrap_err();
    assert!(matches!(refused, Error::Panicked), "{refused}");
    log.append(append("1", event())).await.unwrap();
    assert_contiguous(&log, 1).await;
}

pub(super) async fn a_checkpoint_is_saved_with_its_unit_only(fixture: Fixture) {
    let log = fixture.log().await;
    let save = async |position, fail| {
        log.write(move |unit| {
            Box::pin(async move {
                unit.append(append("1", event())).await?;
                unit.save_checkpoint("worker", GlobalPosition(position)).await?;
                if fail { Err(Error::Overloaded) } else { Ok(()) }
            })
        })
        .await
    };
    save(3, false).await.unwrap();
    save(9, true).await.unwrap_err();
    save(5, false).await.unwrap();
    save(8, true).await.unwrap_err();
    let saved = checkpoints(log.database().readers()).await.unwrap();
    assert_eq!(saved.len(), 1);
    assert_eq!((saved[0].subscription_name.as_str(), saved[0].global_position), ("worker", GlobalPosition(5)));
    let recorded_at = everything(&log).await[1].recorded_at;
    assert_eq!(saved[0].updated_at, recorded_at, "one time for the whole unit");
    assert_contiguous(&log, 2).await;
}

pub(super) async fn a_unit_sees_its_own_events(fixture: Fixture) {
    let log = fixture.log().await;
    let (second, again) = log
        .write(|unit| {
            Box::pin(async move {
                unit.append(append("1", change("a"))).await?;
                let exactly_one = ExpectedVersion::Exact(StreamVersion(1));
                let second = unit.append(append("1", change("b")).expecting(exactly_one)).await?;
                let again = unit.append(append("1", change("a"))).await?;
                Ok::<_, Error>((second, again))
            })
        })
        .await
        .unwrap();
    assert_eq!(second.version, StreamVersion(2));
    assert!(again.outcomes[0].is_duplicate());
    assert_contiguous(&log, 2).await;
}

pub(super) async fn a_refusal_inside_a_unit_can_be_answered_with_another_append(fixture: Fixture) {
    let log = fixture.log().await;
    log.append(append("1", event())).await.unwrap();
    log.write(|unit| {
        Box::pin(async move {
            let first = append("1", change("a")).expecting(ExpectedVersion::NoStream);
            match unit.append(first).await {
                Err(Error::WrongExpectedVersion { actual, .. }) => {
                    unit.append(append("1", change("a")).expecting(ExpectedVersion::Exact(actual))).await
                }
                other => other,
            }
        })
    })
    .await
    .unwrap();
    assert_contiguous(&log, 2).await;
}

pub(super) async fn dropping_the_waiter_does_not_undo_the_unit(fixture: Fixture) {
    let log = fixture.log().await;
    let held = hold_writer(&log).await;
    let unit = log.write(|unit| {
        Box::pin(async move {
            unit.append(append("1", change("a"))).await?;
            take_lease(unit, "work", "worker 1", Duration::from_secs(60)).await
        })
    });
    assert!(unit.now_or_never().is_none());
    drop(held);
    log.append(append("2", event())).await.unwrap();
    assert!(log.event(change("a").id).await.unwrap().is_some());
    let other =
        log.write(|unit| Box::pin(take_lease(unit, "work", "worker 2", Duration::from_secs(60)))).await.unwrap();
    assert!(!other, "the unit's lease is held");
}

fn spawn_append(log: &Log, name: &'static str) -> JoinHandle<Result<(), Error>> {
    let log = log.clone();
    tokio::spawn(async move { log.append(append(name, event())).await.map(drop) })
}

fn spawn_unit(log: &Log, name: &'static str) -> JoinHandle<Result<(), Error>> {
    let log = log.clone();
    tokio::spawn(async move {
        log.write(move |unit| Box::pin(async move { unit.append(append(name, event())).await.map(drop) })).await
    })
}
