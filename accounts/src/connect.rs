//! Connecting an account: a person is sent to the provider with a state, comes back with a code, and leaves a grant.
//!
//! The state is random, counts once and for ten minutes, and belongs to one account and to who asked; the database knows
//! its hash, so that any process may take the person back. Zoho documents no PKCE; the client secret protects the
//! exchange.

use std::fmt;

use catalogue::account::{self as catalogue_account, CONNECTED, Connected as ConnectedData, RECOVERED};
use catalogue::actor::Actor;
use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use event_log::{Append, NewEvent};
use providers::zoho::oauth::{AuthorizationRequest, Granted};
use providers::zoho::{Client, Region};
use secrecy::{ExposeSecret as _, SecretString};
use service::config::Account;
use url::{Url, form_urlencoded};

use crate::grant::rows::GrantRow;
use crate::scopes::{self, MissingScope, Product, needs};
use crate::state::rows::{self as account_rows, AccountRow};
use crate::token_store::rows::{self as token_rows};
use crate::token_store::sealed_token::Kept;
use crate::{Access, Inner, grant};

mod error;
mod rows;
mod state;

pub use error::ConnectError;

use rows::RequestRow;

/// How long a person may take.
const PATIENCE: TimeDelta = TimeDelta::minutes(10);

/// What a person is asked for.
#[derive(Debug, Clone, Copy)]
pub struct ConnectRequest<'a> {
    /// The account.
    pub account: &'a str,
    /// Where the provider sends the person back to; registered at its API console.
    pub redirect_uri: &'a Url,
    /// Where the person goes from there: a path of this server.
    pub return_to: Option<&'a str>,
    /// Products that the account is wanted for beyond what is configured.
    pub also: &'a [Product],
}

/// Where to send a person.
#[derive(Debug, Clone)]
pub struct Authorization {
    /// The provider's page. Holds the state: show it to nobody else.
    pub url: Url,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// Until when the person must be back.
    pub expires_at: DateTime<Utc>,
}

/// What came back with a person.
#[derive(Clone, Default)]
pub struct Callback {
    /// As it was sent.
    pub state: String,
    /// What can be exchanged for a grant, once.
    pub code: Option<SecretString>,
    /// Why there is none.
    pub error: Option<String>,
    /// The person's data centre.
    pub location: Option<String>,
    /// Its accounts server.
    pub accounts_server: Option<String>,
}

impl Callback {
    /// Reads what follows `?` in the address that a person came back to. Of a name that is given twice the first counts.
    #[must_use]
    pub fn of_query(query: &str) -> Self {
        let value = |name: &str| {
            let mut pairs = form_urlencoded::parse(query.as_bytes());
            pairs.find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.into_owned())
        };
        Self {
            state: value("state").unwrap_or_default(),
            code: value("code").map(SecretString::from),
            error: value("error"),
            location: value("location"),
            accounts_server: value("accounts-server"),
        }
    }
}

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callback").field("error", &self.error).field("location", &self.location).finish_non_exhaustive()
    }
}

/// The end of a person's way.
#[derive(Debug)]
pub struct Arrival {
    /// The account, where the state is known.
    pub account: Option<String>,
    /// Where the person wanted to go.
    pub return_to: Option<String>,
    /// Whether there is a grant now.
    pub outcome: Result<Connected, ConnectError>,
}

/// A grant that was given and kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connected {
    /// The account.
    pub account: String,
    /// What was granted; `None` where the provider did not tell.
    pub granted: Option<Vec<String>>,
    /// What is needed and was not granted.
    pub missing: Vec<MissingScope>,
    /// Whether it took the place of another grant, which was taken back.
    pub replaced: bool,
}

/// Remembers a request and says where to send the person.
pub(crate) async fn begin(
    inner: &Inner,
    actor: &Actor,
    request: ConnectRequest<'_>,
) -> Result<Authorization, ConnectError> {
    let (account, client) = reach(inner, request.account)?;
    if let Some(path) = request.return_to {
        check_return(path)?;
    }
    let readers = inner.log.database().readers();
    let mapped = scopes::rows::mapped_accounts(readers).await?.contains(&account.name);
    let needs = needs::of(&inner.config, &account.name, mapped, request.also);
    let asked = needs::to_ask(&needs);
    if asked.is_empty() {
        return Err(ConnectError::NothingNeeded { account: account.name.clone() });
    }
    let state = state::new()?;
    let (redirect_uri, scopes) = (request.redirect_uri, asked.as_slice());
    let url = client.oauth().authorization_url(&AuthorizationRequest { scopes, redirect_uri, state: &state });
    let (now, hash) = (inner.log.now(), state::hash(&state));
    let row = RequestRow {
        account: account.name.clone(),
        actor: actor.clone(),
        redirect_uri: redirect_uri.clone(),
        return_to: request.return_to.map(str::to_owned),
        expires_at: now + PATIENCE,
    };
    let expires_at = row.expires_at;
    inner
        .log
        .write(move |unit| {
            Box::pin(async move {
                rows::delete_expired(unit.connection(), now).await?;
                rows::insert(unit.connection(), &hash, &row).await?;
                Ok::<_, event_log::Error>(())
            })
        })
        .await?;
    Ok(Authorization { url, scopes: asked.into_iter().map(str::to_owned).collect(), expires_at })
}

/// Takes a person back.
pub(crate) async fn finish(inner: &Inner, callback: Callback) -> Arrival {
    let request = match take(inner, &callback.state).await {
        Ok(request) => request,
        Err(error) => return Arrival { account: None, return_to: None, outcome: Err(error) },
    };
    let outcome = conclude(inner, &request, callback).await;
    let account = request.account;
    match &outcome {
        Ok(connected) => {
            tracing::info!(account.id = %account, missing = connected.missing.len(), "a person connected the account");
        }
        Err(error) => tracing::warn!(account.id = %account, %error, "a person came back without a grant"),
    }
    Arrival { account: Some(account), return_to: request.return_to, outcome }
}

async fn take(inner: &Inner, state: &str) -> Result<RequestRow, ConnectError> {
    let (now, hash) = (inner.log.now(), state::hash(state));
    // Anybody can ask; only who has a state may keep the writer busy.
    if !rows::exists(inner.log.database().readers(), &hash).await? {
        return Err(ConnectError::UnknownState);
    }
    let row = inner
        .log
        .write(move |unit| {
            Box::pin(async move { Ok::<_, event_log::Error>(rows::take(unit.connection(), &hash).await?) })
        })
        .await?;
    row.filter(|row| row.expires_at > now).ok_or(ConnectError::UnknownState)
}

async fn conclude(inner: &Inner, request: &RequestRow, callback: Callback) -> Result<Connected, ConnectError> {
    let (account, client) = reach(inner, &request.account)?;
    if let Some(code) = callback.error {
        return Err(ConnectError::Denied { code: code.chars().take(80).collect() });
    }
    let code = callback.code.ok_or(ConnectError::NoCode)?;
    let oauth = client.oauth();
    let server = oauth.accounts_server(callback.location.as_deref(), callback.accounts_server.as_deref())?;
    let found = server.region().or_else(|| callback.location.as_deref().and_then(Region::at_location));
    if let Some(found) = found.filter(|found| found.as_str() != account.region) {
        return Err(ConnectError::RegionMismatch {
            account: account.name.clone(),
            configured: account.region.clone(),
            found: found.to_string(),
        });
    }
    let granted = oauth.exchange(&code, &request.redirect_uri, &server).await?;
    let kept = keep(inner, account, client, &request.actor, &granted).await;
    if let Err(NotKept { in_doubt: false, .. }) = &kept
        && let Err(error) = oauth.revoke(&granted.refresh_token, &server).await
    {
        tracing::warn!(account.id = %account.name, %error, "a grant that could not be kept could not be taken back either");
    }
    kept.map_err(|not_kept| not_kept.because)
}

/// Why a grant is not known to be kept.
struct NotKept {
    because: ConnectError,
    /// It may be in the database: taking it back could stop the account.
    in_doubt: bool,
}

impl<E> From<E> for NotKept
where
    ConnectError: From<E>,
{
    fn from(error: E) -> Self {
        NotKept { because: error.into(), in_doubt: false }
    }
}

/// Keeps a grant with its first access token, takes back the one before, and records what happened.
async fn keep(
    inner: &Inner,
    account: &Account,
    client: &Client,
    actor: &Actor,
    granted: &Granted,
) -> Result<Connected, NotKept> {
    let nothing = || ConnectError::NothingToConnect { account: account.name.clone() };
    let vault = &inner.grants.get(&account.name).ok_or_else(nothing)?.vault;
    let readers = inner.log.database().readers();
    let mapped = scopes::rows::mapped_accounts(readers).await?.contains(&account.name);
    let missing = match &granted.scopes {
        Some(scopes) => scopes::missing(&needs::of(&inner.config, &account.name, mapped, &[]), scopes),
        None => Vec::new(),
    };
    let before = replaced(inner, account, &granted.refresh_token).await?;
    let now = inner.log.now().trunc_subsecs(6);
    let row = GrantRow {
        sealed: grant::seal(vault, &account.name, &granted.refresh_token)?,
        accounts_server: granted.server.url().to_string(),
        scopes: granted.scopes.clone(),
        granted_by: actor.subject.clone(),
        granted_at: now,
        refused_at: None,
    };
    let mark = vault.fingerprint(&granted.refresh_token);
    let token = Kept::new(&granted.access_token, Some(mark)).seal(vault, &account.name)?;
    let data = ConnectedData {
        account: account.name.clone(),
        accounts_server: row.accounts_server.clone(),
        scopes: granted.scopes.clone(),
        missing: missing.iter().map(|missing| missing.scope.clone()).collect(),
        replaced: before.is_some(),
    };
    let event = NewEvent::new(CONNECTED, "operator", &data)
        .of(&account.name, &account.organization)
        .with_metadata(&actor.metadata());
    let (name, organization) = (account.name.clone(), account.organization.clone());
    let written = inner
        .log
        .write(move |unit| {
            Box::pin(async move {
                grant::rows::save(unit.connection(), &name, &row).await?;
                token_rows::save(unit.connection(), &name, &token, now).await?;
                let known = account_rows::load(&mut *unit.connection(), &name).await?;
                let usable = AccountRow { access: Access::Ok, checked_at: now, refused_grant: None };
                account_rows::save(unit.connection(), &name, &usable, now).await?;
                let mut events = vec![event];
                if let Some(AccountRow { access: Access::NeedsConsent { reason, .. }, .. }) = known {
                    let data = catalogue_account::Access { account: name.clone(), reason };
                    events.push(NewEvent::new(RECOVERED, "operator", &data).of(&name, &organization));
                }
                unit.append(Append::new(catalogue_account::stream(&name), events)).await?;
                Ok::<_, event_log::Error>(())
            })
        })
        .await;
    if let Err(error) = written {
        // A commit whose answer was lost may have happened.
        match holds(inner, account, &granted.refresh_token).await {
            Ok(true) => {
                tracing::info!(account.id = %account.name, "a grant was kept although the database did not say so")
            }
            Ok(false) => return Err(error.into()),
            Err(unknown) => {
                tracing::warn!(account.id = %account.name, error = %unknown, "nobody knows whether a grant was kept; it is not taken back");
                return Err(NotKept { because: error.into(), in_doubt: true });
            }
        }
    }
    client.forget_token();
    inner.board.change(&account.name, |state| {
        state.access = Access::Ok;
        state.token_expires_at = Some(granted.expires_at());
    });
    if let Some(before) = &before
        && let Err(error) = client.oauth().revoke(before, &granted.server).await
    {
        tracing::warn!(account.id = %account.name, %error, "the grant before this one could not be taken back");
    }
    let name = account.name.clone();
    Ok(Connected { account: name, granted: granted.scopes.clone(), missing, replaced: before.is_some() })
}

/// Whether the grant that is kept for an account is this one.
async fn holds(inner: &Inner, account: &Account, token: &SecretString) -> Result<bool, event_log::Error> {
    let Some(grant) = inner.grants.get(&account.name) else { return Ok(false) };
    let is_it = |found: &grant::Found| {
        matches!(found.place, grant::Place::Given(_)) && found.token.expose_secret() == token.expose_secret()
    };
    Ok(grant.find_all().await?.iter().any(is_it))
}

/// The refresh token that a person gave before. One in the settings is not ours to take back.
async fn replaced(
    inner: &Inner,
    account: &Account,
    by: &SecretString,
) -> Result<Option<SecretString>, event_log::Error> {
    let Some(grant) = inner.grants.get(&account.name) else { return Ok(None) };
    let given = grant.find_all().await?.into_iter().find(|found| matches!(found.place, grant::Place::Given(_)));
    Ok(given.map(|found| found.token).filter(|token| token.expose_secret() != by.expose_secret()))
}

fn reach<'i>(inner: &'i Inner, name: &str) -> Result<(&'i Account, &'i Client), ConnectError> {
    let account = inner.account(name)?;
    let nothing = || ConnectError::NothingToConnect { account: name.to_owned() };
    Ok((account, inner.clients.get(name).ok_or_else(nothing)?))
}

/// A path of this server and nothing that a browser could take for another one.
fn check_return(path: &str) -> Result<(), ConnectError> {
    let foreign = || ConnectError::ForeignReturn(path.chars().take(80).collect());
    let plain = path.starts_with('/') && !path.starts_with("//") && !path.contains(['\\', '#']);
    if !plain || path.len() > 500 || path.chars().any(char::is_control) {
        return Err(foreign());
    }
    let base = Url::parse("http://gateledger.invalid").expect("a constant address");
    let joined = base.join(path).map_err(|_| foreign())?;
    if joined.origin() == base.origin() { Ok(()) } else { Err(foreign()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn people_are_sent_on_to_this_server_only() {
        for path in ["/", "/accounts", "/accounts?tab=grants"] {
            check_return(path).unwrap();
        }
        for path in
            ["", "accounts", "//evil.example", "/\\evil.example", "https://evil.example", "/a\nb", "/\t/evil", "/a#b"]
        {
            assert!(matches!(check_return(path), Err(ConnectError::ForeignReturn(_))), "{path:?}");
        }
    }

    #[test]
    fn states_are_long_different_and_known_by_their_hash_alone() {
        let (one, other) = (state::new().unwrap(), state::new().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.len(), 43);
        assert_ne!(state::hash(&one), state::hash(&other));
        assert!(!state::hash(&one).contains(&one));
    }
}
