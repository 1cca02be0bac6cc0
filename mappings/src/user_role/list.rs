//! Users with their roles, and which of them wait for a person.

use catalogue::erp::UserState;
use event_log::sql::Target;
use serde::Serialize;
use uuid::Uuid;

use crate::Error;
use crate::salesperson::{self, User};

/// A user of Books and the role in the ERP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UserRole {
    /// The account in the ERP.
    pub erp_user_id: Uuid,
    /// The account by which the user is read.
    pub account: String,
    /// Whose it is.
    pub organization: String,
    /// The user of Books.
    pub zoho_user_id: String,
    /// The display name; may be empty.
    pub name: String,
    /// The address as it is written in Books.
    pub email: Option<String>,
    /// The role there.
    pub zoho_role: Option<String>,
    /// The role here; absent where a person has to say.
    pub erp_role: Option<String>,
    /// What a person decided; absent where the table of roles says it.
    pub decided_role: Option<String>,
    /// Where the account stands; absent before it was decided first.
    pub state: Option<UserState>,
    /// Whether it is in use and a person has to say its role.
    pub needs_review: bool,
}

/// Which users; everything that is set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Whose.
    pub organization: Option<String>,
    /// Of which account.
    pub account: Option<String>,
    /// Only those whose role a person has to say.
    pub needs_review: bool,
}

/// Users by account and id in Books, those after `after`, at most `limit`.
///
/// # Errors
/// [`Error::UnknownUser`] where `after` is nobody; [`Error::Log`].
pub async fn list(
    target: impl Into<Target<'_>>,
    filter: &Filter,
    after: Option<Uuid>,
    limit: usize,
) -> Result<Vec<UserRole>, Error> {
    let mut users = salesperson::every_user(target, filter.account.as_deref()).await?;
    if let Some(erp_user_id) = after {
        let place = users.iter().position(|user| user.erp_user_id() == erp_user_id);
        let Some(place) = place else { return Err(Error::UnknownUser { erp_user_id }) };
        users.drain(..=place);
    }
    let users = users.iter().map(UserRole::of);
    let wanted = |user: &UserRole| {
        filter.organization.as_ref().is_none_or(|own| *own == user.organization)
            && (user.needs_review || !filter.needs_review)
    };
    Ok(users.filter(wanted).take(limit).collect())
}

impl UserRole {
    pub(super) fn of(user: &User) -> Self {
        let erp = user.erp.as_ref();
        let state = erp.map(|account| account.state);
        let erp_role = erp.and_then(|account| account.erp_role.clone());
        UserRole {
            erp_user_id: user.erp_user_id(),
            account: user.account.clone(),
            organization: user.organization.clone(),
            zoho_user_id: user.fact.user_id.clone(),
            name: user.fact.name.clone(),
            email: user.fact.email.clone(),
            zoho_role: user.fact.role.clone(),
            needs_review: erp_role.is_none() && state == Some(UserState::Active),
            erp_role,
            decided_role: user.decided_role.clone(),
            state,
        }
    }
}
