//! What is decided about accounts and customers of an ERP, few things and many of them.

use catalogue::books::{self, USERS_LISTED, UsersListed};
use catalogue::erp::{
    self, ASSIGNMENT_CHANGED, Assignment, AssignmentBefore, AssignmentState, CONFLICT_DECIDED, CONFLICT_FOUND,
    CONFLICT_RESOLVED, ConflictAbout, ConflictDecided, ConflictFound, ConflictResolved, Decision, USER_CHANGED,
    USER_ROLE_DECIDED, User, UserRoleDecided, UserState,
};
use event_log::{NewEvent, StreamName};
use proptest::prelude::*;

use crate::story::account_name;

/// What happens, small enough to be drawn at random.
#[derive(Debug, Clone)]
pub(crate) enum ErpStep {
    User { account: u8, user: u8, state: u8 },
    Role { account: u8, user: u8, role: Option<u8> },
    Listed { account: u8, users: u8 },
    Assigned { contact: u8, owner: Option<u8>, state: u8, before: Option<(u8, u8)> },
    Conflict { subject: u8, what: u8 },
}

pub(crate) fn erp_step() -> impl Strategy<Value = ErpStep> {
    let small = || 0..3_u8;
    let state = || 0..6_u8;
    prop_oneof![
        (0..2_u8, small(), 0..4_u8).prop_map(|(account, user, state)| ErpStep::User { account, user, state }),
        (0..2_u8, small(), proptest::option::of(small())).prop_map(|(account, user, role)| ErpStep::Role {
            account,
            user,
            role
        }),
        (0..2_u8, 0..4_u8).prop_map(|(account, users)| ErpStep::Listed { account, users }),
        (small(), proptest::option::of(small()), state(), proptest::option::of((small(), state())))
            .prop_map(|(contact, owner, state, before)| ErpStep::Assigned { contact, owner, state, before }),
        (0..2_u8, small()).prop_map(|(subject, what)| ErpStep::Conflict { subject, what }),
    ]
}

impl ErpStep {
    pub(crate) fn made(&self) -> (StreamName, NewEvent) {
        match *self {
            ErpStep::User { account, user, state } => decided(&account_name(account), &user_id(user), state),
            ErpStep::Role { account, user, role } => {
                role_decided(&account_name(account), &user_id(user), role.map(|role| format!("role {role}")))
            }
            ErpStep::Listed { account, users } => {
                let data = UsersListed { user_ids: (0..users).map(user_id).collect() };
                let account = account_name(account);
                (books::users_stream(&account), NewEvent::new(USERS_LISTED, "poll", &data).of(account, "acme"))
            }
            ErpStep::Assigned { contact, owner, state, before } => {
                let before = before.map(|(owner, state)| (Some(owner), state));
                assigned(&user_id(contact), owner, state, before)
            }
            ErpStep::Conflict { subject, what } => {
                let email = format!("{subject}@example.com");
                let about = ConflictAbout::SameEmail { email, user_ids: vec![user_id(0), user_id(1)] };
                let conflict_id = erp::conflict_id("org-0", about.kind(), about.subject());
                let event = match what {
                    0 => NewEvent::new(CONFLICT_FOUND, "decision", &ConflictFound { conflict_id, about }),
                    1 => {
                        let decision = Decision::KeepUser { user_id: user_id(1) };
                        let data = ConflictDecided { conflict_id, about, decision, decided_by: "ada".to_owned() };
                        NewEvent::new(CONFLICT_DECIDED, "operator", &data)
                    }
                    _ => NewEvent::new(CONFLICT_RESOLVED, "decision", &ConflictResolved { conflict_id, about }),
                };
                (erp::conflict_stream(conflict_id), event.of("org-0", "acme"))
            }
        }
    }
}

fn user_id(user: u8) -> String {
    format!("46000{user}")
}

/// An account in the state of that number.
pub(crate) fn decided(account: &str, zoho_user_id: &str, state: u8) -> (StreamName, NewEvent) {
    let states = [UserState::Active, UserState::Inactive, UserState::Held, UserState::Merged];
    let state = states[usize::from(state)];
    let data = User {
        erp_user_id: erp::user_id(account, zoho_user_id),
        zoho_user_id: zoho_user_id.to_owned(),
        name: "Müller".to_owned(),
        email: Some("m@example.com".to_owned()),
        zoho_role: Some("staff".to_owned()),
        erp_role: None,
        state,
        needs_invitation: state == UserState::Active,
        merged_into: (state == UserState::Merged).then(|| erp::user_id(account, "1")),
    };
    let event = NewEvent::new(USER_CHANGED, "decision", &data).of(account, "acme");
    (erp::user_stream(account, zoho_user_id), event)
}

/// The role of an account is decided, or left to the table.
pub(crate) fn role_decided(account: &str, zoho_user_id: &str, erp_role: Option<String>) -> (StreamName, NewEvent) {
    let data = UserRoleDecided {
        erp_user_id: erp::user_id(account, zoho_user_id),
        zoho_user_id: zoho_user_id.to_owned(),
        erp_role,
        decided_by: "ada".to_owned(),
    };
    let event = NewEvent::new(USER_ROLE_DECIDED, "operator", &data).of(account, "acme");
    (erp::user_stream(account, zoho_user_id), event)
}

/// A customer whose owner and assignment's state have those numbers, and had those before.
pub(crate) fn assigned(
    contact_id: &str,
    owner: Option<u8>,
    state: u8,
    before: Option<(Option<u8>, u8)>,
) -> (StreamName, NewEvent) {
    let states = [
        AssignmentState::Assigned,
        AssignmentState::Unassigned,
        AssignmentState::UnmappedOwner,
        AssignmentState::InactiveOwner,
        AssignmentState::HeldOwner,
        AssignmentState::Gone,
    ];
    let state_of = |state: u8| states[usize::from(state)];
    let data = Assignment {
        contact_id: contact_id.to_owned(),
        name: "Söhne".to_owned(),
        owner_id: owner.map(user_id),
        owner_name: owner.map(|owner| format!("Owner {owner}")),
        state: state_of(state),
        salesperson_id: owner.map(|owner| erp::user_id("org-0", &user_id(owner))),
        wanted_salesperson_id: None,
        before: before.map(|(owner, state)| AssignmentBefore { owner_id: owner.map(user_id), state: state_of(state) }),
    };
    let event = NewEvent::new(ASSIGNMENT_CHANGED, "decision", &data).of("org-0", "acme");
    (erp::customer_stream("org-0", contact_id), event)
}
