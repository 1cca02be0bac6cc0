//! `/api/v1/accounts/{name}/connect | refresh | disconnect`: grants of provider accounts, given and taken back by people.

use accounts::{ConnectError, ConnectRequest, Error, GrantReport, Origin};
use chrono::{DateTime, Utc};
use providers::error::Error as ProviderError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::endpoint::{Call, Changes, Endpoint, Nothing, Reply};
use crate::problem::{self, Refusal};
use crate::v1::accounts::{Named, of};
use crate::{Api, Caller, Problem, Role, oauth};

/// The account's provider gives no grants.
pub(crate) const NO_GRANT: Refusal =
    Refusal::new(409, "nothing_to_connect", "The account only receives webhooks; it has no grant.");
/// Nothing needs the account.
pub(crate) const NOTHING_NEEDED: Refusal = Refusal::new(
    409,
    "nothing_needed",
    "Nothing that is configured or mapped needs the account; name the `products` that it is wanted for.",
);
/// There is no address to come back to.
pub(crate) const NO_PUBLIC_URL: Refusal = Refusal::new(
    409,
    "public_url_missing",
    "`http.public_url` is not set, so that nobody could come back; `gateledger accounts connect` does without.",
);
/// The way back leads elsewhere.
pub(crate) const FOREIGN_RETURN: Refusal =
    Refusal::new(422, "foreign_return", "`return_to` is no path of this server.");
/// The grant does not count any more.
pub(super) const NEEDS_CONSENT: Refusal =
    Refusal::new(409, "needs_consent", "The provider refuses the grant, or there is none: connect the account.");
/// The provider asks to wait.
const THROTTLED: Refusal =
    Refusal::new(409, "throttled", "The allowance of token requests is used up; `context.until` says for how long.");
/// The provider did not do it.
const PROVIDER_FAILED: Refusal =
    Refusal::new(502, "provider_failed", "The provider did not answer as it should; nothing was changed here.");

/// The entries of the group.
#[must_use]
pub fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::post(
            "/api/v1/accounts/{name}/connect",
            Role::SuperAdmin,
            "connectAccount",
            "Say where to send a person who shall give a grant for the account, within ten minutes",
            Changes::Audited,
            connect,
        )
        .refuses(&[NO_GRANT, NOTHING_NEEDED, NO_PUBLIC_URL, FOREIGN_RETURN]),
        Endpoint::post(
            "/api/v1/accounts/{name}/refresh",
            Role::Admin,
            "refreshAccount",
            "Ask the provider for a new access token now",
            Changes::Recorded,
            refresh,
        )
        .refuses(&[NO_GRANT, NEEDS_CONSENT, THROTTLED, PROVIDER_FAILED]),
        Endpoint::post(
            "/api/v1/accounts/{name}/disconnect",
            Role::Admin,
            "disconnectAccount",
            "Have the provider forget every grant of the account, and forget them here; its work waits",
            Changes::Recorded,
            disconnect,
        )
        .refuses(&[NO_GRANT, PROVIDER_FAILED]),
    ]
}

/// What the account is wanted for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Products beyond those that the configuration and the mappings need.
    #[serde(default)]
    #[schemars(length(max = 4))]
    products: Vec<Product>,
    /// Where the person's browser goes in the end: a path of this server.
    #[serde(default)]
    #[schemars(length(min = 1, max = 500))]
    return_to: Option<String>,
}

/// A product of the provider.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Product {
    Crm,
    WorkDrive,
    Books,
    Cliq,
}

/// Where to send a person.
#[derive(Debug, Serialize, JsonSchema)]
struct ConnectAddress {
    /// The provider's page. It counts once, and whoever opens it can connect the account.
    url: String,
    /// Where the provider sends the person back to; it must be registered there exactly so.
    redirect_uri: String,
    /// What is asked for.
    scopes: Vec<String>,
    /// Until when the person must be back.
    expires_at: DateTime<Utc>,
}

/// An access token that was replaced.
#[derive(Debug, Serialize, JsonSchema)]
struct AccountRefreshed {
    /// The account.
    account: String,
    /// When the new one ends.
    token_expires_at: DateTime<Utc>,
}

/// Access that was given up.
#[derive(Debug, Serialize, JsonSchema)]
struct AccountDisconnected {
    /// The account.
    account: String,
    /// Refresh tokens that the provider was asked to forget.
    revoked: u32,
}

/// The grant of an account.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Grant {
    /// Where it comes from; null when there is none.
    origin: Option<GrantOrigin>,
    /// Who gave it, where a person did.
    granted_by: Option<String>,
    /// When, where a person did.
    granted_at: Option<DateTime<Utc>>,
    /// Where it lives, where a person gave it.
    accounts_server: Option<String>,
    /// The rights that the configuration and the mappings need.
    scopes_needed: Vec<String>,
    /// The rights that were granted; null where the provider did not tell.
    scopes_granted: Option<Vec<String>>,
    /// The rights that are needed and were not granted, as far as it is known.
    scopes_missing: Vec<MissingScope>,
    /// When the rights were last found out by asking.
    scopes_checked_at: Option<DateTime<Utc>>,
    /// When the access token was last replaced.
    refreshed_at: Option<DateTime<Utc>>,
}

/// Where a grant comes from.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum GrantOrigin {
    /// A person connected the account.
    Person,
    /// The refresh token stands in the settings.
    Setting,
}

/// A right that is needed and was not granted.
#[derive(Debug, Serialize, JsonSchema)]
struct MissingScope {
    /// Its name at the provider.
    scope: String,
    /// What does not work without it.
    breaks: String,
    /// Whether the rest works without it.
    optional: bool,
}

impl From<GrantReport> for Grant {
    fn from(report: GrantReport) -> Self {
        let missing = report.scopes.missing.into_iter();
        Grant {
            origin: report.origin.map(|origin| match origin {
                Origin::Person => GrantOrigin::Person,
                Origin::Setting => GrantOrigin::Setting,
            }),
            granted_by: report.granted_by,
            granted_at: report.granted_at,
            accounts_server: report.accounts_server,
            scopes_needed: report.scopes.needed,
            scopes_granted: report.scopes.granted,
            scopes_missing: missing
                .map(|one| MissingScope { scope: one.scope, breaks: one.breaks, optional: one.optional })
                .collect(),
            scopes_checked_at: report.scopes.checked_at,
            refreshed_at: report.refreshed_at,
        }
    }
}

async fn connect(call: Call<Named, Nothing, Wanted>) -> Result<Reply<ConnectAddress>, Problem> {
    let products = call.body.products.iter().map(|product| match product {
        Product::Crm => accounts::Product::Crm,
        Product::WorkDrive => accounts::Product::WorkDrive,
        Product::Books => accounts::Product::Books,
        Product::Cliq => accounts::Product::Cliq,
    });
    let also: Vec<accounts::Product> = products.collect();
    let address = begin(&call.api, &call.caller, &call.path.name, &also, call.body.return_to.as_deref()).await?;
    Ok(address.into())
}

/// Where to send a person for the account; the same for programs and for browsers.
async fn begin(
    api: &Api,
    caller: &Caller,
    name: &str,
    also: &[accounts::Product],
    return_to: Option<&str>,
) -> Result<ConnectAddress, Problem> {
    let account = &of(api, caller, name)?.name;
    let redirect_uri = oauth::callback_address(api.config())
        .ok_or_else(|| Problem::new(&NO_PUBLIC_URL, "set http.public_url, or use `gateledger accounts connect`"))?;
    let request = ConnectRequest { account, redirect_uri: &redirect_uri, return_to, also };
    let sent = api.accounts().begin_connect(&caller.actor(), request).await.map_err(not_begun)?;
    let (url, redirect_uri) = (sent.url.into(), redirect_uri.into());
    Ok(ConnectAddress { url, redirect_uri, scopes: sent.scopes, expires_at: sent.expires_at })
}

/// The provider's page for a browser.
///
/// # Errors
/// As the endpoint `connect`.
pub(crate) async fn page_of_provider(
    api: &Api,
    caller: &Caller,
    name: &str,
    also: &[accounts::Product],
    return_to: Option<&str>,
) -> Result<String, Problem> {
    Ok(begin(api, caller, name, also, return_to).await?.url)
}

async fn refresh(call: Call<Named>) -> Result<Reply<AccountRefreshed>, Problem> {
    let account = of(&call.api, &call.caller, &call.path.name)?.name.clone();
    let refreshed = call.api.accounts().refresh(&call.caller.actor(), &account).await;
    let token_expires_at = refreshed.map_err(failed)?;
    Ok(AccountRefreshed { account, token_expires_at }.into())
}

async fn disconnect(call: Call<Named>) -> Result<Reply<AccountDisconnected>, Problem> {
    let account = of(&call.api, &call.caller, &call.path.name)?.name.clone();
    let disconnected = call.api.accounts().disconnect(&call.caller.actor(), &account).await.map_err(failed)?;
    Ok(AccountDisconnected { account, revoked: disconnected.revoked }.into())
}

fn not_begun(error: ConnectError) -> Problem {
    let detail = error.to_string();
    match error {
        ConnectError::Unknown(_) => Problem::not_found("account of that name"),
        ConnectError::NothingToConnect { .. } => Problem::new(&NO_GRANT, detail),
        ConnectError::NothingNeeded { .. } => Problem::new(&NOTHING_NEEDED, detail),
        ConnectError::ForeignReturn(_) => {
            Problem::unusable(&FOREIGN_RETURN, "return_to", "is no path of this server", "give one such as /accounts")
        }
        ConnectError::Log(error) => error.into(),
        error => Problem::internal(error),
    }
}

/// What an error of the accounts is to the caller.
pub(super) fn failed(error: Error) -> Problem {
    let detail = error.to_string();
    match error {
        Error::Unknown(_) => Problem::not_found("account of that name"),
        Error::NothingToConnect { .. } => Problem::new(&NO_GRANT, detail),
        Error::NotRefreshed { source: ProviderError::NeedsConsent { reason }, .. } => {
            Problem::new(&NEEDS_CONSENT, format!("{detail}: {reason}"))
        }
        Error::NotRefreshed { source: ProviderError::Throttled(throttled), .. } => {
            Problem::new(&THROTTLED, detail).with_context(serde_json::json!({"until": throttled.until}))
        }
        Error::NotRefreshed { source, .. } | Error::NotRevoked { source, .. } => {
            Problem::new(&PROVIDER_FAILED, format!("{detail}: {}", source.code())).because(source)
        }
        Error::Log(error) if error.is_retryable() => {
            Problem::new(&problem::DATABASE_UNAVAILABLE, DATABASE).because(error)
        }
        error => Problem::internal(error),
    }
}

const DATABASE: &str = "the database did not answer; ask again what is";
