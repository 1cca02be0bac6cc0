//! A named reader that follows the log from its checkpoint.

use std::time::Duration;

use tokio::sync::watch;

use crate::{Error, EventType, GlobalPosition, Log, RecordedEvent, checkpoint, read};

/// How often a follower looks for events that another process appended.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Follows the log in position order, from its checkpoint, for ever.
///
/// The subscription never saves its checkpoint itself: whoever handles a batch saves `batch.last` in the unit of work
/// that holds the batch's result, so both become durable together.
#[derive(Debug)]
pub struct Subscription {
    log: Log,
    name: String,
    types: Vec<EventType>,
    with_payload: bool,
    account: Option<String>,
    position: GlobalPosition,
    window: i64,
    head: watch::Receiver<GlobalPosition>,
}

/// A stretch of the log.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The wanted events of the stretch, in position order; may be empty when only others were appended.
    pub events: Vec<RecordedEvent>,
    /// The last position of the stretch: the checkpoint once the events are handled.
    pub last: GlobalPosition,
}

impl Subscription {
    /// Follows events of `types` (empty: all) from the checkpoint saved under `name`, at most `window` positions a batch.
    ///
    /// # Errors
    /// Database failures.
    pub async fn open(log: &Log, name: impl Into<String>, types: Vec<EventType>, window: u32) -> Result<Self, Error> {
        let name = name.into();
        let position = checkpoint::load(log.database().readers(), &name).await?;
        let head = log.head();
        let window = i64::from(window.max(1));
        Ok(Subscription { log: log.clone(), name, types, with_payload: false, account: None, position, window, head })
    }

    /// Also reads the payload bytes.
    #[must_use]
    pub fn with_payload(mut self) -> Self {
        self.with_payload = true;
        self
    }

    /// Hands out the events of one account only.
    #[must_use]
    pub fn of_account(mut self, account: impl Into<String>) -> Self {
        self.account = Some(account.into());
        self
    }

    /// Starts after `position` instead of the checkpoint.
    #[must_use]
    pub fn starting_after(mut self, position: GlobalPosition) -> Self {
        self.position = position;
        self
    }

    /// The subscription's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The last position handed out.
    #[must_use]
    pub fn position(&self) -> GlobalPosition {
        self.position
    }

    /// The next stretch of the log; waits until there is one. Stretches without a wanted event are joined while
    /// catching up, and handed out empty once the head is reached, so that the checkpoint can follow.
    ///
    /// # Errors
    /// Database failures; the same stretch is read again on the next call.
    ///
    /// # Cancellation
    /// Safe: nothing is lost if the future is dropped.
    pub async fn next_batch(&mut self) -> Result<Batch, Error> {
        loop {
            if let Some(batch) = self.available().await? {
                return Ok(batch);
            }
            tokio::select! {
                Ok(()) = self.head.changed() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// The next stretch if the log has one now.
    ///
    /// # Errors
    /// As [`Subscription::next_batch`].
    pub async fn available(&mut self) -> Result<Option<Batch>, Error> {
        let readers = self.log.database().readers();
        // Before the read: an append between the two wakes us once too often rather than never.
        self.head.mark_unchanged();
        let head = read::last_position(readers).await?;
        let mut from = self.position;
        while from < head {
            let up_to = GlobalPosition(head.0.min(from.0 + self.window));
            let account = self.account.as_deref();
            let events = read::window(readers, &self.types, account, from, up_to, self.with_payload).await?;
            if !events.is_empty() || up_to == head {
                self.position = up_to;
                return Ok(Some(Batch { events, last: up_to }));
            }
            from = up_to;
        }
        Ok(None)
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use super::*;
    use crate::{Access, Append, Database, NewEvent, Settings};

    /// A wake-up that is lost here would only show as a wait of [`LOOK_EVERY`], so the test looks inside.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_append_during_the_look_is_handed_out_or_wakes_the_next_wait() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("log.db").display());
        let database = Database::open(&Settings::new(url, Access::CreateAndMigrate)).await.unwrap();
        let log = Log::open(database, 16, std::sync::Arc::new(chrono::Utc::now)).await.unwrap();
        let mut subscription = Subscription::open(&log, "test", Vec::new(), 100).await.unwrap();
        let appender = tokio::spawn({
            let log = log.clone();
            async move {
                for _ in 0..2000 {
                    let event = NewEvent::new(EventType::new("test.ran"), "operator", &());
                    log.append(Append::to_fresh_stream("test", event)).await.unwrap();
                }
            }
        });
        while !appender.is_finished() || subscription.position() < *log.head().borrow() {
            if subscription.available().await.unwrap().is_none() {
                let head = *log.head().borrow();
                let woken = subscription.head.has_changed().unwrap();
                assert!(woken || head <= subscription.position(), "{head:?} would be noticed late");
            }
        }
        assert_eq!(subscription.position(), GlobalPosition(2000));
    }
}
