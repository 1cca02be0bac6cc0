//! The request of `contact.assign`: what a person of the ERP decided, and on what.

use catalogue::erp::SalespersonAssigned;
use event_log::RecordedEvent;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ledger::{Kind, Planned, Sequence};

/// Request of `contact.assign`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssignContact {
    /// The contact.
    pub contact_id: String,
    /// The account in the ERP that is to have it.
    pub salesperson_id: Uuid,
    /// The user of Books that is to own it.
    pub owner_id: String,
    /// Who owned it in Books when that was decided; absent: nobody.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub instead_of_owner_id: Option<String>,
    /// Who was to own it by earlier decisions that Books had not followed yet: we may have put them there ourselves.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub overtaken_owner_ids: Vec<String>,
    /// The decision's version in the customer's stream.
    pub stream_version: i64,
    /// The decision's place in the log.
    pub global_position: i64,
}

/// The place of a decision among those about one customer.
pub(super) fn sequence(account: &str, contact_id: &str, stream_version: i64) -> Sequence {
    Sequence { key: format!("contact.assign:{account}:{contact_id}"), number: stream_version }
}

/// The effect that carries a decision out.
pub(super) fn planned(account: &str, assigned: SalespersonAssigned, event: &RecordedEvent) -> Planned {
    let version = event.stream_version.0;
    let sequence = sequence(account, &assigned.contact_id, version);
    let stream = catalogue::books::owner_stream(account, &assigned.contact_id);
    let request = AssignContact {
        contact_id: assigned.contact_id,
        salesperson_id: assigned.salesperson_id,
        owner_id: assigned.owner_id,
        instead_of_owner_id: assigned.instead_of_owner_id,
        overtaken_owner_ids: assigned.overtaken_owner_ids,
        stream_version: version,
        global_position: event.global_position.0,
    };
    Planned {
        key: format!("{}:{version}", sequence.key),
        kind: Kind::AssignContact,
        stream,
        run: 1,
        account: account.to_owned(),
        source_account: None,
        organization: event.organization.clone().unwrap_or_default(),
        once_key: None,
        sequence: Some(sequence),
        bytes: None,
        request: Planned::encode(&request),
        correlation_id: event.correlation_id,
        causation_id: Some(event.id),
        not_before: None,
    }
}
