//! The customers of the ERP and their salespeople, as decisions tell them.

use catalogue::erp::{ASSIGNMENT_CHANGED, Assignment, AssignmentState};
use chrono::{DateTime, Utc};
use event_log::{Error, EventType, ScannedEvent};
use uuid::Uuid;

use crate::projection::{Changes, Projection};
use crate::row::{row, word};

word! {
    /// What is known of a customer's salesperson.
    pub enum ErpCustomerState {
        /// The customer has no owner.
        Unassigned = "unassigned",
        /// There is one.
        Assigned = "assigned",
        /// The owner is nobody we know.
        UnmappedOwner = "unmapped_owner",
        /// The owner has left or is switched off.
        InactiveOwner = "inactive_owner",
        /// The owner's account waits for a decision about its address.
        HeldOwner = "held_owner",
        /// The customer is gone.
        Gone = "gone",
    }
}

impl From<AssignmentState> for ErpCustomerState {
    fn from(state: AssignmentState) -> Self {
        match state {
            AssignmentState::Unassigned => Self::Unassigned,
            AssignmentState::Assigned => Self::Assigned,
            AssignmentState::UnmappedOwner => Self::UnmappedOwner,
            AssignmentState::InactiveOwner => Self::InactiveOwner,
            AssignmentState::HeldOwner => Self::HeldOwner,
            AssignmentState::Gone => Self::Gone,
        }
    }
}

row! {
    /// One customer of the ERP.
    pub struct ErpCustomer in "rm_erp_customers";
    key ErpCustomerKey {
        /// The account by which it is read.
        account: String,
        /// Its contact in Books.
        zoho_contact_id: String,
    }
    columns {
        /// Whose it is.
        organization: Option<String>,
        /// Its name.
        name: String,
        /// Its owner in Books.
        zoho_owner_id: Option<String>,
        /// The owner's name as Books shows it.
        owner_name: Option<String>,
        /// The salesperson's account.
        salesperson_id: Option<Uuid>,
        /// The one that the ERP wants while Books has not followed.
        wanted_salesperson_id: Option<Uuid>,
        /// What is known of the salesperson.
        state: ErpCustomerState,
        /// Since when.
        state_since: DateTime<Utc>,
        /// When anything of it changed last.
        updated_at: DateTime<Utc>,
        /// Where its last event stands.
        position: i64,
    }
}

pub(crate) struct ErpCustomers;

pub(crate) struct Change {
    at: DateTime<Utc>,
    position: i64,
    organization: Option<String>,
    assignment: Assignment,
}

impl Projection for ErpCustomers {
    type Row = ErpCustomer;
    type Change = Change;
    const NAME: &'static str = "erp_customers";
    const EVENT_TYPES: &'static [&'static EventType] = &[&ASSIGNMENT_CHANGED];

    fn read(event: &ScannedEvent<'_>, changes: &mut Changes<Self>) -> Result<(), Error> {
        if !event.is(&ASSIGNMENT_CHANGED) {
            return Ok(());
        }
        let assignment: Assignment = event.decode()?;
        let account = event.account.as_deref().unwrap_or_default().to_owned();
        let key = ErpCustomerKey { account, zoho_contact_id: assignment.contact_id.clone() };
        let organization = event.organization.as_deref().map(str::to_owned);
        let (at, position) = (event.recorded_at()?, event.global_position.0);
        changes.push((key, Change { at, position, organization, assignment }));
        Ok(())
    }

    fn apply(row: &mut ErpCustomer, change: Change) {
        let assignment = change.assignment;
        let state = assignment.state.into();
        if row.position == 0 || row.state != state {
            row.state_since = change.at;
        }
        row.state = state;
        row.organization = change.organization;
        row.name = assignment.name;
        row.zoho_owner_id = assignment.owner_id;
        row.owner_name = assignment.owner_name;
        row.salesperson_id = assignment.salesperson_id;
        row.wanted_salesperson_id = assignment.wanted_salesperson_id;
        row.updated_at = change.at;
        row.position = change.position;
    }
}
