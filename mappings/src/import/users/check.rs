//! What a line means on the state that is known. Pure: no clock, no database.

use std::collections::BTreeMap;

use service::config::account::Books;

use super::UserLine;
use crate::import::file::{Line, Person};
use crate::import::people::{People, others};
use crate::import::report::Outcome;
use crate::salesperson::User;
use crate::user_role;

/// The outcomes of all lines, in their order.
pub(super) fn check(account: &str, books: &Books, lines: &[Line], users: &BTreeMap<String, User>) -> Vec<UserLine> {
    let people = People::of(users);
    let other = others(lines, |line| &line.person);
    let one = |line: &Line, meant: Result<(&User, String), String>| {
        let (zoho_user_id, erp_role, outcome, reason) = match meant {
            Ok((user, role)) => {
                let is_so = user.decided_role.as_ref() == Some(&role);
                (Some(user.fact.user_id.clone()), role, Outcome::of(is_so), None)
            }
            Err(reason) => (None, line.value.clone(), Outcome::Refused, Some(reason)),
        };
        UserLine { line: line.number, user: name(line), zoho_user_id, erp_role, outcome, reason }
    };
    let meant = |line: &Line, other: Option<u64>| {
        let user = people.known(&line.person)?;
        if let Some(other) = other {
            return Err(format!("line {other} names the same user"));
        }
        let role = user_role::named(account, books, &line.value).map_err(|error| error.to_string())?;
        Ok((user, role))
    };
    lines.iter().map(|line| one(line, meant(line, other(line)))).collect()
}

fn name(line: &Line) -> String {
    match &line.person {
        Person::User(name) | Person::Email(name) => name.clone(),
        Person::Broken(_) => String::new(),
    }
}
