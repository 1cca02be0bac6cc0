//! Whom a line means, on the state that is known. Pure: no clock, no database.

use std::collections::BTreeMap;

use catalogue::erp::UserState;

use super::file::{Line, Person};
use crate::salesperson::User;

/// The users of an account, by what files name them by.
pub(super) struct People<'u> {
    users: &'u BTreeMap<String, User>,
    addresses: BTreeMap<String, Vec<&'u User>>,
}

impl<'u> People<'u> {
    pub(super) fn of(users: &'u BTreeMap<String, User>) -> Self {
        let mut addresses: BTreeMap<String, Vec<&User>> = BTreeMap::new();
        for user in users.values() {
            if let Some(email) = user.email_key() {
                addresses.entry(email).or_default().push(user);
            }
        }
        People { users, addresses }
    }

    /// The one whose account is in use; or why there is none.
    pub(super) fn in_use(&self, person: &Person) -> Result<&'u User, String> {
        match person {
            Person::Broken(reason) => Err(reason.clone()),
            Person::Email(email) => {
                let one = self.counting(email)?;
                let is_in_use = state(one) == Some(UserState::Active);
                if is_in_use { Ok(one) } else { Err(format!("the user with the address {email} is not in use")) }
            }
            Person::User(user_id) => {
                let one = self.unmerged(user_id)?;
                match state(one) {
                    Some(UserState::Active) => Ok(one),
                    Some(UserState::Held) => {
                        Err(format!("the user {user_id} waits for the decision of a conflict about its address"))
                    }
                    _ => Err(format!("the user {user_id} is not in use")),
                }
            }
        }
    }

    /// The one, in use or not; or why nobody is meant.
    pub(super) fn known(&self, person: &Person) -> Result<&'u User, String> {
        match person {
            Person::Broken(reason) => Err(reason.clone()),
            Person::Email(email) => self.counting(email),
            Person::User(user_id) => self.unmerged(user_id),
        }
    }

    fn unmerged(&self, user_id: &str) -> Result<&'u User, String> {
        let Some(user) = self.users.get(user_id) else {
            return Err(format!("there is no user {user_id}; {NEW}"));
        };
        let Some(into) = user.erp.as_ref().and_then(|account| account.merged_into) else { return Ok(user) };
        match self.users.values().find(|user| user.erp_user_id() == into) {
            Some(into) => Err(format!("the user {user_id} was merged into {0}; name {0}", into.fact.user_id)),
            None => Err(format!("the user {user_id} was merged into another")),
        }
    }

    /// Of several users with the address, the one that counts; if that is not decided, none.
    fn counting(&self, email: &str) -> Result<&'u User, String> {
        let Some(users) = self.addresses.get(email) else {
            return Err(format!("no user has the address {email}; {NEW}"));
        };
        let of_state = |wanted: UserState| users.iter().copied().filter(move |user| state(user) == Some(wanted));
        let mut active = of_state(UserState::Active);
        match (active.next(), active.next().or_else(|| of_state(UserState::Held).next())) {
            (Some(user), None) => Ok(user),
            (_, Some(_)) => {
                Err(format!("several users have the address {email} ({}); decide that conflict first", ids(users)))
            }
            (None, None) => match users.as_slice() {
                [only] => Ok(*only),
                users => Err(format!(
                    "several users had the address {email} ({}), none of them in use; name one by `zoho_user_id`",
                    ids(users)
                )),
            },
        }
    }
}

/// What helps where somebody is not known.
const NEW: &str = "if they are new in Books, sync the users first";

/// The numbers of the lines that have the same `key`.
pub(super) fn others<'l, K: Ord>(lines: &'l [Line], key: impl Fn(&'l Line) -> K) -> impl Fn(&'l Line) -> Option<u64> {
    let mut numbers: BTreeMap<K, Vec<u64>> = BTreeMap::new();
    for line in lines {
        numbers.entry(key(line)).or_default().push(line.number);
    }
    move |line| numbers.get(&key(line))?.iter().copied().find(|number| *number != line.number)
}

fn ids(users: &[&User]) -> String {
    let ids: Vec<&str> = users.iter().map(|user| user.fact.user_id.as_str()).collect();
    ids.join(", ")
}

fn state(user: &User) -> Option<UserState> {
    user.erp.as_ref().map(|account| account.state)
}
