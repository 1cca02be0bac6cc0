//! Decisions that follow once users or customers have changed, in the unit of work of what changed them.

use std::collections::{BTreeMap, BTreeSet};

use catalogue::erp::{self, ASSIGNMENT_CHANGED, USER_CHANGED};
use event_log::{Append, ExpectedVersion, NewEvent, StreamVersion, UnitOfWork};
use service::config::account::Books;

use super::customer::{self, Customer};
use super::decide;
use super::story::Story;
use super::user::User;
use crate::Error;
use crate::conflict::Standing;

/// What became of the accounts.
#[derive(Debug, Default)]
pub(crate) struct AccountsDecided {
    /// Users whose account is new.
    pub(crate) created: BTreeSet<String>,
    /// Users whose account is another than before.
    pub(crate) updated: BTreeSet<String>,
}

/// Decides the accounts of all users anew; what differs is told.
pub(crate) fn decide_accounts(
    story: &Story,
    books: &Books,
    users: &mut BTreeMap<String, User>,
    standings: &BTreeMap<String, Standing>,
    appends: &mut Vec<Append>,
) -> AccountsDecided {
    let mut decided = AccountsDecided::default();
    for (user_id, user) in users.iter_mut() {
        let standing = standings.get(user_id).unwrap_or(&Standing::Clear);
        let account = decide::account(user, standing, user.erp_role(books));
        let kind = match &user.erp {
            Some(before) if *before == account => continue,
            Some(_) => &mut decided.updated,
            None => &mut decided.created,
        };
        kind.insert(user_id.clone());
        let event = story.decision(USER_CHANGED, &account);
        appends.push(next(erp::user_stream(&user.account, user_id), &mut user.erp_version, event));
        user.erp = Some(account);
    }
    decided
}

/// What follows for customers when the accounts of some users have changed.
///
/// # Errors
/// Database failures.
pub(crate) async fn after(
    unit: &mut UnitOfWork<'_>,
    story: &Story,
    books: &Books,
    users: &BTreeMap<String, User>,
    decided: &AccountsDecided,
) -> Result<(), Error> {
    let changed: BTreeSet<&str> = decided.created.iter().chain(&decided.updated).map(String::as_str).collect();
    if changed.is_empty() {
        return Ok(());
    }
    let counts_for = |user: &User, other: &str| {
        let into = user.erp.as_ref().and_then(|account| account.merged_into);
        into.is_some_and(|into| into == erp::user_id(&user.account, other))
    };
    let merged = users.values().filter(|user| changed.iter().any(|other| counts_for(user, other)));
    let owners: BTreeSet<&str> = changed.iter().copied().chain(merged.map(|user| user.fact.user_id.as_str())).collect();
    let mut customers = customer::of_owners(unit.connection(), &story.account, owners.into_iter()).await?;
    let mut appends = Vec::new();
    customers.retain_mut(|customer| decide_assignment(story, books, users, customer, &mut appends));
    unit.append_all(&appends).await?;
    Ok(customer::save(unit.connection(), &customers.iter().collect::<Vec<_>>()).await?)
}

/// Decides anew whose a customer is; returns whether that differs.
pub(crate) fn decide_assignment(
    story: &Story,
    books: &Books,
    users: &BTreeMap<String, User>,
    customer: &mut Customer,
    appends: &mut Vec<Append>,
) -> bool {
    let is_customer = super::contacts::is_customer(books, &customer.fact);
    let assignment = decide::assignment(customer, users, is_customer);
    if customer.assignment.as_ref().is_some_and(|before| decide::is_same(before, &assignment)) {
        return false;
    }
    let event = story.decision(ASSIGNMENT_CHANGED, &assignment);
    let stream = erp::customer_stream(&customer.account, &customer.fact.contact_id);
    appends.push(next(stream, &mut customer.customer_version, event));
    customer.assignment = Some(assignment);
    true
}

/// The append of one event on the version that is known, which is the next one then.
pub(crate) fn next(stream: event_log::StreamName, version: &mut StreamVersion, event: NewEvent) -> Append {
    let append = Append::new(stream, vec![event]).expecting(ExpectedVersion::Exact(*version));
    version.0 += 1;
    append
}
