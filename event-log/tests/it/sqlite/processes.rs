//! Several processes on one file.

use event_log::{Error, StreamVersion};

use super::child::Process;
use crate::fixture::{Fixture, append, assert_contiguous, event, stream};

#[tokio::test]
async fn a_second_claim_on_the_roles_is_refused() {
    let fixture = Fixture::sqlite().await;
    let log = fixture.log().await;
    let held = log.database().lock_roles().unwrap();
    let refused = log.database().lock_roles().unwrap_err();
    let Error::AlreadyRunning { holder, .. } = &refused else { panic!("{refused}") };
    assert_eq!(*holder, std::process::id().to_string());
    drop(held);
    log.database().lock_roles().unwrap();
}

#[tokio::test]
async fn another_process_holds_the_roles_until_it_is_killed() {
    let fixture = Fixture::sqlite().await;
    let log = fixture.log().await;
    let mut holder = Process::start("holder", &fixture.url);
    holder.line("locked").unwrap();
    let refused = log.database().lock_roles().unwrap_err();
    assert!(refused.to_string().contains(&format!("(pid {})", holder.id())), "{refused}");
    holder.kill();
    log.database().lock_roles().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_append_to_one_stream_without_gaps() {
    let fixture = Fixture::sqlite().await;
    let log = fixture.log().await;
    let others = [Process::start("appender 150", &fixture.url), Process::start("appender 150", &fixture.url)];
    for _ in 0..150 {
        log.append(append("shared", event())).await.unwrap();
    }
    others.into_iter().for_each(Process::succeeds);
    assert_contiguous(&log, 450).await;
    let events = log.read_stream(&stream("shared"), StreamVersion(0), 1000).await.unwrap();
    let versions: Vec<i64> = events.iter().map(|event| event.stream_version.0).collect();
    assert_eq!(versions, (1..=450).collect::<Vec<_>>());
    assert!(events.is_sorted_by_key(|event| event.recorded_at), "recorded in the order of the positions");
}
