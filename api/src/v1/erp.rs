//! `/api/v1/erp`: customers, whose they are, users and their roles, and what a person has to decide.

mod users;

use catalogue::erp::{ConflictAbout, Decision as Decided};
use chrono::{DateTime, Utc};
use event_log::sql::{Builder, Row};
use mappings::conflict::{self, Conflict as Known};
use mappings::salesperson;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::endpoint::{Call, Changes, Endpoint, Nothing, Reply};
use crate::page::{self, NameCursor, Page};
use crate::problem::Refusal;
use crate::tds::{NO_BOOKS, ask};
use crate::{Problem, Role};

/// The decision does not fit.
pub const DECISION_INVALID: Refusal =
    Refusal::new(422, "decision_invalid", "What was decided cannot be, for the reason given.");

/// The account is no one's whose role can be decided.
pub const ROLE_NOT_DECIDABLE: Refusal =
    Refusal::new(409, "role_not_decidable", "The role of the account cannot be decided, for the reason given.");
/// The role does not exist.
pub const ROLE_UNKNOWN: Refusal =
    Refusal::new(422, "role_unknown", "There is no such role in the ERP; `context` has those that exist as `roles`.");

/// The entries of the group.
#[must_use]
pub fn endpoints() -> Vec<Endpoint> {
    let mut all = vec![
        Endpoint::get(
            "/api/v1/erp/customers",
            Role::Viewer,
            "listCustomers",
            "Customers and their salespeople; by `state` those without one, or whose owner is not known",
            customers,
        )
        .refuses(&[NO_BOOKS]),
        Endpoint::new(
            actix_web::http::Method::PUT,
            "/api/v1/erp/customers/{contact_id}/salesperson",
            Role::Manager,
            "assignSalesperson",
            "Give a customer to another salesperson; Books is to follow",
            Changes::Recorded,
            assign,
        )
        .refuses(&[NO_BOOKS, DECISION_INVALID]),
        Endpoint::get(
            "/api/v1/erp/conflicts",
            Role::Viewer,
            "listConflicts",
            "What contradicts what, and what was decided",
            conflicts,
        )
        .refuses(&[DECISION_INVALID]),
        Endpoint::post(
            "/api/v1/erp/conflicts/{conflict_id}/decide",
            Role::Manager,
            "decideConflict",
            "Decide a conflict",
            Changes::Recorded,
            decide,
        )
        .refuses(&[DECISION_INVALID]),
    ];
    all.extend(users::endpoints());
    all
}

/// What is known of a customer's salesperson.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum CustomerState {
    Assigned,
    Unassigned,
    UnmappedOwner,
    InactiveOwner,
    HeldOwner,
    Gone,
}

impl CustomerState {
    fn as_str(self) -> &'static str {
        match self {
            CustomerState::Assigned => "assigned",
            CustomerState::Unassigned => "unassigned",
            CustomerState::UnmappedOwner => "unmapped_owner",
            CustomerState::InactiveOwner => "inactive_owner",
            CustomerState::HeldOwner => "held_owner",
            CustomerState::Gone => "gone",
        }
    }
}

/// Which customers.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CustomersListed {
    /// The account, where the organisation has several with settings of Books.
    #[schemars(length(min = 1, max = 200))]
    account: Option<String>,
    /// Only those of which this is known.
    state: Option<CustomerState>,
    /// At most this many.
    #[serde(default = "page::default_limit")]
    #[schemars(range(min = 1, max = 500))]
    limit: u32,
    /// `next_cursor` of the page before.
    cursor: Option<NameCursor>,
}

/// A customer.
#[derive(Debug, Serialize, JsonSchema)]
struct Customer {
    /// The contact in Books.
    zoho_contact_id: String,
    /// The name.
    name: String,
    /// The owner in Books.
    zoho_owner_id: Option<String>,
    /// The owner's name there.
    owner_name: Option<String>,
    /// The salesperson's account in the ERP.
    salesperson_id: Option<Uuid>,
    /// The one that the ERP wants while Books has not followed.
    wanted_salesperson_id: Option<Uuid>,
    /// `assigned`, `unassigned`, `unmapped_owner`, `inactive_owner`, `held_owner`, `gone`.
    state: String,
    /// Since when.
    state_since: DateTime<Utc>,
}

/// Which customer.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct OneCustomer {
    /// The contact in Books.
    #[schemars(length(min = 1, max = 100))]
    contact_id: String,
}

/// To whom.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Assigned {
    /// The account, where the organisation has several with settings of Books.
    #[schemars(length(min = 1, max = 200))]
    account: Option<String>,
    /// The account in the ERP that is to have the customer.
    salesperson_id: Uuid,
}

/// A customer that was given to somebody.
#[derive(Debug, Serialize, JsonSchema)]
struct Assignment {
    /// The customer.
    zoho_contact_id: String,
    /// The salesperson it has.
    salesperson_id: Option<Uuid>,
    /// The one it is to have once Books has followed.
    wanted_salesperson_id: Option<Uuid>,
}

/// Which conflicts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ConflictsListed {
    /// Of this account.
    #[schemars(length(min = 1, max = 200))]
    account: Option<String>,
    /// Also those that are over.
    #[serde(default)]
    all: bool,
    /// At most this many.
    #[serde(default = "page::default_limit")]
    #[schemars(range(min = 1, max = 500))]
    limit: u32,
    /// `next_cursor` of the page before.
    cursor: Option<NameCursor>,
}

/// Which conflict.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct OneConflict {
    /// Its id.
    conflict_id: Uuid,
}

/// What is decided.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Choice {
    /// Of several users with one address this user's account (`keep_user`); the owner in Books, or the one that the ERP wants.
    decision: Keep,
    /// The user of Books, with `keep_user`.
    #[schemars(length(min = 1, max = 100))]
    user_id: Option<String>,
}

/// What stays.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[schemars(inline)]
enum Keep {
    #[serde(rename = "keep_user")]
    User,
    #[serde(rename = "keep_books_owner")]
    BooksOwner,
    #[serde(rename = "keep_erp_owner")]
    ErpOwner,
}

/// Two things that contradict each other.
#[derive(Debug, Serialize, JsonSchema)]
struct Conflict {
    /// Its id.
    conflict_id: Uuid,
    /// The account.
    account: String,
    /// `same_email` or `owner`.
    kind: String,
    /// The address or the customer.
    subject: String,
    /// `open`, `decided`, `resolved`.
    state: String,
    /// The parties.
    about: Value,
    /// What was decided; null while it is open.
    decision: Option<Value>,
    /// The last change.
    changed_at: DateTime<Utc>,
}

async fn customers(call: Call<Nothing, CustomersListed>) -> Result<Reply<Page<Customer>>, Problem> {
    let CustomersListed { account, state, limit, cursor } = call.query;
    let meant = ask(&call.api, &call.caller, account.as_deref(), false)?;
    let mut query = Builder::new(
        "SELECT zoho_contact_id, name, zoho_owner_id, owner_name, salesperson_id, wanted_salesperson_id, state, \
         state_since FROM rm_erp_customers WHERE account = ",
    );
    query.push_bind(&meant.account).push(" AND zoho_contact_id > ");
    query.push_bind(cursor.map_or(String::new(), |cursor| cursor.0));
    if let Some(state) = state {
        query.push(" AND state = ").push_bind(state.as_str());
    }
    query.push(" ORDER BY zoho_contact_id LIMIT ").push_bind(limit + 1);
    let rows = query.build().fetch_all(call.api.readers()).await?;
    let found = rows.iter().map(customer).collect::<Result<Vec<_>, _>>()?;
    Ok(Page::of(found, limit, |last| NameCursor::written(&last.zoho_contact_id)).into())
}

fn customer(row: &Row) -> Result<Customer, sqlx::Error> {
    Ok(Customer {
        zoho_contact_id: row.try_get("zoho_contact_id")?,
        name: row.try_get("name")?,
        zoho_owner_id: row.try_get("zoho_owner_id")?,
        owner_name: row.try_get("owner_name")?,
        salesperson_id: row.try_get("salesperson_id")?,
        wanted_salesperson_id: row.try_get("wanted_salesperson_id")?,
        state: row.try_get("state")?,
        state_since: row.try_get("state_since")?,
    })
}

async fn assign(call: Call<OneCustomer, Nothing, Assigned>) -> Result<Reply<Assignment>, Problem> {
    let Assigned { account, salesperson_id } = call.body;
    let meant = ask(&call.api, &call.caller, account.as_deref(), false)?;
    let books = call.api.config().accounts.get(&meant.account).and_then(|account| account.books.as_ref());
    let Some(books) = books else { return Err(Problem::not_found("account of that name")) };
    let (log, actor) = (call.api.log(), call.caller.actor());
    let assigned = salesperson::assign(log, &actor, &meant.account, books, &call.path.contact_id, salesperson_id).await;
    let assigned = assigned.map_err(problem)?;
    Ok(Assignment {
        zoho_contact_id: assigned.contact_id,
        salesperson_id: assigned.salesperson_id,
        wanted_salesperson_id: assigned.wanted_salesperson_id,
    }
    .into())
}

async fn conflicts(call: Call<Nothing, ConflictsListed>) -> Result<Reply<Page<Conflict>>, Problem> {
    let ConflictsListed { account, all, limit, cursor } = call.query;
    let filter = conflict::Filter {
        organization: call.caller.organization.clone(),
        account,
        state: (!all).then_some(catalogue::erp::ConflictState::Open),
    };
    // A cursor that was not given out is some place in the list.
    let after = cursor.and_then(|cursor| cursor.0.parse().ok());
    let found = conflict::list(call.api.readers(), &filter, after, limit + 1).await.map_err(problem)?;
    let page = Page::of(found, limit, |last| NameCursor::written(&last.conflict_id.to_string()));
    Ok(page.map(Conflict::from).into())
}

async fn decide(call: Call<OneConflict, Nothing, Choice>) -> Result<Reply<Conflict>, Problem> {
    let decision = match (call.body.decision, call.body.user_id) {
        (Keep::User, Some(user_id)) => Decided::KeepUser { user_id },
        (Keep::BooksOwner, None) => Decided::KeepBooksOwner,
        (Keep::ErpOwner, None) => Decided::KeepErpOwner,
        (Keep::User, None) => {
            let (problem, remedy) = ("is missing", "name the user of Books whose account stays");
            return Err(Problem::unusable(&DECISION_INVALID, "user_id", problem, remedy));
        }
        (_, Some(_)) => {
            let (problem, remedy) = ("does not belong to this decision", "leave it out");
            return Err(Problem::unusable(&DECISION_INVALID, "user_id", problem, remedy));
        }
    };
    let (log, actor, config) = (call.api.log(), call.caller.actor(), call.api.config());
    let decided = conflict::decide(log, &actor, config, call.path.conflict_id, &decision).await.map_err(problem)?;
    Ok(Conflict::from(decided).into())
}

fn problem(error: mappings::Error) -> Problem {
    match error {
        mappings::Error::Log(error) => error.into(),
        mappings::Error::Invalid { field, ref reason } => {
            Problem::unusable(&DECISION_INVALID, field, reason.clone(), "correct the value and send it again")
        }
        mappings::Error::UnknownRole { ref roles, .. } => {
            let context = serde_json::json!({ "roles": roles });
            let remedy = "take one of the roles in `context`, or null for the one that the table says";
            Problem::unusable(&ROLE_UNKNOWN, "role", error.to_string(), remedy).with_context(context)
        }
        mappings::Error::UnknownUser { .. } => Problem::not_found("user of that id"),
        mappings::Error::UnknownCustomer { .. } => Problem::not_found("customer of that contact"),
        mappings::Error::UnknownConflict { .. } => Problem::not_found("conflict of that id"),
        other => Problem::internal(other),
    }
}

impl From<Known> for Conflict {
    fn from(known: Known) -> Self {
        let parties = |about: &ConflictAbout| serde_json::to_value(about).unwrap_or_default();
        Conflict {
            conflict_id: known.conflict_id,
            kind: known.about.kind().as_str().to_owned(),
            subject: known.about.subject().to_owned(),
            state: known.state.as_str().to_owned(),
            about: parties(&known.about),
            decision: known.decision.and_then(|decision| serde_json::to_value(decision).ok()),
            changed_at: known.changed_at,
            account: known.account,
        }
    }
}
