//! A complete list of the users of Books, and all that follows from it, in one unit of work.

use std::collections::{BTreeMap, BTreeSet};

use catalogue::books::{self, USER_CHANGED, USER_GONE, USERS_LISTED, UserChanged, UserGone, UsersListed};
use event_log::{Append, EventId, UnitOfWork};
use service::config::account::Books;

use super::resolve::{self, next};
use super::story::Story;
use super::user::{self, User};
use crate::{Error, conflict};

/// Lists in a row that must miss a user until it counts as gone: a page may lose one while somebody is deleted.
const MISSED_UNTIL_GONE: i64 = 2;

/// What a list of users led to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UserCounts {
    /// Users in the list.
    pub total_fetched: u64,
    /// Of them, those whose account is new.
    pub created: u64,
    /// Those whose account is another than before.
    pub updated: u64,
    /// All others.
    pub skipped: u64,
    /// Facts that were new to the log.
    pub facts: u64,
}

/// Records a complete list of users: what changed, who left, which accounts follow, what contradicts, and whose the
/// customers are now.
///
/// # Errors
/// [`Error::Log`].
pub async fn record_users(
    unit: &mut UnitOfWork<'_>,
    story: &Story,
    books: &Books,
    listed: &[UserChanged],
) -> Result<UserCounts, Error> {
    let now = unit.now();
    let mut users = user::all(unit.connection(), &story.account).await?;
    let mut appends = Vec::new();
    for fact in listed {
        let user = users
            .entry(fact.user_id.clone())
            .or_insert_with(|| User::unknown(&story.account, &story.organization, fact.clone(), now));
        appends.extend(seen(story, user, fact));
        user.seen_at = now;
    }
    appends.extend(missed(story, &mut users, listed));
    let facts = appends.len() as u64;
    unit.append_all(&appends).await?;

    let standings = conflict::settle_emails(unit, story, &users).await?;
    let mut appends = Vec::new();
    let decided = resolve::decide_accounts(story, books, &mut users, &standings, &mut appends);
    let user_ids: Vec<String> = listed.iter().map(|fact| fact.user_id.clone()).collect();
    let names: BTreeSet<&str> = user_ids.iter().map(String::as_str).collect();
    let counted = |all: &BTreeSet<String>| all.iter().filter(|id| names.contains(id.as_str())).count() as u64;
    let (created, updated) = (counted(&decided.created), counted(&decided.updated));
    let total_fetched = names.len() as u64;
    let event = story.fact(USERS_LISTED, EventId::fresh(), &UsersListed { user_ids: user_ids.clone() });
    appends.push(Append::new(books::users_stream(&story.account), vec![event]));
    unit.append_all(&appends).await?;
    user::save(unit.connection(), &users.values().collect::<Vec<_>>()).await?;
    resolve::after(unit, story, books, &users, &decided).await?;
    Ok(UserCounts { total_fetched, created, updated, skipped: total_fetched - created - updated, facts })
}

/// What it means that a user is in the list like this.
fn seen(story: &Story, user: &mut User, fact: &UserChanged) -> Vec<Append> {
    let mut appends = Vec::new();
    let is_deleted = fact.status == "deleted";
    if user.version.0 == 0 || user.fact != *fact || user.is_gone && !is_deleted {
        let event = story.fact(USER_CHANGED, fact.change_id(&story.account, user.version), fact);
        appends.push(next(books::user_stream(&story.account, &fact.user_id), &mut user.version, event));
        user.fact = fact.clone();
    }
    if is_deleted && !user.is_gone {
        appends.push(gone(story, user, "deleted"));
    }
    user.is_gone = is_deleted;
    user.missed = 0;
    appends
}

/// What it means that users are not in the list. An empty list is no list: whoever may read it is in it.
fn missed(story: &Story, users: &mut BTreeMap<String, User>, listed: &[UserChanged]) -> Vec<Append> {
    let mut appends = Vec::new();
    if listed.is_empty() {
        return appends;
    }
    let names: BTreeSet<&str> = listed.iter().map(|fact| fact.user_id.as_str()).collect();
    for (_, user) in users.iter_mut().filter(|(id, user)| !user.is_gone && !names.contains(id.as_str())) {
        user.missed += 1;
        if user.missed >= MISSED_UNTIL_GONE {
            appends.push(gone(story, user, "missing"));
            user.is_gone = true;
        }
    }
    appends
}

fn gone(story: &Story, user: &mut User, reason: &str) -> Append {
    let user_id = user.fact.user_id.clone();
    let version = user.version.0.to_string();
    let id = EventId::derived(&[USER_GONE.as_str(), &story.account, &user_id, &version]);
    let stream = books::user_stream(&story.account, &user_id);
    let event = story.fact(USER_GONE, id, &UserGone { user_id, reason: reason.to_owned() });
    next(stream, &mut user.version, event)
}
