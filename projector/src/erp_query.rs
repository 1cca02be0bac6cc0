//! Reading what the ERP is told: accounts, customers, owners nobody knows, conflicts. Pages follow the keys of the tables.

use event_log::sql::Pool;

use crate::query::select;
use crate::{Conflict, ConflictState, ErpCustomer, ErpCustomerState, ErpUser, Error, UnmappedOwner};

/// Accounts of the ERP.
#[derive(Debug, Clone, Default)]
pub struct ErpUserFilter {
    /// Whose.
    pub organization: Option<String>,
    /// Of which account of the provider.
    pub account: Option<String>,
    /// Only those after this account and user of Books.
    pub after: Option<(String, String)>,
}

/// Accounts of the ERP, by the account and user of Books.
///
/// # Errors
/// Database failures.
pub async fn erp_users(readers: &Pool, filter: &ErpUserFilter, limit: u32) -> Result<Vec<ErpUser>, Error> {
    let rest = "WHERE ($1 IS NULL OR organization = $1) AND ($2 IS NULL OR account = $2) \
                AND (account > $3 OR (account = $3 AND zoho_user_id > $4)) ORDER BY account, zoho_user_id LIMIT $5";
    let (account, id) = place(&filter.after);
    select(readers, rest, |statement| {
        statement
            .bind(filter.organization.as_deref())
            .bind(filter.account.as_deref())
            .bind(account)
            .bind(id)
            .bind(limit)
    })
    .await
}

/// Customers of the ERP; everything that is set must hold.
#[derive(Debug, Clone, Default)]
pub struct ErpCustomerFilter {
    /// Whose.
    pub organization: Option<String>,
    /// Of which account of the provider.
    pub account: Option<String>,
    /// In this state.
    pub state: Option<ErpCustomerState>,
    /// Of this owner in Books.
    pub zoho_owner_id: Option<String>,
    /// Only those after this account and contact of Books.
    pub after: Option<(String, String)>,
}

/// Customers of the ERP, by the account and contact of Books.
///
/// # Errors
/// Database failures.
pub async fn erp_customers(readers: &Pool, filter: &ErpCustomerFilter, limit: u32) -> Result<Vec<ErpCustomer>, Error> {
    let rest = "WHERE ($1 IS NULL OR organization = $1) AND ($2 IS NULL OR account = $2) \
                AND (account > $3 OR (account = $3 AND zoho_contact_id > $4)) AND ($5 IS NULL OR state = $5) \
                AND ($6 IS NULL OR zoho_owner_id = $6) ORDER BY account, zoho_contact_id LIMIT $7";
    let (account, id) = place(&filter.after);
    select(readers, rest, |statement| {
        statement
            .bind(filter.organization.as_deref())
            .bind(filter.account.as_deref())
            .bind(account)
            .bind(id)
            .bind(filter.state)
            .bind(filter.zoho_owner_id.as_deref())
            .bind(limit)
    })
    .await
}

/// Owners that customers wait for, by the account and owner.
///
/// # Errors
/// Database failures.
pub async fn unmapped_owners(
    readers: &Pool,
    organization: Option<&str>,
    account: Option<&str>,
) -> Result<Vec<UnmappedOwner>, Error> {
    let rest = "WHERE customers > 0 AND ($1 IS NULL OR organization = $1) AND ($2 IS NULL OR account = $2) \
                ORDER BY account, zoho_owner_id";
    select(readers, rest, |statement| statement.bind(organization).bind(account)).await
}

/// Conflicts, the latest change first.
///
/// # Errors
/// Database failures.
pub async fn conflicts(
    readers: &Pool,
    organization: Option<&str>,
    state: Option<ConflictState>,
    limit: u32,
) -> Result<Vec<Conflict>, Error> {
    let rest = "WHERE ($1 IS NULL OR organization = $1) AND ($2 IS NULL OR state = $2) ORDER BY position DESC LIMIT $3";
    select(readers, rest, |statement| statement.bind(organization).bind(state).bind(limit)).await
}

fn place(after: &Option<(String, String)>) -> (&str, &str) {
    after.as_ref().map_or(("", ""), |(account, id)| (account, id))
}
