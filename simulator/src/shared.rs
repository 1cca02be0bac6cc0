//! What all requests share: the locked state, the clock, the spool and the way to the notification sender.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::content::Spool;
use crate::google::Google;
use crate::notify::Notification;
use crate::world::World;

/// Shared by the servers, the control interface and the notification sender.
#[derive(Debug)]
pub(crate) struct Shared {
    world: Mutex<World>,
    pub(crate) clock: Clock,
    pub(crate) spool: Spool,
    pub(crate) google: Google,
    pub(crate) base: String,
    pub(crate) stop: CancellationToken,
    notifications: mpsc::Sender<Notification>,
}

impl Shared {
    pub(crate) fn new(
        world: World,
        clock: Clock,
        spool: Spool,
        base: String,
        stop: CancellationToken,
        notifications: mpsc::Sender<Notification>,
    ) -> Self {
        Self { world: Mutex::new(world), clock, spool, google: Google::default(), base, stop, notifications }
    }

    /// The state. Never held across a wait; a panic elsewhere leaves it usable.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands raised notifications to the sender. Never waits: what finds the queue full is lost and counted.
    pub(crate) fn send_notifications(&self, world: &mut World) {
        for notification in std::mem::take(&mut world.outbox) {
            if self.notifications.try_send(notification).is_err() {
                world.journal.webhooks.overflowed += 1;
            }
        }
    }
}
