//! What a line means on the state that is known. Pure: no clock, no database.

use std::collections::BTreeMap;

use catalogue::erp::{AssignmentState, UserState};

use super::file::{Line, Person};
use super::report::{LineReport, Outcome};
use crate::salesperson::{self, Customer, User};

/// The outcomes of all lines, in their order.
pub(super) fn check(
    lines: &[Line],
    users: &BTreeMap<String, User>,
    customers: &BTreeMap<String, Customer>,
) -> Vec<LineReport> {
    let mut numbers: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for line in lines {
        numbers.entry(&line.contact_id).or_default().push(line.number);
    }
    let others = |line: &Line| {
        let of_contact = &numbers[line.contact_id.as_str()];
        of_contact.iter().copied().find(|number| *number != line.number)
    };
    let addresses = by_email(users);
    let one = |line: &Line| match meant(line, others(line), users, &addresses, customers) {
        Ok((user_id, is_so)) => LineReport {
            line: line.number,
            contact: line.contact_id.clone(),
            zoho_user_id: Some(user_id),
            outcome: if is_so { Outcome::Unchanged } else { Outcome::Changed },
            reason: None,
        },
        Err(reason) => LineReport {
            line: line.number,
            contact: line.contact_id.clone(),
            zoho_user_id: None,
            outcome: Outcome::Refused,
            reason: Some(reason),
        },
    };
    lines.iter().map(one).collect()
}

/// The user of Books that a line means, and whether its customer has that one already; or why it is refused.
fn meant(
    line: &Line,
    other: Option<u64>,
    users: &BTreeMap<String, User>,
    addresses: &BTreeMap<String, Vec<&User>>,
    customers: &BTreeMap<String, Customer>,
) -> Result<(String, bool), String> {
    let user = match &line.person {
        Person::Broken(reason) => return Err(reason.clone()),
        Person::User(user_id) => by_id(users, user_id),
        Person::Email(email) => by_address(addresses, email),
    };
    if let Some(other) = other {
        return Err(format!("line {other} names the same customer"));
    }
    let Some(customer) = customers.get(&line.contact_id) else {
        return Err("no such customer is known; if it is new in Books, sync the customers first".to_owned());
    };
    let is_gone = customer.assignment.as_ref().is_none_or(|known| known.state == AssignmentState::Gone);
    if customer.is_gone || is_gone {
        return Err("the customer is gone in Books, or is none any more".to_owned());
    }
    let user_id = user?.fact.user_id.clone();
    let is_so = salesperson::has(customer, &user_id);
    Ok((user_id, is_so))
}

fn by_email(users: &BTreeMap<String, User>) -> BTreeMap<String, Vec<&User>> {
    let mut addresses: BTreeMap<String, Vec<&User>> = BTreeMap::new();
    for user in users.values() {
        if let Some(email) = user.email_key() {
            addresses.entry(email).or_default().push(user);
        }
    }
    addresses
}

fn by_id<'u>(users: &'u BTreeMap<String, User>, user_id: &str) -> Result<&'u User, String> {
    let Some(user) = users.get(user_id) else { return Err(format!("there is no user {user_id}")) };
    let into = user.erp.as_ref().and_then(|account| account.merged_into);
    let into = users.values().find(|user| into.is_some() && user.erp.as_ref().map(|erp| erp.erp_user_id) == into);
    match (state(user), into) {
        (Some(UserState::Active), _) => Ok(user),
        (Some(UserState::Merged), Some(into)) => {
            Err(format!("the user {user_id} was merged into {0}; name {0}", into.fact.user_id))
        }
        (Some(UserState::Held | UserState::Merged), _) => {
            Err(format!("the user {user_id} waits for the decision of a conflict about its address"))
        }
        _ => Err(format!("the user {user_id} is not in use")),
    }
}

/// Of several users with the address, the one that counts; if that is not decided, none.
fn by_address<'u>(addresses: &BTreeMap<String, Vec<&'u User>>, email: &str) -> Result<&'u User, String> {
    let Some(users) = addresses.get(email) else { return Err(format!("no user has the address {email}")) };
    let of_state = |wanted: UserState| users.iter().copied().filter(move |user| state(user) == Some(wanted));
    let mut active = of_state(UserState::Active);
    match (active.next(), active.next().or_else(|| of_state(UserState::Held).next())) {
        (Some(user), None) => Ok(user),
        (_, Some(_)) => {
            let ids: Vec<&str> = users.iter().map(|user| user.fact.user_id.as_str()).collect();
            Err(format!("several users have the address {email} ({}); decide that conflict first", ids.join(", ")))
        }
        (None, None) => Err(format!("the user with the address {email} is not in use")),
    }
}

fn state(user: &User) -> Option<UserState> {
    user.erp.as_ref().map(|account| account.state)
}
