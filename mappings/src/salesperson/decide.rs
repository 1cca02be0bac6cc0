//! What follows from the state of Books, from settings and from people's decisions. Pure: no clock, no database.

use std::collections::BTreeMap;

use catalogue::erp::{self, Assignment, AssignmentBefore, AssignmentState, UserState};

use super::customer::Customer;
use super::user::User;
use crate::conflict::Standing;

/// The account of the ERP for a user whose role here is `erp_role`.
pub(super) fn account(user: &User, standing: &Standing, erp_role: Option<&str>) -> erp::User {
    let fact = &user.fact;
    let id_of = |zoho_user_id: &str| erp::user_id(&user.account, zoho_user_id);
    let (state, merged_into) = match standing {
        _ if !user.is_live() => (UserState::Inactive, None),
        Standing::Clear => (UserState::Active, None),
        Standing::Held => (UserState::Held, None),
        Standing::Merged { into } => (UserState::Merged, Some(id_of(into))),
    };
    let was_invited = user.erp.as_ref().is_some_and(|before| before.needs_invitation);
    erp::User {
        erp_user_id: id_of(&fact.user_id),
        zoho_user_id: fact.user_id.clone(),
        name: fact.name.clone(),
        email: fact.email.clone(),
        zoho_role: fact.role.clone(),
        erp_role: erp_role.map(str::to_owned),
        state,
        needs_invitation: was_invited || state == UserState::Active,
        merged_into,
    }
}

/// Whose a customer is.
pub(super) fn assignment(customer: &Customer, users: &BTreeMap<String, User>, is_customer: bool) -> Assignment {
    let fact = &customer.fact;
    let (state, salesperson_id) = match &fact.owner_id {
        _ if customer.is_gone || !is_customer => (AssignmentState::Gone, None),
        None => (AssignmentState::Unassigned, None),
        Some(owner_id) => match users.get(owner_id).and_then(|owner| owner.erp.as_ref()) {
            None => (AssignmentState::UnmappedOwner, None),
            Some(owner) => match counting(owner, users) {
                Some(counting) if counting.state == UserState::Active => {
                    (AssignmentState::Assigned, Some(counting.erp_user_id))
                }
                Some(counting) if counting.state == UserState::Inactive => {
                    (AssignmentState::InactiveOwner, Some(counting.erp_user_id))
                }
                _ => (AssignmentState::HeldOwner, None),
            },
        },
    };
    let before = customer.assignment.as_ref();
    Assignment {
        contact_id: fact.contact_id.clone(),
        name: fact.name.clone(),
        owner_id: fact.owner_id.clone(),
        owner_name: fact.owner_name.clone(),
        state,
        salesperson_id,
        wanted_salesperson_id: customer.wish.as_ref().map(|wish| wish.salesperson_id),
        before: before.map(|before| AssignmentBefore { owner_id: before.owner_id.clone(), state: before.state }),
    }
}

/// Whether two assignments tell the same, whatever each of them replaced.
pub(super) fn is_same(one: &Assignment, other: &Assignment) -> bool {
    let told = |assignment: &Assignment| Assignment { before: None, ..assignment.clone() };
    told(one) == told(other)
}

/// The account itself, or the one that it was merged into.
fn counting<'a>(owner: &'a erp::User, users: &'a BTreeMap<String, User>) -> Option<&'a erp::User> {
    let Some(into) = owner.merged_into else { return Some(owner) };
    users.values().filter_map(|user| user.erp.as_ref()).find(|user| user.erp_user_id == into)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use catalogue::books::{ContactChanged, UserChanged};
    use chrono::DateTime;

    use super::*;

    fn user(id: &str, status: &str, standing: &Standing) -> (String, User) {
        let fact = UserChanged {
            user_id: id.to_owned(),
            name: "Ann".to_owned(),
            email: Some("ann@example.com".to_owned()),
            role: Some("staff".to_owned()),
            status: status.to_owned(),
        };
        let mut user = User::unknown("a", "acme", fact, DateTime::UNIX_EPOCH);
        user.erp = Some(account(&user, standing, Some("sales")));
        (id.to_owned(), user)
    }

    fn state_for(owner: Option<&str>, users: &BTreeMap<String, User>) -> AssignmentState {
        let fact = ContactChanged {
            contact_id: "7".to_owned(),
            name: "Bowman".to_owned(),
            kind: None,
            status: None,
            owner_id: owner.map(str::to_owned),
            owner_name: None,
            email: None,
            last_modified_time: None,
        };
        let customer = Customer::unknown("a", "acme", fact, DateTime::UNIX_EPOCH);
        assignment(&customer, users, true).state
    }

    #[test]
    fn a_customer_is_what_its_owner_is() {
        let merged = Standing::Merged { into: "1".to_owned() };
        let users = BTreeMap::from([
            user("1", "active", &Standing::Clear),
            user("2", "inactive", &Standing::Clear),
            user("3", "active", &Standing::Held),
            user("4", "active", &merged),
        ]);
        assert_eq!(state_for(None, &users), AssignmentState::Unassigned);
        assert_eq!(state_for(Some("1"), &users), AssignmentState::Assigned);
        assert_eq!(state_for(Some("2"), &users), AssignmentState::InactiveOwner);
        assert_eq!(state_for(Some("3"), &users), AssignmentState::HeldOwner);
        assert_eq!(state_for(Some("4"), &users), AssignmentState::Assigned);
        assert_eq!(state_for(Some("9"), &users), AssignmentState::UnmappedOwner);
    }

    #[test]
    fn only_an_account_that_is_in_use_needs_an_invitation_and_goes_on_needing_it() {
        let needs = |status: &str| user("1", status, &Standing::Clear).1.erp.unwrap().needs_invitation;
        assert!(needs("active") && needs("invited") && !needs("inactive") && !needs("on_leave"));
        let mut left = user("1", "active", &Standing::Clear).1;
        left.is_gone = true;
        let account = account(&left, &Standing::Clear, None);
        assert_eq!((account.state, account.needs_invitation), (UserState::Inactive, true));
    }
}
