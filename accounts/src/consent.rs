//! Waits for grants to be renewed: tries the accounts that need consent, learns what other processes found out, and looks
//! at the rights of each grant once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use providers::error::Error as ProviderError;
use providers::zoho;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::state::{self, Board};
use crate::{Inner, grant, scopes};

/// How often the database is asked what other processes found out.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// When people gave the grants that this process knows of.
type GivenAt = BTreeMap<String, DateTime<Utc>>;

/// Runs until `stop`.
pub(crate) async fn run(inner: &Arc<Inner>, stop: CancellationToken) {
    let mut tasks = JoinSet::new();
    for (name, client) in &inner.clients {
        let interval = inner.config.accounts.get(name).map_or(LOOK_EVERY, |account| account.consent_probe);
        tasks.spawn(probe_account(client.clone(), interval, inner.board.clone(), stop.clone()));
        tasks.spawn(look_at_scopes(inner.clone(), name.clone(), stop.clone()));
    }
    let mut given_at = given(inner).await.unwrap_or_default();
    while wait(LOOK_EVERY, &stop).await {
        match learn(inner, &mut given_at).await {
            Ok(changed) => {
                for name in changed {
                    tasks.spawn(look_at_scopes(inner.clone(), name, stop.clone()));
                }
            }
            Err(error) => tracing::warn!(%error, "the states of the accounts could not be read"),
        }
        while tasks.try_join_next().is_some() {}
    }
    while tasks.join_next().await.is_some() {}
}

/// Takes over what the database says of each account; returns those that have another grant now.
async fn learn(inner: &Inner, given_at: &mut GivenAt) -> Result<Vec<String>, event_log::Error> {
    let names = inner.config.accounts.keys().map(String::as_str);
    let states = state::read_all(inner.log.database().readers(), names).await?;
    for (name, state) in states {
        inner.board.change(&name, |known| *known = state);
    }
    let now_given = given(inner).await?;
    let is_other = |name: &&String| given_at.get(*name) != now_given.get(*name);
    let changed: Vec<String> = inner.clients.keys().filter(is_other).cloned().collect();
    for name in &changed {
        // The token of the grant before may have fewer rights, or none any more.
        inner.clients[name].forget_token();
    }
    *given_at = now_given;
    Ok(changed)
}

async fn given(inner: &Inner) -> Result<GivenAt, event_log::Error> {
    let rows = grant::rows::load_all(inner.log.database().readers()).await?;
    Ok(rows.into_iter().map(|(name, row)| (name, row.granted_at)).collect())
}

async fn look_at_scopes(inner: Arc<Inner>, name: String, stop: CancellationToken) {
    let Some(account) = inner.config.accounts.get(&name) else { return };
    stop.run_until_cancelled(scopes::probe::run(&inner, account)).await;
}

async fn probe_account(client: zoho::Client, interval: Duration, board: Arc<Board>, stop: CancellationToken) {
    while wait(interval, &stop).await {
        if !board.needs_consent(client.account()) {
            continue;
        }
        match stop.run_until_cancelled(client.probe()).await {
            None | Some(Ok(_)) => {}
            Some(Err(ProviderError::NeedsConsent { .. })) => {
                tracing::debug!(account.id = client.account(), "the account still needs consent");
            }
            Some(Err(error)) => {
                tracing::warn!(account.id = client.account(), %error, "the account that needs consent could not be tried");
            }
        }
    }
}

/// Waits, and says whether to go on.
async fn wait(duration: Duration, stop: &CancellationToken) -> bool {
    stop.run_until_cancelled(tokio::time::sleep(duration)).await.is_some()
}
