//! From events to notifications.

use event_log::{RecordedEvent, UnitOfWork};

use super::book;
use super::request::planned;
use super::settings::Endpoints;
use crate::Error;
use crate::ledger::plan;

/// Handles one event inside the unit of work that also moves the checkpoint: plans a notification for each endpoint that
/// wants it and was there when it happened. For a stopped endpoint it is noted that something is missing.
///
/// # Errors
/// Database failures; [`Error::Undecodable`].
pub async fn decide(unit: &mut UnitOfWork<'_>, endpoints: &Endpoints, event: &RecordedEvent) -> Result<(), Error> {
    let mut notifications = Vec::new();
    for endpoint in endpoints.all().filter(|endpoint| endpoint.wants(event)) {
        let Some(standing) = book::standing(unit.connection(), &endpoint.name).await? else { continue };
        if event.global_position <= standing.since {
            continue;
        }
        match standing.is_stopped {
            true => book::note_missed(unit, &endpoint.name, event.global_position).await?,
            false => notifications.push(planned(endpoint, event)?),
        }
    }
    if notifications.is_empty() {
        return Ok(());
    }
    let now = unit.now();
    plan(unit.connection(), now, &notifications).await
}
