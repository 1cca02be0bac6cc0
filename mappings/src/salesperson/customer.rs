//! Statements over `books_contacts`: the last known state of each customer, and whose it is.

use catalogue::books::ContactChanged;
use catalogue::erp::Assignment;
use chrono::{DateTime, Utc};
use event_log::sql::{self, Builder, Connection, Row, Target};
use event_log::{EventId, StreamVersion, sqlx};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::stored::{Stored, stored};

/// A customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Customer {
    /// The account by which it is read.
    pub account: String,
    /// Whose it is.
    pub organization: String,
    /// The last state in Books.
    pub fact: ContactChanged,
    /// Whether it was deleted there or merged into another.
    pub is_gone: bool,
    /// Whether the last state was only announced by a webhook, and not seen where the provider was asked.
    pub is_announced: bool,
    /// The latest time of an announced state that turned out otherwise: what was told up to then may be told again.
    pub overruled_until: Option<DateTime<Utc>>,
    /// Whose it is here.
    pub assignment: Option<Assignment>,
    /// What the ERP wants and Books has not followed.
    pub wish: Option<Wish>,
    /// The last job that saw it.
    pub seen_in: Option<Uuid>,
    /// When it was seen last.
    pub seen_at: DateTime<Utc>,
    pub(crate) fact_id: EventId,
    pub(crate) version: StreamVersion,
    pub(crate) customer_version: StreamVersion,
}

/// Another salesperson that somebody of the ERP wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// Their account in the ERP.
    pub salesperson_id: Uuid,
    /// Their user in Books.
    pub owner_id: String,
    /// Who owned the customer in Books when it was wanted.
    pub instead_of_owner_id: Option<String>,
    /// Who was to own it by earlier wishes that Books has not been seen to follow. Where it does late, that is no
    /// contradiction.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub overtaken_owner_ids: Vec<String>,
}

impl Wish {
    /// The users of Books that a further wish overtakes.
    pub(crate) fn owners(self) -> Vec<String> {
        let mut owners = self.overtaken_owner_ids;
        owners.push(self.owner_id);
        owners
    }
}

impl Customer {
    /// One that is in the log after its first event.
    pub(super) fn unknown(account: &str, organization: &str, fact: ContactChanged, now: DateTime<Utc>) -> Self {
        Customer {
            account: account.to_owned(),
            organization: organization.to_owned(),
            fact,
            is_gone: false,
            is_announced: false,
            overruled_until: None,
            assignment: None,
            wish: None,
            seen_in: None,
            seen_at: now,
            fact_id: EventId(Uuid::nil()),
            version: StreamVersion(0),
            customer_version: StreamVersion(0),
        }
    }
}

/// Rows in one statement.
const AT_ONCE: usize = 100;

const COLUMNS: &str = "account, contact_id, organization, owner_id, version, fact, fact_id, is_gone, customer_version, \
     assignment, wish, seen_in, seen_at, is_announced, overruled_until";

/// One customer.
pub(crate) async fn load(
    target: impl Into<Target<'_>>,
    account: &str,
    contact_id: &str,
) -> Result<Option<Customer>, sqlx::Error> {
    let text = format!("SELECT {COLUMNS} FROM books_contacts WHERE account = $1 AND contact_id = $2");
    let row = sql::query_composed(text).bind(account).bind(contact_id).fetch_optional(target).await?;
    row.as_ref().map(read).transpose()
}

/// Some customers, by their ids.
pub(crate) async fn of_ids(
    target: impl Into<Target<'_>>,
    account: &str,
    contact_ids: impl Iterator<Item = &str>,
) -> Result<Vec<Customer>, sqlx::Error> {
    let text = format!(
        "SELECT {COLUMNS} FROM books_contacts WHERE account = $1 AND contact_id IN (SELECT value FROM json_each($2))"
    );
    let rows = sql::query_composed(text).bind(account).bind(sql::list(contact_ids)).fetch_all(target).await?;
    rows.iter().map(read).collect()
}

/// The customers of some owners.
pub(super) async fn of_owners(
    connection: &mut Connection,
    account: &str,
    owner_ids: impl Iterator<Item = &str>,
) -> Result<Vec<Customer>, sqlx::Error> {
    let text = format!(
        "SELECT {COLUMNS} FROM books_contacts WHERE account = $1 AND owner_id IN (SELECT value FROM json_each($2)) \
         ORDER BY contact_id"
    );
    let rows = sql::query_composed(text).bind(account).bind(sql::list(owner_ids)).fetch_all(connection).await?;
    rows.iter().map(read).collect()
}

/// Customers that a job has not seen and that are not gone, at most so many.
pub(super) async fn unseen(
    target: impl Into<Target<'_>>,
    account: &str,
    job_id: Uuid,
    limit: u32,
) -> Result<Vec<String>, sqlx::Error> {
    sql::query_scalar(
        "SELECT contact_id FROM books_contacts WHERE account = $1 AND NOT is_gone AND seen_in IS DISTINCT FROM $2 \
         ORDER BY contact_id LIMIT $3",
    )
    .bind(account)
    .bind(job_id)
    .bind(limit)
    .fetch_all(target)
    .await
}

/// Writes whole rows.
pub(crate) async fn save(connection: &mut Connection, customers: &[&Customer]) -> Result<(), sqlx::Error> {
    for customers in customers.chunks(AT_ONCE) {
        let mut query = Builder::new(format!("INSERT INTO books_contacts ({COLUMNS}) "));
        query.push_values(customers, |mut row, customer| {
            row.push_bind(&customer.account).push_bind(&customer.fact.contact_id).push_bind(&customer.organization);
            row.push_bind(&customer.fact.owner_id).push_bind(customer.version.0).push_bind(stored(&customer.fact));
            row.push_bind(customer.fact_id.0).push_bind(customer.is_gone).push_bind(customer.customer_version.0);
            row.push_bind(customer.assignment.as_ref().map(stored)).push_bind(customer.wish.as_ref().map(stored));
            row.push_bind(customer.seen_in).push_bind(customer.seen_at);
            row.push_bind(customer.is_announced).push_bind(customer.overruled_until);
        });
        query.push(
            " ON CONFLICT (account, contact_id) DO UPDATE SET owner_id = excluded.owner_id, version = excluded.version, \
             fact = excluded.fact, fact_id = excluded.fact_id, is_gone = excluded.is_gone, \
             customer_version = excluded.customer_version, assignment = excluded.assignment, wish = excluded.wish, \
             seen_in = excluded.seen_in, seen_at = excluded.seen_at, is_announced = excluded.is_announced, \
             overruled_until = excluded.overruled_until",
        );
        query.build().execute(&mut *connection).await?;
    }
    Ok(())
}

fn read(row: &Row) -> Result<Customer, sqlx::Error> {
    Ok(Customer {
        account: row.try_get("account")?,
        organization: row.try_get("organization")?,
        fact: row.try_get::<Stored<_>, _>("fact")?.0,
        is_gone: row.try_get("is_gone")?,
        assignment: row.try_get::<Option<Stored<_>>, _>("assignment")?.map(|stored| stored.0),
        wish: row.try_get::<Option<Stored<_>>, _>("wish")?.map(|stored| stored.0),
        seen_in: row.try_get("seen_in")?,
        seen_at: row.try_get("seen_at")?,
        is_announced: row.try_get("is_announced")?,
        overruled_until: row.try_get("overruled_until")?,
        fact_id: EventId(row.try_get("fact_id")?),
        version: StreamVersion(row.try_get("version")?),
        customer_version: StreamVersion(row.try_get("customer_version")?),
    })
}
