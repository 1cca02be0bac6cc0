//! Statements over `consent_requests`, and its rows.

use catalogue::actor::Actor;
use chrono::{DateTime, Utc};
use event_log::sql::{self, Target};
use event_log::sqlx;
use url::Url;

/// A person who was sent to the provider.
#[derive(Debug, Clone)]
pub(super) struct RequestRow {
    pub(super) account: String,
    /// Who asked for it.
    pub(super) actor: Actor,
    /// Where the person comes back to.
    pub(super) redirect_uri: Url,
    /// Where the person goes from there.
    pub(super) return_to: Option<String>,
    pub(super) expires_at: DateTime<Utc>,
}

/// Keeps a request.
pub(super) async fn insert(
    target: impl Into<Target<'_>>,
    state_hash: &str,
    row: &RequestRow,
) -> Result<(), sqlx::Error> {
    let actor = serde_json::to_string(&row.actor).expect("an actor serialises to JSON");
    sql::query(
        "INSERT INTO consent_requests (state_hash, account, actor, redirect_uri, return_to, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(state_hash)
    .bind(&row.account)
    .bind(sql::json(actor))
    .bind(row.redirect_uri.as_str())
    .bind(row.return_to.as_deref())
    .bind(row.expires_at)
    .execute(target)
    .await?;
    Ok(())
}

/// Whether such a request is there.
pub(super) async fn exists(target: impl Into<Target<'_>>, state_hash: &str) -> Result<bool, sqlx::Error> {
    let query = sql::query("SELECT account FROM consent_requests WHERE state_hash = $1").bind(state_hash);
    Ok(query.fetch_optional(target).await?.is_some())
}

/// Takes a request out, so that nobody comes back twice. One that cannot be read counts as absent.
pub(super) async fn take(target: impl Into<Target<'_>>, state_hash: &str) -> Result<Option<RequestRow>, sqlx::Error> {
    let row = sql::query(
        "DELETE FROM consent_requests WHERE state_hash = $1 \
         RETURNING account, actor, redirect_uri, return_to, expires_at",
    )
    .bind(state_hash)
    .fetch_optional(target)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let (actor, redirect_uri): (String, String) = (row.try_get(1)?, row.try_get(2)?);
    let (Ok(actor), Ok(redirect_uri)) = (serde_json::from_str(&actor), Url::parse(&redirect_uri)) else {
        return Ok(None);
    };
    Ok(Some(RequestRow {
        account: row.try_get(0)?,
        actor,
        redirect_uri,
        return_to: row.try_get(3)?,
        expires_at: row.try_get(4)?,
    }))
}

/// Forgets requests whose time is over.
pub(super) async fn delete_expired(target: impl Into<Target<'_>>, now: DateTime<Utc>) -> Result<(), sqlx::Error> {
    sql::query("DELETE FROM consent_requests WHERE expires_at <= $1").bind(now).execute(target).await?;
    Ok(())
}
