//! What is known of the grant of each account, for people.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::grant::rows::{self as grant_rows, GrantRow};
use crate::grant::{Grant, Place};
use crate::scopes::rows::{self as scope_rows, ProbeRow};
use crate::scopes::{self, Scopes, needs};
use crate::token_store::rows as token_rows;
use crate::{Error, Inner};

/// The grant of one account. Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantReport {
    /// Where the refresh token in use comes from; `None` when there is none.
    pub origin: Option<Origin>,
    /// Why there is none, without secrets.
    pub absent: Option<String>,
    /// Who gave it, where a person did: the subject of their token.
    pub granted_by: Option<String>,
    /// When, where a person did.
    pub granted_at: Option<DateTime<Utc>>,
    /// Where it lives, where a person gave it.
    pub accounts_server: Option<String>,
    /// Its rights.
    pub scopes: Scopes,
    /// When the access token that is kept for it ends.
    pub token_expires_at: Option<DateTime<Utc>>,
    /// When that token was obtained.
    pub refreshed_at: Option<DateTime<Utc>>,
}

/// Where a refresh token comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A person gave it by connecting the account.
    Person,
    /// It stands in the settings.
    Setting,
}

impl Origin {
    /// Its name in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Setting => "setting",
        }
    }
}

/// The report on each account whose provider gives grants.
pub(crate) async fn all(inner: &Inner) -> Result<BTreeMap<String, GrantReport>, Error> {
    let readers = inner.log.database().readers();
    let mut given = grant_rows::load_all(readers).await?;
    let mut probes = scope_rows::load_all(readers).await?;
    let mut tokens = token_rows::times(readers).await?;
    let mapped = scope_rows::mapped_accounts(readers).await?;
    let mut reports = BTreeMap::new();
    for (name, grant) in &inner.grants {
        let needs = needs::of(&inner.config, name, mapped.contains(name), &[]);
        let times = tokens.remove(name);
        let mut report = GrantReport {
            origin: None,
            absent: None,
            granted_by: None,
            granted_at: None,
            accounts_server: None,
            scopes: Scopes {
                needed: needs::to_ask(&needs).into_iter().map(str::to_owned).collect(),
                ..Scopes::default()
            },
            token_expires_at: times.map(|(expires_at, _)| expires_at),
            refreshed_at: times.map(|(_, refreshed_at)| refreshed_at),
        };
        fill(&mut report, grant, given.remove(name), probes.remove(name), &needs).await?;
        reports.insert(name.clone(), report);
    }
    Ok(reports)
}

async fn fill(
    report: &mut GrantReport,
    grant: &Grant,
    given: Option<GrantRow>,
    probe: Option<ProbeRow>,
    needs: &[needs::Need],
) -> Result<(), Error> {
    let found = match grant.find().await? {
        Ok(found) => found,
        Err(reason) => {
            report.absent = Some(reason);
            return Ok(());
        }
    };
    report.origin = Some(match found.place {
        Place::Given(_) => Origin::Person,
        Place::Setting => Origin::Setting,
    });
    if let (Place::Given(_), Some(given)) = (found.place, given) {
        report.granted_by = Some(given.granted_by);
        report.granted_at = Some(given.granted_at);
        report.accounts_server = Some(given.accounts_server);
        report.scopes.granted = given.scopes;
    }
    if let Some(probe) = probe.filter(|probe| grant.vault.is_fingerprint(&probe.probed, &found.token)) {
        report.scopes.granted = report.scopes.granted.take().or(probe.granted);
        report.scopes.missing = probe.missing;
        report.scopes.checked_at = Some(probe.checked_at);
    }
    if let Some(granted) = &report.scopes.granted {
        report.scopes.missing = scopes::missing(needs, granted);
    }
    Ok(())
}
