//! Users who have one address, whatever its case. Pure: no clock, no database.

use std::collections::{BTreeMap, BTreeSet};

use catalogue::erp::{ConflictAbout, ConflictState, Decision, UserState};

use super::Standing;
use super::rows::Conflict;
use crate::salesperson::User;

/// The addresses that several users have who may work, with those users: the one whose account is in use already first,
/// then by age.
pub(super) fn shared(users: &BTreeMap<String, User>) -> BTreeMap<String, Vec<String>> {
    let mut by_email: BTreeMap<String, Vec<&User>> = BTreeMap::new();
    for user in users.values().filter(|user| user.is_live()) {
        if let Some(email) = user.email_key() {
            by_email.entry(email).or_default().push(user);
        }
    }
    by_email.retain(|_, users| users.len() > 1);
    let ordered = |mut users: Vec<&User>| {
        users.sort_by_key(|user| {
            let is_in_use = user.erp.as_ref().is_some_and(|account| account.state == UserState::Active);
            // Ids are numbers that rise with time.
            (!is_in_use, user.fact.user_id.len(), user.fact.user_id.clone())
        });
        users.into_iter().map(|user| user.fact.user_id.clone()).collect()
    };
    by_email.into_iter().map(|(email, users)| (email, ordered(users))).collect()
}

/// Whether what was found or decided before still says all there is to say about these users.
pub(super) fn still_holds(known: &Conflict, user_ids: &[String]) -> bool {
    let ConflictAbout::SameEmail { user_ids: before, .. } = &known.about else { return false };
    let now: BTreeSet<&String> = user_ids.iter().collect();
    let before: BTreeSet<&String> = before.iter().collect();
    match (known.state, &known.decision) {
        (ConflictState::Open, _) => now == before,
        (ConflictState::Decided, Some(Decision::KeepUser { user_id })) => {
            now.is_subset(&before) && now.contains(user_id)
        }
        _ => false,
    }
}

/// How each of these users stands.
pub(super) fn standings(conflict: &Conflict) -> Vec<(String, Standing)> {
    let ConflictAbout::SameEmail { user_ids, .. } = &conflict.about else { return Vec::new() };
    let kept = match (conflict.state, &conflict.decision) {
        (ConflictState::Decided, Some(Decision::KeepUser { user_id })) => Some(user_id),
        (ConflictState::Resolved, _) => return Vec::new(),
        _ => None,
    };
    let standing = |(at, user_id): (usize, &String)| {
        let standing = match kept {
            Some(kept) if kept != user_id => Standing::Merged { into: kept.clone() },
            None if at > 0 => Standing::Held,
            _ => Standing::Clear,
        };
        (user_id.clone(), standing)
    };
    user_ids.iter().enumerate().map(standing).collect()
}
