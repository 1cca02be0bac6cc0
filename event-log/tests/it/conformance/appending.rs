//! Expected versions, all or none, exact bytes, the bounded queue.

use event_log::{Append, Error, EventOutcome, ExpectedVersion, GlobalPosition, StreamVersion};
use futures::FutureExt;
use futures::future::join_all;

use crate::fixture::{
    Fixture, RECEIVED, append, assert_contiguous, change, event, everything, hold_writer, soon, stream, with_payload,
};

pub(super) async fn any_version_is_accepted(fixture: Fixture) {
    let log = fixture.log().await;
    for version in 1..=3 {
        let appended = log.append(append("1", event())).await.unwrap();
        assert_eq!(appended.version, StreamVersion(version));
        let position = GlobalPosition(version);
        assert_eq!(appended.outcomes, [EventOutcome::Recorded { position, version: StreamVersion(version) }]);
    }
}

pub(super) async fn no_stream_is_refused_once_the_stream_exists(fixture: Fixture) {
    let log = fixture.log().await;
    let first = || append("1", event()).expecting(ExpectedVersion::NoStream);
    log.append(first()).await.unwrap();
    let refused = log.append(first()).await.unwrap_err();
    assert!(matches!(refused, Error::WrongExpectedVersion { actual: StreamVersion(1), .. }), "{refused}");
    assert!(!refused.is_retryable());
}

pub(super) async fn stream_exists_is_refused_while_there_is_none(fixture: Fixture) {
    let log = fixture.log().await;
    let next = || append("1", event()).expecting(ExpectedVersion::StreamExists);
    let refused = log.append(next()).await.unwrap_err();
    assert!(matches!(refused, Error::WrongExpectedVersion { actual: StreamVersion(0), .. }), "{refused}");
    log.append(append("1", event())).await.unwrap();
    assert_eq!(log.append(next()).await.unwrap().version, StreamVersion(2));
}

pub(super) async fn stale_exact_version_is_refused_and_the_actual_one_named(fixture: Fixture) {
    let log = fixture.log().await;
    let exactly = |version| append("1", event()).expecting(ExpectedVersion::Exact(StreamVersion(version)));
    log.append(exactly(0)).await.unwrap();
    log.append(exactly(1)).await.unwrap();
    for wrong in [0, 1, 3] {
        let refused = log.append(exactly(wrong)).await.unwrap_err();
        let Error::WrongExpectedVersion { stream: of, expected, actual } = refused else { panic!("{refused}") };
        assert_eq!((of, actual), (stream("1"), StreamVersion(2)));
        assert_eq!(expected, ExpectedVersion::Exact(StreamVersion(wrong)));
    }
    assert_eq!(log.append(exactly(2)).await.unwrap().version, StreamVersion(3));
}

pub(super) async fn an_append_is_recorded_whole_or_not_at_all(fixture: Fixture) {
    let log = fixture.log().await;
    let three = || Append::new(stream("1"), vec![event(), event(), event()]).expecting(ExpectedVersion::NoStream);
    assert_eq!(log.append(three()).await.unwrap().version, StreamVersion(3));
    log.append(three()).await.unwrap_err();
    log.append(append("2", event())).await.unwrap();
    assert_contiguous(&log, 4).await;
}

pub(super) async fn an_append_without_events_checks_the_version_only(fixture: Fixture) {
    let log = fixture.log().await;
    let nothing = |expected| Append::new(stream("1"), Vec::new()).expecting(expected);
    log.append(nothing(ExpectedVersion::StreamExists)).await.unwrap_err();
    assert_eq!(log.append(nothing(ExpectedVersion::NoStream)).await.unwrap().version, StreamVersion(0));
    assert!(everything(&log).await.is_empty());
}

pub(super) async fn of_writers_with_the_same_belief_one_wins(fixture: Fixture) {
    let log = fixture.log().await;
    log.append(append("1", event())).await.unwrap();
    let held = hold_writer(&log).await;
    let writers = (0..32).map(|_| {
        let log = log.clone();
        tokio::spawn(async move {
            log.append(append("1", event()).expecting(ExpectedVersion::Exact(StreamVersion(1)))).await
        })
    });
    let writers: Vec<_> = writers.collect();
    drop(held);
    let results: Vec<_> = join_all(writers).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert_contiguous(&log, 2).await;
}

pub(super) async fn versions_have_no_gaps_when_many_append_to_one_stream(fixture: Fixture) {
    let log = fixture.log().await;
    let writers = (0..16).map(|_| {
        let log = log.clone();
        tokio::spawn(async move {
            for _ in 0..10 {
                log.append(Append::new(stream("1"), vec![event(), event()])).await.unwrap();
            }
        })
    });
    join_all(writers).await.into_iter().for_each(Result::unwrap);
    let events = log.read_stream(&stream("1"), StreamVersion(0), 1000).await.unwrap();
    let versions: Vec<i64> = events.iter().map(|event| event.stream_version.0).collect();
    assert_eq!(versions, (1..=320).collect::<Vec<_>>());
    assert!(events.is_sorted_by_key(|event| event.global_position));
}

pub(super) async fn a_fresh_stream_begins_at_version_one(fixture: Fixture) {
    let log = fixture.log().await;
    for _ in 0..3 {
        let appended = log.append(Append::to_fresh_stream("delivery", event())).await.unwrap();
        assert_eq!(appended.version, StreamVersion(1));
    }
    // The same append handed in again, for instance after an answer that got lost.
    let append = Append::to_fresh_stream("delivery", event());
    log.append(append.clone()).await.unwrap();
    assert!(log.append(append).await.unwrap().outcomes[0].is_duplicate());
    assert_contiguous(&log, 4).await;
}

pub(super) async fn payload_bytes_come_back_exactly(fixture: Fixture) {
    let log = fixture.log().await;
    let every_value: Vec<u8> = (0..=255).collect();
    let mebibyte: Vec<u8> = (0..1024 * 1024_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let payloads = [Some(every_value), Some(Vec::new()), Some(mebibyte), Some(b"{\"b\":1, \"a\":1.0}".to_vec()), None];
    for (at, payload) in payloads.iter().enumerate() {
        let mut event = event();
        event.event_type = RECEIVED;
        event.payload = payload.clone().map(Into::into);
        log.append(append(&at.to_string(), event)).await.unwrap();
    }
    for (at, payload) in payloads.iter().enumerate() {
        let events = log.read_stream(&stream(&at.to_string()), StreamVersion(0), 1).await.unwrap();
        assert!(events[0].payload.as_deref() == payload.as_deref(), "payload {at} differs");
    }
}

pub(super) async fn a_full_queue_refuses_offers_and_lets_appends_wait(fixture: Fixture) {
    let database = fixture.log().await.database().clone();
    let log = event_log::Log::open(database, 2, std::sync::Arc::new(chrono::Utc::now)).await.unwrap();
    let held = hold_writer(&log).await;
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            let mut offer = Box::pin({
                let log = log.clone();
                async move { log.offer(append("1", event())).await }
            });
            assert!(offer.as_mut().now_or_never().is_none(), "there is a place in the queue");
            offer
        })
        .collect();
    let refused = log.offer(append("1", event())).await.unwrap_err();
    assert!(matches!(refused, Error::Overloaded) && refused.is_retryable(), "{refused}");
    let patient = tokio::spawn({
        let log = log.clone();
        async move { log.append(append("1", event())).await }
    });
    drop(held);
    for offered in join_all(waiting).await {
        offered.unwrap();
    }
    soon(patient).await.unwrap().unwrap();
    assert_contiguous(&log, 3).await;
}

pub(super) async fn dropping_the_waiter_does_not_take_the_append_back(fixture: Fixture) {
    let log = fixture.log().await;
    let held = hold_writer(&log).await;
    let id = change("dropped").id;
    assert!(log.append(append("1", with_payload(change("dropped"), "body"))).now_or_never().is_none());
    drop(held);
    log.append(append("2", event())).await.unwrap();
    assert_eq!(log.event(id).await.unwrap().unwrap().stream_name, stream("1"));
}
