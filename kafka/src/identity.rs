//! What tells one log from another: the id of its first event. It stays when the log moves to another database.

use event_log::{Direction, Error, EventId, Filter, GlobalPosition, Log};

/// The log's identity; none while it is empty.
pub(crate) async fn of(log: &Log) -> Result<Option<EventId>, Error> {
    let first = log.list(&Filter::default(), GlobalPosition(0), Direction::Forward, 1).await?;
    Ok(first.first().map(|event| event.id))
}
