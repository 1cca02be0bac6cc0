//! From decisions about customers to effects on their contacts.

use catalogue::erp::{SALESPERSON_ASSIGNED, SalespersonAssigned};
use event_log::{EventType, RecordedEvent, UnitOfWork};

use super::request::{planned, sequence};
use super::settings::Organizations;
use crate::Error;
use crate::ledger::{overtake, plan};

/// The events this decider follows. What a conflict is decided to is among them, where Books is to follow.
pub const FOLLOWS: [EventType; 1] = [SALESPERSON_ASSIGNED];

/// Handles one event inside the unit of work that also moves the checkpoint.
///
/// An account whose Books is kept read-only gets its effects as well: they wait until it may be written, and then only
/// what still holds is done.
///
/// # Errors
/// Database failures; an event that does not decode.
pub async fn decide(
    unit: &mut UnitOfWork<'_>,
    organizations: &Organizations,
    event: &RecordedEvent,
) -> Result<(), Error> {
    let assigned: SalespersonAssigned = event.decode()?;
    let Some(account) = event.account.as_deref().filter(|account| organizations.get(account).is_ok()) else {
        return Ok(());
    };
    let now = unit.now();
    overtake(unit.connection(), now, &sequence(account, &assigned.contact_id, event.stream_version.0)).await?;
    plan(unit.connection(), now, &[planned(account, assigned, event)]).await
}
