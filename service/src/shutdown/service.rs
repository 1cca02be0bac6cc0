//! The tasks of a service: spawned by name, watched, waited for.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio_util::task::TaskTracker;

use super::Shutdown;

/// The error a task may end with.
pub type TaskError = Box<dyn std::error::Error + Send + Sync>;

/// How long dropped tasks may take to let go, after the second stage has begun. Only code that does not wait, such as a
/// long computation, needs any of it.
const LETTING_GO: Duration = Duration::from_millis(500);

/// Why a service ended by itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A task returned an error. The others were stopped.
    #[error("task {task} failed")]
    Failed {
        /// Name it was spawned with.
        task: String,
        /// What it ended with.
        source: TaskError,
    },
    /// A task panicked, which is a bug. The others were stopped.
    #[error("task {task} panicked: {message}")]
    Panicked {
        /// Name it was spawned with.
        task: String,
        /// What it said.
        message: String,
    },
}

/// How a service ended when nothing failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Every task ended by itself.
    Finished,
    /// A second signal or the end of the grace period dropped the tasks named here.
    Aborted {
        /// Names of the tasks that had not ended.
        tasks: Vec<String>,
    },
}

/// Spawns the tasks of a process and ends them together. Cheap to clone; tasks may spawn further tasks.
#[derive(Debug, Clone)]
pub struct Service {
    tracker: TaskTracker,
    shutdown: Shutdown,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    failure: Mutex<Option<Error>>,
    running: Mutex<BTreeMap<u64, String>>,
    next: AtomicU64,
}

impl Service {
    /// A service that ends when `shutdown` says so.
    #[must_use]
    pub fn new(shutdown: Shutdown) -> Self {
        Self { tracker: TaskTracker::new(), shutdown, shared: Arc::default() }
    }

    /// The two stages of ending, for tasks that take them as arguments.
    #[must_use]
    pub fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    /// Spawns a task. It may end with `Ok` at any time; an error or a panic stops the service.
    ///
    /// # Cancellation
    /// In the second stage of shutdown the future is dropped at the point where it waits.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn spawn<F, E>(&self, name: impl Into<String>, future: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<TaskError>,
    {
        let shared = self.shared.clone();
        let shutdown = self.shutdown.clone();
        let id = shared.started(name.into());
        self.tracker.spawn(async move {
            // A dropped task stays in the list of what runs, to be named at the end.
            let Some(outcome) = shutdown.abort().run_until_cancelled(caught(future)).await else { return };
            let task = shared.ended(id);
            let failure = match outcome {
                Ok(Ok(())) => return,
                Ok(Err(error)) => Error::Failed { task, source: error.into() },
                Err(message) => Error::Panicked { task, message },
            };
            shared.keep(failure);
            shutdown.begin();
        });
    }

    /// Waits until every task has ended, by itself or because it was told to.
    ///
    /// # Errors
    /// The first failure. It is not logged here, because the caller ends with it; later ones are.
    ///
    /// # Cancellation
    /// Dropping this future leaves the tasks running.
    pub async fn run_until_stopped(self) -> Result<Ended, Error> {
        self.tracker.close();
        tokio::select! {
            () = self.tracker.wait() => {}
            () = self.shutdown.abort().cancelled() => {
                let _ = tokio::time::timeout(LETTING_GO, self.tracker.wait()).await;
            }
        }
        if let Some(failure) = lock(&self.shared.failure).take() {
            return Err(failure);
        }
        let tasks: Vec<String> = lock(&self.shared.running).values().cloned().collect();
        Ok(if tasks.is_empty() { Ended::Finished } else { Ended::Aborted { tasks } })
    }
}

impl Shared {
    fn started(&self, task: String) -> u64 {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        lock(&self.running).insert(id, task);
        id
    }

    fn ended(&self, id: u64) -> String {
        lock(&self.running).remove(&id).unwrap_or_default()
    }

    /// Keeps the first failure, which is what the others follow from.
    fn keep(&self, failure: Error) {
        let mut kept = lock(&self.failure);
        if kept.is_some() {
            tracing::error!(error = &failure as &dyn std::error::Error, "another task failed while the service stops");
            return;
        }
        *kept = Some(failure);
    }
}

/// Runs a future to its end, or to its panic.
async fn caught<F: Future>(future: F) -> Result<F::Output, String> {
    let mut future = pin!(future);
    poll_fn(move |context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(polled) => polled.map(Ok),
        Err(panic) => Poll::Ready(Err(message_of(panic.as_ref()))),
    })
    .await
}

fn message_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("it left no message").to_owned()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    async fn until_stopped(shutdown: Shutdown) -> Result<(), Infallible> {
        shutdown.stop().cancelled().await;
        Ok(())
    }

    #[tokio::test]
    async fn tasks_that_end_by_themselves_end_the_service() {
        let service = Service::new(Shutdown::new());
        service.spawn("once", async { Ok::<_, Infallible>(()) });
        assert_eq!(service.run_until_stopped().await.unwrap(), Ended::Finished);
    }

    #[tokio::test]
    async fn a_failed_task_stops_the_others_and_its_error_is_kept() {
        let service = Service::new(Shutdown::new());
        service.spawn("waits", until_stopped(service.shutdown().clone()));
        service.spawn("poller", async { Err("no such module") });
        let error = service.run_until_stopped().await.unwrap_err();
        assert_eq!(error.to_string(), "task poller failed");
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "no such module");
    }

    #[tokio::test]
    async fn a_panicked_task_stops_the_service() {
        let service = Service::new(Shutdown::new());
        service.spawn("waits", until_stopped(service.shutdown().clone()));
        service.spawn("buggy", async {
            assert!(std::hint::black_box(false), "two is not one");
            Ok::<_, Infallible>(())
        });
        let error = service.run_until_stopped().await.unwrap_err();
        assert!(error.to_string().contains("task buggy panicked"), "{error}");
        assert!(error.to_string().contains("two is not one"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_does_not_listen_is_dropped_and_named() {
        let service = Service::new(Shutdown::new());
        service.spawn("deaf", std::future::pending::<Result<(), Infallible>>());
        service.spawn("listens", until_stopped(service.shutdown().clone()));
        let shutdown = service.shutdown().clone();
        let ending = service.run_until_stopped();
        shutdown.begin();
        tokio::task::yield_now().await;
        shutdown.cut();
        let Ended::Aborted { tasks } = ending.await.unwrap() else { panic!("it ended by itself") };
        assert!(tasks.contains(&"deaf".to_owned()));
    }

    #[tokio::test]
    async fn a_task_may_spawn_another_that_is_waited_for() {
        let service = Service::new(Shutdown::new());
        let inner = service.clone();
        service.spawn("outer", async move {
            inner.spawn("inner", async { Err("inner failed") });
            Ok::<_, Infallible>(())
        });
        let error = service.run_until_stopped().await.unwrap_err();
        assert_eq!(error.to_string(), "task inner failed");
    }
}
