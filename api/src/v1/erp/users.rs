//! `/api/v1/erp/users`: the accounts of the ERP, and which role a person gives them.

use std::borrow::Cow;

use actix_web::http::Method;
use chrono::{DateTime, Utc};
use event_log::sql::{Builder, Row};
use mappings::user_role::{self, UserRole as Known};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{ROLE_NOT_DECIDABLE, ROLE_UNKNOWN, problem};
use crate::endpoint::{Call, Changes, Endpoint, Nothing, Reply};
use crate::page::{self, NameCursor, Page};
use crate::tds::{NO_BOOKS, ask};
use crate::{Problem, Role};

/// The entries of the group.
pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get(
            "/api/v1/erp/users",
            Role::Manager,
            "listErpUsers",
            "Users of Books and their accounts in the ERP; by `needs_review` those whose role a person has to say",
            users,
        )
        .refuses(&[NO_BOOKS]),
        Endpoint::new(
            Method::PUT,
            "/api/v1/erp/users/{erp_user_id}/role",
            Role::Admin,
            "decideUserRole",
            "Say which role an account has, before the table of roles; null lets the table say it again",
            Changes::Recorded,
            decide,
        )
        .refuses(&[ROLE_NOT_DECIDABLE, ROLE_UNKNOWN]),
        Endpoint::get(
            "/api/v1/erp/roles",
            Role::Manager,
            "listErpRoles",
            "The roles that an account can have: those of the table, and the default one",
            roles,
        )
        .refuses(&[NO_BOOKS]),
    ]
}

/// Where an account stands: in use (`active`), switched off (`inactive`), not made until a conflict about its address is
/// decided (`held`), or not made because another one counts instead (`merged`).
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum UserState {
    Active,
    Inactive,
    Held,
    Merged,
}

impl UserState {
    fn as_str(self) -> &'static str {
        match self {
            UserState::Active => "active",
            UserState::Inactive => "inactive",
            UserState::Held => "held",
            UserState::Merged => "merged",
        }
    }
}

/// Which users.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct UsersListed {
    /// The account, where the organisation has several with settings of Books.
    #[schemars(length(min = 1, max = 200))]
    account: Option<String>,
    /// Only those that stand there.
    state: Option<UserState>,
    /// Only those that are in use and whose role a person has to say.
    #[serde(default)]
    needs_review: bool,
    /// At most this many.
    #[serde(default = "page::default_limit")]
    #[schemars(range(min = 1, max = 500))]
    limit: u32,
    /// `next_cursor` of the page before.
    cursor: Option<NameCursor>,
}

/// A user of Books and the account in the ERP.
#[derive(Debug, Serialize, JsonSchema)]
struct ErpUser {
    /// The account.
    erp_user_id: Uuid,
    /// The user of Books.
    zoho_user_id: String,
    /// The address.
    email: Option<String>,
    /// The name.
    name: String,
    /// The role in Books.
    zoho_role: Option<String>,
    /// The role in the ERP; null where a person has to say.
    erp_role: Option<String>,
    /// Who decided it; null where the table of roles says it.
    role_decided_by: Option<String>,
    /// When that was decided.
    role_decided_at: Option<DateTime<Utc>>,
    /// `active`, `inactive`, `held`, `merged`.
    state: String,
    /// Whether the account is in use and a person has to say its role.
    needs_review: bool,
    /// No password was ever set: the person is to be invited.
    needs_invitation: bool,
    /// The account that counts instead.
    merged_into: Option<Uuid>,
    /// When anything of it changed last.
    updated_at: DateTime<Utc>,
}

/// Which user.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct OneUser {
    /// The account in the ERP.
    erp_user_id: Uuid,
}

/// Which role.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RoleWanted {
    /// The role, one of `/api/v1/erp/roles`; null for the one that the table of roles says.
    role: RoleOrTable,
}

/// A role or null. It has to be said: a body that forgets it withdraws nothing.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
struct RoleOrTable(Option<String>);

impl JsonSchema for RoleOrTable {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "RoleOrTable".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "null"], "minLength": 1, "maxLength": 200})
    }
}

/// An account and its role.
#[derive(Debug, Serialize, JsonSchema)]
struct UserRole {
    /// The account.
    erp_user_id: Uuid,
    /// The user of Books.
    zoho_user_id: String,
    /// The role in Books.
    zoho_role: Option<String>,
    /// The role in the ERP; null where a person has to say.
    erp_role: Option<String>,
    /// What a person decided; null where the table of roles says it.
    decided_role: Option<String>,
    /// `active`, `inactive`, `held`.
    state: Option<String>,
    /// Whether the account is in use and a person has to say its role.
    needs_review: bool,
}

/// Which account.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RolesListed {
    /// The account, where the organisation has several with settings of Books.
    #[schemars(length(min = 1, max = 200))]
    account: Option<String>,
}

/// Roles of the ERP.
#[derive(Debug, Serialize, JsonSchema)]
struct Roles {
    /// Their names.
    roles: Vec<String>,
}

async fn users(call: Call<Nothing, UsersListed>) -> Result<Reply<Page<ErpUser>>, Problem> {
    let UsersListed { account, state, needs_review, limit, cursor } = call.query;
    let meant = ask(&call.api, &call.caller, account.as_deref(), false)?;
    let mut query = Builder::new(
        "SELECT erp_user_id, zoho_user_id, email, name, zoho_role, erp_role, role_decided_by, role_decided_at, state, \
         active, needs_invitation, merged_into, updated_at FROM rm_erp_users WHERE account = ",
    );
    query.push_bind(&meant.account).push(" AND zoho_user_id > ");
    query.push_bind(cursor.map_or(String::new(), |cursor| cursor.0));
    if let Some(state) = state {
        query.push(" AND state = ").push_bind(state.as_str());
    }
    if needs_review {
        query.push(" AND active AND erp_role IS NULL");
    }
    query.push(" ORDER BY zoho_user_id LIMIT ").push_bind(limit + 1);
    let rows = query.build().fetch_all(call.api.readers()).await?;
    let found = rows.iter().map(user).collect::<Result<Vec<_>, _>>()?;
    Ok(Page::of(found, limit, |last| NameCursor::written(&last.zoho_user_id)).into())
}

fn user(row: &Row) -> Result<ErpUser, sqlx::Error> {
    let erp_role: Option<String> = row.try_get("erp_role")?;
    Ok(ErpUser {
        erp_user_id: row.try_get("erp_user_id")?,
        zoho_user_id: row.try_get("zoho_user_id")?,
        email: row.try_get("email")?,
        name: row.try_get("name")?,
        zoho_role: row.try_get("zoho_role")?,
        needs_review: erp_role.is_none() && row.try_get::<bool, _>("active")?,
        erp_role,
        role_decided_by: row.try_get("role_decided_by")?,
        role_decided_at: row.try_get("role_decided_at")?,
        state: row.try_get("state")?,
        needs_invitation: row.try_get("needs_invitation")?,
        merged_into: row.try_get("merged_into")?,
        updated_at: row.try_get("updated_at")?,
    })
}

async fn decide(call: Call<OneUser, Nothing, RoleWanted>) -> Result<Reply<UserRole>, Problem> {
    let RoleOrTable(role) = call.body.role;
    let (log, actor, config) = (call.api.log(), call.caller.actor(), call.api.config());
    let decided = user_role::decide(log, &actor, config, call.path.erp_user_id, role.as_deref()).await;
    let decided = decided.map_err(|error| match error {
        mappings::Error::Invalid { reason, .. } => Problem::new(&ROLE_NOT_DECIDABLE, format!("the account {reason}")),
        error => problem(error),
    });
    Ok(UserRole::from(decided?.user).into())
}

async fn roles(call: Call<Nothing, RolesListed>) -> Result<Reply<Roles>, Problem> {
    let meant = ask(&call.api, &call.caller, call.query.account.as_deref(), false)?;
    let books = call.api.config().accounts.get(&meant.account).and_then(|account| account.books.as_ref());
    Ok(Roles { roles: books.map(user_role::roles).unwrap_or_default() }.into())
}

impl From<Known> for UserRole {
    fn from(known: Known) -> Self {
        UserRole {
            erp_user_id: known.erp_user_id,
            zoho_user_id: known.zoho_user_id,
            zoho_role: known.zoho_role,
            erp_role: known.erp_role,
            decided_role: known.decided_role,
            state: known.state.map(|state| state.as_str().to_owned()),
            needs_review: known.needs_review,
        }
    }
}
