//! The write-ahead log stays short while commits keep coming, and empties at the end.

use std::path::PathBuf;

use futures::future::join_all;

use crate::fixture::{Fixture, append, event, everything, open, with_payload};

const MEBIBYTE: usize = 1024 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_write_ahead_log_stays_bounded_under_a_steady_load() {
    let fixture = Fixture::sqlite().await;
    let log = fixture.log().await;
    let write_ahead = PathBuf::from(format!("{}-wal", log.database().name()));
    let appenders = (0..8).map(|_| {
        let (log, write_ahead) = (log.clone(), write_ahead.clone());
        tokio::spawn(async move {
            let mut longest = 0;
            for _ in 0..60 {
                log.append(append("1", with_payload(event(), vec![1; MEBIBYTE]))).await.unwrap();
                longest = longest.max(std::fs::metadata(&write_ahead).unwrap().len());
            }
            longest
        })
    });
    let longest = join_all(appenders).await.into_iter().map(Result::unwrap).max().unwrap();
    assert!(longest < 160 * MEBIBYTE as u64, "480 MiB were appended, the write-ahead log grew to {longest} bytes");
}

#[tokio::test]
async fn after_close_the_file_alone_holds_everything() {
    let fixture = Fixture::sqlite().await;
    let log = fixture.log().await;
    for _ in 0..50 {
        log.append(append("1", event())).await.unwrap();
    }
    log.close().await;
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.db");
    std::fs::copy(log.database().file().unwrap(), &copy).unwrap();
    let copied = open(&format!("sqlite:{}", copy.display()), std::sync::Arc::new(chrono::Utc::now)).await;
    assert_eq!(everything(&copied).await.len(), 50);
}
