//! Waits for grants to be renewed: tries the accounts that need consent, and learns what other processes found out.

use std::sync::Arc;
use std::time::Duration;

use providers::error::Error as ProviderError;
use providers::zoho;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::Inner;
use crate::state::{self, Board};

/// How often the database is asked what other processes found out.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Runs until `stop`.
pub(crate) async fn run(inner: &Inner, stop: CancellationToken) {
    let mut probes = JoinSet::new();
    for (name, client) in &inner.clients {
        let interval = inner.config.accounts.get(name).map_or(LOOK_EVERY, |account| account.consent_probe);
        probes.spawn(probe_account(client.clone(), interval, inner.board.clone(), stop.clone()));
    }
    while wait(LOOK_EVERY, &stop).await {
        if let Err(error) = learn(inner).await {
            tracing::warn!(%error, "the states of the accounts could not be read");
        }
    }
    while probes.join_next().await.is_some() {}
}

/// Takes over what the database says of each account.
async fn learn(inner: &Inner) -> Result<(), event_log::Error> {
    let names = inner.config.accounts.keys().map(String::as_str);
    let states = state::read_all(inner.log.database().readers(), names).await?;
    for (name, state) in states {
        inner.board.change(&name, |known| *known = state);
    }
    Ok(())
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
