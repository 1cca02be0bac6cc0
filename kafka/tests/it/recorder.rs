//! A handler that notes in the log what it handled: doubles and losses show.

use std::collections::BTreeSet;
use std::sync::Mutex;

use event_log::{Append, Error, EventId, EventType, NewEvent, RecordedEvent, StreamName, UnitOfWork};
use futures::future::BoxFuture;
use kafka::{Failure, Handler, Poison};
use serde_json::json;

pub(crate) const HANDLED: EventType = EventType::new("thing.handled");
pub(crate) const REFUSED: EventType = EventType::new("thing.refused");
pub(crate) const POISONED: EventType = EventType::new("record.refused");

/// Handles every event; refuses or panics at those it is told to.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    pub(crate) refuse: BTreeSet<i64>,
    pub(crate) panic_at: BTreeSet<i64>,
    /// Fails with something that passes, so many times.
    pub(crate) fail_first: Mutex<usize>,
    pub(crate) seen: Mutex<Vec<RecordedEvent>>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum RecorderError {
    #[error("refused for the test")]
    Refused,
    #[error("fails for the moment")]
    Passing,
    #[error("the log failed")]
    Log(#[from] Error),
}

impl Failure for RecorderError {
    fn is_retryable(&self) -> bool {
        match self {
            RecorderError::Refused => false,
            RecorderError::Passing => true,
            RecorderError::Log(error) => error.is_retryable(),
        }
    }
}

impl Handler for Recorder {
    type Error = RecorderError;

    fn handle<'a>(
        &'a self,
        unit: &'a mut UnitOfWork<'_>,
        event: &'a RecordedEvent,
    ) -> BoxFuture<'a, Result<(), RecorderError>> {
        Box::pin(async move {
            let number = number_of(event);
            if self.refuse.contains(&number) {
                return Err(RecorderError::Refused);
            }
            assert!(!self.panic_at.contains(&number), "a panic for the test");
            let passes = {
                let mut left = self.fail_first.lock().unwrap();
                let before = *left;
                *left = before.saturating_sub(1);
                before == 0
            };
            if !passes {
                return Err(RecorderError::Passing);
            }
            note(unit, HANDLED, event).await?;
            self.seen.lock().unwrap().push(event.clone());
            Ok(())
        })
    }

    fn refused<'a>(
        &'a self,
        unit: &'a mut UnitOfWork<'_>,
        event: &'a RecordedEvent,
        _: &'a RecorderError,
    ) -> BoxFuture<'a, Result<(), RecorderError>> {
        Box::pin(async move { note(unit, REFUSED, event).await })
    }

    fn poison<'a>(
        &'a self,
        unit: &'a mut UnitOfWork<'_>,
        poison: &'a Poison,
    ) -> BoxFuture<'a, Result<(), RecorderError>> {
        Box::pin(async move {
            let id = format!("{}-{}-{}", poison.topic, poison.partition, poison.offset);
            let data = json!({"reason": poison.reason, "prefix": String::from_utf8_lossy(&poison.prefix)});
            let event = NewEvent::new(POISONED, "decision", &data).with_id(EventId::derived(&[&id]));
            unit.append(Append::new(StreamName::new("poison", id), vec![event])).await?;
            Ok(())
        })
    }
}

pub(crate) fn number_of(event: &RecordedEvent) -> i64 {
    event.decode::<serde_json::Value>().unwrap()["number"].as_i64().unwrap_or(-1)
}

async fn note(unit: &mut UnitOfWork<'_>, event_type: EventType, event: &RecordedEvent) -> Result<(), RecorderError> {
    let noted = NewEvent::new(event_type, "decision", &json!({})).caused_by(event);
    unit.append(Append::new(StreamName::new("handled", event.stream_name.id()), vec![noted])).await?;
    Ok(())
}
