//! `/api/v1/registrations`: promises of providers to call us, wished for and observed.

use chrono::{DateTime, Utc};
use gateway::registrar::{RegistrationView, registrations};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::endpoint::{Call, Endpoint, Nothing, Reply};
use crate::page::{self, NameCursor, Page};
use crate::{Problem, Role};

/// The entries of the group.
#[must_use]
pub fn endpoints() -> Vec<Endpoint> {
    vec![Endpoint::get(
        "/api/v1/registrations",
        Role::Viewer,
        "listRegistrations",
        "Promises of providers to call us, with the time left, and those that are missing; by account",
        list,
    )]
}

/// Which registrations.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Listed {
    /// Of this provider account.
    #[schemars(length(min = 1, max = 200))]
    account: Option<String>,
    /// At most this many.
    #[serde(default = "page::default_limit")]
    #[schemars(range(min = 1, max = 500))]
    limit: u32,
    /// `next_cursor` of the page before.
    cursor: Option<NameCursor>,
}

/// One registration, or the lack of one.
#[derive(Debug, Serialize, JsonSchema)]
struct Registration {
    /// The account.
    account: String,
    /// `zoho-crm-watch`.
    kind: String,
    /// What is watched.
    target: String,
    /// Our name for it at the provider; null where there is none.
    registration_id: Option<String>,
    /// `creating`, `active`, `retiring`, `lost`, `failed`, `missing` (wished for, not asked for yet) or `not_wished`.
    state: String,
    /// When the promise ends.
    expires_at: Option<DateTime<Utc>>,
    /// Seconds until then, 0 when it is over.
    time_left_seconds: Option<i64>,
    /// When it was last compared with what the provider has.
    checked_at: Option<DateTime<Utc>>,
    /// What is wrong, or why it is not wished for.
    error: Option<String>,
}

async fn list(call: Call<Nothing, Listed>) -> Result<Reply<Page<Registration>>, Problem> {
    let Listed { account, limit, cursor } = call.query;
    let settings = call.api.intake()?;
    let now = call.api.clock().now();
    let found = registrations(call.api.readers(), &settings, now).await.map_err(|error| match error {
        gateway::intake::Error::Log(error) => error.into(),
        other => Problem::internal(other),
    })?;
    let after = cursor.map_or(String::new(), |cursor| cursor.0);
    let mut reached: Vec<(String, RegistrationView)> = found
        .into_iter()
        .filter(|one| match settings.organization_of(&one.account) {
            Some(organization) => call.caller.reaches(organization),
            // Of an account that is not configured any more: nobody's.
            None => call.caller.organization.is_none(),
        })
        .filter(|one| account.as_ref().is_none_or(|wanted| one.account == *wanted))
        .map(|one| (place(&one), one))
        .filter(|(place, _)| *place > after)
        .collect();
    reached.sort_by(|one, other| one.0.cmp(&other.0));
    let page = Page::of(reached, limit, |(place, _)| NameCursor::written(place));
    Ok(page.map(|(_, one)| one.into()).into())
}

/// Where it stands in the list, whatever happens to the others.
fn place(one: &RegistrationView) -> String {
    let id = one.registration_id.as_deref().unwrap_or_default();
    format!("{}\u{1}{}\u{1}{}\u{1}{id}", one.account, one.target, one.kind)
}

impl From<RegistrationView> for Registration {
    fn from(view: RegistrationView) -> Self {
        Registration {
            account: view.account,
            kind: view.kind,
            target: view.target,
            registration_id: view.registration_id,
            state: view.state,
            expires_at: view.expires_at,
            time_left_seconds: view.time_left_seconds,
            checked_at: view.checked_at,
            error: view.error,
        }
    }
}
