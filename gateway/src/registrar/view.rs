//! The registrations as people see them: what we wish for beside what was observed.

use chrono::{DateTime, Utc};
use event_log::sql::{self, Pool};
use serde::Serialize;

use super::KIND;
use crate::intake::Error;
use crate::intake::settings::Settings;

/// One registration, or the lack of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RegistrationView {
    /// The account.
    pub account: String,
    /// `zoho-crm-watch`.
    pub kind: String,
    /// What is watched (Zoho: module).
    pub target: String,
    /// Our name for it at the provider; absent where there is none.
    pub registration_id: Option<String>,
    /// `creating`, `active`, `retiring`, `lost`, `failed`, `missing` (wished for, not asked for yet) or `not_wished`.
    pub state: String,
    /// When the promise ends, as the provider said.
    pub expires_at: Option<DateTime<Utc>>,
    /// Seconds until then, 0 when it is over.
    pub time_left_seconds: Option<i64>,
    /// When we last compared with what the provider has.
    pub checked_at: Option<DateTime<Utc>>,
    /// What is wrong, or why it is not wished for.
    pub error: Option<String>,
}

/// All registrations that are live, under way or in trouble, and what is missing by the configuration.
///
/// # Errors
/// [`Error::Log`] for database failures.
pub async fn registrations(
    readers: &Pool,
    settings: &Settings,
    now: DateTime<Utc>,
) -> Result<Vec<RegistrationView>, Error> {
    let mut views = kept(readers, now).await?;
    for target in settings.targets().into_iter().filter(|target| target.registered) {
        let module = target.module.as_str();
        if views.iter().any(|view| view.account == target.account && view.target == module) {
            continue;
        }
        let reason = settings.notify_url(&target.account).err().map(|reason| reason.to_string());
        views.push(RegistrationView {
            account: target.account.clone(),
            kind: KIND.to_owned(),
            target: module.to_owned(),
            registration_id: None,
            state: if reason.is_some() { "not_wished" } else { "missing" }.to_owned(),
            expires_at: None,
            time_left_seconds: None,
            checked_at: None,
            error: reason,
        });
    }
    views.sort_by(|a, b| (&a.account, &a.target).cmp(&(&b.account, &b.target)));
    Ok(views)
}

/// Rows that are not final, and the latest lost or failed one of a target that has no live one.
async fn kept(readers: &Pool, now: DateTime<Utc>) -> Result<Vec<RegistrationView>, Error> {
    let rows = sql::query(
        "SELECT account, kind, target, registration_id, state, expires_at, checked_at, error FROM registrations AS one \
         WHERE state IN ('creating', 'active', 'retiring', 'failed') OR (state = 'lost' AND NOT EXISTS \
         (SELECT 1 FROM registrations AS other WHERE other.account = one.account AND other.target = one.target \
         AND other.kind = one.kind AND (other.state IN ('creating', 'active', 'failed') \
         OR (other.state = 'lost' AND other.created_at > one.created_at)))) ORDER BY account, target, created_at",
    )
    .fetch_all(readers)
    .await?;
    let mut views = Vec::with_capacity(rows.len());
    for row in rows {
        let expires_at: Option<DateTime<Utc>> = row.try_get("expires_at")?;
        views.push(RegistrationView {
            account: row.try_get("account")?,
            kind: row.try_get("kind")?,
            target: row.try_get("target")?,
            registration_id: row.try_get("registration_id")?,
            state: row.try_get("state")?,
            expires_at,
            time_left_seconds: expires_at.map(|expires_at| (expires_at - now).num_seconds().max(0)),
            checked_at: row.try_get("checked_at")?,
            error: row.try_get("error")?,
        });
    }
    Ok(views)
}
