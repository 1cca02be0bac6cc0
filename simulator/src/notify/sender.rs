//! Sends notifications: loses, repeats, delays and reorders them on demand, and retries what is not accepted.

use std::sync::Arc;
use std::time::Duration;

use futures::future;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::task::TaskTracker;

use super::Notification;
use crate::shared::Shared;

/// Waits before each retry, in units of the knob `retry_unit_ms`.
const RETRY_UNITS: [u32; 5] = [1, 5, 30, 120, 600];
/// Requests in flight; enough to keep a receiver busy, few enough not to exhaust sockets.
const CONCURRENCY: usize = 64;

struct Sender {
    shared: Arc<Shared>,
    client: reqwest::Client,
    permits: Arc<Semaphore>,
    tasks: TaskTracker,
}

/// Takes notifications until the simulator stops. What is waiting then is lost, as with the real one.
pub(crate) async fn run(shared: Arc<Shared>, client: reqwest::Client, mut queue: mpsc::Receiver<Notification>) {
    let sender = Sender { shared, client, permits: Arc::new(Semaphore::new(CONCURRENCY)), tasks: TaskTracker::new() };
    let mut held: Vec<Notification> = Vec::new();
    let stop = sender.shared.stop.clone();
    loop {
        let knobs = sender.shared.world().knobs.webhooks.clone();
        let patience = async {
            if held.is_empty() {
                return future::pending().await;
            }
            tokio::time::sleep(Duration::from_millis(knobs.reorder_hold_ms)).await;
        };
        let arrived = tokio::select! {
            () = stop.cancelled() => break,
            () = patience => None,
            arrived = queue.recv() => match arrived {
                Some(notification) => Some(notification),
                None => break,
            },
        };
        let is_late = arrived.is_none();
        held.extend(arrived.into_iter().flat_map(|notification| sender.fate(notification)));
        let window = sender.shared.world().knobs.webhooks.reorder_window;
        if is_late || held.len() >= window.max(1) {
            let batch: Vec<Notification> = held.drain(..).rev().collect();
            if !batch.is_empty() {
                sender.dispatch(batch);
            }
        }
    }
    sender.tasks.close();
}

impl Sender {
    /// Nothing, one or two copies, as the knobs and the dice say.
    fn fate(&self, notification: Notification) -> Vec<Notification> {
        let mut world = self.shared.world();
        let world = &mut *world;
        let knobs = &mut world.knobs.webhooks;
        let planned = knobs.drop_next > 0;
        knobs.drop_next = knobs.drop_next.saturating_sub(1);
        if planned || !knobs.enabled || world.random.chance(knobs.drop_probability) {
            world.journal.webhooks.dropped += 1;
            return Vec::new();
        }
        let planned = knobs.duplicate_next > 0;
        knobs.duplicate_next = knobs.duplicate_next.saturating_sub(1);
        if planned || world.random.chance(knobs.duplicate_probability) {
            world.journal.webhooks.duplicated += 1;
            return vec![notification.clone(), notification];
        }
        vec![notification]
    }

    /// Sends a batch one after the other; what is not accepted is retried on its own.
    fn dispatch(&self, batch: Vec<Notification>) {
        let (shared, client, permits, tasks) =
            (self.shared.clone(), self.client.clone(), self.permits.clone(), self.tasks.clone());
        let stop = shared.stop.clone();
        let deliveries = async move {
            for notification in batch {
                if first_attempt(&shared, &client, &permits, &notification).await {
                    continue;
                }
                let (shared, client, permits) = (shared.clone(), client.clone(), permits.clone());
                let stop = shared.stop.clone();
                let retries = async move { retry(&shared, &client, &permits, &notification).await };
                tasks.spawn(async move { stop.run_until_cancelled(retries).await });
            }
        };
        self.tasks.spawn(async move { stop.run_until_cancelled(deliveries).await });
    }
}

async fn first_attempt(
    shared: &Shared,
    client: &reqwest::Client,
    permits: &Semaphore,
    notification: &Notification,
) -> bool {
    let delay_ms = shared.world().knobs.webhooks.delay_ms;
    if delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(delay_ms)).await;
    }
    attempt(shared, client, permits, notification).await
}

async fn retry(shared: &Shared, client: &reqwest::Client, permits: &Semaphore, notification: &Notification) {
    for units in RETRY_UNITS {
        let unit = Duration::from_millis(shared.world().knobs.webhooks.retry_unit_ms);
        tokio::time::sleep(unit * units).await;
        shared.world().journal.webhooks.retried += 1;
        if attempt(shared, client, permits, notification).await {
            return;
        }
    }
    shared.world().journal.webhooks.failed += 1;
}

async fn attempt(shared: &Shared, client: &reqwest::Client, permits: &Semaphore, notification: &Notification) -> bool {
    let Ok(_permit) = permits.acquire().await else { return false };
    let timeout = {
        let mut world = shared.world();
        world.journal.webhooks.attempts += 1;
        Duration::from_millis(world.knobs.webhooks.timeout_ms)
    };
    let plain = client.post(&notification.url).timeout(timeout).body(notification.body.clone());
    let request = notification.headers.iter().fold(plain, |request, (name, value)| request.header(*name, value));
    let accepted = request.send().await.is_ok_and(|response| response.status().is_success());
    if accepted {
        shared.world().journal.webhooks.delivered += 1;
    }
    accepted
}
