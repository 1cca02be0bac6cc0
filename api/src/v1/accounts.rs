//! `/api/v1/accounts`: provider accounts, whether they can be used, and trying them.

use accounts::{Access, GrantReport};
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::config::Account as Configured;

use crate::endpoint::{Call, Changes, Endpoint, Nothing, Reply};
use crate::page::{self, NameCursor, Page};
use crate::v1::grants::{self, Grant};
use crate::{Api, Problem, Role};

/// The entries of the group.
#[must_use]
pub fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get(
            "/api/v1/accounts",
            Role::Viewer,
            "listAccounts",
            "Configured provider accounts and whether they can be used, by name",
            list,
        ),
        Endpoint::get("/api/v1/accounts/{name}", Role::Viewer, "getAccount", "One provider account", show),
        Endpoint::post(
            "/api/v1/accounts/{name}/test",
            Role::Operator,
            "testAccount",
            "Ask the provider what the account can reach of what the configuration needs; only reads there",
            Changes::Audited,
            test,
        ),
    ]
}

/// Which accounts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Listed {
    /// Only this provider's.
    provider: Option<Provider>,
    /// At most this many.
    #[serde(default = "page::default_limit")]
    #[schemars(range(min = 1, max = 500))]
    limit: u32,
    /// `next_cursor` of the page before.
    cursor: Option<NameCursor>,
}

/// Whose API it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum Provider {
    Zoho,
    Generic,
}

/// Which account.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    /// Its name in the configuration.
    #[schemars(example = &"org-a")]
    pub(super) name: String,
}

/// A provider account.
#[derive(Debug, Serialize, JsonSchema)]
struct Account {
    /// Its name in the configuration.
    name: String,
    /// Whose API it is.
    provider: String,
    /// Who owns it.
    organization: String,
    /// The provider's region.
    region: String,
    /// Whether it can be used.
    state: AccountState,
    /// What the provider said, where a person must authorise it, or why there is no grant.
    reason: Option<String>,
    /// Since when.
    since: Option<DateTime<Utc>>,
    /// When the access token that is kept for it ends; null where none is kept.
    token_expires_at: Option<DateTime<Utc>>,
    /// How its webhooks are verified; null where it takes none.
    webhook: Option<String>,
    /// Its grant; null where the provider gives none.
    grant: Option<Grant>,
}

/// Whether an account can be used.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum AccountState {
    /// Nothing speaks against it.
    Ok,
    /// A person must authorise it again.
    NeedsConsent,
}

/// What a test of an account found.
#[derive(Debug, Serialize, JsonSchema)]
struct AccountTest {
    /// The account.
    account: String,
    /// Whether everything worked that the configuration cannot do without.
    ok: bool,
    /// What was tried, in this order.
    checks: Vec<AccountCheck>,
}

/// One thing that was tried.
#[derive(Debug, Serialize, JsonSchema)]
struct AccountCheck {
    /// What was tried.
    name: String,
    /// On what; empty for the account as a whole.
    subject: String,
    /// Whether it worked.
    ok: bool,
    /// Whether the configuration can do without it.
    optional: bool,
    /// Stable code of the failure.
    code: Option<String>,
    /// What went wrong.
    message: Option<String>,
    /// What helps.
    remedy: Option<String>,
}

async fn list(call: Call<Nothing, Listed>) -> Result<Reply<Page<Account>>, Problem> {
    let Listed { provider, limit, cursor } = call.query;
    let after = cursor.map_or(String::new(), |cursor| cursor.0);
    let wanted = provider.map(|provider| match provider {
        Provider::Zoho => service::config::Provider::Zoho,
        Provider::Generic => service::config::Provider::Generic,
    });
    let mut grants = call.api.accounts().grants().await.map_err(grants::failed)?;
    let configured = call.api.config().accounts.values();
    let found = configured
        .filter(|one| call.caller.reaches(&one.organization) && one.name > after)
        .filter(|one| wanted.is_none_or(|wanted| one.provider == wanted))
        .take(usize::try_from(limit).unwrap_or(usize::MAX) + 1)
        .map(|one| account(&call.api, one, grants.remove(&one.name)))
        .collect();
    Ok(Page::of(found, limit, |last| NameCursor::written(&last.name)).into())
}

async fn show(call: Call<Named>) -> Result<Reply<Account>, Problem> {
    let configured = of(&call.api, &call.caller, &call.path.name)?;
    let mut grants = call.api.accounts().grants().await.map_err(grants::failed)?;
    Ok(account(&call.api, configured, grants.remove(&configured.name)).into())
}

async fn test(call: Call<Named>) -> Result<Reply<AccountTest>, Problem> {
    let name = of(&call.api, &call.caller, &call.path.name)?.name.clone();
    let report = call.api.accounts().test(&name).await.map_err(Problem::internal)?;
    let ok = report.is_ok();
    let checks = report.checks.into_iter().map(|check| AccountCheck {
        name: check.name.to_owned(),
        subject: check.subject,
        ok: check.ok,
        optional: check.optional,
        code: check.code.map(str::to_owned),
        message: check.message,
        remedy: check.remedy,
    });
    Ok(AccountTest { account: report.account, ok, checks: checks.collect() }.into())
}

/// The account of that name, if it is within the caller's reach.
pub(super) fn of<'a>(api: &'a Api, caller: &crate::Caller, name: &str) -> Result<&'a Configured, Problem> {
    let found = api.config().accounts.get(name).filter(|account| caller.reaches(&account.organization));
    found.ok_or_else(|| Problem::not_found("account of that name"))
}

fn account(api: &Api, configured: &Configured, grant: Option<GrantReport>) -> Account {
    let state = api.accounts().state(&configured.name).unwrap_or_default();
    let (access, reason, since) = match state.access {
        // Nobody has tried yet what cannot work.
        Access::Ok => match grant.as_ref().and_then(|grant| grant.absent.clone()) {
            Some(absent) => (AccountState::NeedsConsent, Some(absent), None),
            None => (AccountState::Ok, None, None),
        },
        Access::NeedsConsent { reason, since } => (AccountState::NeedsConsent, Some(reason), Some(since)),
    };
    Account {
        name: configured.name.clone(),
        provider: configured.provider.as_str().to_owned(),
        organization: configured.organization.clone(),
        region: configured.region.clone(),
        state: access,
        reason,
        since,
        token_expires_at: state.token_expires_at,
        webhook: configured.webhook.as_ref().map(|webhook| webhook.verify.as_str().to_owned()),
        grant: grant.map(Grant::from),
    }
}
