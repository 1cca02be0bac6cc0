//! A person says which role an account has, or lets the table of roles say it again.

use catalogue::actor::Actor;
use catalogue::erp::{USER_CHANGED, USER_ROLE_DECIDED, UserRoleDecided, user_stream};
use event_log::sql::Target;
use event_log::{Append, Log};
use serde::Serialize;
use service::config::Config;
use service::config::account::Books;
use uuid::Uuid;

use super::list::UserRole;
use super::roles;
use crate::Error;
use crate::salesperson::{self, Story, User, next};

/// What a decision has changed, or would.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decided {
    /// The user as it was.
    pub before: UserRole,
    /// The user as it is.
    pub user: UserRole,
}

/// Decides the role of an account; without a role the table of roles says it again. Deciding the same again changes
/// nothing and makes no event.
///
/// # Errors
/// [`Error::UnknownUser`], also for those of another organisation; [`Error::UnknownRole`]; [`Error::Invalid`] for an
/// account that was merged into another, or whose Books is not configured; [`Error::Log`].
///
/// # Cancellation
/// Once the decision was handed to the log it happens, also when the future is dropped.
pub async fn decide(
    log: &Log,
    actor: &Actor,
    config: &Config,
    erp_user_id: Uuid,
    role: Option<&str>,
) -> Result<Decided, Error> {
    let found = find(log.database().readers(), actor, erp_user_id).await?;
    let (books, role) = wanted(config, &found, role)?;
    let (actor, story) = (actor.clone(), Story::of_actor(actor, &found.account, &found.organization));
    log.write(move |unit| {
        Box::pin(async move {
            let mut users = salesperson::all_users(unit.connection(), &story.account).await?;
            let Some(user) = users.get_mut(&found.fact.user_id) else {
                return Err(Error::UnknownUser { erp_user_id });
            };
            let before = UserRole::of(user);
            let mut appends = Vec::new();
            if set(&story, &actor, &books, user, role, &mut appends) {
                unit.append_all(&appends).await?;
                salesperson::save_users(unit.connection(), &[&*user]).await?;
            }
            Ok(Decided { before, user: UserRole::of(user) })
        })
    })
    .await
}

/// What [`decide`] would change.
///
/// # Errors
/// Those of [`decide`].
pub async fn preview(
    target: impl Into<Target<'_>>,
    actor: &Actor,
    config: &Config,
    erp_user_id: Uuid,
    role: Option<&str>,
) -> Result<Decided, Error> {
    let mut user = find(target, actor, erp_user_id).await?;
    let (books, role) = wanted(config, &user, role)?;
    let story = Story::of_actor(actor, &user.account, &user.organization);
    let before = UserRole::of(&user);
    set(&story, actor, &books, &mut user, role, &mut Vec::new());
    Ok(Decided { before, user: UserRole::of(&user) })
}

/// Gives an account the role that a person decided, or none; what is to be appended is added to `appends`. Returns whether
/// that is new. The caller saves the user.
pub(crate) fn set(
    story: &Story,
    actor: &Actor,
    books: &Books,
    user: &mut User,
    role: Option<String>,
    appends: &mut Vec<Append>,
) -> bool {
    if user.decided_role == role {
        return false;
    }
    let (stream, zoho_user_id) = (user_stream(&user.account, &user.fact.user_id), user.fact.user_id.clone());
    let decided = UserRoleDecided {
        erp_user_id: user.erp_user_id(),
        zoho_user_id,
        erp_role: role.clone(),
        decided_by: actor.subject.clone(),
    };
    appends.push(next(stream.clone(), &mut user.erp_version, story.decision(USER_ROLE_DECIDED, &decided)));
    user.decided_role = role;
    let erp_role = user.erp_role(books).map(str::to_owned);
    if let Some(account) = user.erp.as_mut().filter(|account| account.erp_role != erp_role) {
        account.erp_role = erp_role;
        appends.push(next(stream, &mut user.erp_version, story.decision(USER_CHANGED, account)));
    }
    true
}

async fn find(target: impl Into<Target<'_>>, actor: &Actor, erp_user_id: Uuid) -> Result<User, Error> {
    let mut users = salesperson::every_user(target, None).await?.into_iter();
    let found = users.find(|user| user.erp_user_id() == erp_user_id);
    let within_reach = |user: &User| actor.organization.as_ref().is_none_or(|own| *own == user.organization);
    found.filter(within_reach).ok_or(Error::UnknownUser { erp_user_id })
}

/// The settings of the user's account, and the role as it stands there.
fn wanted(config: &Config, user: &User, role: Option<&str>) -> Result<(Books, Option<String>), Error> {
    let Some(books) = config.accounts.get(&user.account).and_then(|account| account.books.clone()) else {
        return Err(Error::invalid("account", "has no settings of Books any more; configure it first"));
    };
    let Some(role) = role else { return Ok((books, None)) };
    if let Some(into) = user.erp.as_ref().and_then(|account| account.merged_into) {
        let reason = format!("was merged into the account {into}; decide the role of that one");
        return Err(Error::invalid("erp_user_id", reason));
    }
    let role = roles::named(&user.account, &books, role)?;
    Ok((books, Some(role)))
}
