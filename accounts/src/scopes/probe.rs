//! Looks once after the start, and after each new grant, whether the grants suffice; never in the way of other work.

use chrono::TimeDelta;
use service::config::Account;

use super::rows::{self, ProbeRow};
use super::{MissingScope, needs};
use crate::check::{self, Check};
use crate::{Inner, grant};

/// A probe that was made within this time counts: processes that start together, or again and again, share one.
const PROBE_AGAIN: TimeDelta = TimeDelta::hours(6);

/// Compares the grant of an account with its needs, by the list that the provider gave with it or by asking, and tells
/// what is missing.
pub(crate) async fn run(inner: &Inner, account: &Account) {
    match look(inner, account).await {
        Ok(Some(missing)) => tell(account, &missing),
        Ok(None) => {}
        Err(error) => {
            tracing::warn!(account.id = account.name, %error, "the rights of the account could not be looked at");
        }
    }
}

/// What is missing; `None` when nothing can be said now.
async fn look(inner: &Inner, account: &Account) -> Result<Option<Vec<MissingScope>>, event_log::Error> {
    let name = account.name.as_str();
    let (Some(client), Some(grant)) = (inner.clients.get(name), inner.grants.get(name)) else { return Ok(None) };
    let readers = inner.log.database().readers();
    let Ok(found) = grant.find().await? else { return Ok(None) };
    if inner.board.needs_consent(name) {
        return Ok(None);
    }
    let mapped = rows::mapped_accounts(readers).await?.contains(name);
    let needs = needs::of(&inner.config, name, mapped, &[]);
    if needs.is_empty() {
        return Ok(None);
    }
    if let grant::Place::Given(_) = found.place
        && let Some(scopes) = grant::rows::load(readers, name).await?.and_then(|row| row.scopes)
    {
        return Ok(Some(super::missing(&needs, &scopes)));
    }
    // A token that must be had anew may come with its rights.
    if client.authorize().await.is_err() {
        return Ok(None);
    }
    let now = inner.log.now();
    let known = rows::load_all(readers).await?.remove(name);
    if let Some(known) = known.filter(|known| grant.vault.is_fingerprint(&known.probed, &found.token)) {
        if let Some(granted) = known.granted {
            return Ok(Some(super::missing(&needs, &granted)));
        }
        if now - known.checked_at < PROBE_AGAIN {
            return Ok(Some(known.missing));
        }
    }
    let checks = check::ask(&inner.config, client, mapped).await;
    if checks.iter().any(|check| check.name == "token" && !check.ok) {
        return Ok(None);
    }
    let missing: Vec<MissingScope> = checks.into_iter().filter_map(missing_scope).collect();
    let probed = grant.vault.fingerprint(&found.token);
    let row = ProbeRow { probed, granted: None, missing: missing.clone(), checked_at: now };
    let name = account.name.clone();
    inner
        .log
        .write(move |unit| {
            Box::pin(async move {
                rows::save(unit.connection(), &name, &row).await?;
                Ok::<_, event_log::Error>(())
            })
        })
        .await?;
    Ok(Some(missing))
}

fn missing_scope(check: Check) -> Option<MissingScope> {
    let scope = match (check.name, check.code) {
        // Cliq does not say why it refuses; for the list of channels there is hardly another reason.
        ("cliq.channels", Some("denied")) => "ZohoCliq.Channels.READ",
        _ => check.scope_hint?,
    };
    let breaks = match check.name {
        "crm.user" => "a test cannot tell whether the person may use the CRM",
        "crm.fields" => "pending records cannot be found",
        "crm.notifications" => "changes are found by the next poll instead of at once",
        "workdrive.search" => "source folders below the first level of the team folder are not found",
        "workdrive.team_folder" => "source folders cannot be listed",
        "workdrive.destination" => "nothing can be copied to the destination",
        "cliq.channels" => "channels are not listed",
        "books.organization" => "users and customers are not read",
        _ => "the account cannot be tested",
    };
    Some(MissingScope { scope: scope.to_owned(), breaks: breaks.to_owned(), optional: check.optional })
}

fn tell(account: &Account, missing: &[MissingScope]) {
    for MissingScope { scope, breaks, optional } in missing {
        let id = &account.name;
        if *optional {
            tracing::warn!(account.id = %id, scope, "the grant lacks {scope}: {breaks}");
        } else {
            tracing::error!(account.id = %id, scope, "the grant lacks {scope}: {breaks}; connect the account again");
        }
    }
}
