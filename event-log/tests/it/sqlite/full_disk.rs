//! A full disk: refused with a clear answer, nothing half-written, on again when there is room, without a restart.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use event_log::{Append, Error, GlobalPosition, Log, Subscription, checkpoints};
use futures::future::join_all;
use tempfile::TempDir;

use crate::fixture::{append, assert_contiguous, change, event, everything, hold_writer, open, stream, with_payload};

const MEBIBYTE: usize = 1024 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_appends_and_goes_on_when_there_is_room() {
    // Room for the database to take over all that stands in the write-ahead log.
    let disk = SmallDisk::mount(40);
    let ballast = disk.ballast(24);
    let log = disk.log().await;
    let mut recorded = fill(&log).await;

    // While it is full: every way of writing is refused, nothing of it is there, reading goes on.
    for _ in 0..10 {
        let three = Append::new(stream("three"), vec![large(), large(), large()]);
        assert_full(&log.append(three).await.unwrap_err());
        let unit = log.write(|unit| {
            Box::pin(async move {
                unit.save_checkpoint("worker", GlobalPosition(99)).await?;
                unit.append(append("1", large())).await?;
                unit.append(append("2", large())).await
            })
        });
        assert_full(&unit.await.unwrap_err());
    }
    assert_contiguous(&log, recorded).await;
    assert!(checkpoints(log.database().readers()).await.unwrap().is_empty());
    let mut subscription = Subscription::open(&log, "worker", Vec::new(), 1000).await.unwrap();
    let mut followed = 0;
    while let Some(batch) = subscription.available().await.unwrap() {
        followed += batch.events.len();
    }
    assert_eq!(followed, recorded);

    std::fs::remove_file(ballast).unwrap();
    for _ in 0..20 {
        log.append(append("after", large())).await.unwrap();
        recorded += 1;
    }
    assert_contiguous(&log, recorded).await;
    assert_eq!(subscription.next_batch().await.unwrap().events.len(), 20);
    log.database().check_integrity().await.unwrap();
    log.close().await;
    assert_contiguous(&disk.log().await, recorded).await;
}

/// A transaction larger than the page cache is written while it runs: SQLite then gives up all of it in the middle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unit_too_large_for_the_disk_fails_its_group_and_nothing_of_it_is_kept() {
    let disk = SmallDisk::mount(28);
    let log = disk.log().await;
    log.append(append("1", event())).await.unwrap();
    let held = hold_writer(&log).await;
    let before = spawn_append(&log);
    let unit = tokio::spawn({
        let log = log.clone();
        async move {
            log.write(|unit| {
                Box::pin(async move {
                    unit.save_checkpoint("worker", GlobalPosition(1)).await?;
                    for number in 0..40 {
                        let large = with_payload(change(&number.to_string()), vec![1; MEBIBYTE]);
                        unit.append(append("large", large)).await?;
                    }
                    Ok::<_, Error>(())
                })
            })
            .await
        }
    });
    let after = spawn_append(&log);
    drop(held);
    assert_full(&unit.await.unwrap().unwrap_err());
    let neighbours = join_all([before, after]).await;
    for neighbour in &neighbours {
        if let Err(error) = neighbour.as_ref().unwrap() {
            assert_full(error);
        }
    }
    let recorded = neighbours.iter().filter(|neighbour| neighbour.as_ref().unwrap().is_ok()).count();
    assert_contiguous(&log, 1 + recorded).await;
    assert!(checkpoints(log.database().readers()).await.unwrap().is_empty());
    log.append(append("1", event())).await.unwrap();
    log.database().check_integrity().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_appends_on_a_full_disk_are_all_answered_truly() {
    let disk = SmallDisk::mount(16);
    let log = disk.log().await;
    let appenders = (0..16).map(|_| {
        let log = log.clone();
        tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            for _ in 0..40 {
                let event = large();
                let id = event.id;
                match log.append(append("1", event)).await {
                    Ok(_) => acknowledged.push(id),
                    Err(error) => assert_full(&error),
                }
            }
            acknowledged
        })
    });
    let mut acknowledged: Vec<_> = join_all(appenders).await.into_iter().flat_map(Result::unwrap).collect();
    let mut recorded: Vec<_> = everything(&log).await.iter().map(|event| event.id).collect();
    acknowledged.sort();
    recorded.sort();
    assert!(acknowledged.len() < 640, "the disk was never full");
    assert_eq!(acknowledged, recorded, "acknowledged is recorded, refused is not");
}

fn large() -> event_log::NewEvent {
    with_payload(event(), vec![1; 128 * 1024])
}

/// Appends until the disk is full; how many events were recorded.
async fn fill(log: &Log) -> usize {
    for recorded in 0.. {
        if let Err(error) = log.append(append("1", large())).await {
            assert_full(&error);
            return recorded;
        }
    }
    unreachable!("the disk fills up")
}

fn spawn_append(log: &Log) -> tokio::task::JoinHandle<Result<(), Error>> {
    let log = log.clone();
    tokio::spawn(async move { log.append(append("1", event())).await.map(drop) })
}

fn assert_full(error: &Error) {
    assert!(matches!(error, Error::StorageFull { .. }) && error.is_retryable(), "{error}: {error:?}");
}

/// A file system of a few MiB in memory. Needs the right to mount.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount(mebibytes: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "tmpfs"])
            .arg(folder.path())
            .output()
            .expect("this test needs the command mount");
        assert!(
            mounted.status.success(),
            "this test fills a small disk and so must mount one (as root, or in a user and mount namespace): {}",
            String::from_utf8_lossy(&mounted.stderr)
        );
        SmallDisk(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Something else that takes room until it is removed.
    fn ballast(&self, mebibytes: usize) -> PathBuf {
        let path = self.path().join("ballast");
        std::fs::write(&path, vec![1; mebibytes * MEBIBYTE]).unwrap();
        path
    }

    async fn log(&self) -> Log {
        open(&format!("sqlite:{}", self.path().join("log.db").display()), Arc::new(chrono::Utc::now)).await
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the log's connections may still be open.
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}
