//! What a consumer does with events: decisions inside the unit of work that also notes them as handled.

use event_log::{RecordedEvent, UnitOfWork};
use futures::future::BoxFuture;

/// Decides events, one at a time, inside a unit of work.
///
/// Each event is decided once: what the handler writes becomes durable together with the note that the event is handled,
/// or not at all. So it writes only through the unit, and does nothing outside (that is for effects, which have a ledger).
/// Events of one stream come in their order.
pub trait Handler: Send + Sync + 'static {
    /// Why an event could not be decided.
    type Error: Failure;

    /// Decides one event.
    ///
    /// A failure takes back the whole unit, also what was written for events before this one, and they are tried again.
    fn handle<'a>(
        &'a self,
        unit: &'a mut UnitOfWork<'_>,
        event: &'a RecordedEvent,
    ) -> BoxFuture<'a, Result<(), Self::Error>>;

    /// Records that an event could not be decided and never will be; it then counts as handled.
    ///
    /// If this fails for good as well, the event is skipped with an error in the log.
    fn refused<'a>(
        &'a self,
        unit: &'a mut UnitOfWork<'_>,
        event: &'a RecordedEvent,
        error: &'a Self::Error,
    ) -> BoxFuture<'a, Result<(), Self::Error>>;

    /// Records that a record of the topic cannot be read; the partition goes on.
    ///
    /// It may be told of one again after a crash: topic, partition and offset recognise it.
    fn poison<'a>(&'a self, unit: &'a mut UnitOfWork<'_>, poison: &'a Poison)
    -> BoxFuture<'a, Result<(), Self::Error>>;

    /// So many decisions are durable now: whoever works on them may look.
    fn written(&self, events: usize) {
        let _ = events;
    }
}

/// A failure of a [`Handler`].
pub trait Failure: std::error::Error + From<event_log::Error> + Send + Sync + 'static {
    /// Whether the same event may be decided later, without anybody changing anything.
    fn is_retryable(&self) -> bool;
}

impl Failure for event_log::Error {
    fn is_retryable(&self) -> bool {
        event_log::Error::is_retryable(self)
    }
}

/// A record that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Poison {
    /// The topic it is in.
    pub topic: String,
    /// Its partition.
    pub partition: u32,
    /// Its offset.
    pub offset: i64,
    /// What is wrong with it.
    pub reason: String,
    /// Its key, as far as it is text.
    pub key: Option<String>,
    /// The first bytes of its value, at most [`Poison::PREFIX_BYTES`].
    pub prefix: Vec<u8>,
}

impl Poison {
    /// How much of the value is kept.
    pub const PREFIX_BYTES: usize = 1024;
}
