//! What a line means on the state that is known. Pure: no clock, no database.

use std::collections::BTreeMap;

use catalogue::erp::AssignmentState;

use super::AssignmentLine;
use crate::import::file::{Line, Person};
use crate::import::people::{People, others};
use crate::import::report::Outcome;
use crate::salesperson::{self, Customer, User};

/// The outcomes of all lines, in their order.
pub(super) fn check(
    lines: &[Line],
    users: &BTreeMap<String, User>,
    customers: &BTreeMap<String, Customer>,
) -> Vec<AssignmentLine> {
    let people = People::of(users);
    let other = others(lines, |line| &line.value);
    let one = |line: &Line, meant: Result<(String, bool), String>| {
        let (zoho_user_id, outcome, reason) = match meant {
            Ok((user_id, is_so)) => (Some(user_id), Outcome::of(is_so), None),
            Err(reason) => (None, Outcome::Refused, Some(reason)),
        };
        AssignmentLine { line: line.number, contact: line.value.clone(), zoho_user_id, outcome, reason }
    };
    lines.iter().map(|line| one(line, meant(line, other(line), &people, customers))).collect()
}

/// The user of Books that a line means, and whether its customer has that one already; or why it is refused.
fn meant(
    line: &Line,
    other: Option<u64>,
    people: &People<'_>,
    customers: &BTreeMap<String, Customer>,
) -> Result<(String, bool), String> {
    if let Person::Broken(reason) = &line.person {
        return Err(reason.clone());
    }
    if let Some(other) = other {
        return Err(format!("line {other} names the same customer"));
    }
    let Some(customer) = customers.get(&line.value) else {
        return Err("no such customer is known; if it is new in Books, sync the customers first".to_owned());
    };
    let is_gone = customer.assignment.as_ref().is_none_or(|known| known.state == AssignmentState::Gone);
    if customer.is_gone || is_gone {
        return Err("the customer is gone in Books, or is none any more".to_owned());
    }
    let user_id = people.in_use(&line.person)?.fact.user_id.clone();
    let is_so = salesperson::has(customer, &user_id);
    Ok((user_id, is_so))
}
