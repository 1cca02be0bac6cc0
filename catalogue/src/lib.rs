//! Every event the product writes: its wire name, stream, schema version and data.
//!
//! Three layers in one log (evidence, facts, decisions with their outcomes), linked by `causation_id` and one
//! `correlation_id` per story. Wire names and fields are permanent: a change of shape is a new `schema_version`.

pub mod account;
pub mod actor;
pub mod api;
pub mod batch;
pub mod books;
pub mod channel;
pub mod crm;
pub mod delivery;
pub mod effect;
pub mod erp;
pub mod message;
pub mod notify;
pub mod poll;
pub mod registration;
pub mod sync;
pub mod transfer;
pub mod vault;

use event_log::EventType;

/// Every event type there is, in the order of the layers.
pub const ALL: &[&EventType] = &[
    &delivery::RECEIVED,
    &poll::COMPLETED,
    &poll::FAILED,
    &sync::REQUESTED,
    &sync::READ,
    &sync::COMPLETED,
    &sync::FAILED,
    &crm::CHANGED,
    &crm::DELETED,
    &crm::UPDATED,
    &crm::UPDATE_FAILED,
    &transfer::REQUESTED,
    &transfer::LOCATED,
    &transfer::FOLDER_PREPARED,
    &transfer::FOLDER_FAILED,
    &transfer::FILE_COMPLETED,
    &transfer::FILE_FAILED,
    &transfer::COMPLETED,
    &transfer::FAILED,
    &channel::MAPPED,
    &channel::UNMAPPED,
    &channel::PAUSED,
    &channel::RESUMED,
    &channel::CONFIGURED,
    &channel::RENAMED,
    &message::POSTED,
    &message::EDITED,
    &message::DELETED,
    &books::USERS_LISTED,
    &books::USER_CHANGED,
    &books::USER_GONE,
    &books::CONTACT_CHANGED,
    &books::CONTACT_GONE,
    &books::CONTACT_ASSIGNED,
    &books::CONTACT_ASSIGN_DROPPED,
    &books::CONTACT_ASSIGN_FAILED,
    &erp::USER_CHANGED,
    &erp::USER_ROLE_DECIDED,
    &erp::ASSIGNMENT_CHANGED,
    &erp::SALESPERSON_ASSIGNED,
    &erp::CONFLICT_FOUND,
    &erp::CONFLICT_DECIDED,
    &erp::CONFLICT_RESOLVED,
    &batch::COMPOSED,
    &batch::DELIVERED,
    &batch::SPLIT,
    &batch::REFUSED,
    &notify::STOPPED,
    &notify::RESUMED,
    &effect::RETRIED,
    &effect::SETTLED,
    &effect::REDRIVEN,
    &account::NEEDS_CONSENT,
    &account::RECOVERED,
    &account::CONNECTED,
    &account::DISCONNECTED,
    &account::REFRESHED,
    &vault::ROTATED,
    &registration::CREATED,
    &registration::EXTENDED,
    &registration::LOST,
    &registration::REMOVED,
    &registration::FAILED,
    &api::CALLED,
];

#[cfg(test)]
mod tests {
    #[test]
    fn wire_names_are_unique() {
        let mut names: Vec<&str> = super::ALL.iter().map(|event_type| event_type.as_str()).collect();
        names.sort_unstable();
        let before = names.len();
        names.dedup();
        assert_eq!(names.len(), before);
    }
}
