//! Builds the client of each account from its settings.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;
use event_log::Log;
use providers::budget::Limits;
use providers::clock::Clock;
use providers::zoho::{self, Endpoints, Region};
use secrecy::{ExposeSecret, SecretString};
use service::clock::SharedClock;
use service::config::{self, Account, Config, Credentials, SecretRef};
use tokio_util::task::TaskTracker;

use crate::Error;
use crate::budget::{MAX_WAIT, SqlBudget};
use crate::grant::Grant;
use crate::state::Board;
use crate::token_store::{Shared, SqlTokenStore};
use crate::vault::{Source, Vault};

/// What the accounts with credentials work with, by name.
#[derive(Default)]
pub(crate) struct Built {
    pub(crate) clients: BTreeMap<String, zoho::Client>,
    pub(crate) grants: BTreeMap<String, Grant>,
}

/// One client for each account that has credentials, and where its refresh token is found; the clients share the
/// connections of one HTTP client.
///
/// # Errors
/// As [`crate::Accounts::open`].
pub(crate) fn build_all(config: &Config, log: &Log, clock: &SharedClock, board: &Arc<Board>) -> Result<Built, Error> {
    let with_credentials: Vec<(&Account, &Credentials)> =
        config.accounts.values().filter_map(|account| Some((account, account.credentials.as_ref()?))).collect();
    if with_credentials.is_empty() {
        return Ok(Built::default());
    }
    let time = clock.clone();
    let shared = Shared {
        log: log.clone(),
        vault: Arc::new(Vault::open_at(Source::of(config)?)?),
        board: board.clone(),
        clock: Clock::new(move || time.now()),
        tasks: TaskTracker::new(),
    };
    let http = providers::http::client().map_err(Error::Http)?;
    let mut built = Built::default();
    for (account, credentials) in with_credentials {
        let grant = Grant {
            account: account.name.as_str().into(),
            setting: credentials.refresh_token.clone(),
            environment: config.environment.clone(),
            log: log.clone(),
            vault: shared.vault.clone(),
        };
        built.clients.insert(account.name.clone(), build(config, account, credentials, grant.clone(), &shared, &http)?);
        built.grants.insert(account.name.clone(), grant);
    }
    Ok(built)
}

fn build(
    config: &Config,
    account: &Account,
    credentials: &Credentials,
    grant: Grant,
    shared: &Shared,
    http: &reqwest::Client,
) -> Result<zoho::Client, Error> {
    let secret = |key: &'static str, place: &SecretRef| -> Result<SecretString, Error> {
        config.resolve(place).map_err(|source| Error::Secret { account: account.name.clone(), key, source })
    };
    let region: Region =
        account.region.parse().map_err(|source| Error::Region { account: account.name.clone(), source })?;
    let client_id = secret("client_id", &credentials.client_id)?;
    let settings = zoho::Settings {
        endpoints: endpoints(region, &account.endpoints),
        limits: limits(&account.limits),
        clock: shared.clock.clone(),
        ..zoho::Settings::new(
            &account.name,
            region,
            client_id.expose_secret(),
            secret("client_secret", &credentials.client_secret)?,
        )
    };
    let pause = TimeDelta::from_std(account.consent_probe).unwrap_or(TimeDelta::MAX);
    let store = SqlTokenStore::new(&account.name, &account.organization, grant, pause, shared.clone());
    let budget = SqlBudget::new(&account.name, shared.log.clone(), shared.clock.clone(), MAX_WAIT);
    Ok(zoho::Client::new(settings, http.clone(), Arc::new(budget), Arc::new(store)))
}

/// The hosts of the region, each replaced where the settings say so.
fn endpoints(region: Region, settings: &config::Endpoints) -> Endpoints {
    let usual = Endpoints::for_region(region);
    let settings = settings.clone();
    Endpoints {
        accounts: settings.accounts.unwrap_or(usual.accounts),
        api: settings.api.unwrap_or(usual.api),
        workdrive: settings.workdrive.unwrap_or(usual.workdrive),
        download: settings.download.unwrap_or(usual.download),
        upload: settings.upload.unwrap_or(usual.upload),
        cliq: settings.cliq.unwrap_or(usual.cliq),
    }
}

fn limits(settings: &config::Limits) -> Limits {
    let usual = Limits::default();
    Limits {
        workdrive_metadata_per_second: settings
            .workdrive_metadata_per_second
            .unwrap_or(usual.workdrive_metadata_per_second),
        workdrive_listings_per_folder_per_minute: settings
            .workdrive_listings_per_folder_per_minute
            .unwrap_or(usual.workdrive_listings_per_folder_per_minute),
        token_refreshes_per_10_minutes: settings
            .token_refreshes_per_10_minutes
            .unwrap_or(usual.token_refreshes_per_10_minutes),
        crm_per_second: settings.crm_per_second.unwrap_or(usual.crm_per_second),
        crm_heavy_per_second: settings.crm_heavy_per_second.unwrap_or(usual.crm_heavy_per_second),
        cliq_messages_per_minute: settings.cliq_messages_per_minute.unwrap_or(usual.cliq_messages_per_minute),
        cliq_lists_per_minute: settings.cliq_lists_per_minute.unwrap_or(usual.cliq_lists_per_minute),
        cliq_searches_per_minute: settings.cliq_searches_per_minute.unwrap_or(usual.cliq_searches_per_minute),
        cliq_lock_seconds: settings.cliq_lock_seconds.unwrap_or(usual.cliq_lock_seconds),
        books_per_minute: settings.books_per_minute.unwrap_or(usual.books_per_minute),
    }
}
