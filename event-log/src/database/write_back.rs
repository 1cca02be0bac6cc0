//! Moves committed pages from SQLite's write-ahead log into the database file, beside the commits instead of inside them.
//!
//! Left to itself, SQLite does this in the commit that finds the write-ahead log long, and all who wait for that commit
//! wait tens of milliseconds longer. Here a task of its own does the bulk, while commits go on behind it. The
//! write-ahead log starts over only when nothing is left to move, which never happens while commits keep coming: so,
//! when it has grown long, the writer moves the last few pages itself between two groups.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use sqlx::{Connection as _, SqliteConnection};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::sql::{Connection, Driver};

/// Written bytes after which the task is woken.
const MOVE_AFTER_BYTES: usize = 8 * 1024 * 1024;
/// What a job costs in pages beside its payload: rows, indexes.
const JOB_BYTES: usize = 8 * 1024;
/// Length from which the writer is asked to move the rest: 64 MiB of pages.
const LONG_PAGES: i64 = 16 * 1024;
/// So few pages that moving them takes less time than a commit.
const FEW_PAGES: i64 = 256;
/// Rounds of the task, each of which moves what was committed during the one before.
const MOST_ROUNDS: usize = 4;

/// The writer's end of the task.
pub(crate) struct WriteBack {
    written_bytes: usize,
    wake: Arc<Notify>,
    nearly_done: Arc<AtomicBool>,
    stop: DropGuard,
    task: JoinHandle<()>,
}

/// The write-ahead log after a move, in pages.
struct Moved {
    length: i64,
    done: i64,
}

impl WriteBack {
    /// Starts the task on a connection of its own.
    pub(super) fn start(mut connection: SqliteConnection) -> Self {
        let (wake, nearly_done, stop) =
            (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)), CancellationToken::new());
        let (woken, done, stopped) = (wake.clone(), nearly_done.clone(), stop.clone());
        #[expect(clippy::disallowed_methods, reason = "ends with the writer, which waits for it")]
        let task = tokio::spawn(async move {
            while stopped.run_until_cancelled(woken.notified()).await.is_some() {
                let moved = move_most(&mut connection).await;
                done.store(moved.length >= LONG_PAGES, Ordering::Relaxed);
            }
            let _ = connection.close().await;
        });
        WriteBack { written_bytes: 0, wake, nearly_done, stop: stop.drop_guard(), task }
    }

    /// Counts what a job writes.
    pub(crate) fn count(&mut self, payload_bytes: usize) {
        self.written_bytes += JOB_BYTES + payload_bytes;
    }

    /// Between two groups: wakes the task, or moves the rest after it.
    pub(crate) async fn after_commit(&mut self, writer: &mut Connection) {
        if self.nearly_done.swap(false, Ordering::Relaxed)
            && let Driver::Sqlite(writer) = writer.driver()
        {
            move_pages(writer).await;
        }
        if self.written_bytes >= MOVE_AFTER_BYTES {
            self.written_bytes = 0;
            self.wake.notify_one();
        }
    }

    /// Moves all that is left, empties the write-ahead log unless somebody reads it, and closes the connections.
    pub(crate) async fn finish(self, mut writer: Connection) {
        drop(self.stop);
        let _ = self.task.await;
        if let Driver::Sqlite(writer) = writer.driver() {
            move_pages(writer).await;
            let emptied = "PRAGMA busy_timeout = 100; PRAGMA wal_checkpoint(TRUNCATE)";
            if let Err(error) = sqlx::query(emptied).execute(writer).await {
                tracing::debug!(error = &error as &dyn std::error::Error, "the write-ahead log keeps its length");
            }
        }
        let _ = writer.close().await;
    }
}

async fn move_most(connection: &mut SqliteConnection) -> Moved {
    let mut moved = move_pages(connection).await;
    for _ in 1..MOST_ROUNDS {
        if moved.length - moved.done <= FEW_PAGES {
            break;
        }
        moved = move_pages(connection).await;
    }
    moved
}

/// One pass over the write-ahead log; neither waits for readers and writers nor makes them wait.
///
/// A failure loses nothing: the pages stay where they are, committed, until a later pass.
async fn move_pages(connection: &mut SqliteConnection) -> Moved {
    let started = Instant::now();
    let moved = match sqlx::query_as::<_, (i64, i64, i64)>("PRAGMA wal_checkpoint(PASSIVE)").fetch_one(connection).await
    {
        Ok((_busy, length, done)) => Moved { length, done },
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "committed pages stay in the write-ahead log for now"
            );
            Moved { length: 0, done: 0 }
        }
    };
    metrics::histogram!("log_write_back_duration_seconds").record(started.elapsed().as_secs_f64());
    metrics::gauge!("log_write_ahead_pages").set(moved.length as f64);
    moved
}
