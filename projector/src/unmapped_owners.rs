//! Owners of customers that are no user we know of, and how many customers wait for each.

use catalogue::erp::{ASSIGNMENT_CHANGED, Assignment, AssignmentState};
use chrono::{DateTime, Utc};
use event_log::{Error, EventType, ScannedEvent};

use crate::projection::{Changes, Projection};
use crate::row::row;

row! {
    /// One owner who is, or was, unknown.
    pub struct UnmappedOwner in "rm_unmapped_owners";
    key UnmappedOwnerKey {
        /// The account by which it was found.
        account: String,
        /// The owner's id in Books.
        zoho_owner_id: String,
    }
    columns {
        /// Whose it is.
        organization: Option<String>,
        /// The owner's name as Books shows it.
        owner_name: Option<String>,
        /// Customers that wait for the owner; 0 once it appeared, or has none any more.
        customers: i64,
        /// When the first customer came to wait.
        found_at: Option<DateTime<Utc>>,
        /// When the last customer ceased to wait; absent while one does.
        resolved_at: Option<DateTime<Utc>>,
        /// Where its last event stands.
        position: i64,
    }
}

pub(crate) struct UnmappedOwners;

pub(crate) struct Change {
    at: DateTime<Utc>,
    position: i64,
    organization: Option<String>,
    owner_name: Option<String>,
    by: i64,
}

impl Projection for UnmappedOwners {
    type Row = UnmappedOwner;
    type Change = Change;
    const NAME: &'static str = "unmapped_owners";
    const EVENT_TYPES: &'static [&'static EventType] = &[&ASSIGNMENT_CHANGED];

    fn read(event: &ScannedEvent<'_>, changes: &mut Changes<Self>) -> Result<(), Error> {
        if !event.is(&ASSIGNMENT_CHANGED) {
            return Ok(());
        }
        let assignment: Assignment = event.decode()?;
        let waits = |state: AssignmentState, owner_id: Option<String>| {
            owner_id.filter(|_| state == AssignmentState::UnmappedOwner)
        };
        let before = assignment.before.and_then(|before| waits(before.state, before.owner_id));
        let now = waits(assignment.state, assignment.owner_id);
        if before == now {
            return Ok(());
        }
        let at = event.recorded_at()?;
        let mut push = |zoho_owner_id: Option<String>, owner_name: Option<String>, by: i64| {
            let Some(zoho_owner_id) = zoho_owner_id else { return };
            let account = event.account.as_deref().unwrap_or_default().to_owned();
            let organization = event.organization.as_deref().map(str::to_owned);
            let change = Change { at, position: event.global_position.0, organization, owner_name, by };
            changes.push((UnmappedOwnerKey { account, zoho_owner_id }, change));
        };
        push(before, None, -1);
        push(now, assignment.owner_name, 1);
        Ok(())
    }

    fn apply(row: &mut UnmappedOwner, change: Change) {
        if row.customers == 0 && change.by > 0 {
            row.found_at = Some(change.at);
        }
        row.customers += change.by;
        row.resolved_at = (row.customers == 0).then_some(change.at);
        row.organization = change.organization;
        row.owner_name = change.owner_name.or(row.owner_name.take());
        row.position = change.position;
    }
}
