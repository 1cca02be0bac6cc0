//! Each event once, without time limit, and what is kept of the other times.

use std::time::Duration;

use event_log::{Append, EventId, EventOutcome, ExpectedVersion, GlobalPosition, Sighting, StreamVersion, sightings};
use futures::future::join_all;

use crate::fixture::{
    Clock, Fixture, append, assert_contiguous, change, event, hold_writer, stream, time, with_payload,
};

pub(super) async fn a_repeated_event_is_recorded_once_and_sighted(fixture: Fixture) {
    let clock = Clock::at(time("2026-11-21T08:00:00Z"));
    let log = fixture.log_at(clock.now()).await;
    let first = log.append(append("1", change("a"))).await.unwrap();
    assert!(!first.outcomes[0].is_duplicate());

    clock.advance(Duration::from_secs(60));
    let mut again = change("a").of("org-a", "acme");
    again.source = "webhook";
    again.causation_id = Some(EventId::derived(&["delivery 7"]));
    let second = log.append(append("1", again)).await.unwrap();
    assert_eq!(second.outcomes, [EventOutcome::Duplicate { position: GlobalPosition(1) }]);
    assert_eq!(second.version, StreamVersion(1));

    let mut later = change("a");
    later.received_at = Some(time("2026-11-21T09:30:00.25Z"));
    log.append(append("1", later)).await.unwrap();

    let seen = sighted(&log, "a").await;
    assert_eq!(seen.len(), 2);
    assert_eq!((seen[0].source.as_str(), seen[1].source.as_str()), ("webhook", "poll"));
    assert_eq!(seen[0].causation_id, Some(EventId::derived(&["delivery 7"])));
    assert_eq!(seen[0].seen_at, time("2026-11-21T08:01:00Z"));
    assert_eq!(seen[1].seen_at, time("2026-11-21T09:30:00.25Z"));
    assert_eq!(seen[0].same_payload, None);
    assert_contiguous(&log, 1).await;
}

pub(super) async fn a_sighting_tells_whether_the_payload_was_the_same(fixture: Fixture) {
    let log = fixture.log().await;
    log.append(append("1", with_payload(change("a"), "body"))).await.unwrap();
    log.append(append("1", with_payload(change("a"), "body"))).await.unwrap();
    log.append(append("1", with_payload(change("a"), "other"))).await.unwrap();
    log.append(append("1", with_payload(change("a"), ""))).await.unwrap();
    log.append(append("1", change("a"))).await.unwrap();
    let same: Vec<_> = sighted(&log, "a").await.iter().map(|seen| seen.same_payload).collect();
    assert_eq!(same, [Some(true), Some(false), Some(false), None]);
}

pub(super) async fn an_event_twice_in_one_append_is_recorded_once(fixture: Fixture) {
    let log = fixture.log().await;
    let twice = vec![with_payload(change("a"), "x"), change("b"), with_payload(change("a"), "x")];
    let appended = log.append(Append::new(stream("1"), twice)).await.unwrap();
    assert_eq!(appended.outcomes[2], EventOutcome::Duplicate { position: GlobalPosition(1) });
    assert_eq!(appended.version, StreamVersion(2));
    assert_eq!(sighted(&log, "a").await[0].same_payload, Some(true));
    assert_contiguous(&log, 2).await;
}

pub(super) async fn an_event_twice_in_one_group_is_recorded_once(fixture: Fixture) {
    let log = fixture.log().await;
    let held = hold_writer(&log).await;
    let appends: Vec<_> = ["x", "y", "x"]
        .map(|body| {
            let log = log.clone();
            tokio::spawn(async move { log.append(append("1", with_payload(change("a"), body))).await.unwrap() })
        })
        .into();
    drop(held);
    let outcomes: Vec<_> = join_all(appends).await.into_iter().map(|appended| appended.unwrap().outcomes[0]).collect();
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_duplicate()).count(), 2);
    assert!(outcomes.iter().all(|outcome| outcome.position() == GlobalPosition(1)));
    let seen = sighted(&log, "a").await;
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().any(|seen| seen.same_payload == Some(false)), "x and y were compared: {seen:?}");
    assert_contiguous(&log, 1).await;
}

pub(super) async fn a_fresh_event_appended_again_is_recorded_once(fixture: Fixture) {
    let log = fixture.log().await;
    let fresh = event();
    let held = hold_writer(&log).await;
    let appends: Vec<_> = (0..3)
        .map(|_| {
            let (log, fresh) = (log.clone(), fresh.clone());
            tokio::spawn(async move { log.append(append("1", fresh)).await.unwrap() })
        })
        .collect();
    drop(held);
    join_all(appends).await.into_iter().for_each(|appended| drop(appended.unwrap()));
    assert!(log.append(append("1", fresh.clone())).await.unwrap().outcomes[0].is_duplicate());
    assert_eq!(sightings(log.database().readers(), fresh.id).await.unwrap().len(), 3);
    assert_contiguous(&log, 1).await;
}

pub(super) async fn a_repeated_append_is_not_refused_by_its_expected_version(fixture: Fixture) {
    let log = fixture.log().await;
    let two = || Append::new(stream("1"), vec![change("a"), change("b")]).expecting(ExpectedVersion::NoStream);
    log.append(two()).await.unwrap();
    let again = log.append(two()).await.unwrap();
    assert!(again.outcomes.iter().all(EventOutcome::is_duplicate));
    assert_eq!(again.version, StreamVersion(2));
}

pub(super) async fn an_event_is_recognised_in_another_stream(fixture: Fixture) {
    let log = fixture.log().await;
    log.append(append("1", change("a"))).await.unwrap();
    let elsewhere = log.append(append("2", change("a"))).await.unwrap();
    assert!(elsewhere.outcomes[0].is_duplicate());
    assert_eq!(elsewhere.version, StreamVersion(0));
}

pub(super) async fn an_event_is_recognised_years_later(fixture: Fixture) {
    let clock = Clock::at(time("2016-01-01T00:00:00Z"));
    let log = fixture.log_at(clock.now()).await;
    log.append(append("1", change("a"))).await.unwrap();
    for number in 0..500 {
        log.append(append("2", change(&number.to_string()))).await.unwrap();
    }
    log.close().await;
    clock.advance(Duration::from_secs(10 * 365 * 86_400));
    let log = fixture.log_at(clock.now()).await;
    assert!(log.append(append("1", change("a"))).await.unwrap().outcomes[0].is_duplicate());
    assert_contiguous(&log, 501).await;
}

pub(super) async fn a_refused_append_leaves_no_sighting(fixture: Fixture) {
    let log = fixture.log().await;
    log.append(append("1", change("a"))).await.unwrap();
    let mixed = Append::new(stream("1"), vec![change("a"), change("b")]).expecting(ExpectedVersion::NoStream);
    log.append(mixed).await.unwrap_err();
    assert!(sighted(&log, "a").await.is_empty());
    assert!(!log.append(append("1", change("b"))).await.unwrap().outcomes[0].is_duplicate());
}

pub(super) async fn new_events_between_known_ones_get_versions_without_gaps(fixture: Fixture) {
    let log = fixture.log().await;
    log.append(append("1", change("b"))).await.unwrap();
    let mixed = Append::new(stream("1"), ["a", "b", "c"].map(change).into());
    let appended = log.append(mixed).await.unwrap();
    let recorded = |at| EventOutcome::Recorded { position: GlobalPosition(at), version: StreamVersion(at) };
    let known = EventOutcome::Duplicate { position: GlobalPosition(1) };
    assert_eq!(appended.outcomes, [recorded(2), known, recorded(3)]);
    assert_eq!(appended.version, StreamVersion(3));
}

pub(super) async fn of_many_writers_of_one_event_one_records_it(fixture: Fixture) {
    let logs = [fixture.log().await, fixture.log().await];
    let writers = (0..32).map(|at| {
        let log = logs[at % 2].clone();
        tokio::spawn(async move { log.append(append("1", change("a"))).await.unwrap().outcomes[0] })
    });
    let outcomes: Vec<_> = join_all(writers).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(outcomes.iter().filter(|outcome| !outcome.is_duplicate()).count(), 1);
    assert_eq!(sighted(&logs[0], "a").await.len(), 31);
    assert_contiguous(&logs[0], 1).await;
}

async fn sighted(log: &event_log::Log, name: &str) -> Vec<Sighting> {
    sightings(log.database().readers(), change(name).id).await.unwrap()
}
