//! Position order is commit order: whoever reads up to a position never misses an event below it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use chrono::Utc;
use event_log::{Append, Direction, Error, Filter, GlobalPosition};
use futures::future::join_all;
use testkit::wait::until_true;
use tokio::sync::oneshot;

use crate::fixture::{Fixture, append, assert_contiguous, change, event, everything, soon, stream};

const APPENDERS: usize = 32;
const APPENDS_EACH: usize = 40;

/// Two logs with many appenders and units; three readers that always go on after the last position they saw. A reader
/// that was overtaken by a smaller position would miss that event for ever.
pub(super) async fn a_reader_never_finds_a_smaller_position_later(fixture: Fixture) {
    let logs = [fixture.log().await, fixture.log().await];
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..3)
        .map(|at| {
            let (log, done) = (logs[at % 2].clone(), done.clone());
            tokio::spawn(async move {
                let mut seen = vec![GlobalPosition(0)];
                loop {
                    let finished = done.load(Ordering::SeqCst);
                    let after = *seen.last().unwrap();
                    let page = log.list(&Filter::default(), after, Direction::Forward, 1000).await.unwrap();
                    seen.extend(page.iter().map(|event| event.global_position));
                    if finished && page.is_empty() {
                        return seen.split_off(1);
                    }
                }
            })
        })
        .collect();
    let writers = (0..APPENDERS).map(|at| {
        let log = logs[at % 2].clone();
        tokio::spawn(async move {
            for _ in 0..APPENDS_EACH {
                if at % 4 < 2 {
                    log.append(append("1", event())).await.unwrap();
                } else {
                    log.write(|unit| Box::pin(async move { unit.append(append("2", event())).await })).await.unwrap();
                }
            }
        })
    });
    join_all(writers).await.into_iter().for_each(Result::unwrap);
    done.store(true, Ordering::SeqCst);
    for reader in readers {
        let seen = soon(reader).await.unwrap();
        assert!(seen.is_sorted());
        assert_eq!(seen.len(), APPENDERS * APPENDS_EACH, "a reader missed events");
    }
}

/// The race that loses events where positions come from a counter: one writer takes position n and is slow to commit,
/// another takes n + 1 and commits, a reader sees n + 1, and n appears behind its back.
///
/// It cannot happen where the position is taken under the same lock that is held until the commit. SQLite has one writer
/// at a time (`BEGIN IMMEDIATE` waits for the other's commit); other backends must take their lock before the position.
pub(super) async fn a_writer_that_takes_its_position_first_is_visible_first(fixture: Fixture) {
    // A writer reads its clock when it asks for the lock, and again when it has it.
    let read = Arc::new(AtomicUsize::new(0));
    let counted = read.clone();
    let clock = move || {
        counted.fetch_add(1, Ordering::SeqCst);
        Utc::now()
    };
    let (slow, quick) = (fixture.log().await, fixture.log_at(Arc::new(clock)).await);
    let (taken, has_taken) = oneshot::channel();
    let (commit, may_commit) = oneshot::channel::<()>();
    let first = tokio::spawn(async move {
        slow.write(|unit| {
            Box::pin(async move {
                let appended = unit.append(append("1", change("slow"))).await?;
                taken.send(()).unwrap();
                may_commit.await.unwrap();
                Ok::<_, Error>(appended.outcomes[0].position())
            })
        })
        .await
        .unwrap()
    });
    has_taken.await.unwrap();
    let second = tokio::spawn({
        let quick = quick.clone();
        async move { quick.append(append("2", change("quick"))).await.unwrap().outcomes[0].position() }
    });
    let reader = fixture.log().await;
    // However long the reader looks, it sees neither: the second cannot commit before the first.
    until_true("the second asks for the lock", async || read.load(Ordering::SeqCst) > 0).await;
    for _ in 0..200 {
        assert!(everything(&reader).await.is_empty(), "a later position became visible before an earlier one");
    }
    assert_eq!(read.load(Ordering::SeqCst), 1, "the second got the lock while the first held it");
    commit.send(()).unwrap();
    let (first, second) = (soon(first).await.unwrap(), soon(second).await.unwrap());
    assert!(first < second);
    assert_contiguous(&reader, 2).await;
}

pub(super) async fn two_logs_on_one_database_keep_versions_and_positions(fixture: Fixture) {
    let logs = [fixture.log().await, fixture.log().await];
    let writers = (0..APPENDERS).map(|at| {
        let log = logs[at % 2].clone();
        tokio::spawn(async move {
            for number in 0..10 {
                let shared = Append::new(stream("shared"), vec![event(), change(&format!("{}-{number}", at / 2))]);
                log.append(shared).await.unwrap();
                log.append(append(&at.to_string(), event())).await.unwrap();
            }
        })
    });
    join_all(writers).await.into_iter().for_each(Result::unwrap);
    // Each pair of writers shares its changes, so half of those are duplicates.
    let count = APPENDERS * 10 * 2 + APPENDERS * 10 / 2;
    assert_contiguous(&logs[1], count).await;
    let mut versions = BTreeMap::new();
    for event in everything(&logs[0]).await {
        let version = versions.entry(event.stream_name).or_insert(0);
        *version += 1;
        assert_eq!(event.stream_version.0, *version, "in {:?}", event.global_position);
    }
}
