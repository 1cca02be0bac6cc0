//! Calls of librdkafka that wait for brokers, on threads of their own: the run time's own threads for blocking work would
//! keep a process from ending until they are done.

use std::thread;

use tokio::sync::oneshot;

/// Does the work on a thread; `None` when it panicked.
///
/// # Cancellation
/// Dropping the future leaves the thread to finish by itself.
pub(crate) async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (sender, done) = oneshot::channel();
    thread::spawn(move || {
        // Nobody may wait for it any more.
        let _ = sender.send(work());
    });
    done.await.ok()
}

/// Drops something that waits for brokers or threads when it is dropped.
pub(crate) fn end<T: Send + 'static>(value: T) {
    thread::spawn(move || drop(value));
}
